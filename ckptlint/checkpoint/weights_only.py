"""What `torch.load(weights_only=True)`, the default since torch 2.6, accepts and refuses.

Source of `_ALLOWED`: `torch._weights_only_unpickler._get_allowed_globals()` of torch 2.13 (a test compares it with the
torch that is installed). Source of `IMPORT_FIRST`: the branches of `Unpickler.load` there that ask for an import.
Source of `_RUNS_CODE`: what published malicious checkpoints call, and the modules that torch blocks even on request.
"""

from __future__ import annotations

from ckptlint.checkpoint.inert import Global

_ALLOWED: dict[str, str] = {
    "_codecs": """
        encode
    """,
    "builtins": """
        bytearray complex set
    """,
    "collections": """
        Counter OrderedDict
    """,
    "torch": """
        BFloat16Storage BFloat16Tensor BoolStorage BoolTensor ByteStorage ByteTensor CharStorage
        CharTensor ComplexDoubleStorage ComplexFloatStorage DoubleStorage DoubleTensor FloatStorage
        FloatTensor HalfStorage HalfTensor IntStorage IntTensor LongStorage LongTensor QInt32Storage
        QInt8Storage QUInt2x4Storage QUInt4x2Storage QUInt8Storage ShortStorage ShortTensor Size
        Tensor bfloat16 bits16 bits1x8 bits2x4 bits4x2 bits8 bool complex128 complex32 complex64
        device float16 float32 float4_e2m1fn_x2 float64 float8_e4m3fn float8_e4m3fnuz float8_e5m2
        float8_e5m2fnuz float8_e8m0fnu int1 int16 int2 int3 int32 int4 int5 int6 int64 int7 int8
        per_channel_affine per_channel_affine_float_qparams per_channel_symmetric per_tensor_affine
        per_tensor_symmetric qint32 qint8 quint2x4 quint4x2 quint8 uint1 uint16 uint2 uint3 uint32
        uint4 uint5 uint6 uint64 uint7 uint8
    """,
    "torch._tensor": """
        _rebuild_from_type_v2
    """,
    "torch._utils": """
        _rebuild_device_tensor_from_cpu_tensor _rebuild_device_tensor_from_numpy
        _rebuild_meta_tensor_no_storage _rebuild_nested_tensor _rebuild_parameter
        _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor _rebuild_tensor
        _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_wrapper_subclass
    """,
    "torch.cuda": """
        BFloat16Storage BFloat16Tensor BoolStorage BoolTensor ByteStorage ByteTensor CharStorage
        CharTensor ComplexDoubleStorage ComplexFloatStorage DoubleStorage DoubleTensor FloatStorage
        FloatTensor HalfStorage HalfTensor IntStorage IntTensor LongStorage LongTensor ShortStorage
        ShortTensor
    """,
    "torch.cuda.sparse": """
        BFloat16Tensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor
        LongTensor ShortTensor
    """,
    "torch.nn.parameter": """
        Parameter
    """,
    "torch.serialization": """
        _get_layout
    """,
    "torch.sparse": """
        BFloat16Tensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor
        LongTensor ShortTensor
    """,
    "torch.storage": """
        TypedStorage UntypedStorage
    """,
}

# Refused until the user has imported the module that stands here.
IMPORT_FIRST: dict[str, str] = {
    "torch.nested._internal.nested_tensor.NestedTensor": "torch.nested",
    "torch.nested._internal.nested_tensor._rebuild_njt": "torch.nested",
    "torch._dynamo.decorators._DimRange": "torch._dynamo",
    "torch.distributed.device_mesh.DeviceMesh": "torch.distributed.tensor",
    "torch.distributed.tensor._dtensor_spec.DTensorSpec": "torch.distributed.tensor",
    "torch.distributed.tensor._dtensor_spec.TensorMeta": "torch.distributed.tensor",
    "torch.distributed.tensor.DTensor": "torch.distributed.tensor",
    "torch.distributed.tensor.placement_types.Partial": "torch.distributed.tensor",
    "torch.distributed.tensor.placement_types.Replicate": "torch.distributed.tensor",
    "torch.distributed.tensor.placement_types.Shard": "torch.distributed.tensor",
}

# Whole modules, and single names of `builtins`, that no checkpoint has an honest use for.
_RUNS_CODE = frozenset({
    "os", "posix", "nt", "sys", "subprocess", "pty", "runpy", "shutil", "socket", "ctypes", "webbrowser", "code", "pdb",
    "bdb", "timeit", "cProfile", "profile", "marshal", "importlib", "commands", "pip", "asyncio", "multiprocessing",
    "urllib", "requests", "http", "ftplib", "smtplib", "telnetlib", "ssl", "tempfile", "idlelib", "pydoc", "zipimport",
})  # fmt: skip
_OPENS_FILES = frozenset({"io.open", "io.FileIO", "_io.open", "_io.FileIO"})
_RUNS_CODE_BUILTINS = frozenset({"eval", "exec", "execfile", "compile", "open", "__import__", "breakpoint", "input"})


def is_allowed(found: Global) -> bool:
    """Whether torch's weights_only reader knows this global without being told."""
    module, _, name = found.qualified.rpartition(".")
    return name in _ALLOWED.get(module, "").split()


def runs_code(found: Global) -> bool:
    """Whether the only use of this global in a pickle is an attack."""
    module, _, name = found.qualified.rpartition(".")
    if module == "builtins":
        return name in _RUNS_CODE_BUILTINS
    return module.partition(".")[0] in _RUNS_CODE or found.qualified in _OPENS_FILES

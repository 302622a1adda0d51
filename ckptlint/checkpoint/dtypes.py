"""Element types: their sizes, and the names that torch's storage classes and safetensors give them.

Sources: `torch.storage._dtype_to_storage_type_map()` and `_new_dtypes()` of torch 2.13; the `Dtype` enum of
safetensors 0.8 (`safetensors/src/tensor.rs`). A dtype is named as torch prints it, without the `torch.` in front.
"""

from __future__ import annotations

# Bits of one element. The packed quantized types count elements, not bytes, in their shape; float4_e2m1fn_x2 and the
# bits types count bytes.
ITEM_BITS: dict[str, int] = {
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16,
    "float8_e4m3fn": 8, "float8_e4m3fnuz": 8, "float8_e5m2": 8, "float8_e5m2fnuz": 8, "float8_e8m0fnu": 8,
    "float4_e2m1fn_x2": 8, "float6_e2m3fn": 6, "float6_e3m2fn": 6, "float4_e2m1fn": 4,
    "int64": 64, "int32": 32, "int16": 16, "int8": 8,
    "uint64": 64, "uint32": 32, "uint16": 16, "uint8": 8, "bool": 8,
    "complex128": 128, "complex64": 64, "complex32": 32,
    "qint8": 8, "quint8": 8, "qint32": 32, "quint4x2": 4, "quint2x4": 2,
    "bits8": 8, "bits16": 16, "bits1x8": 8, "bits2x4": 8, "bits4x2": 8,
    **{f"uint{bits}": 8 for bits in range(1, 8)},
    **{f"int{bits}": 8 for bits in range(1, 8)},
}  # fmt: skip

# The class name of a typed storage -> the dtype of its elements. `torch.cuda.FloatStorage` has the same last part.
STORAGE_DTYPE: dict[str, str] = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64",
    "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2", "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "uint8",
}  # fmt: skip

# The names in a safetensors header -> torch's.
SAFETENSORS_DTYPE: dict[str, str] = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F6_E2M3": "float6_e2m3fn", "F6_E3M2": "float6_e3m2fn", "F4": "float4_e2m1fn",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64",
}  # fmt: skip


def byte_count(dtype: str, numel: int) -> int:
    """The bytes that `numel` elements of `dtype` take, rounded up; a dtype that is not known counts one byte each."""
    return (numel * ITEM_BITS.get(dtype, 8) + 7) // 8

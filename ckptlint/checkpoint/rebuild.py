"""Which tensor a recorded call stands for: torch's `_rebuild_*` functions, read and never run.

    Call(torch._utils._rebuild_tensor_v2, (PersistentId(("storage", torch.FloatStorage, "7", "cpu", 12)),
                                           0, (3, 4), (4, 1), False, OrderedDict()))
    ->  Tensor(dtype="float32", shape=(3, 4), stride=(4, 1), offset=0, storage=Storage("7", nbytes=48, ...), ...)

The arguments of each function: `torch/_utils.py` and `torch/_tensor.py` of torch 2.13; `_rebuild_tensor` and the
classes `Variable` and `Parameter` called directly are those of torch 0.1 to 0.3. What does not look as it should
raises `NotATensor`, and the walk notes it as a problem of that one value.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from ckptlint.checkpoint.dtypes import ITEM_BITS, STORAGE_DTYPE, byte_count
from ckptlint.checkpoint.inert import Call, Global, PersistentId
from ckptlint.checkpoint.model import Storage, Tensor

# (key, location, bytes) -> the storage; each format has its own.
FindStorage = Callable[[str, str, int], Storage]

_MAX_DIMENSIONS = 256
_MAX_ATTRIBUTES = 64  # of a tensor subclass that are looked at for tensors


class NotATensor(Exception):  # noqa: N818 (not an error of the program: the file says what no torch writes)
    """The arguments are none that torch would pass; the text says what is wrong with them."""


class Place(NamedTuple):
    """Where in the checkpoint a tensor stands, as in `model.Tensor`."""

    path: tuple[object, ...]
    entry: str
    key: str


def is_tensor_call(value: object) -> bool:
    """Whether `value` is a call of one of the functions that this module reads."""
    return (
        type(value) is Call
        and type(value.func) is Global
        and value.func.name in _REBUILD
        and (value.func.module in _MODULES)
    )


def rebuild(value: Call, find: FindStorage, place: Place) -> Tensor:
    """The tensor that a call of one of torch's functions stands for (see `is_tensor_call`).

    Raises NotATensor.
    """
    func = value.func
    if type(func) is not Global or type(value.args) is not tuple:
        raise NotATensor("its arguments are no tuple")
    try:
        return _REBUILD[func.name](value.args, find, place)
    except (IndexError, TypeError, ValueError):
        raise NotATensor(f"{func.name} has arguments that torch never writes") from None


def _v2(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """(storage, offset, size, stride[, requires_grad, hooks, metadata])."""
    storage, dtype, base = _storage(args[0], find)
    return _strided(args, place, storage, dtype, base)


def _v3(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])."""
    storage, _, base = _storage(args[0], find)
    return _strided(args, place, storage, _dtype(args[6]), base)


def _strided(args: tuple[object, ...], place: Place, storage: Storage, dtype: str, base: int) -> Tensor:
    offset = args[1]
    shape = args[2] if type(args[2]) is tuple else _shape(args[2])
    stride = args[3] if type(args[3]) is tuple else _shape(args[3])
    if type(offset) is not int or len(shape) != len(stride) or len(shape) > _MAX_DIMENSIONS:
        raise NotATensor("its size, stride and offset do not fit each other")
    if offset < 0:
        raise NotATensor("its offset is negative")
    offset += base
    # The last element lies at the sum of (size - 1) * stride.
    last = offset
    empty = False
    for size, step in zip(shape, stride):  # noqa: B905 (their lengths were just compared; this is the hot loop)
        if type(size) is not int or type(step) is not int or size < 0 or step < 0 or size >= 1 << 63 or step >= 1 << 63:
            raise NotATensor("a size or a stride is negative, or no number that torch can hold")
        if size:
            last += (size - 1) * step
        else:
            empty = True
    if not empty and byte_count(dtype, last + 1) > storage.nbytes:
        raise NotATensor(
            f"its last element lies at byte {byte_count(dtype, last + 1):,} of a storage of {storage.nbytes:,} bytes"
        )
    return Tensor(
        place.path, place.entry, place.key, dtype, shape, stride, offset, storage, storage.location,
        len(args) > 4 and args[4] is True,
    )  # fmt: skip


def _parameter(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """(data, requires_grad, hooks[, state])."""
    if type(args[0]) is not Call or not is_tensor_call(args[0]):
        raise NotATensor("it is a parameter without data")
    inner = args[0]
    if type(inner.func) is Global and _REBUILD[inner.func.name] is _parameter:
        raise NotATensor("it is a parameter of a parameter")
    made = rebuild(inner, find, place)
    return made._replace(parameter=True, requires_grad=len(args) < 2 or args[1] is not False)


def _variable(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """`torch.autograd.variable.Variable` of torch 0.1 to 0.3: as a parameter, but none."""
    return _parameter(args, find, place)._replace(parameter=False)


def _quantized(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """(storage, offset, size, stride, quantizer parameters, requires_grad, hooks)."""
    storage, dtype, base = _storage(args[0], find)
    made = _strided((*args[:4], args[5]), place, storage, dtype, base)
    return made._replace(layout="quantized")


def _sparse(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """(layout, (indices, values, size[, coalesced])) or (layout, (crow, col, values, size))."""
    layout = args[0].args[0] if type(args[0]) is Call and type(args[0].args) is tuple else None
    if type(layout) is not str or type(args[1]) is not tuple:
        raise NotATensor("its layout is no text")
    layout = layout.removeprefix("torch.")
    tensors = 2 if layout == "sparse_coo" else 3
    parts = tuple(_part(part, find, place) for part in args[1][:tensors])
    values = parts[-1]
    return Tensor(
        place.path, place.entry, place.key, values.dtype, _shape(args[1][tensors]), (), 0, None, values.device,
        layout=layout, parts=parts,
    )  # fmt: skip


def _nested(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """(buffer, sizes, strides, offsets): the shape is data, and not read."""
    parts = tuple(_part(part, find, place) for part in args[:4])
    return Tensor(
        place.path, place.entry, place.key, parts[0].dtype, (), (), 0, None, parts[0].device,
        layout="nested", parts=parts,
    )  # fmt: skip


def _meta(args: tuple[object, ...], _: FindStorage, place: Place) -> Tensor:
    """(dtype, size, stride, requires_grad): a tensor that was saved without its data."""
    return Tensor(
        place.path, place.entry, place.key, _dtype(args[0]), _shape(args[1]), _shape(args[2]), 0, None, "meta",
        args[3] is True, layout="meta",
    )  # fmt: skip


def _from_type(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """(function, subclass, its arguments, state): a subclass, or a tensor with attributes of its own."""
    function, subclass, inner, state = args[:4]
    name = subclass.qualified if type(subclass) is Global else None
    if type(function) is not Global:
        raise NotATensor("it is rebuilt by something that is no function")
    attributes = state[-1] if type(state) is tuple and state else state
    marked = attributes if isinstance(attributes, dict) else {}
    if function.name in _INSIDE_A_TYPE:
        made = rebuild(Call(function, inner, "reduce"), find, place)
    elif type(inner) is tuple and inner and isinstance(inner[0], dict) and "values" in inner[0]:  # jagged nested
        values = _part(inner[0]["values"], find, place)
        made = Tensor(
            place.path, place.entry, place.key, values.dtype, (), (), 0, None, values.device,
            layout="nested", parts=(values, _part(inner[0]["offsets"], find, place)),
        )  # fmt: skip
    else:
        raise NotATensor(f"it is rebuilt by {function.qualified}, which ckptlint does not know")
    if made.storage is None and made.layout == "strided":
        parts = [value for value in islice(marked.values(), _MAX_ATTRIBUTES) if is_tensor_call(value)]
        made = made._replace(parts=tuple(_part(part, find, place) for part in parts))
    plain = name in (None, "torch.Tensor", "torch.nn.parameter.Parameter")
    return made._replace(
        subclass=None if plain else name,
        parameter=made.parameter or name == "torch.nn.parameter.Parameter",
        persistent=marked.get("persistent", True) is not False,
    )


def _wrapper(args: tuple[object, ...], _: FindStorage, place: Place) -> Tensor:
    """(class, dtype, size, stride, offset, layout, device, requires_grad): the outside of a DTensor and its kin."""
    device = args[6]
    if type(device) is Call and type(device.args) is tuple:
        device = ":".join(str(part) for part in device.args if type(part) in (str, int))
    return Tensor(
        place.path, place.entry, place.key, _dtype(args[1]), _shape(args[2]), _shape(args[3]), 0, None,
        device if type(device) is str else "cpu", args[7] is True,
        subclass=args[0].qualified if type(args[0]) is Global else None,
    )  # fmt: skip


def _device_tensor(args: tuple[object, ...], find: FindStorage, place: Place) -> Tensor:
    """(data, dtype, device, requires_grad): a tensor of an XLA, HPU or similar device, kept as CPU data."""
    device = args[2] if type(args[2]) is str else "cpu"
    if is_tensor_call(args[0]):
        part = _part(args[0], find, place)
        return part._replace(
            dtype=_dtype(args[1]), device=device, storage=None, parts=(part,), requires_grad=args[3] is True
        )
    array = numpy_array(args[0])
    if array is None:
        raise NotATensor("its data is neither a tensor nor an array")
    shape = array[1]
    stride = tuple(_product(shape[index + 1 :]) for index in range(len(shape)))
    return Tensor(
        place.path, place.entry, place.key, _dtype(args[1]), shape, stride, 0, None, device, args[3] is True
    )  # fmt: skip


def numpy_array(value: object) -> tuple[str, tuple[int, ...]] | None:
    """The dtype (numpy's short name, "f8") and shape of a pickled numpy array, None for anything else."""
    if type(value) is not Call or type(value.func) is not Global or value.func.name != "_reconstruct":
        return None
    state = value.state
    if type(state) is not tuple or len(state) < 3 or type(state[1]) is not tuple:
        return None
    dtype = state[2].args[0] if type(state[2]) is Call and type(state[2].args) is tuple and state[2].args else "?"
    if len(state[1]) > _MAX_DIMENSIONS or not all(type(size) is int and 0 <= size < 1 << 63 for size in state[1]):
        return None
    return (dtype if type(dtype) is str else "?"), state[1]


def _part(value: object, find: FindStorage, place: Place) -> Tensor:
    """A tensor that belongs to another; it can be a subclass in turn, but no deeper."""
    if type(value) is not Call or not is_tensor_call(value) or type(value.func) is not Global:
        raise NotATensor("one of its parts is no tensor")
    if value.func.name in ("_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_meta_tensor_no_storage"):
        return rebuild(value, find, place)
    if value.func.name == "_rebuild_from_type_v2" and type(value.args) is tuple and len(value.args) == 4:
        function, _, inner, _ = value.args
        if type(function) is Global and function.name in ("_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            return rebuild(Call(function, inner, "reduce"), find, place)
    raise NotATensor("one of its parts is no plain tensor")


def storage_of(value: PersistentId, find: FindStorage) -> tuple[Storage, str, int]:
    """The storage that a persistent id names, the dtype of its class, and the element where it begins.

    The id is ("storage", class, key, location, numel), in legacy files with a sixth part: None, or the (key, offset,
    numel) of a view into the storage. Raises NotATensor.
    """
    parts = value.value
    if type(parts) is not tuple or len(parts) < 5 or parts[0] != "storage":
        raise NotATensor("its storage is named by an id that is not torch's")
    kind, key, location, numel = parts[1:5]
    if type(key) is int:
        key = str(key)
    if type(kind) is not Global or type(key) is not str or type(numel) is not int or not 0 <= numel < 1 << 63:
        raise NotATensor("its storage is named by an id that is not torch's")
    dtype = STORAGE_DTYPE.get(kind.name)
    if dtype is None:
        raise NotATensor(f"its storage is of the class {kind.qualified}, which ckptlint does not know")
    bits = 8 if dtype in _PACKED else ITEM_BITS[dtype]
    base = 0
    if len(parts) > 5 and type(parts[5]) is tuple and len(parts[5]) == 3:
        base = parts[5][1] if type(parts[5][1]) is int and 0 <= parts[5][1] <= numel else 0
    return find(key, location if type(location) is str else "cpu", numel * bits // 8), dtype, base


def _storage(value: object, find: FindStorage) -> tuple[Storage, str, int]:
    if type(value) is not PersistentId:
        raise NotATensor("its data is not a storage of this file")
    return storage_of(value, find)


# What `_rebuild_from_type_v2` may wrap; neither itself nor a parameter, so that reading cannot go round in circles.
_INSIDE_A_TYPE = frozenset({
    "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor", "_rebuild_sparse_tensor",
    "_rebuild_nested_tensor", "_rebuild_meta_tensor_no_storage", "_rebuild_wrapper_subclass",
})  # fmt: skip

# Packed quantized types: the number of elements in the id counts bytes.
_PACKED = frozenset({"quint4x2", "quint2x4"})


def _dtype(value: object) -> str:
    if type(value) is Global and value.module == "torch" and value.name in ITEM_BITS:
        return value.name
    raise NotATensor("its dtype is none of torch's")


def _shape(value: object) -> tuple[int, ...]:
    """A tuple or list of sizes, or a `torch.Size` of one."""
    if type(value) is Call and type(value.args) is tuple and len(value.args) == 1 and type(value.func) is Global:
        value = value.args[0] if value.func.name == "Size" else None
    if not isinstance(value, (tuple, list)) or len(value) > _MAX_DIMENSIONS:
        raise NotATensor("its size is no tuple of numbers")
    if not all(type(size) is int and 0 <= size < 1 << 63 for size in value):
        raise NotATensor("a size is negative, or no number that torch can hold")
    return tuple(value)


def _product(sizes: tuple[int, ...]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count


_MODULES = frozenset({"torch._utils", "torch._tensor", "torch.tensor", "torch.nn.parameter", "torch.autograd.variable"})

_REBUILD: dict[str, Callable[[tuple[object, ...], FindStorage, Place], Tensor]] = {
    "_rebuild_tensor_v2": _v2,
    "_rebuild_tensor": _v2,
    "_rebuild_tensor_v3": _v3,
    "_rebuild_parameter": _parameter,
    "_rebuild_parameter_with_state": _parameter,
    "Parameter": _parameter,
    "Variable": _variable,
    "_rebuild_qtensor": _quantized,
    "_rebuild_sparse_tensor": _sparse,
    "_rebuild_sparse_csr_tensor": _sparse,
    "_rebuild_nested_tensor": _nested,
    "_rebuild_meta_tensor_no_storage": _meta,
    "_rebuild_from_type_v2": _from_type,
    "_rebuild_wrapper_subclass": _wrapper,
    "_rebuild_device_tensor_from_cpu_tensor": _device_tensor,
    "_rebuild_device_tensor_from_numpy": _device_tensor,
    "_rebuild_xla_tensor": _device_tensor,
}

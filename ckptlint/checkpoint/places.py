"""Where in the file the bytes of each tensor are, and the bytes themselves in the order of the elements.

Listing does not look this up, because it costs a read for each record of a zip. Loading, comparing and converting do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from ckptlint.checkpoint.dtypes import ITEM_BITS
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Storage, Tensor
from ckptlint.checkpoint.source import Source, open_source
from ckptlint.checkpoint.summary import plain_name
from ckptlint.checkpoint.zip_directory import payload_start, read_directory

_PIECE = 1 << 22
_MAX_SPAN = 4 << 30
# What views may add up to: ties and views of an honest file show its bytes a few times, those of a bomb millions of
# times. Beyond it nothing is read, compared or written tensor by tensor.
_MAX_TIMES = 4
_MAX_BESIDES = 1 << 30
_MAX_REPEATED = 1 << 25


def locate(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint with `storage.start` filled in, wherever the bytes lie in the file as they are.

    Raises BadCheckpoint when a record is not where the directory says.
    """
    missing = {
        (tensor.storage.file, tensor.storage.member)
        for tensor in checkpoint.tensors
        if tensor.storage is not None and tensor.storage.start is None and tensor.storage.member is not None
    }
    starts: dict[tuple[str, str | None], int] = {}
    for file in {file for file, _ in missing}:
        with open_source(file) as source:
            for member in read_directory(source).members.values():
                if (file, member.name) in missing and member.method == 0:
                    starts[file, member.name] = payload_start(source, member)
    known: dict[Storage, Storage] = {}

    def placed(tensor: Tensor) -> Tensor:
        storage = tensor.storage
        if storage is None or (storage.file, storage.member) not in starts:
            return tensor
        if storage not in known:
            known[storage] = storage._replace(start=starts[storage.file, storage.member])
        return tensor._replace(storage=known[storage])

    return checkpoint._replace(tensors=tuple(placed(tensor) for tensor in checkpoint.tensors))


def is_a_bomb(tensors: Iterable[Tensor], size: int, *, ties: bool) -> bool:
    """Whether reading these tensors of files of `size` bytes one by one would take far more than the files have.

    With `ties` tensors that are the same view count each, else once, and none for more than its storage.
    """
    seen: set[tuple[object, ...]] = set()
    total = 0
    for tensor in tensors:
        if tensor.storage is None:
            continue
        view = (tensor.storage.file, tensor.storage.key, tensor.offset, tensor.shape, tensor.stride)
        if ties or view not in seen:
            seen.add(view)
            total += tensor.nbytes if ties else min(tensor.nbytes, tensor.storage.nbytes)
    return total > _MAX_TIMES * size + _MAX_BESIDES


def elements(source: Source, tensor: Tensor) -> Iterator[bytes]:
    """The bytes of a tensor in row-major order, in pieces of at most four megabytes where it is contiguous.

    `tensor` must be one of `locate`, `source` the file of its storage. Raises BadCheckpoint when its bytes are not in
    the file as they are, or when it is no strided tensor.
    """
    storage = tensor.storage
    bits = ITEM_BITS.get(tensor.dtype, 8)
    if storage is None or storage.start is None or tensor.layout != "strided" or bits % 8:
        raise BadCheckpoint(f"{plain_name(tensor.key)!r} has no plain run of bytes in {source.name} ({tensor.layout})")
    item = bits // 8
    if tensor.numel == 0:
        return
    if tensor.numel * item > max(storage.nbytes, _MAX_REPEATED):
        raise BadCheckpoint(
            f"{plain_name(tensor.key)!r} shows {storage.nbytes:,} bytes as {tensor.numel * item:,}: a view that "
            "repeats itself; save it with .contiguous() if that is meant"
        )
    start = storage.start + tensor.offset * item
    if tensor.contiguous:
        left = tensor.numel * item
        while left:
            piece = source.read(start, min(_PIECE, left))
            if not piece:
                raise BadCheckpoint(f"{source.name} ends inside {plain_name(tensor.key)!r}")
            start += len(piece)
            left -= len(piece)
            yield piece
        return
    span = item * (1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True)))
    if span > _MAX_SPAN:
        raise BadCheckpoint(f"{plain_name(tensor.key)!r} is a view of {span:,} bytes that does not lie in order")
    raw = source.read(start, span)
    if len(raw) < span:
        raise BadCheckpoint(f"{source.name} ends inside {plain_name(tensor.key)!r}")
    yield from _gather(raw, item, tensor.shape, tensor.stride)


# Bytes of a cell -> the code of a memoryview format with cells of that size.
_CELLS: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


def _gather(raw: bytes, item: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> Iterator[bytes]:
    """Rows of the last dimension, each cut out of `raw` by one strided slice."""
    wide = _CELLS.get(item)
    view = memoryview(raw).cast("B")
    cells = view.cast(wide) if wide and len(raw) % item == 0 else None
    size, step = shape[-1], stride[-1]
    for base in _offsets(shape[:-1], stride[:-1]):
        stop = base + (size - 1) * step + 1
        if size == 1 or step == 1:
            yield bytes(view[base * item : (base + size) * item])
        elif step == 0:
            yield bytes(view[base * item : (base + 1) * item]) * size
        elif cells is not None:
            yield cells[base:stop:step].tobytes()
        else:
            yield b"".join(raw[at * item : (at + 1) * item] for at in (base + n * step for n in range(size)))


def _offsets(shape: tuple[int, ...], stride: tuple[int, ...]) -> Iterator[int]:
    """The element offsets of all index tuples, the last index running fastest."""
    index = [0] * len(shape)
    offset = 0
    while True:
        yield offset
        for axis in reversed(range(len(shape))):
            index[axis] += 1
            offset += stride[axis]
            if index[axis] < shape[axis]:
                break
            offset -= stride[axis] * shape[axis]
            index[axis] = 0
        else:
            return

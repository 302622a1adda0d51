"""The tar format of torch 0.1: members `storages`, `tensors` and `pickle`.

    storages: pickle of a count, for each: pickle of (key, location, class), int64 number of elements, the elements;
              pickle of the views
    tensors:  pickle of a count, for each: pickle of (key, storage key, class), int32 dimensions, 4 bytes,
              int64 sizes, int64 strides, int64 offset
    pickle:   the object, in which a tensor is the persistent id of its key

Source: `legacy_load` inside `_legacy_load` of torch/serialization.py, torch 2.13. Tar headers: POSIX.1-1988 (ustar).
"""

from __future__ import annotations

from typing import NamedTuple

from ckptlint.checkpoint.dtypes import ITEM_BITS, STORAGE_DTYPE
from ckptlint.checkpoint.inert import Call, Global, OrderedDictValue, PersistentId
from ckptlint.checkpoint.legacy import LegacyStorages, PickleStream
from ckptlint.checkpoint.machine import read_pickle
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Problem, Storage
from ckptlint.checkpoint.reading import IN_MEMORY, judge
from ckptlint.checkpoint.source import Section, Source
from ckptlint.checkpoint.tree import walk

_BLOCK = 512
_MAX_MEMBERS = 1000
_MAX_DIMENSIONS = 256


class _Kept(NamedTuple):
    """A storage of the file and the class that the pickle names it by."""

    storage: Storage
    kind: Global
    numel: int
    base: int


def read_tar(source: Source) -> Checkpoint:
    """List a checkpoint of torch 0.1.

    Raises BadCheckpoint, also for a tar of something else.
    """
    members = _members(source)
    if not {"storages", "tensors", "pickle"} <= members.keys():
        shown = ", ".join(list(members)[:3]) or "nothing"
        raise BadCheckpoint(
            f"{source.name} is a tar archive of other files ({shown}): unpack it and name the checkpoint"
        )
    kept = _storages(members["storages"])
    tensors = _tensors(members["tensors"], kept)
    body = members["pickle"]
    if body.size > IN_MEMORY:
        raise BadCheckpoint(f"{source.name} has a pickle of {body.size:,} bytes, far beyond any state dict")

    def refer(key: object) -> object:
        return tensors.get(str(key)) or PersistentId(key) if isinstance(key, (int, str)) else PersistentId(key)

    pickle = read_pickle(body.read(0, body.size), refer=refer)
    storages = {key: value.storage for key, value in kept.items()}
    walked = walk(pickle.value, LegacyStorages(source.name, storages).find)
    judged = judge(source.name, pickle, walked)
    refusal = Problem(
        "warning", "weights-only", "torch.load refuses the tar format of torch 0.1 unless weights_only=False"
    )
    others = [problem for problem in judged.problems if problem.code != "weights-only"]
    return Checkpoint(
        source.name,
        "tar",
        (source.name,),
        source.size,
        walked.entries,
        walked.tensors,
        walked.values,
        "torch 0.1",
        refused=judged.refused,
        classes=walked.classes,
        problems=(*walked.problems, refusal, *others),
    )


def _members(source: Source) -> dict[str, Section]:
    """The regular files at the top of a tar."""
    found: dict[str, Section] = {}
    position = 0
    for _ in range(_MAX_MEMBERS):
        header = source.read(position, _BLOCK)
        if len(header) < _BLOCK or not header.strip(b"\0"):
            break
        name = header[:100].split(b"\0")[0].decode("utf-8", "replace").removeprefix("./")
        size = _number(header[124:136])
        if size is None or position + _BLOCK + size > source.size:
            raise BadCheckpoint(f"{source.name} is a tar archive that is damaged or cut off: get the file again")
        if header[156:157] in (b"0", b"\0"):
            found.setdefault(name, Section(source, position + _BLOCK, size))
        position += _BLOCK + (size + _BLOCK - 1) // _BLOCK * _BLOCK
    return found


def _number(field: bytes) -> int | None:
    """An octal number, or a binary one when the first bit is set."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        return None


def _storages(member: Section) -> dict[str, _Kept]:
    kept: dict[str, _Kept] = {}
    position = 0
    count, position = _next(member, position)
    for _ in range(count if type(count) is int else 0):
        described, position = _next(member, position)
        if not isinstance(described, tuple) or len(described) != 3 or type(described[2]) is not Global:
            raise _damaged(member)
        key, location, kind = described
        dtype = STORAGE_DTYPE.get(kind.name)
        numel = int.from_bytes(member.read(position, 8), "little", signed=True)
        if dtype is None or numel < 0:
            raise _damaged(member)
        nbytes = numel * ITEM_BITS[dtype] // 8
        start = position + 8
        if start + nbytes > member.size:
            raise BadCheckpoint(f"{member.name} ends inside its data: it is cut off, get the file again")
        where = location if type(location) is str else "cpu"
        storage = Storage(str(key), member.name, nbytes, nbytes, member.start + start, where, None)
        kept[str(key)] = _Kept(storage, kind, numel, 0)
        position = start + nbytes
    views, _ = _next(member, position)
    for view in views if isinstance(views, list) else []:
        if isinstance(view, tuple) and len(view) == 4 and str(view[1]) in kept and type(view[2]) is int:
            kept[str(view[0])] = kept[str(view[1])]._replace(base=view[2])
    return kept


def _tensors(member: Section, kept: dict[str, _Kept]) -> dict[str, Call]:
    """The tensors, as the calls by which newer formats name them."""
    tensors: dict[str, Call] = {}
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    count, position = _next(member, 0)
    for _ in range(count if type(count) is int else 0):
        described, position = _next(member, position)
        dimensions = int.from_bytes(member.read(position, 4), "little")
        if not isinstance(described, tuple) or len(described) != 3 or dimensions > _MAX_DIMENSIONS:
            raise _damaged(member)
        numbers = member.read(position + 8, 16 * dimensions + 8)
        if len(numbers) < 16 * dimensions + 8 or str(described[1]) not in kept:
            raise _damaged(member)
        values = [int.from_bytes(numbers[at : at + 8], "little", signed=True) for at in range(0, len(numbers), 8)]
        position += 8 + len(numbers)
        home = kept[str(described[1])]
        reference = PersistentId(("storage", home.kind, home.storage.key, home.storage.location, home.numel))
        size, stride = tuple(values[:dimensions]), tuple(values[dimensions:-1])
        args = (reference, values[-1] + home.base, size, stride, False, OrderedDictValue())
        tensors[str(described[0])] = Call(rebuild, args, "reduce")
    return tensors


def _next(member: Section, position: int) -> tuple[object, int]:
    stream = PickleStream(Section(member, position, member.size - position))
    pickle = stream.next()
    return pickle.value, position + pickle.end


def _damaged(member: Section) -> BadCheckpoint:
    return BadCheckpoint(f"{member.name} looks like a tar of torch 0.1 but is damaged: get the file again")

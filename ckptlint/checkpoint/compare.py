"""What differs between two checkpoints: entries, keys, renamings, shapes, dtypes, values.

Values of zip files are compared by the checksums in the two directories, without reading a tensor: equal checksums and
equal lengths at equal geometry are equal values for all but one in four billion accidents. Where a checksum is missing,
or the geometry differs, values are read when that is asked for, and otherwise counted as not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Tensor
from ckptlint.checkpoint.places import elements, is_a_bomb, locate
from ckptlint.checkpoint.renames import Rename, infer_renames
from ckptlint.checkpoint.source import open_source


class EntryDiff(NamedTuple):
    """The differences of one entry. Keys are those of the entry; `renamed` pairs old and new ones."""

    old: str
    new: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[Rename, ...]
    reshaped: tuple[tuple[str, str], ...]
    changed: tuple[str, ...]
    equal: int
    not_compared: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether anything in this entry is known to differ."""
        return bool(self.added or self.removed or self.renamed or self.reshaped or self.changed or self.old != self.new)


class CheckpointDiff(NamedTuple):
    """The differences of two checkpoints; `values` are (name, old, new) for entries without tensors."""

    entries: tuple[EntryDiff, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    values: tuple[tuple[str, str, str], ...]

    @property
    def differs(self) -> bool:
        """Whether the checkpoints are known to differ."""
        return bool(self.added or self.removed or self.values or any(entry.differs for entry in self.entries))


def compare(old: Checkpoint, new: Checkpoint, *, read: bool) -> CheckpointDiff:
    """Compare two checkpoints of any formats; with `read` also the values that have no checksums.

    Raises BadCheckpoint when values are to be read and are not there.
    """
    if read:
        old, new = locate(old), locate(new)
    ours, theirs = _by_entry(old), _by_entry(new)
    pairs = _pair_entries(old, new, ours, theirs)
    entries = tuple(
        _compare_entry(one, other, ours.get(one, {}), theirs.get(other, {}), old, new, read=read)
        for one, other in pairs
    )
    seen_old = {one for one, _ in pairs}
    seen_new = {other for _, other in pairs}
    plain_old = {entry.name: entry.summary for entry in old.entries if entry.name not in seen_old}
    plain_new = {entry.name: entry.summary for entry in new.entries if entry.name not in seen_new}
    return CheckpointDiff(
        entries,
        tuple(name for name in plain_new if name not in plain_old),
        tuple(name for name in plain_old if name not in plain_new),
        tuple(
            (name, plain_old[name], plain_new[name])
            for name in plain_old
            if plain_new.get(name, plain_old[name]) != plain_old[name]
        ),
    )


def _by_entry(checkpoint: Checkpoint) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {entry.name: {} for entry in checkpoint.entries if entry.tensors}
    for tensor in checkpoint.tensors:
        found.setdefault(tensor.entry, {})[tensor.key] = tensor
    return found


def _pair_entries(
    old: Checkpoint, new: Checkpoint, ours: dict[str, dict[str, Tensor]], theirs: dict[str, dict[str, Tensor]]
) -> list[tuple[str, str]]:
    """Entries of one name; where each side has one state dict, those two, whatever they are called."""
    pairs = [(name, name) for name in ours if name in theirs]
    left = [entry.name for entry in old.entries if entry.kind in ("state dict", "module") and entry.name not in theirs]
    right = [entry.name for entry in new.entries if entry.kind in ("state dict", "module") and entry.name not in ours]
    if len(left) == 1 and len(right) == 1:
        pairs.append((left[0], right[0]))
    return pairs


def _compare_entry(
    one: str,
    other: str,
    ours: dict[str, Tensor],
    theirs: dict[str, Tensor],
    old: Checkpoint,
    new: Checkpoint,
    *,
    read: bool,
) -> EntryDiff:
    renames = infer_renames(
        {key: (tensor.dtype, tensor.shape) for key, tensor in ours.items()},
        {key: (tensor.dtype, tensor.shape) for key, tensor in theirs.items()},
    )
    renamed = {before: after for rule in renames for before, after in rule.keys}
    pairs = [(key, renamed.get(key, key)) for key in ours if renamed.get(key, key) in theirs]
    matched = {after for _, after in pairs}
    reshaped: list[tuple[str, str]] = []
    changed: list[str] = []
    unknown: list[str] = []
    equal = 0
    read = read and not any(
        is_a_bomb(side.values(), checkpoint.size, ties=False) for side, checkpoint in ((ours, old), (theirs, new))
    )
    known: dict[tuple[object, ...], bool | None] = {}  # tied tensors are read once
    for before, after in pairs:
        left, right = ours[before], theirs[after]
        if (left.dtype, left.shape) != (right.dtype, right.shape):
            reshaped.append((before, f"{left.dtype} {left.shape} -> {right.dtype} {right.shape}"))
            continue
        same = _same_values(left, right)
        if same is None and read:
            views = (left.storage, left.offset, left.stride, right.storage, right.offset, right.stride, left.shape)
            if views not in known:
                known[views] = _same_bytes(left, right, old, new)
            same = known[views]
        if same is None:
            unknown.append(before)
        elif same:
            equal += 1
        else:
            changed.append(before)
    return EntryDiff(
        one,
        other,
        tuple(key for key in theirs if key not in matched),
        tuple(key for key in ours if renamed.get(key, key) not in theirs),
        tuple(renames),
        tuple(reshaped),
        tuple(changed),
        equal,
        tuple(unknown),
    )


def _same_values(one: Tensor, other: Tensor) -> bool | None:
    """Whether two tensors of one shape and dtype hold the same values, by checksum; None when that cannot be told."""
    if one.parts and len(one.parts) == len(other.parts):
        answers = [_same_values(left, right) for left, right in zip(one.parts, other.parts, strict=True)]
        if False in answers:
            return False
        return None if None in answers else True
    if one.numel == 0:
        return True
    left, right = one.storage, other.storage
    if left is None or right is None or left.crc is None or right.crc is None:
        return None
    if (one.stride, one.offset, left.nbytes) != (other.stride, other.offset, right.nbytes):
        return None
    if left.crc == right.crc and left.length == right.length:
        return True
    # The storage differs; the tensor itself need not, when it is only a part of it.
    return False if one.nbytes == left.nbytes else None


def _same_bytes(one: Tensor, other: Tensor, old: Checkpoint, new: Checkpoint) -> bool | None:
    if one.parts or one.storage is None or other.storage is None or old.byteorder != new.byteorder:
        return None
    try:
        with open_source(one.storage.file) as left, open_source(other.storage.file) as right:
            return _equal_streams(elements(left, _once(one, other)), elements(right, _once(other, one)))
    except BadCheckpoint:
        return None


def _once(tensor: Tensor, other: Tensor) -> Tensor:
    """The tensor without what `expand` repeats, where the other is expanded in the same dimensions."""
    repeated = [ours == theirs == 0 for ours, theirs in zip(tensor.stride, other.stride, strict=True)]
    sizes = zip(tensor.shape, repeated, strict=True)
    return tensor._replace(shape=tuple(min(size, 1) if twice else size for size, twice in sizes))


def _equal_streams(one: Iterator[bytes], other: Iterator[bytes]) -> bool:
    """Whether two streams hold the same bytes, however they are cut into pieces."""
    left = right = b""
    while True:
        left = left or next(one, b"")
        right = right or next(other, b"")
        if not left or not right:
            return not left and not right
        common = min(len(left), len(right))
        if left[:common] != right[:common]:
            return False
        left, right = left[common:], right[common:]

"""The text that `ckptlint inspect` prints.

best.pth: zip, torch 2.7 or newer, 1.2 GB, 323 tensors
epoch      3
model      state dict, 62 tensors, 44.7 MB
  conv1.weight               float32  (64, 3, 7, 7)
  layer1.{0..2}.conv1.weight float32  (64, 64, 3, 3)   3 x
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptlint.checkpoint.fold import fold
from ckptlint.checkpoint.harmless import harmless
from ckptlint.checkpoint.model import Checkpoint, Entry, Problem, Tensor
from ckptlint.checkpoint.summary import plain_name

_LINES_OF_AN_ENTRY = 60
_MAX_COLUMN = 72


def listing(checkpoint: Checkpoint, problems: tuple[Problem, ...], *, every_key: bool) -> Iterator[str]:
    """The lines of a listing; `every_key` prints each key on a line of its own, nothing folded, nothing cut."""
    yield headline(checkpoint)
    if checkpoint.metadata:
        for key, text in list(checkpoint.metadata.items())[:20]:
            yield f"  metadata {plain_name(key)}: {plain_name(text)[:100]}"
    by_entry: dict[str, list[Tensor]] = {}
    for tensor in checkpoint.tensors:
        by_entry.setdefault(tensor.entry, []).append(tensor)
    width = min(40, max((len(entry.name) for entry in checkpoint.entries), default=0))
    for entry in checkpoint.entries:
        yield entry_line(entry, width)
        values = [value for value in checkpoint.values if value.entry == entry.name]
        lines = [(plain_name(tensor.key), _facts(tensor)) for tensor in by_entry.get(entry.name, []) if tensor.key]
        lines += [(plain_name(value.key), (value.summary, "", "")) for value in values]
        yield from _keys(lines, every_key=every_key)
    for problem in problems:
        yield harmless(f"{problem.severity}: {problem.message}")


def headline(checkpoint: Checkpoint) -> str:
    """One line about the whole file."""
    tied = len(checkpoint.tensors) - len({_identity(tensor) for tensor in checkpoint.tensors})
    parts = [checkpoint.format, checkpoint.writer, size_text(checkpoint.size), f"{len(checkpoint.tensors):,} tensors"]
    if len(checkpoint.files) > 1:
        parts.insert(2, f"{len(checkpoint.files):,} files")
    if tied:
        parts.append(f"{tied:,} of them tied to others")
    return f"{plain_name(checkpoint.path)}: " + ", ".join(part for part in parts if part)


def _identity(tensor: Tensor) -> object:
    if tensor.storage is None:
        return tensor.path
    return (tensor.storage.file, tensor.storage.key, tensor.offset, tensor.shape, tensor.stride)


def entry_line(entry: Entry, width: int) -> str:
    """One line about an entry."""
    name = (entry.name or "(all)").ljust(width)
    if entry.kind == "value" and not entry.tensors:
        return f"{name}  {entry.summary}"
    what = entry.summary if entry.kind in ("value", "module") else entry.kind
    if entry.kind == "module":
        what = f"module, {what}"
    if entry.kind == "tensor":
        return f"{name}  tensor, {size_text(entry.nbytes)}"
    return f"{name}  {what}, {entry.tensors:,} tensors, {size_text(entry.nbytes)}"


def _facts(tensor: Tensor) -> tuple[str, str, str]:
    """dtype, shape, and what is unusual about it."""
    unusual = []
    if tensor.layout != "strided":
        unusual.append(tensor.layout)
    elif tensor.storage is not None and not tensor.contiguous:
        unusual.append(f"stride {tensor.stride}")
    if tensor.subclass:
        unusual.append(harmless(tensor.subclass, 100))
    if tensor.device not in ("cpu", "meta"):
        unusual.append(harmless(tensor.device, 40))
    if not tensor.persistent:
        unusual.append("not in state_dict()")
    return tensor.dtype, str(tensor.shape), ", ".join(unusual)


def _keys(lines: list[tuple[str, tuple[str, str, str]]], *, every_key: bool) -> Iterator[str]:
    rows: list[tuple[str, tuple[str, str, str], int]]
    if every_key:
        rows = [(key, facts, 1) for key, facts in lines]
    else:
        rows = [(folded.pattern, folded.fact, len(folded.keys)) for folded in fold(lines)]
    shown = rows if every_key else rows[:_LINES_OF_AN_ENTRY]
    width = min(_MAX_COLUMN, max((len(key) for key, _, _ in shown), default=0))
    dtypes = max((len(dtype) for _, (dtype, shape, _), _ in shown if shape), default=0)
    for key, (dtype, shape, unusual), count in shown:
        line = f"  {key.ljust(width)}  {dtype.ljust(dtypes)}  {shape}"
        line += f"  {unusual}" if unusual else ""
        yield (line + (f"  {count:,} x" if count > 1 else "")).rstrip()
    if len(rows) > len(shown):
        yield f"  and {len(rows) - len(shown):,} more lines (--keys shows every key)"


def statistics(checkpoint: Checkpoint) -> Iterator[str]:
    """Tables of elements and bytes by the first part of the key and by dtype."""
    prefixes: dict[str, list[int]] = {}
    dtypes: dict[str, list[int]] = {}
    for tensor in checkpoint.tensors:
        first = tensor.key.split(".", 1)[0] if "." in tensor.key else tensor.key
        name = f"{tensor.entry}: {first}" if tensor.entry and first else tensor.entry or first
        for table, row in ((prefixes, plain_name(name)), (dtypes, tensor.dtype)):
            counts = table.setdefault(row, [0, 0, 0])
            counts[0] += 1
            counts[1] += tensor.numel
            counts[2] += tensor.nbytes
    for title, table in (("prefix", prefixes), ("dtype", dtypes)):
        width = max([len(title), *map(len, table)])
        yield f"{title.ljust(width)}  {'tensors':>9}  {'elements':>16}  {'bytes':>10}"
        for row, (tensors, elements, nbytes) in table.items():
            yield f"{row.ljust(width)}  {tensors:>9,}  {elements:>16,}  {size_text(nbytes):>10}"


def size_text(nbytes: int) -> str:
    """`44.7 MB`: decimal units, as disks and networks count."""
    size = float(nbytes)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 999.5 or unit == "PB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError

"""The text and the JSON of `ckptlint diff`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from ckptlint.checkpoint.compare import CheckpointDiff, EntryDiff
from ckptlint.checkpoint.fold import fold
from ckptlint.checkpoint.summary import plain_name

_LINES = 40


def diff_lines(diff: CheckpointDiff) -> Iterator[str]:
    """The differences, folded by layer."""
    for name in diff.removed:
        yield f"- {plain_name(name)}"
    for name in diff.added:
        yield f"+ {plain_name(name)}"
    for name, old, new in diff.values:
        yield f"{plain_name(name)}: {old} -> {new}"
    for entry in diff.entries:
        if entry.differs or entry.not_compared:
            yield from _entry_lines(entry)
    equal = sum(entry.equal for entry in diff.entries)
    yield f"{equal:,} tensors are equal" if diff.differs else f"no difference found ({equal:,} tensors are equal)"


def _entry_lines(entry: EntryDiff) -> Iterator[str]:
    if entry.old or entry.new:
        yield plain_name(entry.old) if entry.old == entry.new else f"{entry.old or '(all)'} -> {entry.new or '(all)'}"
    for rule in entry.renamed:
        yield f"  renamed: {rule.old or '(nothing)'} -> {rule.new or '(nothing)'} in front of {len(rule.keys):,} keys"
    yield from _folded("  - ", ((key, "") for key in entry.removed))
    yield from _folded("  + ", ((key, "") for key in entry.added))
    yield from _folded("  ~ ", entry.reshaped)
    if entry.changed:
        yield f"  values differ in {len(entry.changed):,} tensors:"
        yield from _folded("    ", ((key, "") for key in entry.changed))
    if entry.not_compared:
        yield f"  values of {len(entry.not_compared):,} tensors were not compared (no checksums; --read reads them)"


def _folded(mark: str, keys: Iterable[tuple[str, str]]) -> Iterator[str]:
    lines = fold((plain_name(key), fact) for key, fact in keys)
    for line in lines[:_LINES]:
        count = f"  {len(line.keys):,} x" if len(line.keys) > 1 else ""
        yield f"{mark}{line.pattern}" + (f"  {line.fact}" if line.fact else "") + count
    if len(lines) > _LINES:
        yield f"{mark}and {len(lines) - _LINES:,} more lines"


def diff_as_json(diff: CheckpointDiff) -> str:
    """One object with the fields of `compare.CheckpointDiff`."""
    return json.dumps(
        {
            "differs": diff.differs,
            "added": diff.added,
            "removed": diff.removed,
            "values": [{"name": name, "old": old, "new": new} for name, old, new in diff.values],
            "entries": [
                {
                    "old": entry.old,
                    "new": entry.new,
                    "added": entry.added,
                    "removed": entry.removed,
                    "renamed": [{"old": rule.old, "new": rule.new, "keys": rule.keys} for rule in entry.renamed],
                    "reshaped": [{"key": key, "change": change} for key, change in entry.reshaped],
                    "changed": entry.changed,
                    "equal": entry.equal,
                    "not_compared": entry.not_compared,
                }
                for entry in diff.entries
            ],
        },
        indent=1,
    )

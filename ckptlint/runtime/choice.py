"""Which state dict of the file is meant for the model: the one that was named, or the one that fits best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ckptlint.checkpoint.model import Checkpoint
from ckptlint.checkpoint.model_fit import Member, fit, members_of
from ckptlint.checkpoint.observe import wrapper_prefix
from ckptlint.failure import Failure


class Choice(NamedTuple):
    """An entry, its keys, its `_metadata`, and the other entries that fit as well as it does."""

    entry: str
    file: dict[str, Member]
    metadata: object
    also: tuple[str, ...]


def choose_entry(checkpoint: Checkpoint, model: Mapping[str, Member], wanted: str | None) -> Choice:
    """Take the entry that is named, or the one whose keys (without wrappers) have most elements of the model.

    Raises Failure when there is none, or none of that name.
    """
    entries = {entry.name: entry for entry in checkpoint.entries if entry.kind in ("state dict", "module")}
    if not entries:
        what = ", ".join(f"{entry.name or 'it'} is {entry.summary}" for entry in checkpoint.entries[:5])
        raise Failure(f"{checkpoint.path} holds no state dict ({what or 'it is empty'})")
    if wanted is not None:
        if wanted not in entries:
            names = ", ".join(repr(name) for name in entries)
            raise Failure(f"{checkpoint.path} has no state dict {wanted!r}; --entry can be {names}")
        return Choice(wanted, members_of(checkpoint, wanted), entries[wanted].metadata, ())
    bare = {key[len(wrapper_prefix(key)) :]: member for key, member in model.items()}
    scores = {name: _score(members_of(checkpoint, name), bare) for name in entries}
    best = max(scores.values())
    name = next(name for name, score in scores.items() if score == best)
    also = tuple(other for other, score in scores.items() if other != name and score == best and best[0])
    return Choice(name, members_of(checkpoint, name), entries[name].metadata, also)


def _score(file: Mapping[str, Member], bare: Mapping[str, Member]) -> tuple[int, int]:
    """Elements that fit, then how few keys do not."""
    found = fit({key[len(wrapper_prefix(key)) :]: member for key, member in file.items()}, bare)
    return sum(bare[key].numel for key in found.fitting), -len(found.missing) - len(found.unexpected)

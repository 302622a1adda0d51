"""Checkpoints that are written over the last good one.

    for epoch in range(epochs):
        torch.save(state, f"{run}/last.pth")          the same name in each round: overwritten in place
        torch.save(state, f"{run}/{epoch}.pth")       another name in each round
        torch.save(state, f"{run}/last.pth.tmp")      a name of its own, and
        os.replace(f"{run}/last.pth.tmp", ...)        put in place once it is complete

A name stays the same when nothing in it comes from the loop: no element of it, no counter, nothing that is made in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ckptlint.analysis.events import SaveEvent
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.refused import is_checkpoint
from ckptlint.analysis.roots import is_test
from ckptlint.analysis.values import Const, Opaque, Site, Text, Value, alternatives

#: What is another one each time, by the words of its name.
_COUNTS = re.compile(
    r"(?i)epoch(?!s)|(?<!time_)step(?!s)|iter(?!s|able|ation)|(?<![a-z])(?:round|fold|idx|index|i|n|it|ep)(?![a-z])"
    r"|time|date|now|uuid|loss|acc(?![a-z])|accuracy|score|metric"
)

#: A file that is not meant to stay, or that is put in place later.
_FOR_NOW = re.compile(r"(?i)te?mp(?![a-z])|tempfile|partial|\.part|BytesIO|swap")

#: What a function for saving is called.
_SAVING = re.compile(r"(?i)save|checkpoint|ckpt|snapshot|dump|store|epoch_end")

#: An option, or the attribute of an object: the same in each round.
_OPTION = re.compile(r"[A-Za-z_]\w*(?:\.\w+|\['\w+'\])+")


class Overwritten(msgspec.Struct, frozen=True):
    """A save that writes over the file of its last round; `name` is what is known of the file's name."""

    site: Site
    name: str


def overwritten(machine: Machine) -> Iterator[Overwritten]:
    """Every such save, once."""
    renaming = {(site.file, site.unit) for site in machine.events.renames}
    found: dict[Site, str] = {}
    for save in machine.events.saves:
        if save.site in found or is_test(save.site.file) or not is_checkpoint(machine, save):
            continue
        if (save.site.file, save.site.unit) in renaming or _is_only_if_missing(save):
            continue
        if _is_repeated(machine, save):
            names = [_fixed_name(machine, save, path) for _, path in alternatives(save.path)]
            if all(names):
                found[save.site] = names[0]
    for site, name in found.items():
        yield Overwritten(site, name)


def _is_repeated(machine: Machine, save: SaveEvent) -> bool:
    """Whether it is written again and again: in a loop, or by a function for saving that nobody here calls."""
    if save.rounds:
        return True
    uncalled = bool(save.stack) and all(not site.node for site in save.stack)
    return uncalled and _SAVING.search(machine.store.headers(save.site.file)[save.site.unit].name) is not None


def _is_only_if_missing(save: SaveEvent) -> bool:
    return any("exists(" in literal.symbol for literal in save.guard if literal.negated)


def _fixed_name(machine: Machine, save: SaveEvent, path: Value) -> str:
    """What the file is called, "" where that changes or is not known."""
    if isinstance(path, Const) and isinstance(path.value, str):
        parts: tuple[str | Opaque, ...] = (path.value,)
    elif isinstance(path, Text):
        parts = path.parts
    elif isinstance(path, Opaque) and not path.fresh and _OPTION.fullmatch(path.symbol):
        parts = (path,)
    else:
        return ""
    written = "".join(part if isinstance(part, str) else "{" + part.symbol.partition("@")[0] + "}" for part in parts)
    if _FOR_NOW.search(written) or any(isinstance(part, Opaque) and _changes(machine, save, part) for part in parts):
        return ""
    name = written.rpartition("/")[2]
    return name if any(isinstance(part, str) and part.strip("/.") for part in parts[-1:]) or len(parts) == 1 else ""


def _changes(machine: Machine, save: SaveEvent, part: Opaque) -> bool:
    if "[]" in part.symbol or set(machine.rounds.made_in.get(part.symbol, ())) & set(save.rounds):
        return True
    last = part.symbol.partition("@")[0].rpartition("/")[2]
    return not part.fresh and _COUNTS.search(last) is not None

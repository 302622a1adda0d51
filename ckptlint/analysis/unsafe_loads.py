"""Loads of files that may run code of the file's own.

    torch.load(path, weights_only=False)     always
    torch.load(path)                         before torch 2.6; since then it refuses what is not plain

Where the version is not known, the second is told apart by what is in the file: if a save of the project puts
something into it that is not plain, or if what comes out is used as a model, one default is unsafe and the other fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ckptlint.analysis.events import ReadEvent, SaveEvent
from ckptlint.analysis.evidence import SAME_NAME, path_evidence
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.pairs import Pair
from ckptlint.analysis.pickled import is_module_part
from ckptlint.analysis.readings import Reading, readings
from ckptlint.analysis.refused import is_checkpoint, kind_of
from ckptlint.analysis.roots import is_test
from ckptlint.analysis.values import Const, Site


class UnsafeLoad(msgspec.Struct, frozen=True):
    """Such a load. `explicit`: it says weights_only=False.

    `holds` is what is not plain in the file, if that is known: the name of the entry, its class, where it is saved.
    """

    site: Site
    explicit: bool
    holds: tuple[str, str, Site] | None = None
    module: bool = False

    @property
    def needs_objects(self) -> bool:
        """Whether the file is known to hold what is not plain."""
        return self.holds is not None or self.module


def unsafe_loads(machine: Machine, pairs: tuple[Pair, ...]) -> Iterator[UnsafeLoad]:
    """Every load that says weights_only=False, and every load of a checkpoint that says nothing."""
    allowing = {site.file for site in machine.events.allowances}
    by_site: dict[Site, list[ReadEvent]] = {}
    for event in machine.events.reads:
        by_site.setdefault(event.site, []).append(event)
    states = {reading.site: reading for reading in readings(machine)}
    written = _objects(machine)
    for site, events in by_site.items():
        if site.file in allowing or is_test(site.file) or any(event.open_ended for event in events):
            continue
        explicit = all(event.plain == Const(False) for event in events)
        silent = all(event.plain is None for event in events)
        if not explicit and (not silent or site not in states):
            continue
        holds = _holds(machine, events, states.get(site), written, pairs)
        module = any(file == event.file for event in events for file, _ in machine.seen.read_modules)
        yield UnsafeLoad(site, explicit, holds, module)


def _objects(machine: Machine) -> dict[Site, tuple[SaveEvent, tuple[str, str, Site]]]:
    """The saves that put something into a checkpoint that is not plain: what, by the place of the save."""
    found: dict[Site, tuple[SaveEvent, tuple[str, str, Site]]] = {}
    for save in machine.events.saves:
        if not is_checkpoint(machine, save):
            continue
        for part in save.parts:
            kind = "a model" if is_module_part(machine, part) else kind_of(machine, part)
            if kind:
                found.setdefault(save.site, (save, (".".join(part.entry), kind, part.at or save.site)))
    return found


def _holds(
    machine: Machine,
    events: list[ReadEvent],
    reading: Reading | None,
    written: dict[Site, tuple[SaveEvent, tuple[str, str, Site]]],
    pairs: tuple[Pair, ...],
) -> tuple[str, str, Site] | None:
    """What is not plain in the file: by a writer whose path agrees, or one that is paired with it in the same file.

    A script that writes such a path itself reads what it has written, not what its neighbour writes to his.
    """
    if not written:
        return None
    agreeing = [save.site for save in machine.events.saves if is_checkpoint(machine, save) and _agrees(events, save)]
    near = {site for site in agreeing if any(site.file == event.site.file for event in events)}
    loads = set(reading.loads) if reading is not None else set()
    for pair in pairs:
        writer = pair.writer
        if writer is None or pair.reader.site not in loads or writer.site not in written:
            continue
        if near and writer.site not in near:
            continue
        if pair.named or any(event.site.file == writer.site.file for event in events):
            return written[writer.site][1]
    return next((written[site][1] for site in agreeing if site in written and (not near or site in near)), None)


def _agrees(events: list[ReadEvent], save: SaveEvent) -> bool:
    return any((path_evidence(event.path, save.names) or 0) >= SAME_NAME for event in events)

"""Files that are read with `torch.load`: whether they hold states of models, and how they are read.

    checkpoint = torch.load(path)                       its entries end in load_state_dict: a checkpoint
    self.records = torch.load(path)                     a dataset: nothing here is about checkpoints

Every place is looked at once, with all the ways in which it was run.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ckptlint.analysis.events import ReadEvent
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import Site


class Reading(msgspec.Struct, frozen=True):
    """A place where files are read, each time it was run; `loads` are the loads that its contents reach."""

    site: Site
    events: tuple[ReadEvent, ...]
    loads: tuple[Site, ...]


def readings(machine: Machine) -> Iterator[Reading]:
    """The places that read states of models."""
    reached = _reached(machine)
    used = {file for file, _ in machine.seen.read_modules} | machine.seen.read_states
    by_site: dict[Site, list[ReadEvent]] = {}
    for event in machine.events.reads:
        by_site.setdefault(event.site, []).append(event)
    for site, events in by_site.items():
        loads = [load for event in events for load in reached.get(event.file, ())]
        if loads or any(event.own or event.file in used for event in events):
            yield Reading(site, tuple(events), tuple(dict.fromkeys(loads)))


def _reached(machine: Machine) -> dict[int, list[Site]]:
    """For each file the loads that its contents come to."""
    found: dict[int, list[Site]] = {}
    for apply in machine.events.applies:
        for source in apply.sources:
            if source.content is not None and source.content.file:
                found.setdefault(source.content.file, []).append(apply.site)
    return found

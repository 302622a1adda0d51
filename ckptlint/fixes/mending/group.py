"""The places that one fix has to keep in step: a contract group.

A writer is a place where a state dict is taken, a reader a place where one is loaded; they are in one group when they
meet over a file or in memory, and so is whatever meets one of them:

    train.py:61  model.state_dict()       train.py:48  model.load_state_dict(...)
                                          test.py:27   model.load_state_dict(...)

Every finding of a group gets the same fix, so it does not matter which of them is mended first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis.events import ApplyEvent, SavedPart, SaveEvent
from ckptlint.analysis.pairs import Pair, same_file
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Content, Site


class Group(msgspec.Struct, frozen=True):
    """The places where state dicts are taken, and the loads that meet them; both sorted."""

    origins: tuple[Site, ...]
    readers: tuple[Site, ...]


class Places(msgspec.Struct, frozen=True):
    """What happened in the project, by place."""

    groups: dict[Site, Group]
    pairs: dict[Site, tuple[Pair, ...]]
    applies: dict[Site, tuple[ApplyEvent, ...]]
    saved: dict[Site, tuple[tuple[SaveEvent, SavedPart, Content], ...]]
    remembered: dict[Site, tuple[Content, ...]]
    read_back: frozenset[Site]


def places(project: Project) -> Places:
    """Sort the events of a project. `pairs` and `applies` are by reader; the others by where a state dict was taken.

    `read_back` are state dicts that the same run reads from the file again: to the run they never left the memory, but
    the file may lie there from an earlier day.
    """
    pairs: dict[Site, list[Pair]] = {}
    for pair in project.pairs:
        pairs.setdefault(pair.reader.site, []).append(pair)
    applies: dict[Site, list[ApplyEvent]] = {}
    remembered: dict[Site, list[Content]] = {}
    for event in project.events.applies:
        applies.setdefault(event.site, []).append(event)
        for content in in_memory(event):
            remembered.setdefault(content.origin, []).append(content)
    saved: dict[Site, list[tuple[SaveEvent, SavedPart, Content]]] = {}
    for save in project.events.saves:
        for part in save.parts:
            if part.content is not None and part.content.shape is not None:
                saved.setdefault(part.content.origin, []).append((save, part, part.content))
    again = [load for load in project.events.loads if not load.file]
    read_back = {
        site for site, found in saved.items() if any(same_file(load, one[0]) for load in again for one in found)
    }
    return Places(
        _groups(project.pairs, [*saved, *remembered]),
        {site: tuple(found) for site, found in pairs.items()},
        {site: tuple(found) for site, found in applies.items()},
        {site: tuple(found) for site, found in saved.items()},
        {site: tuple(found) for site, found in remembered.items()},
        frozenset(read_back),
    )


def in_memory(event: ApplyEvent) -> Iterator[Content]:
    """The state dicts that were never in a file, or that the same run has written."""
    for source in event.sources:
        content = source.content
        if content is not None and content.shape is not None and content.file is None:
            yield content


def parts_met(pair: Pair) -> list[SavedPart]:
    """What the reader of a pair takes from the writer's file."""
    if pair.writer is None:
        return []
    entries = {meeting.content.entry for meeting in pair.meetings}
    return [part for part in pair.writer.parts if part.entry in entries and part.content and part.content.shape]


def origins_of(pair: Pair) -> set[Site]:
    """Where the state dicts were taken that the reader of a pair meets."""
    if pair.writer is None:
        return {pair.origin} | {content.origin for content in in_memory(pair.reader)}
    return {part.content.origin for part in parts_met(pair) if part.content is not None}


def _groups(pairs: Iterable[Pair], alone: Iterable[Site]) -> dict[Site, Group]:
    neighbours: dict[tuple[bool, Site], set[tuple[bool, Site]]] = {(False, site): set() for site in alone}
    for pair in pairs:
        reader = (True, pair.reader.site)
        for origin in origins_of(pair):
            neighbours.setdefault(reader, set()).add((False, origin))
            neighbours.setdefault((False, origin), set()).add(reader)
    found: dict[Site, Group] = {}
    for start in neighbours:
        if start[1] in found:
            continue
        reached, stack = {start}, [start]
        while stack:
            for other in neighbours[stack.pop()] - reached:
                reached.add(other)
                stack.append(other)
        group = Group(
            tuple(sorted(site for reads, site in reached if not reads)),
            tuple(sorted(site for reads, site in reached if reads)),
        )
        found.update(dict.fromkeys((*group.origins, *group.readers), group))
    return found

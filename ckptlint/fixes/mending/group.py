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
from ckptlint.analysis.pairs import may_meet, same_file
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Content, Site
from ckptlint.fixes.mending.arrival import breaks, given


class Group(msgspec.Struct, frozen=True):
    """The places where state dicts are taken, and the loads that meet them; both sorted."""

    origins: tuple[Site, ...]
    readers: tuple[Site, ...]


class Contact(msgspec.Struct, frozen=True):
    """A load, an entry of a file that it takes, and a state dict that is or may be written there."""

    reader: ApplyEvent
    file: int | None
    entry: tuple[str, ...]
    content: Content


class Places(msgspec.Struct, frozen=True):
    """What happened in the project, by place.

    `contacts` and `applies` are by reader; `saved` and `remembered` by where a state dict was taken. `read_back` are
    state dicts that the same run reads from the file again: to the run they never left the memory, but the file may
    lie there from an earlier day.
    """

    groups: dict[Site, Group]
    contacts: dict[Site, tuple[Contact, ...]]
    applies: dict[Site, tuple[ApplyEvent, ...]]
    saved: dict[Site, tuple[tuple[SaveEvent, SavedPart, Content], ...]]
    remembered: dict[Site, tuple[Content, ...]]
    read_back: frozenset[Site]


def places(project: Project) -> Places:
    """Sort the events of a project."""
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
    contacts: dict[Site, dict[Contact, None]] = {}
    for contact in (*_proven(project), *_possible(project)):
        contacts.setdefault(contact.reader.site, {})[contact] = None
    again = [load for load in project.events.loads if not load.file]
    read_back = {
        site for site, found in saved.items() if any(same_file(load, one[0]) for load in again for one in found)
    }
    meetings = [(site, contact.content.origin) for site, found in contacts.items() for contact in found]
    meetings += [(event.site, content.origin) for event in project.events.applies for content in in_memory(event)]
    return Places(
        _groups(meetings, saved),
        {site: tuple(found) for site, found in contacts.items()},
        {site: tuple(found) for site, found in applies.items()},
        {site: tuple(found) for site, found in saved.items()},
        {site: tuple(found) for site, found in remembered.items()},
        frozenset(read_back),
    )


def _proven(project: Project) -> Iterator[Contact]:
    """Loads and what they are shown to read."""
    for pair in project.pairs:
        if pair.writer is None:
            continue
        for file, entry in dict.fromkeys((one.content.file, one.content.entry) for one in pair.meetings):
            for part in pair.writer.parts:
                if part.entry == entry and part.content is not None and part.content.shape is not None:
                    yield Contact(pair.reader, file, entry, part.content)


def _possible(project: Project) -> Iterator[Contact]:
    """Loads that may read a file with a prefix, though little speaks for it, and would fail without the prefix."""
    written = [
        save for save in project.events.saves if any(part.content and part.content.prefix for part in save.parts)
    ]
    by_file: dict[int | None, list[ApplyEvent]] = {}
    for event in project.events.applies:
        for file in {source.content.file for source in event.sources if source.content is not None}:
            by_file.setdefault(file, []).append(event)
    for load in project.events.loads if written else ():
        for save in written:
            for event in by_file.get(load.file, ()) if load.file and same_file(load, save) else ():
                if not may_meet(event, load, save):
                    continue
                for part in save.parts:
                    if part.content is None or part.content.shape is None:
                        continue
                    if not part.content.prefix or part.content.piece:
                        continue
                    now = list(given(event, load.file, part.entry, part.content.prefix, is_new=False))
                    then = list(given(event, load.file, part.entry, "", is_new=True))
                    if breaks(now, then) and all(arrival.works is not None for arrival in now):
                        yield Contact(event, load.file, part.entry, part.content)


def in_memory(event: ApplyEvent) -> Iterator[Content]:
    """The state dicts that were never in a file, or that the same run has written."""
    for source in event.sources:
        content = source.content
        if content is not None and content.shape is not None and content.file is None:
            yield content


def _groups(meetings: Iterable[tuple[Site, Site]], alone: Iterable[Site]) -> dict[Site, Group]:
    """The groups by place, from (reader, where a state dict was taken) and places that nobody may meet."""
    neighbours: dict[tuple[bool, Site], set[tuple[bool, Site]]] = {(False, site): set() for site in alone}
    for reader, origin in meetings:
        neighbours.setdefault((True, reader), set()).add((False, origin))
        neighbours.setdefault((False, origin), set()).add((True, reader))
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

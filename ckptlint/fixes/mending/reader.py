"""A reader: does it take every file that its writers have written and will write, and if not, what makes it do so.

For each prefix that the keys of its file can have, the run has noted what is left of it when the keys arrive at the
load (`k[7:]` may have been at work), and what the target wants:

    prefix of the file      at the load      the target wants
    "module."               "module."        ""                fails
    ""                      ""               ""                fits
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from ckptlint.analysis.events import ApplyEvent
from ckptlint.analysis.guards import both
from ckptlint.analysis.keys import CUT
from ckptlint.analysis.pairs import Pair
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Content, Shape, Site
from ckptlint.findings import Edit
from ckptlint.fixes.mending.chains import KEPT, keys_chain, marks_of, target_chain
from ckptlint.fixes.mending.group import Places, parts_met, places
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span, statement_of
from ckptlint.fixes.mending.used import used_again
from ckptlint.fixes.shapes.reader import Declined, Reader, normalised


class Arrival(msgspec.Struct, frozen=True):
    """Keys that arrive at a load: their prefix in the file and at the load, and the target in that case."""

    before: str
    content: Content
    target: Shape | None
    is_new: bool

    @property
    def works(self) -> bool | None:
        """Whether the load restores the model; None when that is not known."""
        if self.target is None or not self.target.known:
            return None
        if self.content.filtered:
            return None if self.content.prefix == self.target.prefix else False
        return self.content.prefix == self.target.prefix


def arrivals(all_places: Places, reader: Site, unwrapped: frozenset[Site]) -> list[Arrival]:
    """All that can arrive at a reader, when the model is unwrapped at the places `unwrapped` where it is taken."""
    found: dict[Arrival, None] = {}
    for pair in all_places.pairs.get(reader, ()):
        if pair.writer is not None:
            found.update(dict.fromkeys(_over_file(pair, unwrapped)))
        else:
            found.update(dict.fromkeys(_in_memory(pair.reader, unwrapped, all_places.read_back)))
    return list(found)


def _over_file(pair: Pair, unwrapped: frozenset[Site]) -> Iterator[Arrival]:
    files = {(meeting.content.file, meeting.content.entry) for meeting in pair.meetings}
    prefixes: dict[str, bool] = {}
    for part in parts_met(pair):
        assert part.content is not None
        prefixes.setdefault(part.content.prefix, False)
        if part.content.origin in unwrapped:
            prefixes[""] = True
        elif not part.content.prefix:
            prefixes[""] = prefixes.get("", False)
    for prefix, is_new in prefixes.items():
        yield from given(pair.reader, files, prefix, is_new=is_new)


def given(
    reader: ApplyEvent, files: set[tuple[int | None, tuple[str, ...]]], prefix: str, *, is_new: bool
) -> Iterator[Arrival]:
    """What arrives at a load when the keys of these files have `prefix`."""
    for source in reader.sources:
        content = source.content
        if content is None or (content.file, content.entry) not in files or content.assumed != prefix:
            continue
        for target in reader.targets:
            if both(source.guard, target.guard) is not None:
                yield Arrival(prefix, content, target.shape, is_new)


def _in_memory(reader: ApplyEvent, unwrapped: frozenset[Site], read_back: frozenset[Site]) -> Iterator[Arrival]:
    for source in reader.sources:
        content = source.content
        if content is None or content.shape is None or content.file is not None:
            continue
        for target in reader.targets:
            if both(source.guard, target.guard) is None:
                continue
            if content.origin in unwrapped:
                bare = msgspec.structs.replace(content, prefix=content.prefix.removeprefix(content.shape.prefix))
                yield Arrival(content.shape.prefix, bare, target.shape, is_new=True)
            if content.origin not in unwrapped or content.origin in read_back:
                yield Arrival(content.shape.prefix, content, target.shape, is_new=False)


def copes(found: list[Arrival]) -> bool:
    """Whether the load works for everything that arrives."""
    return all(arrival.works for arrival in found)


def breaks(before: list[Arrival], after: list[Arrival]) -> bool:
    """Whether a load that works for some target now will not work for the same target with what is written later."""
    working = {arrival.target for arrival in before if arrival.works is not False}
    return any(arrival.works is False and arrival.is_new and arrival.target in working for arrival in after)


def mended(project: Project, reader: Site, found: list[Arrival]) -> tuple[Edit, ...] | Declined:
    """The edits after which the load takes all of `found`."""
    events = project.derived(places).applies[reader]
    if any(event.handled for event in events):
        return Declined("the load stands in a `try` that deals with its failure")
    if any(arrival.content.filtered for arrival in found):
        return Declined("the keys are picked by what the model has")
    if any(arrival.content.prefix.startswith(CUT) for arrival in found):
        return Declined("the beginning of every key is cut off")
    shapes = [case.shape for event in events for case in event.targets]
    marks = [marks_of(shape) for shape in shapes if shape is not None and shape.known]
    if len(marks) < len(shapes):
        marks.append(())
    if any(mark.wrapper in KEPT for case in marks for mark in case):
        return Declined("the target is an averaged model, which keeps its own keys")
    file = project.derived(Sources)[reader.file]
    path = path_to(file, project.place(reader)) if file is not None else None
    call = path[-1] if path is not None else None
    if file is None or path is None or not isinstance(call, ast.Call):
        return Declined("the file cannot be read")
    target = target_chain(project, file, path, marks)
    if target is None:
        return Declined("the class of the wrapper has no name in this file")
    state = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "state_dict"), None)
    wanted = Reader(
        statement=span(file, statement_of(path)),
        call=span(file, call),
        keys=keys_chain(arrival.content.prefix for arrival in found),
        target=target.chain,
        used_again=state is None or used_again(path, state),
    )
    edits = normalised(file, wanted)
    return edits if isinstance(edits, Declined) else (*edits, *target.edits)

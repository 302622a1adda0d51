"""Writers and readers that can meet over a file.

A reader is a `load_state_dict` whose state dict came out of a file; a writer is a save. They are paired by what the
code shows: the same path text, the same base name, the same option handed on, the same model class, the same entry.
What speaks against it (another constant name, another class, an entry that the writer does not write) outweighs that.
A file from outside (a URL, a hub) is never paired.

For a pair, every case of the writer is held against every case of the reader. Conditions about the machine or the
launch (number of GPUs, distributed or not) may differ between the two; conditions about the model may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptlint.analysis import entries, fit
from ckptlint.analysis.events import ApplyEvent, LoadEvent, SavedPart, SaveEvent, SourceCase, TargetCase
from ckptlint.analysis.evidence import (
    OTHER_NAME,
    SAME_CLASS,
    SAME_NAME,
    class_evidence,
    path_evidence,
)
from ckptlint.analysis.fit import Fit
from ckptlint.analysis.guards import Guard, both
from ckptlint.analysis.own_names import FOLLOWED, is_extra
from ckptlint.analysis.settled import binding, deciding_symbols, elsewhere, reader_guards, settled, writer_guards
from ckptlint.analysis.values import Content, Shape, Site

#: What the evidence for a pair has to add up to.
ENOUGH = 2

_NOTHING: frozenset[str] = frozenset()


class Meeting(msgspec.Struct, frozen=True):
    """One case of a writer against one case of a reader; `body` is the module that was written, where one was."""

    fit: Fit
    writer_guard: Guard
    reader_guard: Guard
    content: Content
    target: Shape
    body: Shape | None = None


class Pair(msgspec.Struct, frozen=True):
    """A reader, a writer (None for a state dict out of memory), how sure it is that they meet, and their cases."""

    reader: ApplyEvent
    writer: SaveEvent | None
    origin: Site
    evidence: int
    meetings: tuple[Meeting, ...]
    named: bool = False
    kinship: int = 0

    @property
    def differs(self) -> list[Meeting]:
        """The cases that do not fit."""
        return [meeting for meeting in self.meetings if meeting.fit.verdict == "differs"]

    @property
    def always(self) -> bool:
        """Whether no case fits and none is unknown."""
        return all(meeting.fit.verdict == "differs" for meeting in self.meetings)


def pairs(saves: Iterable[SaveEvent], loads: Iterable[LoadEvent], applies: Iterable[ApplyEvent]) -> Iterator[Pair]:
    """All pairs of a project, for each reader the best supported writers."""
    writers = [save for save in saves if any(part.content is not None for part in save.parts)]
    entered = [{part.entry for part in save.parts if part.content is not None} for save in writers]
    by_file = {load.file: load for load in loads if load.file}
    yield from _reached(_all_pairs(writers, entered, by_file, list(applies)))


def _all_pairs(
    writers: list[SaveEvent],
    entered: list[set[tuple[str, ...]]],
    by_file: dict[int, LoadEvent],
    applies: list[ApplyEvent],
) -> Iterator[Pair]:
    writing = deciding_symbols((save.site, guard) for save in writers for guard in writer_guards(save))
    reading = deciding_symbols((apply.site, guard) for apply in applies for guard in reader_guards(apply))
    for reader in applies:
        yield from _in_memory(reader)
        files = dict.fromkeys(
            case.content.file for case in reader.sources if case.content is not None and case.content.file is not None
        )
        for file in files:
            load = by_file.get(file)
            if load is None:
                continue
            found: list[Pair] = []
            read = {one.content.entry for one in reader.sources if one.content is not None and one.content.file == file}
            for writer, written in zip(writers, entered, strict=True):
                if written.isdisjoint(read) and not reader.after:
                    continue
                deciding = writing.get(writer.site, _NOTHING) | reading.get(reader.site, _NOTHING)
                pair = _paired(reader, load, file, writer, deciding)
                if pair is not None:
                    found.append(pair)
            # A writer whose path agrees outweighs those of which only the model is the same.
            # Of those, a writer of the same class outweighs one whose model is a part of the reader's, or holds it.
            akin = max((pair.kinship for pair in found if not pair.named), default=0)
            found = [pair for pair in found if pair.named or pair.kinship == akin]
            best = max((pair.evidence for pair in found if pair.named), default=0)
            yield from (pair for pair in found if pair.evidence >= best)


def _reached(found: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs; of a load that is tried after another has failed only the cases in which that one does fail."""
    tried: dict[tuple[Site, int], list[Meeting]] = {}
    for pair in found:
        first = [one for site in pair.reader.after for one in tried.get((site, id(pair.writer)), ())]
        tried.setdefault((pair.reader.site, id(pair.writer)), []).extend(pair.meetings)
        meetings = tuple(one for one in pair.meetings if _is_reached(one, first))
        if len(meetings) == len(pair.meetings):
            yield pair
        elif meetings:
            yield msgspec.structs.replace(pair, meetings=meetings)


def _is_reached(later: Meeting, tried: list[Meeting]) -> bool:
    """Whether an earlier attempt fails: surely so for these keys of the file, and not only under other conditions."""
    keys = (later.content.assumed, later.content.entry)
    same = [one for one in tried if (one.content.assumed, one.content.entry) == keys]
    failing = [one for one in same if one.fit.verdict == "differs"]
    passed = (one for one in same if one not in failing)
    if any(one.writer_guard <= later.writer_guard and one.reader_guard <= later.reader_guard for one in passed):
        return False
    return bool(failing) or not same


def may_meet(reader: ApplyEvent, load: LoadEvent, writer: SaveEvent) -> bool:
    """Whether nothing speaks against this reader being given what the writer writes, however little speaks for it."""
    if path_evidence(load.path, writer.names) is None:
        return False
    written = [(part.entry, part.content.shape) for part in writer.parts if part.content is not None]
    for source in reader.sources:
        if source.content is None or source.content.file != load.file:
            continue
        for entry, shape in written:
            if shape is None or source.content.entry != entry:
                continue
            if any(one.shape is None or class_evidence(shape, one.shape) is not None for one in reader.targets):
                return True
    return False


def same_file(load: LoadEvent, writer: SaveEvent) -> bool:
    """Whether the two paths can be one file."""
    return path_evidence(load.path, writer.names) is not None


def _fit(content: Content, body: Shape, target: Shape) -> Fit:
    """How keys fit that are loaded as they are, or of which only those that the model has were kept."""
    return fit.picked(content, body, target) if content.filtered else fit.compare(content, body, target)


def _in_memory(reader: ApplyEvent) -> Iterator[Pair]:
    """A state dict that was never in a file, or that this very run has written: conditions are shared."""
    meetings: list[Meeting] = []
    origin: Site | None = None
    for source in reader.sources:
        content = source.content
        if content is None or content.shape is None or content.file is not None:
            continue
        origin = content.origin
        for target in reader.targets:
            guard = both(source.guard, target.guard)
            if guard is None or target.shape is None:
                continue
            found = _fit(content, content.shape, target.shape)
            if found is not fit.VOID:
                meetings.append(Meeting(found, guard, guard, content, target.shape, content.shape))
    if origin is not None:
        yield Pair(reader, None, origin, 9, _pieces_joined(meetings))


def _pieces_joined(meetings: list[Meeting]) -> tuple[Meeting, ...]:
    """The meetings, those of the pieces of one state dict made one: see `own_names`."""
    if not any(meeting.content.piece for meeting in meetings):
        return tuple(meetings)
    groups: dict[tuple[object, ...], list[Meeting]] = {}
    for one in meetings:
        whole = (one.content.origin, one.content.file, one.content.entry, one.content.assumed)
        groups.setdefault((one.writer_guard, one.reader_guard, one.target, *whole), []).append(one)
    return tuple(
        msgspec.structs.replace(group[0], fit=fit.together([one.fit for one in group])) for group in groups.values()
    )


def _paired(reader: ApplyEvent, load: LoadEvent, file: int, writer: SaveEvent, deciding: frozenset[str]) -> Pair | None:
    found: list[tuple[int, Site, Meeting]] = []
    origin: Site | None = None
    kinship: int | None = None
    for part in writer.parts:
        content = part.content
        if content is None or content.shape is None:
            continue
        sources = list(arriving(reader, file, part.entry, content.prefix))
        close_to = [(close, target) for target in reader.targets if (close := _closeness(content, target)) is not None]
        if sources and close_to:
            best = max(close for close, _ in close_to)
            kinship = best if kinship is None else max(kinship, best)
        for source in sources:
            if source.content is None or source.content.assumed != content.prefix:
                continue  # the reader looks at a file with another prefix
            for close, target in close_to:
                meeting = _meeting(reader, writer, part, source, target, file, deciding)
                if meeting is not None:
                    found.append((close, content.origin, meeting))
    meetings: list[Meeting] = []
    if not found and reader.after and not writer.implied:
        origin, kinship, meetings = _whole_file(reader, writer, file)
    # asked late: it costs more than all the rest
    named = path_evidence(load.path, writer.names) if found or meetings else None
    named = OTHER_NAME if named is None else named
    for close, made, meeting in found:
        # A path that says nothing: the encoder of a run that saves either it or the whole network loads the encoder's.
        if named >= SAME_NAME or close == kinship:
            origin = made
            meetings.append(meeting)
    if origin is None or kinship is None or not meetings:
        return None
    # The attempt before a last one asked for the writer's entry.
    entry = 1 if reader.after or any(meeting.content.entry for meeting in meetings) else 0
    evidence = named + kinship + entry + (1 if load.site.file == writer.site.file else 0)
    if evidence < ENOUGH and not (kinship == SAME_CLASS and evidence > 0):
        return None
    return Pair(reader, writer, origin, evidence, _pieces_joined(meetings), named >= SAME_NAME, kinship)


def _closeness(content: Content, target: TargetCase) -> int | None:
    """How much the classes of what was written and of what is loaded into speak for each other; None: against."""
    if content.shape is None or target.shape is None:
        return None
    return class_evidence(content.shape, target.shape)


def _whole_file(reader: ApplyEvent, writer: SaveEvent, file: int) -> tuple[Site | None, int | None, list[Meeting]]:
    """A last attempt that loads all of the file, of which the state dict is only one entry: that fits no module."""
    sources = [one.content for one in reader.sources if one.content is not None and one.content.file == file]
    inside = [part for part in writer.parts if part.content is not None and part.content.shape is not None]
    if not sources or any(one.entry for one in sources) or any(not part.entry for part in inside):
        return None, None, []
    entries = tuple(dict.fromkeys(part.entry[0] for part in writer.parts if part.entry))
    for part in inside:
        for target in reader.targets:
            assert part.content is not None
            assert part.content.shape is not None
            if target.shape is None or not target.shape.known:
                continue
            close = class_evidence(part.content.shape, target.shape)
            if close is not None:
                found = fit.wrong_level(entries, target.shape)
                guard = both(target.guard, reader.guard) or reader.guard
                return part.content.origin, close, [Meeting(found, writer.guard, guard, sources[0], target.shape)]
    return None, None, []


def _meeting(
    reader: ApplyEvent,
    writer: SaveEvent,
    part: SavedPart,
    source: SourceCase,
    target: TargetCase,
    file: int,
    deciding: frozenset[str],
) -> Meeting | None:
    """The two cases together, None when they exclude each other."""
    written, read = part.content, source.content
    assert written is not None
    assert written.shape is not None
    assert read is not None
    assert target.shape is not None
    if is_extra(read.piece) and read.piece not in written.extra:
        return None
    reading = both(source.guard, target.guard)
    reading = both(reading, reader.guard) if reading is not None else None
    if reading is None:
        return None
    named = {".".join(one.entry[: i + 1]) for one in writer.parts for i in range(len(one.entry))}
    left = settled(reading, file, written.prefix, ".".join(part.entry), named, written.extra)
    if left is None:
        return None
    writing = both(part.guard, writer.guard)
    if writing is None or both(elsewhere(writing, deciding), binding(left, deciding)) is None:
        return None
    if written.piece:
        read = msgspec.structs.replace(read, piece=written.piece)
    if not written.extra or read.assumed not in FOLLOWED:
        read = msgspec.structs.replace(read, extra=target.shape.extra if written.extra else ())
    found = _fit(read, written.shape, target.shape)
    if found is fit.VOID:
        return None
    return Meeting(found, writing, left, read, target.shape, written.shape)


def arriving(reader: ApplyEvent, file: int, entry: tuple[str, ...], prefix: str) -> Iterator[SourceCase]:
    """What arrives at the reader of an entry of the file, whose keys have that prefix there.

    Where the reader picks the keys that its model has, and no key with that prefix is one of them, nothing of the file
    is left: an empty dict, or the model's own state dict that the file was to be merged into.
    """
    here = [
        one
        for one in reader.sources
        if one.content is not None and one.content.file == file and one.content.entry == entry
    ]
    yield from here
    if not any(one.content is not None and one.content.filtered for one in here):
        return
    if any(one.content is not None and one.content.assumed == prefix and not one.content.piece for one in here):
        return
    found = min((one.content for one in here if one.content is not None), key=lambda content: bool(content.piece))
    symbol = entries.prefix_symbol(file, entry)
    for one in reader.sources:
        own = one.content is not None and one.content.file is None and one.content.shape is not None
        if (one.empty or own) and any(literal.symbol == symbol for literal in one.guard):
            whole = found if not found.piece else msgspec.structs.replace(found, piece="", tests=())
            left = msgspec.structs.replace(whole, prefix=prefix, assumed=prefix, filtered=True, merged=own)
            yield SourceCase(one.guard, left)

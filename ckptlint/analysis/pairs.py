"""Writers and readers that can meet over a file.

A reader is a `load_state_dict` whose state dict came out of a file; a writer is a save. They are paired by what the
code shows: the same path text, the same base name, the same option handed on, the same model class, the same entry.
What speaks against it (another constant name, another class, an entry that the writer does not write) outweighs that.
A file from outside (a URL, a hub) is never paired.

For a pair, every case of the writer is held against every case of the reader. Conditions about the machine or the
launch (number of GPUs, distributed or not) may differ between the two; conditions about the model may not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from ckptlint.analysis import fit
from ckptlint.analysis.events import ApplyEvent, LoadEvent, SavedPart, SaveEvent, SourceCase, TargetCase
from ckptlint.analysis.fit import Fit
from ckptlint.analysis.guards import Guard, Literal, both, not_all
from ckptlint.analysis.symbols import is_environment
from ckptlint.analysis.values import Const, Content, Opaque, Shape, Site, Text, Value, alternatives

#: What the evidence for a pair has to add up to.
ENOUGH = 2

#: A constant name against another one speaks against a pair; the same class of the project still outweighs that, since
#: files are renamed: `best.pth` is `net_epoch_9.pth` under the name that the reader knows.
OTHER_NAME = -1
SAME_CLASS = 2
SAME_NAME = 2

_NOTHING: frozenset[str] = frozenset()

_PREFIX_SYMBOL = re.compile(r"^prefix of file (\d+) (.*)$")
_HAS_SYMBOL = re.compile(r"^file (\d+) has (.*)$")


class Meeting(msgspec.Struct, frozen=True):
    """One case of a writer against one case of a reader."""

    fit: Fit
    writer_guard: Guard
    reader_guard: Guard
    content: Content
    target: Shape


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
    entries = [{part.entry for part in save.parts if part.content is not None} for save in writers]
    by_file = {load.file: load for load in loads if load.file}
    applies = list(applies)
    writing = _deciding((save.site, guard) for save in writers for guard in _writer_guards(save))
    reading = _deciding((apply.site, guard) for apply in applies for guard in _reader_guards(apply))
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
            for writer, written in zip(writers, entries, strict=True):
                if written.isdisjoint(read):
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


def may_meet(reader: ApplyEvent, load: LoadEvent, writer: SaveEvent) -> bool:
    """Whether nothing speaks against this reader being given what the writer writes, however little speaks for it."""
    if path_evidence(load.path, writer.path) is None:
        return False
    written = [(part.entry, part.content.shape) for part in writer.parts if part.content is not None]
    for source in reader.sources:
        if source.content is None or source.content.file != load.file:
            continue
        for entry, shape in written:
            if shape is None or source.content.entry != entry:
                continue
            if any(one.shape is None or _class_evidence(shape, one.shape) is not None for one in reader.targets):
                return True
    return False


def same_file(load: LoadEvent, writer: SaveEvent) -> bool:
    """Whether the two paths can be one file."""
    return path_evidence(load.path, writer.path) is not None


def _in_memory(reader: ApplyEvent) -> Iterator[Pair]:
    """A state dict that was never in a file, or that this very run has written: conditions are shared."""
    meetings: list[Meeting] = []
    origin: Site | None = None
    for source in reader.sources:
        content = source.content
        if content is None or content.shape is None or content.file is not None or content.filtered:
            continue
        origin = content.origin
        for target in reader.targets:
            guard = both(source.guard, target.guard)
            if guard is None or target.shape is None:
                continue
            meetings.append(
                Meeting(fit.compare(content, content.shape, target.shape), guard, guard, content, target.shape)
            )
    if origin is not None:
        yield Pair(reader, None, origin, 9, tuple(meetings))


def _paired(reader: ApplyEvent, load: LoadEvent, file: int, writer: SaveEvent, deciding: frozenset[str]) -> Pair | None:
    meetings: list[Meeting] = []
    origin: Site | None = None
    kinship: int | None = None
    for part in writer.parts:
        content = part.content
        if content is None or content.shape is None:
            continue
        for source in reader.sources:
            if source.content is None or source.content.file != file or source.content.entry != part.entry:
                continue
            for target in reader.targets:
                if target.shape is None:
                    continue
                close = _class_evidence(content.shape, target.shape)
                if close is None:
                    continue
                kinship = close if kinship is None else max(kinship, close)
                meeting = _meeting(reader, writer, part, source, target, file, deciding)
                if meeting is not None:
                    origin = content.origin
                    meetings.append(meeting)
    if origin is None or kinship is None or not meetings:
        return None
    named = path_evidence(load.path, writer.path)  # asked last: it costs more than all the rest
    if named is None:
        named = OTHER_NAME
    entry = 1 if any(meeting.content.entry for meeting in meetings) else 0
    evidence = named + kinship + entry + (1 if load.site.file == writer.site.file else 0)
    if evidence < ENOUGH and not (kinship == SAME_CLASS and evidence > 0):
        return None
    return Pair(reader, writer, origin, evidence, tuple(meetings), named >= SAME_NAME, kinship)


def _meeting(
    reader: ApplyEvent,
    writer: SaveEvent,
    part: SavedPart,
    source: SourceCase,
    target: TargetCase,
    file: int,
    deciding: frozenset[str],
) -> Meeting | None:
    """The two cases together, None when they exclude each other or the reader looks at another prefix."""
    written, read = part.content, source.content
    assert written is not None
    assert written.shape is not None
    assert read is not None
    assert target.shape is not None
    if read.assumed != written.prefix or read.filtered:
        return None
    reading = both(source.guard, target.guard)
    reading = both(reading, reader.guard) if reading is not None else None
    if reading is None:
        return None
    entries = {".".join(one.entry[: i + 1]) for one in writer.parts for i in range(len(one.entry))}
    settled = _settled(reading, file, written.prefix, ".".join(part.entry), entries)
    if settled is None:
        return None
    writing = both(part.guard, writer.guard)
    if writing is None or both(_elsewhere(writing, deciding), _shared(settled, deciding)) is None:
        return None
    return Meeting(fit.compare(read, written.shape, target.shape), writing, settled, read, target.shape)


def _settled(guard: Guard, file: int, prefix: str, entry: str, entries: set[str]) -> Guard | None:
    """The guard without what the writer decides: which prefix and which entries the file has."""
    left: list[Literal] = []
    for literal in guard:
        match = _PREFIX_SYMBOL.match(literal.symbol)
        if match is not None and int(match.group(1)) == file:
            if match.group(2) == entry and not literal.accepts(prefix):
                return None
            continue
        match = _HAS_SYMBOL.match(literal.symbol)
        if match is not None and int(match.group(1)) == file:
            if not literal.accepts(match.group(2) in entries):
                return None
            continue
        left.append(literal)
    return frozenset(left)


def _plain(symbol: str) -> str:
    return symbol.partition("@")[0]


def _writer_guards(save: SaveEvent) -> Iterator[Guard]:
    return (save.guard | part.guard for part in save.parts if part.content is not None)


def _reader_guards(apply: ApplyEvent) -> Iterator[Guard]:
    return (apply.guard | target.guard for target in apply.targets)


def _deciding(guards: Iterable[tuple[Site, Guard]]) -> dict[Site, frozenset[str]]:
    """For each place the symbols that it is reached with both ways: they tell one model from another.

    What is the same in all cases of a place only says how one gets there (`args.evaluate`), and does not bind the
    other side.
    """
    literals: dict[Site, set[Literal]] = {}
    for site, guard in guards:
        found = literals.setdefault(site, set())
        found.update(guard)
        found.update(~part for literal in guard for part in literal.parts)
    return {
        site: frozenset(_plain(literal.symbol) for literal in found if ~literal in found)
        for site, found in literals.items()
    }


def _elsewhere(guard: Guard, deciding: frozenset[str]) -> Guard:
    """The writer's conditions as the reader's run sees them: what belongs to the machine is another symbol there."""
    return _renamed(guard, deciding, _name_elsewhere)


def _renamed(guard: Guard, deciding: frozenset[str], name: Callable[[str], str]) -> Guard:
    """What the guard says of the deciding symbols, under other names."""
    left: list[Literal] = []
    for literal in guard:
        if literal.parts:
            parts = _renamed(frozenset(literal.parts), deciding, name)
            whole = len(parts) == len(literal.parts) and not literal.negated
            left += [not_all(parts)] if whole else []
        elif _plain(literal.symbol) in deciding:
            left.append(Literal(name(literal.symbol), literal.op, literal.constant, literal.negated))
    return frozenset(left)


def _name_elsewhere(symbol: str) -> str:
    if is_environment(symbol) or "<object" in symbol or symbol.startswith(("exception", "a load", "file ", "prefix ")):
        return "writer: " + symbol
    return _plain(symbol)


def _shared(guard: Guard, deciding: frozenset[str]) -> Guard:
    return _renamed(guard, deciding, _plain)


# --- evidence ------------------------------------------------------------------------------------------------------


def path_evidence(read: Value, written: Value) -> int | None:
    """How well two paths agree, None when they are plainly different files."""
    best: int | None = None
    for _, one in alternatives(read):
        for _, other in alternatives(written):
            score = _plain_path_evidence(one, other)
            if score is not None:
                best = score if best is None else max(best, score)
    return best


def _plain_path_evidence(read: Value, written: Value) -> int | None:
    one, other = _last_part(read), _last_part(written)
    if one is None or other is None:
        if isinstance(read, Opaque) and isinstance(written, Opaque) and _plain(read.symbol) == _plain(written.symbol):
            return 2
        return 0
    if one == other:
        return 3 if any(isinstance(piece, str) for piece in one) else 2
    if _matches(one, other) or _matches(other, one):
        return 2 if _constant_length(one) + _constant_length(other) > 3 else 0
    return None


Pieces = tuple[str | Opaque, ...]


def _last_part(path: Value) -> Pieces | None:
    """The base name: what follows the last slash. None when nothing of it is known."""
    if isinstance(path, Const) and isinstance(path.value, str):
        return (path.value.rpartition("/")[2],)
    if not isinstance(path, Text):
        return None
    pieces: list[str | Opaque] = []
    for piece in reversed(path.parts):
        if isinstance(piece, str) and "/" in piece:
            pieces.append(piece.rpartition("/")[2])
            break
        pieces.append(Opaque(_plain(piece.symbol)) if isinstance(piece, Opaque) else piece)
    found = tuple(piece for piece in reversed(pieces) if piece != "")
    return found if any(isinstance(piece, str) for piece in found) else None


def _matches(pattern: Pieces, name: Pieces) -> bool:
    """Whether a name with holes can be the other name."""
    expression = "".join(re.escape(piece) if isinstance(piece, str) else ".*" for piece in pattern)
    text = "".join(piece if isinstance(piece, str) else "0" for piece in name)
    return re.fullmatch(expression, text) is not None


def _constant_length(pieces: Pieces) -> int:
    return sum(len(piece) for piece in pieces if isinstance(piece, str))


def _class_evidence(written: Shape, target: Shape) -> int | None:
    """How well the two modules agree, None when they are plainly of different kinds."""
    one, other = written.identity, target.identity
    if not one or not other:
        return 0
    if one == other:
        return SAME_CLASS if ":" in one or "." in one else 1
    if ":" in one and ":" in other:
        found = _inside_evidence(written, other)
        return found if found is not None else _inside_evidence(target, one)
    if one.startswith("torch.optim") or other.startswith("torch.optim"):
        return None
    return 0


def _inside_evidence(outer: Shape, inner: str) -> int | None:
    """Whether a module holds one of the class `inner`: FullModel(model, loss) is the model in another dress.

    A network that has the class as one part of many (a decoder and an encoder) makes nothing likely: the part may have
    weights of its own, brought from elsewhere.
    """
    inside = [child for _, child in outer.children if child.identity == inner]
    if not inside:
        return None
    others = [child for _, child in outer.children if child.identity != inner]
    return 1 if all(child.loss or (child.closed and not child.children and not child.tensor) for child in others) else 0

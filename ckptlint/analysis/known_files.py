"""Files that were given with their real keys (`ckptlint check --checkpoint runs/best.pth`), as writers of a kind.

    the file   model: module.conv.weight, ..., module.criterion.weight      epoch, optimizer
    the code   net.load_state_dict(torch.load("runs/best.pth")["model"])    net: conv.weight, ...
    ->         missing conv.weight, unexpected module.conv.weight, ...

A reader is held against a file when the path in the code ends as the file's path does. What arrives there is what the
run has made of the keys: the prefix that is left, the texts that were removed. Missing are keys that the model
certainly has; unexpected ones are told only where all keys of the model are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ckptlint.analysis import fit
from ckptlint.analysis.entries import HYPOTHESES
from ckptlint.analysis.events import ApplyEvent, Events, LoadEvent, SavedPart, SaveEvent
from ckptlint.analysis.fit import Fit
from ckptlint.analysis.formats import ENTRIES, MODULE, STATE_DICT, Mismatch, Written, of_use, readings
from ckptlint.analysis.guards import ALWAYS
from ckptlint.analysis.keys import CUT
from ckptlint.analysis.pairs import Meeting, Pair, pairs
from ckptlint.analysis.values import Const, Content, KeyTest, Shape, Text, Value, alternatives

#: The model's counter of batches; a file without it loads (see the messages of torch).
_COUNTER = "num_batches_tracked"
_TELLING = 3
_CERTAIN = 9


class KnownEntry(msgspec.Struct, frozen=True):
    """A part of a file: its path of entry names, and the keys where it is a state dict (None: anything else).

    `module`: it is a module that was pickled whole.
    """

    path: tuple[str, ...]
    keys: tuple[str, ...] | None = None
    module: bool = False


class KnownFile(msgspec.Struct, frozen=True):
    """A file whose keys are known. `path` is absolute, with slashes; `shown` is how it was named."""

    path: str
    shown: str
    entries: tuple[KnownEntry, ...]


class KnownPair(msgspec.Struct, frozen=True):
    """A reader that reads a known file, where it is loaded, and the pair that the two make."""

    file: KnownFile
    load: LoadEvent
    pair: Pair


def known_pairs(
    files: Sequence[KnownFile], loads: Iterable[LoadEvent], applies: Sequence[ApplyEvent]
) -> Iterator[KnownPair]:
    """The readers of the files, each held against the real keys."""
    loads = list(loads)
    for file in files:
        for load in loads:
            if not load.file or not is_path_of(load.path, file.path):
                continue
            reading = [apply for apply in applies if _reads(apply, load.file)]
            for pair in pairs([_as_writer(file, load)], [load], reading):
                if pair.writer is not None:
                    meetings = tuple(_with_keys(meeting, file) for meeting in pair.meetings)
                    yield KnownPair(file, load, msgspec.structs.replace(pair, writer=None, meetings=meetings))


def known_mismatches(files: Sequence[KnownFile], events: Events) -> Iterator[Mismatch]:
    """What is asked of the files that they do not hold: an entry, a bare state dict, a whole module."""
    strictness = {apply.site: apply.strict for apply in events.applies}
    for file in files:
        for reading in readings(events):
            if is_path_of(reading.load.path, file.path):
                held = _as_written(file, reading.load)
                for use in reading.uses:
                    for one in of_use(use, reading, [held], [], _CERTAIN, strictness.get(use.site)):
                        yield msgspec.structs.replace(one, writers=(), known=file.shown)


def _as_written(file: KnownFile, load: LoadEvent) -> Written:
    top = next((entry for entry in file.entries if not entry.path), None)
    if top is None:
        names = tuple(dict.fromkeys(entry.path[0] for entry in file.entries))
        return Written(_as_writer(file, load), frozenset((ENTRIES,)), names, not names, ())
    kind = STATE_DICT if top.keys is not None else MODULE
    keys = None if top.keys is None else frozenset(top.keys)
    return Written(_as_writer(file, load), frozenset((kind,)), (), top.keys is None and not top.module, (), keys)


def _reads(apply: ApplyEvent, file: int) -> bool:
    return any(one.content is not None and one.content.file == file for one in apply.sources)


def is_path_of(value: Value, path: str) -> bool:
    """Whether a path in the code is the file: all that is known of it agrees with the end of the file's path.

    A name of which only the suffix is known (`f"{name}.pth"`) says nothing.
    """
    return any(_is_plain_path_of(one, path) for _, one in alternatives(value))


def _is_plain_path_of(value: Value, path: str) -> bool:
    if isinstance(value, Const) and isinstance(value.value, str):
        pieces: Sequence[object] = (value.value,)
    elif isinstance(value, Text):
        pieces = value.parts
    else:
        return False
    texts = [piece.replace("\\", "/") if isinstance(piece, str) else None for piece in pieces]
    name = "".join(text or "" for text in texts if text is not None).rpartition("/")[2]
    if len(name.rpartition(".")[0] or name) < _TELLING:
        return False
    first = texts[0]
    if first is not None:
        texts[0] = re.sub(r"^(?:\.{1,2}/)+", "", first)
    pattern = "".join(".*" if text is None else re.escape(text) for text in texts)
    return re.search(f"(?:^|/){pattern.removeprefix('/')}$", path) is not None


def _as_writer(file: KnownFile, load: LoadEvent) -> SaveEvent:
    """A save that would write this file, at the place where it is read: the file itself has no place in the code."""
    parts = []
    for entry in file.entries:
        content = None
        if entry.keys is not None:
            content = Content(load.site, _prefix(entry.keys), Shape(known=False))
        parts.append(SavedPart(entry.path, ALWAYS, content))
    name = Const(file.path.rpartition("/")[2])
    return SaveEvent(load.site, name, tuple(parts), ALWAYS, load.run)


def _prefix(keys: Sequence[str]) -> str:
    """The longest prefix of wrappers that all keys have, of those that a reader is tried with."""
    common = [prefix for prefix in HYPOTHESES if all(key.startswith(prefix) for key in keys)]
    return max(common, key=len) if keys else ""


def _with_keys(meeting: Meeting, file: KnownFile) -> Meeting:
    content = meeting.content
    keys = next((entry.keys for entry in file.entries if entry.path == content.entry), None)
    found = fit.UNKNOWN if keys is None else compare_keys(keys, content, meeting.target)
    return msgspec.structs.replace(meeting, fit=found)


def compare_keys(keys: Sequence[str], content: Content, target: Shape) -> Fit:
    """The keys of a file, as they arrive at a reader, against what is known of its model."""
    if content.prefix.startswith(CUT) or not target.known:
        return fit.UNKNOWN
    names = {key.removeprefix(content.assumed): key for key in keys if _passes(key, content)}
    arriving = {content.prefix + _emptied(name, content): key for name, key in names.items()}
    certain = list(_certain(target, target.prefix))
    whole, complete = fit.keys_of(target, target.prefix)
    if not certain:
        return fit.UNKNOWN
    nothing = arriving.keys().isdisjoint(certain)
    if content.filtered:
        found = fit.picked(content, None, target)
        return found if nothing else fit.UNKNOWN
    missing = () if content.partial else tuple(name for name in certain if name not in arriving)
    unexpected = tuple(name for name in arriving if name not in {*whole, *target.extra}) if complete or nothing else ()
    missing = tuple(name for name in missing if name.rpartition(".")[2] != _COUNTER)
    if not missing and not unexpected:
        return fit.FITS if complete else fit.UNKNOWN
    return Fit("differs", missing, unexpected, exact=complete, nothing=nothing, reason="known keys")


def _passes(key: str, content: Content) -> bool:
    return all(_holds(test, key.removeprefix(content.assumed)) for test in content.tests)


def _holds(test: KeyTest, name: str) -> bool:
    return (name.startswith(test.text) if test.kind == "starts" else test.text in name) == test.wanted


def _emptied(name: str, content: Content) -> str:
    for text in sorted(content.emptied):
        name = name.replace(text, "") if text else name
    return name


def _certain(shape: Shape, prefix: str) -> Iterator[str]:
    """The names of the tensors that a model has in every case."""
    for name, child in shape.children:
        if child.tensor:
            if child.tensor != "maybe":
                yield prefix + name
        elif child.known:
            yield from _certain(child, f"{prefix}{name}.{child.prefix}")

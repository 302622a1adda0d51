"""The pictures of a project's files, made when they are asked for and kept.

Nothing is read when the store is made; a file is read when its text, its units or its skeleton is wanted, and a
function is parsed when that function is wanted. What cannot be read raises UnreadableSource, every time it is asked
for, and is noted once in `unreadable`. A unit of which only some statements cannot be read is given without them, and
they are noted too.

Given a cache, a file that was read in an earlier run is neither cut nor parsed again, nor even read, until a place in
it is asked for; `save` keeps what this run has added.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ckptlint.cache import Cache, FileIndex, digest_of
from ckptlint.facts import ir
from ckptlint.facts.saved import SavedError, SavedFile, SavedUnit, load, save
from ckptlint.facts.units import Cut, UnitHeader, UnitText, cut_with_skeleton, text_of_function
from ckptlint.findings import Span
from ckptlint.prefilter import marked
from ckptlint.source import SourceFile, UnreadableSource, decode

if TYPE_CHECKING:
    import libcst as cst

    from ckptlint.facts.extract.unit import Lowered, Parsed

# A source file beyond this is data; reading it would take minutes.
MAX_FILE_BYTES = 4_000_000

# What is kept of the files in memory; what is wanted again is read again, and must still be the same.
KEPT_BYTES = 24_000_000
KEPT_TEXTS = 128


class Unreadable(msgspec.Struct, frozen=True):
    """Something that could not be read, by file and unit."""

    relative: str
    unit: int
    error: UnreadableSource


class Look(msgspec.Struct, frozen=True):
    """What one look at the bytes of a file tells: a name for them, and what can stand in them."""

    digest: str
    marked: bool
    comments: bool


class FactStore:
    """The pictures of the files of one project."""

    def __init__(
        self, root: Path, files: Sequence[str], cache: Cache | None = None, index: FileIndex | None = None
    ) -> None:
        self.root = root
        self.files = frozenset(files)
        self.unreadable: list[Unreadable] = []
        self.changed_meanwhile = False
        self._cache = cache
        self._index = index
        self._looks: dict[str, Look] = {}
        self._headers: dict[str, tuple[UnitHeader, ...]] = {}
        self._saved: dict[str, dict[int, SavedUnit]] = {}
        self._changed: set[str] = set()
        self._noted: set[tuple[str, int, int]] = set()
        self._data: dict[str, bytes | UnreadableSource] = {}
        self._kept_bytes = 0
        self._given_up: dict[str, str] = {}
        self._sources: dict[str, SourceFile | UnreadableSource] = {}
        self._cuts: dict[str, Cut] = {}
        self._units: dict[tuple[str, int], ir.Unit | UnreadableSource] = {}
        self._last_lines: tuple[str, list[str]] = ("", [])
        self._last_parsed: tuple[tuple[str, int], Parsed, UnitText, Lowered] | None = None

    def data(self, relative: str) -> bytes:
        """The bytes of a file, for searches in the text; raises UnreadableSource."""
        data = self._data.get(relative)
        if data is None:
            data = self._read(relative)
            look = self._looks.get(relative)
            before = self._given_up.get(relative) if look is None else look.digest
            if before is not None and isinstance(data, bytes) and digest_of(data) != before:
                why = "the file was changed while ckptlint was running"
                data = self._note(relative, 0, UnreadableSource(why))
            if before is not None and isinstance(data, UnreadableSource):
                self.changed_meanwhile = True
            self._keep(relative, data)
        if isinstance(data, UnreadableSource):
            raise data.with_traceback(None)
        return data

    def _keep(self, relative: str, data: bytes | UnreadableSource) -> None:
        size = len(data) if isinstance(data, bytes) else 0
        if self._kept_bytes + size > KEPT_BYTES:
            kept: dict[str, bytes | UnreadableSource] = {}
            for path, found in self._data.items():
                if isinstance(found, UnreadableSource):
                    kept[path] = found
                elif path not in self._looks:
                    self._given_up[path] = digest_of(found)
            self._data = kept
            self._kept_bytes = 0
        self._kept_bytes += size
        self._data[relative] = data

    def source(self, relative: str) -> SourceFile:
        """The text of a file; raises UnreadableSource."""
        source = self._sources.get(relative)
        if source is None:
            if len(self._sources) >= KEPT_TEXTS:
                self._sources.clear()
            source = self._sources[relative] = self._decode(relative)
        if isinstance(source, UnreadableSource):
            raise source.with_traceback(None)
        return source

    def headers(self, relative: str) -> tuple[UnitHeader, ...]:
        """The units of a file; raises UnreadableSource."""
        known = self._headers.get(relative)
        if known is None:
            saved = None if self._cache is None else load(self._cache, self.digest(relative))
            known = self._headers[relative] = self._cut(relative).headers if saved is None else saved.headers
            if saved is not None:
                self._saved[relative] = {unit.unit: unit for unit in saved.units if unit.unit < len(known)}
        return known

    def digest(self, relative: str) -> str:
        """A name for the bytes of a file, without reading it when it has not changed; raises UnreadableSource."""
        return self._look(relative).digest

    def marked(self, relative: str) -> bool:
        """Whether a file can matter by itself (see `prefilter`); False for one that cannot be read."""
        try:
            return self._look(relative).marked
        except UnreadableSource:
            return False

    def may_hold_comments(self, relative: str) -> bool:
        """Whether a comment for ckptlint may stand in a file; False for one that cannot be read."""
        try:
            return self._look(relative).comments
        except UnreadableSource:
            return False

    def state(self) -> str | None:
        """A name for the bytes of all files as they are now; None when one of them cannot be read."""
        try:
            return digest_of(
                *(f"{file}\0{self.digest(file)}".encode("utf-8", "replace") for file in sorted(self.files))
            )
        except UnreadableSource:
            return None

    def lowered(self) -> tuple[tuple[str, int], ...]:
        """The units that were asked for, as (file, unit)."""
        return tuple(self._units)

    def saved_unit(self, relative: str, unit: int) -> SavedUnit:
        """A unit that was asked for, as plain data."""
        lowered = self._units[relative, unit]
        errors = [found.error for found in self.unreadable if (found.relative, found.unit) == (relative, unit)]
        return SavedUnit(
            unit,
            None if isinstance(lowered, UnreadableSource) else lowered,
            tuple(SavedError.of(error) for error in errors),
        )

    def adopt(self, relative: str, saved: SavedUnit) -> None:
        """Take over a unit that another process has lowered, with what could not be read of it."""
        with contextlib.suppress(UnreadableSource):
            self.headers(relative)
        self._saved.setdefault(relative, {})[saved.unit] = saved
        self._changed.add(relative)
        if saved.errors:
            with contextlib.suppress(UnreadableSource):
                self._unit(relative, saved.unit)

    def save(self) -> None:
        """Write what is new to the cache."""
        if self._cache is None:
            return
        units: dict[str, dict[int, SavedUnit]] = {
            relative: dict(self._saved.get(relative, {})) for relative in self._changed if relative in self._headers
        }
        for relative, unit in self._units:
            if relative in units and unit not in units[relative]:
                units[relative][unit] = self.saved_unit(relative, unit)
        for relative, saved in sorted(units.items()):
            in_order = tuple(saved[unit] for unit in sorted(saved))
            save(self._cache, self.digest(relative), SavedFile(self._headers[relative], in_order))
        if self._index is not None:
            self._index.save(self.files)
        self._changed.clear()

    def skeleton(self, relative: str) -> ir.Module:
        """Unit 0; raises UnreadableSource."""
        lowered = self._unit(relative, 0)
        assert isinstance(lowered, ir.Module)
        return lowered

    def function(self, relative: str, unit: int) -> ir.FunctionDef:
        """A unit from 1 on; raises UnreadableSource."""
        lowered = self._unit(relative, unit)
        assert isinstance(lowered, ir.FunctionDef)
        return lowered

    def nodes(self, relative: str, unit: int) -> Mapping[int, cst.CSTNode]:
        """The libcst node behind each id of a unit; raises UnreadableSource.

        Ids of a tuple index (`x[a, b]`) and of the subscript share the subscript's node.
        """
        return dict(enumerate(self._lowered(relative, unit)[2].nodes))

    def spans(self, relative: str, unit: int, ids: Iterable[int]) -> dict[int, Span]:
        """Where nodes are in the file; raises UnreadableSource."""
        from ckptlint.facts.extract.places import spans  # noqa: PLC0415 - it imports libcst

        parsed, text, lowered = self._lowered(relative, unit)
        return spans(parsed, text, lowered, list(ids), self.headers(relative))

    def statement_span(self, relative: str, unit: int, node: int) -> Span:
        """The simple statement that holds a node, or the header of the compound statement; raises UnreadableSource."""
        from ckptlint.facts.extract.places import statement_span  # noqa: PLC0415 - it imports libcst

        parsed, text, lowered = self._lowered(relative, unit)
        return statement_span(parsed, text, lowered, node, self.headers(relative))

    def _look(self, relative: str) -> Look:
        known = self._looks.get(relative)
        if known is None:
            status = None
            if self._index is not None:
                with contextlib.suppress(OSError, ValueError):
                    status = os.stat(f"{self.root}/{relative}")  # noqa: PTH116 - a Path costs more than the call
            record = None if self._index is None or status is None else self._index.look_up(relative, status)
            if record is None:
                known = self._read_and_look(relative)
                if self._index is not None and status is not None:
                    self._index.note(relative, status, known.digest, known.marked, known.comments)
            else:
                known = Look(record.digest, record.marked, record.comments)
            self._looks[relative] = known
        return known

    def _read_and_look(self, relative: str) -> Look:
        data = self.data(relative)
        return Look(digest_of(data), self._is_marked(data), b"ckptlint:" in data or b"CKPT" in data)

    def _read(self, relative: str) -> bytes | UnreadableSource:
        path = self.root / relative
        try:
            with open(path, "rb", opener=_open_without_waiting) as file:  # Path.open takes no opener
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return self._note(relative, 0, UnreadableSource("the file cannot be read: it is no regular file"))
                data = file.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError) as failure:
            why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
            return self._note(relative, 0, UnreadableSource(f"the file cannot be read: {why}"))
        if len(data) > MAX_FILE_BYTES:
            why = f"the file is bigger than {MAX_FILE_BYTES // 1_000_000} MB, so it was not read"
            error = UnreadableSource(why)
            return self._note(relative, 0, error) if self._is_marked(data) else error
        return data

    def _is_marked(self, data: bytes) -> bool:
        return marked(data, () if self._index is None else self._index.markers)

    def _decode(self, relative: str) -> SourceFile | UnreadableSource:
        try:
            return decode(relative, self.data(relative))
        except UnreadableSource as error:
            return self._note(relative, 0, error)

    def _cut(self, relative: str) -> Cut:
        cut = self._cuts.get(relative)
        if cut is None:
            cut = self._cuts[relative] = cut_with_skeleton(self.source(relative).text)
        return cut

    def _unit_text(self, relative: str, unit: int) -> UnitText:
        cut = self._cut(relative)
        if unit == 0:
            return cut.skeleton
        if self._last_lines[0] != relative:
            self._last_lines = (relative, self.source(relative).text.split("\n"))
        return text_of_function(self._last_lines[1], cut.headers[unit])

    def _unit(self, relative: str, unit: int) -> ir.Unit:
        key = (relative, unit)
        known = self._units.get(key)
        if known is None:
            known = self._from_saved(relative, unit)
        if known is None:
            self._changed.add(relative)
            try:
                known = self._lowered(relative, unit)[2].unit
            except UnreadableSource as error:
                known = self._note(relative, unit, error)
            self._units[key] = known
        if isinstance(known, UnreadableSource):
            raise known.with_traceback(None)
        return known

    def _from_saved(self, relative: str, unit: int) -> ir.Unit | UnreadableSource | None:
        with contextlib.suppress(UnreadableSource):
            self.headers(relative)
        saved = self._saved.get(relative, {}).get(unit)
        if saved is None:
            return None
        errors = [self._note(relative, unit, error.restored()) for error in saved.errors]
        if saved.lowered is not None:
            found: ir.Unit | UnreadableSource = saved.lowered
        elif errors:
            found = errors[-1]
        else:
            return None
        self._units[relative, unit] = found
        return found

    def _lowered(self, relative: str, unit: int) -> tuple[Parsed, UnitText, Lowered]:
        """The tree behind a unit; the last one is kept, for spans are often asked for several at a time."""
        from ckptlint.facts.extract.unit import lower_function, lower_skeleton, parse_unit  # noqa: PLC0415 - it imports libcst

        key = (relative, unit)
        if self._last_parsed is not None and self._last_parsed[0] == key:
            return self._last_parsed[1:]
        text = self._unit_text(relative, unit)
        parsed = parse_unit(text)
        headers = self.headers(relative)
        lowered = lower_function(parsed.tree, headers[unit]) if unit else lower_skeleton(parsed.tree, headers)
        for error in parsed.unreadable:
            self._note(relative, unit, error)
        self._last_parsed = (key, parsed, text, lowered)
        return parsed, text, lowered

    def _note(self, relative: str, unit: int, error: UnreadableSource) -> UnreadableSource:
        key = (relative, unit, error.row)
        if key not in self._noted:
            self._noted.add(key)
            self.unreadable.append(Unreadable(relative, unit, error))
        return error


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to would be waited for otherwise, for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))

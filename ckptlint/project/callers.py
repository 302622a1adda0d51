"""Who calls a function, by name alone: a look at the bytes, for the whole project at once.

    callers.of("save_all")      ->  [("train.py", <unit "main">), ...]     units whose text holds `save_all(`

For every file the words before a "(" are taken once, when the first name is asked for; after that a name costs one look
at each file's words, and only files that hold it are searched for the units.

    x = model.save_all (path)           no: not `save_all(`
    def save_all(path):                 no: its definition
    model.save_all(path)                yes
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from ckptlint.facts.store import FactStore
from ckptlint.facts.units import UnitHeader
from ckptlint.source import UnreadableSource

#: Of a name that is called in more units than this, the first ones are enough.
MOST = 12

#: Everything that is no part of a word, and no "(", becomes a blank.
_WORDS = bytes(code if code >= 128 or chr(code).isalnum() or chr(code) in "_(" else 32 for code in range(256))


_WORD = re.compile(rb"\w+")


def called_names(data: bytes) -> frozenset[bytes]:
    """The words that stand right before a "(" in some bytes, and those that are imported under such a word."""
    called = frozenset([before.rpartition(b" ")[2] for before in data.translate(_WORDS).split(b"(")[:-1]])
    renamed = [name for name, other in _renamed(data) if other in called]
    return called.union(renamed) if renamed else called


def _renamed(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """`name as other`, wherever it stands."""
    for before, after in pairwise(data.split(b" as ")):
        name, other = before.rpartition(b" ")[2].lstrip(b"(\n"), _WORD.match(after)
        if other is not None and _WORD.fullmatch(name):
            yield name, other.group()


def _calls(text: str, name: str) -> Iterator[int]:
    """Where `name(` stands in a text as a whole word, outside its definition; ten times as fast as a pattern."""
    at = text.find(name + "(")
    while at >= 0:
        before = text[at - 1 : at]
        if not (before.isalnum() or before == "_" or text.endswith("def ", 0, at)):
            yield at
        at = text.find(name + "(", at + 1)


def joined(names: Iterable[bytes]) -> bytes:
    """Names in one text, each between two "(": a sixth of the memory of a set."""
    return b"(" + b"(".join(sorted(names)) + b"("


class Callers:
    """The units that call a name."""

    def __init__(self, store: FactStore, called: Callable[[str], bytes]) -> None:
        """`called` gives the words before a "(" of a file, `joined`."""
        self._store = store
        self._called = called
        self._words: list[tuple[str, bytes]] | None = None
        self._known: dict[str, tuple[tuple[str, UnitHeader], ...]] = {}

    def of(self, name: str) -> tuple[tuple[str, UnitHeader], ...]:
        """The units that call `name` outside its definition, by file and row; none beyond some `MOST`."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._search(name)
        return known

    def _search(self, name: str) -> tuple[tuple[str, UnitHeader], ...]:
        if self._words is None:
            self._words = [(file, self._called(file)) for file in sorted(self._store.files)]
        needle = joined((name.encode(),))
        found: list[tuple[str, UnitHeader]] = []
        for file, words in self._words:
            if needle in words:
                found += self._units(file, name)
                if len(found) > MOST + 1:  # one of them may be the one that asks
                    break
        return tuple(found)

    def _units(self, file: str, name: str) -> list[tuple[str, UnitHeader]]:
        try:
            text = self._store.source(file).text
            places = list(_calls(text, name))
            headers = self._store.headers(file) if places else ()
        except UnreadableSource:
            return []
        starts = [header.first_row for header in headers[1:]]
        found: dict[int, UnitHeader] = {}
        row, counted = 1, 0
        for place in places:
            row += text.count("\n", counted, place)
            counted = place
            header = headers[bisect_right(starts, row)]
            if header.index and row <= header.last_row:
                found[header.index] = header
        return [(file, header) for header in found.values()]

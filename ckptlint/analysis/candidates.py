"""Which units are worth a run of their own, and which files are scripts: by their text alone.

    def save(self): torch.save(self.net.state_dict(), "x")      marked: it saves
    def parse(line): return re.compile("a+").match(line)        not marked: a regular expression

A unit is marked when one of `MARKERS` stands in it. What is not marked is run too, but only when a marked unit, or
what calls one, runs into it.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from ckptlint.facts.store import FactStore
from ckptlint.facts.units import UnitHeader
from ckptlint.prefilter import Marker, any_marker, rows_of
from ckptlint.source import UnreadableSource

MARKERS: tuple[Marker, ...] = (
    Marker(b"state_dict", "takes, gives or loads a state dict"),
    Marker(b"torch.save", "writes a file"),
    Marker(b"torch.load", "reads a file"),
    Marker(b"DataParallel", "wraps"),
    Marker(b"compile(", "wraps; re.compile does not", re.compile(rb"(?<![\w.])compile\(|(?<!\bre)\.compile\(")),
    Marker(b".prepare(", "wraps with accelerate"),
    Marker(b"_orig_mod", "knows the prefix of torch.compile"),
    Marker(b"FullySharded", "wraps"),
    Marker(b".module", "unwraps", re.compile(rb"\.module\b")),
    Marker(b"save_checkpoint", "saves by a helper"),
    Marker(b"load_checkpoint", "loads by a helper"),
    Marker(b"AveragedModel", "wraps"),
    Marker(b"deepspeed", "wraps with DeepSpeed"),
    Marker(b"fabric.", "wraps, saves or loads with Lightning Fabric"),
    Marker(b".save(", "writes a file"),
)

_FRAMEWORK = re.compile(rb"\bLightningModule\b|\bMETA_ARCH_REGISTRY\b")
_LOSS = re.compile(rb"[lL]oss\(|[cC]riterion")
_MAIN_OR_CALL = re.compile(rb"\n(?:(?:if|for|while|with)\b|[a-zA-Z_][\w.]*(?:\[[^\]\n]*\][\w.]*)*\s*\()")


class Candidates:
    """The marked units and the scripts of a project."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        self._units: dict[str, dict[int, UnitHeader]] = {}

    def may_hold_units(self, file: str) -> bool:
        """Whether a marker stands anywhere in the file."""
        return any_marker(self._data(file), MARKERS)

    def units(self, file: str) -> dict[int, UnitHeader]:
        """The marked units of a file by number, without its skeleton; none when it cannot be read."""
        known = self._units.get(file)
        if known is None:
            known = self._units[file] = self._marked_units(file)
        return known

    def is_script(self, file: str) -> bool:
        """Whether the file does something when it is run: a main block, a loop or a branch, a call at module level."""
        return _MAIN_OR_CALL.search(b"\n" + self._data(file)) is not None

    def mentions(self, file: str, names: set[bytes]) -> bool:
        """Whether one of the names stands in the file."""
        data = self._data(file)
        return any(name in data for name in names)

    def names_framework(self, file: str) -> bool:
        """Whether a class may stand in the file that a framework saves by itself."""
        return _FRAMEWORK.search(self._data(file)) is not None

    def may_hold_loss(self, file: str) -> bool:
        """Whether a loss may be made in the file."""
        return _LOSS.search(self._data(file)) is not None

    def _marked_units(self, file: str) -> dict[int, UnitHeader]:
        try:
            headers = self._store.headers(file)
            data = self._store.source(file).text.encode()
        except UnreadableSource:
            return {}
        starts = [header.first_row for header in headers[1:]]
        found = {}
        for row in rows_of(data, MARKERS):
            header = headers[bisect_right(starts, row)]
            if header.index and row <= header.last_row:
                found[header.index] = header
        return dict(sorted(found.items()))

    def _data(self, file: str) -> bytes:
        try:
            return self._store.data(file)
        except UnreadableSource:
            return b""

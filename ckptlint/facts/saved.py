"""The facts of one file as the cache keeps them, by the digest of the file's bytes.

Only what was asked for is kept: units are added as later runs ask for them. A unit of which something could not be
read is kept with its errors, and one that could not be read at all with its errors alone.
"""

from __future__ import annotations

import msgspec

from ckptlint.cache import Cache
from ckptlint.facts import ir
from ckptlint.facts.units import UnitHeader
from ckptlint.source import UnreadableSource

KIND = "facts"


class SavedError(msgspec.Struct, frozen=True, array_like=True):
    """An UnreadableSource."""

    reason: str
    row: int
    column: int

    @classmethod
    def of(cls, error: UnreadableSource) -> SavedError:
        """The error as plain data."""
        return cls(error.reason, error.row, error.column)

    def restored(self) -> UnreadableSource:
        """The error as it was."""
        return UnreadableSource(self.reason, self.row, self.column)


class SavedUnit(msgspec.Struct, frozen=True, array_like=True):
    """A unit that was asked for; `lowered` is None when it could not be read, and `errors` say why."""

    unit: int
    lowered: ir.Module | ir.FunctionDef | None
    errors: tuple[SavedError, ...] = ()


class SavedFile(msgspec.Struct, frozen=True, array_like=True):
    """The units of a file, and those of them that were asked for."""

    headers: tuple[UnitHeader, ...]
    units: tuple[SavedUnit, ...]


_decoder = msgspec.msgpack.Decoder(SavedFile)


def load(cache: Cache, digest: str) -> SavedFile | None:
    """What is kept of a file with this digest."""
    stored = cache.read(KIND, digest)
    if stored is None:
        return None
    try:
        return _decoder.decode(stored)
    except (msgspec.MsgspecError, RecursionError):
        return None


def save(cache: Cache, digest: str, saved: SavedFile) -> None:
    """Keep the facts of a file; units that are nested too deeply to be written down are left out."""
    try:
        encoded = msgspec.msgpack.encode(saved)
    except RecursionError:
        shallow = tuple(unit for unit in saved.units if _is_shallow(unit))
        encoded = msgspec.msgpack.encode(SavedFile(saved.headers, shallow))
    cache.write(KIND, digest, encoded)


def _is_shallow(unit: SavedUnit) -> bool:
    try:
        msgspec.msgpack.encode(unit)
    except RecursionError:
        return False
    return True

"""Write a zip as torch.save does: records stored, each payload aligned to 64 bytes, zip64 end records.

Payloads come from other files by ranges or are small bytes. Unlike torch's, a local header carries its CRC and sizes at
once, so no data descriptor follows. torch finds a payload by the lengths of the name and the extra field in its local
header, which hold here as well.
"""

from __future__ import annotations

import os
import zlib
from struct import pack
from typing import NamedTuple

from ckptlint.checkpoint.file_copy import copy_range, write_all
from ckptlint.checkpoint.progress import Progress
from ckptlint.checkpoint.source import Source

_WIDE = 0xFFFFFFFF
_UTF8 = 0x0800
_PIECE = 1 << 22


class Payload(NamedTuple):
    """A record to write: small `data`, or `length` bytes of `source` from `start`; `crc` None is computed."""

    name: str
    data: bytes | None
    source: Source | None = None
    start: int = 0
    length: int = 0
    crc: int | None = None


def write_zip(path: str, payloads: list[Payload], alignment: int, progress: Progress | None = None) -> None:
    """Write the records in this order to `path`.

    Raises OSError, and BadCheckpoint when a source ends before its range does.
    """
    target = os.open(path, os.O_RDWR | os.O_TRUNC)
    try:
        central = bytearray()
        at = 0
        for payload in payloads:
            at = _record(target, at, payload, alignment, central, progress)
        write_all(target, bytes(central) + _end(len(payloads), at, len(central)), at)
    finally:
        os.close(target)


def _record(
    target: int, at: int, payload: Payload, alignment: int, central: bytearray, progress: Progress | None
) -> int:
    """Write one record at `at`, note it in `central`; the offset after it."""
    name = payload.name.encode("utf-8", "surrogateescape")
    size = len(payload.data) if payload.data is not None else payload.length
    large = size >= _WIDE
    extra = pack("<2H2Q", 1, 16, size, size) if large else b""
    before = at + 30 + len(name) + len(extra) + 4
    padding = -before % alignment
    extra += b"FB" + pack("<H", padding) + b"Z" * padding
    start = before + padding
    if payload.data is not None:
        write_all(target, payload.data, start)
        crc = zlib.crc32(payload.data) if payload.crc is None else payload.crc
    else:
        crc = _copy(target, start, payload, progress)
    shown = _WIDE if large else size
    header = pack("<4s5H3L2H", b"PK\3\4", 45 if large else 20, _UTF8, 0, 0, 0, crc, shown, shown, len(name), len(extra))
    write_all(target, header + name + extra, at)
    far = at >= _WIDE
    wide = (pack("<2Q", size, size) if large else b"") + (pack("<Q", at) if far else b"")
    wide = pack("<2H", 1, len(wide)) + wide if wide else b""
    central += pack(
        "<4s6H3L5H2L", b"PK\1\2", 45, 45, _UTF8, 0, 0, 0, crc, shown, shown,
        len(name), len(wide), 0, 0, 0, 0, _WIDE if far else at,
    )  # fmt: skip
    central += name + wide
    return start + size


def _copy(target: int, start: int, payload: Payload, progress: Progress | None) -> int:
    """Copy a payload; its CRC, from the caller or computed on the way."""
    source = payload.source
    assert source is not None
    if payload.crc is not None and source.descriptor is not None:
        copy_range(source.descriptor, payload.start, payload.length, target, start, progress)
        return payload.crc
    crc = 0
    done = 0
    while done < payload.length:
        piece = source.read(payload.start + done, min(_PIECE, payload.length - done))
        if not piece:
            raise OSError("the file became shorter while it was copied")
        crc = zlib.crc32(piece, crc)
        write_all(target, piece, start + done)
        done += len(piece)
        if progress is not None:
            progress.advance(len(piece))
    return crc


def _end(count: int, start: int, length: int) -> bytes:
    """The three end records, zip64 always, as torch writes them."""
    end64 = pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start)
    locator = pack("<4sLQL", b"PK\6\7", 0, start + length, 1)
    few = min(count, 0xFFFF)
    return end64 + locator + pack("<4s4H2LH", b"PK\5\6", 0, 0, few, few, min(length, _WIDE), min(start, _WIDE), 0)

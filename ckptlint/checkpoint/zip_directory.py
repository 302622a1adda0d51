"""The central directory of a zip: which records there are, how long, where, with which checksum.

The directory stands at the end of the file, so a listing reads the last 64 KB and then the directory itself, whatever
the size of the file. Python's `zipfile` would do, but takes twice as long for 50,000 records and believes what it
reads; here every number is held against the others before it is used.

    ... records ...  [central directory][zip64 end][zip64 locator][end record]
                     ^ offset, length and count stand in the end records

Layout: the .ZIP File Format Specification (APPNOTE 6.3.10), sections 4.3.7 to 4.3.16, 4.5.3.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.source import Source

_END = Struct("<4s4H2LH")
_LOCATOR = Struct("<4sLQL")
_END64 = Struct("<4sQ2H2L4Q")
_HEADER = Struct("<4s6H3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_UINT64 = Struct("<Q")

_TAIL = 65536 + _END.size + _LOCATOR.size
_MAX_DIRECTORY = 64_000_000
_MAX_RECORDS = 500_000
_ENCRYPTED = 0x1 | 0x40 | 0x2000


class Member(NamedTuple):
    """A record: `header` is the offset of its local header, `size` and `compressed` are bytes, `method` 0 is stored.

    `limit` is the offset where the next record (or the directory) begins: the payload ends before it.
    """

    name: str
    header: int
    size: int
    compressed: int
    method: int
    crc: int
    limit: int


class Directory(NamedTuple):
    """The records by name in the order of the directory, and where the directory begins."""

    members: dict[str, Member]
    start: int

    def entry_start(self, source: Source, name: str) -> int:
        """The offset in the file of the directory's own entry for the record `name`.

        Raises KeyError when there is none.
        """
        at = self.start
        for member in self.members:
            raw = source.read(at, _HEADER.size)
            if member == name:
                return at
            name_length, extra_length, comment_length = _HEADER.unpack(raw)[10:13]
            at += _HEADER.size + name_length + extra_length + comment_length
        raise KeyError(name)


def read_directory(source: Source) -> Directory:
    """Read and check the central directory.

    Raises BadCheckpoint when the file is cut off, has junk around it, or says of itself what cannot be.
    """
    tail_start = max(0, source.size - _TAIL)
    tail = source.read(tail_start, _TAIL)
    start, length, count = _find_directory(source, tail, tail_start)
    if start >= tail_start:
        raw = tail[start - tail_start : start - tail_start + length]
    else:
        raw = source.read(start, length)
    if len(raw) < length:
        raise _cut(source)
    return Directory(_parse(source, raw, count, start), start)


def _cut(source: Source) -> BadCheckpoint:
    return BadCheckpoint(
        f"{source.name} begins as a zip of torch.save but its directory at the end is missing or cut off: "
        "the save or the copy was interrupted, get the file again or use an older checkpoint"
    )


def _lies(source: Source, what: str) -> BadCheckpoint:
    return BadCheckpoint(f"{source.name} is a zip whose directory {what}: do not load it, get the file again")


def _find_directory(source: Source, tail: bytes, tail_start: int) -> tuple[int, int, int]:
    """Offset, length and number of records of the directory."""
    at = len(tail)
    while True:
        at = tail.rfind(b"PK\5\6", 0, at)
        if at < 0:
            raise _cut(source)
        if at + _END.size <= len(tail):
            break
    _, disk, _, _, count, length, start, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if at >= _LOCATOR.size and tail[at - _LOCATOR.size : at - _LOCATOR.size + 4] == b"PK\6\7":
        _, _, end64, _ = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
        raw = source.read(end64, _END64.size) if end64 + _END64.size <= end else b""
        if len(raw) < _END64.size or raw[:4] != b"PK\6\6":
            raise _lies(source, "points to a zip64 record that is not there")
        *_, count, length, start = _END64.unpack(raw)
        end = end64
    elif disk or 0xFFFFFFFF in (length, start):
        raise _lies(source, "is split over several files")
    if start + length > end:
        raise _lies(source, "reaches beyond the end of the file")
    if start + length < end:
        junk = end - start - length
        if source.read(0, 4) != b"PK\3\4" and source.read(start + junk, 4) == b"PK\1\2":
            raise BadCheckpoint(
                f"{source.name} has {junk:,} bytes before the start of its zip: cut them off "
                f"(tail -c +{junk + 1} FILE > NEW), torch.load cannot read it as it is"
            )
        raise _lies(source, "does not end where its end record says")
    if count * _HEADER.size > length or length > _MAX_DIRECTORY or count > _MAX_RECORDS:
        raise _lies(source, f"claims {count:,} records in {length:,} bytes")
    return start, length, count


def _parse(source: Source, raw: bytes, count: int, start: int) -> dict[str, Member]:
    members: dict[str, Member] = {}
    at = 0
    previous_end = 0
    unordered = False
    unpack = _HEADER.unpack_from
    pending: tuple[str, int, int, int, int, int] | None = (
        None  # the last record, until it is known where the next begins
    )
    for _ in range(count):
        if at + 46 > len(raw):
            raise _lies(source, "ends before its last record")
        (magic, _, _, flags, method, _, _, crc, compressed, size, name_length, extra_length, comment_length,
         _, _, _, header) = unpack(raw, at)  # fmt: skip
        if magic != b"PK\1\2":
            raise _lies(source, "is damaged")
        at += 46
        name = raw[at : at + name_length].decode("utf-8", "surrogateescape")
        at += name_length
        if compressed == 0xFFFFFFFF or size == 0xFFFFFFFF or header == 0xFFFFFFFF:
            size, compressed, header = _wide(source, raw[at : at + extra_length], size, compressed, header)
        at += extra_length + comment_length
        if flags & _ENCRYPTED:
            raise BadCheckpoint(f"{source.name} is an encrypted zip: unpack it with its password first")
        if ".." in name and ".." in name.replace("\\", "/").split("/"):
            raise _lies(source, f"names a record {name!r} that climbs out of the file")
        if header < previous_end:
            unordered = True
        previous_end = header + 30 + name_length + compressed
        if previous_end > start:
            raise _lies(source, f"places the record {name!r} beyond the records")
        if method == 0 and size != compressed:
            raise _lies(source, f"gives the stored record {name!r} two sizes")
        if pending is not None:
            members[pending[0]] = Member(*pending, header)
            if name in members:
                raise _lies(source, f"names the record {name!r} twice")
        pending = (name, header, size, compressed, method, crc)
    if pending is not None:
        members[pending[0]] = Member(*pending, start)
    if at != len(raw):
        raise _lies(source, "is longer than its records")
    return _in_order(source, members, start) if unordered else members


def _wide(source: Source, extra: bytes, size: int, compressed: int, header: int) -> tuple[int, int, int]:
    """Size, compressed size and header offset, those of them that are all ones taken from the zip64 extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind = extra[at] | extra[at + 1] << 8
        length = extra[at + 2] | extra[at + 3] << 8
        if kind == 1:
            field = extra[at + 4 : at + 4 + length]
            wanted = [value == 0xFFFFFFFF for value in (size, compressed, header)]
            if len(field) < 8 * sum(wanted):
                break
            wide = iter([_UINT64.unpack_from(field, 8 * index)[0] for index in range(sum(wanted))])
            values = [
                next(wide) if is_wide else value
                for is_wide, value in zip(wanted, (size, compressed, header), strict=True)
            ]
            return values[0], values[1], values[2]
        at += 4 + length
    raise _lies(source, "lacks the zip64 sizes of a large record")


def _in_order(source: Source, members: dict[str, Member], start: int) -> dict[str, Member]:
    """The records of a directory that is in another order than the file, with the limits that they have there."""
    end = 0
    ordered = sorted(members.values(), key=lambda member: member.header)
    limits: dict[str, int] = {}
    for member, following in zip(ordered, [*(member.header for member in ordered[1:]), start], strict=True):
        if member.header < end:
            raise _lies(source, f"lets the record {member.name!r} overlap another")
        end = member.header + 30 + len(member.name) + member.compressed
        limits[member.name] = following
    return {name: member._replace(limit=limits[name]) for name, member in members.items()}


def payload_start(source: Source, member: Member) -> int:
    """The offset of the first byte of a record; reads the 30 bytes of its local header.

    Raises BadCheckpoint when there is no local header, it names another record, or its extra field reaches so far that
    the payload would lie in the next record.
    """
    raw = source.read(member.header, _LOCAL.size + len(member.name) + 4)
    if len(raw) < _LOCAL.size or raw[:4] != b"PK\3\4":
        raise _lies(source, f"points to no record for {member.name!r}")
    *_, name_length, extra_length = _LOCAL.unpack_from(raw)
    name = raw[_LOCAL.size : _LOCAL.size + name_length].decode("utf-8", "surrogateescape")
    if name != member.name:
        raise _lies(source, f"disagrees with the record itself, which is named {name!r} and not {member.name!r}")
    start = member.header + _LOCAL.size + int(name_length) + int(extra_length)
    if start + member.compressed > member.limit:
        raise _lies(source, f"disagrees with the record {member.name!r}, which would reach into the next one")
    return start


def read_member(source: Source, member: Member, limit: int) -> bytes:
    """The contents of a small record, inflated when it is deflated; never more than `limit` bytes.

    Raises BadCheckpoint when it is larger, cut off, or compressed by another method.
    """
    if member.size > limit or member.compressed > limit:
        raise BadCheckpoint(
            f"{source.name}: the record {member.name!r} has {max(member.size, member.compressed):,} bytes, "
            f"ckptlint reads at most {limit:,} of it: no state dict needs more"
        )
    raw = source.read(payload_start(source, member), member.compressed)
    if len(raw) < member.compressed:
        raise _cut(source)
    if member.method == 0:
        return raw
    if member.method != 8:
        raise BadCheckpoint(f"{source.name}: the record {member.name!r} is compressed by method {member.method}")
    import zlib  # noqa: PLC0415 (rarely needed)

    try:
        data = zlib.decompressobj(-15).decompress(raw, member.size + 1)
    except zlib.error:
        raise _lies(source, f"holds a record {member.name!r} that cannot be inflated") from None
    if len(data) != member.size:
        raise _lies(source, f"gives the record {member.name!r} a size that is not its own")
    return data

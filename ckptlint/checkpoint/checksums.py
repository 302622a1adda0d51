"""Whether the bytes are still what was written: `--crc` reads every record and compares its CRC-32.

torch.load itself never looks at a checksum: a flipped byte loads in silence. Zip records carry one (unless the writer
was told to leave them out); no other format does.
"""

from __future__ import annotations

import sys
import zlib

from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Problem
from ckptlint.checkpoint.progress import Progress
from ckptlint.checkpoint.source import Source, open_source
from ckptlint.checkpoint.summary import plain_name
from ckptlint.checkpoint.zip_directory import Member, payload_start, read_directory

_PIECE = 1 << 22


def check_records(checkpoint: Checkpoint) -> list[Problem]:
    """Read all records of a zip checkpoint and compare their checksums.

    Raises BadCheckpoint when a record is not where the directory says.
    """
    if checkpoint.format not in ("zip", "torchscript"):
        text = f"files of the format {checkpoint.format} carry no checksums: damage inside a tensor cannot be told"
        return [Problem("note", "no-checksums", text)]
    with open_source(checkpoint.path) as source:
        members = [member for member in read_directory(source).members.values() if member.size]
        if not any(member.crc for member in members):
            text = "the writer left the checksums out (set_crc32_options(False)): damage cannot be told"
            return [Problem("note", "no-checksums", text)]
        users = {
            tensor.storage.member: tensor.key or tensor.entry
            for tensor in checkpoint.tensors
            if tensor.storage is not None
        }
        problems = []
        with Progress("checksums", sum(member.compressed for member in members), sys.stderr) as progress:
            for member in members:
                if record_crc(source, member, progress) != member.crc:
                    of = f" ({plain_name(users[member.name])})" if member.name in users else ""
                    text = (
                        f"the record {member.name}{of} is damaged: its checksum is wrong; torch.load would not notice"
                    )
                    problems.append(Problem("error", "crc", text))
        return problems


def record_crc(source: Source, member: Member, progress: Progress | None = None) -> int:
    """The CRC-32 of a record as it is now, read in pieces of four megabytes.

    Raises BadCheckpoint when the file ends before the record does, or the record cannot be inflated.
    """
    start = payload_start(source, member)
    inflate = None if member.method == 0 else zlib.decompressobj(-15)
    crc = 0
    left = member.compressed
    while left:
        piece = source.read(start, min(_PIECE, left))
        if not piece:
            raise BadCheckpoint(f"{source.name} ends inside the record {member.name!r}: it is cut off")
        start += len(piece)
        left -= len(piece)
        if progress is not None:
            progress.advance(len(piece))
        if inflate is None:
            crc = zlib.crc32(piece, crc)
            continue
        try:
            while piece:
                crc = zlib.crc32(inflate.decompress(piece, _PIECE), crc)
                piece = inflate.unconsumed_tail
        except zlib.error:
            raise BadCheckpoint(
                f"{source.name}: the record {member.name!r} cannot be inflated: it is damaged"
            ) from None
    return crc

"""A pickle checkpoint opened for rewriting: its tree of values, and where each storage's bytes lie."""

from __future__ import annotations

from typing import NamedTuple

from ckptlint.checkpoint.inert import Blob, PersistentId
from ckptlint.checkpoint.legacy import open_legacy
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint
from ckptlint.checkpoint.source import Source
from ckptlint.checkpoint.zip_directory import payload_start, read_member
from ckptlint.checkpoint.zip_file import Archive, open_archive
from ckptlint.checkpoint.zip_write import Payload

_SMALL_RECORD = 1_000_000


class Opened(NamedTuple):
    """`value` is the tree of inert values, `data` the bytes that its long strings point into.

    `storages` are the payloads by storage key, `others` the remaining records of a zip by name without the root folder.
    """

    value: object
    data: bytes
    root: str
    storages: dict[str, Payload]
    others: dict[str, Payload]
    archive: Archive | None

    def blob(self, blob: Blob) -> bytes:
        """The bytes of a long string."""
        return bytes(self.data[blob.start : blob.start + blob.length])


def open_for_rewriting(source: Source, checkpoint: Checkpoint, *, script: bool = False) -> Opened:
    """Open a zip or legacy file; with `script` a TorchScript archive too, to take its tensors out.

    Raises BadCheckpoint for the formats that cannot be rewritten, and for damaged files.
    """
    if checkpoint.format not in ("zip", "legacy", *(["torchscript"] if script else [])):
        raise BadCheckpoint(
            f"{source.name}: repair does not rewrite {checkpoint.format} checkpoints: {_INSTEAD[checkpoint.format]}"
        )
    errors = [problem for problem in checkpoint.problems if problem.severity == "error"]
    if errors:
        raise BadCheckpoint(f"{source.name} is damaged and cannot be rewritten: {errors[0].message}")
    return _open_legacy(source) if checkpoint.format == "legacy" else _open_zip(source)


_INSTEAD = {
    "torchscript": "--state-dict takes the state dict out of it",
    "tar": "load it with torch.load(weights_only=False) and save it again with torch.save",
    "sharded": "repair each shard, then edit the names in the index",
    "distributed": "torch.distributed.checkpoint.format_utils.dcp_to_torch_save turns it into one file first",
    "deepspeed": "zero_to_fp32.py in its folder turns it into one file first",
    "safetensors": "give --to safetensors",
}


def _open_zip(source: Source) -> Opened:
    archive = open_archive(source)
    prefix = f"{archive.root}data/"
    storages: dict[str, Payload] = {}
    others: dict[str, Payload] = {}
    for member in archive.directory.members.values():
        if member.name == f"{archive.root}data.pkl":
            continue
        if member.method != 0 and member.size > _SMALL_RECORD:
            raise BadCheckpoint(
                f"{source.name} is compressed, so its records cannot be copied as they are: "
                "load it with torch.load and save it again with torch.save"
            )
        if member.method != 0:
            payload = Payload(member.name, read_member(source, member, _SMALL_RECORD))
        else:
            start = payload_start(source, member)
            payload = Payload(member.name, None, source, start, member.size, member.crc)
        if member.name.startswith(prefix):
            storages[member.name[len(prefix) :]] = payload
        else:
            others[member.name[len(archive.root) :]] = payload
    return Opened(archive.pickle.value, archive.whole.data, archive.root, storages, others, archive)


def _open_legacy(source: Source) -> Opened:
    """A legacy stream, with its references to storages in the form of a zip's."""
    stream = open_legacy(source)
    for reference in stream.pickle.persistent:
        if isinstance(reference, PersistentId) and isinstance(reference.value, tuple) and len(reference.value) == 6:
            if reference.value[5] is not None:
                raise BadCheckpoint(
                    f"{source.name} holds views of storages in the way of torch 0.1, which ckptlint does not rewrite: "
                    "load it with torch.load and save it again"
                )
            reference.value = (*reference.value[:2], str(reference.value[2]), *reference.value[3:5])
    storages = {
        key: Payload(f"archive/data/{key}", None, source, storage.start or 0, storage.nbytes)
        for key, storage in stream.storages.items()
        if storage.length is not None
    }
    order = b"little" if stream.little_endian else b"big"
    others = {"byteorder": Payload("archive/byteorder", order), "version": Payload("archive/version", b"3\n")}
    return Opened(stream.pickle.value, stream.data, "archive/", storages, others, None)

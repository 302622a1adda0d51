"""The zip format of `torch.save` since 1.6, and the TorchScript archives that look like it.

    best/data.pkl  best/.format_version  best/.storage_alignment  best/byteorder  best/data/0 ...  best/version
    best/.data/serialization_id

`data.pkl` says what the tensors are, the records `data/KEY` are their storages. Only the pickle, the central directory
and two tiny records are read.
"""

from __future__ import annotations

import posixpath
from typing import NamedTuple

from ckptlint.checkpoint.machine import Pickle, read_pickle
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Problem, Storage
from ckptlint.checkpoint.reading import WholePickle, judge, pickle_of_member
from ckptlint.checkpoint.source import Source
from ckptlint.checkpoint.tree import Walked, walk
from ckptlint.checkpoint.zip_directory import Directory, read_directory, read_member


class Archive(NamedTuple):
    """A zip that is known to be torch's: its directory, the folder in it, the pickle and what it says."""

    directory: Directory
    root: str
    pickle: Pickle
    whole: WholePickle
    script: bool


def open_archive(source: Source) -> Archive:
    """Read the directory and the pickle.

    Raises BadCheckpoint when it is some other zip, or a broken one.
    """
    directory = read_directory(source)
    members = directory.members
    if not members:
        raise BadCheckpoint(f"{source.name} is an empty zip: there is nothing to load in it")
    root = next(iter(members)).partition("/")[0] + "/"
    pickle_member = members.get(root + "data.pkl")
    if pickle_member is None:
        raise BadCheckpoint(_other_zip(source, list(members)))
    script = root + "constants.pkl" in members
    whole = pickle_of_member(source, pickle_member)
    return Archive(directory, root, read_pickle(whole.data, whole.start), whole, script)


def read_zip(source: Source) -> Checkpoint:
    """List a zip checkpoint.

    Raises BadCheckpoint.
    """
    archive = open_archive(source)
    storages = ZipStorages(source.name, archive)
    if archive.script:
        from ckptlint.checkpoint.script import registered_names  # noqa: PLC0415

        walked = walk(archive.pickle.value, storages.find, registered_names(source, archive))
    else:
        walked = walk(archive.pickle.value, storages.find)
    judged = judge(source.name, archive.pickle, walked, script=archive.script)
    order = _small_record(source, archive, "byteorder") or "little"
    return Checkpoint(
        source.name,
        "torchscript" if archive.script else "zip",
        (source.name,),
        source.size,
        walked.entries,
        walked.tensors,
        walked.values,
        _writer(source, archive),
        order,
        judged.refused,
        walked.classes,
        None,
        (*walked.problems, *judged.problems, *storages.problems(walked)),
    )


class ZipStorages:
    """The records `data/KEY`, found by the key that the pickle names."""

    def __init__(self, file: str, archive: Archive) -> None:
        """The storages of one zip; `file` is its name."""
        self.file = file
        self.members = archive.directory.members
        self.prefix = f"{archive.root}data/"
        self.found: dict[str, Storage] = {}
        data = [member for name, member in self.members.items() if name.startswith(self.prefix) and member.size]
        # A writer that was told to leave the checksums out writes zeros.
        self.has_crc = any(member.crc for member in data)

    def find(self, key: str, location: str, nbytes: int) -> Storage:
        """The storage `key`; its length is None when there is no such record."""
        storage = self.found.get(key)
        if storage is not None and storage.nbytes >= nbytes:
            return storage
        member = self.members.get(self.prefix + key)
        storage = self.found[key] = Storage(
            key,
            self.file,
            nbytes,
            None if member is None else member.size,
            None,
            location,
            member.crc if member is not None and self.has_crc else None,
            None if member is None else member.name,
        )
        return storage

    def problems(self, walked: Walked) -> list[Problem]:
        """Records that are missing, short, deflated, or that nothing refers to."""
        found: list[Problem] = []
        users = {tensor.storage.key: tensor for tensor in walked.tensors if tensor.storage is not None}
        missing = [storage for storage in self.found.values() if storage.length is None]
        short = [storage for storage in self.found.values() if (storage.length or 0) < storage.nbytes]
        for storage in missing[:3]:
            user = users.get(storage.key)
            of = f" of {user.key or user.entry}" if user else ""
            found.append(
                Problem("error", "missing-record", f"the data{of} (record data/{storage.key}) is not in the file")
            )
        if len(missing) > 3:
            found.append(
                Problem("error", "missing-record", f"the data of {len(missing) - 3:,} more tensors is not in the file")
            )
        for storage in [storage for storage in short if storage.length is not None][:3]:
            user = users.get(storage.key)
            of = f" of {user.key or user.entry}" if user else ""
            found.append(
                Problem(
                    "error",
                    "short-record",
                    f"the record data/{storage.key}{of} has {storage.length:,} bytes and needs {storage.nbytes:,}",
                )
            )
        data = [member for name, member in self.members.items() if name.startswith(self.prefix)]
        deflated = [member for member in data if member.method != 0]
        if deflated:
            found.append(
                Problem(
                    "warning",
                    "deflated",
                    f"{len(deflated):,} of {len(data):,} records are compressed (the file was packed again by another "
                    "tool): torch.load(mmap=True) cannot read it; load it and save it again with torch.save",
                )
            )
        dead = [member for member in data if member.name[len(self.prefix) :] not in self.found]
        if dead:
            size = sum(member.size for member in dead)
            found.append(Problem("note", "dead-records", f"{len(dead):,} records ({size:,} bytes) belong to no tensor"))
        return found


def _small_record(source: Source, archive: Archive, name: str) -> str | None:
    member = archive.directory.members.get(archive.root + name)
    if member is None or member.size > 64:
        return None
    return read_member(source, member, 64).decode("ascii", "replace").strip()


def _writer(source: Source, archive: Archive) -> str:
    """Which torch wrote it, as far as the records show."""
    members = archive.directory.members
    for name, version in _SINCE:
        if archive.root + name in members:
            return f"torch {version} or newer"
    return "torch 1.6 to 2.0"


# The oldest torch that writes a record, newest first.
# Source: `_save` in torch/serialization.py and `PyTorchStreamWriter` in caffe2/serialize/inline_container.cc.
_SINCE = (
    (".format_version", "2.7"),
    (".storage_alignment", "2.7"),
    (".data/serialization_id", "2.1"),
    ("byteorder", "2.1"),
)


def _other_zip(source: Source, names: list[str]) -> str:
    base = posixpath.basename
    if all(name.endswith(".npy") for name in names):
        return f"{source.name} is a numpy .npz archive, not a torch checkpoint: read it with numpy.load"
    inner = [name for name in names if base(name) == "data.pkl"]
    if inner:
        return (
            f"{source.name} was unpacked and packed again (its pickle is {inner[0]}): torch wants all records in one "
            "folder at the top that is named first; pack that folder alone, without compression (zip -0 -r)"
        )
    saved = [name for name in names if name.endswith((".pt", ".pth", ".ckpt", ".bin", ".safetensors"))]
    if saved:
        return f"{source.name} is an ordinary zip with {base(saved[0])} in it: unzip it and name that file"
    if any(base(name) in ("config.json", "metadata.json", "model.weights.h5") for name in names):
        return f"{source.name} is a zip without data.pkl (perhaps a Keras model): torch.save did not write it"
    shown = ", ".join(base(name) or name for name in names[:3])
    return f"{source.name} is a zip without data.pkl (it holds {shown}): torch.save did not write it"

"""The stream that `torch.save` wrote before 1.6, and still writes with `_use_new_zipfile_serialization=False`.

    pickle of 0x1950a86a20f9469cfc6c | pickle of 1001 | pickle of the system's sizes | pickle of the object
    | pickle of the sorted storage keys | for each key: int64 number of elements, then the elements

Where a storage begins depends on the length of all before it, so the table of keys is followed by reading eight bytes
at each. There is no checksum: what is inside a storage cannot be told from damage.
"""

from __future__ import annotations

from typing import NamedTuple

from ckptlint.checkpoint.inert import PersistentId
from ckptlint.checkpoint.machine import Pickle, read_pickle
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Problem, Storage
from ckptlint.checkpoint.opcodes import CutOff
from ckptlint.checkpoint.reading import IN_MEMORY, judge
from ckptlint.checkpoint.rebuild import NotATensor, storage_of
from ckptlint.checkpoint.source import Source
from ckptlint.checkpoint.tree import walk

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_FIRST_READ = 1 << 18


class LegacyStream(NamedTuple):
    """A legacy file taken apart: the pickle of the object, the bytes it stands in, and the storages by key."""

    pickle: Pickle
    data: bytes
    little_endian: bool
    storages: dict[str, Storage]
    problems: tuple[Problem, ...]


def read_legacy(source: Source) -> Checkpoint:
    """List a legacy checkpoint.

    Raises BadCheckpoint.
    """
    stream = open_legacy(source)
    walked = walk(stream.pickle.value, LegacyStorages(source.name, stream.storages).find)
    judged = judge(source.name, stream.pickle, walked)
    return Checkpoint(
        source.name,
        "legacy",
        (source.name,),
        source.size,
        walked.entries,
        walked.tensors,
        walked.values,
        "torch before 1.6, or a later one told to write its format",
        "little" if stream.little_endian else "big",
        judged.refused,
        walked.classes,
        None,
        (*stream.problems, *walked.problems, *judged.problems),
    )


class LegacyStorages:
    """The storages of a stream by key; one that the table does not list has no bytes."""

    def __init__(self, file: str, storages: dict[str, Storage]) -> None:
        """The storages that `open_legacy` found in `file`."""
        self.file = file
        self.storages = storages

    def find(self, key: str, location: str, nbytes: int) -> Storage:
        """The storage `key`; its length is None when the file does not list it."""
        storage = self.storages.get(key)
        if storage is None:
            storage = self.storages[key] = Storage(key, self.file, nbytes, None, None, location, None)
        return storage


def open_legacy(source: Source) -> LegacyStream:
    """Read the five pickles and follow the table of storages.

    Raises BadCheckpoint.
    """
    stream = PickleStream(source)
    magic = stream.next().value
    if type(magic) is not int or magic != _MAGIC:
        raise BadCheckpoint(f"{source.name} does not begin as torch.save begins: is it the right file?")
    version = stream.next().value
    if type(version) is not int or version != _PROTOCOL:
        raise BadCheckpoint(f"{source.name} is of a legacy protocol that torch does not read either")
    system = stream.next().value
    little = not isinstance(system, dict) or system.get("little_endian") is not False
    pickle = stream.next()
    data = stream.data
    keys = stream.next().value
    if not isinstance(keys, list):
        raise BadCheckpoint(f"{source.name} lacks the list of its storages: it is damaged, get the file again")
    storages, problems = _follow(source, stream.position, _named(pickle), keys)
    return LegacyStream(pickle, data, little, storages, tuple(problems))


class PickleStream:
    """Pickles in a row whose lengths are not known: what is read grows until the next one ends."""

    def __init__(self, source: Source) -> None:
        """Begin at the start of `source`."""
        self.source = source
        self.position = 0
        self.data = source.read(0, _FIRST_READ)

    def next(self) -> Pickle:
        """The next pickle.

        Raises BadCheckpoint.
        """
        while True:
            try:
                pickle = read_pickle(self.data, self.position)
            except CutOff:
                if len(self.data) >= self.source.size:
                    raise
                if len(self.data) >= IN_MEMORY:
                    raise BadCheckpoint(
                        f"{self.source.name} has a pickle of more than {IN_MEMORY:,} bytes, far beyond any state dict: "
                        "it is not listed"
                    ) from None
                self.data = self.source.read(0, 8 * len(self.data))
            else:
                self.position = pickle.end
                return pickle


def _named(pickle: Pickle) -> dict[str, Storage]:
    """The storages that the object names: key -> a storage whose bytes are not found yet."""
    named: dict[str, Storage] = {}

    def note(key: str, location: str, nbytes: int) -> Storage:
        return named.setdefault(key, Storage(key, "", nbytes, None, None, location, None))

    for reference in pickle.persistent:
        if not isinstance(reference, PersistentId):
            continue
        try:
            storage_of(reference, note)
        except NotATensor:
            continue  # a module's source code, or an id that the walk will complain about
    return named


def _follow(
    source: Source, position: int, named: dict[str, Storage], keys: list[object]
) -> tuple[dict[str, Storage], list[Problem]]:
    """Give each storage its place in the file."""
    found: dict[str, Storage] = {}
    problems: list[Problem] = []
    for key in keys:
        name = str(key) if type(key) in (int, str) else "?"
        storage = named.get(name)
        if storage is None:
            problems.append(
                Problem(
                    "error",
                    "unused-storage",
                    f"the file lists a storage {name[:40]!r} that no tensor uses: torch refuses it",
                )
            )
            return found, problems  # its element size is not known, so nothing after it can be found
        if name in found:
            problems.append(Problem("error", "listed-twice", f"the file lists the storage {name[:40]!r} twice"))
            return found, problems
        start = position + 8
        length = max(0, min(storage.nbytes, source.size - start)) if start <= source.size else None
        found[name] = storage._replace(file=source.name, start=start, length=length)
        if length is None or length < storage.nbytes:
            problems.append(
                Problem(
                    "error",
                    "cut-off",
                    f"the file ends inside the data: it has {source.size:,} bytes and needs at least "
                    f"{start + storage.nbytes:,}; the save or the copy was interrupted",
                )
            )
            return found, problems
        # The count before the data only repeats what the pickle says; far away it is not worth a request.
        count = int.from_bytes(source.read(position, 8), "little", signed=True) if source.is_near else None
        if count is not None and (count < 0 or (storage.nbytes and count == 0) or storage.nbytes % max(count, 1)):
            problems.append(
                Problem(
                    "error",
                    "wrong-length",
                    f"the storage {name} says {count:,} elements where {storage.nbytes:,} bytes belong",
                )
            )
            return found, problems
        position = start + storage.nbytes
    if position < source.size:
        extra = source.size - position
        problems.append(Problem("note", "trailing-bytes", f"{extra:,} bytes follow the last storage"))
    return found, problems

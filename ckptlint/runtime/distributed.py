"""Checkpoints of torch.distributed.checkpoint: loaded by torch, in shards where several processes take part.

torch reads `.metadata` with plain pickle, so a hostile folder runs code when it is loaded. Here it is read by an
unpickler that knows the classes of the format and nothing else. Every process holds a slice of each tensor along its
first dimension (a DTensor), as training with fully_shard does; a single process holds all of it.
"""

from __future__ import annotations

import io
import pickle
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta

from ckptlint.checkpoint.model import Checkpoint
from ckptlint.checkpoint.model_fit import Member
from ckptlint.runtime.expected import find_dtype
from ckptlint.runtime.loading import OnDevice
from ckptlint.runtime.shards import empty_shards, local
from ckptlint.runtime.torch_loading import CannotLoadError

# Module -> the names that `.metadata` may hold. Source: `torch/distributed/checkpoint/metadata.py` and `filesystem.py`
# of torch 2.0 to 2.13.
_KNOWN: dict[str, frozenset[str]] = {
    "torch.distributed.checkpoint.metadata": frozenset(
        {
            "BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta",
            "TensorProperties", "TensorStorageMetadata", "_MEM_FORMAT_ENCODING",
        }
    ),
    "torch.distributed.checkpoint.filesystem": frozenset({"_StorageInfo", "_StoragePrefix"}),
    "torch.distributed.checkpoint._extension": frozenset({"ExtensionRegistry"}),
    "torch.serialization": frozenset({"_get_layout"}),
    "torch": frozenset({"Size", "device"}),
    "pathlib": frozenset({"PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath", "Path"}),
    "collections": frozenset({"OrderedDict"}),
}  # fmt: skip


class _CarefulUnpickler(pickle.Unpickler):
    """Builds the classes of the format, refuses every other name."""

    def find_class(self, module: str, name: str) -> object:
        """The class, when it belongs to the format."""
        if name in _KNOWN.get(module, ()) or (module == "torch" and find_dtype(name) is not None):
            return super().find_class(module, name)
        raise CannotLoadError(f".metadata names {module}.{name}, which does not belong there: do not load it")


def read_metadata(stream: IO[bytes]) -> Metadata:
    """The contents of `.metadata`.

    Raises CannotLoadError when it holds anything but the classes of the format.
    """
    try:
        found = _CarefulUnpickler(stream).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise CannotLoadError(f".metadata cannot be read: {error}") from None
    if not isinstance(found, Metadata):
        raise CannotLoadError(f".metadata holds {type(found).__name__}")
    return found


class CarefulReader(FileSystemReader):  # type: ignore[misc] # torch is not there when types are checked
    """torch's reader of folders, with an unpickler that runs nothing."""

    def read_metadata(self, *_: object, **__: object) -> Metadata:
        """The contents of `.metadata`, by the careful unpickler."""
        with (Path(self.path) / ".metadata").open("rb") as stream:
            metadata = read_metadata(stream)
        if getattr(metadata, "storage_meta", None) is None:
            metadata.storage_meta = StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


def load_distributed(checkpoint: Checkpoint, entry: str, file: Mapping[str, Member], device: torch.device) -> OnDevice:
    """Load the tensors of one entry, each process its slices.

    Raises CannotLoadError when torch does not load the folder.
    """
    broken = [problem.message for problem in checkpoint.problems if problem.severity == "error"]
    if broken:
        raise CannotLoadError(broken[0])
    members = {
        key: (member.shape, find_dtype(member.dtype) or torch.uint8)
        for key, member in file.items()
        if member.shape is not None
    }
    state = empty_shards(members, device)
    reader = CarefulReader(checkpoint.path)
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it is one process is known
            dcp.load({entry: state} if entry else dict(state), storage_reader=reader)
    except (RuntimeError, ValueError, KeyError, OSError, dcp.api.CheckpointException) as error:
        lines = str(error).strip().splitlines()
        raise CannotLoadError(f"torch.distributed.checkpoint fails: {lines[0] if lines else error!r}") from None
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - started
    nbytes = sum(local(tensor).nbytes for tensor in state.values())
    return OnDevice(state, "dcp", "", nbytes, seconds, {}, Chunks(checkpoint.path, entry, reader.read_metadata()))


class Chunks:
    """The values of a distributed checkpoint read piece by piece from the `.distcp` files, without torch's planner."""

    def __init__(self, folder: str, entry: str, metadata: Metadata) -> None:
        """`entry` is the first part of the names in the folder, "" where they are the keys themselves."""
        self.how = "the pieces in the .distcp files"
        self._folder = folder
        self._prefix = f"{entry}." if entry else ""
        self._described = metadata.state_dict_metadata
        self._places: dict[str, list[tuple[tuple[int, ...], object]]] = {}
        for index, info in (metadata.storage_data or {}).items():
            self._places.setdefault(index.fqn, []).append((tuple(index.offset or ()), info))

    def get(self, key: str) -> torch.Tensor | None:
        """The whole tensor on the CPU; None where the folder has it in no form that is known here."""
        name = self._prefix + key
        size = getattr(self._described.get(name), "size", None)
        if size is None or name not in self._places:
            return None
        whole: torch.Tensor | None = None
        for offset, info in self._places[name]:
            piece = self._piece(info)
            if piece is None:
                return None
            if whole is None:
                whole = torch.empty(tuple(size), dtype=piece.dtype)
            at = tuple(slice(first, first + length) for first, length in zip(offset, piece.shape, strict=False))
            whole[at if offset else ...] = piece
        return whole

    def _piece(self, info: object) -> torch.Tensor | None:
        path, offset, length = (getattr(info, name, None) for name in ("relative_path", "offset", "length"))
        if not isinstance(path, str) or not isinstance(offset, int) or not isinstance(length, int):
            return None
        with (Path(self._folder) / path).open("rb") as stream:
            stream.seek(offset)
            raw = io.BytesIO(stream.read(length))
        try:
            found = torch.load(raw, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError):  # written by an extension, compressed for example
            return None
        return found if isinstance(found, torch.Tensor) else None

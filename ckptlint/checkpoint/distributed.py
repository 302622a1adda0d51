"""A folder of torch.distributed.checkpoint: `.metadata` says what there is, `__0_0.distcp` and its kin hold it.

`.metadata` is a pickle of protocol 4 that torch itself reads with plain `pickle.load`, so a hostile folder runs code
when it is loaded; here it is read like any other pickle, and a name in it that is not torch's is reported.

    Metadata(state_dict_metadata={"model.weight": TensorStorageMetadata(properties, size, chunks), ...},
             planner_data={"model.weight": ("model", "weight"), ...},
             storage_data={MetadataIndex("model.weight", ...): _StorageInfo("__0_0.distcp", offset, length)})

Source: `torch/distributed/checkpoint/metadata.py` and `filesystem.py` of torch 2.13.
"""

from __future__ import annotations

import os

from ckptlint.checkpoint.dtypes import ITEM_BITS
from ckptlint.checkpoint.inert import Call, Global
from ckptlint.checkpoint.machine import Pickle, read_pickle
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Entry, Problem, Tensor
from ckptlint.checkpoint.reading import IN_MEMORY
from ckptlint.checkpoint.source import Source
from ckptlint.checkpoint.summary import plain_name
from ckptlint.checkpoint.tree import attributes
from ckptlint.checkpoint.weights_only import runs_code

_HARMLESS = ("torch", "collections", "builtins", "typing", "datetime", "pathlib")
_MAX_DIMENSIONS = 256


def read_distributed(path: str, names: list[str]) -> Checkpoint:
    """List a distributed checkpoint; `names` are the files of the folder.

    Raises BadCheckpoint.
    """
    with Source(os.path.join(path, ".metadata")) as source:  # noqa: PTH118 (pathlib costs 10 ms)
        if source.size > IN_MEMORY:
            raise BadCheckpoint(f"{source.name} has {source.size:,} bytes, ckptlint reads at most {IN_MEMORY:,}")
        pickle = read_pickle(source.read(0, source.size))
    metadata = attributes(pickle.value)
    described = metadata.get("state_dict_metadata")
    if not isinstance(described, dict):
        raise BadCheckpoint(f"{path}/.metadata is not what torch.distributed.checkpoint writes: the folder is damaged")
    problems = _names(path, pickle)
    planner = metadata.get("planner_data")
    paths = planner if isinstance(planner, dict) else {}
    tensors: list[Tensor] = []
    others: dict[str, int] = {}
    for fqn, value in described.items():
        where = paths.get(fqn)
        entry, key = _split(fqn, where)
        tensor = _tensor(fqn, entry, key, value)
        if tensor is not None:
            tensors.append(tensor)
        else:
            others[entry or plain_name(fqn)] = others.get(entry or plain_name(fqn), 0) + 1
    files, size, more = _files(path, names, metadata.get("storage_data"))
    return Checkpoint(
        path,
        "distributed",
        files,
        size,
        tuple(_entries(tensors, others)),
        tuple(tensors),
        writer="torch.distributed.checkpoint",
        problems=(*problems, *more),
    )


def _names(path: str, pickle: Pickle) -> list[Problem]:
    for found in pickle.globals:
        if runs_code(found):
            raise BadCheckpoint(
                f"{path}/.metadata calls {found.qualified} when torch reads it: it was made to run code on your "
                "machine, delete the folder and warn whoever gave it to you"
            )
    strange = [found.qualified for found in pickle.globals if found.module.partition(".")[0] not in _HARMLESS]
    if not strange:
        return []
    text = (
        f"torch reads .metadata with plain pickle, and it names {', '.join(strange[:3])}: load it only if you trust it"
    )
    return [Problem("warning", "metadata-pickle", text)]


def _split(fqn: object, where: object) -> tuple[str, str]:
    """Entry and key: `model.conv.weight` with the path ("model", "conv", "weight") is the entry `model`."""
    name = fqn if type(fqn) is str else plain_name(fqn)
    if isinstance(where, tuple) and len(where) > 1 and type(where[0]) is str and name.startswith(where[0] + "."):
        return where[0], name[len(where[0]) + 1 :]
    return "", name


def _tensor(fqn: object, entry: str, key: str, value: object) -> Tensor | None:
    state = attributes(value)
    size = _sizes(state.get("size"))
    properties = state.get("properties")
    if size is None or type(properties) is not Call:
        return None
    facts = properties.state if properties.state is not None else properties.args
    if isinstance(facts, dict):
        facts = tuple(facts.values())
    dtype = (
        next((part.name for part in facts if type(part) is Global and part.name in ITEM_BITS), None)
        if isinstance(facts, tuple)
        else None
    )
    if dtype is None:
        return None
    stride: list[int] = []
    step = 1
    for length in reversed(size):
        stride.append(step)
        step *= max(length, 1)
    chunks = state.get("chunks")
    layout = "chunked" if isinstance(chunks, list) and len(chunks) > 1 else "strided"
    return Tensor((fqn,), entry, key, dtype, size, tuple(reversed(stride)), 0, None, "cpu", layout=layout)


def _sizes(value: object) -> tuple[int, ...] | None:
    if type(value) is Call and isinstance(value.args, tuple) and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, (tuple, list)) or len(value) > _MAX_DIMENSIONS:
        return None
    if not all(type(size) is int and 0 <= size < 1 << 63 for size in value):
        return None
    return tuple(value)


def _entries(tensors: list[Tensor], others: dict[str, int]) -> list[Entry]:
    entries: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        entries.setdefault(tensor.entry, []).append(tensor)
    for name in others:
        entries.setdefault(name, [])
    made = []
    for name, mine in entries.items():
        optimizer = bool(mine) and all(tensor.key.startswith(("state.", "param_groups.")) for tensor in mine)
        kind = "optimizer" if optimizer else "state dict" if mine else "value"
        summary = f"{len(mine):,} tensors" if mine else f"{others[name]:,} pickled values"
        made.append(Entry((name,) if name else (), name, kind, summary, len(mine), sum(t.nbytes for t in mine)))
    return made


def _files(path: str, names: list[str], storage_data: object) -> tuple[tuple[str, ...], int, list[Problem]]:
    """The files that hold the data, their bytes, and what is missing or cut off."""
    needed: dict[str, int] = {}
    problems: list[Problem] = []
    for info in storage_data.values() if isinstance(storage_data, dict) else ():
        state = attributes(info)
        file, offset, length = state.get("relative_path"), state.get("offset"), state.get("length")
        if type(file) is not str or type(offset) is not int or type(length) is not int or offset < 0 or length < 0:
            raise BadCheckpoint(f"{path}/.metadata does not say where the tensors are: the folder is damaged")
        if file.startswith("/") or "\\" in file or "\0" in file or ".." in file.split("/"):
            raise BadCheckpoint(
                f"{path}/.metadata names the file {plain_name(file)!r} outside of its folder: do not load it"
            )
        needed[file] = max(needed.get(file, 0), offset + length)
    total = 0
    for file, end in needed.items():
        try:
            size = os.stat(os.path.join(path, file)).st_size  # noqa: PTH116, PTH118
        except OSError:
            problems.append(
                Problem("error", "missing-file", f"{plain_name(file)} is missing: {end:,} bytes of it are needed")
            )
            continue
        total += size
        if size < end:
            text = f"{plain_name(file)} has {size:,} bytes and needs {end:,}: the save or the copy was interrupted"
            problems.append(Problem("error", "cut-off", text))
    if storage_data is None and not any(name.endswith(".distcp") for name in names):
        problems.append(Problem("error", "missing-file", "there is no .distcp file in the folder"))
    return (f"{path}/.metadata", *(f"{path}/{file}" for file in needed)), total, problems

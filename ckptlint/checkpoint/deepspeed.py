"""A DeepSpeed folder: `latest` names a folder, in it `mp_rank_00_model_states.pt` and the optimizer's shards.

Under ZeRO-3 the weights in `module` are empty; their shapes stand in `param_shapes` and their values are cut over
`*_optim_states.pt`. They are listed with their real shapes and the layout "partitioned".

Source: `_save_checkpoint` in deepspeed/runtime/engine.py and deepspeed/utils/zero_to_fp32.py (0.14).
"""

from __future__ import annotations

import os

from ckptlint.checkpoint.machine import read_pickle
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Entry, Problem, Tensor
from ckptlint.checkpoint.reading import pickle_of_member
from ckptlint.checkpoint.source import Source
from ckptlint.checkpoint.tree import children, mapping_of
from ckptlint.checkpoint.zip_directory import read_directory

_MAX_TAG = 1000


def read_deepspeed(path: str, names: list[str]) -> Checkpoint:
    """List a DeepSpeed checkpoint, given the folder with `latest` or the one with the files.

    Raises BadCheckpoint.
    """
    from ckptlint.checkpoint.read import open_checkpoint  # noqa: PLC0415 (it reads folders through this module)

    folder, names = _tagged(path, names)
    states = [name for name in names if name.endswith("_model_states.pt") and not name.startswith("layer_")]
    if not states:
        raise BadCheckpoint(f"{folder} has no *_model_states.pt in it: the DeepSpeed save was interrupted")
    first = os.path.join(folder, states[0])  # noqa: PTH118 (pathlib costs 10 ms)
    checkpoint = open_checkpoint(first)
    optimizer = [name for name in names if name.endswith("_optim_states.pt")]
    files = tuple(os.path.join(folder, name) for name in [*states, *optimizer])  # noqa: PTH118
    problems = [*checkpoint.problems]
    tensors = checkpoint.tensors
    shapes = _param_shapes(first) if checkpoint.format == "zip" else {}
    empty = {tensor.key for tensor in tensors if tensor.entry == "module" and 0 in tensor.shape}
    if shapes and (empty & shapes.keys() or not any(tensor.entry == "module" for tensor in tensors)):
        tensors = _with_shapes(tensors, shapes, len(optimizer))
        text = (
            f"ZeRO-3: the weights are cut over {len(optimizer):,} *_optim_states.pt files and `module` is empty; "
            "`python zero_to_fp32.py` in that folder joins them"
        )
        problems.append(Problem("warning", "zero-3", text))
    if len(states) > 1 and not states[0].startswith("zero_pp_rank_"):
        text = f"the model is cut over {len(states):,} model-parallel files; {states[0]} is listed"
        problems.append(Problem("note", "model-parallel", text))
    size = sum(os.stat(file).st_size for file in files)  # noqa: PTH116
    return checkpoint._replace(
        path=path,
        format="deepspeed",
        files=files,
        size=size,
        tensors=tensors,
        entries=_entries(checkpoint.entries, tensors),
        writer=f"DeepSpeed, {checkpoint.writer}",
        problems=tuple(problems),
    )


def _tagged(path: str, names: list[str]) -> tuple[str, list[str]]:
    """The folder with the files: the one that `latest` names, or the one given."""
    if any(name.endswith("_model_states.pt") for name in names):
        return path, names
    with Source(os.path.join(path, "latest")) as source:  # noqa: PTH118
        tag = source.read(0, _MAX_TAG).decode("utf-8", "replace").strip()
    if not tag or "/" in tag or "\\" in tag or "\0" in tag or tag in (".", ".."):
        raise BadCheckpoint(f"{path}/latest does not name a folder beside it: name the checkpoint folder itself")
    folder = os.path.join(path, tag)  # noqa: PTH118
    try:
        return folder, sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        raise BadCheckpoint(
            f"{path}/latest names {tag!r}, which is not there: name an older checkpoint folder"
        ) from None


def _param_shapes(file: str) -> dict[str, tuple[int, ...]]:
    """`param_shapes`: a list with a dict of name -> torch.Size for each parameter group."""
    with Source(file) as source:
        directory = read_directory(source)
        root = next(iter(directory.members)).partition("/")[0]
        whole = pickle_of_member(source, directory.members[f"{root}/data.pkl"])
        value = read_pickle(whole.data, whole.start).value
    mapping = mapping_of(value) or {}
    shapes: dict[str, tuple[int, ...]] = {}
    groups = mapping.get("param_shapes")
    for group in groups if isinstance(groups, list) else [groups]:
        for name, size in (mapping_of(group) or {}).items():
            below = children(size)
            sizes = below[0][1] if below else ()
            if (
                type(name) is str
                and isinstance(sizes, tuple)
                and all(type(part) is int and part >= 0 for part in sizes)
            ):
                shapes[name] = sizes
    return shapes


def _with_shapes(tensors: tuple[Tensor, ...], shapes: dict[str, tuple[int, ...]], files: int) -> tuple[Tensor, ...]:
    listed = {tensor.key for tensor in tensors if tensor.entry == "module"}
    made = [
        tensor._replace(shape=shapes[tensor.key], stride=(), storage=None, layout="partitioned")
        if tensor.entry == "module" and tensor.key in shapes
        else tensor
        for tensor in tensors
    ]
    made += [
        Tensor(("module", name), "module", name, "float32", shape, (), 0, None, "cpu", layout="partitioned")
        for name, shape in shapes.items()
        if name not in listed
    ]
    return tuple(made)


def _entries(entries: tuple[Entry, ...], tensors: tuple[Tensor, ...]) -> tuple[Entry, ...]:
    mine = [tensor for tensor in tensors if tensor.entry == "module"]
    return tuple(
        entry._replace(kind="state dict", tensors=len(mine), nbytes=sum(tensor.nbytes for tensor in mine))
        if entry.name == "module"
        else entry
        for entry in entries
    )

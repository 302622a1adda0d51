"""Write a state dict as safetensors: a header, then the elements of every tensor in order.

Names are those of the plan. safetensors has no ties and no strides, so tied tensors are written each, and a view is
gathered. Tensors are sorted by size of element, largest first, then by name, as safetensors itself does, so that every
tensor is aligned.
"""

from __future__ import annotations

import json
import os
import sys

from ckptlint.checkpoint.dtypes import ITEM_BITS, SAFETENSORS_DTYPE
from ckptlint.checkpoint.file_copy import replacing, write_all
from ckptlint.checkpoint.model import BadCheckpoint, Tensor
from ckptlint.checkpoint.places import elements, is_a_bomb, locate
from ckptlint.checkpoint.progress import Progress
from ckptlint.checkpoint.repair import RepairPlan, expected_tensors
from ckptlint.checkpoint.safetensors import read_safetensors
from ckptlint.checkpoint.source import Source
from ckptlint.checkpoint.summary import plain_name

_NAMES = {dtype: name for name, dtype in SAFETENSORS_DTYPE.items()}


def write_safetensors(plan: RepairPlan, out: str, entry: str | None, *, force: bool = False) -> None:
    """Write the one state dict of a plan (or the one that `entry` names) to `out`.

    Raises BadCheckpoint when there are several and none is named, when a tensor is of a kind that the format does not
    have, or when `out` exists and `force` is not given.
    """
    checkpoint = plan.checkpoint
    names = [found.name for found in checkpoint.entries if found.kind in ("state dict", "module")]
    if entry is None and len(names) != 1:
        listed = ", ".join(repr(name) for name in names) or "none"
        raise BadCheckpoint(f"{checkpoint.path} has {len(names)} state dicts ({listed}): name one with --entry")
    chosen = names[0] if entry is None else entry
    if checkpoint.byteorder != "little":
        raise BadCheckpoint(f"{checkpoint.path} is big-endian: load it and save it again with safetensors")
    if len(checkpoint.files) != 1 or checkpoint.format in ("distributed", "deepspeed", "tar"):
        raise BadCheckpoint(
            f"{checkpoint.path}: a {checkpoint.format} checkpoint cannot be turned into safetensors here"
        )
    expected = expected_tensors(plan._replace(checkpoint=locate(checkpoint)))
    tensors = {key: tensor for (name, key), tensor in expected.items() if name == chosen and tensor.persistent}
    for key, tensor in tensors.items():
        if tensor.dtype not in _NAMES or tensor.layout != "strided" or tensor.storage is None:
            raise BadCheckpoint(
                f"{plain_name(key)!r} is {tensor.dtype}, {tensor.layout}: safetensors has no such tensors; --drop it"
            )
    if is_a_bomb(tensors.values(), checkpoint.size, ties=True):
        nbytes = sum(tensor.nbytes for tensor in tensors.values())
        raise BadCheckpoint(
            f"{checkpoint.path} has {checkpoint.size:,} bytes, and its tensors show them as {nbytes:,}: safetensors "
            "writes each of them whole, so it is not converted; --drop those that repeat the others"
        )
    ordered = sorted(tensors.items(), key=lambda item: (-ITEM_BITS[item[1].dtype], item[0]))
    with Source(checkpoint.path) as source, replacing(out, force=force) as beside:
        _write(source, ordered, checkpoint.metadata or {"format": "pt"}, beside)
        with Source(beside) as written:
            found = {tensor.key: (tensor.dtype, tensor.shape) for tensor in read_safetensors(written).tensors}
        if found != {key: (tensor.dtype, tensor.shape) for key, tensor in tensors.items()}:
            raise BadCheckpoint(f"the copy of {checkpoint.path} did not read back as planned, so it was not kept")


def _write(source: Source, tensors: list[tuple[str, Tensor]], metadata: dict[str, str], beside: str) -> None:
    header: dict[str, object] = {"__metadata__": metadata}
    at = 0
    for key, tensor in tensors:
        header[key] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    raw = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    raw += b" " * (-len(raw) % 8)
    target = os.open(beside, os.O_RDWR | os.O_TRUNC)
    try:
        write_all(target, len(raw).to_bytes(8, "little") + raw, 0)
        position = 8 + len(raw)
        with Progress("copy", at, sys.stderr) as progress:
            for _, tensor in tensors:
                for piece in elements(source, tensor):
                    position += write_all(target, piece, position)
                    progress.advance(len(piece))
    finally:
        os.close(target)

"""Where the bytes of the tensors go: runs of the files into one arena, and the tensors as views of it.

torch.save and safetensors write tensors one behind the other, so what belongs to one state dict is a few long runs of
the file. A run is moved as it is, at the speed of the disk and of the bus, and every tensor is a view into it:

    file   [header][conv.weight][pad][conv.bias]...[optimizer ...]
            run:    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    arena          [conv.weight][pad][conv.bias]

Tied tensors stay tied, since both are views of the same bytes. Tensors that do not lie aligned to their elements (some
legacy files, odd safetensors headers) are copied out of the arena, each storage once.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch

from ckptlint.checkpoint.dtypes import ITEM_BITS
from ckptlint.checkpoint.model import Checkpoint, Tensor
from ckptlint.runtime.expected import find_dtype

_GAP = 1 << 20  # bytes between two tensors that are cheaper read than skipped
_ALIGNMENT = 256


class Run(NamedTuple):
    """`length` bytes from `start` of a file, which go to `at` of the arena."""

    file: str
    start: int
    length: int
    at: int


class Arena(NamedTuple):
    """Bytes on a device, and the runs that they came from, by file in order of their starts."""

    data: Mapping[str, torch.Tensor]
    runs: Mapping[str, tuple[Run, ...]]

    def views(self, tensors: Mapping[str, Tensor]) -> dict[str, torch.Tensor]:
        """The tensors as views of the arena; of a copy of their storage where that does not lie aligned."""
        copies: dict[tuple[str, int], torch.Tensor] = {}
        return {key: self._view(tensor, copies) for key, tensor in tensors.items()}

    def _view(self, tensor: Tensor, copies: dict[tuple[str, int], torch.Tensor]) -> torch.Tensor:
        storage = tensor.storage
        dtype = find_dtype(tensor.dtype)
        assert storage is not None
        assert storage.start is not None
        assert dtype is not None
        item = dtype.itemsize
        data = self.data[storage.file]
        if tensor.numel == 0:
            return torch.empty(tensor.shape, dtype=dtype, device=data.device)
        runs = self.runs[storage.file]
        run = runs[bisect.bisect_right(runs, storage.start, key=lambda run: run.start) - 1]
        at = run.at + storage.start - run.start
        if at % item:
            home = (storage.file, storage.start)
            if home not in copies:  # once for all that are tied to it
                copies[home] = data[at : at + storage.nbytes].clone()
            data, at = copies[home], 0
        empty = torch.empty(0, dtype=dtype, device=data.device)
        return empty.set_(data.untyped_storage(), at // item + tensor.offset, tensor.shape, tensor.stride)


def obstacle(checkpoint: Checkpoint, tensors: Iterable[Tensor]) -> str:
    """Why these tensors cannot be views of an arena; "" when they can. `checkpoint` is one of `places.locate`."""
    if checkpoint.byteorder != "little":
        return "the file is big-endian"
    for tensor in tensors:
        storage = tensor.storage
        if tensor.layout != "strided" or tensor.subclass or tensor.parts:
            return f"{tensor.key} is {tensor.subclass or tensor.layout}"
        if storage is None or storage.start is None:
            return f"the bytes of {tensor.key} do not lie in the file as they are"
        if find_dtype(tensor.dtype) is None or ITEM_BITS.get(tensor.dtype, 0) % 8 or tensor.dtype.startswith("q"):
            return f"{tensor.key} is {tensor.dtype}"
    return ""


def plan_runs(tensors: Iterable[Tensor]) -> dict[str, tuple[Run, ...]]:
    """The runs that hold these tensors, by file; small gaps between tensors are part of a run."""
    spans: dict[str, dict[int, int]] = {}
    for tensor in tensors:
        storage = tensor.storage
        if storage is not None and storage.start is not None and tensor.numel:
            found = spans.setdefault(storage.file, {})
            found[storage.start] = max(found.get(storage.start, 0), storage.nbytes)
    runs: dict[str, tuple[Run, ...]] = {}
    at = 0
    for file, found in spans.items():
        merged: list[list[int]] = []
        for start, nbytes in sorted(found.items()):
            if merged and start <= merged[-1][1] + _GAP:
                merged[-1][1] = max(merged[-1][1], start + nbytes)
            else:
                merged.append([start - start % _ALIGNMENT, start + nbytes])
        placed = []
        for start, end in merged:
            placed.append(Run(file, start, end - start, at))
            at += end - start
            at += -at % _ALIGNMENT
        runs[file] = tuple(placed)
    return runs


def arena_size(runs: Mapping[str, tuple[Run, ...]]) -> int:
    """The bytes that an arena for these runs needs."""
    return max((run.at + run.length for found in runs.values() for run in found), default=0)

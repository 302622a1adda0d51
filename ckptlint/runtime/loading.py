"""Bring the tensors of one state dict onto a device: as views of an arena, or by torch's own loader."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch

from ckptlint.checkpoint.model import Checkpoint, Tensor
from ckptlint.checkpoint.progress import Progress
from ckptlint.runtime.arena import Run, arena_size, obstacle, plan_runs
from ckptlint.runtime.mapped import map_files
from ckptlint.runtime.pinned import load_pinned
from ckptlint.runtime.torch_loading import CannotLoadError, load_with_torch


class SecondReading(Protocol):
    """The file's values once more: `how` they were read, and the tensor of a key."""

    how: str

    def get(self, key: str) -> torch.Tensor | None:
        """The tensor on the CPU; None when it cannot be read."""


class OnDevice(NamedTuple):
    """A state dict on a device, and how it came there; `seconds` are those of the load alone.

    `reference` reads the file's values again, for formats with a reader of their own.
    """

    state: Mapping[str, object]
    way: str
    because: str
    nbytes: int
    seconds: float
    runs: Mapping[str, tuple[Run, ...]]
    reference: SecondReading | None = None


def tensors_of(checkpoint: Checkpoint, entry: str) -> dict[str, Tensor]:
    """The tensors of one entry by key."""
    return {tensor.key: tensor for tensor in checkpoint.tensors if tensor.entry == entry and tensor.persistent}


def load_entry(checkpoint: Checkpoint, entry: str, device: torch.device) -> OnDevice:
    """Load one state dict; `checkpoint` is one of `places.locate`.

    Raises CannotLoadError when torch does not load what the arena cannot hold, Failure when the machine cannot.
    """
    tensors = tensors_of(checkpoint, entry)
    because = _obstacle(checkpoint, entry, tensors)
    if because:
        started = time.perf_counter()
        try:
            state = load_with_torch(checkpoint, entry, device)
        except CannotLoadError as error:
            raise CannotLoadError(f"{error} (and {because}, so it cannot be read without torch)") from None
        nbytes = sum(tensor.nbytes for tensor in tensors.values())
        return OnDevice(state, "torch", because, nbytes, _elapsed(started, device), {})
    runs = plan_runs(tensors.values())
    size = arena_size(runs)
    started = time.perf_counter()
    with Progress("load", size, sys.stderr) as progress:
        arena = map_files(runs, progress) if device.type == "cpu" else load_pinned(runs, device, progress)
    return OnDevice(arena.views(tensors), "arena", "", size, _elapsed(started, device), runs)


def _obstacle(checkpoint: Checkpoint, entry: str, tensors: Mapping[str, Tensor]) -> str:
    others = [value.key for value in checkpoint.values if value.entry == entry]
    if others:
        return f"{others[0]} is no tensor"
    broken = [problem.message for problem in checkpoint.problems if problem.severity == "error"]
    return broken[0] if broken else obstacle(checkpoint, tensors.values())


def _elapsed(started: float, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started

"""What this machine can do, measured in the same run: reading the file again, and copying pinned memory to the device.

A load can be no quicker than the slower of the two. The file has just been read, so this is the speed of the page cache
unless the file is larger than the memory; a load from a cold disk is held against `benchmarks/load_speed.py --cold`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping

import torch

from ckptlint.checkpoint.progress import Progress
from ckptlint.runtime.arena import Run
from ckptlint.runtime.pinned import Buffer, Piece, stream_pieces
from ckptlint.runtime.result import Limits

SMALLEST = 1 << 26  # bytes below which a rate says nothing
_SAMPLE = 1 << 30
_COPIED = 1 << 28
_ROUNDS = 4


def measure_limits(runs: Mapping[str, tuple[Run, ...]], device: torch.device) -> Limits:
    """Bytes a second of both; None where there is too little to measure, or no pinned copy."""
    sample = _sample(runs)
    nbytes = sum(run.length for found in sample.values() for run in found)
    if nbytes < SMALLEST:
        return Limits()
    return Limits(nbytes / _seconds_to_read(sample, nbytes), _copy_rate(device) if device.type == "cuda" else None)


def _sample(runs: Mapping[str, tuple[Run, ...]]) -> dict[str, tuple[Run, ...]]:
    """The first gigabyte of the runs."""
    left = _SAMPLE
    sample: dict[str, tuple[Run, ...]] = {}
    for file, found in runs.items():
        kept = []
        for run in found:
            length = min(left, run.length)
            if length:
                kept.append(run._replace(length=length))
            left -= length
        if kept:
            sample[file] = tuple(kept)
    return sample


def _seconds_to_read(sample: Mapping[str, tuple[Run, ...]], nbytes: int) -> float:
    def nothing(piece: Piece, buffer: Buffer) -> None:
        """The bytes are read, and that is all."""

    started = time.perf_counter()
    stream_pieces(sample, nothing, Progress("limits", nbytes, io.StringIO()), pinned=False)
    return time.perf_counter() - started


def _copy_rate(device: torch.device) -> float | None:
    host = torch.empty(_COPIED, dtype=torch.uint8, pin_memory=True)
    try:
        target = torch.empty(_COPIED, dtype=torch.uint8, device=device)
    except torch.cuda.OutOfMemoryError:  # the model fills the device, which is no reason to fail
        return None
    target.copy_(host, non_blocking=True)
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    for _ in range(_ROUNDS):
        target.copy_(host, non_blocking=True)
    torch.cuda.synchronize(device)
    return _ROUNDS * _COPIED / (time.perf_counter() - started)

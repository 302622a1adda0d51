"""The arena of the CPU: the file itself, mapped, its pages touched by several threads at once.

The mapping is private and writable, so a model that runs on it may write (the running mean of a BatchNorm) and the file
does not change. Where the system does not promise memory for a private copy of the whole file (it is larger than the
memory), the mapping is read-only, which is enough for every check but a forward pass.
"""

from __future__ import annotations

import mmap
import os
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from ckptlint.checkpoint.progress import Progress
from ckptlint.failure import Failure
from ckptlint.runtime.arena import Arena, Run

_PIECE = 1 << 26
_POPULATE_READ = 22  # linux/mman.h, since 5.14: fault the pages in, without a copy of those that are only read
_PAGE = 4096


def map_files(runs: Mapping[str, tuple[Run, ...]], progress: Progress) -> Arena:
    """Map the files of the runs and bring the runs into memory."""
    data: dict[str, torch.Tensor] = {}
    placed: dict[str, tuple[Run, ...]] = {}
    for file, found in runs.items():
        mapping = _map(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch warns of tensors over read-only memory
            data[file] = torch.frombuffer(mapping, dtype=torch.uint8)
        placed[file] = tuple(run._replace(at=run.start) for run in found)
        pieces = [
            (start, min(_PIECE, run.start + run.length - start))
            for run in found
            for start in range(run.start, run.start + run.length, _PIECE)
        ]
        _touch(mapping, data[file], pieces, progress)
    return Arena(data, placed)


def _map(file: str) -> mmap.mmap:
    try:
        with Path(file).open("rb") as opened:
            try:
                return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
            except OSError:
                return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise Failure(f"{file} cannot be mapped: {error}") from None


def _touch(mapping: mmap.mmap, data: torch.Tensor, pieces: Iterable[tuple[int, int]], progress: Progress) -> None:
    def touch(piece: tuple[int, int]) -> int:
        start, length = piece
        aligned = start - start % mmap.PAGESIZE
        try:
            mapping.madvise(_POPULATE_READ, aligned, length + start - aligned)
        except (AttributeError, OSError, ValueError):
            data[start : start + length : _PAGE].max()  # a byte of every page
        return length

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for length in threads.map(touch, pieces):
            progress.advance(length)

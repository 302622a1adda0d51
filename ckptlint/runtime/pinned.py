"""The arena of a CUDA device: reader threads fill a ring of pinned buffers, and a stream copies them over.

    threads   read piece 0 | read piece 1 | read piece 2 | wait for buffer 0 ...
    stream           copy piece 0 | copy piece 1 | copy piece 2 | ...

Reading and copying overlap, so the load goes at the speed of the slower of the two. A buffer is read into again only
when the event behind its last copy has come. Reads are `preadv` into the pinned memory itself, which lets other threads
run; pieces arrive in any order, since every piece knows its place in the arena.
"""

from __future__ import annotations

import ctypes
import os
import queue
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from ckptlint.checkpoint.progress import Progress
from ckptlint.failure import Failure
from ckptlint.runtime.arena import Arena, Run, arena_size

_PIECE = 1 << 24
_BUFFERS = 12
_READERS = 8


class Piece(NamedTuple):
    """`length` bytes from `start` of the file behind a descriptor, which go to `at` of the arena."""

    descriptor: int
    start: int
    length: int
    at: int


class Buffer:
    """Pinned memory, and the event behind the last copy out of it."""

    def __init__(self, size: int, *, pinned: bool) -> None:
        """`pinned` is False only where there is no CUDA to pin for (tests of the ring, and the limit of reading)."""
        self.data = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
        self.event: torch.cuda.Event | None = None
        raw = (ctypes.c_char * size).from_address(self.data.data_ptr())
        self.memory = memoryview(raw).cast("B")

    def wait(self) -> None:
        """Until nothing is copied out of it any more."""
        if self.event is not None:
            self.event.synchronize()


def load_pinned(runs: Mapping[str, tuple[Run, ...]], device: torch.device, progress: Progress) -> Arena:
    """Bring the runs into one arena on a CUDA device.

    Raises Failure when the device has too little memory for them, or a file cannot be read.
    """
    size = arena_size(runs)
    try:
        arena = torch.empty(size, dtype=torch.uint8, device=device)
    except torch.cuda.OutOfMemoryError:
        free, _ = torch.cuda.mem_get_info(device)
        raise Failure(
            f"{device} has {free / 1e9:.1f} GB free and the tensors need {size / 1e9:.1f} GB: end what else runs "
            "there (nvidia-smi lists it), or verify on another device"
        ) from None
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))

    def copy(piece: Piece, buffer: Buffer) -> None:
        with torch.cuda.stream(stream):
            arena[piece.at : piece.at + piece.length].copy_(buffer.data[: piece.length], non_blocking=True)
            buffer.event = torch.cuda.Event()
            buffer.event.record(stream)

    stream_pieces(runs, copy, progress, pinned=True)
    stream.synchronize()
    arena.record_stream(stream)
    return Arena(dict.fromkeys(runs, arena), runs)


# What is done with a piece that was read.
Copy = Callable[[Piece, Buffer], None]


class _Ring:
    """Pieces to be read, buffers that are free, and pieces that were read."""

    def __init__(self, pieces: list[Piece], buffers: list[Buffer]) -> None:
        self.pieces = iter(pieces)
        self.lock = threading.Lock()
        self.free: queue.SimpleQueue[Buffer | None] = queue.SimpleQueue()
        for buffer in buffers:
            self.free.put(buffer)
        self.read: queue.SimpleQueue[tuple[Piece, Buffer] | Exception] = queue.SimpleQueue()

    def reader(self) -> None:
        """One thread: take a free buffer, then the next piece, until there are no more."""
        while (buffer := self.free.get()) is not None:
            with self.lock:
                piece = next(self.pieces, None)
            if piece is None:
                return
            try:
                buffer.wait()
                _read(piece, buffer.memory)
            except Exception as error:  # handed to the thread that waits for the piece, which raises it
                self.read.put(error)
                return
            self.read.put((piece, buffer))


def stream_pieces(
    runs: Mapping[str, tuple[Run, ...]], copy: Copy, progress: Progress, *, pinned: bool, piece: int = _PIECE
) -> None:
    """Read all runs through the ring; `copy(piece, buffer)` is called for each piece, in the order in which they come.

    Raises Failure when a file cannot be read to the end.
    """
    descriptors: list[int] = []
    try:
        pieces: list[Piece] = []
        for file, found in runs.items():
            descriptor = _open(file)
            descriptors.append(descriptor)
            pieces += [
                Piece(descriptor, start, min(piece, run.start + run.length - start), run.at + start - run.start)
                for run in found
                for start in range(run.start, run.start + run.length, piece)
            ]
        _pump(pieces, copy, progress, pinned=pinned, size=min(piece, max((p.length for p in pieces), default=1)))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _pump(pieces: list[Piece], copy: Copy, progress: Progress, *, pinned: bool, size: int) -> None:
    readers = min(_READERS, os.cpu_count() or 1, len(pieces))
    ring = _Ring(pieces, [Buffer(size, pinned=pinned) for _ in range(min(_BUFFERS, len(pieces)))])
    threads = [threading.Thread(target=ring.reader, daemon=True) for _ in range(readers)]
    for thread in threads:
        thread.start()
    try:
        for _ in pieces:
            item = ring.read.get()
            if isinstance(item, Exception):
                raise item
            done, buffer = item
            copy(done, buffer)
            ring.free.put(buffer)
            progress.advance(done.length)
    finally:
        ring.pieces = iter(())
        for _ in threads:
            ring.free.put(None)
        for thread in threads:
            thread.join()


def _open(file: str) -> int:
    try:
        return os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror or error}") from None


def _read(piece: Piece, memory: memoryview) -> None:
    done = 0
    while done < piece.length:
        view = memory[done : piece.length]
        try:
            if hasattr(os, "preadv"):
                count = os.preadv(piece.descriptor, [view], piece.start + done)
            else:  # macOS before 11, Windows
                data = os.pread(piece.descriptor, len(view), piece.start + done)
                view[: len(data)] = data
                count = len(data)
        except OSError as error:
            raise Failure(f"the checkpoint cannot be read: {error.strerror or error}") from None
        if count == 0:
            raise Failure("the checkpoint became shorter while it was read: is it still being written?")
        done += count

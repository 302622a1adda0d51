"""Lowering many units at once, in forked processes.

A run knows many units that it will surely ask for: those whose text holds a marker. Parsing them is most of the time of
a run, and it is done by as many processes as there are cores. A fork costs half a millisecond, since the child has
the parent's memory, with libcst imported and the files cut; results come back through a pipe, as msgpack.

Nothing depends on a child: a unit that did not come back (the child died, the system cannot fork) is lowered by the
store when it is asked for. So the facts are the same with one process and with many.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import struct
import threading
from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from ckptlint.facts.saved import SavedUnit
from ckptlint.facts.store import FactStore
from ckptlint.prefilter import marked_rows
from ckptlint.source import UnreadableSource

# Below this many rows of wanted units (some 0.2 s of parsing) children are not worth their start.
MIN_ROWS = 3_000
_LENGTH = struct.Struct("<I")


class _Done(msgspec.Struct, frozen=True, array_like=True):
    relative: str
    saved: SavedUnit


_decoder = msgspec.msgpack.Decoder(_Done)


def marked_units(store: FactStore, relative: str, markers: Sequence[bytes] = ()) -> list[tuple[str, int]]:
    """The skeleton of a file and its units in which a marker stands: what a run will surely ask for.

    Nothing of a file whose facts are in the cache: what the earlier run asked for is there.
    """
    try:
        if store.is_kept(relative):
            return []
        headers = store.headers(relative)
        rows = marked_rows(store.source(relative).text.encode(), markers)
    except UnreadableSource:
        return []
    starts = [header.first_row for header in headers[1:]]
    units = {0}
    for row in rows:
        unit = bisect_right(starts, row)
        if unit and row <= headers[unit].last_row:
            units.add(unit)
    return [(relative, unit) for unit in sorted(units)]


def lower_ahead(store: FactStore, wanted: Sequence[tuple[str, int]], jobs: int) -> None:
    """Put the wanted units, as (file, unit), into the store, with `jobs` processes where that is worth it."""
    missing = [key for key in dict.fromkeys(wanted) if not store.is_known(*key)]
    rows = {key: _rows(store, key) for key in missing}
    if jobs < 2 or sum(rows.values()) < MIN_ROWS or not _can_fork():
        for relative, unit in missing:
            store.try_unit(relative, unit)
        return
    import ckptlint.facts.extract.unit  # noqa: F401, PLC0415 - once, for all children

    shares = _shares(missing, rows, jobs)
    children: dict[int, int] = {}  # process id by the end of the pipe that is read
    try:
        for share in shares:
            reading, process = _start(store, share, list(children))
            children[reading] = process
        _collect(store, list(children))
    finally:
        for reading, process in children.items():
            os.close(reading)
            _end(process)


def _can_fork() -> bool:
    # A child has only the thread that forked; a lock that another thread holds would stay locked in it for ever.
    return hasattr(os, "fork") and threading.active_count() == 1


def _rows(store: FactStore, key: tuple[str, int]) -> int:
    try:
        header = store.headers(key[0])[key[1]]
    except UnreadableSource:
        return 0
    return header.last_row - header.first_row + 1


def _shares(
    missing: Sequence[tuple[str, int]], rows: dict[tuple[str, int], int], jobs: int
) -> list[list[tuple[str, int]]]:
    """Shares of about the same number of rows: the biggest unit first, each to the smallest share."""
    shares: list[list[tuple[str, int]]] = [[] for _ in range(jobs)]
    sizes = [0] * jobs
    for key in sorted(missing, key=lambda key: (-rows[key], key)):
        smallest = sizes.index(min(sizes))
        shares[smallest].append(key)
        sizes[smallest] += rows[key]
    return [sorted(share) for share in shares if share]


def _start(store: FactStore, share: list[tuple[str, int]], inherited: list[int]) -> tuple[int, int]:
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return reading, process
    # The child: whatever happens, it must not go on with the parent's work.
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for other in (*inherited, reading):
            os.close(other)
        with os.fdopen(writing, "wb") as pipe:
            for relative, unit in share:
                store.try_unit(relative, unit)
                try:
                    frame = msgspec.msgpack.encode(_Done(relative, store.saved_unit(relative, unit)))
                except RecursionError:
                    continue  # too deep to be written down: the parent lowers it
                pipe.write(_LENGTH.pack(len(frame)) + frame)
        status = 0
    finally:
        os._exit(status)


def _collect(store: FactStore, pipes: list[int]) -> None:
    buffers = {pipe: bytearray() for pipe in pipes}
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = os.read(key.fd, 1 << 20)
                if chunk:
                    buffers[key.fd] += chunk
                else:
                    selector.unregister(key.fd)
    done: list[_Done] = []
    for buffer in buffers.values():
        done += _frames(bytes(buffer))
    for one in sorted(done, key=lambda one: (one.relative, one.saved.unit)):
        store.adopt(one.relative, one.saved)


def _frames(received: bytes) -> list[_Done]:
    """The whole frames of what a child has written; it may have died in the middle of one."""
    done = []
    at = 0
    while at + _LENGTH.size <= len(received):
        (length,) = _LENGTH.unpack_from(received, at)
        at += _LENGTH.size
        if at + length > len(received):
            break
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            done.append(_decoder.decode(received[at : at + length]))
        at += length
    return done


def _end(process: int) -> None:
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        finished, _ = os.waitpid(process, os.WNOHANG)
        if not finished:
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)

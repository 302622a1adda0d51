"""A second process beside the run, for work that needs nothing of it.

    with beside(store, lambda: tuple(key_edits(store)), tuple[KeyEdit, ...]) as scan:
        ... run the project ...
        found = scan.result()          what the child has found; None: do it here

A fork costs half a millisecond, since the child has the parent's memory, and pays where there is as much to do in
both. The child sends what it has found and every unit that it has lowered, as msgpack through a pipe; the units go
into the parent's store, so that neither the run nor the cache misses them.

Nothing depends on the child: when the system cannot fork, or the child has died, the result is None, and the caller
does the work itself. So the findings are the same with one process and with two.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from ckptlint.facts.saved import SavedUnit
from ckptlint.facts.store import FactStore

#: In fewer files there is so little to do that a second process would only cost.
MIN_FILES = 40

_Result = TypeVar("_Result")


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """What the child has lowered: units with the file that they are of, in order; then its result as msgpack."""

    units: tuple[tuple[str, SavedUnit], ...]
    result: msgspec.Raw


class Beside(Generic[_Result]):
    """Work that is being done by a child, or by nobody."""

    def __init__(self, store: FactStore, kind: Any, child: tuple[int, int] | None) -> None:
        self._store = store
        self._kind = kind
        self._child = child
        self._result: _Result | None = None

    def result(self) -> _Result | None:
        """What the child has found, once it is done; None when there is none."""
        if self._child is not None:
            reading, process = self._child
            self._child = None
            received = _read(reading)
            _end(process)
            with contextlib.suppress(msgspec.MsgspecError, RecursionError):
                sent = msgspec.msgpack.decode(received, type=Sent)
                self._result = msgspec.msgpack.decode(sent.result, type=self._kind)
                for relative, unit in sent.units:
                    self._store.adopt(relative, unit)
        return self._result

    def stop(self) -> None:
        """Nobody wants the result any more."""
        if self._child is not None:
            os.close(self._child[0])
            _end(self._child[1])
            self._child = None


@contextlib.contextmanager
def beside(
    store: FactStore, work: Callable[[], _Result], kind: type[_Result], *, jobs: int
) -> Iterator[Beside[_Result]]:
    """Do `work` in a second process; `kind` is the type of its result. `jobs` 0: where there are two cores or more."""
    wanted = (jobs or _cores()) > 1 and len(store.files) >= MIN_FILES
    child = Beside[_Result](store, kind, _start(store, work) if wanted and _can_fork() else None)
    try:
        yield child
    finally:
        child.stop()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _can_fork() -> bool:
    # A child has only the thread that forked; a lock that another thread holds would stay locked in it for ever.
    return hasattr(os, "fork") and threading.active_count() == 1


def _start(store: FactStore, work: Callable[[], object]) -> tuple[int, int]:
    import ckptlint.facts.extract.unit  # noqa: F401, PLC0415 - once, for both processes

    reading, writing = os.pipe()
    # Ctrl-C between the fork and the `try` would send the child on with the parent's work.
    allowed = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
        os.close(writing)
        return reading, process
    # The child: whatever happens, it must not go on with the parent's work.
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
        os.close(reading)
        result = work()
        units = tuple((relative, store.saved_unit(relative, unit)) for relative, unit in store.lowered())
        message = msgspec.msgpack.encode(Sent(units, msgspec.Raw(msgspec.msgpack.encode(result))))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(message)
        status = 0
    finally:
        os._exit(status)


def _read(pipe: int) -> bytes:
    received = bytearray()
    try:
        while chunk := os.read(pipe, 1 << 20):
            received += chunk
    finally:
        os.close(pipe)
    return bytes(received)


def _end(process: int) -> None:
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        finished, _ = os.waitpid(process, os.WNOHANG)
        if not finished:
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)

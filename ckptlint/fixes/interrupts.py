"""Hold Ctrl-C and a polite kill off while files are being exchanged.

    with interrupts_held() as held:
        ...                     # a signal that comes here is noted, no more
        if held.pending: ...    # and can be asked for
                                # here it is delivered, to whoever would have got it

Python runs signal handlers in its main thread alone, so in any other thread there is nothing to hold.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Held:
    """The signals that came in the meantime."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.pending: list[int] = []

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Be the handler of a signal."""
        self.pending.append(number)


@contextmanager
def interrupts_held() -> Iterator[Held]:
    """Note SIGINT, SIGTERM and SIGHUP inside the block, deliver them after it; an ignored signal stays ignored."""
    held = Held()
    if threading.current_thread() is not threading.main_thread():
        yield held
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    replaced = {number: old for number, old in before.items() if old is not None and old != signal.SIG_IGN}
    try:
        for number in replaced:
            signal.signal(number, held.note)
        yield held
    finally:
        for number, old in replaced.items():
            signal.signal(number, old)
        for number in dict.fromkeys(held.pending):
            signal.raise_signal(number)

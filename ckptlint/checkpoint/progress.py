"""A progress bar on standard error, for work that takes more than a second, and only on a terminal."""

from __future__ import annotations

import os
import time
from typing import TextIO

_WIDTH = 30


class Progress:
    """Counts bytes up to `total` and draws `checksums [#####.....] 48%` at most ten times a second."""

    def __init__(self, what: str, total: int, stream: TextIO) -> None:
        """Nothing is drawn before half a second has passed, and never where `stream` is no terminal, or where another
        process of torchrun draws on it."""
        self.what = what
        self.total = total
        self.done = 0
        self.stream = stream
        self.shown = False
        self._next = time.monotonic() + 0.5
        self._visible = stream.isatty() and os.environ.get("RANK", "0") == "0"

    def advance(self, count: int) -> None:
        """Note that `count` more bytes are done."""
        self.done += count
        if not self._visible:
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 0.1
        share = min(1.0, self.done / self.total) if self.total else 1.0
        bar = ("#" * int(_WIDTH * share)).ljust(_WIDTH, ".")
        self.stream.write(f"\r{self.what} [{bar}] {100 * share:3.0f}%")
        self.stream.flush()
        self.shown = True

    def __enter__(self) -> Progress:
        """Clear the bar at the end of a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the bar."""
        if self.shown:
            self.stream.write("\r" + " " * (len(self.what) + _WIDTH + 9) + "\r")
            self.stream.flush()

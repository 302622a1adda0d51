"""What one question about a file may cost, whatever is in the file: five seconds of the processor, 500 MB."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

SECONDS = 5
MEGABYTES = 500

_STATUS = Path("/proc/self/status")
_FORGET_THE_PEAK = "5"  # proc(5), /proc/pid/clear_refs


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Around one question: fails where it takes more of the processor, or has more resident at once than it began with.

    Memory is measured where Linux tells the peak.
    """
    before = _begin()
    started = time.process_time()
    yield
    spent = time.process_time() - started
    assert spent < SECONDS, f"{spent:.1f} s"
    if before is not None:
        grown = _resident("VmHWM") - before
        assert grown < MEGABYTES, f"{grown:.0f} MB"


def _begin() -> float | None:
    """The megabytes resident now, which is the peak from now on."""
    try:
        Path("/proc/self/clear_refs").write_text(_FORGET_THE_PEAK)
    except OSError:
        return None
    return _resident("VmRSS")


def _resident(what: str) -> float:
    found = re.search(rf"{what}:\s+(\d+) kB", _STATUS.read_text())
    assert found is not None
    return int(found[1]) / 1000

"""A bar on standard error for long work, on a terminal alone, and gone when the work is done."""

from __future__ import annotations

import io
import re

import pytest

from ckptlint.checkpoint import progress
from ckptlint.checkpoint.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which each look at it moves on by a quarter of a second."""
    now = [0.0]

    def monotonic() -> float:
        now[0] += 0.25
        return now[0]

    monkeypatch.setattr(progress.time, "monotonic", monotonic)
    return now


def shown(stream: io.StringIO) -> list[str]:
    return [part for part in stream.getvalue().split("\r") if part.strip()]


def test_it_grows_and_goes_away(clock: list[float]) -> None:
    stream = Terminal()
    with Progress("copy", 1000, stream) as bar:
        for _ in range(10):
            bar.advance(100)
    parts = shown(stream)
    shares = [int(re.findall(r"(\d+)%", part)[0]) for part in parts]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert parts[0].startswith("copy [#")
    assert stream.getvalue().endswith("\r")
    assert stream.getvalue().rsplit("\r", 2)[1].strip() == ""


def test_nothing_where_nobody_looks(clock: list[float]) -> None:
    stream = io.StringIO()
    with Progress("copy", 1000, stream) as bar:
        bar.advance(1000)
    assert stream.getvalue() == ""


def test_nothing_for_quick_work() -> None:
    stream = Terminal()
    with Progress("copy", 1000, stream) as bar:
        bar.advance(1000)
    assert stream.getvalue() == ""


def test_never_more_than_all_of_it(clock: list[float]) -> None:
    """Tied tensors are counted twice where the bytes are not."""
    stream = Terminal()
    with Progress("compare", 100, stream) as bar:
        bar.advance(10)
        bar.advance(300)
    assert "100%" in shown(stream)[-1]
    assert "#" * 31 not in shown(stream)[-1]

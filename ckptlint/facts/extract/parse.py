"""Parsing with libcst so that no input, however odd, ends the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import libcst as cst

from ckptlint.facts.extract.limits import check
from ckptlint.source import UnreadableSource

BIG_STACK = 64 << 20
NO_PYTHON = "this is not Python 3: "
_stack_size_lock = threading.Lock()
_Result = TypeVar("_Result")


def parse(text: str) -> cst.Module:
    """The tree of a text; raises UnreadableSource with the row and column in `text`."""
    if check(text).deep:
        return with_big_stack(lambda: _parse(text))
    return _parse(text)


def with_big_stack(work: Callable[[], _Result]) -> _Result:
    """Call `work` where recursion in native code has 64 MB; what it raises is raised here."""
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    with _stack_size_lock:
        before = threading.stack_size(BIG_STACK)
        try:
            thread = threading.Thread(target=run)
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _parse(text: str) -> cst.Module:
    try:
        return cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        row = max(1, error.raw_line)
        raise UnreadableSource(reason(text, row), row, max(1, error.raw_column + 1)) from None
    except cst.CSTValidationError as error:
        raise UnreadableSource(f"this is not Python 3: {error}") from None
    except RecursionError:
        raise UnreadableSource("the code is nested too deeply to be read") from None


def reason(text: str, row: int) -> str:
    """What to say about a line that does not parse."""
    lines = text.split("\n")
    line = lines[row - 1].strip() if row <= len(lines) else ""
    return f"{NO_PYTHON}{line[:60]}" if line else f"{NO_PYTHON}the code ends in the middle of a statement"

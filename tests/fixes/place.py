"""Places in a text, by what stands there."""

from __future__ import annotations

from collections.abc import Iterable

from ckptlint.findings import Edit, Span
from ckptlint.fixes.edit import apply_edits, line_starts, span_of
from ckptlint.fixes.shapes.file import File


def span(text: str, part: str) -> Span:
    """Where `part` stands in `text`, once."""
    assert text.count(part) == 1, part
    at = text.index(part)
    return span_of(at, at + len(part), line_starts(text))


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits, which must be Python."""
    made = apply_edits(text, edits)
    compile(made, "made.py", "exec")
    return made


def opened(text: str) -> File:
    """The file `a.py`."""
    file = File.read("a.py", text)
    assert file is not None
    return file

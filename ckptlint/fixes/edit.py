"""Edits of one text: where they lie, which of them exclude each other, and the text that they make together.

An edit replaces a span; an empty span is an insertion. Two edits get along when their spans share no character:

    model.state_dict()      replace `model` by `model.module`, and insert a line before: both happen
    model.state_dict()      replace `model`, and replace `model.state_dict()`: they exclude each other

Equal edits are one edit, so two findings may ask for the same change. Two different insertions at one place exclude
each other, because nobody knows their order, except for *additions*: lines of imports, and functions of a module. An
addition does not care what stands beside it, so all of them go in: imports sorted, then functions sorted by name.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

import msgspec

from ckptlint.findings import Edit, Place, Position, Span

_IMPORT_LINE = re.compile(r"(?:import|from[ \t]+[\w.]+[ \t]+import)[ \t]+[\w.][^\n()\\;]*")
_FROM_IMPORT = re.compile(r"from[ \t]+([\w.]+)[ \t]+import[ \t]+([\w \t,]+)")
_FUNCTION = re.compile(r"def[ \t]+(\w+)[^\n]*\n(?:[ \t][^\n]*\n|\n)+")


class Addition(msgspec.Struct, frozen=True):
    """The content of an insertion whose neighbours do not matter.

    Either `imports` (one statement each) or one function named `function` with the text `body`; `before` and `after`
    are the numbers of empty lines around it.
    """

    before: int
    after: int
    imports: tuple[str, ...] = ()
    function: str = ""
    body: str = ""


def addition(content: str) -> Addition | None:
    """Read the content of an insertion as an addition; None when it is ordinary text."""
    body = content.strip("\n")
    if not body or not content.endswith("\n"):
        return None
    before = len(content) - len(content.lstrip("\n"))
    after = len(content) - len(content.rstrip("\n")) - 1
    lines = body.split("\n")
    if all(_IMPORT_LINE.fullmatch(line) for line in lines):
        return Addition(before, after, imports=tuple(lines))
    function = _FUNCTION.fullmatch(body + "\n")
    if function is not None:
        return Addition(before, after, function=function.group(1), body=body + "\n")
    return None


def insertion(path: str, position: Position, content: str) -> Edit:
    """An edit that puts `content` before the character at `position` and replaces nothing."""
    return Edit(Place(path, Span(position, position)), content)


def is_insertion(edit: Edit) -> bool:
    """Whether the edit replaces nothing."""
    return edit.place.span.start == edit.place.span.end


def conflict(one: Edit, other: Edit) -> bool:
    """Whether at most one of the two can be applied."""
    if one == other or one.place.path != other.place.path:
        return False
    first, second = one.place.span, other.place.span
    if is_insertion(one) and is_insertion(other):
        return first == second and not _stand_together(one, other)
    return first.start < second.end and second.start < first.end


def _stand_together(one: Edit, other: Edit) -> bool:
    first, second = addition(one.content), addition(other.content)
    if first is None or second is None or one.place.span.start.column != 1:
        return False
    return not first.function or first.function != second.function


class Accepted:
    """The edits of one file that were accepted so far, none of which excludes another."""

    def __init__(self, edits: Iterable[Edit] = ()) -> None:
        """Start with `edits`, which must get along with each other."""
        self.edits = tuple(sorted(set(edits), key=_by_span))

    def refuses(self, edit: Edit) -> bool:
        """Whether an accepted edit excludes this one."""
        span = edit.place.span
        at = bisect_left(self.edits, (span.start, span.end), key=_by_span)
        for index in range(at - 1, -1, -1):  # accepted edits do not overlap, so their ends rise with their starts
            if self.edits[index].place.span.end < span.start:
                break
            if conflict(edit, self.edits[index]):
                return True
        for index in range(at, len(self.edits)):
            if self.edits[index].place.span.start > span.end:
                break
            if conflict(edit, self.edits[index]):
                return True
        return False

    def with_edits(self, edits: Iterable[Edit]) -> Accepted:
        """A copy with these edits too."""
        return Accepted([*self.edits, *edits])

    def apply_to(self, text: str) -> str:
        """The text that the accepted edits make of `text`."""
        return apply_edits(text, self.edits)


def _by_span(edit: Edit) -> tuple[Position, Position]:
    return (edit.place.span.start, edit.place.span.end)


def line_starts(text: str) -> tuple[int, ...]:
    """The offset at which each row begins; rows end at "\\n" alone."""
    return tuple(accumulate((len(line) + 1 for line in text.split("\n")[:-1]), initial=0))


def offset(position: Position, starts: Sequence[int], text: str) -> int | None:
    """The offset of `position` in `text`, None when there is no such place."""
    if not 1 <= position.row <= len(starts) or position.column < 1:
        return None
    start = starts[position.row - 1]
    end = starts[position.row] - 1 if position.row < len(starts) else len(text)
    found = start + position.column - 1
    return found if found <= end else None


def replaced(edit: Edit, text: str, starts: Sequence[int]) -> str | None:
    """What the edit replaces in `text`; None when its place is not there."""
    start, end = offset(edit.place.span.start, starts, text), offset(edit.place.span.end, starts, text)
    return text[start:end] if start is not None and end is not None and start <= end else None


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text that the edits make of `text`, in whatever order they come.

    Raises ValueError when an edit has no place in `text`; edits must not exclude each other.
    """
    starts = line_starts(text)
    pieces: list[str] = []
    done = 0
    for span, contents in _by_place(edits):
        start, end = offset(span.start, starts, text), offset(span.end, starts, text)
        if start is None or end is None or not done <= start <= end:
            raise ValueError(f"no place for an edit at row {span.start.row}, column {span.start.column}")
        pieces += [text[done:start], contents[0] if len(contents) == 1 else _together(contents)]
        done = end
    return "".join([*pieces, text[done:]])


def _by_place(edits: Iterable[Edit]) -> list[tuple[Span, list[str]]]:
    places: dict[Span, list[str]] = {}
    for edit in sorted(set(edits)):
        places.setdefault(edit.place.span, []).append(edit.content)
    return sorted(places.items())


def _together(contents: Sequence[str]) -> str:
    """Several additions at one place as one text: imports sorted, then functions by name."""
    parts = [part for part in map(addition, contents) if part is not None]
    if len(parts) != len(contents):
        raise ValueError("two different insertions at one place")
    with_imports = [part for part in parts if part.imports]
    functions = sorted((part for part in parts if part.function), key=lambda part: part.function)
    text = "\n" * max((part.before for part in with_imports), default=0)
    text += "".join(f"{line}\n" for line in _joined({line for part in with_imports for line in part.imports}))
    for number, part in enumerate(functions):
        before = max(part.before, 2) if with_imports or number else part.before
        text += "\n" * before + part.body
    return text + "\n" * max(part.after for part in parts)


def _joined(lines: Iterable[str]) -> list[str]:
    """Import lines as isort and ruff sort them: `import x` first, then `from x import a, b` once for each module."""
    plain: set[str] = set()
    names: dict[str, set[str]] = {}
    for line in lines:
        start = _FROM_IMPORT.fullmatch(line)
        if start is None:
            plain.add(line)
        else:
            names.setdefault(start.group(1), set()).update(name.strip() for name in start.group(2).split(","))
    joined = [f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)]
    return [*sorted(plain), *joined]


def span_of(start: int, end: int, starts: Sequence[int]) -> Span:
    """The span from offset `start` to offset `end` in a text whose rows begin at `starts`."""
    return Span(_position(start, starts), _position(end, starts))


def _position(at: int, starts: Sequence[int]) -> Position:
    row = bisect_right(starts, at)
    return Position(row, at - starts[row - 1] + 1)

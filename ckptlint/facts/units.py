"""The cutter: where the functions of a file begin and end, without parsing it.

A unit is a function or method that stands at module level or in a class there (inside `if`, `try`, `with` too), with
its decorators and all that is nested in it. Unit 0 is the skeleton: everything else.

    1  import torch                   unit 0
    2  class Trainer:                 unit 0
    3      @property                  unit 1: name "net", owner "Trainer", rows 3 to 5, row 4, indent 4
    4      def net(self):
    5          return self._net
    6  run()                          unit 0

A unit ends before the next line that begins a statement and is indented no deeper than it (`lines.outline` tells which
lines those are). `text_of_function` and `text_of_skeleton` give what is to be parsed for a unit: a module of its own,
without blank lines and comment lines (a parser makes a node of each), with the row of the file for each of its rows.
In the skeleton a function is the one name `stub_name(index)`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import msgspec

from ckptlint.facts.lines import CONTINUED, outline

_HEADER = re.compile(
    r"^([ \t]*)((?:@[^\n]*\n(?:[ \t]*\n|\0[^\n]*\n)*[ \t]*)*)(class|def|async[ \t]+def)[ \t]+(\w+)", re.MULTILINE
)
_STUB = "__ckptlint_unit_{}__"
_STUB_PATTERN = re.compile(r"__ckptlint_unit_(\d+)__")


class UnitHeader(msgspec.Struct, frozen=True):
    """One unit. Rows count from 1 and `last_row` is inclusive; `first_row` is that of the first decorator, `row` that
    of the `def`. `owner` is the dotted path of the classes around it, "" at module level. `indent` counts characters.
    """

    index: int
    name: str
    owner: str
    first_row: int
    last_row: int
    indent: int
    row: int
    name_column: int


class UnitText(msgspec.Struct, frozen=True):
    """What to parse for a unit. Row i+1 of `text` is row `rows[i]` of the file, `shifts[i]` columns to the right."""

    text: str
    rows: tuple[int, ...]
    shifts: dict[int, int]


class Cut(msgspec.Struct, frozen=True):
    """The units of a text and the text of its skeleton."""

    headers: tuple[UnitHeader, ...]
    skeleton: UnitText


def cut(text: str) -> tuple[UnitHeader, ...]:
    """The units of a text, in the order of the text; index 0 is the skeleton, over all rows."""
    return _headers(outline(text))


def cut_with_skeleton(text: str) -> Cut:
    """`cut`, and the skeleton's text, for one reading of the lines."""
    lines = outline(text)
    headers = _headers(lines)
    return Cut(headers, _skeleton(text, lines, headers))


def text_of_function(lines_of_file: Sequence[str], header: UnitHeader) -> UnitText:
    """The module that holds nothing but the function of `header`, under `if 1:` when it is indented."""
    raw = lines_of_file[header.first_row - 1 : header.last_row]
    lines = outline("\n".join(raw)).split("\n")
    builder = _Builder()
    if header.indent:
        builder.add("if 1:", header.first_row)
    for offset, (line, kept) in enumerate(zip(raw, lines, strict=True)):
        if kept and not kept.isspace():
            builder.add(line, header.first_row + offset, starts=not kept.startswith(CONTINUED))
    return builder.build()


def unit_of_stub(name: str) -> int | None:
    """The unit that a name in a skeleton stands for."""
    match = _STUB_PATTERN.fullmatch(name)
    return int(match[1]) if match else None


def _headers(lines: str) -> tuple[UnitHeader, ...]:
    found = [UnitHeader(0, "", "", 1, lines.count("\n") + 1, 0, 1, 1)]
    classes: list[tuple[int, str]] = []  # where the open classes end, and their dotted paths
    at = counted = 0
    row = 1
    while match := _HEADER.search(lines, at):
        start = match.start()
        row += lines.count("\n", counted, start)
        counted = start
        while classes and classes[-1][0] <= start:
            classes.pop()
        owner = classes[-1][1] if classes else ""
        indent, kind, name = match[1], match[3], match[4]
        end = _end(lines, match.end(), indent)
        if kind == "class":
            classes.append((end, f"{owner}.{name}" if owner else name))
            at = match.end()
        else:
            last_visible = match.end() + len(lines[match.end() : end].rstrip())
            last_row = row + lines.count("\n", start, last_visible)
            header_row = row + match[0].count("\n")
            column = match.start(4) - (lines.rfind("\n", 0, match.start(4)) + 1) + 1
            found.append(UnitHeader(len(found), name, owner, row, last_row, len(indent), header_row, column))
            at = end
    return tuple(found)


@functools.lru_cache(maxsize=64)
def _next_statement(indent: str) -> re.Pattern[str]:
    """A line that begins a statement and is not indented deeper than `indent`."""
    return re.compile(rf"\n(?!{indent}[ \t])[ \t]*[^\s\0]")


def _end(lines: str, start: int, indent: str) -> int:
    """The offset of the first character of the line after the block whose header ends at `start`."""
    match = _next_statement(indent).search(lines, start)
    return match.start() + 1 if match else len(lines)


def _skeleton(text: str, lines: str, headers: tuple[UnitHeader, ...]) -> UnitText:
    raw = text.split("\n")
    kept = lines.split("\n")
    builder = _Builder()
    row = 1
    for header in headers[1:]:
        builder.add_rows(raw, kept, row, header.first_row)
        builder.add(raw[header.row - 1][: header.indent] + _STUB.format(header.index), header.row)
        row = header.last_row + 1
    builder.add_rows(raw, kept, row, len(raw) + 1)
    return builder.build()


class _Builder:
    """Collects the lines of a unit's text."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._rows: list[int] = []
        self._shifts: dict[int, int] = {}

    def add(self, line: str, row: int, *, starts: bool = True) -> None:
        if starts and "\f" in line:
            # A form feed in the indentation starts it anew; libcst would take it for part of the indentation.
            indentation = len(line) - len(line.lstrip(" \t\f"))
            shift = line.rfind("\f", 0, indentation) + 1
            if shift:
                self._shifts[len(self._lines)] = shift
                line = line[shift:]
        self._lines.append(line)
        self._rows.append(row)

    def add_rows(self, raw: list[str], kept: list[str], start: int, stop: int) -> None:
        for row in range(start, stop):
            line = kept[row - 1]
            if line and not line.isspace():
                self.add(raw[row - 1], row, starts=not line.startswith(CONTINUED))

    def build(self) -> UnitText:
        return UnitText("\n".join(self._lines) + "\n", tuple(self._rows), self._shifts)

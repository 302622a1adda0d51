"""A code frame: some rows of a file with a span marked.

     --> train.py:9:12
      |
    8 | net = DataParallel(Net())
    9 | torch.save(net.state_dict(), path)
      |            ^^^^^^^^^^^^^^^^
      |

Tabs are shown as spaces up to the next multiple of four, so that carets stand under what they mark whatever the
terminal thinks of tabs; wide characters (CJK, emoji) take two cells, combining ones none, control characters are shown
as U+FFFD. A span of several rows is marked on each of its rows, of a long one the first and the last rows.
"""

from __future__ import annotations

import unicodedata

from ckptlint.findings import Span
from ckptlint.report.paint import Paint

_TAB = 4
_MOST_MARKED_ROWS = 6
_LONGEST_LINE = 240


def frame(title: str, text: str, span: Span, paint: Paint, context: int = 2) -> list[str]:
    """The lines of a frame, `title` first, for the span of a text, which has "\\n" line ends."""
    lines = text.split("\n")
    if span.start.row > len(lines):  # the file changed while it was looked at
        return [f" {paint.blue('-->')} {title}"]
    last_row = span.end.row - 1 if span.end.column == 1 and span.end.row > span.start.row else span.end.row
    last_row = min(max(last_row, span.start.row), len(lines))
    first = max(1, span.start.row - context)
    last = min(len(lines), last_row + context)
    while first < span.start.row and not lines[first - 1].strip():
        first += 1
    while last > last_row and not lines[last - 1].strip():
        last -= 1
    width = len(str(last))
    gutter = " " * width + " |"
    result = [f"{' ' * width}{paint.blue('-->')} {title}", paint.blue(gutter)]
    for row in _rows(first, last, span.start.row, last_row):
        if row is None:
            result.append(paint.blue("." * width))
            continue
        line = lines[row - 1]
        cells = _cells(line)
        result.append(f"{paint.blue(f'{row:>{width}} |')} {_shown(line)}".rstrip())
        if span.start.row <= row <= last_row:
            start = span.start.column - 1 if row == span.start.row else len(line) - len(line.lstrip())
            end = span.end.column - 1 if row == span.end.row else len(line.rstrip())
            start, end = min(start, len(line)), min(max(end, start), len(line))
            if end > start or span.start.row == last_row:
                carets = "^" * max(1, cells[end] - cells[start])
                result.append(f"{paint.blue(gutter)} {' ' * cells[start]}{paint.bold(carets[:_LONGEST_LINE])}")
    result.append(paint.blue(gutter))
    return result


def _rows(first: int, last: int, marked_first: int, marked_last: int) -> list[int | None]:
    """The rows to show; None stands for rows left out of a long span."""
    if marked_last - marked_first < _MOST_MARKED_ROWS:
        return list(range(first, last + 1))
    head = marked_first + _MOST_MARKED_ROWS // 2
    return [*range(first, head), None, *range(marked_last, last + 1)]


def _cells(line: str) -> list[int]:
    """How many cells lie before each character, and before the end."""
    cells = [0]
    for character in line:
        cells.append(cells[-1] + _width(character, cells[-1]))
    return cells


def _width(character: str, column: int) -> int:
    if " " <= character < "\x7f":
        return 1
    if character == "\t":
        return _TAB - column % _TAB
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _shown(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line[:_LONGEST_LINE]
    pieces: list[str] = []
    column = 0
    for character in line[:_LONGEST_LINE]:
        width = _width(character, column)
        if character == "\t":
            pieces.append(" " * width)
        elif unicodedata.category(character) in ("Cc", "Cf"):
            pieces.append("\ufffd" if width else "")
        else:
            pieces.append(character)
        column += width
    return "".join(pieces)

"""Reading what can be read of a text that does not parse.

The statements of the text are tried one by one, and each that does not parse is replaced, on its own rows, by one that
does and means *unknown*, so that the rest keeps its place:

    x = x.cuda(async=True)           becomes   x = x.cuda(a5ync=True), which is lowered as it was written
    weights = `model`                          weights = __ckptlint_unreadable__
    print "epoch", epoch                       __ckptlint_unreadable__

The targets of an assignment are kept: what they held before is gone, whatever the right side is. After that the whole
is parsed once more; if it still fails (unbalanced indentation), nothing of it is read.
"""

from __future__ import annotations

import re

import libcst as cst
import msgspec

from ckptlint.facts.extract.limits import MAX_SECONDS, measure
from ckptlint.facts.extract.lowering import ASYNC_ARGUMENT, UNREADABLE
from ckptlint.facts.extract.parse import NO_PYTHON, parse, reason
from ckptlint.facts.lines import CONTINUED, outline
from ckptlint.source import UnreadableSource

# `async` became a keyword in Python 3.7, and much code of the years before says `x.cuda(async=True)`.
_ASYNC_ARGUMENT = re.compile(r"(?<=[(,\s])async(?=[ \t]*=[^=])")
_ASSIGNMENT = re.compile(r"[\w.\[\]\"']+(?:[ \t]*,[ \t]*[\w.]+)*[ \t]*=(?!=)")
_WORD = re.compile(r"async[ \t]+\w+|\w+|@")
# What has to stand before a header so that it is a statement; an indented body follows it.
_BEFORE = {
    "elif": "if 0:\n pass\n",
    "else": "if 0:\n pass\n",
    "except": "try:\n pass\n",
    "finally": "try:\n pass\n",
    "case": "match 0:\n ",
}
_AFTER = {
    "try": "\n pass\nfinally:\n pass\n",
    "case": "\n  pass\n",
    "match": "\n case 0: pass\n",
    "@": "\ndef f(): pass\n",
}
# A header that cannot be read becomes one of the same kind, so that its body is read.
_INSTEAD = {
    "if": f"if {UNREADABLE}:",
    "elif": f"elif {UNREADABLE}:",
    "while": f"while {UNREADABLE}:",
    "for": f"for _ in {UNREADABLE}:",
    "with": f"with {UNREADABLE}:",
    "except": "except:",
    "def": f"def {UNREADABLE}(*_, **__):",
    "class": f"class {UNREADABLE}:",
    "@": f"@{UNREADABLE}",
}


# Each statement that is tried costs some 0.1 ms.
MAX_STATEMENTS = 5_000


class Recovered(msgspec.Struct, frozen=True):
    """A text that parses, row by row like the one that did not, its tree, and what could not be read."""

    text: str
    module: cst.Module
    unreadable: tuple[UnreadableSource, ...]


def recover(text: str, error: UnreadableSource) -> Recovered:
    """Replace the statements that do not parse; raises `error`, that of the whole text, when there are none."""
    lines = text.split("\n")
    statements = _statements(text)
    if len(statements) > MAX_STATEMENTS:
        raise error
    errors: list[UnreadableSource] = []
    seconds = MAX_SECONDS
    for first, last, is_header in statements:
        written = "\n".join(lines[first:last]).rstrip()
        bare = written.lstrip(" \t")
        found = _error(bare, is_header, seconds)
        if found is None:
            seconds -= measure(bare).seconds
            continue
        indent = written[: len(written) - len(bare)]
        row, column = first + 1, len(indent) + 1
        renamed = _ASYNC_ARGUMENT.sub(ASYNC_ARGUMENT, written)
        if renamed != written and _error(renamed.lstrip(" \t"), is_header, seconds) is None:
            why = "since Python 3.7 async cannot name an argument: write non_blocking=True"
            errors.append(UnreadableSource(why, row, column))
            lines[first : first + renamed.count("\n") + 1] = renamed.split("\n")
            continue
        errors.append(UnreadableSource(found, row, column))
        lines[first:last] = [indent + _instead(bare, is_header)] + [""] * (last - first - 1)
    if not errors:
        raise error
    mended = "\n".join(lines)
    return Recovered(mended, parse(mended), tuple(errors))


def _statements(text: str) -> list[tuple[int, int, bool]]:
    """For each statement or header: its first line, the line after it (from 0), and whether it opens a block."""
    kept = outline(text).split("\n")
    starts = [row for row, line in enumerate(kept) if line and not line.isspace() and not line.startswith(CONTINUED)]
    ends = [*starts[1:], len(kept)] if starts else []
    return [
        (start, end, "".join(kept[start:end]).rstrip(" \t" + CONTINUED).endswith(":"))
        for start, end in zip(starts, ends, strict=True)
    ]


def _word(written: str) -> str:
    match = _WORD.match(written)
    return match[0].removeprefix("async").strip() if match else ""


def _error(written: str, is_header: bool, seconds: float = MAX_SECONDS) -> str | None:
    """Why one statement or header cannot be read, in the seconds that are left."""
    if measure(written).seconds > seconds:
        return "together with what is above it, this would take too long to be parsed"
    word = _word(written)
    after = _AFTER.get(word, "\n pass\n") if is_header or word == "@" else "\n"
    try:
        parse(_BEFORE.get(word, "") + written + after)
    except UnreadableSource as error:
        return reason(written, 1) if error.reason.startswith(NO_PYTHON) else error.reason
    return None


def _instead(written: str, is_header: bool) -> str:
    word = _word(written)
    if is_header or word == "@":
        return _INSTEAD.get(word, UNREADABLE)
    assignment = _ASSIGNMENT.match(written)
    if assignment and _error(f"{assignment[0]} {UNREADABLE}", False) is None:
        return f"{assignment[0]} {UNREADABLE}"
    if word in ("elif", "else", "except", "finally", "case"):
        return _INSTEAD.get(word, f"{word}:") + " " + UNREADABLE
    return UNREADABLE

"""What must be true of a file after its edits: it still parses, and no comment is lost.

Every comment of the old text is in the new text, as often as before, except a comment that an edit is about: when
`# noqa: CKPT101` suppresses nothing, removing it is what was asked for.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterable

from ckptlint.findings import Edit
from ckptlint.fixes.edit import line_starts, offset

_LOOKS_LIKE_COMMENT = re.compile(r"#[^\n]*")


def damage(old: str, new: str, edits: Iterable[Edit]) -> str | None:
    """What is wrong with `new`, made from `old` by `edits`, in words that follow "the file"; None when it is sound.

    It must be read by the parser that reads `old`: Python's own, else libcst's.
    """
    reads = next((reads for reads in (_python_reads, _libcst_reads) if reads(old)), None)
    if reads is None:
        return "cannot be parsed as it is, so no fix can be checked"
    if not reads(new):
        return "would not parse any more"
    edited = tuple(edits)
    kept = Counter(text for start, end, text in comments(old) if not _is_about(start, end, old, edited))
    lost = kept - Counter(text for _, _, text in comments(new))
    if lost:
        return f"would lose the comment {min(lost)!r}"
    return None


def _python_reads(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _libcst_reads(text: str) -> bool:
    import libcst  # noqa: PLC0415  (0.2 s that only a file unknown to this Python costs)

    try:
        libcst.parse_module(text)
    except (libcst.ParserSyntaxError, RecursionError):
        return False
    return True


def comments(text: str) -> list[tuple[int, int, str]]:
    """The comments of `text`: offset of the "#", offset of the end, the comment."""
    starts = line_starts(text)
    found: list[tuple[int, int, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="\n").readline):
            if token.type == tokenize.COMMENT:
                start = starts[token.start[0] - 1] + token.start[1]
                found.append((start, start + len(token.string.rstrip()), token.string.rstrip()))
    except (tokenize.TokenError, SyntaxError):
        # Old Python that the tokenizer stops at: all that looks like a comment counts, strings included.
        return [(match.start(), match.end(), match.group().rstrip()) for match in _LOOKS_LIKE_COMMENT.finditer(text)]
    return found


def _is_about(start: int, end: int, text: str, edits: tuple[Edit, ...]) -> bool:
    """Whether an edit changes the comment from `start` to `end` and nothing around it but white space."""
    starts = line_starts(text)
    for edit in edits:
        first, last = offset(edit.place.span.start, starts, text), offset(edit.place.span.end, starts, text)
        if first is None or last is None:
            continue
        if first == last:
            if start < first < end or (first == end and not edit.content.startswith("\n")):
                return True
            continue
        replaced = text[first:last]
        left = first + len(replaced) - len(replaced.lstrip())
        right = last - (len(replaced) - len(replaced.rstrip()))
        if start <= left < right <= end:
            return True
    return False

"""What must be true of a file after its edits: it still parses, and no comment is lost.

Every comment of the old text is in the new text, as often as before, except a comment that an edit is about: when
`# noqa: CKPT101` suppresses nothing, removing it is what was asked for.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable

from ckptlint.findings import Edit
from ckptlint.fixes.edit import line_starts, offset
from ckptlint.fixes.quiet import module_of

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
    changed = _changed(old, edits)
    kept = Counter(text for start, end, text in comments(old) if not _is_about(start, end, changed))
    lost = kept - Counter(text for _, _, text in comments(new))
    if lost:
        return f"would lose the comment {min(lost)!r}"
    return None


def _python_reads(text: str) -> bool:
    return module_of(text) is not None


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


def _changed(text: str, edits: Iterable[Edit]) -> list[tuple[int, int, bool]]:
    """Where edits change `text`, white space at the ends left out, and whether a line is broken there."""
    starts = line_starts(text)
    found: list[tuple[int, int, bool]] = []
    for edit in edits:
        first, last = offset(edit.place.span.start, starts, text), offset(edit.place.span.end, starts, text)
        if first is not None and last is not None:
            old = text[first:last]
            left = first + len(old) - len(old.lstrip())
            found.append((left, max(left, last - len(old) + len(old.rstrip())), edit.content.startswith("\n")))
    return found


def _is_about(start: int, end: int, changed: list[tuple[int, int, bool]]) -> bool:
    """Whether an edit changes the comment from `start` to `end` and nothing around it but white space."""
    for first, last, breaks_line in changed:
        if first == last and not start < first < end and (first != end or breaks_line):
            continue
        if start <= first <= last <= end:
            return True
    return False

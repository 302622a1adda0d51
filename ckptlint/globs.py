"""Globs to regular expressions, in the two dialects that users of ruff and git expect.

path globs (exclude, per-file-ignores)   `*` crosses "/", `{a,b}` is either: src/gen*  matches src/gen/x.py
gitignore                                `*` stops at "/":                   src/gen*  matches src/gen
"""

from __future__ import annotations

import re
from functools import cache

_MAGIC = re.compile(r"[*?\[{]")
_SET_SPECIAL = re.compile(r"[\\\[\]&~|^]")
_SPECIAL = re.compile(
    r"(?P<leading>\A\*\*/)|(?P<middle>/\*\*/)|(?P<trailing>/\*\*\Z)|(?P<stars>\*+)|(?P<one>\?)"
    r"|(?P<set>\[[!^]?\]?[^\]]*\])|(?P<escape>\\.)|(?P<open>\{)|(?P<comma>,)|(?P<close>\})",
    re.DOTALL,
)


def is_literal(pattern: str) -> bool:
    """Whether the pattern stands for its own text only."""
    return not _MAGIC.search(pattern) and "\\" not in pattern


def path_regex(pattern: str) -> str:
    """The regular expression of a path glob; `*` and `?` also match "/"."""
    return _translate(pattern, any_one=".", braces=True)


def gitignore_regex(pattern: str) -> str:
    """The regular expression of a gitignore glob; `*` and `?` don't match "/"."""
    return _translate(pattern, any_one="[^/]", braces=False)


@cache
def _translate(pattern: str, *, any_one: str, braces: bool) -> str:
    braces = braces and pattern.count("{") == pattern.count("}")
    pieces: list[str] = []
    depth = 0
    at = 0
    for match in _SPECIAL.finditer(pattern):
        pieces.append(re.escape(pattern[at : match.start()]))
        at = match.end()
        text = match.group()
        kind = match.lastgroup
        if kind == "leading":
            piece = "(?:.*/)?"
        elif kind == "middle":
            piece = "/(?:.*/)?"
        elif kind == "trailing":
            piece = "/.*"
        elif kind == "stars":
            piece = any_one + "*"
        elif kind == "one":
            piece = any_one
        elif kind == "set":
            negated = text[1] in "!^"
            members = text[2:-1] if negated else text[1:-1]
            piece = ("[^" if negated else "[") + _SET_SPECIAL.sub(r"\\\g<0>", members) + "]"
        elif kind == "escape":
            piece = re.escape(text[1])
        elif kind == "open" and braces:
            depth += 1
            piece = "(?:"
        elif kind == "close" and braces and depth:
            depth -= 1
            piece = ")"
        elif kind == "comma" and depth:
            piece = "|"
        else:
            piece = re.escape(text)
        pieces.append(piece)
    pieces.append(re.escape(pattern[at:]))
    return "".join(pieces)

"""Which lines of a text begin a statement, found with regular expressions alone.

`outline` takes away what hides the lines: comments go, strings and bracket pairs (with all that is in them) become a
dollar sign, and a line that continues the one before it is marked by a NUL character (which no source holds) at its
beginning. Rows stay, columns don't:

    x = f(1,          becomes      x = f$
          "(")                     \\0
    # done                         (an empty line)

Bracket pairs are taken away from the inside out, all innermost pairs of the text in one pass, so the number of passes
is the depth of the nesting. Python itself gives up at 200 nested brackets; what is deeper is left standing, as is an
unclosed bracket: the parser will say what is wrong there, and the lines below it are still seen.
"""

from __future__ import annotations

import re

CONTINUED = "\0"
HIDDEN = "$"
MAX_BRACKET_DEPTH = 200

_HIDING = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    r"|#[^\n]*"
    r"|\\\n",
    re.DOTALL,
)
_PAIR_IN_LINE = re.compile(r"\([^()\[\]{}\n]*\)|\[[^()\[\]{}\n]*\]|\{[^()\[\]{}\n]*\}")
_PAIR = re.compile(r"\([^()\[\]{}]*\)|\[[^()\[\]{}]*\]|\{[^()\[\]{}]*\}")
_FORM_FEED = re.compile(r"^[ \t\f]*\f", re.MULTILINE)


def outline(text: str) -> str:
    """The text with as many lines, in which every line that is neither blank nor marked begins a statement."""
    text = _HIDING.sub(_without_content, text)
    passes = 0
    removed = 1
    while removed and passes < MAX_BRACKET_DEPTH:
        text, removed = _PAIR_IN_LINE.subn(HIDDEN, text)
        passes += 1
    removed = 1
    while removed and passes < MAX_BRACKET_DEPTH:
        text, removed = _PAIR.subn(_line_breaks, text)
        passes += 1
    return _FORM_FEED.sub("", text) if "\f" in text else text


def code_only(text: str) -> str:
    """The text with as many lines, without comments and without what stands in strings."""
    return _HIDING.sub(_without_content, text)


def _without_content(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] == "#":
        return ""
    breaks = found.count("\n")
    if found[0] == "\\":
        return "\n" + CONTINUED
    return HIDDEN + ("\n" + CONTINUED) * breaks


def _line_breaks(match: re.Match[str]) -> str:
    return HIDDEN + ("\n" + CONTINUED) * match[0].count("\n")

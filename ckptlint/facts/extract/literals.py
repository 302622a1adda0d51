"""The values of number and string literals, as Python reads them.

`ast.literal_eval` would do, but it is slow for hundreds of thousands of strings, and it warns about `"\\d"` on standard
error. A literal whose value the picture of a file cannot hold gives None: bytes, complex numbers, integers beyond 64
bits, strings with half a surrogate pair, and escapes that are wrong.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPE = re.compile(
    r"\\(\n|[\\'\"abfnrtv]|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]+\})",
)
_SIMPLE = {
    "\n": "",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
_SURROGATE = re.compile("[\ud800-\udfff]")


def integer(text: str) -> int | None:
    """The value of an integer literal that fits into 64 bits."""
    try:
        value = int(text.replace("_", ""), 0)
    except ValueError:
        return None
    return value if value < 1 << 63 else None


def floating(text: str) -> float | None:
    """The value of a float literal."""
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return None


def string(text: str) -> str | None:
    """The value of one string literal with its prefix and quotes; None for bytes."""
    quote = text[-1]
    start = text.index(quote)
    prefix = text[:start].lower()
    if "b" in prefix:
        return None
    width = 3 if text.startswith(quote * 3, start) and len(text) >= start + 6 else 1
    body = text[start + width : -width]
    if "\\" not in body or "r" in prefix:
        return body if body.isascii() else _whole(body)
    return unescape(body)


def unescape(body: str) -> str | None:
    """`body` with its backslash escapes replaced; an escape that Python does not know stays as it is."""
    try:
        return _whole(_ESCAPE.sub(_character, body))
    except (KeyError, ValueError, OverflowError):
        return None


def _character(match: re.Match[str]) -> str:
    code = match[1]
    simple = _SIMPLE.get(code)
    if simple is not None:
        return simple
    if code[0] in "xuU":
        return chr(int(code[1:], 16))
    if code[0] == "N":
        return unicodedata.lookup(code[2:-1])
    return chr(int(code, 8))


def _whole(value: str) -> str | None:
    return None if _SURROGATE.search(value) else value

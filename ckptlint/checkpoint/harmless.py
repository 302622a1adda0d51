"""Text from a stranger, made safe to print.

A key or a class name in a checkpoint can hold control characters, which a terminal obeys, characters that turn the
direction of writing, lone surrogates, which cannot be encoded at all, or a megabyte of letters.
"""

from __future__ import annotations


def harmless(text: str, limit: int = 2000) -> str:
    """`text` with everything that does not print escaped, and cut at `limit` characters."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)

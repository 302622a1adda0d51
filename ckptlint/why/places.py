"""A place in the source that explains an error."""

from __future__ import annotations

import msgspec


class SourcePlace(msgspec.Struct, frozen=True):
    """`filename` is absolute; `row` and `column` count from 1; `code` is that of a rule, or ""."""

    filename: str
    row: int
    column: int
    message: str
    code: str = ""

"""What a run reports: places, findings, and the fixes that mend them.

The lowest layer: it imports nothing of ckptlint. Rows and columns count from 1, columns in characters (code points);
an end position is exclusive. Paths are relative to the root of the project, with forward slashes, until a report
prints them.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Severity(str, Enum):
    """How bad it is; ordered by `rank`."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(str, Enum):
    """How sure the analysis is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Applicability(str, Enum):
    """`SAFE` is applied by `--fix`, `UNSAFE` only with `--unsafe-fixes`, `DISPLAY` is shown and never applied."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY = "display"


class Position(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A row and a column, both from 1."""

    row: int
    column: int


class Span(msgspec.Struct, frozen=True, order=True, array_like=True):
    """From `start` up to, not including, `end`."""

    start: Position
    end: Position


class Place(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A span of a file; `path` is relative to the root."""

    path: str
    span: Span


class Related(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Another place that belongs to the story of a finding, perhaps in another file."""

    place: Place
    message: str


class Edit(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Replace the text of `place` by `content` (with "\\n" line ends; the file's own style is restored on writing)."""

    place: Place
    content: str


class Fix(msgspec.Struct, frozen=True, array_like=True):
    """Edits that are applied all or none, perhaps over several files."""

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """One thing to tell the user.

    `statement` is the span of the whole statement around the place: a suppression comment on any of its lines counts.
    """

    code: str
    name: str
    message: str
    severity: Severity
    confidence: Confidence
    place: Place
    statement: Span
    related: tuple[Related, ...] = ()
    fix: Fix | None = None

    @property
    def order(self) -> tuple[Place, str, str]:
        """Findings are reported in this order, whatever order they were found in."""
        return (self.place, self.code, self.message)

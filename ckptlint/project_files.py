"""The files in which a project says what it needs, as texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

#: Bytes; a bigger file is no declaration.
_LARGEST = 200_000


def texts(root: Path, patterns: Iterable[str]) -> Iterator[str]:
    """The texts of the files below `root` that fit the patterns, in the order of these; unreadable ones left out."""
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            try:
                if path.stat().st_size <= _LARGEST:
                    yield path.read_text("utf-8", errors="replace")
            except OSError:
                continue

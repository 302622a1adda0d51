"""A plan as a patch: unified diffs as ruff writes them, `--- path` and `+++ path` without a/ and b/ (`patch -p0`)."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from ckptlint.fixes.plan import Plan


def unified(plan: Plan, read: Callable[[str], str], root: Path) -> str:
    """The patch that applying `plan` amounts to, files in order of their path; "" when nothing changes.

    `read` gives the text before. Paths are shown relative to the current directory where they lie below it.
    """
    return "".join(
        file_diff(shown(root / path), read(path), plan.files[path])
        for path in sorted(plan.files)
        if read(path) != plan.files[path]
    )


def file_diff(name: str, old: str, new: str) -> str:
    """The unified diff of one text, headed by `name`; a last line without a newline is marked as git marks it."""
    lines = difflib.unified_diff(_lines(old), _lines(new), fromfile=name, tofile=name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def shown(path: Path) -> str:
    """How a path is shown: relative to the current directory where it lies below it, else absolute."""
    absolute = Path(os.path.normpath(path.absolute()))
    try:
        return absolute.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return absolute.as_posix()


def _lines(text: str) -> list[str]:
    """The lines with their "\\n"; a form feed or a lone "\\r" ends no line."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])

"""Asking ckptlint, through its command, in this process.

Only the command line and the JSON are used, so nothing here depends on how ckptlint works inside. The command is called
as a function, which saves the start of a Python for each of 20,000 projects.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import msgspec

from ckptlint.__main__ import main

_CHECK = ("check", "--isolated", "--no-cache", "--preview", "--select", "ALL", "-j", "1")


class Answer(msgspec.Struct, frozen=True):
    """One finding: where, what, and the applicability of its fix ("" without one)."""

    code: str
    path: str
    row: int
    message: str
    severity: str
    fix: str


class CrashedError(Exception):
    """The command ended with 2, or with an exception of its own."""


def _call(arguments: list[str]) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
        except Exception as error:
            raise CrashedError(f"{type(error).__name__}: {error}") from error
    if code not in (0, 1):
        raise CrashedError(err.getvalue().strip()[-300:] or f"exit code {code}")  # the end says what it was
    return out.getvalue()


def findings_of(directory: str) -> tuple[Answer, ...]:
    """All findings in a project folder, in the order reported. Raises CrashedError."""
    root = Path(directory).resolve()
    text = _call([*_CHECK, "--exit-zero", "--output-format", "json", "--root", str(root), str(root)])
    return tuple(
        Answer(
            one["code"],
            Path(one["filename"]).relative_to(root).as_posix(),
            one["location"]["row"],
            one["message"],
            one["severity"],
            one["fix"]["applicability"] if one["fix"] else "",
        )
        for one in json.loads(text)
    )


def fix(directory: str, unsafe: bool) -> None:
    """Apply fixes in a project folder. Raises CrashedError."""
    root = str(Path(directory).resolve())
    flags = ["--fix", "--unsafe-fixes"] if unsafe else ["--fix"]
    _call([*_CHECK, *flags, "--exit-zero", "--output-format", "json", "--root", root, root])


def write_files(files: tuple[tuple[str, str], ...], directory: str) -> None:
    """Lay a project out."""
    for path, text in files:
        target = Path(directory) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def read_files(files: tuple[tuple[str, str], ...], directory: str) -> tuple[tuple[str, str], ...]:
    """The same files as they are now."""
    return tuple((path, (Path(directory) / path).read_text(encoding="utf-8")) for path, _ in files)

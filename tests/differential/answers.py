"""Asking ckptlint, through its command, in this process.

Only the command line and the JSON are used, so nothing here depends on how ckptlint works inside. The command is called
as a function, which saves the start of a Python for each of 20,000 projects. Its looks at one project are many and
mostly at the same files: `--fix` begins with the look that `check` ended with, and ends with the one that a second
`--fix` begins with. So the analyzer that the command is given remembers, until the next project, what a look at the
same bytes found.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ckptlint.cli.dispatch import run
from ckptlint.engine import Analyzer, Settings, builtin_analyzer, solve_project
from ckptlint.facts.store import FactStore
from ckptlint.findings import Finding
from ckptlint.rules.base import Registry, Rule

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


class Looks:
    """What was found in the files of one project, by their bytes, in all the forms that fixing gave them."""

    def __init__(self) -> None:
        self._solved: dict[tuple[tuple[str, bytes], ...], _Solved] = {}
        rules = [_remembering(rule) for rule in builtin_analyzer().registry.rules.values()]
        self.analyzer = Analyzer(Registry(rules), self._solve)

    def forget(self) -> None:
        """Another project begins."""
        self._solved.clear()

    def _solve(self, store: FactStore, settings: Settings) -> _Solved:
        key = tuple((path, store.data(path)) for path in store.files)
        if key not in self._solved:
            self._solved[key] = _Solved(solve_project(store, settings))
        return self._solved[key]


class _Solved:
    """A solved project and what the rules that have asked it found."""

    def __init__(self, project: Any) -> None:
        self.project = project
        self.found: dict[str, tuple[Finding, ...]] = {}


def _remembering(rule: type[Rule]) -> type[Rule]:
    """The rule, asking each solved project once."""

    def check(self: Rule, solved: Any) -> Iterator[Finding]:
        if rule.code not in solved.found:
            solved.found[rule.code] = tuple(rule.check(self, solved.project))
        return iter(solved.found[rule.code])

    return type(rule.__name__, (rule,), {"check": check, "__doc__": rule.__doc__})


_LOOKS = Looks()


def _call(arguments: list[str]) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(arguments, _LOOKS.analyzer)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
        except Exception as error:
            raise CrashedError(f"{type(error).__name__}: {error}") from error
    if code not in (0, 1):
        raise CrashedError(err.getvalue().strip()[-300:] or f"exit code {code}")  # the end says what it was
    return out.getvalue()


def findings_of(directory: str) -> tuple[Answer, ...]:
    """All findings in a project folder, in the order reported. Raises CrashedError."""
    _LOOKS.forget()
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

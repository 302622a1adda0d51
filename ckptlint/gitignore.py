"""Which files git ignores, for the files a Python tool asks about.

One `.gitignore` becomes a few *groups*: neighbouring patterns of one polarity. The last pattern that matches decides,
so groups are asked from the last to the first, and a file deeper in the tree is asked before one higher up:

    *.py        group 1: ignore   {*.py}
    !keep.py    group 2: keep     {keep.py}

Almost no pattern of a usual `.gitignore` (`*.so`, `.env`, `dist/`) can match a Python file. Those are left out for
files when the patterns are read, so that asking costs next to nothing. Nothing is read from the user's home: the same
project gives the same answer on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ckptlint.globs import gitignore_regex, is_literal

_LAST_MAGIC = re.compile(r".*[*?\[\]]", re.DOTALL)


class Pattern(NamedTuple):
    """One line of a `.gitignore`. `anchored`: matched against the path below its folder, else against the name."""

    glob: str
    keep: bool
    anchored: bool
    folders_only: bool


class Group(NamedTuple):
    """Neighbouring patterns of one polarity."""

    keep: bool
    names: frozenset[str]
    name: re.Pattern[str] | None
    path: re.Pattern[str] | None

    def matches(self, name: str, path: str) -> bool:
        """Whether any pattern of the group matches."""
        return (
            name in self.names
            or (self.name is not None and self.name.match(name) is not None)
            or (self.path is not None and self.path.match(path) is not None)
        )


class GitIgnore:
    """The patterns of one `.gitignore`; paths are relative to the folder it lies in, with forward slashes."""

    __slots__ = ("_files", "_folders", "start")

    def __init__(self, text: str, suffixes: tuple[str, ...], start: int = 0) -> None:
        """`suffixes`: how the files asked about end; `start`: where a path below the folder begins."""
        patterns = [pattern for line in text.splitlines() if (pattern := parse_line(line))]
        self._folders = _group(patterns)
        self._files = _group(
            pattern for pattern in patterns if not pattern.folders_only and _can_end_in(pattern.glob, suffixes)
        )
        self.start = start

    def ignores(self, name: str, path: str, *, folder: bool) -> bool | None:
        """True: ignored; False: kept by a `!` pattern; None: no pattern matches."""
        for group in self._folders if folder else self._files:
            if group.matches(name, path):
                return not group.keep
        return None

    @property
    def says_nothing_of_files(self) -> bool:
        """Whether no pattern can match a file with one of the suffixes."""
        return not self._files


def parse_line(line: str) -> Pattern | None:
    """One line; None for a comment or an empty one."""
    line = re.sub(r"(?<!\\)[ \t]+\Z", "", line.rstrip("\r"))
    if not line or line.startswith("#"):
        return None
    keep = line.startswith("!")
    if keep:
        line = line[1:]
    folders_only = line.endswith("/")
    line = line.rstrip("/") if folders_only else line
    anchored = "/" in line
    line = line[1:] if line.startswith("/") else line
    if line.startswith("**/") and "/" not in line[3:]:
        line, anchored = line[3:], False
    return Pattern(line, keep, anchored, folders_only) if line else None


def _can_end_in(glob: str, suffixes: tuple[str, ...]) -> bool:
    tail = _LAST_MAGIC.sub("", glob)
    if tail == glob:
        return glob.endswith(suffixes)
    return not tail or "\\" in tail or any(tail.endswith(suffix) or suffix.endswith(tail) for suffix in suffixes)


def _group(patterns: Iterable[Pattern]) -> tuple[Group, ...]:
    runs: list[list[Pattern]] = []
    for pattern in patterns:
        if runs and runs[-1][-1].keep == pattern.keep:
            runs[-1].append(pattern)
        else:
            runs.append([pattern])
    return tuple(
        Group(
            run[0].keep,
            frozenset(p.glob for p in run if not p.anchored and is_literal(p.glob)),
            _compile(p.glob for p in run if not p.anchored and not is_literal(p.glob)),
            _compile(p.glob for p in run if p.anchored),
        )
        for run in reversed(runs)
    )


def _compile(globs: Iterable[str]) -> re.Pattern[str] | None:
    alternatives = [gitignore_regex(glob) for glob in globs]
    if not alternatives:
        return None
    try:
        return re.compile("(?:" + "|".join(alternatives) + r")\Z", re.DOTALL)
    except re.error:  # a bad set such as [z-a]: git ignores that one line, so must we
        good = [alternative for alternative in alternatives if _is_regex(alternative)]
        return re.compile("(?:" + "|".join(good) + r")\Z", re.DOTALL) if good else None


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True

"""Choose which fixes can be applied together, and make the new text of every file.

Fixes are taken in the order of their findings, each whole or not at all. A fix whose edit excludes an edit that was
accepted before *waits*: it is asked for again by the next pass over the mended files. A fix is *refused* when it needs
a file that may not be written, or leaves a file broken:

    CKPT101 a.py:3   a.py, b.py    accepted
    CKPT301 b.py:9   b.py          the same edit of b.py: already there, accepted
    CKPT305 b.py:9   b.py          another edit of the same characters: waits
    CKPT102 c.py:1   c.py, lib.py  lib.py was not given: refused

Files are checked once, with all edits; only when one turns out broken are the fixes tried one by one, to find the
guilty one. The order in which findings are given does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

import msgspec

from ckptlint.findings import Applicability, Finding, Fix
from ckptlint.fixes.check import damage
from ckptlint.fixes.edit import Accepted, conflict, line_starts, replaced


class Plan(msgspec.Struct, frozen=True):
    """What applying fixes will do.

    `files` gives the new text of each changed file by its path relative to the root, with "\\n" line ends. `refused`
    has the reason in plain words. The fixes in `waiting` touch characters that an applied fix changes: ask again
    afterwards.
    """

    files: dict[str, str]
    applied: tuple[Finding, ...] = ()
    refused: tuple[tuple[Finding, str], ...] = ()
    waiting: tuple[Finding, ...] = ()


def plan(
    findings: Iterable[Finding],
    read: Callable[[str], str],
    allowed: frozenset[Applicability],
    writable: Callable[[str], bool],
) -> Plan:
    """Choose the fixes to apply, and make the new texts.

    `read` gives the text of a file by its relative path; an OSError from it refuses the fixes that need the file.
    Findings without a fix, or with one that is not `allowed`, take no part. `writable` says which files may be changed.
    """
    texts = _Texts(read)
    refused: list[tuple[Finding, str]] = []
    candidates: list[tuple[Finding, Fix]] = []
    for finding, fix in sorted(_with_fix(findings), key=lambda item: (item[0].order, item[1].edits, item[1].message)):
        if fix.applicability not in allowed or fix.applicability is Applicability.DISPLAY:
            continue
        reason = _obstacle(fix, texts, writable)
        if reason is None:
            candidates.append((finding, fix))
        else:
            refused.append((finding, reason))
    chosen = _Choice(texts)
    for finding, fix in candidates:
        chosen.take(finding, fix)
    if any(chosen.damage(path) for path in chosen.files):
        chosen = _Choice(texts)
        for finding, fix in candidates:
            reason = chosen.take_if_sound(finding, fix)
            if reason is not None:
                refused.append((finding, reason))
    return Plan(
        files={path: chosen.text(path) for path in sorted(chosen.files)},
        applied=tuple(chosen.applied),
        refused=tuple(sorted(refused, key=lambda item: (item[0].order, item[1]))),
        waiting=tuple(chosen.waiting),
    )


def paths_of(fix: Fix) -> list[str]:
    """The files that a fix changes, sorted."""
    return sorted({edit.place.path for edit in fix.edits})


def _with_fix(findings: Iterable[Finding]) -> Iterator[tuple[Finding, Fix]]:
    for finding in findings:
        if finding.fix is not None:
            yield finding, finding.fix


class _Texts:
    """The texts as they were analysed, each read once."""

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read
        self._texts: dict[str, str] = {}
        self._starts: dict[str, tuple[int, ...]] = {}

    def __getitem__(self, path: str) -> str:
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def starts(self, path: str) -> tuple[int, ...]:
        if path not in self._starts:
            self._starts[path] = line_starts(self[path])
        return self._starts[path]


def _obstacle(fix: Fix, texts: _Texts, writable: Callable[[str], bool]) -> str | None:
    """Why a fix cannot be applied at all."""
    paths = paths_of(fix)
    foreign = [path for path in paths if not writable(path)]
    if foreign:
        return f"it also has to change {', '.join(foreign)}, which {_was(foreign)} not given to be fixed"
    changes = False
    for path in paths:
        try:
            text = texts[path]
        except OSError as error:
            return f"{path} cannot be read: {error.strerror or error}"
        here = [edit for edit in fix.edits if edit.place.path == path]
        before = [replaced(edit, text, texts.starts(path)) for edit in here]
        changes = changes or before != [edit.content for edit in here]
        if None in before:
            return f"{path} is not the file that was analysed: a place to be changed is not there"
    if any(conflict(one, other) for one, other in combinations(fix.edits, 2)):
        return "its own edits overlap"
    if not changes:
        return "it would change nothing"
    return None


def _was(paths: Sequence[str]) -> str:
    return "was" if len(paths) == 1 else "were"


class _Choice:
    """The fixes accepted so far, and the edits that they make in each file."""

    def __init__(self, texts: _Texts) -> None:
        self._texts = texts
        self.files: dict[str, Accepted] = {}
        self.applied: list[Finding] = []
        self.waiting: list[Finding] = []

    def text(self, path: str) -> str:
        return self.files[path].apply_to(self._texts[path])

    def damage(self, path: str) -> str | None:
        return damage(self._texts[path], self.text(path), self.files[path].edits)

    def take(self, finding: Finding, fix: Fix) -> None:
        """Accept a fix, or let it wait."""
        if self._waits(finding, fix):
            return
        self.files = self._with(fix)
        self.applied.append(finding)

    def take_if_sound(self, finding: Finding, fix: Fix) -> str | None:
        """As `take`, but give the reason, and leave all as it was, when a file would be broken."""
        if self._waits(finding, fix):
            return None
        before = self.files
        self.files = self._with(fix)
        for path in paths_of(fix):
            found = self.damage(path)
            if found is not None:
                self.files = before
                return f"{path} {found}"
        self.applied.append(finding)
        return None

    def _waits(self, finding: Finding, fix: Fix) -> bool:
        for edit in fix.edits:
            accepted = self.files.get(edit.place.path)
            if accepted is not None and accepted.refuses(edit):
                self.waiting.append(finding)
                return True
        return False

    def _with(self, fix: Fix) -> dict[str, Accepted]:
        files = dict(self.files)
        for path in paths_of(fix):
            mine = [edit for edit in fix.edits if edit.place.path == path]
            files[path] = files.get(path, Accepted()).with_edits(mine)
        return files

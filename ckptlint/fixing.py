"""Apply fixes until nothing changes: look, plan, write, look again.

A fix that touches what another one changed waits for the next round, and a mended file may show the next mistake.
`--fix` writes each round to the disk, all or none; `--diff` and standard input keep the new texts in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from ckptlint.engine import Analyzer, Job, Outcome, check
from ckptlint.findings import Applicability, Finding, Place
from ckptlint.fixes.apply import Plan, plan, write
from ckptlint.source import SourceFile, UnreadableSource, encode

MOST_ROUNDS = 20

Refusals = tuple[tuple[Finding, str], ...]


class Fixed(msgspec.Struct, frozen=True):
    """What fixing came to.

    `outcome` is the last look, after all fixes; `first` the one before any; `texts` the changed files' new texts and
    `originals` what they were before.
    """

    first: Outcome
    outcome: Outcome
    applied: tuple[Finding, ...]
    refused: Refusals
    texts: dict[str, str]
    originals: dict[str, SourceFile]


def fix(job: Job, analyzer: Analyzer, *, unsafe: bool, on_disk: bool) -> Fixed:
    """Mend the report set of a job. `on_disk`: write the files; else give their texts."""
    allowed = frozenset({Applicability.SAFE, Applicability.UNSAFE} if unsafe else {Applicability.SAFE})
    report = frozenset(job.report)
    applied: list[Finding] = []
    texts: dict[str, str] = {}
    originals: dict[str, SourceFile] = {}
    first = outcome = check(job, analyzer, with_refused=True)
    cancelled: Refusals = ()
    for _ in range(MOST_ROUNDS):
        free, guarded = part(outcome, job)
        planned = plan(free, _reader(outcome), allowed, report.__contains__)
        refused = tuple(planned.refused) + tuple(item for item in guarded if _allowed(item[0], allowed)) + cancelled
        if not planned.files:
            break
        sources = {path: outcome.store.source(path) for path in planned.files}
        if on_disk:
            written = write(planned, Path(job.root), sources)
            applied += written.applied
            changed, cancelled = {path: planned.files[path] for path in written.written}, written.cancelled
        else:
            applied += planned.applied
            changed, cancelled = dict(planned.files), ()
            job = _overlaid(job, changed, sources)
        if not changed:
            refused += cancelled
            break
        for path, text in changed.items():
            originals.setdefault(path, sources[path])
            texts[path] = text
        outcome = check(job, analyzer, with_refused=True)
    return Fixed(first, outcome, tuple(applied), refused, texts, originals)


def as_plan(fixed: Fixed) -> Plan:
    """All rounds as one change, for a patch."""
    return Plan(files=dict(fixed.texts), applied=fixed.applied)


def part(outcome: Outcome, job: Job) -> tuple[list[Finding], Refusals]:
    """The findings whose fix may be applied as far as the user's own words go, and the others with the reason."""
    guards: dict[str, list[tuple[Finding, str]]] = {}
    candidates: list[Finding] = []
    for finding in outcome.guarded:
        guards.setdefault(finding.place.path, []).append((finding, "is suppressed or ignored"))
    for finding in outcome.findings:
        if finding.code not in job.policy(finding.place.path).fixable:
            guards.setdefault(finding.place.path, []).append((finding, "may not be fixed"))
        elif finding.fix is not None:
            candidates.append(finding)
    reasons = [(finding, _guarded_place(finding, guards)) for finding in candidates]
    free = [finding for finding, reason in reasons if reason is None]
    return free, tuple((finding, reason) for finding, reason in reasons if reason is not None)


def _guarded_place(finding: Finding, guards: Mapping[str, Sequence[tuple[Finding, str]]]) -> str | None:
    """Why a fix may not touch one of its places."""
    assert finding.fix is not None
    for edit in finding.fix.edits:
        for guard, why in guards.get(edit.place.path, ()):
            same_statement = guard.place.path == finding.place.path and guard.statement == finding.statement
            if same_statement and guard.code != finding.code:
                continue  # those words are about another mistake in the very same statement
            if _touches(edit.place, guard):
                row = guard.place.span.start.row
                return f"it also has to change {guard.place.path}:{row}, where {guard.code} {why}"
    return None


def _touches(place: Place, guard: Finding) -> bool:
    return (
        place.path == guard.place.path
        and place.span.start.row <= guard.statement.end.row
        and place.span.end.row >= guard.statement.start.row
        and place.span.start < guard.statement.end
        and guard.statement.start < place.span.end
    )


def _allowed(finding: Finding, allowed: frozenset[Applicability]) -> bool:
    return finding.fix is not None and finding.fix.applicability in allowed


class _UnreadError(OSError):
    """What `plan` expects for a file that can't be read."""


def _reader(outcome: Outcome) -> Callable[[str], str]:
    def read(path: str) -> str:
        text = outcome.text(path)
        if text is None:
            raise _UnreadError(f"{path} is not readable")
        return text

    return read


def _overlaid(job: Job, changed: Mapping[str, str], sources: Mapping[str, SourceFile]) -> Job:
    overlay = dict(job.overlay)
    for path, text in changed.items():
        try:
            overlay[path] = encode(sources[path], text)
        except UnreadableSource:  # it could not be written either; what is shown is still right
            overlay[path] = text.encode("utf-8", "surrogateescape")
    return msgspec.structs.replace(job, overlay=overlay)

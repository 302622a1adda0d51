"""Where in the source an error comes from: the lines that wrote the file, and findings that foretell the error.

The project is run as `ckptlint check` runs it. Then, the most telling first:

- a pair of a writer and a reader whose keys are the pasted ones: the state dict that was saved, the save, the load;
- writers whose keys begin as the pasted ones do, when the reader lies elsewhere;
- findings of the rules that the error is about, those at the traceback's own line first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ckptlint.analysis.events import SaveEvent
from ckptlint.analysis.fit import keys_of
from ckptlint.analysis.pairs import Pair
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Content, Site
from ckptlint.engine import Analyzer, Job, Settings, check
from ckptlint.facts.store import FactStore
from ckptlint.findings import Finding
from ckptlint.why.explanation import Explanation
from ckptlint.why.places import SourcePlace

_MOST = 8
#: Of the keys that a writer is known to write, this share has to be among the pasted ones.
_AGREE = 0.5


def places_of(explanation: Explanation, job: Job, analyzer: Analyzer) -> tuple[SourcePlace, ...]:
    """The places in one root that explain the error; the nearest first."""
    solved: list[Any] = []

    def solve(store: FactStore, settings: Settings) -> Any:
        solved.append(analyzer.solve(store, settings))
        return solved[-1]

    outcome = check(job, Analyzer(analyzer.registry, solve))
    places: list[SourcePlace] = []
    for project in solved:
        if isinstance(project, Project) and (explanation.keys.unexpected or explanation.keys.missing):
            places += _by_keys(explanation, project, job.root)
    places += _by_rules(explanation, outcome.findings, job.root)
    unique: dict[tuple[str, int], SourcePlace] = {}
    for place in places:  # a finding at a line that is told already gives it its code
        told = unique.setdefault((place.filename, place.row), place)
        if place.code and not told.code:
            unique[told.filename, told.row] = msgspec.structs.replace(told, code=place.code)
    return tuple(unique.values())[:_MOST]


def _by_rules(explanation: Explanation, findings: Iterable[Finding], root: str) -> list[SourcePlace]:
    frame = explanation.frame

    def distance(finding: Finding) -> tuple[bool, bool, int]:
        span = finding.statement if finding.statement is not None else finding.place.span
        here = frame is not None and _same_file(finding.place.path, frame.file)
        there = here and frame is not None and span.start.row <= frame.line <= span.end.row
        return (not there, not here, explanation.rules.index(finding.code))

    wanted = sorted(
        (one for one in findings if one.code in explanation.rules), key=lambda one: (distance(one), one.order)
    )
    return [
        SourcePlace(
            str(Path(root, one.place.path)),
            one.place.span.start.row,
            one.place.span.start.column,
            one.message,
            one.code,
        )
        for one in wanted
    ]


def _same_file(path: str, said: str) -> bool:
    """Whether a path of the project is the one that a traceback names (which may be of another machine)."""
    own, other = path.split("/"), said.replace("\\", "/").split("/")
    return own[-1] == other[-1] and (len(own) == 1 or len(other) == 1 or own[-2:] == other[-2:])


def _by_keys(explanation: Explanation, project: Project, root: str) -> list[SourcePlace]:
    pairs = [
        (score, pair)
        for pair in project.pairs
        if (score := max((_agreement(m.fit.missing, m.fit.unexpected, explanation) for m in pair.differs), default=0.0))
        >= _AGREE
    ]
    pairs.sort(key=lambda one: (-_at_frame(one[1], explanation, project), -one[0], -one[1].evidence))
    places: list[SourcePlace] = []
    for _, pair in pairs[:2]:
        places += _of_pair(pair, project, root)
    if not places:
        writers = sorted(
            (
                (score, save, content)
                for save, content in _written(project.events.saves)
                if (score := _writes(content, explanation)) > 0
            ),
            key=lambda one: -one[0],
        )
        for _, save, content in writers[:2]:
            places.append(_place(project, root, content.origin, "the file's keys come from this state dict"))
            places.append(_place(project, root, save.site, "and are written here"))
    return places


def _agreement(missing: Sequence[str], unexpected: Sequence[str], explanation: Explanation) -> float:
    """The share of the foretold keys that were pasted; a prefix alone counts little."""
    said = set(explanation.keys.unexpected), set(explanation.keys.missing)
    foretold = len(missing) + len(unexpected)
    if not foretold:
        return 0.0
    hits = sum(key in said[0] for key in unexpected) + sum(key in said[1] for key in missing)
    return hits / foretold


def _at_frame(pair: Pair, explanation: Explanation, project: Project) -> int:
    frame = explanation.frame
    if frame is None or not _same_file(pair.reader.site.file, frame.file):
        return 0
    span = project.statement(pair.reader.site)
    return 2 if span.start.row <= frame.line <= span.end.row else 1


def _of_pair(pair: Pair, project: Project, root: str) -> list[SourcePlace]:
    places = [_place(project, root, pair.origin, "the file's keys come from this state dict")]
    wraps = dict.fromkeys(
        (mark.site, mark.wrapper)
        for meeting in pair.differs
        for mark in (*meeting.target.wrappers, *_wrappers_of(pair))
        if mark.site is not None and mark.site.node >= 0
    )
    if pair.writer is not None:
        places.append(_place(project, root, pair.writer.site, "and are written here"))
    places += [_place(project, root, site, f"wrapped in {wrapper} here") for site, wrapper in wraps if site is not None]
    places.append(_place(project, root, pair.reader.site, "this load meets the file"))
    return places


def _wrappers_of(pair: Pair) -> tuple[Any, ...]:
    if pair.writer is None:
        return ()
    return tuple(
        mark
        for part in pair.writer.parts
        if part.content is not None and part.content.origin == pair.origin and part.content.shape is not None
        for mark in part.content.shape.wrappers
    )


def _written(saves: Iterable[SaveEvent]) -> list[tuple[SaveEvent, Content]]:
    return [(save, part.content) for save in saves for part in save.parts if part.content is not None]


def _writes(content: Content, explanation: Explanation) -> float:
    """How well what is written there agrees with the file's keys, as far as the error shows them."""
    pasted = explanation.keys.unexpected
    if content.shape is None or not pasted:
        return 0.0
    names, _ = keys_of(content.shape, content.prefix)
    if names:
        share = sum(key in pasted for key in names) / len(names)
        if share >= _AGREE:
            return 1 + share
    same_prefix = bool(content.prefix) and all(key.startswith(content.prefix) for key in pasted)
    return 0.5 if same_prefix and not names else 0.0


def _place(project: Project, root: str, site: Site, message: str) -> SourcePlace:
    place = project.place(site)
    return SourcePlace(str(Path(root, place.path)), place.span.start.row, place.span.start.column, message)

"""Holding ckptlint's answer about a project against torch's.

Kinds of disagreement: "miss", "false alarm", "prediction" (a message names wrong keys), "bad fix", "crash" (ckptlint
itself ended badly) and "mistake" (the generated script failed for a reason of its own: our mistake, never ckptlint's).
What exactly must and must not be found stands in `truth`, about fixes in `mending`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import msgspec

from .answers import Answer, CrashedError, findings_of, write_files
from .mending import bad_fixes
from .predictions import predictions_in, wrong_prediction
from .project import Project
from .records import Evidence
from .runner import evidence_of, read_all, workplace, write_all
from .sandbox import Program, Sandbox
from .truth import JUDGED, demands_of, forbidden

KINDS = ("miss", "false alarm", "prediction", "bad fix", "crash", "mistake")
Ask = Callable[[str], tuple[Answer, ...]]


class Disagreement(msgspec.Struct, frozen=True):
    """One difference; `rule` is the code it is counted under, `reason` is finer than `kind`."""

    kind: str
    rule: str
    reason: str
    detail: str


class Verdict(msgspec.Struct, frozen=True):
    """All about one project. `demanded` and `found` count by rule, `predictions` and `fixes` count what was checked."""

    disagreements: tuple[Disagreement, ...]
    runs: int
    demanded: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    predictions: int = 0
    fixes: int = 0


def mistakes_in(evidence: Evidence) -> tuple[Disagreement, ...]:
    """Scripts that failed for a reason that has nothing to do with checkpoints."""
    texts = (run.outcome.failure for run in evidence.runs if run.outcome.failure)
    return tuple(
        dict.fromkeys(Disagreement("mistake", "", "generator", f.text[:300]) for f in texts if f.kind == "other")
    )


def compare(project: Project, evidence: Evidence, answers: tuple[Answer, ...]) -> tuple[Disagreement, ...]:
    """Misses, false alarms and wrong predictions; no fixes here."""
    found = {(answer.code, answer.path, answer.row) for answer in answers}
    differences = [
        Disagreement("miss", demand.rule, demand.kind, demand.detail)
        for demand in demands_of(project, evidence)
        if not demand.accepted & found
    ]
    for answer in answers:
        place = f"{answer.path}:{answer.row}"
        if answer.code in JUDGED and forbidden(answer.code, (answer.path, answer.row), project, evidence):
            differences.append(Disagreement("false alarm", answer.code, "claim", f"{place} {answer.message}"))
        else:
            wrong = wrong_prediction(answer, evidence)
            if wrong:
                differences.append(Disagreement("prediction", answer.code, "keys", f"{place} {wrong}"))
    return tuple(dict.fromkeys(differences))


def judge(sandbox: Sandbox, project: Project, ask: Ask = findings_of, fixes: bool = True) -> Verdict:
    """Run the project, ask ckptlint, compare; with `fixes` also apply its fixes and run again."""
    if not fixes:
        evidence = evidence_of(sandbox, project)
        with workplace() as source:
            return _judged(project, evidence, source, ask)[0]
    program = Program(project.files)
    with workplace() as base, tempfile.TemporaryDirectory() as source:
        written = write_all(sandbox, project, program, base)
        readers = read_all(sandbox, project, program, written)
        evidence = Evidence(tuple(one.run for one in written), tuple(readers))
        verdict, answers = _judged(project, evidence, source, ask)
        offered = [answer.fix for answer in answers if answer.fix in ("safe", "unsafe")]
        if not offered or (verdict.disagreements and verdict.disagreements[0].kind in ("crash", "mistake")):
            return verdict
        bad = [
            Disagreement("bad fix", one.rule, one.reason, one.detail)
            for one in bad_fixes(sandbox, project, evidence, written, answers, source, base)
        ]
        return msgspec.structs.replace(
            verdict, disagreements=verdict.disagreements + tuple(dict.fromkeys(bad)), fixes=len(offered)
        )


def _judged(project: Project, evidence: Evidence, source: str, ask: Ask) -> tuple[Verdict, tuple[Answer, ...]]:
    runs = len(evidence.runs)
    mistakes = mistakes_in(evidence)
    if mistakes:
        return Verdict(mistakes, runs), ()
    write_files(project.files, source)
    try:
        answers = ask(source)
    except CrashedError as error:
        return Verdict((Disagreement("crash", "", "ckptlint", str(error)[:500]),), runs), ()
    demanded = tuple(demand.rule for demand in demands_of(project, evidence))
    found = tuple(answer.code for answer in answers)
    said = sum(bool(predictions_in(answer.message)) for answer in answers)
    return Verdict(compare(project, evidence, answers), runs, demanded, found, said), answers

"""What CKPT101 and CKPT102 have in common: a state dict is saved with the prefix of a wrapper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptlint.analysis.saved import Prefixed
from ckptlint.analysis.words import condition, key_list
from ckptlint.findings import Confidence, Finding, Related
from ckptlint.fixes.mending import mend
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


def report(rule: Rule, project: Project, found: Prefixed) -> Finding:
    """The finding at the `.state_dict()` call."""
    place = project.place(found.origin)
    prefix = f"{found.path}{found.token}."
    wrapper = found.marks[0].wrapper if found.marks else "a wrapper"
    example = key_list(found.keys) if found.keys else f'"{prefix}..."'
    if found.no:
        when = condition(found.yes, found.no)
        start, otherwise = (f"when {when}, the", "otherwise") if when else ("in some runs the", "in others")
        message = (
            f"{start} model is wrapped in {wrapper} and this state dict is saved with its prefix `{prefix}`, "
            f"{otherwise} without: the same script writes two kinds of files. Loading one with the prefix into a bare "
            f"model fails: Unexpected key(s) in state_dict: {example}"
        )
    else:
        message = (
            f"this state dict is saved with the prefix `{prefix}` that {wrapper} gives to every key; loading the file "
            f"into a bare model fails: Unexpected key(s) in state_dict: {example}"
        )
    return Finding(
        code=rule.code,
        name=rule.name,
        message=message,
        severity=rule.severity,
        confidence=Confidence.HIGH,
        place=place,
        statement=project.statement(found.origin),
        related=tuple(_related(project, found)),
        fix=mend.fix(project, found.origin),
    )


def _related(project: Project, found: Prefixed) -> list[Related]:
    related: list[Related] = []
    for mark in found.marks[:3]:
        if mark.site is not None and mark.site.node >= 0:
            related.append(Related(project.place(mark.site), f"wrapped in {mark.wrapper} here"))
    for site in found.saves[:2]:
        related.append(Related(project.place(site), "written to the file here"))
    for pair in project.failing.get(found.origin, [])[:3]:
        related.append(Related(project.place(pair.reader.site), "this load will meet the file"))
    own = project.place(found.origin)
    unique = {one.place: one for one in reversed(related) if one.place != own}
    return sorted(unique.values())

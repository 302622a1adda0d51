"""What CKPT305, CKPT306 and CKPT307 have in common: with a prefix too much is cut off the keys of a state dict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.key_edits import KeyEdit
from ckptlint.findings import Confidence, Finding, Related
from ckptlint.fixes.mending import key_prefix
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


def cuts(project: Project, kinds: frozenset[str]) -> Iterator[KeyEdit]:
    """The cuts of these kinds; the scan is made once for all rules."""
    for cut in project.key_edits:
        if cut.kind in kinds:
            yield cut


def report(rule: Rule, project: Project, cut: KeyEdit, message: str) -> Finding:
    """The finding at the key expression."""
    place = project.place(cut.sites[0])
    again = [project.place(site) for site in cut.sites[1:]]
    return Finding(
        code=rule.code,
        name=rule.name,
        message=message,
        severity=rule.severity,
        confidence=Confidence.MEDIUM if cut.kind == "rename" else Confidence.HIGH,
        place=place,
        statement=project.statement(cut.sites[0]),
        related=tuple(sorted(Related(other, "and again here") for other in again if other != place)),
        fix=key_prefix.fix(project, cut),
    )

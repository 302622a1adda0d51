"""The fix of a method that is not called: its parentheses."""

from __future__ import annotations

from ckptlint.analysis.events import SlipEvent
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.edit import insertion


def fix(project: Project, slip: SlipEvent) -> Fix:
    """`model.state_dict` becomes `model.state_dict()`."""
    place = project.place(slip.site)
    return Fix(Applicability.SAFE, "call `state_dict`", (insertion(place.path, place.span.end, "()"),))

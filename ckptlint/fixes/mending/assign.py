"""The fix of `load_state_dict(..., assign=True)` after the optimizer was made: copy into the parameters that it holds.

It is never safe: a model on the meta device has no memory to copy into.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to
from ckptlint.fixes.shapes.arguments import left_out


def fix(project: Project, site: Site) -> Fix | None:
    """The fix of one load; None where the call is written in another way."""
    file = project.derived(Sources)[site.file]
    path = path_to(file, project.place(site)) if file is not None else None
    call = path[-1] if path else None
    if file is None or not isinstance(call, ast.Call):
        return None
    edit = left_out(file, call, "assign")
    return Fix(Applicability.UNSAFE, "leave out assign=True", (edit,)) if edit is not None else None

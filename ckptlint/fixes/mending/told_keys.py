"""The fix of a load whose answer nobody looks at: give it a name, and warn when a key did not fit.

It is safe where the module is one that the project makes: torch's `load_state_dict` answers with a named tuple. A class
that is not known may have one of its own that answers nothing.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.solve import Project
from ckptlint.analysis.unlooked import Unlooked
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span, statement_of
from ckptlint.fixes.shapes.told_keys import told


def fix(project: Project, load: Unlooked) -> Fix | None:
    """The fix, None where the load is not a statement of its own."""
    file = project.derived(Sources)[load.call.file]
    path = path_to(file, project.place(load.call)) if file is not None else None
    if file is None or path is None:
        return None
    call, statement = path[-1], statement_of(path)
    if not isinstance(statement, ast.Expr | ast.Assign) or statement.value is not call:
        return None
    edits = told(file, statement, span(file, statement))
    if edits is None:
        return None
    shapes = [target.shape for event in load.readers for target in event.targets]
    made_here = bool(shapes) and all(one is not None and one.known and one.source is not None for one in shapes)
    applicability = Applicability.SAFE if made_here else Applicability.UNSAFE
    return Fix(applicability, "warn when a key is missing or unexpected", edits)

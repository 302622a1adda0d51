"""The fix of a method that is not called: its parentheses.

Not where a handler is given the objects and takes their states whenever it saves (`to_save` of ignite): called when
the handler is attached, the state of an optimizer would be the one before its first step.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.events import SlipEvent
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.edit import insertion
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import span

#: https://docs.pytorch.org/ignite/generated/ignite.handlers.checkpoint.Checkpoint.html
_SAVED_LATER = frozenset({"to_save"})


def fix(project: Project, slip: SlipEvent) -> Fix | None:
    """`model.state_dict` becomes `model.state_dict()`."""
    place = project.place(slip.site)
    file = project.derived(Sources)[place.path]
    for node in ast.walk(file.tree) if file is not None else ():
        if isinstance(node, ast.keyword) and node.arg in _SAVED_LATER:
            assert file is not None
            whole = span(file, node.value)
            if whole.start <= place.span.start and place.span.end <= whole.end:
                return None
    return Fix(Applicability.SAFE, "call `state_dict`", (insertion(place.path, place.span.end, "()"),))

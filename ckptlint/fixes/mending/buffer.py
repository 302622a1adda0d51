"""The fix of CKPT203: the tensor becomes a buffer that is not saved.

self.mean = torch.zeros(3)        self.register_buffer("mean", torch.zeros(3), persistent=False)
"""

from __future__ import annotations

import ast

from ckptlint.analysis.events import TensorEvent
from ckptlint.analysis.solve import Project
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span, statement_of


def fix(project: Project, event: TensorEvent) -> Fix | None:
    """Register it; None unless `__init__` gives it its value once, in an assignment of its own."""
    file = project.derived(Sources)[event.site.file]
    path = path_to(file, project.place(event.site)) if file is not None else None
    if file is None or path is None:
        return None
    target, statement = path[-1], statement_of(path)
    function = next((node for node in reversed(path) if isinstance(node, ast.FunctionDef)), None)
    if function is None or function.name != "__init__" or not isinstance(target, ast.Attribute):
        return None
    if not isinstance(statement, ast.Assign) or statement.targets != [target] or not isinstance(target.value, ast.Name):
        return None
    stores = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == event.name and isinstance(node.ctx, ast.Store)
    ]
    whole, value = file.offsets(span(file, statement)), file.offsets(span(file, statement.value))
    if len(stores) != 1 or whole is None or value is None:
        return None
    text = file.text[slice(*value)]
    new = f"{target.value.id}.register_buffer({file.quoted(event.name)}, {text}, persistent=False)"
    edit = file.replacement(*whole, new)
    return Fix(Applicability.UNSAFE, "register it as a buffer that is not saved", (edit,))

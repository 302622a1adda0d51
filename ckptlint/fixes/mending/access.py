"""The fix of CKPT106: `.module` is read where it is there.

    torch.save(model.module.state_dict(), path)
    torch.save((model.module if isinstance(model, nn.DataParallel) else model).state_dict(), path)

A wrapped model gives what it gave before, a bare one gives itself. Where nothing wraps it, `.module` goes.
"""

from __future__ import annotations

import ast

from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site, WrapperMark
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.chains import target_chain
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.unwrap import unwrapped


def fix(project: Project, site: Site, attribute: str, wraps: frozenset[Site]) -> Fix | None:
    """The fix for reading `attribute` at `site` from a model that is wrapped, where it is, at `wraps`."""
    file = project.derived(Sources)[site.file]
    path = path_to(file, project.place(site)) if file is not None else None
    node = path[-1] if path is not None else None
    if file is None or path is None or not isinstance(node, ast.Attribute) or node.attr != attribute:
        return None
    if not isinstance(node.ctx, ast.Load) or any(isinstance(one, ast.JoinedStr | ast.Delete) for one in path):
        return None
    if not wraps:
        # Nothing wraps it: what is meant is the model itself.
        whole, owner = file.offsets(span(file, node)), file.offsets(span(file, node.value))
        if whole is None or owner is None:
            return None
        bare = file.replacement(*whole, file.text[slice(*owner)])
        return Fix(Applicability.SAFE, f"read the model itself: nothing gives it a `{attribute}`", (bare,))
    kinds = {(event.site, event.wrapper) for event in project.events.wraps if event.site in wraps}
    if not kinds:
        return None
    marks = [(WrapperMark(attribute, kind, wrap),) for wrap, kind in sorted(kinds)]
    named = target_chain(project, file, path, [(), *marks])
    whole, owner = file.offsets(span(file, node)), file.offsets(span(file, node.value))
    assert whole is not None
    assert owner is not None
    text = unwrapped(file, file.text[slice(*owner)], named.chain) if named is not None else None
    if named is None or text is None:
        return None
    edits = (file.replacement(*whole, text.text), *text.edits, *named.edits)
    return Fix(Applicability.SAFE, f"read `{attribute}` only where the model is wrapped", tuple(dict.fromkeys(edits)))

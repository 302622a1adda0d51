"""The fix of CKPT106: `.module` is read where it is there.

    torch.save(model.module.state_dict(), path)
    torch.save((model.module if isinstance(model, nn.DataParallel) else model).state_dict(), path)

A wrapped model gives what it gave before, a bare one gives itself. Where nothing wraps it, `.module` goes.
"""

from __future__ import annotations

import ast
from collections.abc import Set

from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Site
from ckptlint.findings import Applicability, Fix
from ckptlint.fixes.mending.chains import Marks, target_chain
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.shapes.unwrap import Chain, unwrapped


def fix(project: Project, site: Site, attribute: str, chains: Set[Marks]) -> Fix | None:
    """The fix for reading `attribute` at `site` from a model that has the wrappers of `chains`, case by case."""
    file = project.derived(Sources)[site.file]
    path = path_to(file, project.place(site)) if file is not None else None
    node = path[-1] if path is not None else None
    if file is None or path is None or not isinstance(node, ast.Attribute) or node.attr != attribute:
        return None
    if not isinstance(node.ctx, ast.Load) or any(isinstance(one, ast.JoinedStr | ast.Delete) for one in path):
        return None
    if any(not mark.token for chain in chains for mark in chain):
        return None  # such a wrapper gives what it wraps under both names
    wrapped = [chain for chain in chains if any(mark.token == attribute for mark in chain)]
    if not wrapped:
        # Nothing wraps it: what is meant is the model itself.
        whole, owner = file.offsets(span(file, node)), file.offsets(span(file, node.value))
        if whole is None or owner is None:
            return None
        bare = file.replacement(*whole, file.text[slice(*owner)])
        return Fix(Applicability.SAFE, f"read the model itself: nothing gives it a `{attribute}`", (bare,))
    read = sorted({_down_to(attribute, chain) for chain in wrapped})
    named = target_chain(project, file, path, [(), *read])
    if named is None or (_takes_all(named.chain) and any(_down_to(attribute, chain) != chain for chain in wrapped)):
        return None
    whole, owner = file.offsets(span(file, node)), file.offsets(span(file, node.value))
    assert whole is not None
    assert owner is not None
    text = unwrapped(file, file.text[slice(*owner)], named.chain)
    if text is None:
        return None
    edits = (file.replacement(*whole, text.text), *text.edits, *named.edits)
    return Fix(Applicability.SAFE, f"read `{attribute}` only where the model is wrapped", tuple(dict.fromkeys(edits)))


def _down_to(attribute: str, chain: Marks) -> Marks:
    """The wrappers that reading the attribute takes off: compile lets it through to the one that has it."""
    tokens = [mark.token for mark in chain]
    return chain[: tokens.index(attribute) + 1]


def _takes_all(chain: Chain) -> bool:
    """Whether the model is unwrapped down to itself, not by one wrapper: that may be more than the attribute gave."""
    return chain.any_order or len(chain.wrappers) > 1

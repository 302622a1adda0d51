"""The fix of CKPT201: the weight of a loss leaves the state dict, where it is plainly built anew with the model.

It is done where a loss of torch.nn is made and registered in one statement of a method,

    self.criterion = nn.CrossEntropyLoss(weight=weight)

in the model itself or in a loss class of the project that the model holds. A loss that was made elsewhere, has
learnable or running state, or whose weight is changed or looked at by name, is left alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import msgspec

from ckptlint.analysis.saved import LeakedLoss
from ckptlint.analysis.solve import Project
from ckptlint.analysis.values import Shape, Site
from ckptlint.findings import Applicability, Edit, Fix
from ckptlint.fixes.mending.sources import Sources
from ckptlint.fixes.mending.syntax import path_to, scope_of, span, statement_of
from ckptlint.fixes.shapes.loss_weight import LossWeight, not_saved
from ckptlint.source import UnreadableSource

#: The oldest torch that is thought of when the project does not say which one it uses.
OLDEST_TORCH = (2, 4)


class _Weighted(msgspec.Struct, frozen=True, order=True):
    """A loss of torch.nn inside what leaks: where it is registered, where it was made, and its tensors."""

    site: Site
    source: Site
    buffers: tuple[str, ...]


def fix(project: Project, leak: LeakedLoss) -> Fix | None:
    """The fix for a loss that is saved with a model."""
    leaves = [leaf for shape in leak.shapes for leaf in _leaves(project, shape, 0)]
    if not leaves or any(leaf is None for leaf in leaves):
        return None
    by_site: dict[Site, _Weighted] = {}
    for leaf in leaves:
        assert leaf is not None
        known = by_site.setdefault(leaf.site, leaf)
        if known.source != leaf.source:
            return None
        by_site[leaf.site] = _Weighted(leaf.site, leaf.source, tuple(sorted({*known.buffers, *leaf.buffers})))
    edits: list[Edit] = []
    named: list[str] = []
    for weighted in sorted(by_site.values()):
        found = _of_one(project, weighted)
        if found is None:
            return None
        change, keys = found
        edits += change
        named += [where for key in keys for where in _mentioned(project, key)]
    message = (
        "keep the weight of the loss out of the state dict: it is made anew with the model; older files still load"
    )
    if named:
        message += f"; check by hand: {', '.join(sorted(set(named))[:3])} (the key is named there)"
    return Fix(Applicability.UNSAFE if named else Applicability.SAFE, message, tuple(dict.fromkeys(edits)))


def _leaves(project: Project, shape: Shape, depth: int) -> Iterator[_Weighted | None]:
    """The losses of torch.nn in a tree of names that have tensors; None for tensors of anything else."""
    own = tuple(name for name, child in shape.children if child.tensor)
    if own:
        loss = project.machine.knowledge.loss(shape.identity)
        fits = loss is not None and not loss.learnable and set(own) <= loss.given.keys()
        whole = fits and shape.site is not None and shape.source is not None and not shape.wrappers
        yield _Weighted(shape.site, shape.source, own) if whole and shape.site and shape.source else None
    if depth > 6:
        yield None
        return
    for _, child in shape.children:
        if not child.tensor:
            yield from _leaves(project, child, depth + 1)


def _of_one(project: Project, weighted: _Weighted) -> tuple[tuple[Edit, ...], list[str]] | None:
    file = project.derived(Sources)[weighted.site.file]
    if file is None or weighted.source.file != weighted.site.file:
        return None
    path = path_to(file, project.place(weighted.source))
    statement = statement_of(path) if path is not None else None
    if path is None or not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is not path[-1]:
        return None
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    target = targets[0]
    if len(targets) != 1 or not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
        return None
    if span(file, target) != project.place(weighted.site).span or not _is_own(path, target.value.id):
        return None
    if any(_is_changed(project, target.attr, buffer) for buffer in weighted.buffers):
        return None
    found = LossWeight(span(file, statement), target.value.id, target.attr, weighted.buffers)
    return not_saved(file, found, _torch(project)), [f"{target.attr}.{buffer}" for buffer in weighted.buffers]


def _is_own(path: list[ast.AST], name: str) -> bool:
    """Whether `name` is the object whose method the end of the path stands in."""
    function = scope_of(path)
    above = path[path.index(function) - 1] if function in path[1:] else None
    if not isinstance(function, ast.FunctionDef) or not isinstance(above, ast.ClassDef) or function.decorator_list:
        return False
    return bool(function.args.args) and function.args.args[0].arg == name


def _is_changed(project: Project, loss: str, buffer: str) -> bool:
    """Whether something of the project sets the weight later: `self.ce.weight = w`, `model.ce.weight.copy_(w)`."""
    name = rf"\b{re.escape(loss)}\.{buffer}"
    changed = re.compile(rf"{name}(?:\.data)?\s*(?:\[[^\]]*\]\s*)?[-+*/]?=(?!=)|{name}(?:\.data)?\.\w+_\(".encode())
    return any(changed.search(data) for _, data in _texts(project))


def _mentioned(project: Project, key: str) -> list[str]:
    """Where a key is named in a string: code that expects it in a file."""
    named = re.compile(rb"""["'][\w.]*\b""" + re.escape(key).encode() + rb"""["']""")
    return [
        f"{path}:{data.count(bytes([10]), 0, found.start()) + 1}"
        for path, data in _texts(project)
        if (found := named.search(data)) is not None
    ]


def _texts(project: Project) -> Iterator[tuple[str, bytes]]:
    for path in sorted(project.store.files):
        try:
            yield path, project.store.data(path)
        except UnreadableSource:
            continue


def _torch(project: Project) -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", project.settings.torch_version or "")
    return (int(numbers.group(1)), int(numbers.group(2))) if numbers is not None else OLDEST_TORCH

"""How a file can name something of a library, with an import where none is there.

    import torch.nn as nn                     `nn.DataParallel`; nothing to add
    import torch                              `torch.nn.DataParallel`; nothing to add
    from torch.nn import DataParallel as DP   `DP`; nothing to add
    (none of these)                           `DataParallel`, and add `from torch.nn.parallel import DataParallel`

Only imports at module level count, and only names that nothing else in the file binds: a function with a parameter `nn`
would see another thing. Imports inside `if` and `try` may not have run, so they do not count either.
"""

from __future__ import annotations

import ast

import msgspec

from ckptlint.findings import Edit
from ckptlint.fixes.shapes.names import bound, fresh, imported, module_tree, names_in
from ckptlint.fixes.shapes.top_level import at_top_level


class Wanted(msgspec.Struct, frozen=True):
    """A thing of a library: `name` of `module`, or the module itself where `name` is "".

    `reach` are dotted names that mean it too, as soon as their first part is imported.
    """

    module: str
    name: str = ""
    reach: tuple[str, ...] = ()

    @property
    def dotted(self) -> str:
        """The full name."""
        return f"{self.module}.{self.name}" if self.name else self.module


DATA_PARALLEL = Wanted("torch.nn.parallel", "DataParallel", ("torch.nn.DataParallel", "torch.nn.parallel.DataParallel"))
DISTRIBUTED_DATA_PARALLEL = Wanted(
    "torch.nn.parallel", "DistributedDataParallel", ("torch.nn.parallel.DistributedDataParallel",)
)
CONSUME_PREFIX = Wanted("torch.nn.modules.utils", "consume_prefix_in_state_dict_if_present")
COPY = Wanted("copy")


class Reference(msgspec.Struct, frozen=True):
    """The `expression` to write, and the `edits` that make it mean the thing."""

    expression: str
    edits: tuple[Edit, ...] = ()


def reference(path: str, text: str, wanted: Wanted) -> Reference | None:
    """How to name `wanted` in the file `path` with this text; None when this Python cannot read the file."""
    tree = module_tree(text)
    if tree is None:
        return None
    known = _sure_names(tree)
    ways = [name for name, target in known.items() if target in {wanted.dotted, *wanted.reach}]
    ways += [
        name + dotted[len(target) :]
        for dotted in wanted.reach
        for name, target in known.items()
        if dotted.startswith(f"{target}.")
    ]
    if ways:
        return Reference(min(ways, key=lambda way: (way.count("."), way)))
    usual = wanted.name or wanted.module
    name = fresh(usual, names_in(tree) - _already_means(tree, usual, wanted))
    alias = "" if name == usual else f" as {name}"
    line = f"from {wanted.module} import {usual}{alias}\n" if wanted.name else f"import {usual}{alias}\n"
    return Reference(name, (at_top_level(path, text, tree, line),))


def _sure_names(tree: ast.Module) -> dict[str, str]:
    """What names surely mean everywhere in the file: the ones that only imports bind, all to the same target."""
    top = {name: target for statement in tree.body for name, target in imported(statement).items()}
    targets: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        for name, target in bound(node):
            targets.setdefault(name, set()).add(target)
    return {name: target for name, target in top.items() if targets[name] == {target}}


def _already_means(tree: ast.Module, usual: str, wanted: Wanted) -> frozenset[str]:
    """The usual name, when all that the file binds it to is the wanted thing (imported in a function, say)."""
    targets = {target for node in ast.walk(tree) for name, target in bound(node) if name == usual}
    return frozenset({usual}) if targets and targets <= {wanted.dotted, *wanted.reach} else frozenset()

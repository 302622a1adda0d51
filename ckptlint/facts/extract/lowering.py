"""From the nodes of libcst to the picture of a file (`facts.ir`).

One walk over the tree, by type of node, without visitors: whitespace, commas and parentheses are never looked at. The
list `nodes` notes the node behind each id: `nodes[id]`. An id is taken before those of the node's children, so an id is
the place of the node in the order of lowering, and the same text always gets the same ids.

Recursion is as deep as the tree is, except where real code is deep: sums and products, `and` and `or`, chains of calls
and attributes, `elif` and conditional expressions are walked in loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import libcst as cst

from ckptlint.facts import ir

# Names that stand for what is no Python 3; see `recover`.
UNREADABLE = "__ckptlint_unreadable__"
ASYNC_ARGUMENT = "a5ync"


class Lowering:
    """The ids given so far, and the node behind each; in a skeleton, `names[unit]` is the name of a function."""

    __slots__ = ("names", "nodes")

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = names
        self.nodes: list[cst.CSTNode] = []

    def identify(self, node: cst.CSTNode) -> int:
        """The next id, for `node`."""
        nodes = self.nodes
        nodes.append(node)
        return len(nodes) - 1


LowerExpression: TypeAlias = Callable[[Lowering, Any], ir.Expr]
LowerStatement: TypeAlias = Callable[[Lowering, Any], tuple[ir.Stmt, ...]]


def by_type(table: dict[str, Any]) -> dict[type[cst.CSTNode], Any]:
    """A table by the names of libcst's classes, without those that the installed version lacks."""
    return {getattr(cst, name): lower for name, lower in table.items() if hasattr(cst, name)}

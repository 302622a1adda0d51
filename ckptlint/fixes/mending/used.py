"""Whether a loaded state dict is used again after it was handed to a load, so that it must not be changed.

    model.load_state_dict(torch.load(path))            nobody else has it
    state = torch.load(path)                           nobody, when `state` is not read again
    checkpoint = torch.load(path)                      nobody, when only other entries of `checkpoint` are read
    model.load_state_dict(checkpoint["model"])
    def load(state): model.load_state_dict(state)      the caller may: used again

In doubt it is used again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from ckptlint.fixes.mending.syntax import LOOPS, scope_of, statement_of

_DEEPEST = 4
_NEW = frozenset({"load", "load_file", "OrderedDict", "dict"})


class _Held(msgspec.Struct, frozen=True):
    """An entry of a local name, or all that the name holds (entry None)."""

    name: str
    entry: object = None


def used_again(path: list[ast.AST], state: ast.expr) -> bool:
    """Whether the value of `state`, an argument of the call at the end of `path`, may be used after that call."""
    scope = scope_of(path)
    return isinstance(scope, ast.Lambda) or _Scope(path, scope).is_used(state, frozenset(), 0)


class _Scope:
    def __init__(self, path: list[ast.AST], scope: ast.AST) -> None:
        self.statement = statement_of(path)
        self.nodes = list(ast.walk(scope))
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        self.own = set(ast.walk(self.statement))
        self.loops = [set(ast.walk(node)) for node in path if isinstance(node, LOOPS) and node in self.parents]

    def is_used(self, value: ast.expr, seen: frozenset[str], depth: int) -> bool:
        """Whether the object that `value` gives is used anywhere else after the statement."""
        if _is_new(value):
            return False
        held = _held(value)
        if held is None or depth > _DEEPEST:
            return True
        if held.name in seen:
            return False
        bindings = self._bindings(held.name)
        if bindings is None:
            return True
        for node in self._reads(held.name, {part for one in bindings for part in ast.walk(one)}):
            later = self._may_come_later(node, bindings) and not self._is_bound_anew(node, bindings)
            later = later and not self._excludes(node)
            if later and not self._is_other_entry(node, held.entry):
                return True
        return any(self.is_used(one.value, seen | {held.name}, depth + 1) for one in bindings)

    def _bindings(self, name: str) -> list[ast.Assign] | None:
        """The assignments `name = value` of the scope; None when the name gets its value in other ways too."""
        stores = [n for n in self.nodes if isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load)]
        found = [n for n in self.nodes if isinstance(n, ast.Assign) and len(n.targets) == 1 and n.targets[0] in stores]
        elsewhere = any(
            (isinstance(node, ast.arg) and node.arg == name)
            or (isinstance(node, ast.Global | ast.Nonlocal) and name in node.names)
            for node in self.nodes
        )
        return found if found and len(found) == len(stores) and not elsewhere else None

    def _reads(self, name: str, binding: set[ast.AST]) -> Iterator[ast.Name]:
        for node in self.nodes:
            if isinstance(node, ast.Name) and node.id == name and node not in binding and node not in self.own:
                yield node

    def _may_come_later(self, node: ast.Name, bindings: list[ast.Assign]) -> bool:
        """Whether a read runs after the statement, or gave the object another name before it."""
        parent = self.parents.get(node)
        if isinstance(parent, ast.Assign | ast.Return | ast.Dict | ast.List | ast.Tuple | ast.keyword):
            return True
        if node.lineno > self.statement.lineno:
            return True
        # in a loop that does not make the object anew, what stands before the statement runs after it too
        return any(node in loop and not any(one in loop for one in bindings) for loop in self.loops)

    def _is_bound_anew(self, node: ast.Name, bindings: list[ast.Assign]) -> bool:
        """Whether the name surely got another object between the statement and a read."""
        return any(self.statement.lineno < one.lineno < node.lineno and self._follows(one, node) for one in bindings)

    def _follows(self, one: ast.stmt, node: ast.AST) -> bool:
        """Whether a node stands in a statement of the very list that `one` is in."""
        for _, block in ast.iter_fields(self.parents[one]):
            if isinstance(block, list) and one in block:
                return any(node in ast.walk(statement) for statement in block)
        return False

    def _excludes(self, node: ast.Name) -> bool:
        """Whether a read runs only when the statement does not: one in the `if`, one in the `else`."""
        one, other = self._branches(self.statement), self._branches(node)
        return not self.loops and any(one[test] != other[test] for test in one.keys() & other.keys())

    def _branches(self, node: ast.AST) -> dict[ast.If, str]:
        """The tests around a node, and the branch of each that it stands in."""
        found: dict[ast.If, str] = {}
        while node in self.parents:
            child, node = node, self.parents[node]
            if isinstance(node, ast.If) and child is not node.test:
                found[node] = "body" if child in node.body else "orelse"
        return found

    def _is_other_entry(self, node: ast.Name, entry: object) -> bool:
        """Whether a read is of another entry (`checkpoint["epoch"]`), or asks only whether one is there."""
        parent = self.parents.get(node)
        if isinstance(parent, ast.Compare):
            return True
        if entry is None:
            return False
        if isinstance(parent, ast.Subscript) and isinstance(parent.slice, ast.Constant):
            return parent.slice.value != entry
        call = self.parents.get(parent) if isinstance(parent, ast.Attribute) else None
        if not isinstance(call, ast.Call) or not isinstance(parent, ast.Attribute) or call.func is not parent:
            return False
        if parent.attr in ("get", "pop") and call.args and isinstance(call.args[0], ast.Constant):
            return call.args[0].value != entry
        return parent.attr == "keys"


def _is_new(value: ast.expr) -> bool:
    """Whether an expression makes an object that nobody else has, or takes an entry out of one."""
    while isinstance(value, ast.Subscript):
        value = value.value
    if isinstance(value, ast.Dict | ast.DictComp):
        return True
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    return name in _NEW


def _held(value: ast.expr) -> _Held | None:
    """`state`, `checkpoint["model"]` and `checkpoint.get("model")`; None for anything else."""
    if isinstance(value, ast.Name):
        return _Held(value.id)
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and isinstance(value.slice, ast.Constant):
        return _Held(value.value.id, value.slice.value)
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and isinstance(value.func.value, ast.Name)
        and value.func.attr in ("get", "pop")
        and value.args
        and isinstance(value.args[0], ast.Constant)
    ):
        return _Held(value.func.value.id, value.args[0].value)
    return None

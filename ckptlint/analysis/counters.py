"""Numbers that a loop counts: they are another one in each round, so they are not known in its body.

    step = 0
    for batch in loader:
        if step % 1000 == 999:        not false, though the run comes here with 0
            torch.save(...)
        step += 1

Only what every round counts is taken: what is counted under a condition (`if k in own: n += 1`) tells by its number
whether the condition has ever held, see `picks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ckptlint.analysis import assignments, expressions
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import Const, Opaque
from ckptlint.facts import ir


def enter(machine: Machine, body: Sequence[ir.Stmt]) -> None:
    """A loop begins whose body stands for every round."""
    for target in _counted(body):
        value = expressions.evaluate(machine, target)
        if is_number(value):
            assignments.assign(machine, target, Opaque(target.name))


def is_number(value: object) -> bool:
    """Whether it is a known number, and no flag."""
    return isinstance(value, Const) and type(value.value) in (int, float)


def _counted(body: Sequence[ir.Stmt]) -> Iterator[ir.Name | ir.Attribute]:
    for statement in body:
        if isinstance(statement, ir.AugAssign):
            if statement.op in "+-" and isinstance(statement.target, (ir.Name, ir.Attribute)):
                yield statement.target
        elif isinstance(statement, ir.Assign):
            yield from _next(statement)
        elif isinstance(statement, (ir.For, ir.While, ir.With, ir.Try)):
            yield from _counted(statement.body)


def _next(statement: ir.Assign) -> Iterator[ir.Name | ir.Attribute]:
    """`step = step + 1`."""
    value = statement.value
    if isinstance(value, ir.BinOp) and value.op in "+-" and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, (ir.Name, ir.Attribute)) and _is_same(target, value.left):
            yield target


def _is_same(one: ir.Expr, other: ir.Expr) -> bool:
    if isinstance(one, ir.Name) and isinstance(other, ir.Name):
        return one.name == other.name
    if isinstance(one, ir.Attribute) and isinstance(other, ir.Attribute):
        return one.name == other.name and _is_same(one.value, other.value)
    return False

"""`match` statements and their patterns.

A pattern that compares with a value is that value's expression, `case _` and `case name` are None, and any other is an
`Opaque` of the expressions in it. All names that a pattern binds are in `captures`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import libcst as cst

from ckptlint.facts import ir
from ckptlint.facts.extract.expressions import expression, optional
from ckptlint.facts.extract.lowering import Lowering

LowerBlock: TypeAlias = Callable[[Lowering, cst.BaseSuite], tuple[ir.Stmt, ...]]


def match(low: Lowering, node: cst.Match, block: LowerBlock) -> tuple[ir.Stmt, ...]:
    """A whole `match` statement."""
    number = low.identify(node)
    subject = expression(low, node.subject)
    cases = []
    for case in node.cases:
        place = low.identify(case)
        captures: list[str] = []
        pattern = _pattern(low, case.pattern, captures)
        guard = optional(low, case.guard)
        cases.append(ir.Case(place, pattern, tuple(captures), guard, block(low, case.body)))
    return (ir.Match(number, subject, tuple(cases)),)


def _pattern(low: Lowering, node: cst.MatchPattern, captures: list[str]) -> ir.Expr | None:
    if isinstance(node, (cst.MatchValue, cst.MatchSingleton)):
        return expression(low, node.value)
    if isinstance(node, cst.MatchAs):
        inner = None if node.pattern is None else _pattern(low, node.pattern, captures)
        if node.name is not None:
            captures.append(node.name.value)
        return inner
    number = low.identify(node)
    operands: list[ir.Expr] = []
    for part in _children(node):
        if isinstance(part, cst.MatchPattern):
            operand = _pattern(low, part, captures)
            if operand is not None:
                operands.append(operand)
        elif isinstance(part, cst.MatchStar):
            if part.name is not None:
                captures.append(part.name.value)
        else:
            operands.append(expression(low, part))
    return ir.Opaque(number, tuple(operands))


def _children(node: Any) -> list[Any]:
    """Patterns, stars and expressions directly inside a compound pattern, in the order of the source."""
    if isinstance(node, cst.MatchOr):
        return [element.pattern for element in node.patterns]
    if isinstance(node, (cst.MatchList, cst.MatchTuple)):
        return [element if isinstance(element, cst.MatchStar) else element.value for element in node.patterns]
    if isinstance(node, cst.MatchMapping):
        children: list[Any] = []
        for element in node.elements:
            children += [element.key, element.pattern]
        if node.rest is not None:
            children.append(cst.MatchStar(name=node.rest))
        return children
    if isinstance(node, cst.MatchClass):
        return [node.cls, *(element.value for element in node.patterns), *(kwd.pattern for kwd in node.kwds)]
    return []

"""Statements: libcst to `facts.ir`; see `lowering` for how the walk works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst

from ckptlint.facts import ir
from ckptlint.facts.extract.expressions import arguments, expression, optional, parameters
from ckptlint.facts.extract.lowering import Lowering, LowerStatement, by_type
from ckptlint.facts.extract.patterns import match
from ckptlint.facts.units import unit_of_stub


def module(low: Lowering, node: cst.Module) -> ir.Module:
    """The skeleton."""
    return ir.Module(_body(low, node.body))


def block(low: Lowering, node: cst.BaseSuite) -> tuple[ir.Stmt, ...]:
    """The statements after a colon, on lines of their own or on the same line."""
    return _body(low, node.body)


def _body(low: Lowering, nodes: Sequence[cst.CSTNode]) -> tuple[ir.Stmt, ...]:
    lowered: list[ir.Stmt] = []
    for node in nodes:
        lowered += statement(low, node)
    return tuple(lowered)


def statement(low: Lowering, node: cst.CSTNode) -> tuple[ir.Stmt, ...]:
    """One statement, or the several small ones of a line."""
    if isinstance(node, cst.SimpleStatementLine):
        if len(node.body) != 1:
            return _body(low, node.body)
        node = node.body[0]
    lower: LowerStatement | None = _BY_TYPE.get(type(node))
    if lower is None:
        number = low.identify(node)
        return (ir.ExprStmt(number, ir.Opaque(low.identify(node))),)
    return lower(low, node)


def _expression_statement(low: Lowering, node: cst.Expr) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    if isinstance(node.value, cst.Name):
        unit = unit_of_stub(node.value.value)
        if unit is not None and unit < len(low.names):
            return (ir.FunctionStub(number, low.names[unit], unit),)
    return (ir.ExprStmt(number, expression(low, node.value)),)


def _assign(low: Lowering, node: cst.Assign) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    targets = tuple([expression(low, target.target) for target in node.targets])
    return (ir.Assign(number, targets, expression(low, node.value)),)


def _annotated_assign(low: Lowering, node: cst.AnnAssign) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    target = expression(low, node.target)
    annotation = expression(low, node.annotation.annotation)
    return (ir.Assign(number, (target,), optional(low, node.value), annotation),)


def _augmented_assign(low: Lowering, node: cst.AugAssign) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    target = expression(low, node.target)
    written = getattr(node.operator, "value", None)
    operator = written if isinstance(written, str) else _AUGMENTED[type(node.operator)]
    return (ir.AugAssign(number, target, operator.rstrip("="), expression(low, node.value)),)


def _type_alias(low: Lowering, node: Any) -> tuple[ir.Stmt, ...]:
    """`type X = ...`: the right side is not run where it stands."""
    number = low.identify(node)
    target = expression(low, node.name)
    return (ir.Assign(number, (target,), ir.Opaque(low.identify(node.value))),)


def _return(low: Lowering, node: cst.Return) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    return (ir.Return(number, optional(low, node.value)),)


def _raise(low: Lowering, node: cst.Raise) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    exception = optional(low, node.exc)
    return (ir.Raise(number, exception, None if node.cause is None else expression(low, node.cause.item)),)


def _assert(low: Lowering, node: cst.Assert) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    test = expression(low, node.test)
    return (ir.Assert(number, test, optional(low, node.msg)),)


def _delete(low: Lowering, node: cst.Del) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    target = node.target
    if isinstance(target, cst.Tuple) and not target.lpar:
        return (ir.Delete(number, tuple([expression(low, element.value) for element in target.elements])),)
    return (ir.Delete(number, (expression(low, target),)),)


def _scope(kind: str) -> LowerStatement:
    def lower(low: Lowering, node: cst.Global | cst.Nonlocal) -> tuple[ir.Stmt, ...]:
        return (ir.Scope(low.identify(node), kind, tuple([item.name.value for item in node.names])),)

    return lower


def _jump(kind: str) -> LowerStatement:
    def lower(low: Lowering, node: cst.CSTNode) -> tuple[ir.Stmt, ...]:
        return (ir.Jump(low.identify(node), kind),)

    return lower


def _if(low: Lowering, node: cst.If) -> tuple[ir.Stmt, ...]:
    """`elif` chains are walked in a loop: generated dispatchers have thousands of arms."""
    arms: list[tuple[int, ir.Expr, tuple[ir.Stmt, ...]]] = []
    rest: cst.If | cst.Else | None = node
    while isinstance(rest, cst.If):
        number = low.identify(rest)
        test = expression(low, rest.test)
        arms.append((number, test, block(low, rest.body)))
        rest = rest.orelse
    orelse = _else(low, rest)
    while arms:
        number, test, body = arms.pop()
        orelse = (ir.If(number, test, body, orelse),)
    return orelse


def _else(low: Lowering, node: cst.Else | None) -> tuple[ir.Stmt, ...]:
    return () if node is None else block(low, node.body)


def _while(low: Lowering, node: cst.While) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    test = expression(low, node.test)
    body = block(low, node.body)
    return (ir.While(number, test, body, _else(low, node.orelse)),)


def _for(low: Lowering, node: cst.For) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    target = expression(low, node.target)
    source = expression(low, node.iter)
    body = block(low, node.body)
    return (ir.For(number, target, source, body, _else(low, node.orelse)),)


def _with(low: Lowering, node: cst.With) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    items = []
    for item in node.items:
        place = low.identify(item)
        value = expression(low, item.item)
        items.append(ir.WithItem(place, value, None if item.asname is None else expression(low, item.asname.name)))
    return (ir.With(number, tuple(items), block(low, node.body)),)


def _try(low: Lowering, node: cst.Try | cst.TryStar) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    body = block(low, node.body)
    handlers = []
    for handler in node.handlers:
        place = low.identify(handler)
        exception = optional(low, handler.type)
        name = None if handler.name is None else _bound_name(handler.name.name)
        handlers.append(ir.Handler(place, exception, name, block(low, handler.body)))
    orelse = _else(low, node.orelse)
    final = () if node.finalbody is None else block(low, node.finalbody.body)
    return (ir.Try(number, body, tuple(handlers), orelse, final),)


def _match(low: Lowering, node: cst.Match) -> tuple[ir.Stmt, ...]:
    return match(low, node, block)


def _import(low: Lowering, node: Any) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    return (ir.Import(number, _aliases(low, node.names)),)


def _import_from(low: Lowering, node: Any) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    origin = "" if node.module is None else _dotted(node.module)
    if isinstance(node.names, cst.ImportStar):
        names: tuple[ir.Alias, ...] = (ir.Alias(low.identify(node.names), "*", None),)
    else:
        names = _aliases(low, node.names)
    return (ir.ImportFrom(number, origin, len(node.relative), names),)


def _aliases(low: Lowering, names: Sequence[cst.ImportAlias]) -> tuple[ir.Alias, ...]:
    return tuple(
        [
            ir.Alias(
                low.identify(alias),
                _dotted(alias.name),
                None if alias.asname is None else _bound_name(alias.asname.name),
            )
            for alias in names
        ]
    )


def _dotted(node: cst.BaseExpression) -> str:
    parts = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    parts.append(_bound_name(node))
    return ".".join(reversed(parts))


def _bound_name(node: cst.BaseExpression) -> str:
    return node.value if isinstance(node, cst.Name) else ""


def _function(low: Lowering, node: cst.FunctionDef) -> tuple[ir.Stmt, ...]:
    return (function(low, node),)


def function(low: Lowering, node: cst.FunctionDef) -> ir.FunctionDef:
    """A function with its body; the root of a unit has id 0."""
    number = low.identify(node)
    decorators = tuple([expression(low, decorator.decorator) for decorator in node.decorators])
    params = parameters(low, node.params)
    returns = None if node.returns is None else expression(low, node.returns.annotation)
    return ir.FunctionDef(number, node.name.value, params, decorators, block(low, node.body), returns)


def _class(low: Lowering, node: cst.ClassDef) -> tuple[ir.Stmt, ...]:
    number = low.identify(node)
    decorators = tuple([expression(low, decorator.decorator) for decorator in node.decorators])
    bases = arguments(low, (*node.bases, *node.keywords))
    return (ir.ClassDef(number, node.name.value, bases, decorators, block(low, node.body)),)


_AUGMENTED: dict[type[cst.CSTNode], str] = {
    cst.AddAssign: "+",
    cst.SubtractAssign: "-",
    cst.MultiplyAssign: "*",
    cst.MatrixMultiplyAssign: "@",
    cst.DivideAssign: "/",
    cst.FloorDivideAssign: "//",
    cst.ModuloAssign: "%",
    cst.PowerAssign: "**",
    cst.LeftShiftAssign: "<<",
    cst.RightShiftAssign: ">>",
    cst.BitAndAssign: "&",
    cst.BitOrAssign: "|",
    cst.BitXorAssign: "^",
}

_BY_TYPE: dict[type[cst.CSTNode], LowerStatement] = by_type(
    {
        "Expr": _expression_statement,
        "Assign": _assign,
        "AnnAssign": _annotated_assign,
        "AugAssign": _augmented_assign,
        "TypeAlias": _type_alias,
        "Return": _return,
        "Raise": _raise,
        "Assert": _assert,
        "Del": _delete,
        "Global": _scope("global"),
        "Nonlocal": _scope("nonlocal"),
        "Pass": _jump("pass"),
        "Break": _jump("break"),
        "Continue": _jump("continue"),
        "If": _if,
        "While": _while,
        "For": _for,
        "With": _with,
        "Try": _try,
        "TryStar": _try,
        "Match": _match,
        "Import": _import,
        "ImportFrom": _import_from,
        "LazyImport": _import,
        "LazyImportFrom": _import_from,
        "FunctionDef": _function,
        "ClassDef": _class,
    }
)

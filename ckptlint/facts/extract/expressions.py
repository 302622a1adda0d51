"""Expressions: libcst to `facts.ir`; see `lowering` for how the walk works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst

from ckptlint.facts import ir
from ckptlint.facts.extract.literals import floating, integer
from ckptlint.facts.extract.lowering import ASYNC_ARGUMENT, UNREADABLE, LowerExpression, Lowering, by_type
from ckptlint.facts.extract.strings import concatenated, formatted, simple, templated

_CONSTANTS: dict[str, bool | None] = {"None": None, "True": True, "False": False}
_LEFT_NESTED = (cst.Call, cst.Attribute, cst.Subscript, cst.BinaryOperation, cst.BooleanOperation)
_OPERATORS: dict[str, str] = {
    "Add": "+",
    "Subtract": "-",
    "Multiply": "*",
    "MatrixMultiply": "@",
    "Divide": "/",
    "FloorDivide": "//",
    "Modulo": "%",
    "Power": "**",
    "LeftShift": "<<",
    "RightShift": ">>",
    "BitAnd": "&",
    "BitOr": "|",
    "BitXor": "^",
    "And": "and",
    "Or": "or",
    "Not": "not",
    "Minus": "-",
    "Plus": "+",
    "BitInvert": "~",
    "Equal": "==",
    "LessThan": "<",
    "LessThanEqual": "<=",
    "GreaterThan": ">",
    "GreaterThanEqual": ">=",
    "Is": "is",
    "IsNot": "is not",
    "In": "in",
    "NotIn": "not in",
}
_OPERATOR_OF_TYPE: dict[type[cst.CSTNode], str] = {getattr(cst, name): text for name, text in _OPERATORS.items()}


def expression(low: Lowering, node: cst.BaseExpression) -> ir.Expr:
    """Any expression."""
    lower: LowerExpression | None = _BY_TYPE.get(type(node))
    if lower is None:
        return ir.Opaque(low.identify(node))
    return lower(low, node)


def optional(low: Lowering, node: cst.BaseExpression | None) -> ir.Expr | None:
    """An expression that may be missing."""
    return None if node is None else expression(low, node)


def arguments(low: Lowering, args: Sequence[cst.Arg]) -> tuple[ir.Argument, ...]:
    """The arguments of a call or the bases of a class."""
    lowered = []
    for arg in args:
        number = low.identify(arg)
        keyword = None if arg.keyword is None else arg.keyword.value
        if keyword == ASYNC_ARGUMENT:
            keyword = "async"
        lowered.append(ir.Argument(number, expression(low, arg.value), keyword, arg.star))
    return tuple(lowered)


def parameters(low: Lowering, params: cst.Parameters) -> tuple[ir.Parameter, ...]:
    """The parameters of a function or lambda, in the order of the source."""
    lowered = [_parameter(low, param, "positional") for param in params.posonly_params]
    lowered += [_parameter(low, param, "normal") for param in params.params]
    if isinstance(params.star_arg, cst.Param):
        lowered.append(_parameter(low, params.star_arg, "*"))
    lowered += [_parameter(low, param, "keyword") for param in params.kwonly_params]
    if params.star_kwarg is not None:
        lowered.append(_parameter(low, params.star_kwarg, "**"))
    return tuple(lowered)


def _parameter(low: Lowering, param: cst.Param, kind: str) -> ir.Parameter:
    number = low.identify(param)
    annotation = None if param.annotation is None else expression(low, param.annotation.annotation)
    return ir.Parameter(number, param.name.value, kind, optional(low, param.default), annotation)


def operator(node: cst.CSTNode) -> str:
    """An operator as written; `<>` counts as `!=`."""
    return _OPERATOR_OF_TYPE.get(type(node), "!=")


def _name(low: Lowering, node: cst.Name) -> ir.Expr:
    name = node.value
    if name in _CONSTANTS:
        return ir.Const(low.identify(node), _CONSTANTS[name])
    if name == UNREADABLE:
        return ir.Opaque(low.identify(node))
    return ir.Name(low.identify(node), name)


def _integer(low: Lowering, node: cst.Integer) -> ir.Expr:
    value = integer(node.value)
    return ir.Opaque(low.identify(node)) if value is None else ir.Const(low.identify(node), value)


def _float(low: Lowering, node: cst.Float) -> ir.Expr:
    value = floating(node.value)
    return ir.Opaque(low.identify(node)) if value is None else ir.Const(low.identify(node), value)


def _left_nested(low: Lowering, node: Any) -> ir.Expr:
    """`a.b(c)[d] + e and f`: down the left edge in a loop, and up again."""
    edge: list[tuple[int, Any]] = []
    while isinstance(node, _LEFT_NESTED):
        edge.append((low.identify(node), node))
        if isinstance(node, cst.Call):
            node = node.func
        elif isinstance(node, (cst.Attribute, cst.Subscript)):
            node = node.value
        else:
            node = node.left
    value = expression(low, node)
    while edge:
        number, parent = edge.pop()
        if isinstance(parent, cst.Attribute):
            value = ir.Attribute(number, value, parent.attr.value)
        elif isinstance(parent, cst.Call):
            value = ir.Call(number, value, arguments(low, parent.args))
        elif isinstance(parent, cst.Subscript):
            value = ir.Subscript(number, value, _index(low, parent))
        elif isinstance(parent, cst.BinaryOperation):
            value = ir.BinOp(number, operator(parent.operator), value, expression(low, parent.right))
        else:
            value = ir.BoolOp(number, operator(parent.operator), value, expression(low, parent.right))
    return value


def _index(low: Lowering, node: cst.Subscript) -> ir.Expr:
    elements = node.slice
    if len(elements) == 1 and not isinstance(elements[0].comma, cst.Comma):
        return _one_index(low, elements[0])
    number = low.identify(node)
    return ir.Collection(number, "tuple", tuple([_one_index(low, element) for element in elements]))


def _one_index(low: Lowering, element: cst.SubscriptElement) -> ir.Expr:
    part = element.slice
    if isinstance(part, cst.Index):
        if part.star:
            return ir.Starred(low.identify(part), expression(low, part.value))
        return expression(low, part.value)
    assert isinstance(part, cst.Slice)
    number = low.identify(part)
    return ir.Slice(number, optional(low, part.lower), optional(low, part.upper), optional(low, part.step))


def _unary(low: Lowering, node: cst.UnaryOperation) -> ir.Expr:
    number = low.identify(node)
    return ir.Unary(number, operator(node.operator), expression(low, node.expression))


def _comparison(low: Lowering, node: cst.Comparison) -> ir.Expr:
    number = low.identify(node)
    left = expression(low, node.left)
    ops = tuple([operator(target.operator) for target in node.comparisons])
    return ir.Compare(number, left, ops, tuple([expression(low, target.comparator) for target in node.comparisons]))


def _conditional(low: Lowering, node: cst.BaseExpression) -> ir.Expr:
    """`a if b else c if d else e`: along the right edge in a loop."""
    chain: list[tuple[int, ir.Expr, ir.Expr]] = []
    while isinstance(node, cst.IfExp):
        number = low.identify(node)
        body = expression(low, node.body)
        chain.append((number, expression(low, node.test), body))
        node = node.orelse
    value = expression(low, node)
    while chain:
        number, test, body = chain.pop()
        value = ir.IfExp(number, test, body, value)
    return value


def _lambda(low: Lowering, node: cst.Lambda) -> ir.Expr:
    number = low.identify(node)
    params = parameters(low, node.params)
    return ir.Lambda(number, params, expression(low, node.body))


def _collection(kind: str) -> LowerExpression:
    def lower(low: Lowering, node: cst.Tuple | cst.List | cst.Set) -> ir.Expr:
        number = low.identify(node)
        items: list[ir.Expr] = []
        for element in node.elements:
            if isinstance(element, cst.StarredElement):
                star = low.identify(element)
                items.append(ir.Starred(star, expression(low, element.value)))
            else:
                items.append(expression(low, element.value))
        return ir.Collection(number, kind, tuple(items))

    return lower


def _starred(low: Lowering, node: cst.StarredElement) -> ir.Expr:
    return ir.Starred(low.identify(node), expression(low, node.value))


def _dict(low: Lowering, node: cst.Dict) -> ir.Expr:
    number = low.identify(node)
    items = []
    for element in node.elements:
        item = low.identify(element)
        key = expression(low, element.key) if isinstance(element, cst.DictElement) else None
        items.append(ir.DictItem(item, key, expression(low, element.value)))
    return ir.Dict(number, tuple(items))


def _comprehension(kind: str) -> LowerExpression:
    def lower(low: Lowering, node: Any) -> ir.Expr:
        number = low.identify(node)
        key = expression(low, node.key) if kind == "dict" else None
        element = expression(low, node.value if kind == "dict" else node.elt)
        return ir.Comprehension(number, kind, key, element, _generators(low, node.for_in))

    return lower


def _starred_dict_comprehension(low: Lowering, node: Any) -> ir.Expr:
    """`{**d for d in ds}` (PEP 798): neither keys nor values are known."""
    number = low.identify(node)
    operands = [expression(low, node.value)]
    for generator in _generators(low, node.for_in):
        operands += [generator.iter, *generator.conditions]
    return ir.Opaque(number, tuple(operands))


def _generators(low: Lowering, clause: cst.CompFor | None) -> tuple[ir.Generator, ...]:
    lowered = []
    while clause is not None:
        number = low.identify(clause)
        target = expression(low, clause.target)
        source = expression(low, clause.iter)
        conditions = tuple([expression(low, condition.test) for condition in clause.ifs])
        lowered.append(ir.Generator(number, target, source, conditions))
        clause = clause.inner_for_in
    return tuple(lowered)


def _named(low: Lowering, node: cst.NamedExpr) -> ir.Expr:
    number = low.identify(node)
    target = expression(low, node.target)
    return ir.NamedExpr(number, target, expression(low, node.value))


def _await(low: Lowering, node: cst.Await) -> ir.Expr:
    return ir.Await(low.identify(node), expression(low, node.expression))


def _yield(low: Lowering, node: cst.Yield) -> ir.Expr:
    number = low.identify(node)
    if isinstance(node.value, cst.From):
        return ir.Yield(number, expression(low, node.value.item), True)
    return ir.Yield(number, optional(low, node.value), False)


def _simple_string(low: Lowering, node: cst.SimpleString) -> ir.Expr:
    return simple(low, node)


def _formatted_string(low: Lowering, node: cst.FormattedString) -> ir.Expr:
    return formatted(low, node, expression)


def _templated_string(low: Lowering, node: Any) -> ir.Expr:
    return templated(low, node, expression)


def _concatenated_string(low: Lowering, node: cst.ConcatenatedString) -> ir.Expr:
    return concatenated(low, node, expression)


_BY_TYPE: dict[type[cst.CSTNode], LowerExpression] = by_type(
    {
        "Name": _name,
        "Integer": _integer,
        "Float": _float,
        "SimpleString": _simple_string,
        "FormattedString": _formatted_string,
        "TemplatedString": _templated_string,
        "ConcatenatedString": _concatenated_string,
        "Call": _left_nested,
        "Attribute": _left_nested,
        "Subscript": _left_nested,
        "BinaryOperation": _left_nested,
        "BooleanOperation": _left_nested,
        "UnaryOperation": _unary,
        "Comparison": _comparison,
        "IfExp": _conditional,
        "Lambda": _lambda,
        "Tuple": _collection("tuple"),
        "List": _collection("list"),
        "Set": _collection("set"),
        "StarredElement": _starred,
        "Dict": _dict,
        "ListComp": _comprehension("list"),
        "SetComp": _comprehension("set"),
        "DictComp": _comprehension("dict"),
        "GeneratorExp": _comprehension("generator"),
        "StarredDictComp": _starred_dict_comprehension,
        "NamedExpr": _named,
        "Await": _await,
        "Yield": _yield,
    }
)

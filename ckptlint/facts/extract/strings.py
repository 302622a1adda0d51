"""String expressions: simple, joined, formatted (f"...") and templates (t"...").

Adjacent plain strings are one `Const`; as soon as one of them is formatted, the whole is one `FString`:

    "a" "b"         Const("ab")
    "a" f"{b}.pt"   FString((Const("a"), Name("b"), Const(".pt")))

A replacement field is its expression; if its format holds expressions of its own (`f"{x:{width}}"`), it is an `Opaque`
of all of them, for then the text is not that of `x`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import libcst as cst

from ckptlint.facts import ir
from ckptlint.facts.extract.literals import string, unescape
from ckptlint.facts.extract.lowering import Lowering

LowerAny: TypeAlias = Callable[[Lowering, cst.BaseExpression], ir.Expr]


def simple(low: Lowering, node: cst.SimpleString) -> ir.Expr:
    """One literal."""
    value = string(node.value)
    return ir.Opaque(low.identify(node)) if value is None else ir.Const(low.identify(node), value)


def formatted(low: Lowering, node: cst.FormattedString, lower: LowerAny) -> ir.Expr:
    """One f-string."""
    number = low.identify(node)
    return ir.FString(number, tuple(_parts(low, node.parts, "r" in node.prefix, lower)))


def templated(low: Lowering, node: Any, lower: LowerAny) -> ir.Expr:
    """One t-string: no string at all, but its expressions are run."""
    number = low.identify(node)
    return ir.Opaque(number, tuple(_parts(low, node.parts, "r" in node.prefix, lower)))


def concatenated(low: Lowering, node: cst.ConcatenatedString, lower: LowerAny) -> ir.Expr:
    """Adjacent literals."""
    number = low.identify(node)
    literals: list[Any] = []
    rest: Any = node
    while isinstance(rest, cst.ConcatenatedString):
        literals.append(rest.left)
        rest = rest.right
    literals.append(rest)
    if all(isinstance(literal, cst.SimpleString) for literal in literals):
        values = [string(literal.value) for literal in literals]
        known = [value for value in values if value is not None]
        return ir.Const(number, "".join(known)) if len(known) == len(values) else ir.Opaque(number)
    parts: list[ir.Expr] = []
    for literal in literals:
        if isinstance(literal, cst.SimpleString):
            parts.append(simple(low, literal))
        else:
            parts += _parts(low, literal.parts, "r" in literal.prefix, lower)
    strings = all(isinstance(literal, (cst.SimpleString, cst.FormattedString)) for literal in literals)
    return ir.FString(number, tuple(parts)) if strings else ir.Opaque(number, tuple(parts))


def _parts(low: Lowering, parts: Sequence[Any], raw: bool, lower: LowerAny) -> list[ir.Expr]:
    lowered: list[ir.Expr] = []
    for part in parts:
        number = low.identify(part)
        if not hasattr(part, "expression"):
            text = part.value.replace("{{", "{").replace("}}", "}")
            value = text if raw else unescape(text)
            lowered.append(ir.Opaque(number) if value is None else ir.Const(number, value))
            continue
        value_of_field = lower(low, part.expression)
        of_format = [piece for piece in _parts(low, part.format_spec or (), raw, lower) if _has_expression(piece)]
        lowered.append(ir.Opaque(number, (value_of_field, *of_format)) if of_format else value_of_field)
    return lowered


def _has_expression(piece: ir.Expr) -> bool:
    return not isinstance(piece, ir.Const)

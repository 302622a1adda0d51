"""Expressions, see `ckptlint.facts.ir`."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Node(msgspec.Struct, frozen=True, array_like=True, tag=True, omit_defaults=False):
    """Anything with a place in the source. `id` is unique within the unit."""

    id: int


class Name(Node, frozen=True):
    """`x`."""

    name: str


class Const(Node, frozen=True):
    """A literal; adjacent string literals are joined. Bytes, complex numbers and `...` are `Opaque`."""

    value: bool | int | float | str | None


class Attribute(Node, frozen=True):
    """`value.name`."""

    value: Expr
    name: str


class Argument(Node, frozen=True):
    """One argument of a call or one base of a class. `star` is "", "*" or "**"."""

    value: Expr
    keyword: str | None = None
    star: str = ""


class Call(Node, frozen=True):
    """`func(args)`."""

    func: Expr
    args: tuple[Argument, ...] = ()


class Subscript(Node, frozen=True):
    """`value[index]`; `x[a, b]` has a tuple `Collection` as index."""

    value: Expr
    index: Expr


class Slice(Node, frozen=True):
    """`lower:upper:step` inside a subscript."""

    lower: Expr | None
    upper: Expr | None
    step: Expr | None


class Starred(Node, frozen=True):
    """`*value` in a display or an assignment target."""

    value: Expr


class Collection(Node, frozen=True):
    """`(a, b)`, `[a, b]` or `{a, b}`; `kind` is "tuple", "list" or "set"."""

    kind: str
    items: tuple[Expr, ...]


class DictItem(Node, frozen=True):
    """`key: value`, or `**value` when key is None."""

    key: Expr | None
    value: Expr


class Dict(Node, frozen=True):
    """`{...}`."""

    items: tuple[DictItem, ...]


class BoolOp(Node, frozen=True):
    """`left and right`, `left or right`; `op` is "and" or "or"."""

    op: str
    left: Expr
    right: Expr


class Unary(Node, frozen=True):
    """`op` is "not", "-", "+" or "~"."""

    op: str
    operand: Expr


class BinOp(Node, frozen=True):
    """`op` as written: "+", "%", "|", ..."""

    op: str
    left: Expr
    right: Expr


class Compare(Node, frozen=True):
    """`left ops[0] comparators[0] ops[1] ...`; ops as written: "==", "is not", "not in", ..."""

    left: Expr
    ops: tuple[str, ...]
    comparators: tuple[Expr, ...]


class IfExp(Node, frozen=True):
    """`body if test else orelse`."""

    test: Expr
    body: Expr
    orelse: Expr


class Parameter(Node, frozen=True):
    """`kind` is "positional" (only), "normal", "keyword" (only), "*" or "**"."""

    name: str
    kind: str
    default: Expr | None = None
    annotation: Expr | None = None


class Lambda(Node, frozen=True):
    """`lambda params: body`."""

    params: tuple[Parameter, ...]
    body: Expr


class Generator(Node, frozen=True):
    """`for target in iter if conditions`."""

    target: Expr
    iter: Expr
    conditions: tuple[Expr, ...]


class Comprehension(Node, frozen=True):
    """`kind` is "list", "set", "dict" or "generator"; `key` is set for "dict" alone."""

    kind: str
    key: Expr | None
    element: Expr
    generators: tuple[Generator, ...]


class FString(Node, frozen=True):
    """Literal pieces as `Const`, `{...}` pieces as their expression; conversions and formats are left out."""

    parts: tuple[Expr, ...]


class NamedExpr(Node, frozen=True):
    """`(target := value)`."""

    target: Expr
    value: Expr


class Await(Node, frozen=True):
    """`await value`."""

    value: Expr


class Yield(Node, frozen=True):
    """`yield value` or `yield from value`."""

    value: Expr | None
    delegate: bool


class Opaque(Node, frozen=True):
    """An expression that the analysis has no word for; `operands` are the expressions inside it."""

    operands: tuple[Expr, ...] = ()


Expr: TypeAlias = (
    Name
    | Const
    | Attribute
    | Call
    | Subscript
    | Slice
    | Starred
    | Collection
    | Dict
    | BoolOp
    | Unary
    | BinOp
    | Compare
    | IfExp
    | Lambda
    | Comprehension
    | FString
    | NamedExpr
    | Await
    | Yield
    | Opaque
)

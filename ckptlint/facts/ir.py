"""The picture of one file: a small syntax tree that the analysis runs, free of libcst.

The extractor lowers libcst nodes into these values; everything above reads only them. They are frozen, made by the
hundred thousand, and written to the cache as msgpack arrays, so every class is a `msgspec.Struct`.

A file is cut into *units*. Unit 0 is the skeleton: all statements at module level, class headers and class-level
statements, with the body of every function left out. Each function or method (with all that is nested inside it) is a
unit of its own, lowered only when the analysis asks for it. In the skeleton a `FunctionStub` stands where the function
is defined:

    import torch                          # unit 0: Import
    class Trainer:                        # unit 0: ClassDef, body = [FunctionStub("save", unit=1)]
        def save(self, path):             # unit 1: FunctionDef
            torch.save(self.net.state_dict(), path)

Every node has an `id`, unique in its unit, given in the order of lowering. Lowering the same text again gives the same
ids, so positions are not stored: whoever wants the place of a node asks for the spans of (unit, ids), see
`ckptlint.facts.spans`. What the analysis has no use for is lowered to `Opaque`, never dropped in silence: its operands
are kept so that calls inside it are still seen.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Node(msgspec.Struct, frozen=True, array_like=True, tag=True, omit_defaults=False):
    """Anything with a place in the source. `id` is unique within the unit."""

    id: int


# --- expressions ---------------------------------------------------------------------------------------------------


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


# --- statements ----------------------------------------------------------------------------------------------------


class Parameter(Node, frozen=True):
    """`kind` is "positional" (only), "normal", "keyword" (only), "*" or "**"."""

    name: str
    kind: str
    default: Expr | None = None
    annotation: Expr | None = None


class Assign(Node, frozen=True):
    """`targets[0] = targets[1] = value`; an annotated assignment has one target and its annotation."""

    targets: tuple[Expr, ...]
    value: Expr | None
    annotation: Expr | None = None


class AugAssign(Node, frozen=True):
    """`target op= value`; `op` without the equals sign."""

    target: Expr
    op: str
    value: Expr


class ExprStmt(Node, frozen=True):
    """An expression for its effect."""

    value: Expr


class Return(Node, frozen=True):
    """`return value`."""

    value: Expr | None


class Raise(Node, frozen=True):
    """`raise exception from cause` (exception None: re-raise)."""

    exception: Expr | None
    cause: Expr | None = None


class Assert(Node, frozen=True):
    """`assert test, message`."""

    test: Expr
    message: Expr | None


class Delete(Node, frozen=True):
    """`del targets`."""

    targets: tuple[Expr, ...]


class Scope(Node, frozen=True):
    """`global names` or `nonlocal names`; `kind` is that word."""

    kind: str
    names: tuple[str, ...]


class Jump(Node, frozen=True):
    """`pass`, `break` or `continue`; `kind` is that word."""

    kind: str


class If(Node, frozen=True):
    """`if test: body else: orelse`; an elif is an `If` alone in `orelse`."""

    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


class While(Node, frozen=True):
    """`while test: body else: orelse`."""

    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


class For(Node, frozen=True):
    """`for target in iter: body else: orelse` (async too)."""

    target: Expr
    iter: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


class WithItem(Node, frozen=True):
    """`value as target`."""

    value: Expr
    target: Expr | None


class With(Node, frozen=True):
    """`with items: body` (async too)."""

    items: tuple[WithItem, ...]
    body: tuple[Stmt, ...]


class Handler(Node, frozen=True):
    """`except exception as name: body` (`except*` too); exception None catches everything."""

    exception: Expr | None
    name: str | None
    body: tuple[Stmt, ...]


class Try(Node, frozen=True):
    """`try: body except ...: else: orelse finally: final`."""

    body: tuple[Stmt, ...]
    handlers: tuple[Handler, ...]
    orelse: tuple[Stmt, ...]
    final: tuple[Stmt, ...]


class Case(Node, frozen=True):
    """`case pattern if guard: body`. A value pattern is its expression; any other is `Opaque`; None is `case _`."""

    pattern: Expr | None
    captures: tuple[str, ...]
    guard: Expr | None
    body: tuple[Stmt, ...]


class Match(Node, frozen=True):
    """`match subject: cases`."""

    subject: Expr
    cases: tuple[Case, ...]


class Alias(Node, frozen=True):
    """`name as asname`; name is dotted for `import a.b`, "*" for a star import."""

    name: str
    asname: str | None


class Import(Node, frozen=True):
    """`import names`."""

    names: tuple[Alias, ...]


class ImportFrom(Node, frozen=True):
    """`from ...module import names`; `level` counts the leading dots."""

    module: str
    level: int
    names: tuple[Alias, ...]


class FunctionDef(Node, frozen=True):
    """A function with its body: the root of a function unit, or nested inside one (async too)."""

    name: str
    params: tuple[Parameter, ...]
    decorators: tuple[Expr, ...]
    body: tuple[Stmt, ...]
    returns: Expr | None = None


class FunctionStub(Node, frozen=True):
    """In the skeleton: the function `name` is defined here, its text is unit `unit`."""

    name: str
    unit: int


class ClassDef(Node, frozen=True):
    """`class name(bases): body`; keyword bases (metaclass=...) are arguments with a keyword."""

    name: str
    bases: tuple[Argument, ...]
    decorators: tuple[Expr, ...]
    body: tuple[Stmt, ...]


Stmt: TypeAlias = (
    Assign
    | AugAssign
    | ExprStmt
    | Return
    | Raise
    | Assert
    | Delete
    | Scope
    | Jump
    | If
    | While
    | For
    | With
    | Try
    | Match
    | Import
    | ImportFrom
    | FunctionDef
    | FunctionStub
    | ClassDef
)


class Module(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The skeleton of a file: unit 0."""

    body: tuple[Stmt, ...]


Unit: TypeAlias = Module | FunctionDef

"""Statements, and the two kinds of unit that they make up, see `ckptlint.facts.ir`."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ckptlint.facts.ir.expressions import Argument, Expr, Node, Parameter


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

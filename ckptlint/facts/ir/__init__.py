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

from ckptlint.facts.ir.expressions import (
    Argument,
    Attribute,
    Await,
    BinOp,
    BoolOp,
    Call,
    Collection,
    Compare,
    Comprehension,
    Const,
    Dict,
    DictItem,
    Expr,
    FString,
    Generator,
    IfExp,
    Lambda,
    Name,
    NamedExpr,
    Node,
    Opaque,
    Parameter,
    Slice,
    Starred,
    Subscript,
    Unary,
    Yield,
)
from ckptlint.facts.ir.statements import (
    Alias,
    Assert,
    Assign,
    AugAssign,
    Case,
    ClassDef,
    Delete,
    ExprStmt,
    For,
    FunctionDef,
    FunctionStub,
    Handler,
    If,
    Import,
    ImportFrom,
    Jump,
    Match,
    Module,
    Raise,
    Return,
    Scope,
    Stmt,
    Try,
    Unit,
    While,
    With,
    WithItem,
)

__all__ = [
    "Alias",
    "Argument",
    "Assert",
    "Assign",
    "Attribute",
    "AugAssign",
    "Await",
    "BinOp",
    "BoolOp",
    "Call",
    "Case",
    "ClassDef",
    "Collection",
    "Compare",
    "Comprehension",
    "Const",
    "Delete",
    "Dict",
    "DictItem",
    "Expr",
    "ExprStmt",
    "FString",
    "For",
    "FunctionDef",
    "FunctionStub",
    "Generator",
    "Handler",
    "If",
    "IfExp",
    "Import",
    "ImportFrom",
    "Jump",
    "Lambda",
    "Match",
    "Module",
    "Name",
    "NamedExpr",
    "Node",
    "Opaque",
    "Parameter",
    "Raise",
    "Return",
    "Scope",
    "Slice",
    "Starred",
    "Stmt",
    "Subscript",
    "Try",
    "Unary",
    "Unit",
    "While",
    "With",
    "WithItem",
    "Yield",
]

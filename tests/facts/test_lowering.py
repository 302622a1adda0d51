"""What each piece of syntax becomes, written as a compact text: ids left out, structure shown."""
# ruff: noqa: E501 - one piece of syntax a line

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ckptlint.facts.store import FactStore


def shown(value: Any) -> str:
    """`Call(Name(f), ())` for a node: its class and its fields without the id."""
    if isinstance(value, msgspec.Struct):
        fields = [shown(getattr(value, field)) for field in value.__struct_fields__ if field != "id"]
        while fields and fields[-1] in ("None", "()", "''"):
            fields.pop()
        return f"{type(value).__name__}({', '.join(fields)})"
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]" if value else "()"
    return repr(value)


def lowered(folder: Path, text: str) -> list[str]:
    (folder / "a.py").write_text(textwrap.dedent(text))
    store = FactStore(folder, ["a.py"])
    statements = [shown(statement) for statement in store.skeleton("a.py").body]
    assert store.unreadable == []
    return statements


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("None, True, 0x_ff, 1_0.5e1", "Collection('tuple', [Const(), Const(True), Const(255), Const(105.0)])"),
        ("..., b'x', 1j, 2 ** 3", "Collection('tuple', [Opaque(), Opaque(), Opaque(), BinOp('**', Const(2), Const(3))])"),
        ("99999999999999999999999999", "Opaque()"),
        (r"'a' r'\b' '''c''' 'd\n\x41\101\N{DIGIT ONE}\q'", r"Const('a\\bcd\nAA1\\q')"),
        (r"'\ud800'", "Opaque()"),
        ("b'a' b'b'", "Opaque()"),
        ("f'a{{{b!r:>{width}}}}' 'c'", "FString([Const('a{'), Opaque([Name('b'), Name('width')]), Const('}'), Const('c')])"),
        ("f'{a:.2f}{f\"{b}\"}'", "FString([Name('a'), FString([Name('b')])])"),
        ("f'{x=}'", "FString([Name('x')])"),
        ("a.b(c, *d, e=f, **g)[h]", "Subscript(Call(Attribute(Name('a'), 'b'), [Argument(Name('c')), Argument(Name('d'), None, '*'), Argument(Name('f'), 'e'), Argument(Name('g'), None, '**')]), Name('h'))"),
        ("x[a:b, ::c, d]", "Subscript(Name('x'), Collection('tuple', [Slice(Name('a'), Name('b')), Slice(None, None, Name('c')), Name('d')]))"),
        ("x[a,]", "Subscript(Name('x'), Collection('tuple', [Name('a')]))"),
        ("x[*a]", "Subscript(Name('x'), Starred(Name('a')))"),
        ("k[7:]", "Subscript(Name('k'), Slice(Const(7)))"),
        ("a + b * c - d", "BinOp('-', BinOp('+', Name('a'), BinOp('*', Name('b'), Name('c'))), Name('d'))"),
        ("a and b or not c", "BoolOp('or', BoolOp('and', Name('a'), Name('b')), Unary('not', Name('c')))"),
        ("a < b is not c not in d", "Compare(Name('a'), ['<', 'is not', 'not in'], [Name('b'), Name('c'), Name('d')])"),
        ("a if b else c if d else e", "IfExp(Name('b'), Name('a'), IfExp(Name('d'), Name('c'), Name('e')))"),
        ("[*a, b], {c}, {**d, 'e': f}, ()", "Collection('tuple', [Collection('list', [Starred(Name('a')), Name('b')]), Collection('set', [Name('c')]), Dict([DictItem(None, Name('d')), DictItem(Const('e'), Name('f'))]), Collection('tuple')])"),
        ("{k[7:]: v for k, v in d.items() if k for w in v}", "Comprehension('dict', Subscript(Name('k'), Slice(Const(7))), Name('v'), [Generator(Collection('tuple', [Name('k'), Name('v')]), Call(Attribute(Name('d'), 'items')), [Name('k')]), Generator(Name('w'), Name('v'))])"),
        ("(x for x in y)", "Comprehension('generator', None, Name('x'), [Generator(Name('x'), Name('y'))])"),
        ("lambda a, /, b=1, *c, d, **e: a", "Lambda([Parameter('a', 'positional'), Parameter('b', 'normal', Const(1)), Parameter('c', '*'), Parameter('d', 'keyword'), Parameter('e', '**')], Name('a'))"),
        ("(y := f())", "NamedExpr(Name('y'), Call(Name('f')))"),
        ("-~x", "Unary('-', Unary('~', Name('x')))"),
    ],
)  # fmt: skip
def test_expressions(tmp_path: Path, code: str, expected: str) -> None:
    assert lowered(tmp_path, code + "\n") == [f"ExprStmt({expected})"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a = b, *c = d", "Assign([Name('a'), Collection('tuple', [Name('b'), Starred(Name('c'))])], Name('d'))"),
        ("a.b: int", "Assign([Attribute(Name('a'), 'b')], None, Name('int'))"),
        ("a: 'B' = c", "Assign([Name('a')], Name('c'), Const('B'))"),
        ("a //= b", "AugAssign(Name('a'), '//', Name('b'))"),
        ("a @= b", "AugAssign(Name('a'), '@', Name('b'))"),
        ("a |= b", "AugAssign(Name('a'), '|', Name('b'))"),
        ("raise A from b", "Raise(Name('A'), Name('b'))"),
        ("assert a, b", "Assert(Name('a'), Name('b'))"),
        ("del a, b[c]", "Delete([Name('a'), Subscript(Name('b'), Name('c'))])"),
        ("del (a, b)", "Delete([Collection('tuple', [Name('a'), Name('b')])])"),
        ("import a.b as c, d", "Import([Alias('a.b', 'c'), Alias('d')])"),
        ("from ...a.b import (c as d, e,)", "ImportFrom('a.b', 3, [Alias('c', 'd'), Alias('e')])"),
        ("from . import *", "ImportFrom('', 1, [Alias('*')])"),
        ("type A[T] = list[T]", "Assign([Name('A')], Opaque())"),
        ("if a: b\nelif c: d\nelse: e", "If(Name('a'), [ExprStmt(Name('b'))], [If(Name('c'), [ExprStmt(Name('d'))], [ExprStmt(Name('e'))])])"),
        ("while a:\n  break\nelse:\n  pass", "While(Name('a'), [Jump('break')], [Jump('pass')])"),
        ("for a, b in c: continue", "For(Collection('tuple', [Name('a'), Name('b')]), Name('c'), [Jump('continue')])"),
        ("with a as b, c: d", "With([WithItem(Name('a'), Name('b')), WithItem(Name('c'))], [ExprStmt(Name('d'))])"),
        ("with (a as b, c): d", "With([WithItem(Name('a'), Name('b')), WithItem(Name('c'))], [ExprStmt(Name('d'))])"),
        ("try: a\nexcept (B, C) as d: e\nexcept: f\nelse: g\nfinally: h", "Try([ExprStmt(Name('a'))], [Handler(Collection('tuple', [Name('B'), Name('C')]), 'd', [ExprStmt(Name('e'))]), Handler(None, None, [ExprStmt(Name('f'))])], [ExprStmt(Name('g'))], [ExprStmt(Name('h'))])"),
        ("try: a\nexcept* B: c", "Try([ExprStmt(Name('a'))], [Handler(Name('B'), None, [ExprStmt(Name('c'))])])"),
        ("try: a\nexcept B, C: c", "Try([ExprStmt(Name('a'))], [Handler(Collection('tuple', [Name('B'), Name('C')]), None, [ExprStmt(Name('c'))])])"),
        ("@d(1)\nclass A(B, m=C): x = 1", "ClassDef('A', [Argument(Name('B')), Argument(Name('C'), 'm')], [Call(Name('d'), [Argument(Const(1))])], [Assign([Name('x')], Const(1))])"),
        ("match a:\n case 'x' if b: c\n case None: d\n case _: e", "Match(Name('a'), [Case(Const('x'), (), Name('b'), [ExprStmt(Name('c'))]), Case(Const(), (), None, [ExprStmt(Name('d'))]), Case(None, (), None, [ExprStmt(Name('e'))])])"),
        ("match a:\n case A.B: c\n case {'k': v, **w}: d\n case C(x, y=z) as q: e\n case [f, *g] | h: i", "Match(Name('a'), [Case(Attribute(Name('A'), 'B'), (), None, [ExprStmt(Name('c'))]), Case(Opaque([Const('k')]), ['v', 'w'], None, [ExprStmt(Name('d'))]), Case(Opaque([Name('C')]), ['x', 'z', 'q'], None, [ExprStmt(Name('e'))]), Case(Opaque([Opaque()]), ['f', 'g', 'h'], None, [ExprStmt(Name('i'))])])"),
    ],
)  # fmt: skip
def test_statements(tmp_path: Path, code: str, expected: str) -> None:
    assert lowered(tmp_path, code + "\n") == [expected]


def test_small_statements_of_one_line_are_statements(tmp_path: Path) -> None:
    assert lowered(tmp_path, "a = 1; b()\n") == ["Assign([Name('a')], Const(1))", "ExprStmt(Call(Name('b')))"]


def test_functions_are_units_and_what_is_nested_is_inside(tmp_path: Path) -> None:
    text = """\
    @d
    async def f[T](a: int, *, b=1) -> str:
        global g
        async with a as c:
            async for x in y:
                await z
        def nested():
            nonlocal c
            return (yield), (yield from b)
    """
    assert lowered(tmp_path, text) == ["FunctionStub('f', 1)"]
    assert shown(FactStore(tmp_path, ["a.py"]).function("a.py", 1)) == (
        "FunctionDef('f', [Parameter('a', 'normal', None, Name('int')), Parameter('b', 'keyword', Const(1))], "
        "[Name('d')], [Scope('global', ['g']), With([WithItem(Name('a'), Name('c'))], [For(Name('x'), Name('y'), "
        "[ExprStmt(Await(Name('z')))])]), FunctionDef('nested', (), (), [Scope('nonlocal', ['c']), "
        "Return(Collection('tuple', [Yield(None, False), Yield(Name('b'), True)]))])], Name('str'))"
    )


def test_functions_under_conditions_and_in_classes_are_stubs_where_they_stand(tmp_path: Path) -> None:
    text = """\
    class A:
        '''Text.'''
        if x:
            def f(self): pass
        else:
            f = None
    try:
        def g(): pass
    except E:
        def g(): pass
    """
    assert lowered(tmp_path, text) == [
        "ClassDef('A', (), (), [ExprStmt(Const('Text.')), If(Name('x'), [FunctionStub('f', 1)], "
        "[Assign([Name('f')], Const())])])",
        "Try([FunctionStub('g', 2)], [Handler(Name('E'), None, [FunctionStub('g', 3)])])",
    ]

"""The cutter finds the functions that a parser finds."""

from __future__ import annotations

import ast
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from ckptlint.facts.lines import outline
from ckptlint.facts.units import cut, cut_with_skeleton, text_of_function
from ckptlint.source import UnreadableSource, decode

STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])


def functions_of(tree: ast.AST, owner: str = "") -> Iterator[tuple[str, str, int, int, int]]:
    """Name, owner, first row, row of `def` and last row of each function that is not inside another."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield node.name, owner, first, node.lineno, node.end_lineno or 0
        elif isinstance(node, ast.ClassDef):
            yield from functions_of(node, f"{owner}.{node.name}" if owner else node.name)
        else:
            yield from functions_of(node, owner)


def standard_library_files() -> list[Path]:
    files = [path for path in STANDARD_LIBRARY.rglob("*.py") if "site-packages" not in path.parts]
    return sorted(path for path in files if "lib2to3/tests/data" not in path.as_posix())


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_units_are_the_functions_of_ast_on_the_standard_library() -> None:
    compared = 0
    for path in standard_library_files():
        try:
            source = decode(path.name, path.read_bytes())
            expected = list(functions_of(ast.parse(source.text)))
        except (SyntaxError, UnreadableSource, ValueError):
            continue
        found = [(unit.name, unit.owner, unit.first_row, unit.row, unit.last_row) for unit in cut(source.text)[1:]]
        assert found == expected, path
        compared += len(found)
    assert compared > 10_000


def test_what_is_nested_belongs_to_the_function_around_it() -> None:
    text = textwrap.dedent(
        '''\
        @first
        # a comment between
        @second(
            1)
        async def outer():
            class Inner:
                def method(self): pass
            def nested(): pass

        # not part of it
        class A:
            if x:
                def f(self):
                    """Text
        def no_unit(): pass
            """
            class B(
                object
            ):
                def g(self): return 1
        def h(): pass
        '''
    )
    assert [(unit.name, unit.owner, unit.first_row, unit.last_row, unit.indent) for unit in cut(text)] == [
        ("", "", 1, 22, 0),
        ("outer", "", 1, 8, 0),
        ("f", "A", 13, 16, 8),
        ("g", "A.B", 20, 20, 8),
        ("h", "", 21, 21, 0),
    ]


def test_the_skeleton_keeps_the_rows_and_leaves_the_bodies_out() -> None:
    text = "import a\n\n# c\nif x:\n    def f():\n        return 1\nelse:\n    @d\n    def g(): pass\nz = (1,\n\n  2)\n"
    skeleton = cut_with_skeleton(text).skeleton
    assert skeleton.text == (
        "import a\nif x:\n    __ckptlint_unit_1__\nelse:\n    __ckptlint_unit_2__\nz = (1,\n\n  2)\n"
    )
    assert skeleton.rows == (1, 4, 5, 7, 9, 10, 11, 12)


def test_a_unit_is_a_module_of_its_own() -> None:
    text = "class A:\n    def f(self):\n\n        # c\n        return '''\n\n'''\n\n    x = 1\n"
    unit = text_of_function(text.split("\n"), cut(text)[1])
    assert unit.text == "if 1:\n    def f(self):\n        return '''\n\n'''\n"
    assert unit.rows == (2, 2, 5, 6, 7)


@pytest.mark.parametrize("indent", ["\t", "  ", " ", "    \t"])
def test_any_indentation_will_do(indent: str) -> None:
    text = (
        f"class A:\n{indent}def f(self):\n{indent}{indent}return 1\n{indent}def g(self):\n{indent} \treturn 2\nx = 1\n"
    )
    assert [(unit.name, unit.first_row, unit.last_row) for unit in cut(text)[1:]] == [("f", 2, 3), ("g", 4, 5)]


def test_a_form_feed_begins_no_deeper_line() -> None:
    text = "def f():\n    return 1\n\x0c\n\x0cdef g():\n\x0c    return 2\n"
    assert [(unit.name, unit.first_row, unit.last_row) for unit in cut(text)[1:]] == [("f", 1, 2), ("g", 4, 5)]
    unit = text_of_function(text.split("\n"), cut(text)[2])
    assert unit.text == "def g():\n    return 2\n"
    assert unit.shifts == {0: 1, 1: 1}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x = 1 + \\\n  2\n", ["x = 1 + ", "\0  2", ""]),
        ("f(a,\n b)\n", ["f$", "\0", ""]),
        ("(\na)\n", ["$", "\0", ""]),
        ("x = '''\n(\n'''\n", ["x = $", "\0", "\0", ""]),
        ("x = '(' # )\n", ["x = $ ", ""]),
        ("x = f(\ny = 1\n", ["x = f(", "y = 1", ""]),
        ('x = "\\\ny"\n', ["x = $", "\0", ""]),
    ],
)
def test_continued_lines_are_marked(text: str, lines: list[str]) -> None:
    assert outline(text).split("\n") == lines


def test_deep_brackets_do_not_take_long() -> None:
    assert outline("(" * 50_000 + ")" * 50_000 + "\nx = 1\n").endswith("\nx = 1\n")

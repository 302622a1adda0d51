"""Places: those of libcst's PositionProvider, in the file rather than in the text that was parsed."""

from __future__ import annotations

import ast
import sysconfig
import textwrap
from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from ckptlint.facts import ir
from ckptlint.facts.spans import spans_of
from ckptlint.facts.store import FactStore
from ckptlint.findings import Position, Span

STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])


def all_nodes(module: cst.Module) -> list[cst.CSTNode]:
    stack: list[cst.CSTNode] = [module]
    found = []
    while stack:
        node = stack.pop()
        found.append(node)
        stack += node.children
    return found


@pytest.mark.parametrize("name", ["dataclasses.py", "typing.py", "test/test_patma.py", "test/test_fstring.py"])
def test_spans_of_all_kinds_of_nodes_are_those_of_position_provider(name: str) -> None:
    path = STANDARD_LIBRARY / name
    if not path.exists():
        pytest.skip("this Python comes without its tests")
    module = cst.parse_module(path.read_text().replace("\x0c", ""))
    expected = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    found = spans_of(module, module.code, all_nodes(module))
    assert set(found) == set(expected)
    for node, span in found.items():
        start, end = expected[node].start, expected[node].end
        assert span == Span(Position(start.line, start.column + 1), Position(end.line, end.column + 1)), node


def test_a_text_that_does_not_come_back_is_measured_by_libcst_itself() -> None:
    text = "x = 1\n\x0cy = f(2)\n"
    module = cst.parse_module(text)
    call = module.body[1]
    assert module.code != text or spans_of(module, text, [call])
    assert spans_of(module, text + "#", [call])[call].start.row == 2


def store_of(folder: Path, text: str) -> FactStore:
    (folder / "a.py").write_bytes(textwrap.dedent(text).encode())
    return FactStore(folder, ["a.py"])


def text_at(store: FactStore, span: Span) -> str:
    rows = store.source("a.py").text.split("\n")[span.start.row - 1 : span.end.row]
    rows[-1] = rows[-1][: span.end.column - 1]
    rows[0] = rows[0][span.start.column - 1 :]
    return "\n".join(rows)


CODE = """\
    import torch

    # a comment that is not parsed
    @register("trainer")
    class Trainer(Base):
        rate = 0.1

        @staticmethod
        def save(net, *,
                 path="a.pt"):  # where to

            # nor is this
            torch.save(
                {"net": net.state_dict()},  # all of it
                path,
            )
            if path: return 1
            elif net:

                return (2 +
                        3)
            try:
                pass
            except (A, B) as error:
                raise
            finally:
                done()
    if x:
        def f(): pass
    run(); stop()
    """


def test_places_are_in_the_file(tmp_path: Path) -> None:
    store = store_of(tmp_path, CODE)
    nodes = store.nodes("a.py", 1)
    spans = store.spans("a.py", 1, nodes)
    calls = [text_at(store, spans[number]) for number, node in nodes.items() if isinstance(node, cst.Call)]
    assert calls == [
        'torch.save(\n            {"net": net.state_dict()},  # all of it\n            path,\n        )',
        "net.state_dict()",
        "done()",
    ]


@pytest.mark.parametrize(
    ("unit", "inner", "statement"),
    [
        (
            1,
            "net.state_dict",
            'torch.save(\n            {"net": net.state_dict()},  # all of it\n            path,\n        )',
        ),
        (1, '"a.pt"', '@staticmethod\n    def save(net, *,\n             path="a.pt"):  # where to'),
        (1, "staticmethod", '@staticmethod\n    def save(net, *,\n             path="a.pt"):  # where to'),
        (1, "1", "if path: return 1"),
        (1, "3", "return (2 +\n                    3)"),
        (1, "(A, B)", "except (A, B) as error:"),
        (1, "raise", "raise"),
        (1, "done()", "done()"),
        (0, '"trainer"', '@register("trainer")\nclass Trainer(Base):'),
        (0, "Base", '@register("trainer")\nclass Trainer(Base):'),
        (0, "0.1", "rate = 0.1"),
        (0, "stop()", "run(); stop()"),
        (0, "x", "if x:"),
    ],
)
def test_the_statement_around_a_node_is_a_simple_one_or_a_header(
    tmp_path: Path, unit: int, inner: str, statement: str
) -> None:
    store = store_of(tmp_path, CODE)
    for number in store.nodes("a.py", unit):
        span = store.spans("a.py", unit, [number])[number]
        if text_at(store, span) == inner.strip("()") or text_at(store, span) == inner:
            assert text_at(store, store.statement_span("a.py", unit, number)) == statement
            break
    else:
        raise AssertionError(inner)


def test_a_stub_is_at_the_name_of_its_function(tmp_path: Path) -> None:
    store = store_of(tmp_path, CODE)
    (trainer,) = [node for node in store.skeleton("a.py").body if isinstance(node, ir.ClassDef)]
    stub = trainer.body[1]
    assert isinstance(stub, ir.FunctionStub)
    assert text_at(store, store.spans("a.py", 0, [stub.id])[stub.id]) == "def save"


def test_columns_are_characters_and_form_feeds_count(tmp_path: Path) -> None:
    store = store_of(tmp_path, "\x0cx = '\u00e9\U0001f600', f(1)\n")
    call = [number for number, node in store.nodes("a.py", 0).items() if isinstance(node, cst.Call)]
    (span,) = store.spans("a.py", 0, call).values()
    assert text_at(store, span) == "f(1)"


def test_call_places_are_those_of_ast(tmp_path: Path) -> None:
    path = Path(ast.__file__)
    text = path.read_text()
    expected = sorted(
        (node.lineno, node.col_offset + 1, node.end_lineno, (node.end_col_offset or 0) + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
    )
    store = FactStore(path.parent, [path.name])
    found = []
    for header in store.headers(path.name):
        nodes = store.nodes(path.name, header.index)
        calls = [number for number, node in nodes.items() if isinstance(node, cst.Call)]
        spans = store.spans(path.name, header.index, calls).values()
        found += [(span.start.row, span.start.column, span.end.row, span.end.column) for span in spans]
    assert sorted(found) == expected

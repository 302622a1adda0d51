"""Broken, huge, deep and old files: what can be read is read, the rest says why not, and nothing takes long."""

from __future__ import annotations

import contextlib
import os
import textwrap
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptlint.facts import ir
from ckptlint.facts.store import FactStore
from ckptlint.facts.units import cut
from ckptlint.source import UnreadableSource, decode
from tests.facts.test_lowering import shown


def store_of(folder: Path, text: str | bytes) -> FactStore:
    (folder / "a.py").write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    return FactStore(folder, ["a.py"])


def problems(store: FactStore) -> list[tuple[int, int, str]]:
    return [(found.unit, found.error.row, found.error.reason) for found in store.unreadable]


def test_old_statements_are_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    store = store_of(
        tmp_path,
        """\
        import torch
        print "start"
        net, n = DataParallel(net), 0777L
        def train(net):
            for x in loader:
                print "%d" % \\
                    x
                torch.save(net.state_dict(), path)
            else: print "done"
            if `x`:
                return 1
        """,
    )
    assert [shown(statement) for statement in store.skeleton("a.py").body] == [
        "Import([Alias('torch')])",
        "ExprStmt(Opaque())",
        "Assign([Collection('tuple', [Name('net'), Name('n')])], Opaque())",
        "FunctionStub('train', 1)",
    ]
    assert [shown(statement) for statement in store.function("a.py", 1).body] == [
        "For(Name('x'), Name('loader'), [ExprStmt(Opaque()), ExprStmt(Call(Attribute(Name('torch'), 'save'), "
        "[Argument(Call(Attribute(Name('net'), 'state_dict'))), Argument(Name('path'))]))], [ExprStmt(Opaque())])",
        "If(Opaque(), [Return(Const(1))])",
    ]
    assert problems(store) == [
        (0, 2, 'this is not Python 3: print "start"'),
        (0, 3, "this is not Python 3: net, n = DataParallel(net), 0777L"),
        (1, 6, 'this is not Python 3: print "%d" % \\'),
        (1, 9, 'this is not Python 3: else: print "done"'),
        (1, 10, "this is not Python 3: if `x`:"),
    ]


def test_an_argument_named_async_is_read_and_reported(tmp_path: Path) -> None:
    store = store_of(tmp_path, "net = DataParallel(net).cuda(0,\n    async=True)\n")
    assert [shown(statement) for statement in store.skeleton("a.py").body] == [
        "Assign([Name('net')], Call(Attribute(Call(Name('DataParallel'), [Argument(Name('net'))]), 'cuda'), "
        "[Argument(Const(0)), Argument(Const(True), 'async')]))"
    ]
    assert [(unit, row) for unit, row, _ in problems(store)] == [(0, 1)]
    assert "non_blocking=True" in problems(store)[0][2]


def test_places_in_a_mended_unit_are_those_of_the_file(tmp_path: Path) -> None:
    store = store_of(tmp_path, "print 'a'\n\nif x:\n    print ('b',\n     'c'), d\n    torch.save(a, b)\n")
    last = store.skeleton("a.py").body[-1]
    assert isinstance(last, ir.If)
    span = store.spans("a.py", 0, [last.body[-1].id])[last.body[-1].id]
    assert (span.start.row, span.start.column, span.end.column) == (6, 5, 21)


def test_a_broken_function_leaves_the_others_alone(tmp_path: Path) -> None:
    store = store_of(tmp_path, "def f():\n    return (1\n\ndef g():\n    return 2\n")
    assert store.function("a.py", 2).name == "g"
    store.function("a.py", 1)
    assert [(unit, row) for unit, row, _ in problems(store)] == [(1, 2)]


def test_what_cannot_be_read_raises_each_time_and_is_noted_once(tmp_path: Path) -> None:
    store = store_of(tmp_path, "if x:\n      a\n   b\n")
    for _ in range(2):
        with pytest.raises(UnreadableSource):
            store.skeleton("a.py")
    assert len(store.unreadable) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"x = '\0'", "NUL"), (b"x = '\xff'", "0xff"), (b"#state_dict" * 400_000, "bigger than 4 MB")],
)
def test_a_file_that_is_no_text_has_no_units(tmp_path: Path, data: bytes, reason: str) -> None:
    store = store_of(tmp_path, data)
    for read in (store.headers, store.skeleton, store.source):
        with pytest.raises(UnreadableSource, match=reason):
            read("a.py")
    assert len(store.unreadable) == 1


def test_a_big_file_without_a_marker_is_nobodys_loss(tmp_path: Path) -> None:
    store = store_of(tmp_path, b"x = 1\n" * 1_000_000)
    assert not store.marked("a.py")
    assert store.unreadable == []


def test_files_that_vanish_or_are_folders_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    store = FactStore(tmp_path, ["gone.py", "folder.py"])
    for relative in sorted(store.files):
        with pytest.raises(UnreadableSource, match="the file cannot be read"):
            store.headers(relative)
    assert [found.relative for found in store.unreadable] == ["folder.py", "gone.py"]


def test_a_store_reads_nothing_that_is_not_asked_for(tmp_path: Path) -> None:
    store = store_of(tmp_path, "x = 1\n")
    (tmp_path / "a.py").unlink()
    assert store.unreadable == []
    assert store.files == {"a.py"}


LONG = {
    "sum": "x = " + " + ".join(["a"] * 450),
    "calls": "x = a" + ".f(1)" * 300,
    "nested": "x = " + "f(" * 150 + ")" * 150,
    "and": "x = " + " and ".join(["a"] * 900),
    "elif": "if a: pass\n" + "elif b: pass\n" * 900,
    "strings": "x = (" + "'a' " * 1_000 + ")",
    "comparison": "x = " + " < ".join(["a"] * 900),
    "list": "x = [" + "f(a, -1 + 2), " * 4_000 + "]",
    "assignments": "x = a.b(c)\n" * 4_000,
    "conditional": "x = " + "a if b else " * 300 + "c",
    "blocks": "".join(" " * depth + "if a:\n" for depth in range(99)) + " " * 99 + "pass",
}


@pytest.mark.parametrize("name", LONG)
def test_long_and_deep_code_is_read(tmp_path: Path, name: str) -> None:
    store = store_of(tmp_path, LONG[name] + "\n")
    assert store.skeleton("a.py").body
    assert store.unreadable == []


TOO_LONG = {
    "sum": "x = " + " + ".join(["a"] * 5_000),
    "calls": "x = a" + ".f(1)" * 3_000,
    "nested calls": "x = " + "f(" * 1_300 + ")" * 1_300,
    "parentheses": "x = " + "(" * 100_000 + ")" * 100_000,
    "unclosed": "x = " + "(" * 100_000,
    "and": "x = " + " and ".join(["a"] * 100_000),
    "elif": "if a: pass\n" + "elif b: pass\n" * 20_000,
    "minus": "x = " + "-" * 10_000 + "1",
    "not": "x = " + "not " * 10_000 + "a",
    "lambda": "x = " + "lambda: " * 10_000 + "a",
    "power": "x = " + "**".join(["a"] * 5_000),
    "attributes": "x = a" + ".b" * 20_000,
    "conditional": "x = " + "a if b else " * 5_000 + "c",
    "blocks": "".join(" " * depth + "if a:\n" for depth in range(500)) + " " * 500 + "pass",
    "many chains": ("x = a" + ".f(1)" * 300 + "\n") * 100,
    "data": "x = [" + "1, " * 200_000 + "]",
    "await": "x = " + "await " * 10_000 + "a",
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_what_would_kill_or_stall_the_parser_is_refused_quickly(tmp_path: Path, name: str) -> None:
    store = store_of(tmp_path, "import torch\n" + TOO_LONG[name] + "\n")
    started = time.process_time()
    with contextlib.suppress(UnreadableSource):
        store.skeleton("a.py")
    assert time.process_time() - started < 15
    assert store.unreadable


def test_a_big_generated_file_costs_little(tmp_path: Path) -> None:
    store = store_of(tmp_path, "def f():\n    return {'a': [1, 2, (3, 4)]}  # c\n\n" * 80_000)
    started = time.process_time()
    assert len(store.headers("a.py")) == 80_001
    assert store.function("a.py", 80_000).name == "f"
    with pytest.raises(UnreadableSource, match="characters"):
        store.skeleton("a.py")
    assert time.process_time() - started < 15


@settings(deadline=None, max_examples=150)
@given(st.text(alphabet="ab=()[]{}'\"#\\\n\t :.,@+-*\x0c\r1fdef class async if else print", max_size=80))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    store = store_of(folder, text.encode())
    for unit in range(len(store.headers("a.py"))):
        try:
            lowered = store.function("a.py", unit) if unit else store.skeleton("a.py")
        except UnreadableSource:
            continue
        assert lowered is not None
        store.spans("a.py", unit, store.nodes("a.py", unit))
    rows = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(1 <= found.error.row <= rows and found.error.reason for found in store.unreadable)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_the_cutter_reads_any_text(text: str) -> None:
    try:
        source = decode("a.py", text.encode())
    except (UnreadableSource, UnicodeEncodeError):
        return
    units = cut(source.text)
    assert units[0].last_row == source.text.count("\n") + 1
    assert all(before.last_row < after.first_row for before, after in pairwise(units[1:]))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    store = store_of(tmp_path, "x = 1\n")
    (tmp_path / "a.py").chmod(0)
    with pytest.raises(UnreadableSource, match="Permission denied"):
        store.source("a.py")

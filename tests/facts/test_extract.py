"""Lowering against `ast`, which knows nothing of it: the same calls, names, constants and parameters, in one order."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ckptlint.facts import ir
from ckptlint.facts.store import FactStore

torch_folder = Path(sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages", "torch")


def nodes_of(value: Any, store: FactStore, relative: str) -> Iterator[ir.Node]:
    """All nodes below a value in the order of its fields; a stub is followed into its unit."""
    if isinstance(value, ir.FunctionStub):
        yield from nodes_of(store.function(relative, value.unit), store, relative)
    elif isinstance(value, (ir.Node, ir.Module)):
        if isinstance(value, ir.Node):
            yield value
        for field in value.__struct_fields__:
            yield from nodes_of(getattr(value, field), store, relative)
    elif isinstance(value, tuple):
        for item in value:
            yield from nodes_of(item, store, relative)


def called_by_ir(store: FactStore, relative: str) -> list[str]:
    called = []
    for node in nodes_of(store.skeleton(relative), store, relative):
        if isinstance(node, ir.Call):
            keywords = ",".join(sorted(argument.keyword or argument.star for argument in node.args))
            called.append(f"{name_of(node.func)}({len(node.args)}:{keywords})")
    return sorted(called)


def name_of(func: Any) -> str:
    if isinstance(func, (ir.Name, ast.Name)):
        return func.name if isinstance(func, ir.Name) else func.id
    if isinstance(func, ir.Attribute):
        return f"{name_of(func.value)}.{func.name}"
    if isinstance(func, ast.Attribute):
        return f"{name_of(func.value)}.{func.attr}"
    if isinstance(func, (ir.Call, ast.Call)):
        return f"{name_of(func.func)}()"
    return "?"


def called_by_ast(tree: ast.AST) -> list[str]:
    called = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            stars = ["*" if isinstance(arg, ast.Starred) else "" for arg in node.args]
            keywords = ",".join(sorted([*stars, *(keyword.arg or "**" for keyword in node.keywords)]))
            called.append(f"{name_of(node.func)}({len(node.args) + len(node.keywords)}:{keywords})")
    return sorted(called)


def sample(files: list[Path], every: int) -> list[Path]:
    return sorted(files)[::every]


def standard_library(every: int) -> list[Path]:
    import sysconfig

    root = Path(sysconfig.get_paths()["stdlib"])
    return sample([path for path in root.rglob("*.py") if "site-packages" not in path.parts], every)


def readable(path: Path) -> ast.AST | None:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "files", [standard_library(17), sample(list(torch_folder.rglob("*.py")), 31)], ids=["std", "torch"]
)
def test_every_call_of_real_code_is_seen_with_its_name_and_arguments(files: list[Path]) -> None:
    compared = 0
    for path in files:
        tree = readable(path)
        if tree is None:
            continue
        store = FactStore(path.parent, [path.name])
        found = called_by_ir(store, path.name)
        assert found == called_by_ast(tree), path
        compared += len(found)
    assert compared > 1000


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_names_strings_and_parameters_are_those_of_ast() -> None:
    for path in standard_library(97):
        tree = readable(path)
        if tree is None:
            continue
        store = FactStore(path.parent, [path.name])
        nodes = list(nodes_of(store.skeleton(path.name), store, path.name))
        annotated = list(ast.walk(tree))
        assert sorted(node.name for node in nodes if isinstance(node, ir.Attribute)) == sorted(
            node.attr for node in annotated if isinstance(node, ast.Attribute)
        ), path
        assert sorted(node.name for node in nodes if isinstance(node, ir.Parameter)) == sorted(
            node.arg for node in annotated if isinstance(node, ast.arg)
        ), path
        texts = {node.value for node in annotated if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        formatted = {id(value) for node in annotated if isinstance(node, ast.JoinedStr) for value in node.values}
        plain = {
            node.value
            for node in annotated
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in formatted
        }
        found = {node.value for node in nodes if isinstance(node, ir.Const) and isinstance(node.value, str)}
        surrogates = {text for text in texts if any("\ud800" <= letter <= "\udfff" for letter in text)}
        assert plain - surrogates <= found, path


def test_ids_are_unique_in_a_unit_stable_and_survive_msgpack(tmp_path: Path) -> None:
    path = Path(ast.__file__)
    store, again = FactStore(path.parent, [path.name]), FactStore(path.parent, [path.name])
    for header in store.headers(path.name):
        unit: ir.Unit = store.function(path.name, header.index) if header.index else store.skeleton(path.name)
        same: ir.Unit = again.function(path.name, header.index) if header.index else again.skeleton(path.name)
        assert unit == same
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(unit), type=ir.Unit) == unit
        ids: list[int] = []
        stack: list[Any] = [unit]
        while stack:
            value = stack.pop()
            if isinstance(value, tuple):
                stack += value
            elif isinstance(value, msgspec.Struct):
                if isinstance(value, ir.Node):
                    ids.append(value.id)
                stack += [getattr(value, field) for field in value.__struct_fields__]
        assert len(ids) == len(set(ids))
        assert max(ids, default=0) < len(store.nodes(path.name, header.index)) or not ids

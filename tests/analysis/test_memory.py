"""The store against a plain dict: what was rolled back never happened, and what it wrote is handed out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ckptlint.analysis.memory import Cell, Memory
from ckptlint.analysis.values import Const, Value

writes = st.lists(st.tuples(st.integers(1, 2), st.sampled_from("xy"), st.none() | st.integers(0, 3)), max_size=8)
Writes = list[tuple[int, str, int | None]]


def do(memory: Memory, model: dict[Cell, Value], steps: Writes) -> None:
    """Each step in both; None deletes."""
    for owner, name, value in steps:
        if value is None:
            memory.delete(owner, name)
            model.pop((owner, name), None)
        else:
            memory.write(owner, name, Const(value))
            model[(owner, name)] = Const(value)


@given(writes, writes)
def test_rollback_restores_and_hands_out(before: Writes, branch: Writes) -> None:
    memory, model = Memory(), dict[Cell, Value]()
    do(memory, model, before)
    kept = dict(model)
    mark = memory.mark()
    do(memory, model, branch)
    written = memory.rollback(mark)
    assert memory.cells == kept
    for cell, value in written.items():
        assert model.get(cell) == value
    assert {cell for cell in model if model[cell] != kept.get(cell)} <= set(written)


@given(writes, writes, writes)
def test_rollbacks_nest(first: Writes, second: Writes, third: Writes) -> None:
    memory, model = Memory(), dict[Cell, Value]()
    do(memory, model, first)
    outer, kept = memory.mark(), dict(model)
    do(memory, model, second)
    inner, between = memory.mark(), dict(model)
    do(memory, model, third)
    memory.rollback(inner)
    assert memory.cells == between
    memory.rollback(outer)
    assert memory.cells == kept

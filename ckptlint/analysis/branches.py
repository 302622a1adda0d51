"""Run the branches of an undecided condition and join what they leave behind.

Every branch is run from the same state; its writes are taken back and kept. Then each cell that some branch has written
gets the values of all, each under the guard of its branch:

    if n > 1:                    then: model = wrapped      join: model = wrapped if n > 1
        model = DataParallel(m)  else: (nothing)                         bare if not n > 1
"""

from __future__ import annotations

from collections.abc import Callable

from ckptlint.analysis import modules, widening
from ckptlint.analysis.guards import Guard, both, covering
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.memory import Cell
from ckptlint.analysis.symbols import shorten
from ckptlint.analysis.truth import Cases
from ckptlint.analysis.values import Opaque, Value


def branch(machine: Machine, cases: list[tuple[Cases, Callable[[], bool]]]) -> bool:
    """Run each case from the same state and join what they leave; whether any of them reaches its end.

    `cases` are exclusive: the guards under which a case is taken, and what it does.
    """
    live = [(guards, action) for guards, action in cases if guards]
    if not live:
        return False
    if len(live) == 1:
        guards, action = live[0]
        machine.guard = both(machine.guard, covering(guards)) or machine.guard
        return action()
    before = machine.guard
    outcomes: list[tuple[Cases, dict[Cell, Value | None]]] = []
    ends: list[Guard | None] = []
    newest = machine.memory.owners
    failed: list[bool] = []
    for guards, action in live:
        machine.guard = both(before, covering(guards)) or before
        mark = machine.memory.mark()
        alive = action()
        failed.append(_taken_back(machine))
        after = machine.guard
        written = machine.memory.rollback(mark)
        # What a branch that ends in return or raise has written to locals does not matter any more, but the objects
        # that it changed live on.
        outcomes.append((guards, written))
        ends.append(after if alive else None)
    join(machine, outcomes, newest)
    machine.guard = _guard_after(before, [guards for guards, _ in live], ends)
    if all(failed):
        machine.tries[-1].failed = True
    return any(end is not None for end in ends)


def _taken_back(machine: Machine) -> bool:
    """Whether the branch has ended in an exception that is handled; the next one has not."""
    failed = machine.has_failed
    if failed:
        machine.tries[-1].failed = False
    return failed


def _guard_after(before: Guard, cases: list[Cases], ends: list[Guard | None]) -> Guard:
    """Where only one case goes on, its conditions hold from here; where several do, what they have in common."""
    going = [(guards, end) for guards, end in zip(cases, ends, strict=True) if end is not None]
    if len(going) == 1:
        return going[0][1]
    if not going or (all(end == before | covering(guards) for guards, end in going) and len(going) == len(cases)):
        return before
    return before | covering([end - before for _, end in going])


def join(machine: Machine, outcomes: list[tuple[Cases, dict[Cell, Value | None]]], newest: int) -> None:
    """Write what the branches wrote, each value under the guards of its branch."""
    touched = dict.fromkeys(cell for _, written in outcomes for cell in written)
    memory = machine.memory
    for cell in touched:
        owner, name = cell
        old = memory.cells.get(cell)
        if owner > newest:
            old = _before(machine, owner, name)
        if owner > newest and old is None:
            value = next((written[cell] for _, written in outcomes if cell in written), None)
            if value is not None:
                memory.write(owner, name, value)
            continue
        cases: list[tuple[Guard, Value]] = []
        for guards, written in outcomes:
            value = written.get(cell, old)
            if value is not None:
                cases += [(guard, value) for guard in guards]
        if cases:
            memory.write(owner, name, widening.join(machine, cases, name))
        elif old is not None:
            memory.delete(owner, name)


def _before(machine: Machine, owner: int, name: str) -> Value | None:
    """What a part of a model from outside was, before a branch was the first to set it: as unknown as the rest."""
    stands_for = machine.objects[owner].cls if owner in machine.objects else None
    if not isinstance(stands_for, Opaque) or not modules.is_module_value(machine, stands_for):
        return None
    return Opaque(shorten(f"{stands_for.symbol}.{name}"), fresh=stands_for.fresh)

"""Rounds of a `for` loop over a few known things, one after the other, until one of them leaves the loop.

    weights = checkpoint
    for name in ("state_dict", "model"):
        if name in checkpoint:              first round     left by `break` if the file has "state_dict"
            weights = checkpoint[name]      second round    run if it has not, left if it has "model"
            break
    else:
        raise KeyError                      run if it has neither

A round that leaves by `return` leaves what follows the loop as well. Any other loop is run once, see `loops`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptlint.analysis import assignments, branches, loops, picks
from ckptlint.analysis.guards import ALWAYS, Guard, negation
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import Value
from ckptlint.facts import ir

#: What leaves a round is only followed into the next one when few conditions are involved.
_MOST_WAYS = 4
_MOST_LITERALS = 8


def run(machine: Machine, node: ir.For, iterable: Value) -> bool | None:
    """Run the loop with its `else`; whether what follows can be reached. None where its rounds are not known."""
    items = loops.known_items(machine, iterable)
    if items is None or len(items) > loops.MOST_UNROLLED:
        return None
    looping = machine.frames[-1].looping
    outer = len(looping)
    looping.extend(picks.dicts_in(iterable))
    reached = _from(machine, node, items)
    del looping[outer:]
    return reached


def _from(machine: Machine, node: ir.For, items: Sequence[Value]) -> bool:
    """The rounds for these items, then the `else`."""
    from ckptlint.analysis.statements import run_block

    if not items:
        return run_block(machine, node.orelse) if node.orelse else True
    frame, before = machine.frames[-1], machine.guard
    returned, outer, frame.broken = len(frame.returned), frame.broken, []
    assignments.assign(machine, node.target, items[0])
    run_block(machine, node.body)
    machine.guard = before
    broken, frame.broken = [guard - before for guard in frame.broken], outer
    left = [*broken, *(guard - before for guard, _ in frame.returned[returned:])]
    if ALWAYS in left:
        return ALWAYS in broken
    if machine.has_failed:
        return False
    if not left or len(left) > _MOST_WAYS or sum(map(len, left)) > _MOST_LITERALS:
        return _from(machine, node, items[1:])
    rest: tuple[Guard, ...] = negation(left)
    return branches.branch(machine, [(tuple(broken), lambda: True), (rest, lambda: _from(machine, node, items[1:]))])

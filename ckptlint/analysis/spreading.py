"""Work on each alternative of a choice, each under its own guard."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ckptlint.analysis.guards import Guard, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import Choice, Opaque, Value, choose


def spread(machine: Machine, value: Value, operation: Callable[[Value], Value]) -> Value:
    """Do `operation` on each alternative of `value`; the results under the same guards."""
    if type(value) is not Choice:
        return operation(value)
    before = machine.guard
    results: list[tuple[Guard, Value]] = []
    for guard, plain in value.alternatives:
        joined = both(before, guard)
        if joined is None:
            continue
        machine.guard = joined
        results.append((guard, operation(plain)))
    machine.guard = before
    return choose(results, "mixed") if results else Opaque("unreachable")


def under(machine: Machine, guards: Iterable[Guard], action: Callable[[], Value]) -> list[tuple[Guard, Value]]:
    """Evaluate `action` under each of `guards`."""
    before = machine.guard
    results: list[tuple[Guard, Value]] = []
    for guard in guards:
        joined = both(before, guard)
        if joined is None:
            continue
        machine.guard = joined
        results.append((guard, action()))
    machine.guard = before
    return results

"""`match` statements: a case with a value pattern is a comparison, any other pattern may or may not fit."""

from __future__ import annotations

from collections.abc import Callable

from ckptlint.analysis import arithmetic, branches, expressions, statements
from ckptlint.analysis.guards import ALWAYS, Guard, Literal, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.scopes import bind
from ckptlint.analysis.spreading import spread
from ckptlint.analysis.truth import Cases, truth
from ckptlint.analysis.values import Opaque
from ckptlint.facts import ir


def run_match(machine: Machine, node: ir.Match) -> bool:
    """Run a `match`; whether its end can be reached."""
    subject = expressions.evaluate(machine, node.subject)
    cases: list[tuple[Cases, Callable[[], bool]]] = []
    left: list[Guard] = [ALWAYS]

    for case in node.cases:
        yes: Cases = (ALWAYS,)
        if case.pattern is not None and not isinstance(case.pattern, ir.Opaque):
            pattern = expressions.evaluate(machine, case.pattern)
            yes, _ = truth(
                machine,
                spread(machine, subject, lambda one, p=pattern: arithmetic.compare(machine, "==", one, p)),  # type: ignore[misc]
            )
        elif case.pattern is not None:
            frame = machine.frames[-1]
            yes = (frozenset((Literal(f"case at {frame.file}:{frame.unit}:{case.id}", "truthy"),)),)
        guards = tuple(joined for one in left for other in yes if (joined := both(one, other)) is not None)
        cases.append((guards[:4], _case_body(machine, case)))
        if len(yes) == 1 and len(yes[0]) == 1:
            (literal,) = yes[0]
            left = [joined for one in left if (joined := both(one, frozenset((~literal,)))) is not None]
        elif yes == (ALWAYS,):
            left = []
            break
    cases.append((tuple(left), lambda: True))
    return branches.branch(machine, cases)


def _case_body(machine: Machine, case: ir.Case) -> Callable[[], bool]:
    def run() -> bool:
        for name in case.captures:
            bind(machine, name, Opaque(name))
        return statements.run_block(machine, case.body)

    return run

"""Tests on the number of the process, noted as the run goes by them.

What stands under such a test runs in some processes only. The guard says so, as long as it can: of a test with several
ways to be true a guard keeps what they have in common, and where the ranks would be lost, the test gets a symbol of its
own, whose meaning is kept aside:

    if args.save and (not args.distributed or args.rank == 0 and args.log):      literal "test of ranks at ..."
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ckptlint.analysis.events import RankTest
from ckptlint.analysis.guards import Guard, Literal, covering
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.truth import Cases
from ckptlint.analysis.values import Site
from ckptlint.facts import ir

#: What holds in a function that a decorator keeps to the first process.
FIRST_ONLY = Literal("is_main_process", "truthy")


@contextmanager
def decided(machine: Machine, test: ir.Expr, *, holds: bool) -> Iterator[None]:
    """While a branch is run whose test has one answer here: `not args.spawn or args.rank == 0`, where nothing spawns.

    Such a test asks for the rank in another launch only; its place is noted all the same.
    """
    if not isinstance(test, ir.BoolOp) or not _names_ranks(machine, test):
        yield
        return
    machine.decided_tests.append(RankTest(machine.site(test), holds))
    try:
        yield
    finally:
        machine.decided_tests.pop()


def _names_ranks(machine: Machine, test: ir.Expr) -> bool:
    if isinstance(test, (ir.Name, ir.Attribute)):
        return machine.ranks.kind(test.name) in ("rank", "local", "main", "local main")
    inside: tuple[ir.Expr, ...] = ()
    if isinstance(test, ir.BoolOp):
        inside = (test.left, test.right)
    elif isinstance(test, ir.Compare):
        inside = (test.left,)
    elif isinstance(test, ir.Call):
        inside = (test.func,)
    elif isinstance(test, ir.BinOp):
        inside = (test.left,)
    elif isinstance(test, ir.Unary):
        inside = (test.operand,)
    return any(_names_ranks(machine, one) for one in inside)


def noted(machine: Machine, site: Site, yes: Cases, no: Cases) -> tuple[Cases, Cases]:
    """The cases of a test, noted with its place if it is about ranks, so that no branch forgets it."""
    if not yes or not no or not (_about_ranks(machine, yes) or _about_ranks(machine, no)):
        return yes, no
    kept = covering(yes), covering(no)
    if not all(_about_ranks(machine, (guard,)) for guard in kept):
        literal = Literal(f"test of ranks at {site.file}:{site.unit}:{site.node}", "truthy")
        # where only one answer speaks of ranks, the other has absorbed them: nobody knows who gets there
        machine.rank_cases[literal.symbol] = yes if _about_ranks(machine, yes) and _about_ranks(machine, no) else ()
        kept = frozenset((literal,)), frozenset((~literal,))
        yes, no = (kept[0],), (kept[1],)
    for guard, holds in zip(kept, (True, False), strict=True):
        for literal in guard:
            if literal.symbol in machine.rank_cases or machine.ranks.mentions(literal):
                machine.rank_tests[literal] = RankTest(site, holds)
    return yes, no


def passed(machine: Machine) -> tuple[RankTest, ...]:
    """The tests of ranks that the run is under."""
    found = {test for literal in machine.guard if (test := machine.rank_tests.get(literal)) is not None}
    return tuple(sorted(found.union(machine.decided_tests)))


def _about_ranks(machine: Machine, cases: tuple[Guard, ...]) -> bool:
    return machine.ranks.speak(cases)

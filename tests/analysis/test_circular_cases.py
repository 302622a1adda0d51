"""Symbols that stand for cases which speak of each other: an answer comes, and it comes at once."""

from __future__ import annotations

from ckptlint.analysis.guards import ALWAYS, Literal
from ckptlint.analysis.ranks import FIRST, NEIGHBOUR, Answer, Ranks, Tests, passes
from ckptlint.knowledge import load_knowledge


def test_cases_in_a_circle_are_unknown() -> None:
    first, second = Literal("first", "truthy"), Literal("second", "truthy")
    tests = Tests({}, {"first": (frozenset({second}),), "second": (frozenset({first}),)})
    ranks = Ranks(load_knowledge(None).ranks)
    for process in (FIRST, NEIGHBOUR):
        assert passes(ranks, frozenset({first}), ALWAYS, process, tests) is not Answer.YES


def test_many_cases_of_each_other_end() -> None:
    literals = [Literal(f"test{number}", "truthy") for number in range(12)]
    tests = Tests({}, {one.symbol: (frozenset(literals) - {one},) for one in literals})
    ranks = Ranks(load_knowledge(None).ranks)
    for process in (FIRST, NEIGHBOUR):
        assert passes(ranks, frozenset(literals[:2]), frozenset(literals[2:]), process, tests) is not Answer.YES

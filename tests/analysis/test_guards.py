"""Guards against brute force: a guard says something about every setting of its symbols."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ckptlint.analysis.guards import ALWAYS, Guard, Literal, both, negation, satisfiable
from ckptlint.analysis.values import Const, Value, alternatives, choose, merge

NUMBERS: list[object] = [half / 2 for half in range(-4, 12)]
TEXTS: list[object] = [None, True, False, "", "x", "y", "?", object()]
#: What is compared by order is a number, or Python itself would stop.
DOMAINS = {"n": NUMBERS, "m": NUMBERS, "t": TEXTS}

literals = st.builds(
    Literal,
    st.sampled_from(["n", "m"]),
    st.sampled_from(["==", "<", "<=", ">", ">="]),
    st.integers(0, 3),
    st.booleans(),
) | st.builds(Literal, st.just("t"), st.just("=="), st.sampled_from(["x", "y", ""]), st.booleans())
questions = st.builds(Literal, st.sampled_from(["n", "t"]), st.just("truthy"), st.none(), st.booleans()) | st.builds(
    Literal, st.just("t"), st.just("is"), st.none(), st.booleans()
)
guards = st.frozensets(literals | questions, max_size=4)

Setting = dict[str, object]
SETTINGS: list[Setting] = [
    dict(zip(DOMAINS, values, strict=True)) for values in itertools.product(NUMBERS, NUMBERS[::3], TEXTS)
]


def holds(guard: Guard, setting: Setting) -> bool:
    return all(literal.accepts(setting[literal.symbol]) for literal in guard)


def possible(guard: Guard) -> bool:
    """By trying everything, symbol by symbol: literals on different symbols do not touch each other."""
    return all(
        any(holds(frozenset(own), {symbol: value}) for value in domain)
        for symbol, domain in DOMAINS.items()
        if (own := [literal for literal in guard if literal.symbol == symbol])
    )


@given(guards)
def test_a_guard_is_satisfiable_just_when_some_setting_satisfies_it(guard: Guard) -> None:
    assert satisfiable(guard) == (possible(guard) or len(guard) < 2)


@given(guards, guards)
def test_both_holds_where_each_holds(one: Guard, other: Guard) -> None:
    joined = both(one, other)
    for setting in SETTINGS:
        expected = holds(one, setting) and holds(other, setting)
        assert (joined is not None and holds(joined, setting)) == expected


@given(st.lists(guards, max_size=3))
def test_negation_holds_just_where_no_case_does(cases: list[Guard]) -> None:
    negated = negation(cases)
    for setting in SETTINGS:
        assert any(holds(one, setting) for one in negated) != any(holds(case, setting) for case in cases)


@given(st.lists(guards, min_size=1, max_size=5))
def test_merging_guards_changes_nothing_that_they_say(cases: list[Guard]) -> None:
    merged = merge(list(cases))
    assert len(merged) <= len(cases)
    for setting in SETTINGS:
        assert any(holds(one, setting) for one in merged) == any(holds(case, setting) for case in cases)


def test_where_there_is_no_device_there_are_not_two() -> None:
    several = Literal("torch.cuda.device_count()", ">", 1)
    some = Literal("torch.cuda.is_available()", "truthy")
    assert both(frozenset((several,)), frozenset((~some,))) is None
    assert both(frozenset((several,)), frozenset((some,))) is not None
    assert both(frozenset((~several,)), frozenset((some,))) is not None


@st.composite
def partitions(draw: st.DrawFn, guard: Guard = ALWAYS, depth: int = 3) -> list[tuple[Guard, Value]]:
    """Guarded values of which exactly one holds in every setting, as nested ifs leave them."""
    if depth == 0 or draw(st.booleans()):
        return [(guard, Const(draw(st.integers(0, 2))))]
    literal = draw(literals)
    cases: list[tuple[Guard, Value]] = []
    for one in (literal, ~literal):
        joined = both(guard, frozenset((one,)))
        if joined is not None:
            cases += draw(partitions(joined, depth - 1))
    return cases


@given(partitions())
def test_choosing_keeps_what_the_value_is_in_every_setting(cases: list[tuple[Guard, Value]]) -> None:
    chosen = choose(cases, "unknown")
    for setting in SETTINGS:
        expected = {value for guard, value in cases if holds(guard, setting)}
        assert {value for guard, value in alternatives(chosen) if holds(guard, setting)} == expected

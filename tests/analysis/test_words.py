"""Conditions in messages: what is said has to tell the cases that fail from those that do not."""

from __future__ import annotations

from ckptlint.analysis.guards import Guard, Literal
from ckptlint.analysis.words import condition, conditions, key_list, load_error


def _all(*texts: str) -> Guard:
    """`_all("a", "not b")`: the guard `a and not b`."""
    return frozenset(Literal(text.removeprefix("not "), "truthy", negated=text.startswith("not ")) for text in texts)


def test_what_all_cases_share_and_the_others_lack_is_said() -> None:
    assert condition([_all("a", "c")], [_all("not a", "c")]) == "a"


def test_a_disjunction_is_said_as_one() -> None:
    wanted = [_all("args.cpu"), _all("not args.cpu", "not gpus")]
    assert condition(wanted, [_all("not args.cpu", "gpus")]) == "args.cpu or not gpus"


def test_what_both_ends_share_does_not_tell_them_apart() -> None:
    """A file of one kind of model, read into the same kind: what fails is the wrap at one end alone."""
    wanted = [(_all("stacked", "not gpus"), _all("stacked", "gpus"))]
    others = [
        (_all("stacked", "gpus"), _all("stacked", "gpus")),
        (_all("stacked", "not gpus"), _all("stacked", "not gpus")),
    ]
    assert conditions(wanted, others) == ("not gpus", "gpus")


def test_a_condition_that_rules_nothing_out_is_not_said() -> None:
    assert condition([_all("a")], [_all("a")]) == ""


def test_without_other_cases_what_is_shared_is_said() -> None:
    assert condition([_all("a", "b"), _all("a", "not b")]) == "a"


def test_elements_of_what_a_loop_goes_over_are_not_said() -> None:
    assert condition([_all("range(n)[]")], [_all("not range(n)[]")]) == ""


def test_where_a_name_was_given_a_value_is_left_out() -> None:
    assert condition([_all("read(path)@lib/train.py:0:12['wide']")], [frozenset()]) == "read(path)['wide']"


def test_parts_with_computed_names_are_left_out_of_lists_of_keys() -> None:
    assert key_list(["n_averaged", "module.{'head{i}'}.weight"]) == '"n_averaged", ...'
    assert key_list(["module.{'head{i}'}.weight", "module.{'head{i}'}.bias"]) == '"module...."'


def test_an_error_lists_keys_as_torch_does() -> None:
    text = load_error(["a.weight"], ["module.a.weight", "module.a.bias", "module.b.bias"])
    assert text == (
        'Missing key(s) in state_dict: "a.weight". '
        'Unexpected key(s) in state_dict: "module.a.weight", "module.a.bias", ...'
    )

"""--select, --ignore and their kin mean what they mean in ruff."""

from __future__ import annotations

import pytest

from ckptlint.failure import Failure
from ckptlint.selection import Layer, resolve
from tests.toy import REGISTRY

DEFAULT = {"TOY101", "TOY102", "TOY201", "TOY202", "CKPT901", "CKPT902"}


def enabled(*layers: Layer) -> set[str]:
    return set(resolve(layers, REGISTRY).enabled)


def test_without_a_word_all_but_the_opt_in_rules_run():
    assert enabled() == enabled(Layer()) == DEFAULT


@pytest.mark.parametrize("word", ["ALL", "TOY301", "TOY3", "TOY"])
def test_an_opt_in_rule_comes_in_by_its_code_a_prefix_or_all(word):
    assert "TOY301" in enabled(Layer(select=(word,)))
    assert "TOY301" in enabled(Layer(extend_select=(word,)))


def test_select_replaces_and_extend_select_adds():
    assert enabled(Layer(select=("TOY1",))) == {"TOY101", "TOY102"}
    assert enabled(Layer(extend_select=("TOY301",))) == DEFAULT | {"TOY301"}


def test_the_narrower_word_wins_whatever_the_order():
    assert enabled(Layer(select=("TOY101",), ignore=("TOY1",))) == {"TOY101"}
    assert enabled(Layer(select=("TOY1",), ignore=("TOY101",))) == {"TOY102"}
    assert enabled(Layer(select=("ALL",), ignore=("TOY",))) == {"CKPT901", "CKPT902"}


def test_of_two_equal_words_ignore_wins():
    assert enabled(Layer(select=("TOY101",), ignore=("TOY101",))) == set()


def test_a_select_on_the_command_line_overrides_the_configuration():
    config = Layer("pyproject.toml", select=("TOY2",), ignore=("TOY101",))
    assert enabled(config, Layer(select=("TOY1",))) == {"TOY101", "TOY102"}


def test_without_a_select_the_command_line_changes_the_configuration():
    config = Layer("pyproject.toml", select=("TOY",))
    assert enabled(config, Layer(ignore=("TOY2",), extend_select=("CKPT901",))) == {
        *("TOY101", "TOY102", "TOY301", "CKPT901")
    }


def test_named_means_by_code_or_all_and_not_by_prefix():
    assert resolve([Layer(select=("TOY3", "TOY101"))], REGISTRY).named == {"TOY101"}
    assert resolve([Layer(select=("ALL",))], REGISTRY).named == set(REGISTRY.codes)
    assert resolve([Layer()], REGISTRY).named == set()


def test_fixable_and_unfixable():
    assert resolve([Layer()], REGISTRY).fixable == set(REGISTRY.codes)
    assert resolve([Layer(fixable=("TOY1",), unfixable=("TOY101",))], REGISTRY).fixable == {"TOY102"}


def test_refused_is_what_was_turned_off_by_word():
    assert resolve([Layer(select=("TOY101",))], REGISTRY).refused == set()
    assert resolve([Layer(ignore=("TOY2",))], REGISTRY).refused == {"TOY201", "TOY202"}


@pytest.mark.parametrize("word", ["TOY9", "toy101", "", "E501", "TOY1011"])
@pytest.mark.parametrize("field", ["select", "ignore", "extend_select", "fixable", "unfixable"])
def test_an_unknown_rule_fails_and_names_the_flag(word, field):
    with pytest.raises(Failure, match=f"--{field.replace('_', '-')}: there is no rule"):
        resolve([Layer(**{field: (word,)})], REGISTRY)
    with pytest.raises(Failure, match=f"ckptlint.toml: `{field.replace('_', '-')}`: there is no rule"):
        resolve([Layer("ckptlint.toml", **{field: (word,)})], REGISTRY)

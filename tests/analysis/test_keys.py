"""Operations on the keys of a state dict, held against Python's own strings.

The machine has one `Key` for all keys, a common prefix and names behind it. Whatever it says of the result must be true
of every real key.
"""

from __future__ import annotations

import re

import pytest

from ckptlint.analysis import key_tests, keys, patterns
from ckptlint.analysis.entries import HYPOTHESES
from ckptlint.analysis.fit import keys_of
from ckptlint.analysis.guards import Literal
from ckptlint.analysis.values import Const, Content, Key, KeyTest, Opaque, Shape, Site

NAMES = ("conv.weight", "conv.bias", "bn.running_mean", "layers.0.attn.qkv.weight", "head.fc.bias", "fc.weight")
TEXTS = ("module.", "_orig_mod.", "module", "module._orig_mod.", "module.module.", "conv.", "head.", "model.", "x")
SITE = Site("net.py", 1, 1)
TENSOR = Shape(tensor="tensor", closed=True)

pytestmark = pytest.mark.parametrize("prefix", HYPOTHESES)


def key(prefix: str) -> Key:
    return Key(prefix, Content(SITE, prefix))


def is_true_of(result: object, real: list[str]) -> None:
    """The abstract key stands for the real ones."""
    assert isinstance(result, Key)
    for name, text in zip(NAMES, real, strict=True):
        if result.prefix.startswith(keys.CUT):
            assert not text.endswith(name), "a name is said to be cut, and is whole"
            continue
        left = name
        for emptied in result.emptied:
            left = left.replace(emptied, "")
        assert text == result.prefix + left


@pytest.mark.parametrize("text", TEXTS)
def test_startswith(prefix: str, text: str) -> None:
    real = {(prefix + name).startswith(text) for name in NAMES}
    answer = keys.starts_with(key(prefix), text)
    if isinstance(answer, Const):
        assert real == {answer.value}
    else:
        assert isinstance(answer, Opaque), "some keys may, some may not"


@pytest.mark.parametrize("text", TEXTS)
def test_in(prefix: str, text: str) -> None:
    real = {text in prefix + name for name in NAMES}
    answer = keys.mentions(key(prefix), text)
    if isinstance(answer, Const):
        assert real == {answer.value}


@pytest.mark.parametrize("text", TEXTS)
def test_a_test_of_single_keys_says_which(prefix: str, text: str) -> None:
    for answer, test in (
        (keys.starts_with(key(prefix), text), str.startswith),
        (keys.mentions(key(prefix), text), str.__contains__),
    ):
        if isinstance(answer, Opaque):
            (asked,) = key_tests.tests_in(frozenset((Literal(answer.symbol, "truthy"),)))
            for name in NAMES:
                assert key_tests.holds(asked, name) is test(prefix + name, text)


@pytest.mark.parametrize("count", [0, 1, 6, 7, 10, 17, 40])
def test_slices(prefix: str, count: int) -> None:
    is_true_of(keys.cut(key(prefix), count), [(prefix + name)[count:] for name in NAMES])


@pytest.mark.parametrize("count", [1, 6, 7, 10, 17])
def test_heads_are_equal_only_where_they_are(prefix: str, count: int) -> None:
    head = keys.head(key(prefix), count)
    for text in TEXTS:
        same = {(prefix + name)[:count] == text for name in NAMES}
        assert same == {head.value == text} or len(same) == 2


@pytest.mark.parametrize("text", TEXTS)
def test_removeprefix(prefix: str, text: str) -> None:
    if not any(name.startswith(text) for name in NAMES):
        is_true_of(keys.remove_prefix(key(prefix), text), [(prefix + name).removeprefix(text) for name in NAMES])


@pytest.mark.parametrize("count", [None, 1])
@pytest.mark.parametrize("text", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_replace(prefix: str, text: str, count: int | None) -> None:
    real = [(prefix + name).replace(text, "", -1 if count is None else count) for name in NAMES]
    is_true_of(keys.replace(key(prefix), text, "", count), real)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize(
    "pattern",
    [r"^module\.", r"^_orig_mod\.", r"^(module\.|_orig_mod\.)+", r"module\.", r"^(?:.*\.)?module\.", r"^[^.]*\."],
)
def test_re_sub(prefix: str, pattern: str, count: int) -> None:
    real = [re.sub(pattern, "", prefix + name, count=count) for name in NAMES]
    is_true_of(patterns.substitute(key(prefix), pattern, "", count), real)


def test_re_sub_that_does_other_things_to_other_names_is_not_known(prefix: str) -> None:
    assert isinstance(patterns.substitute(key(prefix), r"\d+", "", 0), Opaque)


@pytest.mark.parametrize("before", ["module.", "model.", ""])
def test_adding_a_prefix(prefix: str, before: str) -> None:
    is_true_of(keys.prefixed(key(prefix), before), [before + prefix + name for name in NAMES])


def test_splitting_off_the_first_name(prefix: str) -> None:
    pieces = keys.method(None, key(prefix), "split", (Const("."), Const(1)))  # type: ignore[arg-type]
    is_true_of(keys.piece(pieces, 1), [(prefix + name).split(".", 1)[1] for name in NAMES])  # type: ignore[arg-type]


def test_partition_at_a_prefix(prefix: str) -> None:
    pieces = keys.method(None, key(prefix), "partition", (Const("module."),))  # type: ignore[arg-type]
    if "module." in prefix:
        real = [(prefix + name).partition("module.")[2] for name in NAMES]
        is_true_of(keys.piece(pieces, 2), real)  # type: ignore[arg-type]


def tree(names: tuple[str, ...]) -> Shape:
    """The shape of a module with these tensors."""
    children: dict[str, list[str]] = {}
    for name in names:
        first, _, rest = name.partition(".")
        children.setdefault(first, []).append(rest)
    return Shape(
        children=tuple((first, tree(tuple(rest)) if rest != [""] else TENSOR) for first, rest in children.items()),
        closed=True,
    )


@pytest.mark.parametrize("kind", ["starts", "has"])
@pytest.mark.parametrize("text", ["conv.", "conv", "fc", "layers.0.", "head.fc.bias", "weight", "nothing"])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_filtered_tree_has_the_filtered_names(prefix: str, kind: str, text: str, wanted: bool) -> None:
    expected = [name for name in NAMES if (name.startswith(text) if kind == "starts" else text in name) is wanted]
    names, _ = keys_of(key_tests.kept(tree(NAMES), (KeyTest(kind, text, wanted),)), prefix)
    assert sorted(names) == sorted(prefix + name for name in expected)

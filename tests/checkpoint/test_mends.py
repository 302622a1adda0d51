"""The smallest mend is found, is tried, and does the same as flags and as lines of Python."""

from __future__ import annotations

import re
import time
from fnmatch import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptlint.checkpoint.key_code import python_lines, repair_flags
from ckptlint.checkpoint.key_edits import KeyEdits
from ckptlint.checkpoint.mends import find_mend, renamed
from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.model_fit import Member, fit


def sized(**shapes: tuple[int, ...]) -> dict[str, Member]:
    return {name.replace("__", "."): Member("float32", shape) for name, shape in shapes.items()}


LAYERS = {
    f"layers.{n}.{part}.weight": Member("float32", (8, size)) for n in range(24) for part, size in (("a", 4), ("b", 5))
}
HEAD = sized(head__weight=(3, 8))


def prefixed(prefix: str, keys: dict[str, Member]) -> dict[str, Member]:
    return {prefix + key: member for key, member in keys.items()}


def in_layers(inner: str, keys: dict[str, Member]) -> dict[str, Member]:
    return {re.sub(r"^layers\.\d+\.", rf"\g<0>{inner}.", key): member for key, member in keys.items()}


@pytest.mark.parametrize(
    ("file", "model", "flags"),
    [
        (prefixed("module.", LAYERS), LAYERS, "--strip-prefix module."),
        (prefixed("_orig_mod.module.", LAYERS), LAYERS, "--strip-prefix _orig_mod.module."),
        (LAYERS, prefixed("module.", LAYERS), "--add-prefix module."),
        (LAYERS | HEAD, prefixed("net.", LAYERS) | HEAD, "--rename layers=net.layers"),
        (prefixed("_orig_mod.", LAYERS), prefixed("module.", LAYERS), "--rename _orig_mod=module"),
        (prefixed("sub._orig_mod.", LAYERS), prefixed("sub.", LAYERS), "--rename '*._orig_mod.*=*.*'"),
        (in_layers("_checkpoint_wrapped_module", LAYERS), LAYERS, "--rename '*._checkpoint_wrapped_module.*=*.*'"),
        (LAYERS, in_layers("block", LAYERS), "--rename 'layers.#=layers.#.block'"),
        (prefixed("backbone.", LAYERS) | HEAD, prefixed("encoder.", LAYERS) | HEAD, "--rename backbone=encoder"),
        (LAYERS | sized(criterion__weight=(9,), criterion__nll__weight=(9,)), LAYERS, "--drop 'criterion.*'"),
        (LAYERS | sized(**{f"layers__{n}__extra": (2,) for n in range(24)}), LAYERS, "--drop 'layers.*.extra'"),
        (
            prefixed("module.", LAYERS | sized(loss__weight=(9,))) | sized(step=()),
            LAYERS,
            "--strip-prefix module. --drop 'loss.*' --drop step",
        ),
    ],
)  # fmt: skip
def test_the_mend_of(file: dict[str, Member], model: dict[str, Member], flags: str) -> None:
    mend = find_mend(file, model)
    assert mend is not None
    assert repair_flags(mend.edits) == flags
    assert mend.strict
    assert mend.restored == mend.total


def test_a_head_of_another_size_is_dropped_and_named() -> None:
    file = prefixed("module.", LAYERS | sized(fc__weight=(1000, 8), fc__bias=(1000,)))
    mend = find_mend(file, LAYERS | sized(fc__weight=(10, 8), fc__bias=(10,)))
    assert mend is not None
    assert repair_flags(mend.edits) == "--strip-prefix module. --drop 'fc.*'"
    assert not mend.strict
    assert set(mend.reshaped) == {"fc.weight", "fc.bias"}
    assert mend.fit.missing == ("fc.weight", "fc.bias")


@pytest.mark.parametrize("file", [LAYERS, {}, sized(a=(1,), b=(2,))])
def test_no_mend(file: dict[str, Member]) -> None:
    assert find_mend(file, file) is None
    assert find_mend(file, sized(other__weight=(7, 7), another=(3,))) is None


def test_ten_thousand_keys_in_bounded_time() -> None:
    many = {f"layers.{n}.part.{m}.weight": Member("float32", (n, m)) for n in range(100) for m in range(100)}
    started = time.process_time()
    mend = find_mend(prefixed("module.", many), many)
    assert time.process_time() - started < 20  # 2.5 where nothing else runs
    assert mend is not None
    assert repair_flags(mend.edits) == "--strip-prefix module."


parts = st.sampled_from(["module", "_orig_mod", "layers", "0", "1", "fc", "fc2", "weight", "a.b"])
keys = st.lists(st.lists(parts, min_size=1, max_size=5).map(".".join), min_size=1, max_size=12, unique=True)
patterns = st.sampled_from(["fc.*", "*.fc.*", "layers.*.weight", "weight", "layers.[0]", "module.*"])
renames = st.sampled_from(
    [("module", "net"), ("layers.#", "blocks.#"), ("*.fc.*", "*.*"), ("fc", ""), ("a.", "x"), ("layers.#.fc", "#")]
)
edits = st.builds(
    KeyEdits,
    strip=st.lists(st.sampled_from(["module.", "_orig_mod.", "layers.0."]), max_size=2).map(tuple),
    add=st.sampled_from(["", "net."]),
    drop=st.lists(patterns, max_size=2).map(tuple),
    rename=st.lists(renames, max_size=2).map(tuple),
)


@settings(max_examples=300, deadline=None)
@given(keys, edits)
def test_the_lines_of_python_do_what_the_edits_do(names: list[str], wanted: KeyEdits) -> None:
    """For drop patterns that mean the stripped key, as those of a mend do."""
    file = {name: Member("float32", (number,)) for number, name in enumerate(names)}
    stripped = dict(file)
    for prefix in wanted.strip:
        stripped = {name.removeprefix(prefix): member for name, member in stripped.items()}
    if any(fnmatch(name, pattern) for name in names for pattern in wanted.drop if name not in stripped):
        return
    try:
        expected = renamed(file, wanted.plan(names))
    except BadCheckpoint:
        return
    scope: dict[str, object] = {"re": re, "fnmatch": fnmatch, "state": dict(file)}
    for line in python_lines(wanted):
        exec(line, scope)
    assert scope["state"] == expected


@settings(max_examples=200, deadline=None)
@given(keys, keys)
def test_a_mend_leaves_nothing_unexpected(ours: list[str], theirs: list[str]) -> None:
    file = {name: Member("float32", (len(name) % 3,)) for name in ours}
    model = {name: Member("float32", (len(name) % 3,)) for name in theirs}
    mend = find_mend(file, model)
    if mend is not None:
        after = fit(renamed(file, mend.edits.plan(file)), model)
        assert not after.unexpected
        assert not after.mismatched
        assert 2 * mend.restored >= mend.total


MANY = 5_000


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("a{n}.w", "b{n}.w"),
        ("old{part}.l{n}.w", "new{part}.l{n}.w"),
        ("l.{part}._orig_mod.b{n}.w", "l.{part}.b{n}.w"),
    ],
    ids=["no name in common", "thirty parts renamed", "compiled layers"],
)
@pytest.mark.parametrize("extra", [0, MANY], ids=["as many", "others besides"])
def test_the_search_takes_seconds_for_many_keys(file: str, model: str, extra: int) -> None:
    """Each pattern was once held against each key: minutes for the first of these."""
    ours = {file.format(n=n, part=n % 30): Member("float32", (3,)) for n in range(MANY)}
    ours |= {f"x{n}y.w": Member("float32", (4,)) for n in range(extra)}
    theirs = {model.format(n=n, part=n % 30): Member("float32", (3,)) for n in range(MANY)}
    started = time.process_time()
    find_mend(ours, theirs)
    assert time.process_time() - started < 5

"""What `ckptlint inspect` prints and says."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ckptlint.__main__ import main
from ckptlint.checkpoint.fold import fold
from ckptlint.checkpoint.listing import size_text
from ckptlint.checkpoint.observe import observe, wrapper_prefix
from ckptlint.checkpoint.read import open_checkpoint


def inspect(capsys: pytest.CaptureFixture[str], path: object, *options: str) -> str:
    main(["inspect", str(path), *options])
    return capsys.readouterr().out


def said(value: object, tmp_path: Path) -> dict[str, str]:
    """Code -> message of everything that is said about a saved value."""
    torch.save(value, tmp_path / "said.pth")
    checkpoint = open_checkpoint(str(tmp_path / "said.pth"))
    return {problem.code: problem.message for problem in (*checkpoint.problems, *observe(checkpoint))}


def stack(layers: int) -> dict[str, torch.Tensor]:
    return {
        f"layers.{layer}.{part}.weight": torch.zeros(4, 4 if part == "attn" else 8)
        for layer in range(layers)
        for part in ("attn", "mlp")
    }


def test_layers_are_folded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"epoch": 3, "model": stack(32)}, tmp_path / "a.pth")
    lines = inspect(capsys, tmp_path / "a.pth").splitlines()
    assert lines[0].endswith(": zip, torch 2.7 or newer, 20.9 kB, 64 tensors")
    assert lines[1:] == [
        "epoch  3",
        "model  state dict, 64 tensors, 6.1 kB",
        "  layers.{0..31}.attn.weight  float32  (4, 4)  32 x",
        "  layers.{0..31}.mlp.weight   float32  (4, 8)  32 x",
    ]


def test_every_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(stack(3), tmp_path / "a.pth")
    lines = inspect(capsys, tmp_path / "a.pth", "--keys").splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(stack(3))


def test_statistics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(
        {"a.x": torch.zeros(3, dtype=torch.float16), "a.y": torch.zeros(5), "b.z": torch.zeros(7)}, tmp_path / "a.pth"
    )
    rows = [line.split() for line in inspect(capsys, tmp_path / "a.pth", "--stats").splitlines()]
    assert ["a", "2", "8", "26", "B"] in rows
    assert ["b", "1", "7", "28", "B"] in rows
    assert ["float32", "2", "12", "48", "B"] in rows


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": {"module.w": nn.Parameter(torch.zeros(2, 3))}}, tmp_path / "a.pth")
    listed = json.loads(inspect(capsys, tmp_path / "a.pth", "--json"))
    (tensor,) = listed["tensors"]
    assert (tensor["entry"], tensor["key"], tensor["shape"], tensor["dtype"]) == (
        "model",
        "module.w",
        [2, 3],
        "float32",
    )
    assert {problem["code"] for problem in listed["problems"]} == {"wrapper-prefix", "parameters-only"}
    assert listed["entries"] == [
        {"name": "model", "kind": "state dict", "summary": "dict of 1", "tensors": 1, "bytes": 24}
    ]


# --- what it says --------------------------------------------------------------------------------------------------


def test_a_clean_state_dict_says_nothing(tmp_path: Path) -> None:
    assert said(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).state_dict(), tmp_path) == {}


def test_a_prefix_on_all_keys_in_torchs_words(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    state_dict = nn.DataParallel(model).state_dict()
    message = said(state_dict, tmp_path)["wrapper-prefix"]
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict(state_dict)
    assert 'Unexpected key(s) in state_dict: "module.weight"' in message
    assert 'Unexpected key(s) in state_dict: "module.weight"' in str(error.value)
    assert "--strip-prefix module." in message


def test_prefixes_of_several_wrappers(tmp_path: Path) -> None:
    assert "'module._orig_mod.'" in said({"module._orig_mod.w": torch.ones(1)}, tmp_path)["wrapper-prefix"]
    assert "torch.compile" in said({"_orig_mod.w": torch.ones(1)}, tmp_path)["wrapper-prefix"]


def test_a_prefix_on_some_keys(tmp_path: Path) -> None:
    assert "1 of 2 keys" in said({"module.w": torch.ones(1), "b": torch.ones(1)}, tmp_path)["mixed-prefix"]


def test_a_prefix_inside(tmp_path: Path) -> None:
    assert set(said({"sub._orig_mod.w": torch.ones(1), "b": torch.ones(1)}, tmp_path)) == {"inner-prefix"}


def test_a_submodule_called_module_is_no_wrapper(tmp_path: Path) -> None:
    assert said({"net.module.w": torch.ones(1), "b": torch.ones(1)}, tmp_path) == {}


def test_an_averaged_model(tmp_path: Path) -> None:
    assert set(said(AveragedModel(nn.Linear(1, 1)).state_dict(), tmp_path)) == {"averaged-model"}


def test_a_loss_in_the_model(tmp_path: Path) -> None:
    model = nn.Module()
    model.net = nn.Linear(1, 1)
    model.criterion = nn.CrossEntropyLoss(weight=torch.ones(3))
    assert "'criterion.weight'" in said(model.state_dict(), tmp_path)["criterion-key"]


def test_tensors_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "meta-tensor" in said(nn.Linear(2, 2, device="meta").state_dict(), tmp_path)
    assert main(["inspect", str(tmp_path / "said.pth")]) == 1


def test_parameters_without_buffers(tmp_path: Path) -> None:
    assert set(said(dict(nn.Linear(2, 2).named_parameters()), tmp_path)) == {"parameters-only"}


def test_what_weights_only_refuses_and_what_to_do(tmp_path: Path) -> None:
    message = said({"path": Path("x"), "w": torch.ones(1)}, tmp_path)["weights-only"]
    assert "pathlib" in message
    assert "add_safe_globals" in message


def test_a_whole_module(tmp_path: Path) -> None:
    assert "torch.nn.modules.linear.Linear" in said(nn.Linear(1, 1), tmp_path)["whole-module"]


def test_small_views_of_a_large_storage(tmp_path: Path) -> None:
    assert "clone()" in said({"w": torch.zeros(1_000_000)[:10]}, tmp_path)["oversized-storage"]


def test_devices(tmp_path: Path) -> None:
    from tests.checkpoint.builders import state_dict, tensor, with_pickle

    pickled = state_dict(("w", tensor())).replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:3")
    (tmp_path / "a.pth").write_bytes(with_pickle(pickled, data__0=b"\0" * 16))
    checkpoint = open_checkpoint(str(tmp_path / "a.pth"))
    (problem,) = [problem for problem in observe(checkpoint) if problem.code == "devices"]
    assert "cuda:3" in problem.message
    assert 'map_location="cpu"' in problem.message


# --- checksums -----------------------------------------------------------------------------------------------------


def damaged(tmp_path: Path) -> str:
    """A file with one flipped bit in a tensor, which torch loads without a word."""
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(4), "b": torch.full((4,), 7.0)}, path)
    raw = bytearray(path.read_bytes())
    raw[raw.index(torch.full((4,), 7.0).numpy().tobytes()) + 3] ^= 1
    path.write_bytes(raw)
    assert not torch.equal(torch.load(path)["b"], torch.full((4,), 7.0))
    return str(path)


def test_a_flipped_bit_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = damaged(tmp_path)
    assert main(["inspect", path]) == 0
    assert main(["inspect", path, "--crc"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("error")]
    assert "(b) is damaged" in line


def test_checksums_that_were_left_out_are_no_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(4)}, tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert main(["inspect", str(tmp_path / "a.pth"), "--crc"]) == 0
    assert "left the checksums out" in capsys.readouterr().out


# --- folding -------------------------------------------------------------------------------------------------------


def expand(pattern: str) -> list[str]:
    """All keys that a pattern stands for."""
    head, brace, rest = pattern.partition("{")
    if not brace:
        return [pattern]
    inside, _, tail = rest.partition("}")
    numbers: list[str] = []
    for piece in inside.split(","):
        first, dots, last = piece.partition("..")
        numbers += [str(n) for n in range(int(first), int(last) + 1)] if dots else [first]
    return [head + number + end for number in numbers for end in expand(tail)]


words = st.one_of(st.sampled_from(["a", "b", "07", "x1"]), st.integers(0, 12).map(str))
keys = st.lists(words, min_size=1, max_size=4).map(".".join)


@given(st.lists(st.tuples(keys, st.integers(0, 1)), max_size=60, unique_by=lambda pair: pair[0]))
def test_patterns_stand_for_exactly_their_keys(pairs: list[tuple[str, int]]) -> None:
    seen: list[tuple[str, int]] = []
    for folded in fold(pairs):
        assert sorted(expand(folded.pattern)) == sorted(folded.keys)
        seen += [(key, folded.fact) for key in folded.keys]
    assert sorted(seen) == sorted(pairs)


def test_a_full_grid_is_one_pattern() -> None:
    grid = [(f"layers.{i}.heads.{j}.w", 0) for i in range(12) for j in range(4)]
    assert [folded.pattern for folded in fold(grid)] == ["layers.{0..11}.heads.{0..3}.w"]


def test_facts_split_patterns() -> None:
    pairs = [("l.0.w", "a"), ("l.1.w", "b"), ("l.2.w", "a")]
    assert [(folded.pattern, folded.fact) for folded in fold(pairs)] == [("l.{0,2}.w", "a"), ("l.1.w", "b")]


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        ("module.w", "module."),
        ("module._orig_mod.module.w", "module._orig_mod.module."),
        ("w", ""),
        ("module", ""),
        ("modules.w", ""),
        ("net.module.w", ""),
    ],
)
def test_wrapper_prefix(key: str, prefix: str) -> None:
    assert wrapper_prefix(key) == prefix


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (44_700_000, "44.7 MB"), (999_999, "1.0 MB"), (123_000, "123 kB")],
)
def test_sizes(nbytes: int, text: str) -> None:
    assert size_text(nbytes) == text


def test_ties_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weight = torch.ones(3)
    torch.save(OrderedDict(a=weight, b=weight, c=torch.ones(3)), tmp_path / "a.pth")
    assert "3 tensors, 1 of them tied to others" in inspect(capsys, tmp_path / "a.pth")

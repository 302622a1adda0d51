"""What differs between two checkpoints, of any formats, is told in few lines and without reading tensors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ckptlint.__main__ import main
from ckptlint.checkpoint.renames import infer_renames


def net(layers: int = 5) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(layers)))
    return {f"layers.{key}": tensor for key, tensor in model.state_dict().items()}


def diff(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["diff", *arguments])
    return code, capsys.readouterr().out


def save(value: object, path: Path, **options: bool) -> str:
    torch.save(value, path, **options)
    return str(path)


def test_the_same_values_in_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = save(net(), tmp_path / "a.pth"), save(net(), tmp_path / "b.pth")
    assert diff(capsys, a, b) == (0, "no difference found (10 tensors are equal)\n")


def test_one_changed_value_is_found_without_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = net()
    changed["layers.3.weight"] = changed["layers.3.weight"] + 1e-3
    a, b = save({"m": net(), "epoch": 1}, tmp_path / "a.pth"), save({"m": changed, "epoch": 2}, tmp_path / "b.pth")
    code, out = diff(capsys, a, b)
    assert code == 1
    assert "epoch: 1 -> 2" in out
    assert "values differ in 1 tensors:\n    layers.3.weight\n" in out


def test_keys_and_shapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = net()
    del other["layers.0.bias"], other["layers.1.bias"], other["layers.2.bias"]
    other["head.scale"] = torch.ones(7, 7, 7)
    other["layers.4.weight"] = torch.ones(9, 4)
    code, out = diff(capsys, save(net(), tmp_path / "a.pth"), save(other, tmp_path / "b.pth"))
    assert code == 1
    assert "- layers.{0..2}.bias  3 x" in out
    assert "+ head.scale" in out
    assert "~ layers.4.weight  float32 (4, 4) -> float32 (9, 4)" in out


def test_a_prefix_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrapped = {f"module.{key}": tensor for key, tensor in net(300).items()}
    code, out = diff(capsys, save(net(300), tmp_path / "a.pth"), save(wrapped, tmp_path / "b.pth"))
    assert code == 1
    assert out == "  renamed: (nothing) -> module. in front of 600 keys\n600 tensors are equal\n"


def test_formats_may_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_dict = net()
    state_dict["view"] = torch.arange(12.0).reshape(3, 4).t()
    a = save(state_dict, tmp_path / "a.pth")
    b = save(state_dict, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    save_file({key: tensor.contiguous() for key, tensor in state_dict.items()}, tmp_path / "c.safetensors")
    for other in (b, str(tmp_path / "c.safetensors")):
        code, out = diff(capsys, a, other)
        assert code == 0
        assert "11 tensors were not compared" in out
        assert diff(capsys, a, other, "--read") == (0, "no difference found (11 tensors are equal)\n")
    state_dict["view"] = state_dict["view"] + 1
    code, out = diff(capsys, save(state_dict, tmp_path / "d.pth"), b, "--read")
    assert (code, "values differ in 1 tensors:\n    view" in out) == (1, True)


def test_a_state_dict_inside_an_entry_is_compared_with_a_bare_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = diff(capsys, save({"model": net(), "epoch": 1}, tmp_path / "a.pth"), save(net(), tmp_path / "b.pth"))
    assert code == 1
    assert "model -> (all)" in out
    assert "- epoch" in out
    assert "10 tensors are equal" in out


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {f"module.{key}": tensor for key, tensor in net().items()}
    code, out = diff(capsys, save(net(), tmp_path / "a.pth"), save(other, tmp_path / "b.pth"), "--json")
    assert code == 1
    (entry,) = json.loads(out)["entries"]
    assert (entry["renamed"][0]["old"], entry["renamed"][0]["new"], entry["equal"]) == ("", "module.", 10)


def test_checksums_left_out_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        a = save(net(), tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    b = save(net(), tmp_path / "b.pth")
    assert "10 tensors were not compared" in diff(capsys, a, b)[1]
    assert diff(capsys, a, b, "--read")[1] == "no difference found (10 tensors are equal)\n"


def test_several_rules() -> None:
    before = {f"backbone.{n}.w": n for n in range(5)} | {f"head.{n}.b": 100 + n for n in range(3)} | {"same": 1}
    after = (
        {f"encoder.body.{n}.w": n for n in range(5)} | {f"module.head.{n}.b": 100 + n for n in range(3)} | {"same": 1}
    )
    rules = {(rule.old, rule.new): len(rule.keys) for rule in infer_renames(before, after)}
    assert rules == {("backbone.", "encoder.body."): 5, ("", "module."): 3}


def test_other_facts_are_no_renaming() -> None:
    assert infer_renames({"a.w": (3,), "a.b": (1,)}, {"b.w": (4,), "b.b": (2,)}) == []

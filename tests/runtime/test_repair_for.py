"""`ckptlint repair --for MODEL`: the mend that verify finds is carried out, and the result loads strictly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from ckptlint.__main__ import main
from tests.checkpoint.test_without_torch import BLOCKER, ROOT
from tests.runtime import nets

MODEL = "tests.runtime.nets:Net"


@pytest.mark.parametrize("form", ["zip", "legacy", "module", "safetensors", "two"])
def test_the_mended_file_loads_strictly(tmp_path: Path, form: str) -> None:
    torch.manual_seed(1)
    wrapped = nn.DataParallel(nets.Net(criterion=True))
    path, out = tmp_path / "a.pth", tmp_path / "b.pth"
    if form == "safetensors":
        from safetensors.torch import load_file, save_file

        save_file(wrapped.state_dict(), path)
    elif form == "two":
        torch.save({"net": wrapped.state_dict(), "other": nets.Tied().state_dict()}, path)
    else:
        value = wrapped if form == "module" else {"epoch": 3, "net": wrapped.state_dict()}
        torch.save(value, path, _use_new_zipfile_serialization=form != "legacy")
    assert main(["repair", str(path), "-o", str(out), "--for", MODEL]) == 0
    if form == "safetensors":
        state = load_file(out)
    else:
        state = torch.load(out, weights_only=True)
        state = state if form == "module" else state["net"]
    model = nets.Net()
    model.load_state_dict(state)
    assert all(value.equal(wrapped.module.state_dict()[key]) for key, value in model.state_dict().items())
    if form == "two":
        assert list(torch.load(out)["other"]) == list(nets.Tied().state_dict())


def test_it_is_shown_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(nn.DataParallel(nets.Net()).state_dict(), tmp_path / "a.pth")
    assert main(["repair", str(tmp_path / "a.pth"), "--for", MODEL, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "strip 'module.' off the keys" in said
    assert "module. -> (nothing) in front of 15 keys" in said


@pytest.mark.parametrize(
    ("value", "options", "words"),
    [
        (nets.Net().state_dict(), [], "fits tests.runtime.nets:Net as it is"),
        (nn.LSTM(3, 4).state_dict(), [], "probably a checkpoint of another model"),
        (nn.DataParallel(nets.Net()).state_dict(), ["--strip-prefix", "module."], "--for finds the edits itself"),
    ],
)
def test_refusals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: object, options: list[str], words: str
) -> None:
    torch.save(value, tmp_path / "a.pth")
    assert main(["repair", str(tmp_path / "a.pth"), "-o", str(tmp_path / "b"), "--for", MODEL, *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("verb", ["repair", "verify"])
def test_where_there_is_no_torch(tmp_path: Path, verb: str) -> None:
    torch.save(nets.Net().state_dict(), tmp_path / "a.pth")
    options = {"repair": ["-o", str(tmp_path / "b"), "--for", MODEL], "verify": ["--model", MODEL]}[verb]
    command = [sys.executable, "-c", BLOCKER.replace('"msgspec", ', ""), verb, str(tmp_path / "a.pth"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert "needs torch" in done.stderr
    assert "pip install 'ckptlint[runtime]'" in done.stderr
    assert done.stderr.count("\n") == 1

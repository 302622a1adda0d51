"""`[[tool.ckptlint.checkpoints]]`: what `ckptlint verify` checks when it is given no file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ckptlint.__main__ import main
from tests.runtime import nets

CONFIG = """
[[tool.ckptlint.checkpoints]]
path = "runs/best.pth"
model = "tests.runtime.nets:Net"
entry = "model"
device = "cpu"

[[tool.ckptlint.checkpoints]]
path = "runs/wide.pth"
model = "tests.runtime.nets:Net"
args = { classes = 20 }
forward = "2,3,8,8"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "runs").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    torch.save({"model": nets.Net().state_dict(), "epoch": 3}, tmp_path / "runs" / "best.pth")
    torch.save(nets.Net(classes=20).state_dict(), tmp_path / "runs" / "wide.pth")
    monkeypatch.chdir(tmp_path / "src")
    return tmp_path


def test_all_of_them_are_verified(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["path"] == "../runs/best.pth"
    assert first["entry"] == "model"
    assert second["forwarded"]["output"] == "float32 (2, 20)"


def test_one_that_fails_fails_the_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(nets.Net(classes=9).state_dict(), project / "runs" / "wide.pth")
    assert main(["verify"]) == 1
    said = capsys.readouterr().out
    assert "../runs/best.pth against tests.runtime.nets:Net, on cpu: ok" in said
    assert "../runs/wide.pth against tests.runtime.nets:Net, on cpu: FAILS" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "name a file, or list checkpoints in [[tool.ckptlint.checkpoints]]"),
        ('[[tool.ckptlint.checkpoints]]\npath = "a.pth"\n', "`checkpoints` in [tool.ckptlint]"),
        ('[[tool.ckptlint.checkpoints]]\npath = "a"\nmodel = "b:c"\ndevise = "cpu"\n', "pyproject.toml:1"),
    ],
)
def test_a_configuration_that_is_none(project: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    (project / "pyproject.toml").write_text(text)
    assert main(["verify"]) == 2
    assert words in capsys.readouterr().err

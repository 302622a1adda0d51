"""The user's code may print, read its command line and end the program: the run is not misled by it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from ckptlint.__main__ import main

LINEAR = "from torch import nn\ndef build():\n    print('built')\n    return nn.Linear(2, 2)\n"
MODULES = {
    "prints": f"print('hello')\n{LINEAR}",
    "parses": f"import argparse\nargparse.ArgumentParser().parse_args()\n{LINEAR}",
    "leaves": "import sys\nsys.exit(0)",
    "leaves_later": "import sys\ndef build():\n    sys.exit(0)",
    "broken": "def build(:\n    pass",
    "lacks": "import no_such_package_here",
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    torch.save(nn.Linear(2, 2).state_dict(), "a.pth")
    for name, text in MODULES.items():
        (tmp_path / f"{name}_{tmp_path.name}.py").write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["prints", "parses"])
def test_code_that_talks_and_listens(here: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["verify", "a.pth", "--model", f"{name}_{here.name}:build", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["failed"] is False
    assert "built" in captured.err
    assert ("hello" in captured.err) == (name == "prints")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("leaves", "the code calls sys.exit(0)"),
        ("leaves_later", "the code calls sys.exit(0)"),
        ("broken", "raised SyntaxError"),
        ("lacks", "No module named 'no_such_package_here'"),
    ],
)
def test_code_that_does_not_come_back(here: Path, capsys: pytest.CaptureFixture[str], name: str, words: str) -> None:
    assert main(["verify", "a.pth", "--model", f"{name}_{here.name}:build"]) == 2
    assert words in capsys.readouterr().err

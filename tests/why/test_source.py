"""`--source`: the line that wrote the file, by the keys that were pasted or by the rules that foretell the error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ckptlint.__main__ import main

MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)
"""
TRAIN = """
import torch
from torch import nn
from model import Net

model = nn.DataParallel(Net())
torch.save(model.state_dict(), "best.pth")
"""
PLAIN = """
import torch
from model import Net

torch.save(Net().state_dict(), "other.pth")
"""
TEST = """
import torch
from model import Net

net = Net()
net.load_state_dict(torch.load("best.pth"))
"""
KEYS = ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]


def error(keys: list[str], prefix: str) -> str:
    missing = ", ".join(f'"{key}"' for key in keys)
    unexpected = ", ".join(f'"{prefix}{key}"' for key in keys)
    return (
        'Traceback (most recent call last):\n  File "/elsewhere/src/test.py", line 6, in <module>\n'
        '    net.load_state_dict(torch.load("best.pth"))\n'
        "RuntimeError: Error(s) in loading state_dict for Net:\n"
        f"\tMissing key(s) in state_dict: {missing}. \n\tUnexpected key(s) in state_dict: {unexpected}. "
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ckptlint.toml").write_text("root = true\n")
    for name, text in {"model": MODEL, "train": TRAIN, "plain": PLAIN, "test": TEST}.items():
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / f"src/{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def places(text: str, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, int, str | None]]:
    assert main(["why", "--source", "src", "--json", text]) == 0
    found = json.loads(capsys.readouterr().out)["places"]
    return [(Path(one["filename"]).name, one["location"]["row"], one["code"]) for one in found]


def test_the_writer_whose_keys_were_pasted_comes_first(project, capsys):
    found = places(error(KEYS, "module."), capsys)
    assert found[0] == ("train.py", 7, "CKPT101")
    assert ("test.py", 6, "CKPT301") in found
    assert "plain.py" not in {name for name, _, _ in found}


def test_a_writer_is_found_without_a_reader(project, capsys):
    (project / "src/test.py").unlink()
    assert places(error(KEYS, "module."), capsys)[0] == ("train.py", 7, "CKPT101")


def test_a_cut_paste_is_enough(project, capsys):
    text = 'RuntimeError: ... Unexpected key(s) in state_dict: "module.conv.weight", "module.conv.bias", "modu'
    assert places(text, capsys)[0] == ("train.py", 7, "CKPT101")


def test_findings_at_the_line_of_the_traceback_come_first(project, capsys):
    for name in ("one", "two"):
        (project / f"src/{name}.py").write_text(TRAIN.replace("torch.save(model", "torch.save(Net().module"))
    text = (
        'Traceback (most recent call last):\n  File "src/two.py", line 7, in <module>\n'
        "AttributeError: 'Net' object has no attribute 'module'"
    )
    assert places(text, capsys)[0] == ("two.py", 7, "CKPT106")


def test_other_keys_name_no_writer(project, capsys):
    text = error(["stem.weight", "stem.bias"], "backbone.")
    assert main(["why", "--source", "src", text]) == 0
    assert "train.py" not in capsys.readouterr().out.partition("In the source")[2].partition("CKPT")[0]

"""`ckptlint check --checkpoint FILE`: the real keys of a file are held against the code that reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ckptlint.__main__ import main

MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, 10)

def load(path="runs/best.pth"):
    net = Net()
    {load}
    return net

if __name__ == "__main__":
    load()
"""

PLAIN = 'net.load_state_dict(torch.load("runs/best.pth")["model"])'


class Net(nn.Module):
    def __init__(self, criterion: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, 10)
        if criterion:
            self.criterion = nn.CrossEntropyLoss(weight=torch.ones(10))


class Check:
    """Writes a project and a checkpoint, and gives the messages of CKPT301."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        (folder / "runs").mkdir()
        (folder / ".git").mkdir()

    def __call__(self, load: str, value: object, *options: str, name: str = "runs/best.pth") -> list[str]:
        (self.folder / "test.py").write_text(MODEL.replace("{load}", load.replace("\n", "\n    ")))
        torch.save(value, self.folder / name)
        given = options or ("--checkpoint", name)
        self.capsys.readouterr()
        main(["check", ".", "--select", "CKPT301", "--output-format", "json", *given])
        return [finding["message"] for finding in json.loads(self.capsys.readouterr().out)]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.chdir(tmp_path)
    return Check(tmp_path, capsys)


WRAPPED = {"model": nn.DataParallel(Net()).state_dict(), "epoch": 3}


def test_a_prefix_in_the_file(check: Check) -> None:
    (message,) = check(PLAIN, WRAPPED)
    assert message.startswith("loading runs/best.pth here fails: Missing key(s) in state_dict: ")
    assert '"conv.weight"' in message
    assert '"module.conv.weight"' in message
    assert check(PLAIN, WRAPPED, "--no-cache") == []


def test_the_answer_is_torchs(check: Check) -> None:
    model = Net()
    with pytest.raises(RuntimeError) as raised:
        model.load_state_dict(Net(criterion=True).state_dict())
    (message,) = check(PLAIN, {"model": Net(criterion=True).state_dict()})
    assert message.partition(": ")[2] == str(raised.value).split("\n\t")[1].strip().removesuffix(".") + "."


@pytest.mark.parametrize(
    "load",
    [
        PLAIN,
        'state = torch.load("runs/best.pth")["model"]\nnet = nn.DataParallel(net)\nnet.load_state_dict(state)',
        'state = torch.load("runs/best.pth")["model"]\n'
        'net.load_state_dict({k.removeprefix("module."): v for k, v in state.items()})',
        'net.load_state_dict(torch.load("other/best.pth")["model"])',
        'net.load_state_dict(torch.load("best.pt")["model"])',
    ],
)  # fmt: skip
def test_what_fits_is_not_reported(check: Check, load: str) -> None:
    fits = {"model": Net().state_dict()} if load == PLAIN else WRAPPED
    assert check(load, fits) == []


@pytest.mark.parametrize(
    "path", ['"./runs/best.pth"', 'os.path.join("runs", "best.pth")', 'f"{folder}/best.pth"', '"best.pth"', "path"]
)
def test_the_path_in_the_code(check: Check, path: str) -> None:
    load = f'import os\nfolder = os.environ["RUNS"]\nnet.load_state_dict(torch.load({path})["model"])'
    assert len(check(load, WRAPPED)) == 1


def test_strict_false_restores_nothing(check: Check) -> None:
    load = 'net.load_state_dict(torch.load("runs/best.pth")["model"], strict=False)'
    (message,) = check(load, WRAPPED)
    assert "restores nothing and says nothing" in message
    assert check(load, {"model": Net(criterion=True).state_dict()}) == []


def test_keys_that_lack_a_layer(check: Check) -> None:
    state = Net().state_dict()
    del state["fc.weight"]
    (message,) = check(PLAIN, {"model": state})
    assert message.endswith('Missing key(s) in state_dict: "fc.weight".')


def test_no_checkpoint_is_exit_2(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    check(PLAIN, WRAPPED)
    assert main(["check", ".", "--checkpoint", "runs/nope.pth"]) == 2
    assert "runs/nope.pth" in capsys.readouterr().err


def test_the_cache_knows_the_keys(check: Check) -> None:
    assert len(check(PLAIN, WRAPPED)) == 1
    assert check(PLAIN, {"model": Net().state_dict()}) == []
    assert len(check(PLAIN, WRAPPED)) == 1


def other(check: Check, code: str, load: str, value: object) -> list[str]:
    check("pass", value)
    (check.folder / "test.py").write_text(MODEL.replace("{load}", load.replace("\n", "\n    ")))
    check.capsys.readouterr()
    main(["check", ".", "--select", code, "--output-format", "json", "--checkpoint", "runs/best.pth"])
    return [finding["message"] for finding in json.loads(check.capsys.readouterr().out)]


def test_an_entry_that_the_file_lacks(check: Check) -> None:
    load = 'state = torch.load("runs/best.pth")["state_dict"]\nnet.load_state_dict(state)'
    (message,) = other(check, "CKPT401", load, WRAPPED)
    assert message.startswith("this stops with KeyError: 'state_dict': it is not in runs/best.pth, which has ")
    assert '"model", "epoch"' in message
    assert other(check, "CKPT401", load, {"state_dict": Net().state_dict(), "x": 1}) == []
    tolerant = (
        'c = torch.load("runs/best.pth")\nnet.load_state_dict(c["state_dict"] if "state_dict" in c else c["model"])'
    )
    assert other(check, "CKPT401", tolerant, WRAPPED) == []


def test_a_file_of_another_format(check: Check) -> None:
    whole = 'net.load_state_dict(torch.load("runs/best.pth"))'
    (message,) = other(check, "CKPT402", whole, WRAPPED)
    assert message.startswith(
        'runs/best.pth is taken for a bare state dict here, but it is a dict with the entries "model", "epoch"'
    )
    assert other(check, "CKPT402", whole, Net().state_dict()) == []
    (message,) = other(check, "CKPT402", PLAIN, Net().state_dict())
    assert "it is a bare state dict: KeyError: 'model'" in message

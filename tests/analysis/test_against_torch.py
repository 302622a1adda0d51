"""What the analysis says of a load, held against torch: a small project is analysed, and then really run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptlint.analysis.fit import keys_of
from ckptlint.analysis.solve import AnalysisSettings, Project, solve
from ckptlint.facts.store import FactStore

SOURCE = """
import torch
import torch.nn as nn
from torch.optim.swa_utils import AveragedModel

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.bn = nn.BatchNorm2d(4)

class Net(nn.Module):
    def __init__(self, weight=None):
        super().__init__()
        self.stem = Block()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU())])
        self.heads = nn.ModuleDict({{"a": nn.Linear(4, 2)}})
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("cache", torch.zeros(3), persistent=False)
        self.criterion = nn.CrossEntropyLoss(weight=weight)

class Holder(nn.Module):
    def __init__(self, parallel):
        super().__init__()
        self.net = nn.DataParallel(Net()) if parallel else Net()

def write():
    torch.save({write}.state_dict(), "net.pth")

def read():
    target = {read}
    return target.load_state_dict(torch.load("net.pth"), strict=False)
"""

BARE, PARALLEL, COMPILED = "Net()", "nn.DataParallel(Net())", "torch.compile(Net())"
PAIRS = [
    (BARE, BARE),
    (PARALLEL, PARALLEL),
    (PARALLEL, BARE),
    (BARE, PARALLEL),
    (COMPILED, BARE),
    (COMPILED, PARALLEL),
    ("torch.compile(nn.DataParallel(Net()))", BARE),
    ("nn.DataParallel(torch.compile(Net()))", COMPILED),
    ("nn.DataParallel(nn.DataParallel(Net()))", PARALLEL),
    ("Net(torch.ones(2))", BARE),
    (BARE, "Net(torch.ones(2))"),
    ("Net(torch.ones(2))", "Net(torch.ones(2))"),
    ("Holder(True)", "Holder(False)"),
    ("Holder(False)", "Holder(True)"),
    ("Holder(True)", "Holder(True)"),
]


def really(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """Missing and unexpected keys, as torch has it."""
    monkeypatch.chdir(folder)
    names: dict[str, object] = {"__name__": "net"}
    exec(compile(source, "net.py", "exec"), names)
    names["write"]()  # type: ignore[operator]
    result = names["read"]()  # type: ignore[operator]
    return set(result.missing_keys), set(result.unexpected_keys)


def analysed(source: str, folder: Path) -> Project:
    (folder / "net.py").write_text(source, encoding="utf-8")
    return solve(FactStore(folder, ["net.py"]), AnalysisSettings())


@pytest.mark.parametrize(("write", "read"), PAIRS)
def test_predicted_keys_are_torchs(write: str, read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SOURCE.format(write=write, read=read)
    (pair,) = analysed(source, tmp_path).pairs
    (meeting,) = pair.meetings
    missing, unexpected = really(source, tmp_path, monkeypatch)
    assert meeting.fit.verdict == ("differs" if missing or unexpected else "fits")
    # torch keeps quiet about this one when the file's metadata has no version for the path
    quiet = {name for name in meeting.fit.missing if name.endswith("num_batches_tracked")} - missing
    assert set(meeting.fit.missing) - quiet == missing
    assert set(meeting.fit.unexpected) == unexpected


@pytest.mark.parametrize("module", ["Net()", "Net(torch.ones(2))", "nn.DataParallel(Net())", "Holder(True)", "Block()"])
def test_the_tree_of_names_is_the_state_dict(module: str, tmp_path: Path) -> None:
    source = SOURCE.format(write=module, read=module)
    (save,) = analysed(source, tmp_path).events.saves
    content = save.parts[0].content
    assert content is not None
    assert content.shape is not None
    names: dict[str, object] = {"__name__": "net"}
    exec(compile(source, "net.py", "exec"), names)
    real = eval(module, names).state_dict()
    assert isinstance(real, dict)
    assert set(keys_of(content.shape, content.prefix)[0]) == set(real)

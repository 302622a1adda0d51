"""Which places change together, when that is safe, and when there is no fix."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ckptlint.engine import Job, Policy, Settings, builtin_analyzer, check
from ckptlint.findings import Applicability, Finding, Place
from ckptlint.fixes.mending.syntax import path_to, span
from ckptlint.fixes.mending.used import used_again
from ckptlint.fixes.shapes.file import File

RULES = frozenset({"CKPT101", "CKPT102", "CKPT106", "CKPT201", "CKPT301"})

NET = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
"""

TRAIN = """\
import torch
import torch.nn as nn
from net import Net

model = nn.DataParallel(Net())
torch.save(model.state_dict(), "last.pth")
"""

TEST = """\
import torch
from net import Net

model = Net()
model.load_state_dict(torch.load("last.pth"))
"""


SAVE = """\
import torch


def save(model):
    torch.save(model.state_dict(), "last.pth")
"""

CALLER = """\
from torch.nn import DataParallel
from net import Net
from save import save

model = Net()
if FLAG:
    model = DataParallel(model)
save(model)
"""


def found(root: Path, **files: str) -> list[Finding]:
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    paths = tuple(sorted(f"{name}.py" for name in files))
    policy = Policy(enabled=RULES, fixable=RULES)
    job = Job(root=str(root), index=paths, report=paths, policy=lambda _: policy, settings=Settings(jobs=1))
    return list(check(job, builtin_analyzer()).findings)


def only(findings: list[Finding], code: str) -> Finding:
    (one,) = (finding for finding in findings if finding.code == code)
    return one


def contents(finding: Finding) -> list[str]:
    assert finding.fix is not None
    return [edit.content for edit in finding.fix.edits]


class TestBothEndsChangeTogether:
    def test_each_finding_of_a_group_has_the_same_fix(self, tmp_path: Path) -> None:
        findings = found(tmp_path, net=NET, train=TRAIN, test=TEST)
        assert {finding.code for finding in findings} == {"CKPT101", "CKPT301"}
        (fix,) = {finding.fix for finding in findings}
        assert fix is not None
        assert fix.applicability is Applicability.SAFE
        assert {edit.place.path for edit in fix.edits} == {"test.py", "train.py"}

    def test_the_message_names_the_places(self, tmp_path: Path) -> None:
        (fix,) = {finding.fix for finding in found(tmp_path, net=NET, train=TRAIN, test=TEST)}
        assert fix is not None
        assert "train.py:6" in fix.message
        assert "test.py:5" in fix.message

    def test_a_load_that_copes_stays_as_it_is(self, tmp_path: Path) -> None:
        line = 'model.load_state_dict(torch.load("last.pth"))'
        copes = TEST.replace(
            line,
            'state = {k.removeprefix("module."): v for k, v in torch.load("last.pth").items()}\n'
            "model.load_state_dict(state)",
        )
        fix = only(found(tmp_path, net=NET, train=TRAIN, test=copes), "CKPT101").fix
        assert fix is not None
        assert fix.applicability is Applicability.SAFE
        assert {edit.place.path for edit in fix.edits} == {"train.py"}

    def test_a_state_dict_that_never_leaves_memory_needs_no_stripping(self, tmp_path: Path) -> None:
        text = NET + (
            "\n\nmodel = Net()\nif torch.cuda.device_count() > 1:\n    model = nn.DataParallel(model)\n"
            "ema = Net()\nema.load_state_dict(model.state_dict())\n"
        )
        one = only(found(tmp_path, train=text), "CKPT301")
        assert contents(one) == ["(model.module if isinstance(model, nn.DataParallel) else model)"]


class TestAWrapperThatMayBeMissing:
    def test_is_looked_for(self, tmp_path: Path) -> None:
        maybe = TRAIN.replace(
            "model = nn.DataParallel(Net())",
            "model = Net()\nif torch.cuda.is_available():\n    model = nn.DataParallel(model)",
        )
        one = only(found(tmp_path, net=NET, train=maybe), "CKPT101")
        assert contents(one) == ["(model.module if isinstance(model, nn.DataParallel) else model)"]

    def test_a_wrap_in_a_branch_is_never_taken_for_sure(self, tmp_path: Path) -> None:
        maybe = TRAIN.replace(
            "model = nn.DataParallel(Net())", "model = Net()\nif True:\n    model = nn.DataParallel(model)"
        )
        one = only(found(tmp_path, net=NET, train=maybe), "CKPT101")
        assert contents(one) == ["(model.module if isinstance(model, nn.DataParallel) else model)"]

    def test_a_save_in_the_same_branch_is_sure(self, tmp_path: Path) -> None:
        train = TRAIN.replace("model = nn", "if torch.cuda.is_available():\n    model = nn")
        train = train.replace("torch.save(", "    torch.save(") + "print('done')\n"
        assert contents(only(found(tmp_path, net=NET, train=train), "CKPT101")) == ["model.module"]

    def test_another_file_names_the_class_in_its_own_way(self, tmp_path: Path) -> None:
        one = only(found(tmp_path, net=NET, save=SAVE, train=CALLER), "CKPT101")
        assert contents(one) == ["(model.module if isinstance(model, torch.nn.DataParallel) else model)"]

    def test_a_class_from_outside_that_the_file_cannot_name_is_no_fix(self, tmp_path: Path) -> None:
        train = CALLER.replace("from torch.nn import", "from apex.parallel import DistributedDataParallel as")
        assert only(found(tmp_path, net=NET, save=SAVE, train=train), "CKPT101").fix is None

    def test_module_is_read_only_where_it_is(self, tmp_path: Path) -> None:
        text = NET + (
            "\n\nmodel = Net()\nif torch.cuda.device_count() > 1:\n    model = nn.DataParallel(model)\n"
            "model.module.fc.reset_parameters()\n"
        )
        one = only(found(tmp_path, train=text), "CKPT106")
        assert one.fix is not None
        assert one.fix.applicability is Applicability.SAFE
        assert contents(one) == ["(model.module if isinstance(model, nn.DataParallel) else model)"]


class TestWhatCannotBeMended:
    @pytest.mark.parametrize(
        ("other", "row"),
        [
            ('import torch\n\nown = {}\nfor k, v in torch.load("last.pth").items():\n    own[k].copy_(v)\n', 4),
            ("import torch\n\n\ndef unused():\n    return 1\n    model.load_state_dict(torch.load(path))\n", 6),
        ],
        ids=["copied key by key", "never run"],
    )
    def test_makes_the_fix_unsafe_and_is_named(self, tmp_path: Path, other: str, row: int) -> None:
        fix = only(found(tmp_path, net=NET, train=TRAIN, other=other), "CKPT101").fix
        assert fix is not None
        assert fix.applicability is Applicability.UNSAFE
        assert f"other.py:{row}" in fix.message

    def test_a_notebook_that_loads_makes_it_unsafe(self, tmp_path: Path) -> None:
        (tmp_path / "look.ipynb").write_text('{"cells": [{"source": ["torch.load(\'last.pth\')"]}]}')
        fix = only(found(tmp_path, net=NET, train=TRAIN), "CKPT101").fix
        assert fix is not None
        assert fix.applicability is Applicability.UNSAFE
        assert "look.ipynb" in fix.message

    def test_a_load_that_would_break_and_cannot_be_changed_ends_it(self, tmp_path: Path) -> None:
        reads = (
            "import torch\nimport torch.nn as nn\nfrom net import Net\n\nmodel = nn.DataParallel(Net())\n"
            'try:\n    model.load_state_dict(torch.load("last.pth"))\nexcept RuntimeError:\n    pass\nprint("go")\n'
        )
        assert only(found(tmp_path, net=NET, train=TRAIN, reads=reads), "CKPT101").fix is None

    @pytest.mark.parametrize(
        "wrap",
        [
            "torch.optim.swa_utils.AveragedModel(Net())",
            "Net()\nmodel.fc = nn.DataParallel(model.fc)",
        ],
    )
    def test_keys_that_no_prefix_can_be_taken_off(self, tmp_path: Path, wrap: str) -> None:
        train = TRAIN.replace("nn.DataParallel(Net())", wrap)
        assert all(finding.fix is None for finding in found(tmp_path, net=NET, train=train, test=TEST))


LOSS = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.ce = nn.CrossEntropyLoss(weight=weight)


def main():
    model = Net(torch.ones(2))
    torch.save(model.state_dict(), "last.pth")
"""


class TestTheWeightOfALoss:
    def test_leaves_the_state_dict_where_it_is_made_anew(self, tmp_path: Path) -> None:
        fix = only(found(tmp_path, train=LOSS), "CKPT201").fix
        assert fix is not None
        assert fix.applicability is Applicability.SAFE

    @pytest.mark.parametrize(
        "text",
        [
            LOSS + "    model.ce.weight.copy_(torch.zeros(2))\n",
            LOSS + "    model.ce.weight = torch.zeros(2)\n",
            LOSS.replace("weight=weight)", "weight=weight).cuda()"),
            LOSS.replace("(self, weight)", "(self, ce)")
            .replace("nn.CrossEntropyLoss(weight=weight)", "ce")
            .replace("Net(torch.ones(2))", "Net(nn.CrossEntropyLoss(torch.ones(2)))"),
        ],
        ids=["changed in place", "set later", "not the call alone", "made elsewhere"],
    )
    def test_stays_where_it_is_not_plain(self, tmp_path: Path, text: str) -> None:
        assert only(found(tmp_path, train=text), "CKPT201").fix is None

    def test_code_that_names_the_key_makes_it_unsafe(self, tmp_path: Path) -> None:
        fix = only(found(tmp_path, train=LOSS, other='def f(state):\n    del state["ce.weight"]\n'), "CKPT201").fix
        assert fix is not None
        assert fix.applicability is Applicability.UNSAFE
        assert "other.py:2" in fix.message


def _load_in(text: str) -> tuple[list[ast.AST], ast.expr]:
    file = File.read("a.py", text)
    assert file is not None
    (call,) = (n for n in ast.walk(file.tree) if isinstance(n, ast.Call) and "load_state_dict" in ast.unparse(n.func))
    path = path_to(file, Place("a.py", span(file, call)))
    assert path is not None
    return path, call.args[0]


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("m.load_state_dict(torch.load(p))", False),
        ("m.load_state_dict(torch.load(p)['model'])", False),
        ("s = torch.load(p)\nm.load_state_dict(s)", False),
        ("s = torch.load(p)\nm.load_state_dict(s)\nprint(s)", True),
        ("c = torch.load(p)\nm.load_state_dict(c['model'])\ne = c['epoch']", False),
        ("c = torch.load(p)\nm.load_state_dict(c['model'])\ne = c['model']", True),
        ("c = torch.load(p)\nm.load_state_dict(c['model'])\nkeep(c)", True),
        ("c = torch.load(p)\ns = c['model']\nm.load_state_dict(s)\nkeep(c)", True),
        ("c = torch.load(p)\nm.load_state_dict(c['model'])\nc = {}\nkeep(c)", False),
        ("c = torch.load(p)\nif x:\n    m.load_state_dict(c['model'])\nelse:\n    keep(c)", False),
        ("s = torch.load(p)\nt = s\nm.load_state_dict(s)", True),
        ("s = torch.load(p)\nfor m in ms:\n    m.load_state_dict(s)", False),
        ("s = torch.load(p)\nfor m in ms:\n    look(s)\n    m.load_state_dict(s)", True),
        ("def f(s):\n    m.load_state_dict(s)", True),
        ("m.load_state_dict(self.best)", True),
        ("m.load_state_dict(cached(p))", True),
    ],
)
def test_whether_a_state_dict_is_used_again(text: str, again: bool) -> None:
    assert used_again(*_load_in(text)) is again

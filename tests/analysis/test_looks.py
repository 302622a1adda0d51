"""When somebody counts as having looked at what a load did not load: by the answer, or by the keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptlint.analysis.partial import partial_loads
from ckptlint.analysis.solve import AnalysisSettings, Project, solve
from ckptlint.analysis.unlooked import unlooked
from ckptlint.facts.store import FactStore

HEAD = """
import logging
import torch
import torch.nn as nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

def load(path, verbose=False):
    model, found = Net(), torch.load(path)
    own = model.state_dict()
"""

ANSWER_DROPPED = [
    "model.load_state_dict(found, strict=False)",
    "model.load_state_dict(found, False)",
    "answer = model.load_state_dict(found, strict=False)",
    "missing, unexpected = model.load_state_dict(found, strict=False)",
    "if verbose: model.load_state_dict(found, strict=False)",
    "with torch.no_grad(): model.load_state_dict(found, strict=False)",
    "try: model.load_state_dict(found, strict=False)\n    finally: print(path)",
]
ANSWER_READ = [
    "print(model.load_state_dict(found, strict=False))",
    "answer = model.load_state_dict(found, strict=False)\n    if verbose: print(answer)",
    "missing, _ = model.load_state_dict(found, strict=False)\n    assert not missing",
    "assert not model.load_state_dict(found, strict=False).missing_keys",
    "missing = model.load_state_dict(found, strict=False)[0]\n    logging.info(missing)",
    "return model.load_state_dict(found, strict=False)",
    "model.answer = model.load_state_dict(found, strict=False)",
]
PICKED = "taken = {k: v for k, v in found.items() if k in own}"
LOADED = ["model.load_state_dict(taken, strict=False)", "own.update(taken)\n    model.load_state_dict(own)"]
LOOKS = [
    "print(len(taken))",
    "assert len(taken) == len(own)",
    "if not taken: raise ValueError(path)",
    "assert taken",
    "print([k for k in found if k not in own])",
    "print(set(own) - set(taken))",
    "print(own.keys() - taken.keys())",
    "print(set(own).difference(taken))",
    "for k in found:\n        if k not in own: logging.warning(k)",
]
NO_LOOKS = ["", "print(path)", "print(list(taken))", "print(len(found))", "for k in taken: print(k)"]


def solved(folder: Path, body: str) -> Project:
    text = HEAD + "".join(f"    {line}\n" for line in body.split("\n    ") if line)
    (folder / "a.py").write_text(text)
    return solve(FactStore(folder, ["a.py"]), AnalysisSettings())


@pytest.mark.parametrize("statement", ANSWER_DROPPED)
def test_an_answer_that_nobody_reads_is_lost(statement: str, tmp_path: Path) -> None:
    project = solved(tmp_path, statement)
    assert len(list(unlooked(project.store, project.machine))) == 1


@pytest.mark.parametrize("statement", ANSWER_READ)
def test_an_answer_that_somebody_reads_is_not(statement: str, tmp_path: Path) -> None:
    project = solved(tmp_path, statement)
    assert list(unlooked(project.store, project.machine)) == []


@pytest.mark.parametrize("load", LOADED)
@pytest.mark.parametrize("look", LOOKS)
def test_a_look_at_the_keys_is_enough_before_the_load_and_after(load: str, look: str, tmp_path: Path) -> None:
    for order in (f"{PICKED}\n    {look}\n    {load}", f"{PICKED}\n    {load}\n    {look}"):
        project = solved(tmp_path, order)
        assert list(partial_loads(project.store, project.machine, project.pairs)) == []
        assert list(unlooked(project.store, project.machine)) == []


@pytest.mark.parametrize("load", LOADED)
@pytest.mark.parametrize("talk", NO_LOOKS)
def test_talk_of_other_things_is_no_look(load: str, talk: str, tmp_path: Path) -> None:
    project = solved(tmp_path, f"{PICKED}\n    {talk}\n    {load}")
    assert len(list(partial_loads(project.store, project.machine, project.pairs))) == 1

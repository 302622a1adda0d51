"""The idioms are clean and their bugs are bugs, by torch's word."""

from __future__ import annotations

import pytest

from .mending import is_good
from .mutations import Idiom, Mutation, idioms, is_confirmed, mutated
from .runner import evidence_of
from .sandbox import Sandbox

ALL = [(idiom, mutation) for idiom in idioms() for mutation in idiom.mutations]


@pytest.mark.parametrize("idiom", idioms(), ids=lambda idiom: idiom.name)
def test_an_idiom_works_in_every_setting(sandbox: Sandbox, idiom: Idiom) -> None:
    assert all(is_good(run.outcome) for run in evidence_of(sandbox, idiom.project).runs)


@pytest.mark.parametrize(("idiom", "mutation"), ALL, ids=[f"{one.name}: {other.name}" for one, other in ALL])
def test_a_bug_is_a_bug(sandbox: Sandbox, idiom: Idiom, mutation: Mutation) -> None:
    project = mutated(idiom.project, mutation)
    assert is_confirmed(mutation, project, evidence_of(sandbox, project))


def test_every_judged_rule_has_bugs() -> None:
    rules = {mutation.rule for _, mutation in ALL}
    assert rules >= {"CKPT101", "CKPT102", "CKPT106", "CKPT201", "CKPT301", "CKPT305", "CKPT306", "CKPT307"}

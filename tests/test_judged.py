"""The tally of what was read by hand is what the judgements say."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ckptlint.rules.base import Registry

HOME = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def judged() -> ModuleType:
    spec = importlib.util.spec_from_file_location("judged", HOME / "docs" / "judged.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["judged"] = module  # where msgspec looks for the annotations
    spec.loader.exec_module(module)
    return module


def rows(page: str, title: str) -> dict[str, list[str]]:
    """The cells of each row of the table under that title, by its first cell."""
    part = page[page.index(f"### {title}") :].partition("\n### ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", part, re.MULTILINE)
    ]
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize("kind", ["known", "unseen", "package"])
def test_each_row_counts_the_judgements_of_its_rule(judged, kind):
    table = rows((HOME / "docs" / "accuracy.md").read_text("utf-8"), judged.INTRODUCTIONS[kind][0])
    every = [
        (one.rule, one.verdict, one.now or one.verdict)
        for repository in judged.judgements()
        if repository.kind == kind
        for one in repository.findings
        for _ in one.lines
    ]
    for rule in {rule for rule, _, _ in every} | {"all"}:
        mine = [one for one in every if rule in (one[0], "all")]
        verdicts = [sum(one[1] == verdict for one in mine) for verdict in ("true", "false", "arguable")]
        left = [one for one in mine if one[2] != "gone"]
        assert table[rule][:4] == [str(count) for count in (len(mine), *verdicts)]
        assert table[rule][5:7] == [str(len(left)), str(sum(one[2] == "false" for one in left))]
    assert set(table) - {"rule", "---"} == {rule for rule, _, _ in every} | {"all"}


def test_the_page_is_current(judged):
    page = (HOME / "docs" / "accuracy.md").read_text("utf-8")
    assert judged.placed(page, judged.section(judged.judgements())) == page


def test_a_place_is_judged_once_with_a_reason_and_at_least_ten_repositories_were_read(judged):
    places = [
        (repository.name, repository.commit, one.rule, one.file, line)
        for repository in judged.judgements()
        for one in repository.findings
        for line in one.lines
    ]
    assert len(places) == len(set(places))
    assert {place[2] for place in places} <= set(Registry.builtin().rules)
    assert all(len(one.reason) > 5 for repository in judged.judgements() for one in repository.findings)
    assert len(judged.judgements()) >= 10


def test_nothing_true_was_lost_by_mending(judged):
    every = [one for repository in judged.judgements() for one in repository.findings]
    assert [one for one in every if one.now]
    assert not [one for one in every if one.verdict == "true" and one.now]


def test_the_writer_of_the_figures_leaves_this_part_alone(judged):
    from tests.differential.accuracy import with_what_was_read

    old = judged.placed("# Figures of yesterday\n", judged.section(judged.judgements()))
    new = with_what_was_read("# Figures of today\n", old)
    assert new.startswith("# Figures of today\n")
    assert new == judged.placed("# Figures of today\n", judged.section(judged.judgements()))
    assert with_what_was_read("# Figures of today\n", "# Figures of yesterday\n") == "# Figures of today\n"

"""`ckptlint rule` and `ckptlint clean`, and the colours."""

from __future__ import annotations

import json

import pytest

from ckptlint.cli.dispatch import VERBS
from ckptlint.cli.talk import wants_color
from tests.cli.conftest import write


def test_rule_prints_the_manual(ckptlint):
    result = ckptlint("rule", "TOY101")
    assert result.code == 0
    assert result.out.startswith("# bad-word (TOY101)\n")
    assert "## What it does" in result.out


def test_rule_all_as_json(ckptlint):
    rules = json.loads(ckptlint("rule", "--all", "--output-format", "json").out)
    assert [rule["code"] for rule in rules] == sorted(rule["code"] for rule in rules)
    odd = next(rule for rule in rules if rule["code"] == "TOY301")
    assert (odd["name"], odd["default"], odd["severity"], odd["fix"]) == ("odd-word", False, "info", "none")


@pytest.mark.parametrize("argv", [["rule"], ["rule", "TOY999"], ["rule", "TOY101", "--all"]])
def test_rule_refuses(ckptlint, argv):
    assert ckptlint(*argv).code == 2


def test_clean_removes_the_cache_of_the_project(ckptlint, project):
    write(project, {".ckptlint_cache/0/x": "", "src/a.py": ""})
    result = ckptlint("clean", "src")
    assert result.code == 0
    assert not (project / ".ckptlint_cache").exists()
    assert ckptlint("clean").err == ""


def test_clean_removes_nothing_that_is_no_cache(ckptlint, project):
    write(project, {"data/x": ""})
    assert ckptlint("clean", "--cache-dir", "data").code == 2
    assert (project / "data/x").exists()


class Stream:
    def __init__(self, tty: bool) -> None:
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize(
    ("choice", "environment", "tty", "expected"),
    [
        (None, {}, True, True),
        (None, {}, False, False),
        (None, {"NO_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": ""}, True, True),
        (None, {"FORCE_COLOR": "1"}, False, True),
        (None, {"FORCE_COLOR": "0"}, False, False),
        (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        (None, {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("auto", {}, True, True),
    ],
)
def test_colours(choice, environment, tty, expected, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_color(choice, Stream(tty)) is expected


def test_the_overview_names_just_the_verbs_that_are_there(ckptlint):
    overview = ckptlint("--help").out
    for verb in VERBS:
        assert (ckptlint(verb, "--help").code == 0) == (f"\n  {verb} " in overview), verb

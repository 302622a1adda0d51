"""The configuration and the flags together, through the command."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import write


def codes(result) -> list[str]:
    return [f"{finding['filename'].rsplit('/', 1)[1]}:{finding['code']}" for finding in json.loads(result.out)]


@pytest.fixture
def three(project):
    write(project, {"a.py": "bad()\nodd()\n", "tests/b.py": "bad()\nworse()\n"})
    return project


def test_select_ignore_extend_select(ckptlint, three):
    run = lambda *flags: codes(ckptlint("--output-format", "json", *flags))  # noqa: E731
    assert run() == ["a.py:TOY101", "b.py:TOY101", "b.py:TOY102"]
    assert run("--select", "TOY102") == ["b.py:TOY102"]
    assert run("--extend-select", "TOY301", "--ignore", "TOY101") == ["a.py:TOY301", "b.py:TOY102"]
    assert run("--select", "ALL", "--ignore", "TOY1") == ["a.py:TOY301"]
    assert run("--select", "TOY101, TOY102", "--per-file-ignores", "tests/*:TOY101") == ["a.py:TOY101", "b.py:TOY102"]
    assert run("--per-file-ignores", "!tests/*:TOY101") == ["b.py:TOY101", "b.py:TOY102"]


def test_the_configuration_file_and_its_per_file_ignores(ckptlint, three):
    write(three, {"ckptlint.toml": 'root = true\nselect = ["TOY1"]\n[per-file-ignores]\n"tests/**" = ["TOY102"]\n'})
    assert codes(ckptlint("--output-format", "json")) == ["a.py:TOY101", "b.py:TOY101"]
    assert codes(ckptlint("--output-format", "json", "--isolated")) == ["a.py:TOY101", "b.py:TOY101", "b.py:TOY102"]


def test_a_nested_configuration_holds_for_its_files_alone(ckptlint, three):
    write(three, {"tests/pyproject.toml": '[tool.ckptlint]\nselect = ["TOY102"]\n'})
    assert codes(ckptlint("--output-format", "json")) == ["a.py:TOY101", "b.py:TOY102"]


def test_config_names_a_file_or_sets_a_key(ckptlint, three):
    write(three, {"other.toml": 'select = ["TOY102"]\n'})
    assert codes(ckptlint("--config", "other.toml", "--output-format", "json")) == ["b.py:TOY102"]
    assert codes(ckptlint("--config", "select = ['TOY301']", "--output-format", "json")) == ["a.py:TOY301"]
    assert codes(ckptlint("--config", "output-format='json'", "--config", "select=['TOY102']")) == ["b.py:TOY102"]


def test_a_broken_configuration_is_2_and_one_line(ckptlint, three):
    write(three, {"pyproject.toml": "[tool.ckptlint\n"})
    (three / "ckptlint.toml").unlink()
    result = ckptlint(".")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "pyproject.toml:1: broken TOML" in result.err


def test_an_unknown_rule_in_the_configuration_names_the_file(ckptlint, three):
    write(three, {"ckptlint.toml": 'root = true\nignore = ["TOY9"]\n'})
    result = ckptlint(".")
    assert result.code == 2
    assert "ckptlint.toml: `ignore`: there is no rule 'TOY9'" in result.err


def test_the_same_findings_for_a_file_whatever_else_is_named(ckptlint, three):
    everything = json.loads(ckptlint("--output-format", "json").out)
    alone = json.loads(ckptlint("tests/b.py", "--output-format", "json").out)
    assert alone == [finding for finding in everything if finding["filename"].endswith("b.py")]
    assert json.loads(ckptlint("tests/b.py", "a.py", "-j", "1", "--output-format", "json").out) == everything


def test_two_roots_in_one_run(ckptlint, project):
    write(project, {"one/ckptlint.toml": "root = true\n", "one/a.py": "bad()\n"})
    write(project, {"two/ckptlint.toml": "root = true\nignore = ['TOY101']\n", "two/b.py": "bad()\nworse()\n"})
    assert codes(ckptlint("two", "one", "--output-format", "json")) == ["a.py:TOY101", "b.py:TOY102"]


def test_root_can_be_given(ckptlint, project):
    write(project, {"src/a.py": "bad()\n", "b.py": "bad()\n"})
    assert "index = 2" in ckptlint("src", "--show-settings").out
    assert "index = 1" in ckptlint("src", "--root", "src", "--show-settings").out
    assert ckptlint("b.py", "--root", "src").code == 2


def test_show_files_lists_what_would_be_checked(ckptlint, three):
    assert ckptlint("--show-files", "tests").out == f"{three}/tests/b.py\n"


def test_show_settings_says_what_holds(ckptlint, three):
    result = ckptlint("--show-settings", "--select", "TOY102", "--torch-version", "2.4")
    assert result.code == 0
    assert 'torch_version = "2.4"' in result.out
    assert "worse-word (TOY102)" in result.out
    assert "TOY101" not in result.out


def test_statistics_count_by_rule(ckptlint, three):
    result = ckptlint("--statistics")
    assert result.out == "2\tTOY101\tbad-word\n1\tTOY102\tworse-word\n"
    assert result.code == 1
    counted = json.loads(ckptlint("--statistics", "--output-format", "json").out)
    assert counted[0] == {"code": "TOY101", "name": "bad-word", "count": 2}


def test_quiet_and_verbose(ckptlint, three):
    assert ckptlint("-q").err == ""
    assert "root " in ckptlint("-v").err


def test_the_output_file_takes_the_findings(ckptlint, three):
    result = ckptlint("--output-file", "out.json", "--output-format", "json")
    assert (result.code, result.out) == (1, "")
    assert len(json.loads((three / "out.json").read_text())) == 3


def test_a_notebook_named_by_hand_is_said_and_skipped(ckptlint, three):
    write(three, {"n.ipynb": "{}"})
    result = ckptlint("n.ipynb", "a.py", "--output-format", "json")
    assert codes(result) == ["a.py:TOY101"]
    assert result.err.splitlines()[0] == "ckptlint: warning: n.ipynb: notebooks are not read yet, skipped"


def test_a_notebook_alone_checks_nothing_else(ckptlint, three):
    write(three, {"n.ipynb": "{}"})
    assert ckptlint("n.ipynb").code == 0

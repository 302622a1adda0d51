"""0 nothing found or all fixed, 1 something reported or a diff, 2 the run failed."""

from __future__ import annotations

import pytest

from tests.cli.conftest import write


def test_nothing_found_is_0(ckptlint, project):
    write(project, {"a.py": "good()\n"})
    assert ckptlint(".") == (0, "", "All checks passed!\n")


@pytest.mark.parametrize("word", ["bad", "worse", "pair_end"])
def test_any_finding_is_1_whatever_its_severity(ckptlint, project, word):
    write(project, {"a.py": f"{word}()\n"})
    assert ckptlint("check", ".").code == 1


def test_what_is_below_the_least_severity_is_not_reported(ckptlint, project):
    write(project, {"a.py": "bad()\nworse()\npair_end()\n"})
    result = ckptlint(".", "--min-severity", "error", "--output-format", "concise")
    assert "TOY102" in result.out
    assert "TOY101" not in result.out
    assert "TOY202" not in result.out
    write(project, {"a.py": "bad()\n"})
    assert ckptlint(".", "--min-severity", "error").code == 0


def test_exit_zero_hides_findings_but_no_failure(ckptlint, project):
    write(project, {"a.py": "bad()\n"})
    assert ckptlint("--exit-zero").code == 0
    assert ckptlint("missing.py", "--exit-zero").code == 2


def test_all_fixed_is_0_and_something_left_is_1(ckptlint, project):
    write(project, {"a.py": "bad()\n"})
    assert ckptlint("--fix").code == 0
    assert (project / "a.py").read_text() == "good()\n"
    write(project, {"a.py": "bad()\nworse()\n"})
    assert ckptlint("--fix").code == 1


def test_exit_non_zero_on_fix(ckptlint, project):
    write(project, {"a.py": "bad()\n"})
    assert ckptlint("--fix", "--exit-non-zero-on-fix").code == 1
    assert ckptlint("--fix", "--exit-non-zero-on-fix").code == 0


def test_a_diff_is_1(ckptlint, project):
    write(project, {"a.py": "bad()\n"})
    assert ckptlint("--diff").code == 1
    write(project, {"a.py": "good()\n"})
    assert ckptlint("--diff").code == 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["missing.py"], "missing.py: there is no such file"),
        (["--select", "TOY999"], "there is no rule 'TOY999'"),
        (["--select", "TOY999,TOY101"], "--select"),
        (["--ignore", "TOI101"], "did you mean TOY101"),
        (["--no-such-flag"], "--no-such-flag"),
        (["--min-severity", "bad"], "--min-severity"),
        (["--torch-version", "new"], "--torch-version"),
        (["--root", "nowhere"], "--root nowhere"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
        (["--config", "selct=['TOY101']"], "did you mean `select`"),
        (["--per-file-ignores", "a.py"], "GLOB:CODE"),
        (["--watch"], "not built yet"),
        (["--baseline", "x.json"], "not built yet"),
        (["--write-baseline", "x.json"], "not built yet"),
        (["--output-format", "gitlab"], "not built yet"),
        (["--output-format", "junit"], "not built yet"),
        (["--output-format", "rdjson"], "not built yet"),
        (["-", "a.py"], "standard input"),
        (["a.py", "--stdin-filename", "b.py"], "--stdin-filename"),
        (["a.py", "--output-file", "no/such/folder"], "--output-file"),
    ],
)
def test_a_run_that_fails_is_2_with_one_line(ckptlint, project, argv, says):
    write(project, {"a.py": "bad()\n"})
    result = ckptlint(*argv)
    assert result.code == 2
    assert result.out == ""
    assert says in result.err
    assert result.err.count("\n") == 1
    assert result.err.startswith("ckptlint: error: ")


def test_no_python_file_is_said_and_is_0(ckptlint, project):
    result = ckptlint(".")
    assert result.code == 0
    assert "no Python files" in result.err

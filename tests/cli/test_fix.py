"""--fix, --diff and their kin, with toy rules."""

from __future__ import annotations

import stat

import pytest

from tests.cli.conftest import write


def test_fix_writes_only_files_that_were_given(ckptlint, project):
    write(project, {"a.py": 'pair("b.py")\n', "b.py": "pair_end\n"})
    result = ckptlint("a.py", "--fix")
    assert result.code == 1
    assert "b.py" in result.out
    assert "not applied" in result.out
    assert (project / "a.py").read_text() == 'pair("b.py")\n'
    assert (project / "b.py").read_text() == "pair_end\n"


def test_fix_changes_both_ends_when_both_are_given(ckptlint, project):
    write(project, {"a.py": 'pair("b.py")\n', "b.py": "pair_end\n"})
    assert ckptlint("a.py", "b.py", "--fix").code == 0
    assert (project / "a.py").read_text() == 'paired("b.py")\n'
    assert (project / "b.py").read_text() == "paired_end\n"


def test_a_suppressed_place_is_never_edited_not_even_by_the_fix_of_another_finding(ckptlint, project):
    files = {"a.py": 'pair("b.py")\n', "b.py": "pair_end()  # ckptlint: ignore[TOY202] -- on purpose\n"}
    write(project, files)
    result = ckptlint("--fix")
    assert result.code == 1
    assert "b.py:1, where TOY202" in result.out
    assert {name: (project / name).read_text() for name in files} == files


@pytest.mark.parametrize("flags", [["--ignore", "TOY202"], ["--unfixable", "TOY202"]])
def test_an_ignored_or_unfixable_place_is_never_edited(ckptlint, project, flags):
    write(project, {"a.py": 'pair("b.py")\n', "b.py": "pair_end()\n"})
    assert ckptlint("--fix", *flags).code == 1
    assert (project / "b.py").read_text() == "pair_end()\n"


def test_suppressed_and_unselected_findings_are_not_fixed(ckptlint, project):
    write(project, {"a.py": "bad()  # noqa: TOY101\nbad()\n", "b.py": "bad()\n"})
    assert ckptlint("--fix", "--per-file-ignores", "b.py:TOY101").code == 0
    assert (project / "a.py").read_text() == "bad()  # noqa: TOY101\ngood()\n"
    assert (project / "b.py").read_text() == "bad()\n"


def test_unsafe_fixes_need_their_flag(ckptlint, project):
    write(project, {"a.py": "worse()\n"})
    result = ckptlint("--fix")
    assert result.code == 1
    assert "--unsafe-fixes" in result.err
    assert (project / "a.py").read_text() == "worse()\n"
    assert ckptlint("--fix", "--unsafe-fixes").code == 0
    assert (project / "a.py").read_text() == "fine()\n"


def test_fixable_narrows_what_is_fixed(ckptlint, project):
    write(project, {"a.py": "bad()\nworse()\n"})
    ckptlint("--fix", "--unsafe-fixes", "--fixable", "TOY102")
    assert (project / "a.py").read_text() == "bad()\nfine()\n"


def test_fix_only_reports_nothing(ckptlint, project):
    write(project, {"a.py": "bad()\nworse()\n"})
    result = ckptlint("--fix-only")
    assert (result.code, result.out) == (0, "")
    assert (project / "a.py").read_text() == "good()\nworse()\n"


def test_show_fixes_lists_them_by_file(ckptlint, project):
    write(project, {"a.py": "bad()\nbad()\n", "sub/b.py": "bad()\n"})
    result = ckptlint("--fix", "--show-fixes")
    assert result.err.splitlines() == [
        "Fixed 3 problems:",
        "- a.py:",
        "    2 x TOY101 (bad-word)",
        "- sub/b.py:",
        "    1 x TOY101 (bad-word)",
        "Found 3 problems (3 fixed, 0 remaining).",
    ]


def test_diff_shows_findings_then_the_patch_and_writes_nothing(ckptlint, project):
    write(project, {"a.py": "x = 1\nbad()\n"})
    before = (project / "a.py").stat()
    result = ckptlint("--diff")
    finding, patch = result.out.split("--- a.py\n")
    assert "TOY101" in finding
    assert patch == "+++ a.py\n@@ -1,2 +1,2 @@\n x = 1\n-bad()\n+good()\n"
    assert (project / "a.py").read_text() == "x = 1\nbad()\n"
    assert (project / "a.py").stat().st_mtime_ns == before.st_mtime_ns


def test_diff_with_a_format_for_programs_prints_the_patch_alone(ckptlint, project):
    write(project, {"a.py": "bad()\n"})
    assert ckptlint("--diff", "--output-format", "json").out.startswith("--- a.py\n")


def test_a_fix_that_is_uncovered_by_a_fix_is_applied_too(ckptlint, project):
    write(project, {"a.py": "good()  # ckptlint: ignore[CKPT901]\n", "b.py": "bad()  # ckptlint: ignore[CKPT902]\n"})
    assert ckptlint("--fix").code == 0
    assert (project / "b.py").read_text() == "good()  # ckptlint: ignore[CKPT902]\n"
    assert (project / "a.py").read_text() == "good()\n"


def test_mode_and_line_ends_of_a_fixed_file_are_kept(ckptlint, project):
    path = project / "a.py"
    path.write_bytes(b"\xef\xbb\xbfx = 1\r\nbad()\r\n")
    path.chmod(0o750)
    assert ckptlint("--fix").code == 0
    assert path.read_bytes() == b"\xef\xbb\xbfx = 1\r\ngood()\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_a_second_run_changes_nothing(ckptlint, project):
    write(project, {"a.py": 'bad(worse())\npair("b.py")\n', "b.py": "pair_end\n"})
    ckptlint("--fix", "--unsafe-fixes")
    after = {path.name: path.read_text() for path in project.glob("*.py")}
    assert ckptlint("--fix", "--unsafe-fixes").code == 0
    assert {path.name: path.read_text() for path in project.glob("*.py")} == after


def test_a_configuration_can_turn_fixing_on(ckptlint, project):
    write(project, {"a.py": "bad()\n", "ckptlint.toml": "root = true\nfix = true\n"})
    assert ckptlint(".").code == 0
    assert (project / "a.py").read_text() == "good()\n"
    write(project, {"a.py": "bad()\n"})
    assert ckptlint(".", "--no-fix").code == 1
    assert (project / "a.py").read_text() == "bad()\n"

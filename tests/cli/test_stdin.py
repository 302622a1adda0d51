"""`-`: the text of one file comes from standard input, the rest of the project from the disk."""

from __future__ import annotations

import pytest

from tests.cli.conftest import write


def test_the_text_given_replaces_the_file(ckptlint, project):
    write(project, {"src/a.py": "good()\n"})
    result = ckptlint("-", "--stdin-filename", "src/a.py", "--output-format", "concise", stdin=b"\nbad()\n")
    assert result.code == 1
    assert result.out.startswith("src/a.py:2:1: TOY101 [*]")


def test_the_file_need_not_exist_nor_have_a_name(ckptlint, project):
    assert "new.py:1:1" in ckptlint("-", "--stdin-filename", "new.py", "--output-format", "concise", stdin=b"bad()").out
    assert ckptlint("-", "--output-format", "concise", stdin=b"bad()").out.startswith("-:1:1: TOY101")


def test_fix_is_a_filter(ckptlint, project):
    write(project, {"a.py": "good()\n"})
    result = ckptlint("-", "--stdin-filename", "a.py", "--fix", stdin=b"bad()\r\nworse()\r\n")
    assert result.out == "good()\r\nworse()\r\n"
    assert "TOY102" in result.err
    assert result.code == 1
    assert (project / "a.py").read_text() == "good()\n"


def test_fixes_of_other_files_are_not_applied(ckptlint, project):
    write(project, {"a.py": "x\n", "b.py": "pair_end\n"})
    result = ckptlint("-", "--stdin-filename", "a.py", "--fix", stdin=b'pair("b.py")\n')
    assert result.out == 'pair("b.py")\n'
    assert (project / "b.py").read_text() == "pair_end\n"


@pytest.mark.parametrize("flags", [[], ["--fix"]])
def test_an_excluded_name_gives_nothing_with_force_exclude(ckptlint, project, flags):
    result = ckptlint(
        *("-", "--stdin-filename", "venv/a.py", "--force-exclude", *flags),
        stdin=b"bad()\n",
    )
    assert result.code == 0
    assert result.out == ("bad()\n" if flags else "")


def test_diff_of_standard_input(ckptlint, project):
    write(project, {"a.py": "good()\n"})
    result = ckptlint("-", "--stdin-filename", "a.py", "--diff", stdin=b"bad()\n")
    assert result.out.endswith("@@ -1 +1 @@\n-bad()\n+good()\n")

"""--add-noqa, through the command."""

from __future__ import annotations

from tests.cli.conftest import write


def test_every_finding_is_silenced_and_the_next_run_is_clean(ckptlint, project):
    write(project, {"a.py": "bad(worse(\n    1))\nx = '''\n''', bad()\n", "b.py": "bad()  # note\n"})
    result = ckptlint("--add-noqa")
    assert (result.code, result.err) == (0, "Added 4 suppression comments.\n")
    assert "# noqa" not in (project / "a.py").read_text()
    assert (project / "b.py").read_text() == "bad()  # note  # ckptlint: ignore[TOY101]\n"
    assert ckptlint(".").code == 0


def test_a_reason_can_be_given(ckptlint, project):
    write(project, {"a.py": "bad()\n"})
    ckptlint("--add-noqa=before the review")
    assert (project / "a.py").read_text() == "bad()  # ckptlint: ignore[TOY101] -- before the review\n"
    assert ckptlint(".").code == 0


def test_only_selected_rules_and_given_files(ckptlint, project):
    write(project, {"a.py": "bad()\nworse()\n", "b.py": "bad()\n"})
    ckptlint("--add-noqa", "a.py", "--select", "TOY101")
    assert (project / "a.py").read_text() == "bad()  # ckptlint: ignore[TOY101]\nworse()\n"
    assert (project / "b.py").read_text() == "bad()\n"


def test_line_ends_are_kept(ckptlint, project):
    (project / "a.py").write_bytes(b"bad()\r\nx = 1\r\n")
    ckptlint("--add-noqa")
    assert (project / "a.py").read_bytes() == b"bad()  # ckptlint: ignore[TOY101]\r\nx = 1\r\n"


def test_standard_input_has_no_file_to_write_to(ckptlint, project):
    assert ckptlint("-", "--add-noqa", stdin=b"bad()\n").code == 2

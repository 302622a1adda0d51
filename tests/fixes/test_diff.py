"""Plans as patches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ckptlint.fixes.apply import Plan
from ckptlint.fixes.diff import unified


def test_a_patch_is_headed_by_the_bare_path_as_ruff_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = unified(Plan(files={"src/a.py": "x = 2\n"}), lambda _: "x = 1\n", tmp_path)
    assert made == "--- src/a.py\n+++ src/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"


def test_a_path_outside_the_current_folder_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert unified(Plan(files={"a.py": "2"}), lambda _: "1", tmp_path).startswith(f"--- {tmp_path.as_posix()}/a.py\n")


def test_files_that_stay_the_same_are_not_shown(tmp_path: Path) -> None:
    assert unified(Plan(files={"a.py": "x\n"}), lambda _: "x\n", tmp_path) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\nb", "a\nc"),
        ("a\nb", "a\nb\n"),
        ("", "a\n"),
        ("a\x0cb\nc\n", "a\x0cb\nd\n"),
        ("é\n" * 40, "é\n" * 39 + "e\n"),
    ],
)
def test_patch_understands_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.py").write_text(old, encoding="utf-8", newline="\n")
    made = unified(Plan(files={"b.py": new}), lambda _: old, tmp_path)
    subprocess.run(["git", "apply", "-p0", "-"], input=made.encode(), check=True, cwd=tmp_path)
    assert Path("b.py").read_bytes() == new.encode()

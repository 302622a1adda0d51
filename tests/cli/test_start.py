"""How the command starts: the version at once, heavy modules only when they are needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ckptlint import __version__
from ckptlint.__main__ import main

ENTRY = Path(__file__).parents[2]


def imported_by(code: str, cwd: Path) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(ENTRY)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split("\n"))


@pytest.mark.parametrize("flag", ["--version", "-V", "version"])
def test_the_version(flag, capsys):
    assert main([flag]) == 0
    assert capsys.readouterr().out == f"ckptlint {__version__}\n"


def test_the_version_imports_next_to_nothing(tmp_path):
    bare = imported_by("", tmp_path)
    more = imported_by("from ckptlint.__main__ import main; main(['--version'])", tmp_path) - bare
    allowed = {"ckptlint", "ckptlint.__main__", "__future__", "collections", "collections.abc"}
    assert {
        name for name in more if name.partition(".")[0] in ("ckptlint", "msgspec", "argparse", "re", "libcst")
    } <= allowed


def test_a_project_with_nothing_to_find_never_imports_libcst_or_torch(tmp_path):
    (tmp_path / "a.py").write_text("print('hello')\n")
    modules = imported_by("from ckptlint.__main__ import main; assert main(['.']) == 0", tmp_path)
    assert "ckptlint.engine" in modules
    assert not {"libcst", "torch"} & modules


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"], ["help", "check"], ["check", "--help"], ["rule", "-h"]])
def test_help(argv, capsys):
    assert main(argv) == 0
    assert "usage" in capsys.readouterr().out.lower()


def test_a_verb_wins_over_a_folder_of_its_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "rule").mkdir()
    (tmp_path / "rule/a.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert main(["rule", "CKPT901"]) == 0
    assert "unreadable-source" in capsys.readouterr().out
    assert main(["./rule", "--show-files"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/rule/a.py\n"

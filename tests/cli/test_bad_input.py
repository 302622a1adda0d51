"""Bad input gives a clear line or a finding, the right exit code, and never a traceback or half a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ckptlint.cli.dispatch import run
from ckptlint.engine import Analyzer
from ckptlint.rules.base import Registry
from ckptlint.rules.ckpt901 import UnreadableSource
from tests.cli.conftest import write
from tests.toy import ANALYZER, REGISTRY, Bad, solve

ENTRY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"bad()\n\0", "NUL byte"),
        (b"x = '\xe9'\nbad()\n", "is not utf-8"),
        (b"# -*- coding: nonsense -*-\nbad()\n", "nonsense"),
    ],
)
def test_what_cannot_be_decoded_is_a_finding(ckptlint, project, data, says):
    (project / "a.py").write_bytes(data)
    result = ckptlint("--output-format", "concise")
    assert result.code == 1
    assert "CKPT901" in result.out
    assert says in result.out


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfbad()\n",
        b"# -*- coding: latin-1 -*-\nx = '\xe9'; bad()\n",
        b"x = 1\r\nbad()\r\n",
        b"\x0cbad()\n",
        b"print 'python 2'\nbad()\n",
        b"model.cuda(async=True)\nbad()\n",
        b"bad()\n'''unclosed\n",
        b"bad()\ndef f(:\n",
    ],
)
def test_odd_files_are_read(ckptlint, project, data):
    (project / "a.py").write_bytes(data)
    assert "TOY101" in ckptlint("--output-format", "concise").out


def test_a_file_that_cannot_be_read_is_a_finding(ckptlint, project, monkeypatch):
    write(project, {"a.py": "bad()\n", "b.py": "bad()\n"})
    real = os.open

    def open_(path, *args, **kwargs):
        if Path(path).name == "b.py":
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", open_)
    result = ckptlint("--output-format", "concise")
    assert result.code == 1
    assert "b.py:1:1: CKPT901" in result.out
    assert "Permission denied" in result.out
    assert "a.py:1:1: TOY101" in result.out


def test_a_file_that_vanishes_during_the_run_is_a_finding(project, capsys):
    class Vanishing(Bad):
        __doc__ = Bad.__doc__

        def check(self, project_):
            (project / "b.py").unlink()
            yield from super().check(project_)

    write(project, {"a.py": "bad()\n", "b.py": "bad()\n"})
    registry = Registry([Vanishing, UnreadableSource])
    assert run(["--output-format", "concise"], Analyzer(registry, solve)) == 1
    assert "b.py:1:1: CKPT901" in capsys.readouterr().out


def test_a_file_that_is_not_readable_counts_only_when_it_was_needed(project, capsys):
    (project / "a.py").write_bytes(b"\0")
    registry = Registry([UnreadableSource])
    assert run(["."], Analyzer(registry, solve)) == 0
    assert capsys.readouterr().out == ""


def test_symlink_loops(ckptlint, project):
    write(project, {"a/b.py": "bad()\n"})
    (project / "a/loop").symlink_to(project)
    (project / "self.py").symlink_to("self.py")
    result = ckptlint("--output-format", "concise")
    assert result.out.count("TOY101") == 1
    assert "self.py:1:1: CKPT901" in result.out


def test_ctrl_c_during_fix_leaves_the_files_alone(project, capsys, monkeypatch):
    write(project, {"a.py": "bad()\n", "b.py": "bad()\n"})
    calls = []

    def interrupted(store, settings):
        calls.append(1)
        if len(calls) == 1:
            return solve(store, settings)
        raise KeyboardInterrupt

    assert run(["--fix"], Analyzer(REGISTRY, interrupted)) == 130
    assert capsys.readouterr().err == "ckptlint: interrupted\n"
    assert {path.name for path in project.iterdir()} == {"a.py", "b.py", "ckptlint.toml"}
    assert {path.read_text() for path in project.glob("*.py")} <= {"bad()\n", "good()\n"}


def test_a_file_that_cannot_be_written_is_reported_and_left(ckptlint, project, monkeypatch):
    write(project, {"a.py": "bad()\n"})
    real = os.replace

    def replace(source, target, **kwargs):
        if str(target).endswith("a.py"):
            raise PermissionError(13, "Permission denied")
        return real(source, target, **kwargs)

    monkeypatch.setattr(os, "replace", replace)
    result = ckptlint("--fix")
    assert result.code == 1
    assert "not applied" in result.out
    assert (project / "a.py").read_text() == "bad()\n"
    assert [path.name for path in project.iterdir() if path.suffix not in (".py", ".toml")] == []


def test_a_name_that_is_no_utf8_can_be_reported(project, capsys):
    try:
        (project / os.fsdecode(b"caf\xe9.py")).write_text("bad()\n")
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert run(["--output-format", "json"], ANALYZER) == 1
    assert "caf\\udce9.py" in capsys.readouterr().out


def process(*argv: str, cwd: Path, **options) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ENTRY), **options.pop("env", {})}
    return subprocess.run(  # noqa: PLW1510 - given by the caller
        [sys.executable, "-m", "ckptlint", *argv], cwd=cwd, env=environment, capture_output=True, text=True, **options
    )


def test_a_closed_pipe_is_no_traceback(project):
    command = f"{sys.executable} -m ckptlint rule --all | true"
    environment = {**os.environ, "PYTHONPATH": str(ENTRY)}
    done = subprocess.run(
        command, shell=True, env=environment, capture_output=True, text=True, cwd=project, check=False
    )
    assert done.stderr == ""


def test_a_terminal_that_knows_only_ascii(project):
    (project / "a.py").write_text("x = 1  # ckptlint: ignore[CKPT901] -- é\n", encoding="utf-8")
    done = process(".", cwd=project, env={"PYTHONIOENCODING": "ascii"}, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "\\xe9" in done.stdout


def test_a_verb_that_is_not_there_is_refused(project, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(["server"], ANALYZER) == 2


def test_a_bug_is_2_and_not_taken_for_findings(project, capsys):
    class Buggy(Bad):
        __doc__ = Bad.__doc__

        def check(self, project_):
            raise ZeroDivisionError("oops")

    write(project, {"a.py": "bad()\n"})
    assert run(["."], Analyzer(Registry([Buggy]), solve)) == 2
    err = capsys.readouterr().err
    assert "oops" in err
    assert err.splitlines()[-1].startswith("ckptlint: error: this is a bug")

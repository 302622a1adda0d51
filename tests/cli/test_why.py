"""The verb `why`: where the text comes from, what comes out, and the exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys

from ckptlint.__main__ import main
from tests.cli.test_start import imported_by

ERROR = (
    "RuntimeError: Error(s) in loading state_dict for Net:\n"
    '\tMissing key(s) in state_dict: "fc.weight", "fc.bias". \n'
    '\tUnexpected key(s) in state_dict: "module.fc.weight", "module.fc.bias". '
)


def test_an_argument_and_standard_input_are_the_same(capsys, monkeypatch):
    assert main(["why", ERROR]) == 0
    given = capsys.readouterr().out
    for argv in (["why"], ["why", "-"]):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(ERROR.encode())))
        assert main(argv) == 0
        assert capsys.readouterr().out == given
    assert "Both unexpected keys would fit without the `module.` in front" in " ".join(given.split())
    assert "$ ckptlint repair CHECKPOINT -o bare.pth --strip-prefix module." in given


def test_unknown_text_is_said_to_be_unknown(capsys):
    assert main(["why", "IndexError: list index out of range"]) == 1
    assert "This is not a checkpoint error that I know." in capsys.readouterr().out


def test_bytes_that_are_no_text(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00" + ERROR.encode() + b"\x80")))
    assert main(["why"]) == 0


def test_a_source_that_is_not_there(capsys):
    assert main(["why", "--source", "nowhere", ERROR]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_json(capsys):
    assert main(["why", "--json", ERROR]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["explained"] is True
    assert said["topic"] == "keys"
    assert said["rules"][0]["code"] == "CKPT101"
    assert said["keys"]["renamed"] == [{"old": "module.", "new": "", "count": 2, "inside": False}]
    assert said["places"] is None
    assert main(["why", "--json", "hello"]) == 1
    assert json.loads(capsys.readouterr().out) == {"explained": False}


def test_it_imports_neither_the_linter_nor_torch(tmp_path):
    modules = imported_by(f"from ckptlint.__main__ import main; assert main(['why', {ERROR!r}]) == 0", tmp_path)
    assert "ckptlint.why.explain" in modules
    assert not {"libcst", "torch", "ckptlint.engine", "ckptlint.analysis.solve"} & modules


def test_what_a_program_says_goes_through_a_pipe(tmp_path):
    command = [sys.executable, "-m", "ckptlint", "why", "--json"]
    done = subprocess.run(command, input=ERROR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["title"] == "the file's keys carry `module.`, the model's do not"

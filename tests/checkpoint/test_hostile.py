"""A checkpoint is hostile input: one sentence, exit code 2, bounded time and memory, and no payload ever runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ckptlint.__main__ import main
from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.observe import observe
from ckptlint.checkpoint.read import open_checkpoint
from tests.checkpoint import hostile
from tests.checkpoint.bounds import MEGABYTES, bounded
from tests.checkpoint.builders import plain, safetensors, saved, state_dict, tensor, text, with_pickle

ROOT = Path(__file__).parents[2]
# The most memory that the process ever had resident; getrusage would count that of this one too, from before the exec.
PEAK = """
import re, sys
from ckptlint.__main__ import main
code = main(sys.argv[1:])
print(code, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
REFUSED = hostile.refused("MARKER")
LISTED = hostile.listed("MARKER")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: Path, data: bytes) -> str:
    path = folder / "best.pth"
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_sentence(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    data, sentence = REFUSED[case]
    path = put(here, data)
    with bounded():
        assert main(["inspect", path]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert sentence in line
    assert "\x1b" not in line
    assert not (here / "MARKER").exists()


@pytest.mark.parametrize("case", LISTED)
def test_listed_with_its_problem(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    data, code = LISTED[case]
    path = put(here, data)
    checkpoint = open_checkpoint(path)
    codes = {problem.code for problem in (*checkpoint.problems, *observe(checkpoint))}
    assert code in codes or code == ""
    for words in (
        ["inspect", path],
        ["inspect", path, "--json"],
        ["inspect", path, "--keys"],
        ["inspect", path, "--stats"],
        ["inspect", path, "--crc"],
        ["diff", path, path, "--read"],
        ["repair", path, "-o", "out.pth", "--add-prefix", "x.", "--force"],
        ["repair", path, "-o", "out.safetensors", "--to", "safetensors", "--force"],
    ):
        with bounded():
            assert main(words) in (0, 1, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert not (here / "MARKER").exists()


def test_errors_give_exit_code_1_and_notes_0(here: Path) -> None:
    assert main(["inspect", put(here, LISTED["record missing"][0])]) == 1
    assert main(["inspect", put(here, LISTED["record of no tensor"][0])]) == 0


def test_a_payload_would_run_in_a_real_unpickler(here: Path) -> None:
    """The guard of this file: what is claimed not to run here does run elsewhere."""
    import pickle

    from tests.checkpoint.builders import marker_call

    pickle.loads(b"\x80\x02" + marker_call("MARKER") + b".").close()
    assert (here / "MARKER").exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_memory_stays_bounded(here: Path) -> None:
    """The worst pickle of each kind in a process of its own."""
    worst = ["pickle: million memo entries", "pickle: list bomb", "zip: deflated bomb"]
    paths = []
    for index, case in enumerate(worst):
        path = here / f"{index}.pth"
        path.write_bytes(REFUSED[case][0])
        paths.append(str(path))
    costly = {
        "dicts": with_pickle(b"\x80\x02" + b"}" * 5_900_000 + b"."),
        "tensors": with_pickle(
            b"\x80\x02" + tensor() + b"q\x000}(" + b"".join(text(str(key)) + b"h\x00" for key in range(700_000)) + b"u."
        ),
        "json": safetensors(b'{"a":{"shape":[' + b"[]," * 5_000_000 + b"[]]}}"),
    }
    for case, data in costly.items():
        (here / case).write_bytes(data)
        paths.append(str(here / case))
    for path in paths:
        command = [sys.executable, "-c", PEAK, "inspect", path]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})
        code, kilobytes = map(int, done.stdout.splitlines()[-1].split())
        assert code in (0, 2)
        assert kilobytes < 1000 * MEGABYTES, path


@pytest.mark.parametrize("cut", range(0, 1000, 37))
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_cut_anywhere(here: Path, zipped: bool, cut: int) -> None:
    data = saved(plain(), zipped=zipped)
    path = put(here, data[: len(data) * cut // 1000])
    try:
        checkpoint = open_checkpoint(path)
    except BadCheckpoint as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
    else:
        assert any(problem.severity == "error" for problem in checkpoint.problems)


def test_folders_pipes_devices_and_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    (here / "folder").mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    for path, sentence in [
        ("pipe", "named pipe"),
        ("folder", "folder without a checkpoint"),
        ("socket", "socket"),
        ("/dev/zero", "device"),
        ("missing.pth", "No such file"),
        ("nul\0byte", "no file name"),
    ]:
        assert main(["inspect", path]) == 2
        assert sentence in capsys.readouterr().err
    server.close()


def test_names_from_the_file_cannot_steer_the_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = state_dict(("\x1b[2J\u202e\ud800\n", tensor()), ("module.\x07", tensor()))
    main(["inspect", put(here, with_pickle(evil, data__0=b"\0" * 16))])
    printed = "".join(capsys.readouterr())
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert "\x07" not in printed

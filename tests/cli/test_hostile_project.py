"""Projects with everything in them that editors, generators and old Pythons leave behind, under the real rules.

Nothing ends the run, nothing is half written, and what can be read is judged as ever.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import write

ENTRY = Path(__file__).parents[2]
SAVE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 1)


def train(path):
    net = nn.DataParallel(Net())
    torch.save(net.state_dict(), path)
"""
BARE = SAVE.replace("net.state_dict()", "net.module.state_dict()")

ODD: dict[str, bytes] = {
    "accents.py": SAVE.replace("path)\n", "path)  # ünï\n").encode(),
    "async_argument.py": SAVE.replace("Net())", "Net()).cuda(async=True)").encode(),
    "broken_elsewhere.py": SAVE.encode() + b"\n\ndef f(:\n",
    "byte_order_mark.py": b"\xef\xbb\xbf" + SAVE.encode(),
    "carriage_returns.py": SAVE.replace("\n", "\r").encode(),
    "chain.py": SAVE.encode() + b"\n\nx = a" + b".f(1)" * 300 + b"\n",
    "crlf.py": SAVE.replace("\n", "\r\n").encode(),
    "form_feed.py": SAVE.replace("def train", "\x0cdef train").encode(),
    "latin_1.py": b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + SAVE.encode(),
    "no_last_newline.py": SAVE.rstrip("\n").encode(),
    "python_2.py": SAVE.encode() + b"print 'done'\n",
    "sum.py": SAVE.encode() + b"\n\nx = " + b" + ".join([b"a"] * 450) + b"\n",
    "tabs.py": SAVE.replace("    ", "\t").encode(),
}
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "big.py": (SAVE.encode() + b"x = 1  # generated\n" * 600_000, "bigger than"),
    "bytes.py": (SAVE.encode() + b"# caf\xe9\n", "not utf-8"),
    "cookie.py": (b"# -*- coding: nonsense -*-\n" + SAVE.encode(), "nonsense"),
    "nul.py": (SAVE.encode() + b"\0\n", "NUL byte"),
}


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, whose talk is free of tracebacks."""
    done = subprocess.run(
        [sys.executable, "-m", "ckptlint", *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ENTRY), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def codes(folder: Path, *argv: str) -> dict[str, set[str]]:
    """What is found, by file."""
    found: dict[str, set[str]] = {}
    for one in json.loads(run(folder, ".", "--output-format", "json", *argv).stdout):
        found.setdefault(os.path.relpath(one["filename"], folder), set()).add(one["code"])
    return found


def lay_out(folder: Path) -> None:
    for name, data in ODD.items():
        (folder / name).write_bytes(data)
    for name, (data, _) in UNREADABLE.items():
        (folder / name).write_bytes(data)


def test_odd_files_are_judged_and_unreadable_ones_are_said(project: Path) -> None:
    lay_out(project)
    (project / "loop").symlink_to(project, target_is_directory=True)
    (project / "self.py").symlink_to("self.py")
    (project / "nowhere.py").symlink_to("gone.py")
    found = codes(project, "--no-cache")
    assert {name for name, these in found.items() if "CKPT101" in these} == set(ODD)
    assert {name for name, these in found.items() if these == {"CKPT901"}} == {*UNREADABLE, "self.py", "nowhere.py"}
    report = run(project, ".", "--no-cache", "--output-format", "concise")
    assert report.returncode == 1
    for name, (_, says) in UNREADABLE.items():
        (line,) = (line for line in report.stdout.splitlines() if line.startswith(f"{name}:"))
        assert says in line


def test_odd_files_are_mended_and_keep_all_else(project: Path) -> None:
    lay_out(project)
    assert run(project, ".", "--fix").returncode == 1
    not_python_3 = {"async_argument.py", "broken_elsewhere.py", "python_2.py"}  # what does not parse is not touched
    for name, data in ODD.items():
        mended = data.replace(b"net.state_dict()", b"net.module.state_dict()")
        assert (project / name).read_bytes() == (data if name in not_python_3 else mended), name
    for name, (data, _) in UNREADABLE.items():
        assert (project / name).read_bytes() == data
    assert {path.name for path in project.iterdir()} == {*ODD, *UNREADABLE, "ckptlint.toml", ".ckptlint_cache"}
    assert "fixed" not in run(project, ".", "--fix").stdout


def test_imports_in_a_circle_two_modules_of_one_name_and_stars(project: Path) -> None:
    files = {
        "one/__init__.py": "",
        "one/model.py": "from one.run import *\n" + SAVE.partition("def train")[0],
        "one/run.py": (
            "from one.model import *\nfrom missing import *\nimport torch\nfrom torch import nn\n\n\n"
            "def train(path):\n    net = nn.DataParallel(Net())\n    torch.save(net.state_dict(), path)\n"
        ),
        "first/utils.py": "import torch\n\n\ndef save(net, path):\n    torch.save(net.state_dict(), path)\n",
        "second/utils.py": "def save(net, path):\n    raise NotImplementedError\n",
    }
    for folder in ("first", "second"):
        files[f"{folder}/run.py"] = (
            "from torch import nn\nfrom utils import *\n\nsave(nn.DataParallel(nn.Linear(1, 1)), 'net.pth')\n"
        )
    write(project, files)
    assert codes(project) == {"first/utils.py": {"CKPT101"}, "one/run.py": {"CKPT101"}}


def many(project: Path) -> list[Path]:
    paths = [project / f"m{number}.py" for number in range(40)]
    for path in paths:
        path.write_text(SAVE)
    return paths


@pytest.mark.skipif(os.name == "nt", reason="signals of its own")
def test_ctrl_c_at_any_moment_leaves_whole_files(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ENTRY)}
    ends: set[int] = set()
    for moment in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0):
        paths = many(project)
        command = [sys.executable, "-m", "ckptlint", ".", "--fix", "--no-cache"]
        with subprocess.Popen(
            command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            time.sleep(moment)
            running.send_signal(signal.SIGINT)
            _, talk = running.communicate(timeout=60)
        assert {path.read_text() for path in paths} <= {SAVE, BARE}
        assert {path.name for path in project.iterdir()} == {path.name for path in paths} | {"ckptlint.toml"}
        if running.returncode == 130:
            assert talk == "ckptlint: interrupted\n"
        ends.add(running.returncode)
    assert 130 in ends


def test_a_project_that_is_deleted_meanwhile(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ENTRY)}
    for moment in (0.2, 0.35, 0.5):
        gone = project / "gone"
        gone.mkdir()
        many(gone)
        command = [sys.executable, "-m", "ckptlint", "gone", "--fix", "--root", "."]
        with subprocess.Popen(
            command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            time.sleep(moment)
            shutil.rmtree(gone, ignore_errors=True)
            _, talk = running.communicate(timeout=60)
        shutil.rmtree(gone, ignore_errors=True)
        assert "Traceback" not in talk
        assert running.returncode in (0, 1, 2)

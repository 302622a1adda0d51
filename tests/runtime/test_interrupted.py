"""A real Ctrl-C (and a scheduler's SIGTERM) in the middle of the work: nothing half done stays, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.serialization import skip_data

from tests.runtime import nets

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")

# A shell that runs the tests in the background has SIGINT ignored.
START = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from ckptlint.__main__ import main
sys.exit(main())
"""

# Says that it has come so far, and takes its time.
SLOW = """
import time
from pathlib import Path
from tests.runtime.nets import Net

def wait():
    Path("reached").touch()
    time.sleep(600)

def while_building():
    wait()

class WhileRunning(Net):
    def forward(self, x):
        wait()
"""


def interrupted(
    folder: Path, words: list[str], until: Callable[[], bool], number: signal.Signals
) -> subprocess.CompletedProcess[str]:
    """Run ckptlint in a folder, send it a signal when `until` says so, and give what it left."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", START, *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        begun = time.monotonic()
        while not until():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() - begun < PATIENCE
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_repair_leaves_no_partial_output(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """40 GB that cost no disk, and would cost it as safetensors, which has no holes."""
    with FakeTensorMode():
        state = {f"layers.{index}.w": torch.empty(100_000_000) for index in range(100)}
        with skip_data(materialize_fake_tensors=True):
            torch.save(state, tmp_path / "a.pth")

    def well_begun() -> bool:
        return any(path.stat().st_size > 1 << 24 for path in tmp_path.glob(".out*"))

    done = interrupted(
        tmp_path, ["repair", "a.pth", "-o", "out.safetensors", "--to", "safetensors"], well_begun, number
    )
    assert done.returncode == code
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]
    assert done.stderr == ("ckptlint: interrupted\n" if number is signal.SIGINT else "")


@pytest.mark.parametrize("factory", ["while_building", "WhileRunning"])
def test_verify_stops_where_it_is(tmp_path: Path, factory: str) -> None:
    torch.save(nn.DataParallel(nets.Net()).state_dict(), tmp_path / "a.pth")
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["verify", "a.pth", "--model", f"slow:{factory}", "--forward", "1,3,8,8"]
    done = interrupted(tmp_path, words, (tmp_path / "reached").exists, signal.SIGINT)
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr == "ckptlint: interrupted\n"

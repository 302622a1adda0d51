"""torch.distributed.checkpoint: written by torchrun in two processes, verified by one and by two; hostile folders."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp

from ckptlint.runtime.distributed import read_metadata
from ckptlint.runtime.torch_loading import CannotLoadError
from tests.runtime import nets
from tests.runtime.conftest import Verify

ROOT = Path(__file__).parents[2]

# What a training script does at the end of an epoch: each process writes its shard.
SAVE = """
import os, sys, torch, torch.distributed as dist, torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from tests.runtime.nets import Net
dist.init_process_group("gloo")
torch.manual_seed(0)
model = Net()
fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
dcp.save({"model": model.state_dict(), "epoch": 3}, checkpoint_id=sys.argv[1])
dist.barrier()
sys.stdout.flush()
os._exit(0)
"""


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command]
    return subprocess.run(start, capture_output=True, text=True, check=False, env=environment, timeout=300, cwd=ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("dcp")
    (home / "save.py").write_text(SAVE)
    done = torchrun(str(home / "save.py"), str(home / "step_3"))
    assert (home / "step_3" / ".metadata").exists(), done.stderr
    return home / "step_3"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_one_process_loads_all_of_it(folder: Path, verify: Verify) -> None:
    answer = verify(folder)
    assert answer.code == 0, answer.found["findings"]
    assert answer.found["loaded"]["way"] == "dcp"
    assert answer.found["checked"]["compared"] == len(nets.Net().state_dict())
    assert answer.found["checked"]["restored"] == answer.found["checked"]["parameters"]


@pytest.mark.slow
def test_two_processes_load_a_half_each(folder: Path) -> None:
    done = torchrun("-m", "ckptlint", "verify", str(folder), "--model", "tests.runtime.nets:Net", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    whole = sum(value.nbytes for value in nets.Net().state_dict().values())
    assert found["processes"] == 2
    assert whole / 2 <= found["loaded"]["nbytes"] < 0.7 * whole
    assert found["checked"]["compared"] == len(nets.Net().state_dict())
    assert found["checked"]["unequal"] == []


@pytest.mark.slow
def test_any_other_file_is_loaded_whole_by_every_process(tmp_path: Path) -> None:
    """One device may have bad memory, or too little: each verifies all of it, the first one talks."""
    torch.save(nets.Net().state_dict(), tmp_path / "a file.pth")
    done = torchrun(
        "-m", "ckptlint", "verify", str(tmp_path / "a file.pth"), "--model", "tests.runtime.nets:Net", "--json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["processes"] == 2
    assert found["loaded"]["way"] == "arena"
    assert found["loaded"]["nbytes"] >= sum(value.nbytes for value in nets.Net().state_dict().values())
    assert found["checked"]["restored"] == found["checked"]["parameters"]
    assert found["findings"] == []


@pytest.mark.slow
def test_what_only_one_process_finds_is_told_by_the_first(tmp_path: Path) -> None:
    torch.save(nets.Net().state_dict(), tmp_path / "a.pth")
    words = ["verify", str(tmp_path / "a.pth"), "--model", "tests.runtime.nets:unlike_on_the_second"]
    done = torchrun("-m", "ckptlint", *words)
    assert done.returncode == 1
    assert done.stdout.count("error: ") == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert "size mismatch for fc.weight" in line
    assert line.endswith("(process 1)")


@pytest.mark.filterwarnings("ignore")
def test_a_wrapped_model_and_a_value_that_is_nan(tmp_path: Path, verify: Verify) -> None:
    state = torch.nn.DataParallel(nets.Net()).state_dict()
    state["module.fc.bias"][1] = float("nan")
    dcp.save({"net": state}, checkpoint_id=tmp_path / "dcp")
    answer = verify(tmp_path / "dcp")
    assert answer.code == 1
    assert answer.codes("error") == {"strict-load", "nan"}
    assert answer.found["mend"]["flags"] == "--strip-prefix module."
    assert answer.found["checked"]["accepted"]


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_is_missing(tmp_path: Path, verify: Verify) -> None:
    dcp.save({"net": nets.Net().state_dict()}, checkpoint_id=tmp_path / "dcp")
    next((tmp_path / "dcp").glob("*.distcp")).unlink()
    assert verify(tmp_path / "dcp").codes("error") >= {"missing-file", "load"}


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("hostile", ["payload", "getattr", "junk", "other"])
def test_a_hostile_metadata_runs_nothing(tmp_path: Path, hostile: str) -> None:
    data = {
        "payload": pickle.dumps(Payload(tmp_path / "ran")),
        "getattr": pickle.dumps(getattr),
        "junk": b"\x80\x04junk",
        "other": pickle.dumps(torch.Size([1])),
    }[hostile]
    with pytest.raises(CannotLoadError):
        read_metadata(io.BytesIO(data))
    assert not (tmp_path / "ran").exists()

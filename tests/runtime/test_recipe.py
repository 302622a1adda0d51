"""The command and the code that verify shows are run as they stand: what they give loads."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch import nn

from ckptlint.__main__ import main
from tests.runtime import nets
from tests.runtime.conftest import Verify
from tests.runtime.test_every_format import shards

pytestmark = pytest.mark.filterwarnings("ignore")


def safetensors(state: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    save_file(state, path)


def made(form: str, folder: Path) -> Path:
    """A file of a wrapped model, in a folder whose name a shell would split."""
    torch.manual_seed(0)
    wrapped = nn.DataParallel(nets.Net(criterion=True))
    path = folder / "a b.pth"
    if form == "safetensors":
        safetensors(wrapped.state_dict(), path := folder / "a b.safetensors")
    elif form == "module":
        torch.save({"net": wrapped}, path)
    elif form == "two":
        torch.save({"net": wrapped.state_dict(), "other": nets.Tied().state_dict()}, path)
    elif form == "distributed":
        dcp.save({"net": wrapped.state_dict()}, checkpoint_id=(path := folder / "step 3"))
    elif form == "deepspeed":
        (folder / "latest").write_text("global_step5")
        (folder / "global_step5").mkdir()
        torch.save({"module": wrapped.state_dict()}, folder / "global_step5" / "mp_rank_00_model_states.pt")
        path = folder
    elif form.startswith("shards"):
        state = wrapped.state_dict()
        of = safetensors if form == "shards of safetensors" else torch.save
        path = shards(folder, of, ".safetensors" if of is safetensors else ".bin", state)
    else:
        value = {"epoch": 3, "net": {"deep": wrapped.state_dict()}}
        torch.save(value, path, _use_new_zipfile_serialization=form == "zip")
    return path


FORMS = (
    "zip", "legacy", "module", "two", "safetensors", "deepspeed", "distributed", "shards of safetensors",
    "shards of torch",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_it_is_run_as_it_stands(tmp_path: Path, verify: Verify, form: str) -> None:
    folder = tmp_path / "my runs"
    folder.mkdir()
    mend = verify(made(form, folder)).found["mend"]
    run(mend["command"])
    assert bool(mend["command"]) == (not form.startswith("shards"))
    model = nets.Net()
    scope: dict[str, object] = {"torch": torch, "model": model}
    exec("\n".join(mend["code"]), scope)
    torch.manual_seed(0)
    expected = nets.Net(criterion=True).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
    for out in folder.rglob("*.mended.*"):
        assert verify(out).code == 0


def run(command: str) -> None:
    """What a shell would do with it."""
    for part in command.split(" && ") if command else ():
        words = shlex.split(part)
        if words[0] == "ckptlint":
            assert main(words[1:]) == 0
        else:
            subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True)

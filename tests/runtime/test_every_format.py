"""Every format that inspect lists is verified: by the arena where its bytes lie as they are, else by torch."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.checkpoint.builders import of_torch_1_6
from tests.checkpoint.test_formats import python_2_stream, tar_of_torch_0_1
from tests.runtime import nets
from tests.runtime.conftest import Verify

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def torch_1_6(folder: Path) -> Path:
    (folder / "a.pth").write_bytes(of_torch_1_6({"epoch": 3, "model": nets.Net().state_dict()}))
    assert set(torch.load(folder / "a.pth", weights_only=True)) == {"epoch", "model"}
    return folder / "a.pth"


def python_2(folder: Path) -> Path:
    raw = {"11": struct.pack("<6f", *range(6)), "22": struct.pack("<2f", 7, 8)}
    (folder / "a.pth").write_bytes(python_2_stream(raw))
    return folder / "a.pth"


def tar(folder: Path) -> Path:
    tar_of_torch_0_1(folder / "a.pth")
    return folder / "a.pth"


def script(folder: Path) -> Path:
    torch.jit.script(nets.Pairs()).save(str(folder / "a.pt"))
    return folder / "a.pt"


def deepspeed(folder: Path) -> Path:
    (folder / "global_step5").mkdir()
    (folder / "latest").write_text("global_step5")
    torch.save({"module": nets.Net().state_dict()}, folder / "global_step5" / "mp_rank_00_model_states.pt")
    torch.save({"optimizer_state_dict": {}}, folder / "global_step5" / "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    return folder


def shards(
    folder: Path,
    save: Callable[[dict[str, torch.Tensor], Path], None],
    suffix: str,
    state: dict[str, torch.Tensor] | None = None,
) -> Path:
    state = nets.Net().state_dict() if state is None else state
    weight_map = {key: f"model-{number % 2}{suffix}" for number, key in enumerate(state)}
    for file in set(weight_map.values()):
        save({key: state[key] for key, home in weight_map.items() if home == file}, folder / file)
    index = {"metadata": {"total_size": sum(v.nbytes for v in state.values())}, "weight_map": weight_map}
    (folder / "model.index.json").write_text(json.dumps(index))
    return folder / "model.index.json"


def shards_of_safetensors(folder: Path) -> Path:
    from safetensors.torch import save_file

    return shards(folder, save_file, ".safetensors")


def shards_of_torch(folder: Path) -> Path:
    return shards(folder, torch.save, ".bin")


def compressed(folder: Path) -> Path:
    torch.save(nets.Net().state_dict(), folder / "a.pth")
    with zipfile.ZipFile(folder / "a.pth") as old, zipfile.ZipFile(folder / "b.pth", "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    return folder / "b.pth"


def big_endian(folder: Path) -> Path:
    """A file of another kind of machine: the bytes of each element the other way round, and `byteorder` says so."""
    state = nets.Masked().state_dict()
    turned = {key: value.view(torch.uint8).reshape(-1, 4).flip(1).reshape(-1) for key, value in state.items()}
    swapped = {key: raw.view(torch.float32).reshape(state[key].shape) for key, raw in turned.items()}
    torch.save(swapped, folder / "a.pth")
    with zipfile.ZipFile(folder / "a.pth") as old, zipfile.ZipFile(folder / "b.pth", "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else old.read(info))
    return folder / "b.pth"


@pytest.mark.parametrize(
    ("make", "model", "way"),
    [
        (torch_1_6, "Net", "arena"),
        (python_2, "Pairs", "arena"),
        (tar, "Rows", "arena"),
        (script, "Pairs", "arena"),
        (deepspeed, "Net", "arena"),
        (shards_of_safetensors, "Net", "arena"),
        (shards_of_torch, "Net", "arena"),
        (compressed, "Net", "torch"),
        (big_endian, "Masked", "torch"),
    ],
)
def test_a_file_of_this_format(
    tmp_path: Path, verify: Verify, make: Callable[[Path], Path], model: str, way: str
) -> None:
    answer = verify(make(tmp_path), model)
    assert answer.code == 0, answer.found["findings"]
    assert answer.found["loaded"]["way"] == way
    checked = answer.found["checked"]
    assert checked["unequal"] == []
    assert checked["compared"] == len(getattr(nets, model)().state_dict())
    assert checked["restored"] == checked["parameters"]


def test_partitioned_weights_are_not_there(tmp_path: Path, verify: Verify) -> None:
    """ZeRO-3: the file has shapes alone, and that is what is said."""
    state = nets.Pairs().state_dict()
    states = {
        "module": {key: torch.empty(0) for key in state},
        "param_shapes": [{key: value.shape for key, value in state.items()}],
    }
    torch.save(states, tmp_path / "zero_pp_rank_0_mp_rank_00_model_states.pt")
    torch.save({}, tmp_path / "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    answer = verify(tmp_path, "Pairs")
    assert answer.code == 1
    assert "load" in answer.codes("error")
    assert "zero-3" in {one["code"] for one in answer.found["findings"]}

"""The formats beside zip: Python-2-era streams, tar, safetensors, shards, distributed and DeepSpeed folders."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ckptlint.__main__ import main
from ckptlint.checkpoint.dtypes import SAFETENSORS_DTYPE
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint
from ckptlint.checkpoint.read import open_checkpoint
from tests.checkpoint.builders import integer, ints, name, text


def codes(checkpoint: Checkpoint) -> set[str]:
    return {problem.code for problem in checkpoint.problems}


# --- legacy --------------------------------------------------------------------------------------------------------


def python_2_stream(storages: dict[str, bytes]) -> bytes:
    """What torch 0.3 wrote under Python 2: byte strings, `I` integers, OrderedDict of a list of pairs."""

    def string(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    def number(value: int) -> bytes:
        return b"I" + str(value).encode() + b"\n"

    def tensor(key: str, size: tuple[int, ...], stride: tuple[int, ...], numel: int) -> bytes:
        kind = name("torch", "FloatStorage")
        reference = b"(" + string("storage") + kind + string(key) + string("cpu") + number(numel) + b"NtQ"
        sizes = b"(" + b"".join(map(number, size)) + b"t" + b"(" + b"".join(map(number, stride)) + b"t"
        return name("torch._utils", "_rebuild_tensor") + b"(" + reference + number(0) + sizes + b"tR"

    weight = tensor("11", (2, 3), (3, 1), 6)
    bias = name("torch.nn.parameter", "Parameter") + tensor("22", (2,), (1,), 2) + b"I01\n\x86R"
    pairs = b"](](" + string("fc.weight") + weight + b"e](" + string("fc.bias") + bias + b"ee"
    body = b"\x80\x02" + name("collections", "OrderedDict") + pairs + b"\x85R."
    keys = b"\x80\x02](" + string("11") + string("22") + b"e."
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    data = b"".join(struct.pack("<q", len(raw) // 4) + raw for raw in storages.values())
    return head + body + keys + data


def test_a_file_of_python_2_days(tmp_path: Path) -> None:
    raw = {"11": struct.pack("<6f", *range(6)), "22": struct.pack("<2f", 7, 8)}
    (tmp_path / "a.pth").write_bytes(python_2_stream(raw))
    loaded = torch.load(tmp_path / "a.pth", weights_only=False)
    checkpoint = open_checkpoint(str(tmp_path / "a.pth"))
    (state_dict,) = checkpoint.state_dicts().values()
    assert list(state_dict) == list(loaded)
    for key, tensor in loaded.items():
        assert state_dict[key].shape == tuple(tensor.shape)
        assert state_dict[key].parameter == isinstance(tensor, nn.Parameter)
    assert codes(checkpoint) == {"weights-only"}  # its text integers are none of the opcodes that weights_only knows
    assert main(["repair", str(tmp_path / "a.pth"), "-o", str(tmp_path / "b.pth"), "--rename", "fc=head"]) == 0
    mended = torch.load(tmp_path / "b.pth", weights_only=True)
    assert torch.equal(mended["head.weight"], loaded["fc.weight"])


def test_storages_lie_where_the_listing_says(tmp_path: Path) -> None:
    state_dict = {"a": torch.arange(5.0), "b": torch.arange(7, dtype=torch.int16), "c": torch.tensor([True])}
    torch.save(state_dict, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    raw = (tmp_path / "a.pth").read_bytes()
    for tensor in open_checkpoint(str(tmp_path / "a.pth")).tensors:
        assert tensor.storage is not None
        assert tensor.storage.start is not None
        start = tensor.storage.start
        assert raw[start : start + tensor.nbytes] == state_dict[tensor.key].numpy().tobytes()


def tar_of_torch_0_1(path: Path) -> None:
    """The three members that torch 0.1 wrote; one storage, a tensor and a view of it."""
    values = torch.arange(6.0)

    def dumped(value: object) -> bytes:
        return pickle.dumps(value, 2)

    storages = dumped(1) + b"\x80\x02" + integer(5) + text("cpu") + name("torch", "FloatStorage") + b"\x87."
    storages += struct.pack("<q", 6) + values.numpy().tobytes() + dumped([])
    tensors = dumped(2)
    for key, size, stride, offset in ((1, (2, 3), (3, 1), 0), (2, (3,), (1,), 3)):
        tensors += b"\x80\x02" + integer(key) + integer(5) + name("torch", "FloatTensor") + b"\x87."
        tensors += struct.pack("<ii", len(size), 0) + struct.pack(f"<{2 * len(size) + 1}q", *size, *stride, offset)
    ordered = name("collections", "OrderedDict")
    body = b"\x80\x02" + ordered + b")R(" + text("w") + integer(1) + b"Q" + text("row") + integer(2) + b"Qu."
    with tarfile.open(path, "w") as archive:
        for member, data in (("storages", storages), ("tensors", tensors), ("pickle", body)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_tar(tmp_path: Path) -> None:
    tar_of_torch_0_1(tmp_path / "a.pth")
    checkpoint = open_checkpoint(str(tmp_path / "a.pth"))
    found = {tensor.key: tensor for tensor in checkpoint.tensors}
    assert (checkpoint.format, list(found)) == ("tar", ["w", "row"])
    assert (found["w"].shape, found["row"].shape, found["row"].offset) == ((2, 3), (3,), 3)
    raw = (tmp_path / "a.pth").read_bytes()
    storage = found["w"].storage
    assert storage is not None
    assert storage.start is not None
    assert raw[storage.start : storage.start + 24] == torch.arange(6.0).numpy().tobytes()
    assert "weights-only" in codes(checkpoint)


# --- safetensors ---------------------------------------------------------------------------------------------------


def test_safetensors(tmp_path: Path) -> None:
    state_dict = {
        name_: torch.ones(2, 3).to(getattr(torch, dtype))
        for name_, dtype in SAFETENSORS_DTYPE.items()
        if not dtype.startswith(("float6", "float4"))
    }
    save_file(state_dict, tmp_path / "a.safetensors", {"format": "pt", "step": "3"})
    checkpoint = open_checkpoint(str(tmp_path / "a.safetensors"))
    found = {tensor.key: tensor for tensor in checkpoint.tensors}
    assert found.keys() == state_dict.keys()
    raw = (tmp_path / "a.safetensors").read_bytes()
    for key, tensor in state_dict.items():
        assert (found[key].dtype, found[key].shape) == (str(tensor.dtype).removeprefix("torch."), (2, 3))
        storage = found[key].storage
        assert storage is not None
        assert storage.start is not None
        assert raw[storage.start : storage.start + storage.nbytes] == bytes(tensor.untyped_storage())
    assert checkpoint.metadata == {"format": "pt", "step": "3"}


def test_an_empty_safetensors_file(tmp_path: Path) -> None:
    save_file({}, tmp_path / "a.safetensors")
    assert open_checkpoint(str(tmp_path / "a.safetensors")).tensors == ()


# --- shards --------------------------------------------------------------------------------------------------------


def shards(folder: Path) -> dict[str, str]:
    """Two shards and their index; the weight map."""
    save_file({"a": torch.ones(2), "b": torch.ones(3)}, folder / "model-1.safetensors")
    save_file({"c": torch.ones(4)}, folder / "model-2.safetensors")
    return {"a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"}


def index(folder: Path, weight_map: dict[str, str], total: int = 36) -> str:
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}))
    return str(path)


def test_shards(tmp_path: Path) -> None:
    path = index(tmp_path, shards(tmp_path))
    for named in (path, str(tmp_path)):
        checkpoint = open_checkpoint(named)
        assert checkpoint.format == "sharded"
        assert [tensor.key for tensor in checkpoint.tensors] == ["a", "b", "c"]
        assert not checkpoint.problems
        assert len(checkpoint.files) == 3


def test_shards_of_torch(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model-1.bin")
    torch.save({"b": torch.ones(2)}, tmp_path / "pytorch_model-2.bin")
    path = index(tmp_path, {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}, 16)
    assert [tensor.key for tensor in open_checkpoint(path).tensors] == ["a", "b"]


def test_what_can_be_wrong_with_shards(tmp_path: Path) -> None:
    weight_map = shards(tmp_path)
    assert codes(open_checkpoint(index(tmp_path, weight_map, 35))) == {"total-size"}
    assert codes(open_checkpoint(index(tmp_path, {**weight_map, "d": "model-2.safetensors"}))) == {"missing-key"}
    assert codes(open_checkpoint(index(tmp_path, {"a": "model-1.safetensors", "c": "model-2.safetensors"}))) == {
        "unlisted-key"
    }
    save_file({"a": torch.ones(2), "c": torch.ones(4)}, tmp_path / "model-2.safetensors")
    assert "key-in-two-shards" in codes(open_checkpoint(index(tmp_path, weight_map)))


@pytest.mark.parametrize(
    "file", ["../outside.safetensors", "/etc/passwd", "a/../../b", "", "http://x/y", "a\\b", "x\0"]
)
def test_an_index_that_points_outside(tmp_path: Path, file: str) -> None:
    with pytest.raises(BadCheckpoint, match="outside of its folder"):
        open_checkpoint(index(tmp_path, {"a": file}))


def test_a_missing_shard(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="model-3"):
        open_checkpoint(index(tmp_path, {"a": "model-3.safetensors"}))


def test_an_index_of_indexes(tmp_path: Path) -> None:
    path = index(tmp_path, {"a": "model.safetensors.index.json"})
    with pytest.raises(BadCheckpoint):
        open_checkpoint(path)


# --- folders -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_distributed(tmp_path: Path) -> None:
    from torch.distributed import checkpoint as dcp

    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    value = {"model": model.state_dict(), "optim": optimizer.state_dict(), "epoch": 3}
    dcp.save(value, checkpoint_id=str(tmp_path / "d"))
    checkpoint = open_checkpoint(str(tmp_path / "d"))
    assert checkpoint.format == "distributed"
    assert {entry.name: entry.kind for entry in checkpoint.entries} == {
        "model": "state dict", "optim": "optimizer", "epoch": "value",
    }  # fmt: skip
    found = checkpoint.state_dicts()["model"]
    assert {key: (tensor.dtype, tensor.shape) for key, tensor in found.items()} == {
        key: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        for key, tensor in model.state_dict().items()
    }
    assert not checkpoint.problems
    (part,) = (tmp_path / "d").glob("*.distcp")
    part.write_bytes(part.read_bytes()[:-100])
    assert codes(open_checkpoint(str(tmp_path / "d"))) == {"cut-off"}
    part.unlink()
    assert codes(open_checkpoint(str(tmp_path / "d"))) == {"missing-file"}


def test_hostile_distributed_metadata(tmp_path: Path) -> None:
    attack = b"\x80\x04" + name("posix", "system") + text("touch MARKER") + b"\x85R."
    (tmp_path / ".metadata").write_bytes(attack)
    with pytest.raises(BadCheckpoint):
        open_checkpoint(str(tmp_path))
    inner = name("os", "system") + text("x") + b"\x85R"
    body = name("torch.distributed.checkpoint.metadata", "Metadata") + b")\x81}(" + text("state_dict_metadata") + b"}"
    (tmp_path / ".metadata").write_bytes(b"\x80\x02" + body + text("planner_data") + inner + b"ub.")
    with pytest.raises(BadCheckpoint, match=r"os\.system when torch reads it"):
        open_checkpoint(str(tmp_path))


def test_an_interrupted_distributed_save(tmp_path: Path) -> None:
    (tmp_path / "__0_0.distcp").write_bytes(b"x")
    with pytest.raises(BadCheckpoint, match="interrupted"):
        open_checkpoint(str(tmp_path))


def test_deepspeed(tmp_path: Path) -> None:
    step = tmp_path / "global_step5"
    step.mkdir()
    (tmp_path / "latest").write_text("global_step5")
    torch.save({"module": {"fc.weight": torch.ones(2, 3)}, "ds_version": "0.14"}, step / "mp_rank_00_model_states.pt")
    torch.save({"optimizer_state_dict": {}}, step / "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    checkpoint = open_checkpoint(str(tmp_path))
    assert checkpoint.format == "deepspeed"
    assert checkpoint.state_dicts()["module"]["fc.weight"].shape == (2, 3)
    assert len(checkpoint.files) == 2


def test_deepspeed_zero_3_shows_the_real_shapes(tmp_path: Path) -> None:
    states = {
        "module": OrderedDict([("fc.weight", torch.empty(0)), ("fc.bias", torch.empty(0))]),
        "param_shapes": [OrderedDict([("fc.weight", torch.Size([2, 3])), ("fc.bias", torch.Size([2]))])],
    }
    torch.save(states, tmp_path / "zero_pp_rank_0_mp_rank_00_model_states.pt")
    torch.save({}, tmp_path / "zero_pp_rank_0_mp_rank_00_optim_states.pt")
    checkpoint = open_checkpoint(str(tmp_path))
    assert {key: (t.shape, t.layout) for key, t in checkpoint.state_dicts()["module"].items()} == {
        "fc.weight": ((2, 3), "partitioned"),
        "fc.bias": ((2,), "partitioned"),
    }
    assert "zero-3" in codes(checkpoint)


@pytest.mark.parametrize("tag", ["..", "/etc", "a/b", "", "gone"])
def test_a_deepspeed_tag_that_leads_nowhere(tmp_path: Path, tag: str) -> None:
    (tmp_path / "latest").write_text(tag)
    with pytest.raises(BadCheckpoint):
        open_checkpoint(str(tmp_path))


def test_folders_with_one_and_with_many_checkpoints(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "best.pth")
    assert open_checkpoint(str(tmp_path)).path.endswith("best.pth")
    torch.save({"a": torch.ones(1)}, tmp_path / "last.pth")
    with pytest.raises(BadCheckpoint, match=r"best.pth, last.pth"):
        open_checkpoint(str(tmp_path))


# --- containers ----------------------------------------------------------------------------------------------------

STATE_DICT = {"conv.weight": torch.ones(3, 2), "conv.bias": torch.ones(3)}
CONTAINERS: dict[str, tuple[dict[str, object], str]] = {
    "lightning": (
        {
            "epoch": 1, "global_step": 5, "pytorch-lightning_version": "2.4.0", "state_dict": STATE_DICT, "loops": {},
            "optimizer_states": [{"state": {}, "param_groups": []}], "hyper_parameters": {"lr": 0.1},
        },
        "state_dict",
    ),
    "timm": ({"epoch": 1, "arch": "resnet50", "state_dict": STATE_DICT, "metric": 0.5}, "state_dict"),
    "mmengine": ({"meta": {"epoch": 1}, "state_dict": STATE_DICT, "message_hub": {}}, "state_dict"),
    "fairseq": ({"args": None, "cfg": {}, "model": STATE_DICT, "last_optimizer_state": {}}, "model"),
    "wild": ({"net": STATE_DICT, "acc": 0.9, "epoch": 3}, "net"),
    "params": ({"params_ema": STATE_DICT}, "params_ema"),
    "beside": ({"model_state_dict": STATE_DICT, "loss": torch.tensor(0.1), "epoch": 1}, "model_state_dict"),
    "nested": ({"nets": {"G": STATE_DICT}, "epoch": 1}, "nets.G"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTAINERS)
def test_where_the_state_dict_sits(tmp_path: Path, case: str) -> None:
    value, entry = CONTAINERS[case]
    torch.save(value, tmp_path / "a.pth")
    state_dicts = open_checkpoint(str(tmp_path / "a.pth")).state_dicts()
    assert {name_: list(tensors) for name_, tensors in state_dicts.items()} == {entry: list(STATE_DICT)}


def test_two_state_dicts_and_their_optimizers(tmp_path: Path) -> None:
    value = {"model": STATE_DICT, "model_ema": STATE_DICT, "optimizer": {"state": {}, "param_groups": []}}
    torch.save(value, tmp_path / "a.pth")
    kinds = {entry.name: entry.kind for entry in open_checkpoint(str(tmp_path / "a.pth")).entries}
    assert kinds == {"model": "state dict", "model_ema": "state dict", "optimizer": "optimizer"}


def test_extra_state_is_a_key_too(tmp_path: Path) -> None:
    torch.save(OrderedDict([("w", torch.ones(1)), ("m._extra_state", {"a": 1})]), tmp_path / "a.pth")
    assert [value.key for value in open_checkpoint(str(tmp_path / "a.pth")).values] == ["m._extra_state"]


def test_ints_of_builders_are_what_pickle_reads() -> None:
    """The guard of the hand-made pickles: CPython reads them as meant."""
    values = (0, 255, 256, -1, 2**31, -(2**40))
    assert pickle.loads(b"\x80\x02" + ints(values) + b".") == values

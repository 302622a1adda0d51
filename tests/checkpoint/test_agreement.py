"""What is listed is what torch.load would give: keys, shapes, strides, offsets, dtypes, parameters, ties."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, namedtuple
from pathlib import Path

import pytest
import torch
from torch import nn

from ckptlint.checkpoint.dtypes import ITEM_BITS, STORAGE_DTYPE
from ckptlint.checkpoint.inert import Global
from ckptlint.checkpoint.model import Tensor
from ckptlint.checkpoint.read import open_checkpoint
from ckptlint.checkpoint.weights_only import is_allowed

DTYPES = [
    getattr(torch, name)
    for name in sorted(ITEM_BITS)
    if hasattr(torch, name)
    and not name.startswith(("q", "bits"))
    and name not in {f"{s}int{n}" for s in ("", "u") for n in range(1, 8)}
]


class Marked(torch.Tensor):
    """A tensor subclass."""


Pair = namedtuple("Pair", "weight bias")


def tensors_of(value: object, path: tuple[object, ...] = ()) -> dict[tuple[object, ...], torch.Tensor]:
    """Every tensor that torch loaded, by its path through dicts, lists and objects."""
    if isinstance(value, torch.Tensor):
        return {path: value}
    found: dict[tuple[object, ...], torch.Tensor] = {}
    if isinstance(value, nn.Module):
        for table in ("_parameters", "_buffers", "_modules"):
            found.update(tensors_of(getattr(value, table), (*path, table)))
    elif isinstance(value, dict):
        for key, child in value.items():
            found.update(tensors_of(child, (*path, key)))
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            found.update(tensors_of(child, (*path, index)))
    return found


def assert_same(listed: Tensor, loaded: torch.Tensor) -> None:
    assert listed.dtype == str(loaded.dtype).removeprefix("torch.")
    assert listed.requires_grad == loaded.requires_grad
    assert listed.parameter == isinstance(loaded, nn.Parameter)
    if loaded.layout is torch.strided and not loaded.is_nested:
        assert listed.shape == tuple(loaded.shape)
        assert listed.stride == loaded.stride()
        assert listed.offset == loaded.storage_offset()
        assert listed.contiguous == loaded.is_contiguous() or loaded.numel() == 0
        if listed.layout != "meta":
            assert listed.nbytes == loaded.numel() * loaded.element_size()
    elif not loaded.is_nested:
        assert listed.shape == tuple(loaded.shape)
        assert listed.layout == str(loaded.layout).removeprefix("torch.")


def check(value: object, path: Path, *, zipped: bool, map_location: str | None = "meta") -> None:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    loaded = tensors_of(torch.load(path, map_location=map_location, weights_only=False))
    checkpoint = open_checkpoint(str(path))
    listed = {tensor.path: tensor for tensor in checkpoint.tensors}
    assert list(listed) == list(loaded)
    for key, tensor in loaded.items():
        assert_same(listed[key], tensor)
    assert not [problem for problem in checkpoint.problems if problem.severity == "error"]


pytestmark = [
    pytest.mark.filterwarnings("ignore:.*(beta state|deprecated|prototype stage|experimental).*:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def zipped(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(tmp_path: Path, dtype: torch.dtype) -> None:
    check({"w": torch.empty(3, 5, dtype=dtype), "s": torch.empty((), dtype=dtype)}, tmp_path / "a.pt", zipped=True)


@pytest.mark.parametrize("name", sorted(set(STORAGE_DTYPE.values()) - {"quint4x2", "quint2x4"}))
def test_every_dtype_of_a_legacy_file(tmp_path: Path, name: str) -> None:
    dtype = getattr(torch, name)
    value = torch.empty(3, 5) if name.startswith("q") else torch.empty(3, 5, dtype=dtype)
    if name.startswith("q"):
        value = torch.quantize_per_tensor(torch.zeros(3, 5), 0.5, 0, dtype)
    check({"w": value}, tmp_path / "a.pt", zipped=False, map_location="cpu" if name.startswith("q") else "meta")


def views() -> dict[str, torch.Tensor]:
    base = torch.arange(24.0).reshape(4, 6)
    return {
        "base": base,
        "tied": base,
        "row": base[2],
        "column": base[:, 3],
        "transposed": base.t(),
        "stepped": base[::2, 1::2],
        "expanded": torch.ones(1).expand(5),
        "scalar": base[1, 1],
        "empty": base[:0],
        "bits": base.view(torch.int32)[0] if hasattr(torch, "int32") else base,
        "last": torch.zeros(2, 3).to(memory_format=torch.contiguous_format),
        "channels": torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last),
    }


def test_views_and_ties(tmp_path: Path, zipped: bool) -> None:
    made = views()
    del made["bits"]  # torch.save refuses two dtypes over one storage
    check(made, tmp_path / "a.pt", zipped=zipped)
    listed = {tensor.key: tensor for tensor in open_checkpoint(str(tmp_path / "a.pt")).tensors}
    shared = ["base", "tied", "row", "column", "transposed", "stepped", "scalar", "empty"]
    assert len({listed[key].storage for key in shared}) == 1


@pytest.mark.parametrize(
    "tensor",
    [
        torch.eye(3).to_sparse(),
        torch.eye(4).to_sparse_csr(),
        torch.eye(4).to_sparse_csc(),
        torch.eye(4).to_sparse_bsr((2, 2)),
        torch.quantize_per_tensor(torch.zeros(3, 2), 0.1, 0, torch.quint8),
        torch.quantize_per_channel(torch.zeros(3, 2), torch.ones(3), torch.zeros(3), 0, torch.qint8),
        torch.nested.nested_tensor([torch.ones(3), torch.ones(2)]),
        torch.ones(3, dtype=torch.complex64).conj(),
        torch.ones(2, 3, requires_grad=True),
        nn.Parameter(torch.ones(2)),
        nn.Parameter(torch.ones(2), requires_grad=False),
        nn.Buffer(torch.ones(2)),
        torch.ones(3).as_subclass(Marked),
        torch.empty(3, 4, device="meta"),
    ],
    ids=["coo", "csr", "csc", "bsr", "per-tensor", "per-channel", "nested", "conj", "grad", "parameter", "frozen",
         "buffer", "subclass", "meta"],
)  # fmt: skip
def test_every_layout_and_kind(tmp_path: Path, tensor: torch.Tensor) -> None:
    check({"w": tensor}, tmp_path / "a.pt", zipped=True, map_location="cpu")


def test_a_parameter_with_attributes(tmp_path: Path, zipped: bool) -> None:
    parameter = nn.Parameter(torch.ones(2))
    parameter.tag = "x"
    plain = torch.ones(3)
    plain.tag = "y"
    check({"p": parameter, "t": plain}, tmp_path / "a.pt", zipped=zipped)


def test_a_subclass_is_named(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3).as_subclass(Marked)}, tmp_path / "a.pt")
    (tensor,) = open_checkpoint(str(tmp_path / "a.pt")).tensors
    assert tensor.subclass == f"{Marked.__module__}.Marked"


def net() -> nn.Module:
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)))
    made.register_buffer("scratch", torch.zeros(2), persistent=False)
    made[2][1].weight = nn.Parameter(made[2][0].weight[:2])
    return made


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(a=torch.ones(1), b=OrderedDict(c=torch.ones(2))),
        {"epoch": 3, "model": net().state_dict(), "optimizer": torch.optim.SGD(net().parameters(), 0.1).state_dict()},
        [torch.ones(1), (torch.ones(2), {"k": torch.ones(3)})],
        {1: torch.ones(1), "two": {3.5: torch.ones(2), (1, "x"): torch.ones(3), None: torch.ones(4)}},
        defaultdict(list, a=torch.ones(1), b=torch.ones(2)),
        torch.ones(3),
        {"n": 1, "empty": {}, "none": None, "text": "x" * 100_000, "bytes": b"\0" * 100_000, "big": 10**30},
        Counter("abca"),
    ],
    ids=["ordered", "checkpoint", "list", "odd-keys", "defaultdict", "tensor", "no-tensors", "counter"],
)  # fmt: skip
def test_every_container(tmp_path: Path, zipped: bool, value: object) -> None:
    check(value, tmp_path / "a.pt", zipped=zipped)


def test_a_named_tuple(tmp_path: Path) -> None:
    torch.save(Pair(torch.ones(2), torch.ones(1)), tmp_path / "a.pt")
    assert [tensor.shape for tensor in open_checkpoint(str(tmp_path / "a.pt")).tensors] == [(2,), (1,)]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol(tmp_path: Path, protocol: int, zipped: bool) -> None:
    value = {"model": net().state_dict(), "set": {1, 2}, "frozen": frozenset("ab"), "b": b"xy", "a": bytearray(b"z")}
    torch.save(value, tmp_path / "a.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    loaded = tensors_of(torch.load(tmp_path / "a.pt", weights_only=False))
    assert [tensor.path for tensor in open_checkpoint(str(tmp_path / "a.pt")).tensors] == list(loaded)


def test_a_whole_module_shows_the_keys_of_its_state_dict(tmp_path: Path, zipped: bool) -> None:
    model = net()
    torch.save(model, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    checkpoint = open_checkpoint(str(tmp_path / "a.pt"))
    (state_dict,) = checkpoint.state_dicts().values()
    assert {key: tensor.shape for key, tensor in state_dict.items()} == {
        key: tuple(tensor.shape) for key, tensor in model.state_dict().items()
    }
    assert [tensor.key for tensor in checkpoint.tensors if not tensor.persistent] == ["scratch"]
    assert "torch.nn.modules.conv.Conv2d" in checkpoint.classes


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_shows_the_keys_of_its_state_dict(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4)))
    scripted = torch.jit.script(model)
    scripted.save(str(tmp_path / "a.pt"))
    checkpoint = open_checkpoint(str(tmp_path / "a.pt"))
    (state_dict,) = checkpoint.state_dicts().values()
    assert checkpoint.format == "torchscript"
    assert {key: tensor.shape for key, tensor in state_dict.items()} == {
        key: tuple(tensor.shape) for key, tensor in scripted.state_dict().items()
    }


def test_metadata_of_a_state_dict(tmp_path: Path, zipped: bool) -> None:
    state_dict = net().state_dict()
    torch.save({"m": state_dict}, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    (entry,) = open_checkpoint(str(tmp_path / "a.pt")).entries
    assert entry.metadata == dict(state_dict._metadata)


def test_the_allowed_globals_are_those_of_this_torch() -> None:
    from torch._weights_only_unpickler import _get_allowed_globals

    if not torch.__version__.startswith("2.13"):
        pytest.skip("the list is that of torch 2.13")
    for qualified in _get_allowed_globals():
        module, _, name = qualified.rpartition(".")
        assert is_allowed(Global(module, name)), qualified
    assert not is_allowed(Global("argparse", "Namespace"))


@pytest.mark.parametrize(
    "value",
    [
        {"w": torch.ones(2)},
        {"path": Path("x")},
        {"set": {1}, "complex": 2j, "b": bytearray(b"x"), "size": torch.Size([1]), "dtype": torch.float16},
        {"module": nn.Linear(1, 1)},
        {"f": frozenset([1])},
        {"d": defaultdict(int)},
    ],
    ids=["plain", "path", "allowed", "module", "frozenset", "defaultdict"],
)  # fmt: skip
def test_refused_exactly_when_torch_refuses(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "a.pt")
    try:
        torch.load(tmp_path / "a.pt", weights_only=True)
    except Exception as error:  # whatever torch raises is its verdict
        refused = open_checkpoint(str(tmp_path / "a.pt")).refused
        assert refused
        assert refused[0].rpartition(".")[2] in str(error)  # noqa: PT017 (torch decides whether it raises)
    else:
        assert not open_checkpoint(str(tmp_path / "a.pt")).refused

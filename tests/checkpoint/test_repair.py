"""A mended copy holds the tensors of the original, loads with torch in every way, and the original stays as it was."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.serialization import skip_data
from torch.utils.serialization import config

from ckptlint.__main__ import main
from ckptlint.checkpoint.places import locate
from ckptlint.checkpoint.read import open_checkpoint

ROOT = Path(__file__).parents[2]


class Net(nn.Module):
    """A model with batch norm, tied weights and a loss with state."""

    def __init__(self, *, loss: bool = False) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(4)
        self.relu = nn.ReLU()
        self.encoder = nn.Linear(4, 4)
        self.decoder = nn.Linear(4, 4)
        self.decoder.weight = self.encoder.weight
        if loss:
            self.criterion = nn.CrossEntropyLoss(weight=torch.ones(4))


def save(value: object, path: Path, **options: bool) -> str:
    torch.save(value, path, **options)
    return str(path)


def load(path: str, **options: object) -> dict[str, object]:
    loaded: dict[str, object] = torch.load(path, weights_only=True, **options)  # type: ignore[arg-type]
    return loaded


def assert_loads_like(path: str, expected: dict[str, torch.Tensor], entry: str | None = None) -> None:
    """Plain, mmap, meta and FakeTensor loads of `path` all give `expected`."""

    def part(loaded: dict[str, object]) -> dict[str, torch.Tensor]:
        found = loaded if entry is None else loaded[entry]
        assert isinstance(found, dict)
        return found

    for mmap in (False, True):
        found = part(load(path, mmap=mmap))
        assert list(found) == list(expected)
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    # With these two torch computes the offsets of records from their order, and checks them against the directory.
    with pytest.MonkeyPatch.context() as patch, config.patch("load.calculate_storage_offsets", True):
        patch.setenv("TORCH_SERIALIZATION_DEBUG", "1")
        found = part(load(path, mmap=True))
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    meta = part(load(path, map_location="meta"))
    assert {key: tensor.shape for key, tensor in meta.items()} == {key: t.shape for key, t in expected.items()}
    with FakeTensorMode():
        fake = part(torch.load(path, weights_only=True))
    # A fake storage knows where its bytes are in the file: that must be true of the copy as well.
    raw = Path(path).read_bytes()
    for key, tensor in fake.items():
        start = tensor.untyped_storage()._checkpoint_offset
        if start is not None:
            real = expected[key].untyped_storage()
            assert raw[start : start + real.nbytes()] == bytes(real)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ddp(model: nn.Module) -> OrderedDict[str, torch.Tensor]:
    wrapped: OrderedDict[str, torch.Tensor] = nn.DataParallel(model).state_dict()
    return wrapped


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def zipped(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_strip_a_prefix(tmp_path: Path, zipped: bool) -> None:
    model = Net()
    source = save(ddp(model), tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    before = Path(source).read_bytes()
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--strip-prefix", "module."]) == 0
    assert_loads_like(out, model.state_dict())
    Net().load_state_dict(load(out))
    assert load(out)._metadata == model.state_dict()._metadata  # type: ignore[attr-defined]
    assert Path(source).read_bytes() == before
    assert names_in(tmp_path) == ["a.pth", "b.pth"]


def test_stripping_moves_no_record(tmp_path: Path) -> None:
    source = save(ddp(Net()), tmp_path / "a.pth")
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--strip-prefix", "module."]) == 0
    assert Path(out).stat().st_size == Path(source).stat().st_size
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out) as new:
        assert new.testzip() is None
        for before, after in zip(old.infolist(), new.infolist(), strict=True):
            assert (before.filename, before.header_offset) == (after.filename, after.header_offset)
            if not before.filename.endswith("data.pkl"):
                assert old.read(before) == new.read(after)


@pytest.mark.parametrize("width", range(1, 9))
def test_any_length_fits(tmp_path: Path, width: int) -> None:
    """The new pickle fits into the place of the old one, however much shorter it is."""
    prefix = "p" * width + "."
    state_dict = {prefix + "w": torch.ones(3)}
    source = save(state_dict, tmp_path / "a.pth")
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--strip-prefix", prefix]) == 0
    assert Path(out).stat().st_size == Path(source).stat().st_size
    assert_loads_like(out, {"w": torch.ones(3)})


def test_ties_stay_tied(tmp_path: Path, zipped: bool) -> None:
    source = save(ddp(Net()), tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    out = str(tmp_path / "b.pth")
    main(["repair", source, "-o", out, "--strip-prefix", "module."])
    loaded = load(out)
    assert loaded["encoder.weight"].data_ptr() == loaded["decoder.weight"].data_ptr()  # type: ignore[attr-defined]


def test_drop_leaves_out_the_data(tmp_path: Path, zipped: bool) -> None:
    model = Net(loss=True)
    state_dict = model.state_dict()
    state_dict["criterion.weight"] = torch.ones(100_000)
    source = save(state_dict, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--drop", "criterion.*"]) == 0
    expected = Net().state_dict()
    assert list(load(out)) == list(expected)
    assert "criterion" not in load(out)._metadata  # type: ignore[attr-defined]
    assert_loads_like(out, {key: state_dict[key] for key in expected})
    assert Path(out).stat().st_size < Path(source).stat().st_size - 390_000
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None


def test_dropping_one_of_two_tied_keys_keeps_the_data(tmp_path: Path) -> None:
    model = Net()
    source = save(model.state_dict(), tmp_path / "a.pth")
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--drop", "decoder.weight"]) == 0
    expected = model.state_dict()
    del expected["decoder.weight"]
    assert_loads_like(out, expected)


def test_the_rest_of_the_file_is_kept(tmp_path: Path, zipped: bool) -> None:
    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    model.encoder(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    value = {
        "epoch": 3,
        "model": ddp(model),
        "ema": ddp(model),
        "optimizer": optimizer.state_dict(),
        "set": {1, 2},
        "nested": [(1, "x"), {"deep": [torch.ones(2)]}, None, True, 2.5, 10**30, "y" * 100_000, b"raw\xff", -7, 70_000],
        "size": torch.Size([1, 2]),
        "dtype": torch.float16,
        "empty": {},
    }
    source = save(value, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--strip-prefix", "module.", "--entry", "model"]) == 0
    loaded = load(out)
    assert_loads_like(out, model.state_dict(), "model")
    assert list(loaded) == list(value)
    assert list(loaded["ema"]) == list(value["ema"])  # type: ignore[call-overload]
    assert str(loaded["optimizer"]) == str(value["optimizer"])
    for key in ("epoch", "set", "size", "dtype", "empty"):
        assert loaded[key] == value[key]
    assert str(loaded["nested"]) == str(value["nested"])


def test_every_state_dict_is_mended_unless_one_is_named(tmp_path: Path) -> None:
    model = Net()
    source = save({"model": ddp(model), "ema": ddp(model)}, tmp_path / "a.pth")
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--strip-prefix", "module."]) == 0
    assert_loads_like(out, model.state_dict(), "model")
    assert_loads_like(out, model.state_dict(), "ema")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--rename", "encoder=body.encoder"], {f"encoder.{k}": f"body.encoder.{k}" for k in ("weight", "bias")}),
        (["--rename", "*coder.weight=*code.w"], {f"{half}coder.weight": f"{half}code.w" for half in ("en", "de")}),
        (["--rename", "enc=x"], None),
        (["--rename", "encoder.="], {"encoder.weight": "weight", "encoder.bias": "bias"}),
        (["--add-prefix", "net."], {key: f"net.{key}" for key in Net().state_dict()}),
    ],
    ids=["parts", "stars", "not-half-a-part", "a-part-away", "add"],
)  # fmt: skip
def test_rename(tmp_path: Path, options: list[str], names: dict[str, str] | None) -> None:
    state_dict = Net().state_dict()
    source = save(state_dict, tmp_path / "a.pth")
    out = str(tmp_path / "b.pth")
    if names is None:
        assert main(["repair", source, "-o", out, *options]) == 2
        return
    assert main(["repair", source, "-o", out, *options]) == 0
    assert_loads_like(out, {names.get(key, key): tensor for key, tensor in state_dict.items()})


def test_metadata_is_renamed_with_the_keys(tmp_path: Path) -> None:
    source = save(Net().state_dict(), tmp_path / "a.pth")
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--rename", "bn=norm", "--add-prefix", "net."]) == 0
    (entry,) = open_checkpoint(out).entries
    assert entry.metadata is not None
    assert entry.metadata["net.norm"] == {"version": 2}
    assert "bn" not in entry.metadata
    assert "net.relu" in entry.metadata


def test_collisions_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = save({"module.w": torch.ones(1), "w": torch.ones(1)}, tmp_path / "a.pth")
    assert main(["repair", source, "-o", str(tmp_path / "b.pth"), "--strip-prefix", "module."]) == 2
    assert "both 'module.w' and 'w' would become 'w'" in capsys.readouterr().err
    assert names_in(tmp_path) == ["a.pth"]


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    model = Net()
    source = save(ddp(model), tmp_path / "a.pth")
    out = tmp_path / "b.pth"
    out.write_text("precious")
    command = ["repair", source, "-o", str(out), "--strip-prefix", "module."]
    assert main(command) == 2
    assert out.read_text() == "precious"
    assert main([*command, "--force"]) == 0
    assert_loads_like(str(out), model.state_dict())


def test_in_place_when_forced(tmp_path: Path) -> None:
    model = Net()
    source = save(ddp(model), tmp_path / "a.pth")
    assert main(["repair", source, "-o", source, "--strip-prefix", "module.", "--force"]) == 0
    assert_loads_like(source, model.state_dict())


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = save(ddp(Net(loss=True)), tmp_path / "a.pth")
    assert main(["repair", source, "--dry-run", "--strip-prefix", "module.", "--drop", "criterion.*"]) == 0
    shown = capsys.readouterr().out
    assert "rename 9 of 10 keys\n  module. -> (nothing) in front of 9 keys" in shown
    assert "drop 1 of 10 keys" in shown
    assert names_in(tmp_path) == ["a.pth"]


def test_damaged_files_are_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "a.pth"
    save(ddp(Net()), source, _use_new_zipfile_serialization=False)
    source.write_bytes(source.read_bytes()[:-3])
    assert main(["repair", str(source), "-o", str(tmp_path / "b.pth"), "--strip-prefix", "module."]) == 2
    assert names_in(tmp_path) == ["a.pth"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol(tmp_path: Path, protocol: int) -> None:
    value = {"m": ddp(Net()), "set": {1}, "frozen": frozenset([2]), "bytes": b"x\xff", "array": bytearray(b"y")}
    torch.save(value, tmp_path / "a.pth", pickle_protocol=protocol)
    out = str(tmp_path / "b.pth")
    assert main(["repair", str(tmp_path / "a.pth"), "-o", out, "--strip-prefix", "module."]) == 0
    loaded = torch.load(out, weights_only=False)
    assert list(loaded["m"]) == list(Net().state_dict())
    assert {key: loaded[key] for key in ("set", "frozen", "bytes", "array")} == {
        key: value[key] for key in ("set", "frozen", "bytes", "array")
    }


@pytest.mark.filterwarnings("ignore")
def test_every_kind_of_tensor_survives(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    parameter = nn.Parameter(torch.ones(2))
    parameter.tag = "t"
    value = {
        "module.a": base,
        "module.view": base[1:3, ::2],
        "module.t": base.t(),
        "module.parameter": parameter,
        "module.half": torch.ones(3, dtype=torch.float8_e4m3fn),
        "module.complex": torch.ones(3, dtype=torch.complex64).conj(),
        "module.coo": torch.eye(3).to_sparse(),
        "module.csr": torch.eye(3).to_sparse_csr(),
        "module.quantized": torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
        "module.uint16": torch.tensor([1, 2, 65535], dtype=torch.uint16),
        "module.empty": torch.empty(0, 3),
        "module.scalar": torch.tensor(3.5),
    }
    source = save(value, tmp_path / "a.pth")
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--strip-prefix", "module.", "--drop", "module.empty"]) == 0
    loaded = load(out)
    for key, tensor in value.items():
        if key == "module.empty":
            continue
        found = loaded[key.removeprefix("module.")]
        assert isinstance(found, torch.Tensor)
        assert str(found) == str(tensor)
        assert type(found) is type(tensor)
    assert loaded["parameter"].tag == "t"  # type: ignore[attr-defined]
    assert loaded["view"].untyped_storage().data_ptr() == loaded["a"].untyped_storage().data_ptr()  # type: ignore[attr-defined]


def test_a_sparse_file_of_100_gb_takes_no_time_and_stays_sparse(tmp_path: Path) -> None:
    with FakeTensorMode():
        state_dict = {f"module.layers.{index}.w": torch.empty(250_000_000) for index in range(100)}
        with skip_data(materialize_fake_tensors=True):
            torch.save(state_dict, tmp_path / "a.pth")
    out = tmp_path / "b.pth"
    command = [
        sys.executable,
        "-m",
        "ckptlint",
        "repair",
        str(tmp_path / "a.pth"),
        "-o",
        str(out),
        "--strip-prefix",
        "module.",
    ]
    subprocess.run(command, check=True, timeout=60, env={"PYTHONPATH": str(ROOT)})
    assert out.stat().st_size > 100_000_000_000
    assert out.stat().st_blocks * 512 < 100_000_000
    assert len(open_checkpoint(str(out)).tensors) == 100


def test_ctrl_c_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ckptlint.checkpoint import repair

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    source = save(ddp(Net()), tmp_path / "a.pth")
    monkeypatch.setattr(repair, "_verify", interrupted)
    assert main(["repair", source, "-o", str(tmp_path / "b.pth"), "--strip-prefix", "module."]) == 130
    assert names_in(tmp_path) == ["a.pth"]


def test_a_wrong_copy_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ckptlint.checkpoint import repair

    source = save(ddp(Net()), tmp_path / "a.pth")
    monkeypatch.setattr(repair, "apply_plan", lambda *_: None)
    assert main(["repair", source, "-o", str(tmp_path / "b.pth"), "--strip-prefix", "module."]) == 2
    assert "did not read back as planned" in capsys.readouterr().err
    assert names_in(tmp_path) == ["a.pth"]


def test_to_safetensors(tmp_path: Path, zipped: bool) -> None:
    from safetensors.torch import load_file

    model = Net()
    state_dict = ddp(model)
    state_dict["module.view"] = torch.arange(24.0).reshape(4, 6).t()[1:, ::3]
    state_dict["module.bytes"] = torch.arange(12, dtype=torch.uint8).reshape(3, 4)[:, 1]
    state_dict["module.complex"] = torch.arange(6, dtype=torch.float64).reshape(2, 3).t()
    source = save({"model": state_dict, "epoch": 1}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    out = str(tmp_path / "b.safetensors")
    assert main(["repair", source, "-o", out, "--strip-prefix", "module.", "--to", "safetensors"]) == 0
    loaded = load_file(out)
    assert {f"module.{key}" for key in loaded} == set(state_dict)
    assert all(torch.equal(tensor, state_dict[f"module.{key}"]) for key, tensor in loaded.items())


def test_safetensors_stay_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {
        "module.a": torch.arange(5.0),
        "module.b": torch.ones(3, dtype=torch.bfloat16),
        "module.c": torch.ones(1),
    }
    save_file(tensors, tmp_path / "a.safetensors", {"who": "me"})
    out = str(tmp_path / "b.safetensors")
    assert main(["repair", str(tmp_path / "a.safetensors"), "-o", out, "--strip-prefix", "module.", "--drop", "c"]) == 0
    loaded = load_file(out)
    assert sorted(loaded) == ["a", "b"]
    assert all(torch.equal(loaded[key], tensors[f"module.{key}"]) for key in loaded)
    assert open_checkpoint(out).metadata == {"who": "me"}


def test_a_pickled_module_becomes_safetensors_without_its_class(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = Net()
    source = save(model, tmp_path / "a.pth")
    out = str(tmp_path / "b.safetensors")
    assert main(["repair", source, "-o", out, "--to", "safetensors"]) == 0
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in load_file(out).items())
    assert set(load_file(out)) == set(model.state_dict())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["zip", "legacy", "torchscript", "inside"])
def test_a_pickled_module_becomes_a_state_dict_without_its_class(tmp_path: Path, kind: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model.register_buffer("scratch", torch.zeros(2), persistent=False)
    model[0].bias = nn.Parameter(model[1].weight.data)
    source = str(tmp_path / "a.pt")
    if kind == "torchscript":
        torch.jit.script(model).save(source)
    else:
        value = {"model": model, "epoch": 3} if kind == "inside" else model
        torch.save(value, source, _use_new_zipfile_serialization=kind != "legacy")
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--state-dict", "--rename", "1=norm"]) == 0
    expected = torch.jit.load(source).state_dict() if kind == "torchscript" else model.state_dict()
    renamed = {f"norm.{key[2:]}" if key.startswith("1.") else key: tensor for key, tensor in expected.items()}
    loaded = load(out)
    if kind == "inside":
        assert loaded["epoch"] == 3
    found = loaded["model"] if kind == "inside" else loaded
    assert isinstance(found, dict)
    assert set(found) == set(renamed)
    assert all(torch.equal(found[key], renamed[key]) for key in renamed)


@pytest.mark.parametrize("alignment", [64, 4096])
def test_the_alignment_of_records_is_kept(tmp_path: Path, alignment: int) -> None:
    before = config.save.storage_alignment
    config.save.storage_alignment = alignment
    try:
        source = save({"a": torch.ones(3), "b": torch.ones(5), "c": torch.ones(7)}, tmp_path / "a.pth")
    finally:
        config.save.storage_alignment = before
    out = str(tmp_path / "b.pth")
    assert main(["repair", source, "-o", out, "--drop", "a"]) == 0
    assert_loads_like(out, {"b": torch.ones(5), "c": torch.ones(7)})
    for tensor in locate(open_checkpoint(out)).tensors:
        assert tensor.storage is not None
        assert tensor.storage.start is not None
        assert tensor.storage.start % alignment == 0

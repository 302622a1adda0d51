"""A checkpoint against a model: what is compared before the load, what is checked after it, and the exit codes."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from ckptlint.__main__ import main
from tests.runtime import nets
from tests.runtime.conftest import Verify

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def save(value: object, path: Path, *, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def write_safetensors(path: Path) -> Path:
    from safetensors.torch import save_file

    save_file(nets.Net().state_dict(), path)
    return path


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "entry", "lightning"])
def test_a_file_that_fits(tmp_path: Path, verify: Verify, form: str) -> None:
    state = nets.Net().state_dict()
    if form == "safetensors":
        path = write_safetensors(tmp_path / "a.safetensors")
    elif form == "entry":
        path = save({"epoch": 3, "model": state, "optimizer": {"state": {}, "param_groups": []}}, tmp_path / "a.pth")
    elif form == "lightning":
        path = save({"state_dict": state, "epoch": 1, "pytorch-lightning_version": "2.0"}, tmp_path / "a.ckpt")
    else:
        path = save(state, tmp_path / "a.pth", zipped=form == "zip")
    answer = verify(path)
    assert answer.code == 0
    assert answer.found["entry"] == {"entry": "model", "lightning": "state_dict"}.get(form, "")
    assert answer.found["built_on"] == "meta"
    assert answer.found["keys"]["torch_says"] is None
    assert answer.found["loaded"]["way"] == "arena"
    checked = answer.found["checked"]
    assert checked["accepted"]
    assert checked["strict"]
    assert checked["unequal"] == []
    assert checked["compared"] == len(state)
    assert checked["restored"] == checked["parameters"] == sum(p.numel() for p in nets.Net().parameters())


def test_the_two_mistakes_it_was_born_from(tmp_path: Path, verify: Verify) -> None:
    """A DataParallel prefix and a registered loss: torch's words, the mend, and the mend carried out."""
    path = save(nn.DataParallel(nets.Net(criterion=True)).state_dict(), tmp_path / "ddp.pth")
    answer = verify(path)
    assert answer.code == 1
    with pytest.raises(RuntimeError) as raised:
        nets.Net().load_state_dict(torch.load(path))
    assert answer.found["keys"]["torch_says"] == str(raised.value)
    mend = answer.found["mend"]
    assert mend["flags"] == "--strip-prefix module. --drop 'criterion.*'"
    assert mend["share"] == 1
    assert mend["strict"]
    assert answer.found["checked"]["mended"]
    assert answer.found["checked"]["accepted"]
    assert answer.found["checked"]["restored"] == answer.found["checked"]["parameters"]
    assert answer.codes("error") == {"strict-load"}


@pytest.mark.parametrize("model", ["Net", "NeedsNumbers", "ready"])
@pytest.mark.parametrize("wrap", [False, True])
def test_torch_is_quoted_word_for_word(tmp_path: Path, verify: Verify, model: str, wrap: bool) -> None:
    state = nets.Net(classes=4).state_dict()
    del state["layers.0.weight"], state["stem.1.num_batches_tracked"]
    state["extra"] = torch.ones(1)
    path = save(
        OrderedDict((f"module.{key}", value) for key, value in state.items()) if wrap else state, tmp_path / "a"
    )
    made = getattr(nets, model)
    target = made if isinstance(made, nn.Module) else made()
    with pytest.raises(RuntimeError) as raised:
        target.load_state_dict(torch.load(path))
    said = verify(path, model).found["keys"]["torch_says"]
    assert said == str(raised.value)


def test_a_missing_counter_that_torch_does_not_miss(tmp_path: Path, verify: Verify) -> None:
    """Without `_metadata` a BatchNorm takes a file of torch 0.4 that has no num_batches_tracked."""
    state = {key: value for key, value in nets.Net().state_dict().items() if "num_batches" not in key}
    answer = verify(save(state, tmp_path / "a.pth"))
    assert answer.code == 0
    assert answer.found["keys"]["tolerated"] == ["stem.1.num_batches_tracked"]


def test_a_head_of_another_size(tmp_path: Path, verify: Verify) -> None:
    answer = verify(save(nets.Net(classes=100).state_dict(), tmp_path / "a.pth"))
    assert answer.code == 1
    assert [one["key"] for one in answer.found["keys"]["mismatched"]] == ["fc.weight", "fc.bias"]
    assert answer.found["mend"]["flags"] == "--drop 'fc.*'"
    assert not answer.found["mend"]["strict"]
    assert any("build the model with 100 outputs" in line for line in answer.found["mend"]["does"])
    assert verify(tmp_path / "a.pth", "Net", "--arg", "classes=100").code == 0


def test_another_model_altogether(tmp_path: Path, verify: Verify) -> None:
    answer = verify(save(nn.TransformerEncoderLayer(16, 2).state_dict(), tmp_path / "a.pth"))
    assert answer.code == 1
    assert answer.found["mend"] is None


def test_nothing_restored_is_an_error_whatever_strict_said(tmp_path: Path, verify: Verify) -> None:
    path = save({f"model.{key}": value for key, value in nets.Net().state_dict().items()}, tmp_path / "a.pth")
    answer = verify(path, "Net", "--no-strict")
    assert answer.code == 1
    assert answer.found["checked"]["accepted"]
    assert answer.found["checked"]["restored"] == 0
    assert answer.codes("error") == {"nothing-restored"}


def test_a_load_that_does_nothing(tmp_path: Path, verify: Verify) -> None:
    answer = verify(save(nets.Net().state_dict(), tmp_path / "a.pth"), "Swallows")
    assert answer.codes("error") == {"unequal"}
    assert "fc.weight" in answer.found["checked"]["unequal"]


def test_a_part_restored_without_strict_is_told(tmp_path: Path, verify: Verify) -> None:
    state = nets.Net().state_dict()
    del state["fc.weight"]
    answer = verify(save(state, tmp_path / "a.pth"), "Net", "--no-strict")
    assert answer.code == 0
    assert answer.codes("warning") == {"partial-load", "partly-restored"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_values_that_are_not_finite(tmp_path: Path, verify: Verify, dtype: torch.dtype, value: str) -> None:
    if dtype is torch.float8_e4m3fn and value == "inf":
        pytest.skip("the dtype has no infinity")
    state = nets.Net().state_dict()
    weight = state["fc.weight"].float()
    weight[0, 1] = weight[2, 3] = float(value)
    state["fc.weight"] = weight.to(dtype)
    answer = verify(save(state, tmp_path / "a.pth"))
    assert answer.code == 1
    assert answer.found["checked"]["nan" if value == "nan" else "infinite"] == {"fc.weight": 2}


def test_a_mask_may_be_infinite(tmp_path: Path, verify: Verify) -> None:
    answer = verify(save(nets.Masked().state_dict(), tmp_path / "a.pth"), "Masked")
    assert answer.code == 0
    assert answer.codes("note") == {"infinite-buffer"}


def test_half_precision_is_converted(tmp_path: Path, verify: Verify) -> None:
    answer = verify(save(nets.Net().half().state_dict(), tmp_path / "a.pth"))
    assert answer.code == 0
    assert len(answer.found["keys"]["converted"]) == len(nets.Net().state_dict()) - 1
    assert answer.found["checked"]["compared"] == len(nets.Net().state_dict())


def test_ties_and_views(tmp_path: Path, verify: Verify) -> None:
    assert verify(save(nets.Tied().state_dict(), tmp_path / "a.pth"), "Tied").code == 0
    base = torch.arange(100.0)
    view = nn.Linear(2, 2).state_dict()
    view["weight"], view["bias"] = base[10:14].view(2, 2).t(), base[::50]
    state = {f"fc.{key}": value for key, value in view.items()} | {"mask": torch.zeros(2, 2)}
    assert verify(save(state, tmp_path / "b.pth"), "Masked").code == 0


def test_loading_code_that_copies_needs_a_real_model(tmp_path: Path, verify: Verify) -> None:
    answer = verify(save(nets.Net().state_dict(), tmp_path / "a.pth"), "Copies", "--no-strict")
    assert answer.found["checked"]["restored"] == answer.found["checked"]["parameters"]


def test_what_is_no_tensor_goes_to_torch(tmp_path: Path, verify: Verify) -> None:
    model = nets.WithState()
    model.steps = 7
    answer = verify(save(model.state_dict(), tmp_path / "a.pth"), "WithState")
    assert answer.code == 0
    assert answer.found["loaded"]["way"] == "torch"
    sparse = {"fc.weight": torch.eye(2).to_sparse(), "fc.bias": torch.ones(2), "mask": torch.ones(2, 2)}
    assert verify(save(sparse, tmp_path / "b.pth"), "Masked").found["loaded"]["because"] == "fc.weight is sparse_coo"


def test_a_refusal_that_only_the_real_load_shows(tmp_path: Path, verify: Verify) -> None:
    """Keys and shapes fit, and torch cannot copy a sparse tensor into a dense one."""
    sparse = {"fc.weight": torch.eye(2).to_sparse(), "fc.bias": torch.ones(2), "mask": torch.ones(2, 2)}
    answer = verify(save(sparse, tmp_path / "b.pth"), "Masked")
    assert answer.code == 1
    assert answer.found["keys"]["torch_says"] is None
    with pytest.raises(RuntimeError) as raised:
        nets.Masked().load_state_dict(sparse)
    assert answer.found["checked"]["refusal"] == str(raised.value)


def test_models_with_ways_of_their_own(tmp_path: Path, verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(nets.Net().state_dict(), tmp_path / "a.pth")
    assert verify(path, "OwnStateDict").code == 0
    assert main(["verify", str(path), "--model", "tests.runtime.nets:NoStateDict"]) == 2
    assert "the model's own state_dict() raised KeyError" in capsys.readouterr().err
    assert verify(save(nets.Pairs().state_dict(), path), "scripted").code == 0
    assert verify(save(nn.DataParallel(nets.Pairs()).state_dict(), path), "scripted").code == 1


@pytest.mark.filterwarnings("ignore")
def test_quantized_weights_are_not_taken_for_lost(tmp_path: Path, verify: Verify) -> None:
    answer = verify(save(nets.quantized().state_dict(), tmp_path / "a.pth"), "quantized")
    assert answer.code == 0, answer.found["findings"]


def test_the_entry_that_fits_is_taken(tmp_path: Path, verify: Verify) -> None:
    wrapped = nn.DataParallel(nets.Net()).state_dict()
    value = {"other": nets.Tied().state_dict(), "net": wrapped, "ema": nets.Net().state_dict()}
    path = save(value, tmp_path / "a.pth")
    assert verify(path).found["entry"] == "net"
    assert verify(path).found["also_fits"] == ["ema"]
    assert verify(path, "Net", "--entry", "ema").code == 0
    assert main(["verify", str(path), "--model", "tests.runtime.nets:Net", "--entry", "nope"]) == 2


def test_a_pickled_module_is_read_without_running_it(tmp_path: Path, verify: Verify) -> None:
    answer = verify(save(nets.Net(), tmp_path / "a.pth"))
    assert answer.code == 0
    assert answer.codes("warning") == {"weights-only", "whole-module"}


def test_a_payload_is_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return open, (str(tmp_path / "ran"), "w")

    path = save({"state_dict": nets.Net().state_dict(), "x": Payload()}, tmp_path / "a.pth")
    assert main(["verify", str(path), "--model", "tests.runtime.nets:Net"]) == 2
    assert "was made to run code" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_a_damaged_file_fails(tmp_path: Path, verify: Verify) -> None:
    state = nets.Net().state_dict()
    state["fc.weight"] = torch.empty(10, 8, device="meta")
    answer = verify(save(state, tmp_path / "a.pth"))
    assert answer.code == 1
    assert "meta-tensor" in answer.codes("error")
    raw = bytearray(save(nets.Net().state_dict(), tmp_path / "b.pth").read_bytes())
    (tmp_path / "b.pth").write_bytes(raw[: len(raw) // 2])
    assert main(["verify", str(tmp_path / "b.pth"), "--model", "tests.runtime.nets:Net"]) == 2


@pytest.mark.parametrize("model", ["Net", "NeedsNumbers", "half"])
def test_a_forward_pass(tmp_path: Path, verify: Verify, model: str) -> None:
    path = save(nets.Net().state_dict(), tmp_path / "a.pth")
    answer = verify(path, model, "--forward", "2,3,8,8")
    assert answer.code == 0
    assert answer.found["forwarded"]["finite"]
    assert answer.found["forwarded"]["output"] == f"{'float16' if model == 'half' else 'float32'} (2, 10)"
    assert verify(path, model, "--forward", "2,4,8,8").codes("error") == {"forward"}


def test_the_file_is_not_changed_by_a_model_that_writes(tmp_path: Path, verify: Verify) -> None:
    path = save(nets.Net().state_dict(), tmp_path / "a.pth")
    before = path.read_bytes()
    verify(path, "Net", "--forward", "2,3,8,8")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("tests.runtime.nets:nope", "has no 'nope'"),
        ("tests.runtime.nets", "is not of the form package.module:factory"),
        ("tests.runtime.nowhere:Net", "there is no module 'tests.runtime.nowhere'"),
        ("tests.runtime.nets:fails", "raised ValueError: no such configuration"),
        ("tests.runtime.nets:no_module", "gives tuple, not an nn.Module"),
        ("tests.runtime.nets:__doc__", "is str, which cannot be called"),
    ],
)
def test_a_model_that_cannot_be_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, words: str
) -> None:
    path = save(nets.Net().state_dict(), tmp_path / "a.pth")
    assert main(["verify", str(path), "--model", model]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without CUDA says")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_is_asked_for_and_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str], device: str) -> None:
    path = save(nets.Net().state_dict(), tmp_path / "a.pth")
    assert main(["verify", str(path), "--model", "tests.runtime.nets:Net", "--device", device]) == 2
    said = capsys.readouterr().err
    assert f"--device {device}: " in said
    assert "was built without CUDA" in said or "sees no CUDA device" in said


@pytest.mark.parametrize(
    "options",
    [["--device", "tpu"], ["--forward", "a,b"], ["--forward", "2:float99"], ["--arg", "classes"], ["--entry", "x"]],
)
def test_bad_options(tmp_path: Path, options: list[str]) -> None:
    path = save(nets.Net().state_dict(), tmp_path / "a.pth")
    assert main(["verify", str(path), "--model", "tests.runtime.nets:Net", *options]) == 2
    assert main(["verify", str(path)]) == 2
    assert main(["verify", str(tmp_path / "nope.pth"), "--model", "tests.runtime.nets:Net"]) == 2


def test_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(nn.DataParallel(nets.Net(layers=12)).state_dict(), tmp_path / "ddp.pth")
    assert main(["verify", str(path), "--model", "tests.runtime.nets:Net", "--arg", "layers=12"]) == 1
    said = capsys.readouterr().out
    assert "missing     layers.{0..11}.weight" in said
    assert "(saved from nn.DataParallel or DistributedDataParallel)" in said
    assert f"ckptlint repair {path} -o {tmp_path / 'ddp.mended.pth'} --strip-prefix module." in said
    assert 'state = {k.removeprefix("module."): v for k, v in state.items()}' in said
    assert "100 % of the parameters restored with the mend" in said
    assert said.splitlines()[0].endswith(": FAILS")

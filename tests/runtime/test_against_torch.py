"""Whatever is done to a state dict, verify says what torch says, and a mend that it promises works."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from ckptlint.__main__ import main
from tests.runtime import nets

State = dict[str, torch.Tensor]
MODEL = "tests.runtime.nets:Net"


def renamed(state: State, new: Callable[[str], str]) -> State:
    """With `_metadata` as torch's own wrappers keep it: none, where the keys are renamed by hand."""
    return OrderedDict((new(key), value) for key, value in state.items())


CHANGES: dict[str, Callable[[State], State]] = {
    "data parallel": lambda state: renamed(state, "module.{}".format),
    "compiled": lambda state: renamed(state, "_orig_mod.{}".format),
    "inside": lambda state: renamed(state, lambda key: key.replace("layers.", "layers._orig_mod.")),
    "another name": lambda state: renamed(state, lambda key: key.replace("stem.", "backbone.stem.")),
    "plain dict": dict,
    "loss": lambda state: {**state, "criterion.weight": torch.ones(10)},
    "loss in front": lambda state: {"module.criterion.weight": torch.ones(10), **state},
    "head": lambda state: {**state, "fc.weight": torch.ones(7, 8), "fc.bias": torch.ones(7)},
    "no counter": lambda state: {key: value for key, value in state.items() if "num_batches" not in key},
    "no buffers": lambda state: {key: value for key, value in state.items() if "running" not in key},
    "half": lambda state: {key: value.half() for key, value in state.items()},
    "a layer more": lambda state: {**state, "layers.3.weight": torch.ones(8, 8, 3, 3)},
    "a layer less": lambda state: {key: value for key, value in state.items() if not key.startswith("layers.2")},
    "scalar as vector": lambda state: {
        key: value.reshape(1) if value.dim() == 0 else value for key, value in state.items()
    },
}
FORMS = ("zip", "legacy", "entry", "safetensors")


def write(state: State, form: str, path: Path) -> None:
    if form == "safetensors":
        from safetensors.torch import save_file

        save_file({key: value.clone() for key, value in state.items()}, path)
    elif form == "entry":
        torch.save({"epoch": 3, "net": state}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")


def read(form: str, path: Path) -> State:
    if form == "safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    value: State = torch.load(path, weights_only=True)
    return value["net"] if form == "entry" else value  # type: ignore[return-value]


def refusal(model: nn.Module, state: State) -> str | None:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        return str(error)
    return None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=3), st.sampled_from(FORMS))
def test_the_same_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: list[str], form: str) -> None:
    torch.manual_seed(0)
    state: State = nets.Net().state_dict()
    for change in changes:
        state = CHANGES[change](state)
    path, out = tmp_path / "a", tmp_path / "b"
    write(state, form, path)
    model = nets.Net()
    says = refusal(model, read(form, path))
    capsys.readouterr()
    code = main(["verify", str(path), "--model", MODEL, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["keys"]["torch_says"] == says
    assert code == (0 if says is None else 1)
    if says is None:
        assert found["checked"]["accepted"]
        assert found["checked"]["unequal"] == []
        return
    if found["mend"] is None:
        return
    assert found["checked"]["accepted"]
    assert found["checked"]["unequal"] == []
    assert main(["repair", str(path), "-o", str(out), "--for", MODEL, "--force"]) == 0
    assert (refusal(nets.Net(), read(form, out)) is None) == found["mend"]["strict"]

"""verify is given every hostile file: an answer or one sentence, and nothing in it ever runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ckptlint.__main__ import main
from tests.checkpoint import hostile
from tests.checkpoint.bounds import bounded
from tests.checkpoint.builders import saved
from tests.checkpoint.test_fuzz import mutate, mutation
from tests.runtime import nets

FILES = {**hostile.refused("MARKER"), **hostile.listed("MARKER")}
MODEL = "tests.runtime.nets:Masked"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", FILES)
def test_every_hostile_file(here: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    (here / "best.pth").write_bytes(FILES[case][0])
    with bounded():
        assert main(["verify", "best.pth", "--model", MODEL]) in (1, 2)
    with bounded():
        assert main(["verify", "best.pth", "--model", MODEL, "--no-strict"]) in (0, 1, 2)
    with bounded():
        assert main(["repair", "best.pth", "-o", "out.pth", "--for", MODEL, "--force"]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert not (here / "MARKER").exists()


@pytest.mark.parametrize("sizes", [(1 << 40,), (1 << 61, 7), (3, 0, 1 << 62)])
def test_a_view_of_a_few_bytes_with_endless_elements(here: Path, sizes: tuple[int, ...]) -> None:
    state = nets.Masked().state_dict()
    try:
        state["fc.weight"] = torch.ones(1).expand(sizes)
        torch.save(state, "a.pth")
    except RuntimeError:
        pytest.skip("torch itself refuses this shape")
    assert main(["verify", "a.pth", "--model", MODEL]) in (1, 2)


def _seeds() -> list[bytes]:
    from safetensors.torch import save

    state = nets.Masked().state_dict()
    wrapped = {"model": torch.nn.DataParallel(nets.Masked()).state_dict(), "epoch": 3}
    return [saved(state), saved(state, zipped=False), saved(wrapped), save({k: v.clone() for k, v in state.items()})]


SEEDS = _seeds()
EXAMPLES = int(os.environ.get("CKPTLINT_FUZZ", "100"))  # a night's run takes more


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(1, [("flip", 0.625, 0.0, 0)])  # a storage that the file lists and no tensor has: torch asserts
@example(0, [("flip", 0.4623378636783007, 0.0, 3)])  # a record that says it begins after the end of the file
@given(st.integers(0, len(SEEDS) - 1), st.lists(mutation, min_size=1, max_size=4))
def test_mutated_files(
    here: Path, capsys: pytest.CaptureFixture[str], seed: int, steps: list[tuple[str, float, float, int]]
) -> None:
    (here / "a.pth").write_bytes(mutate(SEEDS[seed], steps))
    with bounded():
        assert main(["verify", "a.pth", "--model", MODEL]) in (0, 1, 2)
    assert "Traceback" not in capsys.readouterr().err

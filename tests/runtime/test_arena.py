"""The runs of the file, the ring of buffers, and the views: the arena holds what torch.load reads."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptlint.checkpoint.places import locate
from ckptlint.checkpoint.progress import Progress
from ckptlint.checkpoint.read import open_checkpoint
from ckptlint.failure import Failure
from ckptlint.runtime.arena import Arena, Run, arena_size, obstacle, plan_runs
from ckptlint.runtime.limits import measure_limits
from ckptlint.runtime.loading import load_entry, tensors_of
from ckptlint.runtime.pinned import Buffer, Piece, load_pinned, stream_pieces
from ckptlint.runtime.values import find_not_finite, norm_sees_nan
from tests.checkpoint.test_agreement import DTYPES as EVERY_DTYPE

QUIET = Progress("load", 1, io.StringIO())
CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

DTYPES = [torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64, torch.float8_e5m2]


def values(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, torch.Tensor] = {}
    for number, dtype in enumerate(DTYPES):
        raw = torch.randint(0, 2, (7 + seed % 5, 3), generator=generator)
        made[f"t{number}"] = raw.to(dtype)
    base = torch.randn(6, 8, generator=generator)
    made |= {"base": base, "tied": base, "row": base[2], "turned": base.t(), "steps": base[::2, 1::3]}
    made |= {"empty": base[:0], "scalar": base[1, 1], "spread": torch.ones(1).expand(4)}
    return made


def raw_bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(-1).contiguous().view(torch.uint8)


def through_the_ring(runs: dict[str, tuple[Run, ...]], piece: int) -> Arena:
    """The arena of a CUDA device, with memory of the CPU in its place."""
    data = torch.zeros(arena_size(runs), dtype=torch.uint8)

    def copy(done: Piece, buffer: Buffer) -> None:
        data[done.at : done.at + done.length] = buffer.data[: done.length]

    stream_pieces(runs, copy, QUIET, pinned=False, piece=piece)
    return Arena(dict.fromkeys(runs, data), runs)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "entry"])
@pytest.mark.parametrize("way", ["mapped", "ring"])
def test_every_tensor_is_what_torch_reads(tmp_path: Path, form: str, way: str) -> None:
    state = values(3)
    path = tmp_path / "a.pth"
    if form == "safetensors":
        from safetensors.torch import save_file

        state = {key: value.clone().contiguous() for key, value in state.items()}
        save_file(state, path)
    else:
        value = {"opt": torch.ones(9), "model": state, "more": torch.ones(9)} if form == "entry" else state
        torch.save(value, path, _use_new_zipfile_serialization=form != "legacy")
    checkpoint = locate(open_checkpoint(str(path)))
    tensors = tensors_of(checkpoint, "model" if form == "entry" else "")
    assert obstacle(checkpoint, tensors.values()) == ""
    if way == "mapped":
        found = load_entry(checkpoint, "model" if form == "entry" else "", CPU).state
    else:
        arena = through_the_ring(plan_runs(tensors.values()), piece=100)
        found = arena.views(tensors)
    assert found.keys() == state.keys()
    for key, expected in state.items():
        value = found[key]
        assert isinstance(value, torch.Tensor)
        assert value.dtype == expected.dtype
        assert value.shape == expected.shape
        assert value.stride() == expected.stride() or expected.numel() == 0
        assert raw_bytes(value).equal(raw_bytes(expected))


@pytest.mark.parametrize("dtype", EVERY_DTYPE, ids=str)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_dtype(tmp_path: Path, dtype: torch.dtype) -> None:
    raw = torch.arange(96, dtype=torch.uint8).view(dtype).reshape(2, -1)
    torch.save({"pad": torch.ones(3, dtype=torch.uint8), "w": raw, "turned": raw.t()}, tmp_path / "a.pth")
    found = load_entry(locate(open_checkpoint(str(tmp_path / "a.pth"))), "", CPU)
    for key, expected in torch.load(tmp_path / "a.pth").items():
        value = found.state[key]
        assert isinstance(value, torch.Tensor)
        assert (value.dtype, value.shape, value.stride()) == (expected.dtype, expected.shape, expected.stride())
        if key != "turned":
            assert raw_bytes(value).equal(raw_bytes(expected))


def test_ties_stay_ties(tmp_path: Path) -> None:
    torch.save(values(0), tmp_path / "a.pth")
    found = load_entry(locate(open_checkpoint(str(tmp_path / "a.pth"))), "", CPU).state
    found["tied"][0, 0] = 42.0
    assert found["base"][0, 0] == 42.0
    assert found["turned"][0, 0] == 42.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=8), st.integers(1, 700))
def test_the_ring_moves_every_byte(tmp_path_factory: pytest.TempPathFactory, lengths: list[int], piece: int) -> None:
    path = tmp_path_factory.mktemp("ring") / "a"
    raw = bytes(number * 7 % 251 for number in range(4000))
    path.write_bytes(raw)
    runs, at = [], 0
    for number, length in enumerate(lengths):
        runs.append(Run(str(path), number * 100, length, at))
        at += length
    arena = through_the_ring({str(path): tuple(runs)}, piece)
    moved = bytes(arena.data[str(path)].tolist())
    assert moved == b"".join(raw[run.start : run.start + run.length] for run in runs)


def test_a_file_that_shrinks_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    with pytest.raises(Failure, match="became shorter"):
        through_the_ring({str(tmp_path / "a"): (Run(str(tmp_path / "a"), 0, 1000, 0),)}, piece=10)
    with pytest.raises(Failure, match="cannot be read"):
        through_the_ring({str(tmp_path / "b"): (Run(str(tmp_path / "b"), 0, 10, 0),)}, piece=10)


def test_one_long_run_and_no_more(tmp_path: Path) -> None:
    """What lies between tensors is read over; the optimizer, megabytes away, is not."""
    far = {"big": torch.zeros(1_000_000)}
    torch.save({"a": {"w": torch.ones(9), "v": torch.ones(9)}, "opt": far, "b": {"x": torch.ones(9)}}, tmp_path / "a")
    checkpoint = locate(open_checkpoint(str(tmp_path / "a")))
    (runs,) = plan_runs(tensors_of(checkpoint, "a").values()).values()
    assert len(runs) == 1
    assert runs[0].length < 1000
    both = {**tensors_of(checkpoint, "a"), **tensors_of(checkpoint, "b")}
    (runs,) = plan_runs(both.values()).values()
    assert len(runs) == 2


def test_limits_are_measured_where_there_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(1 << 27)
    limits = measure_limits({str(path): (Run(str(path), 0, 1 << 27, 0),)}, CPU)
    assert limits.read is not None
    assert limits.copy is None
    assert measure_limits({str(path): (Run(str(path), 0, 1000, 0),)}, CPU).read is None


@needs_cuda
def test_the_ring_of_pinned_memory(tmp_path: Path) -> None:
    torch.save(values(1), tmp_path / "a.pth")
    checkpoint = locate(open_checkpoint(str(tmp_path / "a.pth")))
    tensors = tensors_of(checkpoint, "")
    arena = load_pinned(plan_runs(tensors.values()), torch.device("cuda", 0), QUIET)
    expected = torch.load(tmp_path / "a.pth")
    for key, found in arena.views(tensors).items():
        assert found.device.type == "cuda"
        assert raw_bytes(found.cpu()).equal(raw_bytes(expected[key]))


@needs_cuda
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_one_value_that_is_not_finite_is_seen_on_cuda(dtype: torch.dtype, value: float) -> None:
    tensors = {f"w{number}": torch.ones(300_000, dtype=dtype, device="cuda") for number in range(3)}
    tensors["w1"][200_000] = value
    found = find_not_finite(tensors)
    assert (found.nan or found.infinite) == {"w1": 1}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_question_whether_a_norm_sees_nan(dtype: torch.dtype) -> None:
    assert norm_sees_nan(CPU, dtype)


@needs_cuda
def test_verify_on_cuda(tmp_path: Path, verify) -> None:  # type: ignore[no-untyped-def]
    from tests.runtime import nets

    torch.save(nets.Net().state_dict(), tmp_path / "a.pth")
    answer = verify(tmp_path / "a.pth", "Net", "--device", "cuda", "--forward", "2,3,8,8")
    assert answer.code == 0
    assert answer.found["loaded"]["device_peak"] > 0
    assert answer.found["checked"]["restored"] == answer.found["checked"]["parameters"]

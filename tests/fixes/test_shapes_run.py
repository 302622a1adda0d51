"""Every shape is run on torch: files written under each wrapper, loaded into each, equal tensors required."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import distributed, nn  # noqa: E402
from torch.nn.parallel import DataParallel, DistributedDataParallel  # noqa: E402

from ckptlint.findings import Edit, Place  # noqa: E402
from ckptlint.fixes.shapes.loss_weight import LossWeight, not_saved  # noqa: E402
from ckptlint.fixes.shapes.prefix import anchored  # noqa: E402
from ckptlint.fixes.shapes.reader import Reader, normalised  # noqa: E402
from ckptlint.fixes.shapes.unwrap import Chain, Wrapper, unwrapped  # noqa: E402

from .place import applied, opened, span  # noqa: E402

Module = Any  # mypy does not follow torch


@pytest.fixture(scope="module", autouse=True)
def one_gloo_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    meeting = tmp_path_factory.mktemp("gloo") / "meeting"
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def net() -> Module:
    """A model with counters (BatchNorm), and an inner child named `module`, whose keys must stay whole."""
    features = nn.Module()
    features.module = nn.Linear(2, 2)
    model = nn.Sequential()
    model.add_module("features", features)
    model.add_module("norm", nn.BatchNorm1d(2))
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randint(1, 1000, tensor.shape))
    return model


def compiled(model: Module) -> Module:
    return torch.compile(model, backend="eager")  # nothing is compiled before the first forward


WRAPS: dict[str, Callable[[Module], Module]] = {
    "bare": lambda model: model,
    "dp": DataParallel,
    "ddp": DistributedDataParallel,
    "compile": compiled,
    "compile(dp)": lambda model: compiled(DataParallel(model)),
    "compile(ddp)": lambda model: compiled(DistributedDataParallel(model)),
    "dp(compile)": lambda model: DataParallel(compiled(model)),
    "ddp(compile)": lambda model: DistributedDataParallel(compiled(model)),
    "ddp(dp)": lambda model: DistributedDataParallel(DataParallel(model)),
    "compile(ddp(compile))": lambda model: compiled(DistributedDataParallel(compiled(model))),
}

PARALLEL = Wrapper("module")
COMPILED = Wrapper("_orig_mod")

WRITER = """\
import torch

def save(model, path):
    torch.save({"state_dict": model.state_dict()}, path)
"""

READER = """\
import torch

def load(model, path):
    checkpoint = torch.load(path)
    return model.load_state_dict(checkpoint["state_dict"]), checkpoint
"""


def run(source: str, name: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(compile(source, "made.py", "exec"), scope)
    function: Callable[..., Any] = scope[name]
    return function


def mended_writer(chain: Chain) -> Callable[..., Any]:
    made = unwrapped(opened(WRITER), "model", chain)
    assert made is not None
    place = span(WRITER, "model.state_dict()")
    end = place.start.column + len("model")
    edit = Edit(Place("a.py", place.__class__(place.start, place.start.__class__(place.start.row, end))), made.text)
    return run(applied(WRITER, [edit, *made.edits]), "save")


def mended_reader(file: Chain, target: Chain, used_again: bool = False) -> Callable[..., Any]:
    reader = Reader(
        statement=span(READER, 'return model.load_state_dict(checkpoint["state_dict"]), checkpoint'),
        call=span(READER, 'model.load_state_dict(checkpoint["state_dict"])'),
        keys=file,
        target=target,
        used_again=used_again,
    )
    edits = normalised(opened(READER), reader)
    assert isinstance(edits, tuple), edits
    return run(applied(READER, edits), "load")


def written(save: Callable[..., Any], model: Module) -> io.BytesIO:
    file = io.BytesIO()
    save(model, file)
    file.seek(0)
    return file


def same(one: Module, other: Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)


def loads(load: Callable[..., Any], file: str, target: str) -> bool:
    """Whether a file written by the old program under one wrapper loads strictly into a model under another."""
    trained, fresh = net(), net()
    data = written(run(WRITER, "save"), WRAPS[file](trained))
    try:
        load(WRAPS[target](fresh), data)
    except RuntimeError as error:
        assert "Error(s) in loading state_dict" in str(error)  # noqa: PT017
        return False
    return same(trained, fresh)


def failures(load: Callable[..., Any], wraps: list[str]) -> list[tuple[str, str]]:
    return [pair for pair in product(wraps, wraps) if not loads(load, *pair)]


CHAINS = [
    (["bare", "dp", "ddp"], Chain((PARALLEL,))),
    (["bare", "ddp", "compile", "compile(ddp)"], Chain((COMPILED, PARALLEL))),
    (["bare", "ddp", "compile", "ddp(compile)"], Chain((PARALLEL, COMPILED))),
    (["bare", "compile"], Chain((COMPILED,))),
    (["bare", "dp", *list(WRAPS)[3:]], Chain(any_order=True)),
]


@pytest.mark.parametrize(("wraps", "chain"), CHAINS)
def test_the_unmended_reader_fails_wherever_the_wrappers_differ(wraps: list[str], chain: Chain) -> None:
    bad = failures(run(READER, "load"), wraps)
    prefix = {wrap: wrap.replace("ddp", "dp") for wrap in wraps}  # the two have the same
    assert bad == [(file, target) for file, target in product(wraps, wraps) if prefix[file] != prefix[target]]


@pytest.mark.parametrize(("wraps", "chain"), CHAINS)
@pytest.mark.parametrize("used_again", [False, True])
def test_a_mended_reader_loads_every_file_into_every_model(wraps: list[str], chain: Chain, used_again: bool) -> None:
    assert failures(mended_reader(chain, chain, used_again), wraps) == []


@pytest.mark.parametrize(("wraps", "chain"), CHAINS)
def test_a_mended_writer_writes_bare_keys_under_every_wrapper(wraps: list[str], chain: Chain) -> None:
    save = mended_writer(chain)
    for wrap in wraps:
        model = net()
        found = torch.load(written(save, WRAPS[wrap](model)))["state_dict"]
        assert list(found) == list(model.state_dict())
        assert all(torch.equal(found[key], tensor) for key, tensor in model.state_dict().items())


def test_a_mended_writer_of_a_model_that_is_always_wrapped() -> None:
    model = net()
    found = torch.load(written(mended_writer(Chain((Wrapper("module", always=True),))), DataParallel(model)))
    assert list(found["state_dict"]) == list(model.state_dict())


@pytest.mark.parametrize(
    ("wraps", "order"),
    [
        (["bare", "ddp", "compile", "compile(ddp)"], (PARALLEL, COMPILED)),
        (["bare", "ddp", "compile", "ddp(compile)"], (COMPILED, PARALLEL)),
    ],
)
def test_prefixes_taken_off_in_the_wrong_order_do_not_load(wraps: list[str], order: tuple[Wrapper, ...]) -> None:
    """So the order matters, and the caller must give it right."""
    assert failures(mended_reader(Chain(order), Chain(any_order=True)), wraps)


def test_taking_the_prefix_off_without_unwrapping_fails_on_every_wrapped_model() -> None:
    bad = failures(mended_reader(Chain((PARALLEL,)), Chain()), ["bare", "dp", "ddp"])
    assert {target for _, target in bad} == {"dp", "ddp"}
    assert len(bad) == 6


def test_a_dict_that_is_used_again_stays_as_it_was() -> None:
    data = written(run(WRITER, "save"), DataParallel(net()))
    before = torch.load(data)["state_dict"]
    data.seek(0)
    _, checkpoint = mended_reader(Chain((PARALLEL,)), Chain((PARALLEL,)), used_again=True)(net(), data)
    after = checkpoint["state_dict"]
    assert list(after) == list(before)
    assert dict(after._metadata) == dict(before._metadata)


def test_a_plain_dict_has_no_version_table_and_loads_too() -> None:
    model, file = net(), io.BytesIO()
    torch.save({"state_dict": dict(DataParallel(model).state_dict())}, file)
    file.seek(0)
    fresh = net()
    mended_reader(Chain((PARALLEL,)), Chain((PARALLEL,)), used_again=True)(fresh, file)
    assert same(model, fresh)


def test_the_version_table_is_kept_so_counters_are_still_asked_for() -> None:
    """A file of the current version that lacks `num_batches_tracked` must not load without a word."""
    state = DataParallel(net()).state_dict()
    del state["module.norm.num_batches_tracked"]
    file = io.BytesIO()
    torch.save({"state_dict": state}, file)
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"norm\.num_batches_tracked"):
        mended_reader(Chain((PARALLEL,)), Chain((PARALLEL,)), used_again=True)(net(), file)


def test_a_model_that_owns_a_child_named_module_is_left_whole_by_the_isinstance_form() -> None:
    owner = nn.Sequential()
    owner.add_module("module", nn.Linear(2, 2))
    found = torch.load(written(mended_writer(Chain((PARALLEL,))), owner))["state_dict"]
    assert list(found) == ["module.weight", "module.bias"]


def test_a_wrapped_part_of_a_model_cannot_be_mended_by_taking_a_prefix_off() -> None:
    trained, fresh = net(), net()
    trained.features = DataParallel(trained.features)
    data = written(run(WRITER, "save"), trained)
    with pytest.raises(RuntimeError, match=r"features\.module\.module"):
        mended_reader(Chain((PARALLEL,)), Chain((PARALLEL,)))(fresh, data)


@pytest.mark.parametrize("python", [(3, 8), (3, 9)])
@pytest.mark.parametrize("old", ['key.replace("module.", "")', "key[7:]", 'key.lstrip("module.")'])
def test_an_anchored_prefix_leaves_inner_names_and_bare_keys_alone(old: str, python: tuple[int, int]) -> None:
    new = anchored(old, "module.", python)
    assert new is not None
    keys = [*net().state_dict(), "decoder.weight"]
    strip = eval(f"lambda key: {new}")
    assert [strip(key) for key in keys] == keys
    assert [strip(f"module.{key}") for key in keys] == keys
    broken = eval(f"lambda key: {old}")
    assert [broken(key) for key in keys] != keys


LOSS = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.body = nn.Linear(2, 3)
        self.ce = nn.BCEWithLogitsLoss(weight=weight, pos_weight=weight)  # balanced


class Outer(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.inner = Net(weight)
"""


@pytest.fixture(scope="module", params=[(2, 4), (2, 5)])
def losses(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """The classes before and after the fix, importable as a module is, so that they can be pickled."""
    import sys
    import types

    found = LossWeight(
        span(LOSS, "self.ce = nn.BCEWithLogitsLoss(weight=weight, pos_weight=weight)"),
        "self",
        "ce",
        ("weight", "pos_weight"),
    )
    edits = not_saved(opened(LOSS), found, request.param)
    sources = {"before": LOSS, "after": applied(LOSS, edits)}
    modules = []
    for name, source in sources.items():
        module = types.ModuleType(f"{name}_{request.param[1]}")
        sys.modules[module.__name__] = module
        exec(compile(source, f"{name}.py", "exec"), module.__dict__)
        modules.append(module.__dict__)
    return modules[0], modules[1]


@pytest.mark.parametrize("kind", ["Net", "Outer"])
@pytest.mark.parametrize("wrap", ["bare", "dp", "ddp", "compile"])
@pytest.mark.parametrize("travel", ["none", "deepcopy", "pickle"])
def test_files_with_and_without_the_weight_load_into_the_mended_model(
    losses: tuple[dict[str, Any], dict[str, Any]], kind: str, wrap: str, travel: str
) -> None:
    old, new = losses
    weight = torch.tensor([1.0, 2.0, 3.0])
    model = new[kind](weight)
    if travel == "deepcopy":
        model = copy.deepcopy(model)
    if travel == "pickle":
        model = pickle.loads(pickle.dumps(model))
    model = WRAPS[wrap](model)
    for source in (old, new):
        trained = WRAPS[wrap](source[kind](weight))
        state = trained.state_dict()
        assert any("weight" in key and "ce." in key for key in state) == (source is old)
        keys = list(state)
        model.load_state_dict(state)
        assert list(state) == keys  # the caller's own dict is whole
        assert all(torch.equal(model.state_dict()[key], state[key]) for key in model.state_dict())


def test_the_old_model_needs_no_fix_to_load_old_files_but_fails_without_a_hook(
    losses: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    old, _ = losses
    model = old["Net"](torch.ones(3))
    for name in ("weight", "pos_weight"):
        model.ce.register_buffer(name, getattr(model.ce, name), persistent=False)
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "ce.weight", "ce.pos_weight"'):
        model.load_state_dict(old["Net"](torch.ones(3)).state_dict())


def test_the_mended_loss_computes_as_before_and_moves_with_its_model(
    losses: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    old, new = losses
    weight = torch.tensor([1.0, 2.0, 3.0])
    output, target = torch.randn(4, 3), torch.rand(4, 3)
    assert torch.equal(old["Net"](weight).ce(output, target), new["Net"](weight).ce(output, target))
    assert new["Net"](weight).double().ce.weight.dtype == torch.float64


def test_a_loss_without_a_weight_stays_without(losses: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = losses
    model = new["Net"](None)
    assert model.ce.weight is None
    assert list(model.state_dict()) == list(old["Net"](None).state_dict())


def test_two_models_do_not_share_what_they_drop(losses: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    """A whole-model file written after the fix loads, and its model still loads old weights."""
    old, new = losses
    torch.save(new["Net"](torch.ones(3)), tmp_path / "whole.pt")
    model = torch.load(tmp_path / "whole.pt", weights_only=False)
    model.load_state_dict(old["Net"](torch.zeros(3)).state_dict())
    assert torch.equal(model.ce.weight, torch.ones(3))

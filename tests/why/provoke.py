"""Errors that the installed torch really gives: each function makes one happen, in a folder of its own."""

from __future__ import annotations

import argparse
import collections
import importlib
import io
import os
import pathlib
import pickle
import sys
import types
from collections.abc import Callable

import numpy
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes: int = 3, weights: torch.Tensor | None = None, *, loss: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, classes)
        if loss:
            self.criterion = nn.CrossEntropyLoss(weight=weights)


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = Net()


def said(provoke: Callable[[], object]) -> str:
    """The text of the error, as a traceback's last line has it."""
    try:
        provoke()
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing went wrong")


def load(data: bytes, name: str = "model.pth", **options: object) -> str:
    """What torch.load says of these bytes."""
    pathlib.Path(name).write_bytes(data)
    return said(lambda: torch.load(name, **options))


def saved(value: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def wrapped_into_bare() -> str:
    return said(lambda: Net().load_state_dict(nn.DataParallel(Net()).state_dict()))


def bare_into_wrapped() -> str:
    return said(lambda: nn.DataParallel(Net()).load_state_dict(Net().state_dict()))


def compiled_into_bare() -> str:
    return said(lambda: Net().load_state_dict(torch.compile(Net()).state_dict()))


def compiled_part_into_bare() -> str:
    net = Net()
    net.fc = torch.compile(net.fc)
    return said(lambda: Net().load_state_dict(net.state_dict()))


def loss_in_file() -> str:
    return said(lambda: Net().load_state_dict(Net(weights=torch.ones(3), loss=True).state_dict()))


def loss_in_wrapped_file() -> str:
    wrapped = nn.DataParallel(Net(weights=torch.ones(3), loss=True))
    return said(lambda: nn.DataParallel(Net()).load_state_dict(wrapped.state_dict()))


def holder_into_part() -> str:
    return said(lambda: Net().load_state_dict(Holder().state_dict()))


def part_into_holder() -> str:
    return said(lambda: Holder().load_state_dict(Net().state_dict()))


def other_classes() -> str:
    return said(lambda: Net(10).load_state_dict(Net(3).state_dict()))


def other_architecture() -> str:
    one = nn.Sequential(*[nn.Conv2d(3, 3, 3) for _ in range(6)])
    return said(lambda: one.load_state_dict(nn.TransformerEncoderLayer(8, 2).state_dict()))


def more_layers() -> str:
    def layers(number: int) -> nn.Module:
        return nn.ModuleDict({"layers": nn.ModuleList(nn.Linear(2, 2) for _ in range(number))})

    return said(lambda: layers(8).load_state_dict(layers(4).state_dict()))


def whole_checkpoint() -> str:
    return said(lambda: Net().load_state_dict({"model": Net().state_dict(), "epoch": 3, "optimizer": {}}))


def whole_model() -> str:
    return load(saved(Net()))


def namespace() -> str:
    return load(saved({"args": argparse.Namespace(lr=1)}))


def numpy_scalar() -> str:
    return load(saved({"loss": numpy.float64(1)}))


def path_entry() -> str:
    return load(saved({"file": pathlib.Path("a")}))


def default_dict() -> str:
    return load(saved({"log": collections.defaultdict(list)}))


def runs_commands() -> str:
    return load(saved({"run": os.system}))


def html_page() -> str:
    return load(b"<!DOCTYPE html><html></html>")


def html_page_in_full() -> str:
    return load(b"<!DOCTYPE html><html></html>", weights_only=False)


def lfs_pointer() -> str:
    return load(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def lfs_pointer_in_full() -> str:
    return load(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", weights_only=False)


def gzip_archive() -> str:
    return load(b"\x1f\x8b\x08\x00", weights_only=False)


def newer_pickle() -> str:
    return load(pickle.dumps({"a": 1}, protocol=4))


def cut_off() -> str:
    data = saved(Net().state_dict())
    return load(data[: len(data) // 2])


def cut_off_legacy() -> str:
    return load(saved(Net().state_dict(), _use_new_zipfile_serialization=False)[:-5])


def cut_off_pickle() -> str:
    return load(saved(Net().state_dict(), _use_new_zipfile_serialization=False)[:200], weights_only=False)


def empty_file() -> str:
    return f'torch.load("model.pth")\n{load(b"")}'


def zeros() -> str:
    return load(bytes(1000))


def plain_pickle() -> str:
    return load(pickle.dumps({"a": 1}, protocol=2))


def pickle_load() -> str:
    pathlib.Path("model.pth").write_bytes(saved(Net().state_dict()))
    return said(lambda: pickle.loads(pathlib.Path("model.pth").read_bytes()))


def script_in_load() -> str:
    torch.jit.script(nn.Linear(2, 2)).save("model.pt")
    return said(lambda: torch.load("model.pt"))


def plain_in_script() -> str:
    torch.save(Net().state_dict(), "model.pt")
    return said(lambda: torch.jit.load("model.pt"))


def no_file() -> str:
    return said(lambda: torch.load("nowhere.pth"))


def folder() -> str:
    return said(lambda: torch.load("."))


def path_as_state_dict() -> str:
    return said(lambda: Net().load_state_dict("model.pth"))


def method_as_state_dict() -> str:
    return said(lambda: Net().load_state_dict(Net().state_dict))


def model_as_state_dict() -> str:
    return said(lambda: Net().load_state_dict(Net()))


def none_as_state_dict() -> str:
    return said(lambda: Net().load_state_dict(None))


def map_location_misplaced() -> str:
    return said(lambda: Net().load_state_dict(Net().state_dict(), map_location="cpu"))


def strict_misplaced() -> str:
    pathlib.Path("model.pth").write_bytes(saved({}))
    return said(lambda: torch.load("model.pth", strict=False))


def result_as_model() -> str:
    net = Net()
    return said(lambda: net.load_state_dict(net.state_dict()).eval())


def state_dict_as_model() -> str:
    return said(lambda: Net().state_dict().eval())


def no_module() -> str:
    return said(lambda: Net().module)


def wrapper_attribute() -> str:
    return said(lambda: nn.DataParallel(Net()).fc)


def entry_missing() -> str:
    return said(lambda: Net().state_dict()["model_state_dict"])


def not_a_tensor() -> str:
    return said(lambda: nn.Linear(1, 1, bias=False).load_state_dict({"weight": [1.0]}))


def optimizer_groups() -> str:
    net = Net()
    one = torch.optim.SGD(net.parameters(), lr=1)
    two = torch.optim.SGD([{"params": net.conv.parameters()}, {"params": net.fc.parameters()}], lr=1)
    return said(lambda: one.load_state_dict(two.state_dict()))


def optimizer_group_size() -> str:
    net = Net()
    one = torch.optim.SGD(net.parameters(), lr=1)
    two = torch.optim.SGD(net.fc.parameters(), lr=1)
    return said(lambda: one.load_state_dict(two.state_dict()))


def scheduler_resumed() -> str:
    optimizer = torch.optim.SGD(Net().parameters(), lr=1)
    return said(lambda: torch.optim.lr_scheduler.StepLR(optimizer, 1, last_epoch=3))


def scaler_empty() -> str:
    return said(lambda: torch.amp.GradScaler("cpu").load_state_dict({}))


def lazy_module() -> str:
    return said(lambda: nn.Linear(1, 3).load_state_dict(nn.LazyLinear(3).state_dict()))


def empty_model() -> str:
    return said(lambda: nn.Linear(1, 3, device="meta").to("cpu"))


def mmap_of_legacy() -> str:
    return load(saved(Net().state_dict(), _use_new_zipfile_serialization=False), mmap=True)


def mmap_of_stream() -> str:
    return said(lambda: torch.load(io.BytesIO(saved({})), mmap=True))


def stream_that_cannot_seek() -> str:
    return said(lambda: torch.load(types.SimpleNamespace(read=lambda *_: b"")))


def class_gone() -> str:
    module = types.ModuleType("vanished")
    module.Thing = type("Thing", (), {"__module__": "vanished"})
    sys.modules["vanished"] = module
    data = saved(module.Thing())
    del module.Thing
    text = load(data, weights_only=False)
    del sys.modules["vanished"]
    return text


def module_gone() -> str:
    module = types.ModuleType("vanished")
    module.Thing = type("Thing", (), {"__module__": "vanished"})
    sys.modules["vanished"] = module
    data = saved(module.Thing())
    del sys.modules["vanished"]
    importlib.invalidate_caches()
    return f'  File "torch/serialization.py", line 1, in find_class\n{load(data, weights_only=False)}'


def other_gpu() -> str:
    return said(lambda: torch.load(io.BytesIO(saved({})), map_location="cuda:1") or _deserialize("cuda:1"))


def _deserialize(location: str) -> object:
    return torch.serialization.default_restore_location(torch.UntypedStorage(1), location)


def unknown_device() -> str:
    return said(lambda: _deserialize("abacus:0"))


def lambda_in_file() -> str:
    return "  File 'torch/serialization.py' in save\n" + said(lambda: torch.save({"f": lambda: 1}, "model.pth"))


def no_folder_to_save() -> str:
    return said(lambda: torch.save({}, "nowhere/model.pth"))

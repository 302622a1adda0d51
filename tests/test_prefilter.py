"""The prefilter may err on one side only: what can matter is marked."""

from __future__ import annotations

import pytest

from ckptlint.prefilter import MARKERS, marked, marked_rows


@pytest.mark.parametrize(
    "code",
    [
        "torch.save(net, path)",
        "import torch as t\nt.load(path)",
        "from torch import nn, load",
        "from torch import (\n    save,\n)",
        "net = nn.DataParallel(net)",
        "net = DDP(net)\nfrom torch.nn.parallel import DistributedDataParallel as DDP",
        "from torch.distributed.fsdp import FullyShardedDataParallel as FSDP",
        "@torch.compile\ndef step(): ...",
        "sd = getattr(net, 'state_dict')()",
        "key = 'module.' + key",
        'key.lstrip("module.")',
        "key.replace('_orig_mod.', '')",
        "net = net.module if many else net",
        "from accelerate import Accelerator\nnet = accelerator.prepare(net)",
        "fabric = Fabric()\nnet = fabric.setup(net)",
        "self.criterion = nn.CrossEntropyLoss(ignore_index=1, weight=torch.ones(3))",
        "self.criterion = nn.BCEWithLogitsLoss(\n    pos_weight=w)",
        "self.criterion = nn.NLLLoss(torch.tensor(w(1)), weight=w)",
        "self.criterion = nn.CrossEntropyLoss(class_weights)",
        "self.criterion = nn.CrossEntropyLoss(**options)",
        "self.criterion = nn.AdaptiveLogSoftmaxWithLoss(4, 5, [1])",
        "load_checkpoint(net, path)",
    ],
)
def test_code_that_can_matter_is_marked(code: str) -> None:
    assert marked(code.encode())
    assert marked_rows(code.encode())


@pytest.mark.parametrize(
    "code",
    [
        "import torch\nx = torch.ones(3)",
        "import re\npattern = re.compile('x')",
        "loss = nn.CrossEntropyLoss()\nweight = 3",
        "loss = nn.CrossEntropyLoss(reduction='none')",
        "loss = nn.BCEWithLogitsLoss( )",
        "loss = nn.CrossEntropyLoss(ignore_index=-100)",
        "from torch import nn",
        "import torch as t\nt.ones(3)",
        "import importlib.modules",
    ],
)
def test_the_common_look_alikes_are_not(code: str) -> None:
    assert not marked(code.encode())
    assert marked_rows(code.encode()) == ()


def test_the_users_own_markers_count() -> None:
    assert marked(b"x = my_wrap(y)", [b"my_wrap"])
    assert marked_rows(b"\nx = my_wrap(y)", [b"my_wrap"]) == (2,)


def test_rows_are_those_of_the_markers() -> None:
    data = b"import torch\n\ntorch.save(a.state_dict(), p)\nx = 1\nif y: net.module.save()\n"
    assert marked_rows(data) == (3, 5)


def test_each_marker_has_its_reason() -> None:
    assert all(marker.reason for marker in MARKERS)
    assert len({marker.text for marker in MARKERS}) == len(MARKERS)

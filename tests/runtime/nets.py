"""Models that the tests verify checkpoints against; `tests.runtime.nets:Net` is how the command line names them."""

from __future__ import annotations

import os

import torch
from torch import nn


class Net(nn.Module):
    """Layers, a batch norm, a head, a buffer that is not saved, and a loss if it is asked for."""

    def __init__(self, classes: int = 10, layers: int = 3, criterion: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
        self.layers = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(layers))
        self.fc = nn.Linear(8, classes)
        self.register_buffer("scratch", torch.ones(3), persistent=False)
        if criterion:
            self.criterion = nn.CrossEntropyLoss(weight=torch.ones(classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.fc(x.mean((2, 3))) * self.scratch.sum()


class NeedsNumbers(Net):
    """It cannot be built on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 1, 3)]


class Copies(Net):
    """Its own loading code copies, which on a meta tensor does nothing."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):  # type: ignore[no-untyped-def]
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(state_dict[prefix + name])


class Swallows(Net):
    """Its load_state_dict accepts everything and does nothing."""

    def load_state_dict(self, *_: object, **__: object) -> None:  # type: ignore[override]
        return None


class WithState(nn.Module):
    """A module with extra state, which is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.steps = 0

    def get_extra_state(self) -> dict[str, int]:
        return {"steps": self.steps}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.steps = state["steps"]


class Tied(nn.Module):
    """Two names for one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight


class Masked(nn.Module):
    """A buffer with infinities, as attention masks have."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.register_buffer("mask", torch.full((2, 2), float("-inf")).triu(1))


class OwnStateDict(Net):
    """A state_dict of its own that takes no arguments."""

    def state_dict(self) -> dict[str, torch.Tensor]:  # type: ignore[override]
        return dict(super().state_dict())


class NoStateDict(Net):
    """A state_dict that fails."""

    def state_dict(self, **_: object) -> dict[str, torch.Tensor]:  # type: ignore[override]
        raise KeyError("not yet")


def scripted() -> nn.Module:
    return torch.jit.script(Pairs())


def quantized() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 2)), {nn.Linear}, torch.qint8)


class Rows(nn.Module):
    """Parameters of the names and shapes that the hand-made files of old formats have."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2, 3))
        self.row = nn.Parameter(torch.zeros(3))


class Pairs(nn.Module):
    """One layer called fc."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)


def fails() -> nn.Module:
    raise ValueError("no such configuration")


def no_module() -> tuple[int, int]:
    return (1, 2)


def half(classes: int = 10) -> nn.Module:
    return Net(classes).half()


ready = Net()


def unlike_on_the_second() -> Net:
    """Another model in the second process of torchrun, as code that goes by its rank builds."""
    return Net(classes=10 + int(os.environ["RANK"]))

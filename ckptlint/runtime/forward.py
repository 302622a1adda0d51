"""One forward pass with numbers of the asked-for shape: does the loaded model run, and is what comes out finite?"""

from __future__ import annotations

import re
import time

import torch
from torch import nn

from ckptlint.failure import Failure
from ckptlint.runtime.expected import dtype_name, find_dtype
from ckptlint.runtime.result import Forwarded
from ckptlint.runtime.user_code import user_code

_VOCABULARY = 100


class Input:
    """The shape and, where it was said, the dtype of what goes in: `1,3,224,224` or `1,128:int64`."""

    def __init__(self, text: str) -> None:
        """Raises Failure when the text is neither."""
        sizes, _, dtype = text.partition(":")
        if not re.fullmatch(r"\d+(,\d+)*", sizes) or (dtype and find_dtype(dtype) is None):
            raise Failure(f"--forward {text!r} is not of the form N,C,H,W or N,LENGTH:int64")
        self.shape = tuple(int(size) for size in sizes.split(","))
        self.dtype = find_dtype(dtype) if dtype else None

    def make(self, model: nn.Module, device: torch.device) -> torch.Tensor:
        """Random numbers, the same in every run: normal ones, or small positive integers for an embedding."""
        weights = (parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
        dtype = self.dtype or next(weights, torch.float32)
        generator = torch.Generator().manual_seed(0)
        if dtype.is_floating_point or dtype.is_complex:
            return torch.randn(self.shape, generator=generator).to(device, dtype)
        return torch.randint(_VOCABULARY, self.shape, generator=generator).to(device, dtype)


def run_forward(model: nn.Module, given: Input, device: torch.device) -> Forwarded | str:
    """What came out of `model.eval()`; the text of the exception where it failed."""
    model.eval()
    started = time.perf_counter()
    try:
        with user_code(), torch.no_grad():
            output = model(given.make(model, device))
        tensors = _tensors(output)
        finite = all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
    except Exception as error:  # the model is the user's code and may raise anything
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0] if lines else ''}"
    shown = ", ".join(f"{dtype_name(tensor.dtype)} {tuple(tensor.shape)}" for tensor in tensors[:4])
    more = f" and {len(tensors) - 4} more" if len(tensors) > 4 else ""
    what = shown + more if tensors else type(output).__name__
    return Forwarded(given.shape, what, finite, time.perf_counter() - started)


def _tensors(output: object) -> list[torch.Tensor]:
    """The tensors in what a model returned: a tensor, a tuple, a dict, a dataclass of them."""
    found: list[torch.Tensor] = []
    waiting: list[tuple[object, int]] = [(output, 0)]
    while waiting:
        value, depth = waiting.pop(0)
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif depth < 4 and isinstance(value, (list, tuple)):
            waiting.extend((item, depth + 1) for item in value)
        elif depth < 4 and isinstance(value, dict):
            waiting.extend((item, depth + 1) for item in value.values())
        elif depth < 4 and hasattr(value, "__dataclass_fields__"):
            waiting.append((vars(value), depth + 1))
    return found

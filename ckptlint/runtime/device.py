"""Which device is meant by `--device`, and plain words where it is not there."""

from __future__ import annotations

import os
import re

import torch

from ckptlint.failure import Failure


def find_device(name: str) -> torch.device:
    """`cpu`, `cuda` (the current one) or `cuda:N`.

    Raises Failure when this machine, or this torch, has no such device.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise Failure(f"--device {name!r}: it can be cpu, cuda or cuda:N")
    if name == "cpu":
        return torch.device("cpu")
    if not torch.backends.cuda.is_built():
        raise Failure(
            f"--device {name}: this torch ({torch.__version__}) was built without CUDA; install one that has it, or "
            "verify with --device cpu"
        )
    count = torch.cuda.device_count()
    if count == 0:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        because = f" (CUDA_VISIBLE_DEVICES is {hidden!r})" if hidden is not None else ""
        raise Failure(
            f"--device {name}: torch sees no CUDA device on this machine{because}; `nvidia-smi` shows whether there is "
            "one, --device cpu verifies without it"
        )
    device = torch.device(name)
    if device.index is not None and device.index >= count:
        raise Failure(f"--device {name}: this machine has {count} CUDA device{'s' if count > 1 else ''}, cuda:0 first")
    return device if device.index is not None else torch.device("cuda", torch.cuda.current_device())


def describe(device: torch.device) -> str:
    """`cuda:0 (NVIDIA H100 80GB HBM3)`, or `cpu`."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)

"""The most memory that was in use: on the device as torch counts it, in RAM as the system counts the process."""

from __future__ import annotations

import sys

import torch


def begin(device: torch.device) -> None:
    """Count from here."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def device_peak(device: torch.device) -> int | None:
    """Bytes that torch had allocated at most on a GPU; None on the CPU."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None


def host_peak() -> int:
    """Bytes of RAM that the process had at most, mapped files among them; 0 where the system does not say."""
    try:
        import resource  # noqa: PLC0415 (not on Windows)
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

"""One process, or the several that torchrun started: each verifies on a device of its own, the first one talks.

    torchrun --nproc-per-node 4 -m ckptlint verify runs/step_1000 --model pkg.mod:factory --device cuda

A distributed checkpoint is then loaded in shards, a part in each process, so that a model which no device could hold
can be verified; any other file is loaded whole on every device.
"""

from __future__ import annotations

import os
from datetime import timedelta

import msgspec
import torch
import torch.distributed as dist

from ckptlint.runtime.result import Finding, Verification

_PATIENCE = timedelta(minutes=10)


class Processes:
    """The group that this process belongs to; a group of one when torchrun did not start it."""

    def __init__(self, device: str) -> None:
        """Join the group; `device` decides between gloo and nccl."""
        self.rank = 0
        self.count = 1
        self._cuda = device.startswith("cuda")
        if "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1 and dist.is_available():
            if self._cuda and torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
            dist.init_process_group("nccl" if self._cuda and torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
            self.rank = dist.get_rank()
            self.count = dist.get_world_size()

    def device(self, asked: str) -> str:
        """The device of this process: `cuda` is another one in each."""
        if asked == "cuda" and self.count > 1:
            return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        return asked

    def together(self, found: Verification) -> Verification:
        """What all processes found: the findings of the others are added, with the process that had them."""
        if self.count == 1:
            return found
        everybody: list[list[tuple[str, str, str]]] = [[] for _ in range(self.count)]
        dist.all_gather_object(everybody, [(one.severity, one.code, one.message) for one in found.findings])
        told = {(one.severity, one.code, one.message) for one in found.findings}
        more = [
            Finding(severity, code, f"{message} (process {rank})")
            for rank, findings in enumerate(everybody)
            for severity, code, message in findings
            if (severity, code, message) not in told
        ]
        return msgspec.structs.replace(found, findings=(*found.findings, *more))

    def leave(self) -> None:
        """Give the group up."""
        if self.count > 1:
            dist.barrier()  # one that leaves while another still talks aborts it
            dist.destroy_process_group()

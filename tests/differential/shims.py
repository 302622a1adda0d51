"""Stand-ins for libraries that wrap models, small enough to read and true to what they do to state-dict keys.

The real ones need GPUs, compilers or several processes to install or to wrap at all. Each stand-in keeps the one fact
that matters here, with its source:

- `apex.parallel.DistributedDataParallel`: a Module that holds its argument as `module` (NVIDIA/apex, apex/parallel/
  distributed.py), so keys get `module.`.
- `fairscale.nn.data_parallel.ShardedDataParallel`: holds `module`, but its state dict is that of the module it holds
  (facebookresearch/fairscale, sharded_ddp.py, attribute `module`; state_dict is inherited), so keys get `module.`.
- `accelerate.Accelerator`: `prepare` wraps in DistributedDataParallel when more than one process runs and returns the
  model otherwise; `unwrap_model` undoes it (huggingface/accelerate, accelerator.py).
- `lightning.fabric.Fabric`: `setup` returns a wrapper whose `state_dict` and `load_state_dict` are those of the
  original module (Lightning-AI, fabric/wrappers.py, `_FabricModule`), so keys stay as they are.
- `pytorch_lightning.LightningModule`: a Module.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel


class HoldsModule(nn.Module):
    """Holds `module` and calls it, as apex and fairscale do."""

    def __init__(self, module: nn.Module, *_: Any, **__: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


class Accelerator:
    def prepare(self, *objects: Any) -> Any:
        ready = tuple(self._ready(one) for one in objects)
        return ready if len(ready) > 1 else ready[0]

    def _ready(self, one: Any) -> Any:
        several = int(os.environ.get("WORLD_SIZE", "1")) > 1
        return DistributedDataParallel(one) if several and isinstance(one, nn.Module) else one

    def unwrap_model(self, model: nn.Module) -> nn.Module:
        return model.module if isinstance(model, DistributedDataParallel) else model


class FabricModule(nn.Module):
    def __init__(self, forward_module: nn.Module) -> None:
        super().__init__()
        self._forward_module = forward_module

    @property
    def module(self) -> nn.Module:
        return self._forward_module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._forward_module(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_forward_module"), name)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self._forward_module.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Any, strict: bool = True, **kwargs: Any) -> Any:
        return self._forward_module.load_state_dict(state_dict, strict, **kwargs)


class Fabric:
    def setup(self, module: nn.Module, *optimizers: Any) -> Any:
        return (FabricModule(module), *optimizers) if optimizers else FabricModule(module)


class LightningModule(nn.Module):
    """What lightning's own is to a state dict: nothing but a Module."""


def stand_ins() -> dict[str, ModuleType]:
    """Module name to stand-in, packages included."""
    found: dict[str, ModuleType] = {}
    members_of: dict[str, dict[str, Any]] = {
        "apex": {},
        "apex.parallel": {"DistributedDataParallel": HoldsModule},
        "fairscale": {},
        "fairscale.nn": {},
        "fairscale.nn.data_parallel": {"ShardedDataParallel": HoldsModule},
        "accelerate": {"Accelerator": Accelerator},
        "lightning": {},
        "lightning.fabric": {"Fabric": Fabric},
        "pytorch_lightning": {"LightningModule": LightningModule},
    }
    for name, members in members_of.items():
        module = ModuleType(name)
        module.__path__ = []
        for member, value in members.items():
            setattr(module, member, value)
        found[name] = module
    return found

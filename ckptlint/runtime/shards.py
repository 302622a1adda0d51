"""Tensors of which every process holds a slice: making them, and cutting the same slice out of a whole tensor."""

from __future__ import annotations

import torch
import torch.distributed as dist


def several_processes() -> bool:
    """Whether torchrun started more than one of us."""
    return bool(dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1)


def empty_shards(
    members: dict[str, tuple[tuple[int, ...], torch.dtype]], device: torch.device
) -> dict[str, torch.Tensor]:
    """Room for the tensors (key -> shape and dtype): all of each, or a slice along the first dimension of each."""
    if not several_processes():
        return {key: torch.empty(shape, dtype=dtype, device=device) for key, (shape, dtype) in members.items()}
    # Slow to import, and new in torch 2.5.
    from torch.distributed.device_mesh import init_device_mesh  # noqa: PLC0415
    from torch.distributed.tensor import Replicate, Shard, empty  # noqa: PLC0415

    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    return {
        key: empty(*shape, dtype=dtype, device_mesh=mesh, placements=[Shard(0) if shape else Replicate()])
        for key, (shape, dtype) in members.items()
    }


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a distributed tensor; any other tensor as it is."""
    to_local = getattr(tensor, "to_local", None)
    return tensor.detach() if to_local is None else to_local().detach()


def slice_like(whole: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """The part of a whole tensor that this process holds of a distributed one."""
    if getattr(tensor, "to_local", None) is None:
        return whole
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset  # noqa: PLC0415

    shape, offset = compute_local_shape_and_global_offset(tensor.shape, tensor.device_mesh, tensor.placements)
    return whole[tuple(slice(first, first + length) for first, length in zip(offset, shape, strict=True))]

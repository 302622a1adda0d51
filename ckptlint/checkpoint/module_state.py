"""From a pickled module to its state dict, without its class.

    {"model": <torch.nn.Sequential object>, "epoch": 3}   ->   {"model": OrderedDict("0.weight": ...), "epoch": 3}

The tensors are those that the listing found, under the keys that `state_dict()` would give; buffers that it leaves out
are left out. Works for TorchScript archives as well.
"""

from __future__ import annotations

from ckptlint.checkpoint.inert import Call, OrderedDictValue
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint
from ckptlint.checkpoint.tree import attributes


def with_state_dicts(value: object, checkpoint: Checkpoint) -> object:
    """`value`, the tree of the checkpoint's pickle, with every module entry replaced by a state dict.

    Raises BadCheckpoint when a module stands in a tuple or an object, where it cannot be replaced.
    """
    for entry in checkpoint.entries:
        if entry.kind != "module":
            continue
        made = OrderedDictValue()
        for tensor in checkpoint.tensors:
            if tensor.entry == entry.name and tensor.persistent:
                made[tensor.key] = value_at(value, tensor.path)
        if not entry.path:
            return made
        holder = value_at(value, entry.path[:-1])
        step = entry.path[-1]
        if isinstance(holder, list) and isinstance(step, int):
            holder[step] = made
        elif isinstance(holder, dict):
            holder.update({step: made})
        else:
            raise BadCheckpoint(
                f"{checkpoint.path}: the module {entry.name!r} lies inside an object and cannot be replaced"
            )
    return value


def value_at(value: object, path: tuple[object, ...]) -> object:
    """What lies at a path as in `model.Tensor.path`.

    Raises KeyError when nothing does.
    """
    for step in path:
        if isinstance(value, (list, tuple)) and isinstance(step, int):
            value = value[step]
        elif isinstance(value, dict) and step in value:
            value = value.get(step)
        elif isinstance(value, Call):
            value = _member(value, step)
        else:
            raise KeyError(step)
    return value


def _member(value: Call, step: object) -> object:
    named = attributes(value)
    if step in named:
        return named[step]
    for key, member in value.assigned or []:
        if key == step:
            return member
    items = value.appended if value.appended is not None else value.args
    if isinstance(items, (list, tuple)) and isinstance(step, int) and step < len(items):
        return items[step]
    raise KeyError(step)

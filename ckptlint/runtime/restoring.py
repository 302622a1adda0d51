"""The real load: the model's own `load_state_dict` with the tensors on the device, and what the model holds afterwards.

A model on the meta device takes the tensors as they are (`assign=True`), after the conversion that a copy would have
done, so nothing is held twice. Where the model's own loading code copies instead, where there are other things than
plain tensors, or a forward pass is to follow, the model is built for real on the device and copies the values.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from ckptlint.checkpoint.model_fit import Member
from ckptlint.runtime.expected import find_dtype, state_of, with_metadata
from ckptlint.runtime.factory import Built, Factory
from ckptlint.runtime.user_code import user_code


class Restored(NamedTuple):
    """The model after the load, and torch's refusal (None where it accepted)."""

    model: nn.Module
    refusal: str | None


def restore(
    factory: Factory,
    built: Built,
    state: Mapping[str, object],
    expected: Mapping[str, Member],
    metadata: object,
    device: torch.device,
    *,
    strict: bool,
    real: bool,
) -> Restored:
    """Load `state` into the model; with `real` into one that has real tensors everywhere."""
    if built.device == "meta" and not real and all(map(_is_plain, state.values())):
        restored = _load(built.model, _converted(state, expected), metadata, strict=strict, assign=True)
        left = state_of(restored.model)
        if restored.refusal is not None or not any(_is_meta(left.get(key)) for key in state):
            return restored
        # Code of the model's own copied into tensors that have no data: it needs a model that has some.
    model = built.model.to(device) if built.device != "meta" else factory.on(str(device))
    return _load(model, state, metadata, strict=strict, assign=False)


def _load(model: nn.Module, state: Mapping[str, object], metadata: object, *, strict: bool, assign: bool) -> Restored:
    given = with_metadata(state, metadata)
    try:
        with user_code(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "copying to a meta parameter is a no-op": looked at above
            if assign:
                model.load_state_dict(given, strict=strict, assign=True)
            else:  # a load_state_dict of the user's need not know the newer argument
                model.load_state_dict(given, strict=strict)
    except Exception as error:  # torch's own refusal is a RuntimeError; the model's own code may raise anything
        text = str(error).strip()
        return Restored(model, text if isinstance(error, RuntimeError) else f"{type(error).__name__}: {text}")
    return Restored(model, None)


def _converted(state: Mapping[str, object], expected: Mapping[str, Member]) -> dict[str, object]:
    """The tensors in the dtypes of the model: what `copy_` would make of them."""
    made: dict[str, object] = {}
    for key, value in state.items():
        wanted = find_dtype(expected[key].dtype) if key in expected else None
        if isinstance(value, torch.Tensor) and wanted is not None and value.dtype != wanted and not value.is_quantized:
            made[key] = value.to(wanted)
        else:
            made[key] = value
    return made


def _is_plain(value: object) -> bool:
    """Whether a copy would keep the value as it is: of a sparse one it makes a dense one."""
    return isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_quantized


def _is_meta(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.device.type == "meta"


def count_restored(model: nn.Module, equal: frozenset[str]) -> tuple[int, int]:
    """Elements of the model's parameters that hold the file's values, and of all of them; ties count once.

    A model without parameters is counted by its buffers.
    """
    state = {key: value for key, value in state_of(model).items() if isinstance(value, torch.Tensor)}
    parameters = {key: value for key, value in state.items() if isinstance(value, nn.Parameter)} or state
    sizes: dict[int, int] = {}
    held: set[int] = set()
    for key, value in parameters.items():
        sizes[id(value)] = value.numel()
        if key in equal:
            held.add(id(value))
    return sum(sizes[one] for one in held), sum(sizes.values())

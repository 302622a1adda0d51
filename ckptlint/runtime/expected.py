"""What the model expects, and what its own `load_state_dict` says to the file's keys before there is any data.

The rehearsal hands torch a state dict of meta tensors that have the shapes of the file. So the answer is torch's own,
word for word, with its quirks (a `num_batches_tracked` that is missing is not always missed) and with whatever the
model's own hooks do to the keys. Afterwards the model holds the tensors that it held before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ckptlint.checkpoint.model_fit import Member
from ckptlint.failure import Failure
from ckptlint.runtime.user_code import user_code


class Rehearsal(NamedTuple):
    """What `load_state_dict` said. `says` is the text of its refusal under strict=True, None where it accepts.

    `missing` and `unexpected` are its own lists; None when the model's code could not be asked without data.
    """

    says: str | None
    missing: frozenset[str] | None
    unexpected: frozenset[str] | None


def state_of(model: nn.Module) -> dict[str, object]:
    """The model's state dict, with the parameters themselves where its code lets one ask for them.

    Raises Failure when the model's own code fails.
    """
    try:
        with user_code():
            try:
                return dict(model.state_dict(keep_vars=True))
            except TypeError:  # a state_dict of the user's that takes no arguments
                return dict(model.state_dict())
    except Exception as error:  # the model's own code may raise anything
        raise Failure(f"the model's own state_dict() raised {type(error).__name__}: {error}") from None


def expected_members(model: nn.Module) -> dict[str, Member]:
    """The keys of the model's state dict with their dtypes and shapes."""
    found: dict[str, Member] = {}
    for key, value in state_of(model).items():
        if not isinstance(value, torch.Tensor):
            found[key] = Member(f"value of type {type(value).__name__}", None)
        elif is_lazy(value):
            found[key] = Member("lazy", None)
        else:
            found[key] = Member(dtype_name(value.dtype), tuple(value.shape))
    return found


def dtype_name(dtype: torch.dtype) -> str:
    """The name without the `torch.` in front."""
    return str(dtype).removeprefix("torch.")


def find_dtype(name: str) -> torch.dtype | None:
    """The dtype of a name, where this torch has it."""
    found = getattr(torch, name, None)
    return found if isinstance(found, torch.dtype) else None


def with_metadata(items: Mapping[str, object], metadata: object) -> OrderedDict[str, object]:
    """A state dict as torch.load gives it: with the `_metadata` (module path -> version) that stands in the file."""
    state: OrderedDict[str, object] = OrderedDict(items)
    if isinstance(metadata, dict):
        state._metadata = {  # type: ignore[attr-defined]
            path: dict(local) if isinstance(local, dict) else {} for path, local in metadata.items()
        }
    return state


def rehearse(
    model: nn.Module, file: Mapping[str, Member], expected: Mapping[str, Member], metadata: object
) -> Rehearsal:
    """Ask the model's own `load_state_dict` about the file's keys and shapes."""
    if any(member.shape is None for member in (*file.values(), *expected.values())):
        return Rehearsal(None, None, None)  # extra state would be set for real, lazy parameters take any shape
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        return Rehearsal(None, None, None)  # its parameters cannot be put back
    try:
        items = {key: _without_data(member, expected.get(key, member)) for key, member in file.items()}
    except RuntimeError:  # a shape of more elements than torch can count: some stranger's joke
        return Rehearsal(None, None, None)
    same = {key: value for key, value in items.items() if key not in expected or _shaped(file[key], expected[key])}
    reshaped = items.keys() - same.keys()
    with _put_back(model), user_code():
        try:
            answer = model.load_state_dict(with_metadata(same, metadata), strict=False, assign=True)
        except Exception:  # the model's own loading code may raise anything at tensors without data
            return Rehearsal(None, None, None)
    missing = getattr(answer, "missing_keys", None)
    unexpected = getattr(answer, "unexpected_keys", None)
    if missing == unexpected == [] and not reshaped and type(model).load_state_dict is nn.Module.load_state_dict:
        return Rehearsal(None, frozenset(), frozenset())  # torch's own asks for no more, and takes long for many keys
    with _put_back(model), user_code():
        try:
            model.load_state_dict(with_metadata(items, metadata), strict=True, assign=True)
        except RuntimeError as error:
            says: str | None = str(error)
        except Exception:  # see above
            return Rehearsal(None, None, None)
        else:
            says = None
    if missing is None or unexpected is None:  # a load_state_dict of the user's that returns nothing
        return Rehearsal(says, None, None)
    return Rehearsal(says, frozenset(missing) - reshaped, frozenset(unexpected))


def _without_data(member: Member, model: Member) -> torch.Tensor:
    """A tensor of the file's shape; the dtype is the model's, as a load converts and no integer can be a parameter."""
    return torch.empty(member.shape or (), dtype=find_dtype(model.dtype) or torch.uint8, device="meta")


def _shaped(file: Member, model: Member) -> bool:
    return file.shape == model.shape or (not model.shape and file.shape == (1,))


@contextmanager
def _put_back(model: nn.Module) -> Iterator[None]:
    """Give every module its own parameters and buffers back when the block ends."""
    before = [(module, dict(module._parameters), dict(module._buffers)) for module in model.modules()]
    try:
        yield
    finally:
        for module, parameters, buffers in before:
            module._parameters.clear()
            module._parameters.update(parameters)
            module._buffers.clear()
            module._buffers.update(buffers)

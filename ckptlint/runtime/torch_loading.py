"""torch's own loader, for what cannot be views of an arena; `weights_only` always, so that nothing pickled runs."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping

import torch

from ckptlint.checkpoint.model import Checkpoint
from ckptlint.checkpoint.read import open_checkpoint
from ckptlint.failure import Failure

# What torch's reader raises on a file that is damaged or made to harm: it checks few of the things that it relies on.
_OF_A_BAD_FILE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


class CannotLoadError(Exception):
    """torch does not load the file; the message says why. An error of the file, not of the run."""


def load_with_torch(
    checkpoint: Checkpoint, entry: str, device: torch.device, *, mapped: bool = False
) -> Mapping[str, object]:
    """The state dict of an entry as torch (or the safetensors library) reads it.

    With `mapped` the tensors of a zip stay in the file until they are touched. Raises CannotLoadError.
    """
    if checkpoint.format == "sharded":
        found: dict[str, object] = {}
        for file in checkpoint.files[1:]:
            shard = open_checkpoint(file)
            found.update(load_with_torch(shard, "", device, mapped=mapped))
        return found
    if checkpoint.format == "safetensors":
        return _load_safetensors(checkpoint.path, device)
    if checkpoint.format not in ("zip", "legacy"):
        raise CannotLoadError(f"ckptlint does not load checkpoints of the format {checkpoint.format}")
    if any(found.name == entry and found.kind == "module" for found in checkpoint.entries):
        raise CannotLoadError(
            "it holds a pickled module, which weights_only refuses: `ckptlint repair --state-dict` takes its state "
            "dict out without running it"
        )
    path = next((found.path for found in checkpoint.entries if found.name == entry), ())
    # torch maps the records of a compressed zip as if they were not, and gives junk without a word.
    plain = checkpoint.format == "zip" and all(problem.code != "deflated" for problem in checkpoint.problems)
    try:
        value = torch.load(checkpoint.path, map_location=device, weights_only=True, mmap=mapped and plain)
        for step in path:
            value = value[step]
    except torch.cuda.OutOfMemoryError as error:
        raise Failure(f"{device} has too little memory for {checkpoint.path}: {_first_line(error)}") from None
    except pickle.UnpicklingError as error:
        because = ", ".join(checkpoint.refused[:3]) or _first_line(error)
        raise CannotLoadError(f"torch.load(weights_only=True) refuses it because of {because}") from None
    except _OF_A_BAD_FILE as error:
        raise CannotLoadError(f"torch.load fails: {type(error).__name__}: {_first_line(error)}") from None
    if not isinstance(value, dict):
        raise CannotLoadError(f"the entry {entry!r} is {type(value).__name__}, not a state dict")
    return value


def _load_safetensors(path: str, device: torch.device) -> Mapping[str, object]:
    try:
        from safetensors import SafetensorError  # noqa: PLC0415 (an optional dependency)
        from safetensors.torch import load_file  # noqa: PLC0415
    except ImportError:
        raise CannotLoadError("the safetensors library is not installed: pip install safetensors") from None
    try:
        return dict(load_file(path, device=str(device)))
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise CannotLoadError(f"the safetensors library refuses it: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__

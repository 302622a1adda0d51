"""The checks that look at the numbers, on the device where they are: finite, and equal to the file's.

A tensor is finite when its extremes are: NaN and infinity both reach the largest absolute value. That is one pass
without a temporary, where `isfinite(x).all()` writes and reads a mask. Only tensors that fail are looked at again, to
count. Equality is that of bytes, so that NaN equals NaN, and the file's side is read a second time by another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch

from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Tensor
from ckptlint.checkpoint.places import elements
from ckptlint.checkpoint.source import open_source
from ckptlint.runtime.expected import find_dtype
from ckptlint.runtime.shards import local, slice_like
from ckptlint.runtime.torch_loading import CannotLoadError, load_with_torch

_CHUNK = 1 << 24  # elements that are compared or widened at once
_NARROW = frozenset({"float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"})


class NotFinite(NamedTuple):
    """Key -> how many elements are NaN, and how many are infinite."""

    nan: dict[str, int]
    infinite: dict[str, int]


def find_not_finite(tensors: Mapping[str, torch.Tensor]) -> NotFinite:
    """The tensors that hold a NaN or an infinity."""
    nan: dict[str, int] = {}
    infinite: dict[str, int] = {}
    for key in _suspects(tensors):
        for piece in _widened(_once(local(tensors[key]))):
            found = int(torch.isnan(piece).sum())
            endless = int(torch.isinf(piece).sum())
            if found:
                nan[key] = nan.get(key, 0) + found
            if endless:
                infinite[key] = infinite.get(key, 0) + endless
    return NotFinite(nan, infinite)


def _suspects(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """The keys whose largest absolute value is not finite; tied tensors are looked at once."""
    seen: dict[tuple[object, ...], list[str]] = {}
    plain: dict[torch.dtype, list[str]] = {}
    rest: list[str] = []
    for key, tensor in tensors.items():
        part = _once(local(tensor))
        if part.numel() == 0 or part.device.type == "meta" or not _has_infinity(part):
            continue
        if part.layout is not torch.strided or _name(part) in _NARROW:
            rest.append(key)
            continue
        place = (part.data_ptr(), part.dtype, part.shape, part.stride())
        if place in seen:
            seen[place].append(key)
            continue
        seen[place] = [key]
        plain.setdefault(part.dtype, []).append(key)
    same = {keys[0]: keys for keys in seen.values()}
    found: list[str] = []
    for keys in plain.values():
        parts = [_real(_once(local(tensors[key]))) for key in keys]
        found += [
            tied for key, extreme in zip(keys, _extremes(parts), strict=True) if not extreme for tied in same[key]
        ]
    return found + rest


def _once(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor; where it shows elements several times (`expand`, overlapping windows), its whole storage, once.

    A view of a few bytes can have more elements than anyone can count.
    """
    if tensor.layout is not torch.strided or tensor.device.type == "meta":
        return tensor
    there = tensor.untyped_storage().nbytes() // tensor.element_size()
    return tensor.as_strided((there,), (1,), 0) if tensor.numel() > there else tensor


def _extremes(parts: list[torch.Tensor]) -> list[bool]:
    """Whether the extremes of each tensor are finite; all of one dtype."""
    if parts[0].device.type == "cuda" and norm_sees_nan(parts[0].device, parts[0].dtype):
        norms = torch._foreach_norm(parts, ord=float("inf"))
        return [bool(finite) for finite in torch.isfinite(torch.stack(norms)).tolist()]
    # On the CPU the norm runs at half the speed of aminmax.
    pairs = [torch.aminmax(part) for part in parts]
    return [bool(torch.isfinite(pair.min) & torch.isfinite(pair.max)) for pair in pairs]


def norm_sees_nan(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the largest norm of many elements is NaN when one of them is, as it has to be and nobody promises.

    The kernel reduces pieces of 65,536 elements and then what came of them: the one NaN lies in a piece in the middle.
    """
    probe = torch.zeros(1 << 18, dtype=dtype, device=device)
    probe[100_000] = float("nan")
    return bool(torch.isnan(torch._foreach_norm([probe], ord=float("inf"))[0]))


def _name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _has_infinity(tensor: torch.Tensor) -> bool:
    """Whether the dtype has NaN or infinity at all."""
    return (tensor.is_floating_point() or tensor.is_complex()) and not _name(tensor).startswith("float4")


def _real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def _widened(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """Pieces of a tensor in a dtype that `isnan` takes."""
    if tensor.layout is not torch.strided:
        tensor = tensor.coalesce().values() if tensor.layout is torch.sparse_coo else tensor.values()
    for piece in _pieces(_real(tensor)):
        yield piece.float() if _name(piece) in _NARROW else piece


def _pieces(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The elements in order, flat, some tens of millions at a time; a view wherever the tensor is contiguous."""
    yield from tensor.reshape(-1).split(_CHUNK)


class Reference:
    """The file's own tensors, read in another way than the load: `how` says in which."""

    def __init__(self, checkpoint: Checkpoint, entry: str, tensors: Mapping[str, Tensor]) -> None:
        """`checkpoint` is one of `places.locate`, `tensors` are those of the entry by key."""
        self._tensors = tensors
        self._read: Mapping[str, object] = {}
        self.how = "the bytes in the file"
        if checkpoint.format in ("zip", "safetensors", "sharded") and not checkpoint.refused:
            try:
                self._read = load_with_torch(checkpoint, entry, torch.device("cpu"), mapped=True)
            except (CannotLoadError, MemoryError, OSError):
                return
            self.how = (
                "what the safetensors library reads" if checkpoint.format == "safetensors" else "what torch.load reads"
            )

    def get(self, key: str) -> torch.Tensor | None:
        """The tensor on the CPU; None when it cannot be read here."""
        found = self._read.get(key)
        if isinstance(found, torch.Tensor):
            return found
        tensor = self._tensors.get(key)
        dtype = None if tensor is None else find_dtype(tensor.dtype)
        if tensor is None or tensor.storage is None or dtype is None:
            return None
        try:
            with open_source(tensor.storage.file) as source:
                raw = bytearray(b"".join(elements(source, tensor)))
        except BadCheckpoint:
            return None
        if not raw:
            return torch.empty(tensor.shape, dtype=dtype)
        return torch.frombuffer(raw, dtype=dtype).reshape(tensor.shape)


def same_values(ours: torch.Tensor, theirs: torch.Tensor) -> bool | None:
    """Whether a tensor on a device holds what a tensor on the CPU holds, converted to its dtype; None: cannot be told.

    What is compared goes to the device piece by piece.
    """
    if ours.shape != theirs.shape and not (ours.dim() == 0 and theirs.shape == (1,)):
        return False
    if ours.layout is not torch.strided or theirs.layout is not torch.strided or ours.is_quantized:
        return None
    part = slice_like(theirs, ours)
    for left, right in zip(_pieces(local(ours)), _pieces(part.detach()), strict=True):
        moved = right.to(left.device).to(left.dtype)
        if not torch.equal(_bytes(left), _bytes(moved)):
            return False
    return True


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.resolve_conj().contiguous().view(torch.uint8)

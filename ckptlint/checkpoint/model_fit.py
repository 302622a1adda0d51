"""What a model expects held against what a state dict holds: which keys fit, before a byte of a tensor is read.

    file   {"module.conv.weight": float32 (8, 3, 3, 3), ...}
    model  {"conv.weight": float32 (8, 3, 3, 3), ...}
    ->     missing ("conv.weight", ...), unexpected ("module.conv.weight", ...)

A key *fits* when both sides have it with one shape. A dtype that differs is no obstacle to `load_state_dict`, which
converts; it is reported, because half precision that was saved stays half as precise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ckptlint.checkpoint.fold import fold
from ckptlint.checkpoint.model import Checkpoint
from ckptlint.checkpoint.summary import plain_name

_LINES = 20


class Member(NamedTuple):
    """What one side knows of a key. `shape` is None for what is no tensor, and for parameters of lazy modules."""

    dtype: str
    shape: tuple[int, ...] | None

    @property
    def numel(self) -> int:
        """Elements; 0 where there is no shape."""
        count = 0 if self.shape is None else 1
        for size in self.shape or ():
            count *= size
        return count

    def text(self) -> str:
        """`float32 (64, 3, 7, 7)`."""
        return self.dtype if self.shape is None else f"{self.dtype} {self.shape}"


class Fit(NamedTuple):
    """The keys by what would become of them; each tuple in the order of the side that has the key.

    `mismatched` have another shape in the model, `converted` another dtype (they are in `fitting` too).
    """

    fitting: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]
    converted: tuple[str, ...]

    @property
    def strict(self) -> bool:
        """Whether a strict load has nothing to object to."""
        return not (self.missing or self.unexpected or self.mismatched)


def members_of(checkpoint: Checkpoint, entry: str) -> dict[str, Member]:
    """The keys of one state dict (or pickled module) of a file, tensors and other values alike.

    Tensors inside a value (the packed parameters of a quantized layer are a tuple of two) are no keys of their own.
    """
    found: dict[str, Member] = {}
    deepest = next(
        (len(one.path) + 1 for one in checkpoint.entries if one.name == entry and one.kind == "state dict"), None
    )
    for tensor in checkpoint.tensors:
        if tensor.entry == entry and tensor.persistent and (deepest is None or len(tensor.path) <= deepest):
            found[tensor.key] = Member(tensor.dtype, tensor.shape)
    for value in checkpoint.values:
        if value.entry == entry:
            found[value.key] = Member(value.summary, None)
    return found


def fit(file: Mapping[str, Member], model: Mapping[str, Member]) -> Fit:
    """Compare the two sides key by key."""
    fitting: list[str] = []
    mismatched: list[str] = []
    converted: list[str] = []
    for key, member in file.items():
        other = model.get(key)
        if other is None:
            continue
        if not same_shape(member, other):
            mismatched.append(key)
            continue
        fitting.append(key)
        if member.dtype != other.dtype and member.shape is not None and other.shape is not None:
            converted.append(key)
    return Fit(
        tuple(fitting),
        tuple(key for key in model if key not in file),
        tuple(key for key in file if key not in model),
        tuple(mismatched),
        tuple(converted),
    )


def same_shape(file: Member, model: Member) -> bool:
    """Whether torch takes the one for the other; what has no shape is taken as it is."""
    if file.shape is None or model.shape is None:
        return True
    # load_state_dict unpacks the one element that torch 0.3 wrote for a scalar.
    return file.shape == model.shape or (not model.shape and file.shape == (1,))


def table(found: Fit, file: Mapping[str, Member], model: Mapping[str, Member]) -> Iterator[str]:
    """The keys that do not fit, a line a pattern: `missing  layers.{0..11}.attn.weight  float32 (768, 768)  12 x`."""
    yield from _rows("missing", {key: model[key].text() for key in found.missing})
    yield from _rows("unexpected", {key: file[key].text() for key in found.unexpected})
    shapes = {key: f"{file[key].shape} in the file, {model[key].shape} in the model" for key in found.mismatched}
    yield from _rows("mismatched", shapes)
    dtypes: dict[tuple[str, str], int] = {}
    for key in found.converted:
        pair = (file[key].dtype, model[key].dtype)
        dtypes[pair] = dtypes.get(pair, 0) + 1
    for (ours, theirs), count in dtypes.items():
        yield f"  converted   {ours} in the file, {theirs} in the model  {count:,} x"


def _rows(title: str, facts: Mapping[str, str]) -> Iterator[str]:
    folded = fold((plain_name(key), fact) for key, fact in facts.items())
    width = min(60, max((len(line.pattern) for line in folded[:_LINES]), default=0))
    for line in folded[:_LINES]:
        count = f"  {len(line.keys):,} x" if len(line.keys) > 1 else ""
        yield f"  {title:<10}  {line.pattern.ljust(width)}  {line.fact}{count}"
    if len(folded) > _LINES:
        yield f"  {title:<10}  and {len(folded) - _LINES:,} more lines (--json has them all)"

"""What a checkpoint file holds, as plain values: what reading, `inspect`, `diff`, `repair` and `verify` agree on.

A file that was saved as

    torch.save({"epoch": 3, "model": net.state_dict(), "optimizer": sgd.state_dict()}, "runs/best.pth")

is read as a `Checkpoint` with three `Entry` values (`epoch`, `model`, `optimizer`) and one `Tensor` for each tensor:

    tensor.entry       tensor.key                          tensor.path
    "model"            "conv1.weight"                      ("model", "conv1.weight")
    "optimizer"        "state.0.momentum_buffer"           ("optimizer", "state", 0, "momentum_buffer")

A bare state dict has the entry "" and its keys as they are. `path` is the way through the pickled dicts, lists and
objects; `entry` and `key` are what a user would call it. The values are named tuples, not msgspec structs: a listing
of 1,000 tensors must be on the screen in a tenth of a second, and importing msgspec alone takes a third of that.
"""

from __future__ import annotations

from typing import NamedTuple

from ckptlint.checkpoint.dtypes import byte_count
from ckptlint.checkpoint.harmless import harmless
from ckptlint.failure import Failure


class BadCheckpoint(Failure):
    """The file cannot be read as a checkpoint; the message is one sentence: what it is and what to do about it."""

    def __init__(self, message: str) -> None:
        """`message` may quote the file: what does not print is escaped."""
        super().__init__(harmless(message))


class Storage(NamedTuple):
    """A run of bytes that one or more tensors look at; tied weights and views share it.

    `key` names it inside its file (the record `data/KEY` of a zip, the tensor's own name in safetensors). `length` is
    the number of bytes that the file really has for it, None when the record is missing. `start` is the offset of its
    first byte in `file`, None where it was not looked up (see `read.locate`) or where the bytes are compressed. `crc`
    is the CRC-32 that the writer noted, None where the format has none or the writer left it out.
    """

    key: str
    file: str
    nbytes: int
    length: int | None
    start: int | None
    location: str
    crc: int | None
    member: str | None = None


class Tensor(NamedTuple):
    """One tensor at one place of a checkpoint. Sizes, strides and the offset count elements, `nbytes` counts bytes.

    `layout` is "strided", "sparse_coo", "sparse_csr" (and kin), "nested", "quantized" or "meta" (saved without data).
    `storage` is None where there is no single run of bytes: sparse, nested and meta tensors, wrapper subclasses,
    tensors that were pickled as a numpy array. `parts` are the tensors that such a tensor is made of (indices and
    values, the local shard of a DTensor). `subclass` is the qualified name of a tensor subclass. `persistent` is False
    for a buffer of a pickled module that `state_dict()` leaves out.
    """

    path: tuple[object, ...]
    entry: str
    key: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    storage: Storage | None
    device: str
    requires_grad: bool = False
    parameter: bool = False
    layout: str = "strided"
    subclass: str | None = None
    parts: tuple[Tensor, ...] = ()
    persistent: bool = True

    @property
    def numel(self) -> int:
        """The number of elements."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        """The bytes of its elements, each once (a view of one row counts that row, not the storage)."""
        if self.parts:
            return sum(part.nbytes for part in self.parts)
        return 0 if self.layout == "meta" else byte_count(self.dtype, self.numel)

    @property
    def contiguous(self) -> bool:
        """Whether its elements lie in order without gaps."""
        expected = 1
        for size, step in zip(reversed(self.shape), reversed(self.stride), strict=False):
            if size != 1 and step != expected:
                return False
            expected *= max(size, 1)
        return True


class Entry(NamedTuple):
    """One part of what was saved. `kind` is "state dict", "optimizer", "scheduler", "module", "tensor" or "value".

    `path` leads to it, `name` is that path in words ("" for a bare state dict), `summary` says what it is in a few
    words (`3`, `dict of 4`, `object of class argparse.Namespace`), `nbytes` counts its tensors, each storage once.
    `metadata` is the `_metadata` of a state dict: module path -> {"version": 2}; None where there is none.
    """

    path: tuple[object, ...]
    name: str
    kind: str
    summary: str
    tensors: int
    nbytes: int
    metadata: dict[object, object] | None = None


class Value(NamedTuple):
    """A member of a state dict that is no tensor (`_extra_state`, a number): its key counts in a strict load."""

    path: tuple[object, ...]
    entry: str
    key: str
    summary: str


class Problem(NamedTuple):
    """Something that is wrong or will go wrong. `severity` is "error" (loading fails or loads junk), "warning" or
    "note"; `code` is a stable short name (`missing-record`, `crc`, `meta-tensor`, ...) for machines."""

    severity: str
    code: str
    message: str


class Checkpoint(NamedTuple):
    """A file or folder, read without torch. `format` is "zip", "legacy", "tar", "torchscript", "safetensors",
    "sharded", "distributed" or "deepspeed".

    `files` are all the files that it consists of, `size` their bytes. `writer` says what wrote it as far as the format
    shows ("torch 2.7 or newer"). `refused` are the globals for which `torch.load(weights_only=True)` would refuse the
    file, in the order met; `classes` are the classes of pickled modules that loading it needs.
    """

    path: str
    format: str
    files: tuple[str, ...]
    size: int
    entries: tuple[Entry, ...]
    tensors: tuple[Tensor, ...]
    values: tuple[Value, ...] = ()
    writer: str = ""
    byteorder: str = "little"
    refused: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    metadata: dict[str, str] | None = None
    problems: tuple[Problem, ...] = ()

    def state_dicts(self) -> dict[str, dict[str, Tensor]]:
        """Entry name -> key -> tensor, for every entry that is a model's state dict or a pickled module."""
        found: dict[str, dict[str, Tensor]] = {
            entry.name: {} for entry in self.entries if entry.kind in ("state dict", "module")
        }
        for tensor in self.tensors:
            if tensor.entry in found and tensor.persistent:
                found[tensor.entry][tensor.key] = tensor
        return found

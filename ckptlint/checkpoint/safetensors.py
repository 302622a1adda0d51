"""The safetensors format: the length of a header, the header in JSON, the data.

    u64 length | {"__metadata__": {"format": "pt"}, "conv.weight": {"dtype": "F32", "shape": [8, 3, 3, 3],
                  "data_offsets": [0, 864]}, ...} | data

The data must be covered by the tensors without a hole or an overlap; keys are unique. Source: the README of
safetensors ("Format") and `Metadata::validate` in `safetensors/src/tensor.rs` of 0.8, which takes duplicate keys in
silence where this reader does not.
"""

from __future__ import annotations

from typing import NamedTuple

from ckptlint.checkpoint.dtypes import ITEM_BITS, SAFETENSORS_DTYPE
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Entry, Problem, Storage, Tensor
from ckptlint.checkpoint.source import Source
from ckptlint.checkpoint.summary import plain_name

_MAX_HEADER = 100_000_000
# JSON text can become twenty-five times as much memory: what is read is bounded well below the format's limit.
_MAX_READ = 16_000_000
_MAX_NESTING = 8
_MAX_DIMENSIONS = 256


class Header(NamedTuple):
    """The header of a safetensors file: name -> its object in JSON, the metadata, and where the data begins."""

    tensors: dict[str, dict[str, object]]
    metadata: dict[str, str]
    data_start: int


def read_safetensors(source: Source) -> Checkpoint:
    """List a safetensors file.

    Raises BadCheckpoint.
    """
    header = read_header(source)
    tensors = [_tensor(source, header, name, described) for name, described in header.tensors.items()]
    problems = _coverage(source, header, tensors)
    size = sum(tensor.nbytes for tensor in tensors)
    entry = Entry((), "", "state dict", f"dict of {len(tensors):,}", len(tensors), size)
    return Checkpoint(
        source.name,
        "safetensors",
        (source.name,),
        source.size,
        (entry,),
        tuple(tensors),
        writer="safetensors",
        metadata=header.metadata or None,
        problems=tuple(problems),
    )


def read_header(source: Source) -> Header:
    """Read and parse the header.

    Raises BadCheckpoint.
    """
    length = int.from_bytes(source.read(0, 8), "little")
    if length > _MAX_HEADER or length < 2:
        raise _bad(source, f"says that its header has {length:,} bytes, which the format does not allow")
    if 8 + length > source.size:
        raise _bad(
            source, f"says that its header has {length:,} bytes, but the file has {source.size:,}: it is cut off"
        )
    if length > _MAX_READ:
        raise _bad(source, f"has a header of {length:,} bytes; ckptlint reads at most {_MAX_READ:,}")
    raw = source.read(8, length)
    _check_nesting(source, raw)
    import json  # noqa: PLC0415 (a start of `inspect` that meets no JSON need not pay for it)

    try:
        parsed = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_int=_integer)
    except UnicodeDecodeError:
        raise _bad(source, "has a header that is not UTF-8") from None
    except _DuplicateKeyError as error:
        raise _bad(source, f"lists {plain_name(str(error))!r} twice") from None
    except ValueError:
        raise _bad(source, "has a header that is not JSON") from None
    if not isinstance(parsed, dict):
        raise _bad(source, "has a header that is no JSON object")
    metadata = parsed.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _bad(source, "has a __metadata__ that is no table of strings")
    for name, described in parsed.items():
        if not isinstance(described, dict):
            raise _bad(source, f"says nothing about {plain_name(name)!r}")
    return Header(parsed, metadata, 8 + length)


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return made


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError
    return int(text)


def _check_nesting(source: Source, raw: bytes) -> None:
    """JSON is parsed by recursion: refuse what nests too deep before it is."""
    import re  # noqa: PLC0415 (loaded by argparse already)

    depth = 0
    in_text = False
    for mark in re.finditer(rb'\\.|["\[\]{}]', raw, re.DOTALL):
        byte = raw[mark.start()]
        if byte == 0x22:
            in_text = not in_text
        elif not in_text and byte in b"[{":
            depth += 1
            if depth > _MAX_NESTING:
                raise _bad(source, "has a header that nests deeper than the format does")
        elif not in_text and byte in b"]}":
            depth -= 1


def _bad(source: Source, what: str) -> BadCheckpoint:
    return BadCheckpoint(f"{source.name} looks like safetensors but {what}: get the file again")


def _tensor(source: Source, header: Header, name: str, described: dict[str, object]) -> Tensor:
    dtype = SAFETENSORS_DTYPE.get(str(described.get("dtype")))
    shape = described.get("shape")
    offsets = described.get("data_offsets")
    shown = plain_name(name)
    if dtype is None:
        raise _bad(
            source, f"gives {shown!r} the dtype {plain_name(described.get('dtype'))}, which ckptlint does not know"
        )
    if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS or not all(map(_is_size, shape)):
        raise _bad(source, f"gives {shown!r} a shape that is none")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_size, offsets)) or offsets[0] > offsets[1]:
        raise _bad(source, f"gives {shown!r} a place that is none")
    stride: list[int] = []
    numel = 1
    for size in reversed(shape):
        stride.append(numel)
        numel *= size
        if numel >= 1 << 63:
            raise _bad(source, f"gives {shown!r} more elements than there can be")
    length = offsets[1] - offsets[0]
    if numel * ITEM_BITS[dtype] != 8 * length:
        raise _bad(
            source, f"gives {shown!r} {length:,} bytes where its shape and dtype need {numel * ITEM_BITS[dtype] // 8:,}"
        )
    start = header.data_start + offsets[0]
    if start + length > source.size:
        raise _bad(source, f"places {shown!r} beyond its end (it has {source.size:,} bytes): it is cut off")
    storage = Storage(name, source.name, length, length, start, "cpu", None)
    return Tensor((name,), "", name, dtype, tuple(shape), tuple(reversed(stride)), 0, storage, "cpu")


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _coverage(source: Source, header: Header, tensors: list[Tensor]) -> list[Problem]:
    """Holes and overlaps; the format forbids both."""
    end = header.data_start
    ranges = sorted((tensor.storage.start or 0, tensor.nbytes, tensor.key) for tensor in tensors if tensor.storage)
    for start, length, key in ranges:
        if start < end:
            raise _bad(source, f"lets {plain_name(key)!r} overlap another tensor")
        if start > end:
            raise _bad(source, f"has a hole of {start - end:,} bytes before {plain_name(key)!r}")
        end = start + length
    if end != source.size:
        raise _bad(source, f"has {source.size - end:,} bytes after its last tensor")
    return []

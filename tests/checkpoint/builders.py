"""Broken and hostile files, made byte by byte. Nothing here is a file that torch would write."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from typing import NamedTuple

import torch


def saved(value: object, *, zipped: bool = True) -> bytes:
    """What torch.save writes for `value`; the same bytes in every process."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue() if zipped else _with_numbered_storages(stream.getvalue())


def _with_numbered_storages(legacy: bytes) -> bytes:
    # The legacy format names a storage by its address, which is another one in every process.
    addresses = list(dict.fromkeys(re.findall(rb"X\x0e\0\0\0([1-9]\d{13})", legacy)))
    for number, address in enumerate(addresses):
        legacy = legacy.replace(address, b"9%013d" % number)
    return legacy


def plain() -> dict[str, torch.Tensor]:
    """A small state dict."""
    return {"conv.weight": torch.arange(12.0).reshape(3, 4), "conv.bias": torch.ones(3)}


class Record(NamedTuple):
    """A record of a zip, with the lies that it tells. None: the truth."""

    name: str
    data: bytes
    method: int = 0
    flags: int = 0
    crc: int | None = None
    central_name: str | None = None
    central_size: int | None = None
    header: int | None = None


def build_zip(
    records: list[Record],
    *,
    count: int | None = None,
    start: int | None = None,
    prefix: bytes = b"",
    zip64: bool = False,
) -> bytes:
    """A zip with exactly these records; `count` and `start` are what the end record claims."""
    out = bytearray(prefix)
    central = bytearray()
    for record in records:
        header = len(out) - len(prefix) if record.header is None else record.header
        packed = record.data
        if record.method == 8:
            squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = squeeze.compress(record.data) + squeeze.flush()
        crc = zlib.crc32(record.data) if record.crc is None else record.crc
        name = record.name.encode()
        size = len(record.data)
        out += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, record.flags, record.method, 0, 0, crc, len(packed), size, len(name), 0
        )
        out += name + packed
        central_name = (record.central_name or record.name).encode()
        claimed = size if record.central_size is None else record.central_size
        claimed_packed = claimed if record.method == 0 and record.central_size is not None else len(packed)
        central += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, record.flags, record.method, 0, 0, crc,
            claimed_packed, claimed, len(central_name), 0, 0, 0, 0, 0, header,
        )  # fmt: skip
        central += central_name
    at = len(out) - len(prefix) if start is None else start
    total = len(records) if count is None else count
    end64 = len(out) + len(central)
    out += central
    if zip64:
        out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, total, total, len(central), at)
        out += struct.pack("<4sLQL", b"PK\6\7", 0, end64, 1)
        out += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        return bytes(out)
    out += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, total & 0xFFFF, total & 0xFFFF, len(central), at, 0)
    return bytes(out)


def records_of(data: bytes) -> list[Record]:
    """The records of a real zip, to be put together again with a lie among them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [Record(info.filename, archive.read(info)) for info in archive.infolist()]


def of_torch_1_6(value: object) -> bytes:
    """The zip as torch 1.6 wrote it: pickle, storages, version, and none of the records that came later.

    Source: `_save` in torch/serialization.py of torch 1.6.0.
    """
    records = {record.name.partition("/")[2]: record for record in records_of(saved(value))}
    kept = ["data.pkl", *(name for name in records if name.startswith("data/")), "version"]
    return build_zip([records[name] for name in kept])


def with_pickle(pickle: bytes, **others: bytes) -> bytes:
    """A zip of torch's form around any pickle."""
    more = [Record(f"archive/{name.replace('__', '/')}", data) for name, data in others.items()]
    return build_zip([Record("archive/data.pkl", pickle), *more, Record("archive/version", b"3\n")])


# --- pickles -------------------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def ints(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(integer(value) for value in values) + b"t"


def tensor(
    *,
    key: str = "0",
    numel: int = 4,
    offset: int = 0,
    size: tuple[int, ...] = (4,),
    stride: tuple[int, ...] = (1,),
    storage: str = "FloatStorage",
) -> bytes:
    """The opcodes of one tensor as torch writes them, with numbers of one's choice."""
    reference = b"(" + text("storage") + name("torch", storage) + text(key) + text("cpu") + integer(numel) + b"tQ"
    hooks = name("collections", "OrderedDict") + b")R"
    args = reference + integer(offset) + ints(size) + ints(stride) + b"\x89" + hooks
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + args + b"tR"


def state_dict(*items: tuple[str, bytes]) -> bytes:
    """A pickled dict of these keys and opcodes."""
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in items) + b"u."


def marker_call(marker: str) -> bytes:
    """Opcodes that make a file when a real unpickler runs them."""
    return name("builtins", "open") + b"(" + text(marker) + text("w") + b"tR"


# --- safetensors ---------------------------------------------------------------------------------------------------


def safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file with any header (an object, or the raw text of one)."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def described(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}

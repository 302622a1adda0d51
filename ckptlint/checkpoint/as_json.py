"""A checkpoint as one JSON object, for machines: `ckptlint inspect --json`.

The text is made piece by piece, a line for each tensor: as one string, a file of 170,000 tensors took 800 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from ckptlint.checkpoint.model import Checkpoint, Entry, Problem, Tensor, Value
from ckptlint.checkpoint.summary import plain_name


def checkpoint_as_json(checkpoint: Checkpoint, problems: tuple[Problem, ...]) -> Iterator[str]:
    """The text of the object, in pieces; the fields are those of `model.Checkpoint` and its parts."""
    plain = {
        "path": checkpoint.path,
        "format": checkpoint.format,
        "files": checkpoint.files,
        "size": checkpoint.size,
        "writer": checkpoint.writer,
        "byteorder": checkpoint.byteorder,
        "metadata": checkpoint.metadata,
        "refused": checkpoint.refused,
        "classes": checkpoint.classes,
    }
    lists: dict[str, Iterable[dict[str, object]]] = {
        "entries": map(_entry, checkpoint.entries),
        "tensors": map(_tensor, checkpoint.tensors),
        "values": map(_value, checkpoint.values),
        "problems": (problem._asdict() for problem in problems),
    }
    before = "{\n "
    for name, value in plain.items():
        yield f'{before}"{name}": {json.dumps(value)}'
        before = ",\n "
    for name, items in lists.items():
        yield f'{before}"{name}": ['
        between = "\n  "
        for item in items:
            yield between + json.dumps(item)
            between = ",\n  "
        yield "]"
    yield "\n}\n"


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "summary": entry.summary,
        "tensors": entry.tensors,
        "bytes": entry.nbytes,
    }


def _value(value: Value) -> dict[str, object]:
    return {"entry": value.entry, "key": plain_name(value.key), "summary": value.summary}


def _tensor(tensor: Tensor) -> dict[str, object]:
    storage = tensor.storage
    return {
        "entry": tensor.entry,
        "key": tensor.key,
        "dtype": tensor.dtype,
        "shape": tensor.shape,
        "stride": tensor.stride,
        "offset": tensor.offset,
        "bytes": tensor.nbytes,
        "device": tensor.device,
        "layout": tensor.layout,
        "parameter": tensor.parameter,
        "requires_grad": tensor.requires_grad,
        "persistent": tensor.persistent,
        "subclass": tensor.subclass,
        "storage": None
        if storage is None
        else {
            "file": storage.file,
            "key": storage.key,
            "bytes": storage.nbytes,
            "start": storage.start,
            "crc": storage.crc,
        },
    }

"""A checkpoint as one JSON object, for machines: `ckptlint inspect --json`."""

from __future__ import annotations

import json

from ckptlint.checkpoint.model import Checkpoint, Problem, Tensor
from ckptlint.checkpoint.summary import plain_name


def checkpoint_as_json(checkpoint: Checkpoint, problems: tuple[Problem, ...]) -> str:
    """The text of the object; the fields are those of `model.Checkpoint` and its parts."""
    return json.dumps(
        {
            "path": checkpoint.path,
            "format": checkpoint.format,
            "files": checkpoint.files,
            "size": checkpoint.size,
            "writer": checkpoint.writer,
            "byteorder": checkpoint.byteorder,
            "metadata": checkpoint.metadata,
            "refused": checkpoint.refused,
            "classes": checkpoint.classes,
            "entries": [
                {
                    "name": entry.name,
                    "kind": entry.kind,
                    "summary": entry.summary,
                    "tensors": entry.tensors,
                    "bytes": entry.nbytes,
                }
                for entry in checkpoint.entries
            ],
            "tensors": [_tensor(tensor) for tensor in checkpoint.tensors],
            "values": [
                {"entry": value.entry, "key": plain_name(value.key), "summary": value.summary}
                for value in checkpoint.values
            ],
            "problems": [problem._asdict() for problem in problems],
        },
        indent=1,
    )


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

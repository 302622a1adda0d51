"""A checkpoint in shards: an index that says which file holds which key.

    model.safetensors.index.json: {"metadata": {"total_size": 9}, "weight_map": {"a.weight": "model-1.safetensors"}}

Held against the shards themselves: every file lies inside the folder and is there, every key is really in its file and
in no other one, the total is right.
"""

from __future__ import annotations

import json
import os

from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint, Entry, Problem, Tensor
from ckptlint.checkpoint.sniff import sniff
from ckptlint.checkpoint.source import Source, is_remote, open_source
from ckptlint.checkpoint.summary import plain_name

_MAX_INDEX = 16_000_000
_MAX_SHARDS = 2_000
_MAX_TENSORS = 500_000


def read_index(source: Source) -> Checkpoint:
    """List a sharded checkpoint by its index file.

    Raises BadCheckpoint when the file is no index, names a file outside of its folder, or a shard cannot be read.
    """
    weight_map, total = _parse(source)
    folder = source.name.rpartition("/")[0] if is_remote(source.name) else os.path.dirname(source.name)  # noqa: PTH120
    expected: dict[str, list[str]] = {}
    for key, file in weight_map.items():
        expected.setdefault(file, []).append(key)
    for file in expected:
        if (
            not file
            or "\\" in file
            or file.startswith("/")
            or ".." in file.split("/")
            or is_remote(file)
            or "\0" in file
        ):
            raise BadCheckpoint(
                f"{source.name} names the shard {plain_name(file)!r} outside of its folder: do not load it, "
                "get the index from where the shards came from"
            )
    if len(expected) > _MAX_SHARDS:
        raise BadCheckpoint(f"{source.name} names {len(expected):,} shards: no checkpoint has so many")
    return _join(source, folder, expected, total)


def _parse(source: Source) -> tuple[dict[str, str], object]:
    if source.size > _MAX_INDEX:
        raise BadCheckpoint(f"{source.name} is a JSON file of {source.size:,} bytes, not a checkpoint or its index")
    try:
        parsed = json.loads(source.read(0, source.size))
    except (ValueError, RecursionError):
        raise BadCheckpoint(
            f"{source.name} is neither a checkpoint nor a readable index of shards (it begins like JSON and is none)"
        ) from None
    weight_map = parsed.get("weight_map") if isinstance(parsed, dict) else None
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        raise BadCheckpoint(
            f"{source.name} is a JSON file without a weight_map, not a checkpoint: name the file that holds the weights"
        )
    metadata = parsed.get("metadata")
    return weight_map, metadata.get("total_size") if isinstance(metadata, dict) else None


def _join(source: Source, folder: str, expected: dict[str, list[str]], total: object) -> Checkpoint:
    from ckptlint.checkpoint.read import read_source  # noqa: PLC0415 (the shards are checkpoints themselves)

    tensors: list[Tensor] = []
    problems: list[Problem] = []
    refused: list[str] = []
    home: dict[str, str] = {}
    size = source.size
    files = [source.name]
    writer = ""
    for file, keys in expected.items():
        with open_source(f"{folder}/{file}" if folder else file) as part:
            kind = sniff(part)
            if kind not in ("safetensors", "zip", "legacy"):
                raise BadCheckpoint(f"{source.name} names {plain_name(file)} as a shard, which is no file of tensors")
            shard = read_source(part)
        if len(tensors) + len(shard.tensors) > _MAX_TENSORS:
            raise BadCheckpoint(f"{source.name} has more than {_MAX_TENSORS:,} tensors: it is not listed")
        size += shard.size
        files.append(shard.path)
        writer = shard.writer
        refused.extend(shard.refused)
        problems.extend(problem._replace(message=f"{file}: {problem.message}") for problem in shard.problems)
        present = {tensor.key: tensor for tensor in shard.tensors}
        absent = [key for key in keys if key not in present]
        if absent:
            text = f"{file} lacks {len(absent):,} keys that the index promises, for example {plain_name(absent[0])!r}"
            problems.append(Problem("error", "missing-key", text))
        wanted = set(keys)
        extra = [key for key in present if key not in wanted]
        if extra:
            text = (
                f"{file} holds {len(extra):,} keys that the index does not name, for example {plain_name(extra[0])!r}"
            )
            problems.append(Problem("warning", "unlisted-key", text))
        for key, tensor in present.items():
            if key in home:
                text = f"{plain_name(key)!r} is in {home[key]} and in {file}: which one is loaded depends on the order"
                problems.append(Problem("error", "key-in-two-shards", text))
                continue
            home[key] = file
            tensors.append(tensor)
    nbytes = sum(tensor.nbytes for tensor in tensors)
    if type(total) is int and total != nbytes:
        text = f"the index says total_size {total:,}, the tensors have {nbytes:,} bytes"
        problems.append(Problem("warning", "total-size", text))
    entry = Entry((), "", "state dict", f"dict of {len(tensors):,}", len(tensors), nbytes)
    return Checkpoint(
        source.name,
        "sharded",
        tuple(files),
        size,
        (entry,),
        tuple(tensors),
        writer=writer,
        refused=tuple(dict.fromkeys(refused)),
        problems=tuple(problems),
    )

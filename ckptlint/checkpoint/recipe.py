"""How a mend is applied to a file of this format: a command, and lines of Python.

A file of torch.save or safetensors is mended by `ckptlint repair`. Shards have no one file to repair, so the code alone
is given; a distributed folder is turned into one file first; a pickled module is never loaded, since that runs it, so
the code begins with the repaired copy.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import NamedTuple

from ckptlint.checkpoint.key_code import literal, needed_imports, python_lines, repair_flags
from ckptlint.checkpoint.key_edits import KeyEdits
from ckptlint.checkpoint.model import Checkpoint

_CONVERT = "python -m torch.distributed.checkpoint.format_utils dcp_to_torch"


class Recipe(NamedTuple):
    """`flags` of `ckptlint repair`, the whole `command` ("" where there is none), and the `code`, line by line."""

    flags: str
    command: str
    code: tuple[str, ...]


def recipe(checkpoint: Checkpoint, entry: str, edits: KeyEdits, *, strict: bool) -> Recipe:
    """How to apply the edits to one state dict of a file."""
    kinds = {found.name: found.kind for found in checkpoint.entries if found.kind in ("state dict", "module")}
    module = kinds.get(entry) == "module"
    flags = " ".join(
        part
        for part in (
            repair_flags(edits),
            f"--entry {shlex.quote(entry)}" if entry and len(kinds) > 1 else "",
            "--state-dict" if module else "",
        )
        if part
    )
    last = "model.load_state_dict(state)" if strict else "model.load_state_dict(state, strict=False)"
    source = _source(checkpoint, entry)
    mended = _beside(source, "mended")
    command = f"ckptlint repair {shlex.quote(source)} -o {shlex.quote(mended)} {flags}"
    lines: tuple[str, ...] = (*_load(checkpoint, entry, source), *python_lines(edits), last)
    if module:
        lines = (*_load(checkpoint, entry, mended), last)
    elif checkpoint.format == "distributed":
        whole = _beside(source, "whole")
        mended = _beside(source, "mended")
        command = (
            f"{_CONVERT} {shlex.quote(source)} {shlex.quote(whole)} && "
            f"ckptlint repair {shlex.quote(whole)} -o {shlex.quote(mended)} {flags}"
        )
        lines = (*_load(checkpoint, entry, whole), *python_lines(edits), last)
    elif checkpoint.format in ("sharded", "tar"):
        command = ""
    return Recipe(flags, command, (*needed_imports(lines), *lines))


def _source(checkpoint: Checkpoint, entry: str) -> str:
    """The file that holds the state dict; the folder of a distributed checkpoint."""
    if checkpoint.format == "deepspeed":
        for tensor in checkpoint.tensors:
            if tensor.entry == entry and tensor.storage is not None:
                return tensor.storage.file
    return checkpoint.path


def _beside(path: str, what: str) -> str:
    """`runs/best.pth` -> `runs/best.mended.pth`."""
    file = Path(path)
    return str(file.with_name(f"{file.stem}.{what}{file.suffix or '.pth'}"))


def _load(checkpoint: Checkpoint, entry: str, file: str) -> tuple[str, ...]:
    """The lines that read the state dict: `state = torch.load("best.pth", map_location="cpu")["model"]`."""
    if checkpoint.format == "sharded":
        files = ", ".join(literal(shard) for shard in checkpoint.files[1:])
        safe = all(shard.endswith(".safetensors") for shard in checkpoint.files[1:])
        one = "safetensors.torch.load_file(file)" if safe else 'torch.load(file, map_location="cpu")'
        return ("state = {}", f"for file in ({files},): state.update({one})")
    quoted = json.dumps(file, ensure_ascii=False)
    if checkpoint.format == "safetensors":
        return (f"state = safetensors.torch.load_file({quoted})",)
    path: tuple[object, ...] = next((found.path for found in checkpoint.entries if found.name == entry), ())
    return (f'state = torch.load({quoted}, map_location="cpu")' + "".join(f"[{literal(step)}]" for step in path),)

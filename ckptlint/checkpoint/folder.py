"""A folder that is a checkpoint: torch.distributed.checkpoint, DeepSpeed, shards with an index, one file."""

from __future__ import annotations

import os

from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint

# In this order: the index of a sharded checkpoint comes before the shards.
_ONE_FILE = ("model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "adapter_model.bin")
_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


def read_folder(path: str) -> Checkpoint:
    """List the checkpoint that a folder is.

    Raises BadCheckpoint, which names what is in the folder, when it is none.
    """
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208 (pathlib costs 10 ms)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror or error}") from None
    if ".metadata" in names:
        from ckptlint.checkpoint.distributed import read_distributed  # noqa: PLC0415

        return read_distributed(path, names)
    if "latest" in names or any(name.endswith("_model_states.pt") for name in names):
        from ckptlint.checkpoint.deepspeed import read_deepspeed  # noqa: PLC0415

        return read_deepspeed(path, names)
    from ckptlint.checkpoint.read import open_checkpoint  # noqa: PLC0415

    indexes = [name for name in names if name.endswith(".index.json")]
    single = [name for name in _ONE_FILE if name in names]
    saved = [name for name in names if name.endswith(_SUFFIXES)]
    for candidates in (indexes, single, saved):
        if len(candidates) == 1 or (candidates and candidates is not saved):
            return open_checkpoint(os.path.join(path, candidates[0]))  # noqa: PTH118
    if any(name.endswith(".distcp") for name in names):
        raise BadCheckpoint(
            f"{path} holds .distcp files but no .metadata, so the save was interrupted: use an older checkpoint"
        )
    if saved:
        raise BadCheckpoint(f"{path} is a folder with {len(saved):,} checkpoints: name one ({', '.join(saved[:5])})")
    raise BadCheckpoint(f"{path} is a folder without a checkpoint in it: name the file")

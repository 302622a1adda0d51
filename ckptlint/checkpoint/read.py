"""Open a checkpoint of any format: look at its first bytes, then hand it to the reader of that format.

    checkpoint = open_checkpoint("runs/best.pth")
    checkpoint.state_dicts()["model"]["conv1.weight"].shape

Nothing of torch is imported, no pickled code runs, no tensor data is read. Anything that cannot be read raises
`BadCheckpoint` with one sentence that says what the file is and what to do.
"""

from __future__ import annotations

from ckptlint.checkpoint.machine import collector_paused
from ckptlint.checkpoint.model import BadCheckpoint, Checkpoint
from ckptlint.checkpoint.source import Source, is_remote, open_source

__all__ = ["BadCheckpoint", "open_checkpoint"]


def open_checkpoint(path: str) -> Checkpoint:
    """Read a checkpoint file or folder, local or remote (`s3://...`, needs the extra `remote`).

    Raises BadCheckpoint.
    """
    if not is_remote(path):
        import os  # noqa: PLC0415 (already imported by Python itself)

        if os.path.isdir(path):  # noqa: PTH112 (pathlib costs 10 ms)
            from ckptlint.checkpoint.folder import read_folder  # noqa: PLC0415

            return read_folder(path)
    with collector_paused(), open_source(path) as source:
        return read_source(source)


def read_source(source: Source) -> Checkpoint:
    """Read one file that is open.

    Raises BadCheckpoint.
    """
    try:
        return _read(source)
    except BadCheckpoint as error:
        if source.name in str(error):
            raise
        raise BadCheckpoint(f"{source.name}: {error}") from None


def _read(source: Source) -> Checkpoint:
    from ckptlint.checkpoint.sniff import sniff  # noqa: PLC0415

    # Each reader is imported when a file needs it: the start of `ckptlint inspect` may take a tenth of a second.
    kind = sniff(source)
    if kind == "zip":
        from ckptlint.checkpoint.zip_file import read_zip  # noqa: PLC0415

        return read_zip(source)
    if kind == "safetensors":
        from ckptlint.checkpoint.safetensors import read_safetensors  # noqa: PLC0415

        return read_safetensors(source)
    if kind == "index":
        from ckptlint.checkpoint.sharded import read_index  # noqa: PLC0415

        return read_index(source)
    if kind == "tar":
        from ckptlint.checkpoint.legacy_tar import read_tar  # noqa: PLC0415

        return read_tar(source)
    from ckptlint.checkpoint.legacy import read_legacy  # noqa: PLC0415

    return read_legacy(source)

"""`ckptlint check --checkpoint FILE`: the real keys of a checkpoint, for the rules that judge its readers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ckptlint.discovery import real_path

if TYPE_CHECKING:
    from ckptlint.analysis.known_files import KnownFile


def known_files(paths: Sequence[str], directory: str) -> tuple[KnownFile, ...]:
    """Open the files without torch and take their entries and keys.

    Raises Failure when one is no readable checkpoint.
    """
    from ckptlint.analysis.known_files import KnownEntry, KnownFile  # noqa: PLC0415 - a plain run needs neither
    from ckptlint.checkpoint.read import open_checkpoint  # noqa: PLC0415

    found = []
    for path in paths:
        checkpoint = open_checkpoint(os.path.join(directory, path))
        keys = checkpoint.state_dicts()
        others = {name: [value.key for value in checkpoint.values if value.entry == name] for name in keys}
        entries = tuple(
            KnownEntry(
                tuple(str(step) for step in entry.path),
                (*keys[entry.name], *others[entry.name]) if entry.name in keys and entry.kind != "module" else None,
                entry.kind == "module",
            )
            for entry in checkpoint.entries
        )
        found.append(KnownFile(real_path(checkpoint.path), path, entries))
    return tuple(found)

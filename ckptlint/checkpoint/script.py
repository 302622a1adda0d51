"""Which attributes of a TorchScript class are parameters and buffers: the archive's own source says it.

    code/__torch__/net.py:   class Net(Module):
                               __parameters__ = ["weight", ]
                               __buffers__ = ["running_mean", ]

Other tensor attributes are in the file but not in `state_dict()`. The source is searched, never run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ckptlint.checkpoint.tree import Registered
from ckptlint.checkpoint.zip_directory import read_member

if TYPE_CHECKING:
    from ckptlint.checkpoint.source import Source
    from ckptlint.checkpoint.zip_file import Archive

_MAX_CODE = 4_000_000
_CLASS = re.compile(r"^class (\w+)\(\w*\):\n  __parameters__ = \[(.*?)\]\n  __buffers__ = \[(.*?)\]", re.MULTILINE)
_NAME = re.compile(r'"([^"]*)"')


def registered_names(source: Source, archive: Archive) -> Registered:
    """A function from the qualified name of a class to the names of its parameters and buffers.

    The function raises BadCheckpoint when a source file in the archive is damaged.
    """
    files: dict[str, dict[str, frozenset[str]]] = {}

    def registered(qualified: str) -> frozenset[str] | None:
        module, _, name = qualified.rpartition(".")
        if module not in files:
            member = archive.directory.members.get(f"{archive.root}code/{module.replace('.', '/')}.py")
            text = read_member(source, member, _MAX_CODE).decode("utf-8", "replace") if member is not None else ""
            files[module] = {
                match[1]: frozenset(_NAME.findall(match[2]) + _NAME.findall(match[3]))
                for match in _CLASS.finditer(text)
            }
        return files[module].get(name)

    return registered

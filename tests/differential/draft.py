"""Writing source files with names that look after their own imports.

A piece of a template says `$name` for whatever may have to be imported; the draft puts the right text there and the
import at the top of the file. For a name of torch this depends on how the project imports torch:

    $DP(model)      nn.DataParallel(model)    with  import torch.nn as nn
                    DP(model)                 with  from torch.nn import DataParallel as DP

For a name that the project defines itself it depends on where that is (`from model import Net`, `import model`, or
nothing in the same file). A line that ends in `#@word` is marked: the mark goes, its place is remembered.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from .project import Mark

_NAME = re.compile(r"\$(\w+)")
_MARK = re.compile(r"[ ]*#@([\w,]+)[ ]*$")

# How torch is imported: name in a template -> (import statement or "", text).
_PLAIN = {
    "torch": ("import torch", "torch"),
    "nn": ("import torch.nn as nn", "nn"),
    "F": ("import torch.nn.functional as F", "F"),
    "DP": ("import torch.nn as nn", "nn.DataParallel"),
    "DDP": ("import torch.nn as nn", "nn.parallel.DistributedDataParallel"),
    "dist": ("import torch.distributed as dist", "dist"),
    "AveragedModel": ("from torch.optim.swa_utils import AveragedModel", "AveragedModel"),
    "consume": (
        "from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present",
        "consume_prefix_in_state_dict_if_present",
    ),
    "get_model_state_dict": (
        "from torch.distributed.checkpoint.state_dict import get_model_state_dict",
        "get_model_state_dict",
    ),
    "copy": ("import copy", "copy"),
    "os": ("import os", "os"),
    "argparse": ("import argparse", "argparse"),
    "Path": ("from pathlib import Path", "Path"),
    "partial": ("from functools import partial", "partial"),
    "glob": ("import glob", "glob"),
    "re": ("import re", "re"),
    "shutil": ("import shutil", "shutil"),
    "SimpleNamespace": ("from types import SimpleNamespace", "SimpleNamespace"),
    "StateDictOptions": (
        "from torch.distributed.checkpoint.state_dict import StateDictOptions",
        "StateDictOptions",
    ),
    "OrderedDict": ("from collections import OrderedDict", "OrderedDict"),
    "ApexDDP": ("from apex.parallel import DistributedDataParallel as ApexDDP", "ApexDDP"),
    "ShardedDDP": (
        "from fairscale.nn.data_parallel import ShardedDataParallel as ShardedDDP",
        "ShardedDDP",
    ),
    "Accelerator": ("from accelerate import Accelerator", "Accelerator"),
    "Fabric": ("from lightning.fabric import Fabric", "Fabric"),
    "LightningModule": ("import pytorch_lightning as pl", "pl.LightningModule"),
}
_STYLES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "plain": _PLAIN,
    "th": {
        **_PLAIN,
        "torch": ("import torch as th", "th"),
        "nn": ("import torch as th", "th.nn"),
        "DP": ("import torch as th", "th.nn.DataParallel"),
        "DDP": ("import torch as th", "th.nn.parallel.DistributedDataParallel"),
        "dist": ("import torch as th", "th.distributed"),
    },
    "aliases": {
        **_PLAIN,
        "nn": ("from torch import nn", "nn"),
        "DP": ("from torch.nn import DataParallel as DP", "DP"),
        "DDP": ("from torch.nn.parallel import DistributedDataParallel as DDP", "DDP"),
        "copy": ("from copy import deepcopy", "deepcopy"),
    },
    "deep": {
        **_PLAIN,
        "nn": ("from torch import nn", "nn"),
        "DP": ("from torch.nn.parallel import DataParallel", "DataParallel"),
        "DDP": ("from torch.nn import parallel", "parallel.DistributedDataParallel"),
    },
}


class Draft:
    """Files under construction. `roles` says which file each part of the program lives in."""

    def __init__(
        self, roles: Mapping[str, str], torch_style: str, import_style: str, exported: frozenset[str] = frozenset()
    ) -> None:
        self._roles = roles
        self._vocabulary = dict(_STYLES[torch_style])
        self._import_style = import_style
        self._imports: dict[str, dict[str, None]] = {}
        self._blocks: dict[str, list[str]] = {}
        self._home: dict[str, str] = {}
        self._exported = exported

    def file_of(self, role: str) -> str:
        return self._roles[role]

    def define(self, role: str, name: str, source: str) -> None:
        """Put a class, function or constant at the top level of the role's file, once."""
        if name in self._home:
            return
        self._home[name] = self._roles[role]
        self.block(role, source)

    def home_of(self, name: str) -> str | None:
        """The file that defines this name, if the project has it."""
        return self._home.get(name)

    def block(self, role: str, source: str) -> None:
        path = self._roles[role]
        self._imports.setdefault(path, {})
        self._blocks.setdefault(path, []).append(self.text(role, textwrap.dedent(source).strip("\n")))

    def text(self, role: str, template: str) -> str:
        return _NAME.sub(lambda match: self._resolve(self._roles[role], match.group(1)), template)

    def _resolve(self, path: str, name: str) -> str:
        imports = self._imports.setdefault(path, {})
        if name in self._home:
            home = self._home[name]
            if home == path:
                return name
            if name in self._exported and not path.startswith("net/"):
                home = "net/__init__.py"
            module = home.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
            if path.startswith("net/") and home.startswith("net/"):
                module = "." + home.removeprefix("net/").removesuffix(".py")
                imports[f"from {module} import {name}"] = None
                return name
            if self._import_style == "module":
                imports[f"import {module}"] = None
                return f"{module}.{name}"
            if self._import_style == "module_as":
                short = f"{module.split('.')[-1]}_lib"
                imports[f"import {module} as {short}"] = None
                return f"{short}.{name}"
            if self._import_style == "star":
                imports[f"from {module} import *"] = None
                return name
            if self._import_style == "renamed":
                imports[f"from {module} import {name} as {name}_"] = None
                return f"{name}_"
            imports[f"from {module} import {name}"] = None
            return name
        statement, text = self._vocabulary[name]
        imports[statement] = None
        return text

    def alias(self, role: str, name: str, other: str) -> None:
        """In the role's file, `name` of the project is called `other`, by its import where it comes from elsewhere."""
        path = self._roles[role]
        home = self._home[name]
        if home == path:
            self.block(role, f"{other} = {name}")
            return
        module = home.removesuffix(".py").replace("/", ".")
        self._imports.setdefault(path, {})[f"from {module} import {name} as {other}"] = None

    def deepcopy(self, role: str, expression: str) -> str:
        """`copy.deepcopy(x)` or `deepcopy(x)`, as the project imports it."""
        name = self.text(role, "$copy")
        return f"{name}({expression})" if name == "deepcopy" else f"{name}.deepcopy({expression})"

    def finished(
        self, last: Mapping[str, str], extra: Mapping[str, str]
    ) -> tuple[tuple[tuple[str, str], ...], tuple[Mark, ...]]:
        """All files with imports on top and `last` blocks at the end, and the marks of their lines."""
        files: list[tuple[str, str]] = []
        marks: list[Mark] = []
        for path in sorted({*self._blocks, *extra}):
            imports = sorted(self._imports.get(path, {}), key=lambda line: (line.startswith("from"), line))
            parts = ["\n".join(imports), *self._blocks.get(path, ())]
            parts = [part for part in [*parts, extra.get(path, ""), last.get(path, "")] if part]
            lines = []
            for row, line in enumerate("\n\n\n".join(parts).split("\n"), 1):
                found = _MARK.search(line)
                if found:
                    marks.extend(Mark(path, row, word) for word in found.group(1).split(","))
                lines.append((line[: found.start()] if found else line).rstrip())
            files.append((path, "\n".join(lines) + "\n"))
        return tuple(files), tuple(marks)


def indented(lines: list[str], by: int = 4) -> str:
    return textwrap.indent("\n".join(lines), " " * by)


def function(signature: str, body: list[str], depth: int = 0) -> str:
    """A function's source; `depth` 1 for a method."""
    return textwrap.indent(f"def {signature}:\n{indented(body)}", "    " * depth)

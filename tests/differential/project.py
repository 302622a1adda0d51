"""A generated project as a value: its files, its scripts, the settings each script can run in, and marked lines.

A *flag* is something outside the code that decides a branch: a command line option, the number of GPUs, WORLD_SIZE.
A *setting* is one way to set a script's flags. A training machine and a test machine may differ, so every setting of
the writer meets every setting of the reader; flags that describe the model itself (`--balanced`) are one for both.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import msgspec


class Setting(msgspec.Struct, frozen=True):
    """How a script is started."""

    argv: tuple[str, ...] = ()
    gpus: int = 0
    world: int = 1

    def __add__(self, other: Setting) -> Setting:
        return Setting(self.argv + other.argv, max(self.gpus, other.gpus), max(self.world, other.world))


class Script(msgspec.Struct, frozen=True):
    """A file that is started with `argv`, under each setting of its flags."""

    path: str
    argv: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


class Mark(msgspec.Struct, frozen=True, order=True):
    """A line with a name: `load`, `register`, `slice`... rows count from 1."""

    path: str
    row: int
    name: str


class Project(msgspec.Struct, frozen=True):
    """`reader` is None where one process does both. Paths are relative, with forward slashes."""

    files: tuple[tuple[str, str], ...]
    writer: Script
    reader: Script | None
    marks: tuple[Mark, ...]
    constructs: tuple[str, ...]
    model_flags: tuple[str, ...] = ()

    def marked(self, *names: str) -> set[tuple[str, int]]:
        """The (path, row) of every line with one of these names."""
        return {(mark.path, mark.row) for mark in self.marks if mark.name in names}


FLAGS: Mapping[str, tuple[Setting, Setting]] = {
    "parallel": (Setting(), Setting(("--parallel",))),
    "gpus": (Setting(gpus=1), Setting(gpus=2)),
    "gpu_list": (Setting(("--gpu", "0")), Setting(("--gpu", "0,1"))),
    "distributed": (Setting(world=1), Setting(world=2)),
    "local_rank": (Setting(), Setting(("--local_rank", "0"))),
    "cpu": (Setting(("--cpu",)), Setting()),
    "available": (Setting(gpus=0), Setting(gpus=1)),
    "balanced": (Setting(), Setting(("--balanced",))),
}


def settings_of(flags: tuple[str, ...]) -> tuple[Setting, ...]:
    """Every way to set these flags; one empty setting where there are none."""
    ways = itertools.product(*(FLAGS[flag] for flag in dict.fromkeys(flags)))
    return tuple(sum(sides, Setting()) for sides in ways)

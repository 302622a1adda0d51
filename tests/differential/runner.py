"""All settings of a project, run: every writer, then every reader on every writer's files."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .project import Project, Setting, settings_of
from .records import Evidence, Run
from .sandbox import Program, Sandbox


class Written(msgspec.Struct, frozen=True):
    """A writer's run and the folder with its files. `model` is the setting of the flags that describe the model."""

    run: Run
    model: Setting
    directory: str


@contextmanager
def workplace() -> Iterator[str]:
    """A folder for checkpoint files, in memory where the machine has such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield directory


def write_all(sandbox: Sandbox, project: Project, program: Program, base: str) -> list[Written]:
    """Run the writer in each of its settings, each in a new folder below `base`."""
    written = []
    ways = itertools.product(settings_of(project.model_flags), settings_of(project.writer.flags))
    for number, (model, setting) in enumerate(ways):
        directory = Path(base) / f"w{number}"
        directory.mkdir(parents=True)
        outcome = sandbox.run(program, project.writer, model + setting, str(directory))
        written.append(Written(Run(model + setting, None, outcome), model, str(directory)))
    return written


def read_all(sandbox: Sandbox, project: Project, program: Program, written: list[Written]) -> list[Run]:
    """Run the reader in each of its settings on each writer's files, where the writer came to its end."""
    if project.reader is None:
        return []
    runs = []
    for one in written:
        if one.run.outcome.failure is not None:
            continue
        for number, setting in enumerate(settings_of(project.reader.flags)):
            directory = one.directory
            if project.reader.path == project.writer.path:  # it may go on and save again
                directory = shutil.copytree(one.directory, f"{one.directory}r{number}")
            outcome = sandbox.run(program, project.reader, one.model + setting, directory)
            runs.append(Run(one.run.writing, one.model + setting, outcome))
    return runs


def evidence_of(sandbox: Sandbox, project: Project) -> Evidence:
    """What torch says about a project."""
    program = Program(project.files)
    with workplace() as base:
        written = write_all(sandbox, project, program, base)
        return Evidence(tuple(one.run for one in written), tuple(read_all(sandbox, project, program, written)))

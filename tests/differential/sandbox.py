"""Running a generated script in this process, as if it had been started alone.

The files live in memory: an importer gives them out, compiled once per project. The machine is what the setting says:
`torch.cuda.device_count()` and `is_available()` answer so to the project (torch's own code gets the truth), WORLD_SIZE
and sys.argv are set, the working directory is the one given. One gloo process group of size 1 serves every DDP.
torch.compile wraps as always but never compiles: the `force_eager` stance runs the original code.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import msgspec
import torch
import torch.distributed as dist

from .project import Script, Setting
from .recorder import Recorder
from .records import Failure, Outcome
from .shims import stand_ins

ROOT = "<project>/"


class Program:
    """The files of a project, compiled on first use."""

    def __init__(self, files: tuple[tuple[str, str], ...]) -> None:
        self.files = dict(files)
        self._code: dict[str, CodeType] = {}

    def code(self, path: str) -> CodeType:
        if path not in self._code:
            self._code[path] = compile(self.files[path], ROOT + path, "exec")
        return self._code[path]

    def path_of(self, module: str) -> str | None:
        stem = module.replace(".", "/")
        return next((path for path in (f"{stem}.py", f"{stem}/__init__.py") if path in self.files), None)

    def modules(self) -> list[str]:
        return [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in self.files]


class _Importer(MetaPathFinder, Loader):
    def __init__(self, program: Program) -> None:
        self._program = program

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        found = self._program.path_of(fullname)
        if found is None:
            return None
        return ModuleSpec(fullname, self, origin=ROOT + found, is_package=found.endswith("__init__.py"))

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        path = self._program.path_of(module.__name__)
        assert path is not None
        exec(self._program.code(path), module.__dict__)


class Sandbox:
    """A warm place to run scripts in; make one per process."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        torch.compiler.set_stance("force_eager")
        if not dist.is_initialized():
            dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        self._stand_ins = stand_ins()
        self._runs = 0

    def close(self) -> None:
        """Give the process back to others as it was."""
        dist.destroy_process_group()
        torch.compiler.set_stance("default")

    def run(self, program: Program, script: Script, setting: Setting, directory: str) -> Outcome:
        """The script's outcome. Raises nothing that the script raises."""
        self._runs += 1
        torch.default_generator.manual_seed(self._runs)  # torch.manual_seed walks every kind of device
        main = ModuleType("__main__")
        main.__file__ = ROOT + script.path
        argv = [script.path, *script.argv, *setting.argv]
        failure = None
        with _machine(program, setting, argv, directory, self._stand_ins), Recorder(ROOT) as recorder:
            try:
                exec(program.code(script.path), main.__dict__)
            except (Exception, SystemExit) as error:
                kind = "other"
                if any(error is one for one in recorder.load_errors):
                    kind = "load" if isinstance(error, RuntimeError) else "other"
                elif isinstance(error, AttributeError):
                    kind = "attribute"
                failure = Failure(kind, f"{type(error).__name__}: {error}", recorder.site_of(error.__traceback__))
                error.__traceback__ = None
            main.__dict__.clear()
            return msgspec.structs.replace(recorder.outcome(), failure=failure)


@contextlib.contextmanager
def _machine(
    program: Program, setting: Setting, argv: list[str], directory: str, extra: Mapping[str, ModuleType]
) -> Iterator[None]:
    """The process as the script shall see it; everything is put back afterwards."""
    importer = _Importer(program)
    hidden = {name: sys.modules.pop(name, None) for name in [*program.modules(), *extra]}
    old = (sys.argv, str(Path.cwd()), os.environ.get("WORLD_SIZE"), sys.stdout)
    patched: list[tuple[Any, str, Any]] = [
        (torch.cuda, "device_count", _seen_by_project(torch.cuda.device_count, setting.gpus)),
        (torch.cuda, "is_available", _seen_by_project(torch.cuda.is_available, setting.gpus > 0)),
        (dist, "init_process_group", lambda *args, **kwargs: None),
        (torch.hub, "load_state_dict_from_url", lambda *args, **kwargs: {"fc.weight": torch.ones(2)}),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in patched]
    sys.modules.update(extra)
    sys.meta_path.insert(0, importer)
    for owner, name, value in patched:
        setattr(owner, name, value)
    sys.argv, sys.stdout = argv, io.StringIO()
    os.chdir(directory)
    os.environ["WORLD_SIZE"] = str(setting.world)
    try:
        yield
    finally:
        sys.argv, sys.stdout = old[0], old[3]
        os.chdir(old[1])
        os.environ.pop("WORLD_SIZE")
        if old[2] is not None:
            os.environ["WORLD_SIZE"] = old[2]
        for owner, name, value in before:
            setattr(owner, name, value)
        sys.meta_path.remove(importer)
        for name, module in hidden.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _seen_by_project(real: Any, answer: Any) -> Any:
    def ask() -> Any:
        return answer if sys._getframe(1).f_code.co_filename.startswith(ROOT) else real()

    return ask

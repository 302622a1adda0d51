"""Files of the project as Python modules: run when they are first needed.

The skeleton of a file is run once, in a scope of its own, whatever was going on: its writes are not part of any branch.
Blocks under `if __name__ == "__main__":` are kept aside for the run of the file as a script.
"""

from __future__ import annotations

from ckptlint.analysis import statements
from ckptlint.analysis.guards import ALWAYS
from ckptlint.analysis.machine import Frame, Machine, OutOfStepsError
from ckptlint.analysis.values import Const, External, Opaque, Package, PythonModule, Value
from ckptlint.facts import ir
from ckptlint.source import UnreadableSource


def module_scope(machine: Machine, file: str) -> int:
    """The scope of a file's globals."""
    scope = machine.module_scopes.get(file)
    if scope is None:
        scope = machine.module_scopes[file] = machine.memory.new_owner()
    return scope


def global_name(machine: Machine, file: str, name: str) -> Value | None:
    """A global of a file, running the file when that has not happened."""
    return _star(machine, file, name, set())


def _star(machine: Machine, file: str, name: str, seen: set[str]) -> Value | None:
    if file in seen:
        return None
    seen.add(file)
    scope = module_scope(machine, file)
    if machine.module_state.get(file) is None:
        run_module(machine, file)
    value = machine.memory.read(scope, name)
    if value is not None:
        return value
    for star in machine.star_imports.get(file, ()):
        value = _star(machine, star, name, seen)
        if value is not None:
            return value
    return None


def run_module(machine: Machine, file: str) -> None:
    """Run the skeleton of a file."""
    machine.module_state[file] = "running"
    scope = module_scope(machine, file)
    try:
        skeleton = machine.store.skeleton(file)
    except UnreadableSource:
        machine.module_state[file] = "unreadable"
        return
    guard, frames, tries, running = machine.guard, machine.frames, machine.tries, machine.running
    calls, trail = machine.calls, machine.memory.trail
    machine.guard, machine.tries, machine.running, machine.calls = ALWAYS, [], [], []
    machine.memory.trail = []
    machine.frames = [Frame(scope, file, 0, ())]
    machine.memory.write(scope, "__name__", Const("imported"))
    try:
        statements.run_block(machine, skeleton.body)
    except OutOfStepsError:
        machine.steps = 0
    finally:
        machine.guard, machine.frames, machine.tries, machine.running = guard, frames, tries, running
        machine.calls, machine.memory.trail = calls, trail
    machine.module_state[file] = "done"


def import_module(machine: Machine, importer: str, dotted: str) -> Value:
    """The value of `import dotted`: a file, a folder, or something from outside."""
    base = machine.modules.absolute(importer, dotted)
    if base is None:
        return External(dotted)
    return _module_at(machine, base, dotted)


def _module_at(machine: Machine, base: str, dotted: str) -> Value:
    file = machine.modules.file_of(base)
    if file is not None:
        return PythonModule(file)
    if machine.modules.is_folder(base):
        return Package(base)
    return External(dotted)


def run_import(machine: Machine, node: ir.Import) -> None:
    """`import a.b as c`."""
    importer = machine.frames[-1].file
    for alias in node.names:
        if alias.asname is not None:
            _bind(machine, alias.asname, import_module(machine, importer, alias.name))
        else:
            top = alias.name.partition(".")[0]
            _bind(machine, top, import_module(machine, importer, top))


def run_import_from(machine: Machine, node: ir.ImportFrom) -> None:
    """`from a.b import c as d`, `from . import e`, `from f import *`."""
    importer = machine.frames[-1].file
    if node.level:
        base = machine.modules.relative(importer, node.level, node.module)
        origin = External("." * node.level + node.module) if base is None else _module_at(machine, base, node.module)
    else:
        origin = import_module(machine, importer, node.module)
    for alias in node.names:
        if alias.name == "*":
            if isinstance(origin, PythonModule):
                machine.star_imports.setdefault(importer, []).insert(0, origin.file)
            continue
        _bind(machine, alias.asname or alias.name, member(machine, origin, alias.name))


def member(machine: Machine, origin: Value, name: str) -> Value:
    """`name` of an imported module: a global of it, a module below it, or something from outside."""
    if isinstance(origin, PythonModule):
        value = global_name(machine, origin.file, name)
        if value is not None:
            return value
        if origin.file.endswith("__init__.py"):
            below = _below(machine, origin.file[: -len("/__init__.py")] if "/" in origin.file else "", name)
            if below is not None:
                return below
        return Opaque(f"{origin.file}:{name}")
    if isinstance(origin, Package):
        return _below(machine, origin.folder, name) or Opaque(f"{origin.folder}/{name}")
    if isinstance(origin, External):
        return External(f"{origin.name}.{name}")
    return Opaque(name)


def _below(machine: Machine, folder: str, name: str) -> Value | None:
    base = f"{folder}/{name}" if folder else name
    file = machine.modules.file_of(base)
    if file is not None:
        return PythonModule(file)
    return Package(base) if machine.modules.is_folder(base) else None


def _bind(machine: Machine, name: str, value: Value) -> None:
    machine.memory.write(machine.frames[-1].scope, name, value)

"""Files of the project as Python modules: run when something of them is first needed.

The skeleton of a file is run once, in a scope of its own, whatever was going on: its writes are not part of any branch.
Blocks under `if __name__ == "__main__":` are kept aside for the run of the file as a script.

    from .resnet import ResNet        nothing is run: the name stands for `Imported("models/resnet.py", "ResNet")`
    net = ResNet(18)                  now models/resnet.py is run, and the name is the class

Python would run the file at the import, and what it does then can be seen elsewhere: classes enter themselves in a
registry. So when a container that a file fills at its import is asked for something that is not in it (`fill`), the
imported files that may fill it are run first.
"""

from __future__ import annotations

from ckptlint.analysis import statements
from ckptlint.analysis.guards import ALWAYS
from ckptlint.analysis.machine import Frame, Machine
from ckptlint.analysis.objects import ObjectInfo
from ckptlint.analysis.steps import OutOfStepsError
from ckptlint.analysis.values import Choice, Const, External, Imported, Opaque, Package, PythonModule, Value, choose
from ckptlint.facts import ir
from ckptlint.source import UnreadableSource

_MOST_FILLING = 60
"""A registry that more files than this enter themselves in holds too much to be followed anyway."""


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
        return settled(machine, scope, name, value)
    for star in machine.star_imports.get(file, ()):
        value = _star(machine, star, name, seen)
        if value is not None:
            return value
    return None


def settled(machine: Machine, scope: int, name: str, value: Value) -> Value:
    """What a name stands for, once it is needed; the cell is given the answer, whatever branch is being run."""
    cells = machine.memory.cells
    if type(value) is Imported:
        del cells[(scope, name)]  # `from . import x` in an __init__.py asks for a name of its own
        found = _settle(machine, value)
    elif type(value) is Choice and any(type(plain) is Imported for _, plain in value.alternatives):
        del cells[(scope, name)]
        cases = [
            (guard, _settle(machine, plain) if isinstance(plain, Imported) else plain)
            for guard, plain in value.alternatives
        ]
        found = choose(cases, name)
    else:
        return value
    cells[(scope, name)] = found
    return found


def _settle(machine: Machine, value: Imported) -> Value:
    return member(machine, PythonModule(value.file), value.name)


def run_module(machine: Machine, file: str) -> None:
    """Run the skeleton of a file."""
    machine.module_state[file] = "running"
    machine.deferred.pop(file, None)
    scope = module_scope(machine, file)
    try:
        skeleton = machine.store.skeleton(file)
    except UnreadableSource:
        machine.module_state[file] = "unreadable"
        return
    guard, frames, tries, running = machine.guard, machine.frames, machine.tries, machine.running
    calls, trail, importing = machine.calls, machine.memory.trail, machine.importing
    building = machine.steps.pause_building()
    machine.guard, machine.tries, machine.running, machine.calls = ALWAYS, [], [], []
    machine.memory.trail, machine.importing = [], file
    machine.frames = [Frame(scope, file, 0, ())]
    machine.memory.write(scope, "__name__", Const("imported"))
    try:
        statements.run_block(machine, skeleton.body)
    except OutOfStepsError:
        machine.steps.give_up()
    finally:
        machine.guard, machine.frames, machine.tries, machine.running = guard, frames, tries, running
        machine.calls, machine.memory.trail, machine.importing = calls, trail, importing
        machine.steps.resume_building(building)
    machine.module_state[file] = "done"


def fill(machine: Machine, container: ObjectInfo) -> bool:
    """Run the imported files that may put something into a container that a file made at its import."""
    home = container.made_in
    if not home or container.fills_itself or not machine.deferred:
        return False
    if machine.filled.get(home) == len(machine.deferred):
        return False
    word = home.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2].encode()
    done = False
    for _ in range(_MOST_FILLING):
        filling = [file for file in machine.deferred if machine.candidates.registers(file, word)]
        if not filling or len(filling) > _MOST_FILLING:
            break
        for file in filling:
            if machine.module_state.get(file) is None:
                run_module(machine, file)
        done = True
    machine.filled[home] = len(machine.deferred)
    return done


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
        value = import_module(machine, importer, alias.name)
        _defer(machine, value)
        if alias.asname is not None:
            _bind(machine, alias.asname, value)
        else:
            top = alias.name.partition(".")[0]
            _bind(machine, top, import_module(machine, importer, top))


def run_import_from(machine: Machine, node: ir.ImportFrom) -> None:
    """`from a.b import c as d`, `from . import e`, `from f import *`."""
    frame = machine.frames[-1]
    importer = frame.file
    if node.level:
        base = machine.modules.relative(importer, node.level, node.module)
        origin = External("." * node.level + node.module) if base is None else _module_at(machine, base, node.module)
    else:
        origin = import_module(machine, importer, node.module)
    _defer(machine, origin)
    for alias in node.names:
        if alias.name == "*":
            if isinstance(origin, PythonModule):
                machine.star_imports.setdefault(importer, []).insert(0, origin.file)
            continue
        in_class_body = frame.owner is not None and frame.function is None
        if isinstance(origin, PythonModule) and not in_class_body:
            _bind(machine, alias.asname or alias.name, Imported(origin.file, alias.name))
        else:
            _bind(machine, alias.asname or alias.name, member(machine, origin, alias.name))


def _defer(machine: Machine, origin: Value) -> None:
    """The file, and the packages that it lies in, would be run now."""
    file = origin.file if isinstance(origin, PythonModule) else ""
    while file and file not in machine.deferred:
        if machine.module_state.get(file) is None:
            machine.deferred[file] = None
        folder = file.removesuffix("/__init__.py") if file.endswith("/__init__.py") else file
        folder = folder.rpartition("/")[0]
        file = machine.modules.file_of(folder) or "" if folder else ""


def member(machine: Machine, origin: Value, name: str) -> Value:
    """`name` of an imported module: a global of it, a module below it, or something from outside."""
    if isinstance(origin, PythonModule):
        value = global_name(machine, origin.file, name)
        if value is not None:
            return value
        if origin.file.endswith("__init__.py"):
            below = _below(machine, origin.file[: -len("/__init__.py")] if "/" in origin.file else "", name)
            if below is not None:
                _defer(machine, below)
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

"""From where a project is run.

First every script: a file with `if __name__ == "__main__":`, or with calls at module level. Then what no script
reached but could matter by itself: functions that hold a marker (`state_dict`, `DataParallel`, ...). Such a function
is not run alone when something calls it: the callers are looked up by name, and the topmost one is run, with
arguments of which nothing is known. A method that nobody calls is run on an object made by its class, and after the
other methods that prepare the object (`setup`, `build`, ...), as a framework would.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ckptlint.analysis import classes, functions, generic, imports, own_names, shapes, statements
from ckptlint.analysis.events import SavedPart, SaveEvent
from ckptlint.analysis.guards import ALWAYS
from ckptlint.analysis.machine import Frame, Machine
from ckptlint.analysis.steps import FOR_A_CALLER, FOR_A_RUN, FOR_A_SCRIPT, FOR_A_TEST, OutOfStepsError
from ckptlint.analysis.values import Bound, ClassValue, Const, Function, Opaque, Partial, Ref, Site, Value
from ckptlint.facts import ir
from ckptlint.facts.units import UnitHeader

_PREPARES = re.compile(r"^(?:setup|build|_?init|configure|prepare|create|make|on_.*_start|_build|_setup)")
_COMMON_NAMES = frozenset(("forward", "main", "train", "save", "load"))
_HIGHEST_CLIMB = 4
_MOST_CALLERS = 3
_MOST_SCRIPTS = 400


def run_all(machine: Machine) -> None:
    """Run the scripts, then what they left out; tests after everything else."""
    candidates = machine.candidates
    files = sorted(machine.store.files, key=lambda file: (is_test(file), file))
    marked = [file for file in files if candidates.may_hold_units(file)]
    if not marked:
        return
    own_names.expected(machine, marked)
    units = [(file, unit) for file in marked for unit in candidates.units(file).values()]
    owners = {unit.owner.rpartition(".")[2] for _, unit in units if unit.owner}
    names = frozenset(name.encode() for name in {unit.name for _, unit in units} | owners if name != "__init__")
    scripts = [file for file in files if candidates.is_script(file, names)]
    for file in scripts[:_MOST_SCRIPTS]:
        _run(machine, file, partial(_run_script, machine, file), FOR_A_SCRIPT)
    alone: set[tuple[str, int]] = set()
    for file, unit in units:
        if (file, unit.index) not in machine.executed:
            for top in _climb(machine, file, unit, 0, set()):
                if top not in machine.executed:
                    alone.add(top)
                    _run(machine, top[0], partial(_run_unit, machine, *top))
            if (file, unit.index) not in machine.executed:
                alone.add((file, unit.index))
                _run(machine, file, partial(_run_unit, machine, file, unit.index))
    for file, unit in units:
        if unit.owner and not is_test(file) and not unit.name.startswith("__"):
            _run(machine, file, partial(_run_on_subclasses, machine, file, unit.index))
    for file, unit in units:
        called = (file, unit.index) in machine.executed and (file, unit.index) not in alone
        if unit.owner and not is_test(file) and called:
            _run(machine, file, partial(_run_with_other_options, machine, file, unit))
    for file in files:
        if candidates.names_framework(file) and machine.module_state.get(file) is None:
            imports.run_module(machine, file)
    for key, info in enumerate(list(machine.classes)):
        cls = ClassValue(key, info.name)
        if candidates.may_hold_loss(info.file) and classes.saved_by(machine, cls) is not None:
            _run(machine, info.file, partial(_generic, machine, cls))
    for file in files:
        for unit in {} if is_test(file) else candidates.hiding_units(file).values():
            if unit.owner and (file, unit.index) not in machine.executed:
                _run(machine, file, partial(_run_hiding, machine, file, unit))


def _run_hiding(machine: Machine, file: str, unit: UnitHeader) -> None:
    """An object of the module class that the method is of, which nobody in the project makes."""
    if machine.module_state.get(file) is None:
        imports.run_module(machine, file)
    for key, info in enumerate(list(machine.classes)):
        cls = ClassValue(key, info.name)
        if (info.file, info.name) == (file, unit.owner) and classes.is_module(machine, cls):
            _generic(machine, cls)


def is_test(file: str) -> bool:
    """Tests save and load for the sake of it, and most of what they run has been run from elsewhere."""
    return file.startswith(("tests/", "test/")) or "/tests/" in file or file.rpartition("/")[2].startswith("test_")


def _most_steps(file: str) -> int:
    """How much a run from that file may do."""
    return FOR_A_TEST if is_test(file) else FOR_A_RUN


def _run(machine: Machine, file: str, action: Callable[[], object], steps: int = FOR_A_CALLER) -> None:
    """One run: with steps of its own, and then with what it left in the hands of others.

    A project that has used up its steps is not run any further: what is left of a million lines would take minutes.
    """
    if machine.steps.left_in_all <= 0:
        return
    machine.run += 1
    machine.entry += 1
    machine.group = machine.entry
    machine.disk = machine.memory.new_owner()
    machine.escaped = []
    before = machine.memory.owners
    _spend(machine, steps, _most_steps(file), action)
    _spend(machine, steps, _most_steps(file) // 2, partial(_run_escaped, machine, before))
    machine.steps.begin(FOR_A_CALLER, FOR_A_CALLER)
    _implied_saves(machine, before)
    machine.memory.trail.clear()


def _spend(machine: Machine, at_first: int, most: int, action: Callable[[], object]) -> None:
    machine.steps.begin(at_first, most)
    _clean(machine)
    with suppress(OutOfStepsError):
        action()
    _clean(machine)
    machine.steps.end()


def _clean(machine: Machine) -> None:
    machine.guard = ALWAYS
    machine.frames = []
    machine.tries = []
    machine.handling = 0
    machine.calls = []
    machine.running = []
    machine.rounds.around = ()


def _run_script(machine: Machine, file: str) -> None:
    """The file as a script: its skeleton, then its main blocks."""
    if machine.module_state.get(file) is None:
        imports.run_module(machine, file)
    scope = imports.module_scope(machine, file)
    for block in machine.main_blocks.get(file, []):
        machine.frames = [Frame(scope, file, 0, ())]
        machine.memory.write(scope, "__name__", Const("__main__"))
        statements.run_block(machine, block.body)


def _looked_for(unit: UnitHeader) -> list[str]:
    """By which name callers are found: its own where that is telling; for other methods, who makes the object."""
    telling = len(unit.name) >= 4 and unit.name not in _COMMON_NAMES and not unit.name.startswith("__")
    if telling or not unit.owner:
        return [unit.name] if telling or unit.name in ("save", "load") else []
    return [unit.owner.rpartition(".")[2]]


def _calls_bare(machine: Machine, file: str, unit: UnitHeader, name: str) -> bool:
    """Whether a unit calls a function by that name alone: `save(model)`, and not `torch.save(model)`."""
    text = "\n".join(machine.lines(file)[unit.first_row - 1 : unit.last_row])
    return re.search(rf"(?<!def )(?<![\w.]){name}\(", text) is not None


def _climb(
    machine: Machine, file: str, unit: UnitHeader, height: int, seen: set[tuple[str, int]]
) -> list[tuple[str, int]]:
    """The topmost callers, by name, that no run has reached."""
    if height >= _HIGHEST_CLIMB or (file, unit.index) in seen:
        return [(file, unit.index)]
    seen.add((file, unit.index))
    tops: list[tuple[str, int]] = []
    for name in _looked_for(unit):
        for other_file, other in machine.callers.of(name):
            if name in _COMMON_NAMES and not _calls_bare(machine, other_file, other, name):
                continue
            own = (other_file, other.index) == (file, unit.index)
            if not own and (other_file, other.index) not in machine.executed:
                tops += _climb(machine, other_file, other, height + 1, seen)
        if len(tops) >= _MOST_CALLERS:
            break
    return tops[:_MOST_CALLERS] or [(file, unit.index)]


def _run_unit(machine: Machine, file: str, unit: int) -> None:
    """A function with unknown arguments; a method on objects of its class and of the classes below it."""
    if machine.module_state.get(file) is None:
        imports.run_module(machine, file)
    header = machine.store.headers(file)[unit]
    key = next(
        (i for i, info in enumerate(machine.functions) if (info.file, info.unit) == (file, unit) and _whole(info.node)),
        None,
    )
    if key is None:
        return
    function = Function(key, header.name)
    info = machine.functions[key]
    site = Site(file, 0, 0)
    if info.owner is None:
        _call_unknown(machine, function, (), site)
        return
    if info.kind in ("static", "class"):
        receiver: tuple[Value, ...] = (ClassValue(info.owner, machine.classes[info.owner].name),)
        _call_unknown(machine, function, receiver if info.kind == "class" else (), site)
        return
    for cls in generic.concrete(machine, info.owner):
        made = _generic(machine, cls)
        if made is None or ((file, unit) in machine.executed and header.name == "__init__"):
            continue
        current = classes.attribute(machine, cls, header.name)
        _call_unknown(machine, current if isinstance(current, Function) else function, (made,), site)


def _whole(node: ir.FunctionDef | ir.Lambda | None) -> bool:
    return node is None or (isinstance(node, ir.FunctionDef) and node.id == 0) or isinstance(node, ir.FunctionDef)


def _generic(machine: Machine, cls: ClassValue) -> Ref | None:
    """An object of a class that nobody makes in the project: `__init__`, then what prepares it.

    What `__init__` has called itself is not called again: `self.build_model()` a second time would undo the wrap that
    followed the first one.
    """
    if cls.key in machine.generic:
        return machine.generic[cls.key]
    earlier, machine.executed_on = machine.executed_on, set()
    try:
        made = generic.make(machine, cls)
    finally:
        machine.notes.called_by_init |= machine.executed_on
        machine.executed_on |= earlier
    if made is None:
        return None
    site = Site(machine.classes[cls.key].file, 0, 0)
    for one in reversed(classes.resolution_order(machine, cls)):
        if not isinstance(one, ClassValue):
            continue
        for statement in machine.class_info(one).node.body:
            if isinstance(statement, ir.FunctionStub) and _PREPARES.match(statement.name):
                method = classes.attribute(machine, cls, statement.name)
                if not isinstance(method, Function) or _called_by_init(machine, cls, method):
                    continue
                if _is_marked(machine, method) or _has_run(machine, method):
                    _call_unknown(machine, method, (made,), site)
    return made


def _called_by_init(machine: Machine, cls: ClassValue, method: Function) -> bool:
    """Whether the making of a generic object of the class has run that method."""
    info = machine.functions[method.key]
    return (info.file, info.unit, cls.key) in machine.notes.called_by_init


def _run_on_subclasses(machine: Machine, file: str, unit: int) -> None:
    """A marked method that has run, but not on objects of all classes below its own, whatever they are made with."""
    key = next((i for i, info in enumerate(machine.functions) if (info.file, info.unit) == (file, unit)), None)
    info = machine.functions[key] if key is not None else None
    if info is None or info.owner is None or info.kind != "plain":
        return
    for cls in generic.concrete(machine, info.owner):
        # Where it has run, a script gave the arguments; what a loss is given by others is still to be seen.
        if (file, unit, cls.key) not in machine.executed_on or generic.makes_a_loss(machine, cls):
            method = classes.attribute(machine, cls, info.name)
            made = _generic(machine, cls) if isinstance(method, Function) and method.key == key else None
            if made is not None and isinstance(method, Function) and not _called_by_init(machine, cls, method):
                _call_unknown(machine, method, (made,), Site(file, 0, 0))


def _run_with_other_options(machine: Machine, file: str, unit: UnitHeader) -> None:
    """A method that has run without coming to the state dicts in it: an option was off wherever the object was made.

    Whoever uses the class may put it on, so the method is run on an object of which nothing is known.
    """
    lines = machine.lines(file)[unit.first_row - 1 : unit.last_row]
    if not any("state_dict(" in line for line in lines):
        return
    events = machine.events
    reached = {event.site for event in events.state_dicts} | {event.site for event in events.applies}
    if not any((site.file, site.unit) == (file, unit.index) for site in reached):
        _run_unit(machine, file, unit.index)


def _is_marked(machine: Machine, function: Function) -> bool:
    info = machine.functions[function.key]
    if not info.unit or (info.file, info.unit) in machine.executed:
        return False
    return machine.candidates.is_marked(info.file, info.unit)


def _has_run(machine: Machine, method: Function) -> bool:
    """Whether it has run, on another object: what it does belongs to the making of this one too."""
    info = machine.functions[method.key]
    return (info.file, info.unit) in machine.executed


def _called_inside(machine: Machine, method: Function) -> bool:
    """Whether the file calls the method by `self.name(`: then it is no hook for others, and runs with its caller."""
    info = machine.functions[method.key]
    return any(f"self.{method.name}(" in line for line in machine.lines(info.file))


def _call_unknown(machine: Machine, function: Function, receiver: tuple[Value, ...], site: Site) -> None:
    """Call with arguments of which only the names are known, whatever their defaults."""
    code = functions.code_of(machine, machine.functions[function.key])
    if code is None:
        return
    names = [one.name for one in code.params if one.kind in ("positional", "normal")][len(receiver) :]
    keywords: dict[str, Value] = {one.name: Opaque(one.name) for one in code.params if one.kind == "keyword"}
    machine.entry += 1
    run_group, made = machine.group, receiver[0] if receiver else None
    if isinstance(made, Ref):
        machine.group = machine.info(made).group
    machine.frames = [Frame(machine.memory.new_owner(), site.file, 0, ())]
    unknown = [Opaque(generic.option(name)) for name in names]
    try:
        functions.call_function(machine, function, (*receiver, *unknown), keywords, site)
    finally:
        machine.group = run_group


def _run_escaped(machine: Machine, before: int) -> None:
    """Functions that were handed to the unknown, and marked methods of the objects that this run has made."""
    site = Site("", 0, 0)
    for value in machine.escaped[:40]:
        inner = value
        receiver: tuple[Value, ...] = ()
        while isinstance(inner, (Bound, Partial)):
            receiver = (inner.receiver, *receiver) if isinstance(inner, Bound) else (*inner.positional, *receiver)
            inner = inner.function
        if isinstance(inner, Function):
            info = machine.functions[inner.key]
            if (info.file, info.unit) not in machine.executed or info.node is not None:
                _clean(machine)
                _call_unknown(machine, inner, receiver, Site(info.file, 0, 0))
    for owner in range(before + 1, machine.memory.owners + 1):
        made = machine.objects.get(owner)
        if made is None or made.kind not in ("instance", "module") or not isinstance(made.cls, ClassValue):
            continue
        for cls in classes.resolution_order(machine, made.cls):
            if not isinstance(cls, ClassValue):
                continue
            for statement in machine.class_info(cls).node.body:
                if isinstance(statement, ir.FunctionStub):
                    method = classes.attribute(machine, made.cls, statement.name)
                    if isinstance(method, Function) and _is_marked(machine, method):
                        if _called_inside(machine, method):
                            continue
                        _clean(machine)
                        if machine.functions[method.key].kind == "plain":
                            _call_unknown(machine, method, (Ref(owner),), site)


def _implied_saves(machine: Machine, before: int) -> None:
    """Modules that a framework saves by itself."""
    for owner in range(before + 1, machine.memory.owners + 1):
        made = machine.objects.get(owner)
        if made is None or made.kind != "module" or not isinstance(made.cls, ClassValue):
            continue
        saved = classes.saved_by(machine, made.cls)
        if saved is None or made.site is None:
            continue
        from ckptlint.analysis.values import Content

        machine.ask(Ref(owner), made.site, "1 taken")
        parts = tuple(
            SavedPart((saved.entry,), guard, content=Content(made.site, shape.prefix, shape))
            for guard, shape in shapes.of_value(machine, Ref(owner))
        )
        machine.events.saves.append(SaveEvent(made.site, Opaque(saved.by), parts, ALWAYS, machine.run, (), saved.by))

"""Run statements.

`run_block` runs a list of statements and tells whether the end of the list can be reached. An `if` whose test is not
decided runs both branches from the same state, takes the writes of each back, and writes the join (`branch`):

    if n > 1:                    then: model = wrapped      join: model = wrapped if n > 1
        model = DataParallel(m)  else: (nothing)                         bare if not n > 1

A branch that ends in `return`, `raise`, `break` or `continue` leaves the opposite of its condition behind as part of
the guard of what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ckptlint.analysis import (
    assignments,
    branches,
    classes,
    counters,
    decorators,
    entries,
    expressions,
    failures,
    imports,
    live,
    loops,
    matches,
    picks,
    rank_tests,
    refuted,
    results,
    rounds,
    switches,
    tries,
)
from ckptlint.analysis.guards import both
from ckptlint.analysis.machine import Machine, TryBlock
from ckptlint.analysis.objects import FunctionInfo
from ckptlint.analysis.scopes import bind, new_function, unbind
from ckptlint.analysis.truth import Cases, truth
from ckptlint.analysis.values import (
    NONE,
    Const,
    External,
    Function,
    Opaque,
    Ref,
    Value,
    alternatives,
)
from ckptlint.facts import ir


def run_block(machine: Machine, block: Sequence[ir.Stmt]) -> bool:
    """Run statements; whether what comes after them can be reached."""
    frame = machine.frames[-1]
    ruled_out = frame.ruled_out
    reached = True
    for statement in block:
        machine.steps.tick()
        if not _DISPATCH[type(statement)](machine, statement) or machine.has_failed:
            reached = False
            break
    frame.ruled_out = ruled_out
    return reached


def _expression(machine: Machine, node: ir.ExprStmt) -> bool:
    value = expressions.evaluate(machine, node.value)
    results.note_dropped(machine, value, node.value)
    return not _exits(node.value)


def _exits(node: ir.Expr) -> bool:
    """`sys.exit()`, `exit()`, `os._exit()`."""
    if not isinstance(node, ir.Call):
        return False
    func = node.func
    if isinstance(func, ir.Name):
        return func.name in ("exit", "quit")
    return (
        isinstance(func, ir.Attribute)
        and isinstance(func.value, ir.Name)
        and (func.value.name, func.name) in (("sys", "exit"), ("os", "_exit"))
    )


def _assign(machine: Machine, node: ir.Assign) -> bool:
    if node.value is None:
        return True
    value = expressions.evaluate(machine, node.value)
    results.note_kept(machine, value, node)
    for target in node.targets:
        assignments.assign(machine, target, switches.value_of(machine, target, value))
    live.note_kept(machine, node, value)
    return True


def _aug_assign(machine: Machine, node: ir.AugAssign) -> bool:
    before = expressions.evaluate(machine, node.target)
    picks.note_number(machine)
    value = expressions.evaluate(machine, node.value)
    if node.op == "|" and isinstance(before, Ref) and machine.info(before).kind == "dict":
        entries.merge_into(machine, before, value)
        return True
    if isinstance(before, Ref) and machine.info(before).kind == "list":
        loops.extend(machine, before, value if node.op == "+" else NONE)
        return True
    from ckptlint.analysis import arithmetic
    from ckptlint.analysis.spreading import spread

    result = spread(
        machine,
        before,
        lambda one: spread(machine, value, lambda other: arithmetic.binary(machine, node.op, one, other)),
    )
    assignments.assign(machine, node.target, _counted(machine, node, result))
    return True


def _counted(machine: Machine, node: ir.AugAssign, value: Value) -> Value:
    """A number that is counted up or down in a loop is another one in each round: `wait += 1` reaches any patience."""
    name = getattr(node.target, "name", "")
    if machine.rounds.around and name and isinstance(value, Const) and isinstance(value.value, (int, float)):
        return Opaque(name)
    return value


def _return(machine: Machine, node: ir.Return) -> bool:
    value = NONE if node.value is None else expressions.evaluate(machine, node.value)
    if machine.rounds.table:
        live.note_return(machine, value, node)
    if not machine.has_failed:
        machine.frames[-1].returned.append((machine.guard, value))
    return False


def _raise(machine: Machine, node: ir.Raise) -> bool:
    picks.note_told(machine)
    if node.exception is not None:
        expressions.evaluate(machine, node.exception)
    if machine.tries:
        machine.tries[-1].raised.append(machine.guard)
    return False


def _assert(machine: Machine, node: ir.Assert) -> bool:
    yes, no = truth(machine, expressions.evaluate(machine, node.test))
    picks.note_asserted(machine, no)
    if len(yes) == 1 and yes[0]:
        machine.guard = both(machine.guard, yes[0]) or machine.guard
    return True


def _delete(machine: Machine, node: ir.Delete) -> bool:
    for target in node.targets:
        if isinstance(target, ir.Name):
            unbind(machine, target.name)
        elif isinstance(target, ir.Subscript):
            owner = expressions.evaluate(machine, target.value)
            index = expressions.evaluate(machine, target.index)
            entries.remove_item(machine, owner, index)
    return True


def _scope(machine: Machine, node: ir.Scope) -> bool:
    frame = machine.frames[-1]
    if node.kind == "global":
        frame.globals_here |= frozenset(node.names)
    else:
        frame.nonlocals_here |= frozenset(node.names)
    return True


def _jump(machine: Machine, node: ir.Jump) -> bool:
    if node.kind == "break":
        machine.frames[-1].broken.append(machine.guard)
    return node.kind == "pass"


def _if(machine: Machine, node: ir.If) -> bool:
    if machine.frames[-1].unit == 0 and _is_main_test(node.test):
        machine.main_blocks.setdefault(machine.frames[-1].file, []).append(node)
        return True
    yes, no = truth(machine, expressions.evaluate(machine, node.test))
    asked = failures.tested_path(node.test)
    if asked is not None:
        present, absent = (yes, node.orelse) if asked[1] else (no, node.body)
        failures.note_missing(machine, expressions.evaluate(machine, asked[0]), present, absent)
    if yes and no:
        return _both_branches(machine, node, yes, no)
    with rank_tests.decided(machine, node.test, holds=bool(yes)):
        return branches.branch(
            machine,
            [(yes, lambda: run_block(machine, node.body)), (no, lambda: run_block(machine, node.orelse))],
        )


def _both_branches(machine: Machine, node: ir.If, yes: Cases, no: Cases) -> bool:
    test = node.test
    yes, no = rank_tests.noted(machine, machine.site(test), yes, no)
    reached: dict[bool, bool] = {}

    def run(block: Sequence[ir.Stmt], cases: Cases, *, holds: bool) -> bool:
        action = partial(refuted.run, machine, test, block, cases, holds=holds)
        reached[holds] = picks.run_branch(machine, test, cases, action)
        return reached[holds]

    alive = branches.branch(
        machine,
        [(yes, partial(run, node.body, yes, holds=True)), (no, partial(run, node.orelse, no, holds=False))],
    )
    if alive and len(set(reached.values())) > 1:
        refuted.go_on(machine, test, yes if reached[True] else no, holds=reached[True])
    return alive


def _is_main_test(test: ir.Expr) -> bool:
    return (
        isinstance(test, ir.Compare)
        and isinstance(test.left, ir.Name)
        and test.left.name == "__name__"
        and test.ops == ("==",)
    )


def _while(machine: Machine, node: ir.While) -> bool:
    """A loop runs once, with its effects; one that asks about a module runs until that module changes no more.

    `while hasattr(model, "module"): model = model.module` takes off every wrapper that there is.
    """
    with live.loop(machine):
        _run_while(machine, node)
    return run_block(machine, node.orelse) if node.orelse else True


def _run_while(machine: Machine, node: ir.While) -> None:
    before = machine.guard
    for _ in range(loops.MOST_UNROLLED):
        asked = _modules_asked(machine, node.test)
        yes, no = truth(machine, expressions.evaluate(machine, node.test))
        if not yes:
            break
        if not asked:
            counters.enter(machine, node.body)
            run_block(machine, node.body)
            machine.guard = before
            break
        branches.branch(machine, [(yes, lambda: run_block(machine, node.body) or True), (no, lambda: True)])
        machine.guard = before
        if _modules_asked(machine, node.test) == asked:
            break


def _modules_asked(machine: Machine, test: ir.Expr) -> list[Value]:
    """The modules that `hasattr(model, ...)`, `isinstance(model, ...)`, or several of those, ask about."""
    if isinstance(test, ir.BoolOp):
        return _modules_asked(machine, test.left) + _modules_asked(machine, test.right)
    if not isinstance(test, ir.Call) or not isinstance(test.func, ir.Name) or not test.args:
        return []
    if test.func.name not in ("hasattr", "isinstance"):
        return []
    value = expressions.evaluate(machine, test.args[0].value)
    held = [plain for _, plain in alternatives(value)]
    return [value] if any(isinstance(plain, Ref) and machine.info(plain).kind == "module" for plain in held) else []


def _for(machine: Machine, node: ir.For) -> bool:
    iterable = expressions.evaluate(machine, node.iter)
    before = machine.guard

    def once(item: Value) -> None:
        assignments.assign(machine, node.target, item)
        run_block(machine, node.body)
        machine.guard = before

    with live.loop(machine):
        reached = rounds.run(machine, node, iterable)
        if reached is None:
            counters.enter(machine, node.body)
            loops.each(machine, iterable, once)
    return run_block(machine, node.orelse) if reached is None and node.orelse else reached is not False


def _with(machine: Machine, node: ir.With) -> bool:
    expected = False
    for item in node.items:
        value = expressions.evaluate(machine, item.value)
        expected = expected or tries.expects_failure(item.value)
        if item.target is not None:
            assignments.assign(machine, item.target, value)
    if not expected:
        return run_block(machine, node.body)
    machine.tries.append(TryBlock(frozenset(("*",))))
    run_block(machine, node.body)
    machine.tries.pop()
    return True


def _import(machine: Machine, node: ir.Import) -> bool:
    imports.run_import(machine, node)
    return True


def _import_from(machine: Machine, node: ir.ImportFrom) -> bool:
    imports.run_import_from(machine, node)
    return True


def _stub(machine: Machine, node: ir.FunctionStub) -> bool:
    frame = machine.frames[-1]
    parents = () if frame.owner is not None or not frame.parents else frame.parents
    header = machine.store.headers(frame.file)[node.unit]
    kind = decorators.kind_of(machine, frame.file, node.unit) if frame.owner is not None else "plain"
    decorated = machine.lines(frame.file)[header.first_row - 1].lstrip().startswith("@")
    info = FunctionInfo(header.name, None, frame.file, node.unit, parents, frame.owner, kind, decorated)
    machine.functions.append(info)
    bind(machine, node.name, Function(len(machine.functions) - 1, node.name))
    return True


def _function(machine: Machine, node: ir.FunctionDef) -> bool:
    frame = machine.frames[-1]
    function = new_function(machine, node.name, node, "plain")
    if frame.owner is not None:
        info = machine.functions[function.key]
        info.owner = frame.owner if frame.function is None else None
    made = [expressions.evaluate(machine, decorator) for decorator in node.decorators]
    if frame.owner is not None:
        for value in made:
            if isinstance(value, External):
                info.kind = decorators.KINDS.get("@" + value.name.removeprefix("builtins."), info.kind)
    bind(machine, node.name, decorators.applied(machine, made, function, machine.site(node)))
    return True


def _class(machine: Machine, node: ir.ClassDef) -> bool:
    made = classes.define(machine, node)
    around = machine.class_info(made).decorators
    bind(machine, node.name, decorators.applied(machine, around, made, machine.site(node)))
    return True


_DISPATCH: dict[type, Callable[[Machine, Any], bool]] = {
    ir.ExprStmt: _expression,
    ir.Assign: _assign,
    ir.AugAssign: _aug_assign,
    ir.Return: _return,
    ir.Raise: _raise,
    ir.Assert: _assert,
    ir.Delete: _delete,
    ir.Scope: _scope,
    ir.Jump: _jump,
    ir.If: _if,
    ir.While: _while,
    ir.For: _for,
    ir.With: _with,
    ir.Try: tries.run_try,
    ir.Match: matches.run_match,
    ir.Import: _import,
    ir.ImportFrom: _import_from,
    ir.FunctionStub: _stub,
    ir.FunctionDef: _function,
    ir.ClassDef: _class,
}

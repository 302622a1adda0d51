"""`try` statements: what the handlers are run for.

A handler is run under the condition that the body is known to fail under, where it is known:

    try:                                   model: wrapped if P, bare if not P
        sd = model.module.state_dict()     raises if not P
    except AttributeError:
        sd = model.state_dict()            run under not P: bare

Where nothing in the body can raise what a handler takes, the handler is dead; where the body always raises, the rest of
the body is.
"""

from __future__ import annotations

from ckptlint.analysis import asked_keys, branches, failures, statements
from ckptlint.analysis.guards import ALWAYS, Guard, Literal, both, covering, negation
from ckptlint.analysis.machine import Machine, TryBlock
from ckptlint.analysis.memory import Cell
from ckptlint.analysis.scopes import bind
from ckptlint.analysis.truth import Cases
from ckptlint.analysis.values import Opaque, Value
from ckptlint.facts import ir


def run_try(machine: Machine, node: ir.Try) -> bool:
    """Run a `try` with its handlers; whether its end can be reached."""
    saves = len(machine.events.saves)
    alive = _run(machine, node)
    if any(isinstance(statement, ir.Raise) for statement in node.final):
        # whatever happens, all ends here: what was written is for whoever reads the error
        del machine.events.saves[saves:]
    return alive


def _run(machine: Machine, node: ir.Try) -> bool:
    if not node.handlers:
        alive = statements.run_block(machine, node.body)
        after = machine.guard
        return statements.run_block(machine, node.final) and alive if node.final else _restore(machine, after, alive)
    block = TryBlock(frozenset(name for handler in node.handlers for name in _caught(handler.exception)))
    before = machine.guard
    newest = machine.memory.owners
    mark = machine.memory.mark()
    machine.tries.append(block)
    events = machine.events
    loads, files, copies = len(events.applies), len(events.loads), len(events.copies)
    alive = statements.run_block(machine, node.body)
    machine.tries.pop()
    failures.note_failed(machine, node, loads, files, copies)
    attempts = tuple(event.site for event in machine.events.applies[loads:] if event.handled)
    failed_before = machine.failed
    if block.failed:
        machine.guard = before
        return _handled(machine, node)
    # Handlers of what does not happen: a `.module` that is not missing, keys that a forgiving load does not mind.
    dead = (block.sure and block.catches <= _NO_ATTRIBUTE) or (block.forgiving and block.catches <= _NO_KEYS)
    handlers: tuple[ir.Handler, ...] = () if dead and not block.raised else node.handlers
    raised = _raised_guard(machine, node, block) if handlers else ALWAYS
    calm: Guard = negation([raised])[0] if len(raised) == 1 else ALWAYS
    if alive and node.orelse:
        alive = statements.run_block(machine, node.orelse)
    end = machine.guard
    body_written = machine.memory.rollback(mark)
    outcomes: list[tuple[Cases, dict[Cell, Value | None]]] = [((calm,), body_written)]
    any_alive = alive
    ends: list[Guard | None] = [end if alive else None]
    for handler in handlers:
        machine.guard = both(before, raised) or before
        handler_mark = machine.memory.mark()
        for (owner, name), value in body_written.items():
            # The body may have stopped anywhere: a handler sees what was there before where there was something.
            if value is not None and machine.memory.read(owner, name) is None:
                machine.memory.write(owner, name, value)
        if handler.name is not None:
            bind(machine, handler.name, Opaque("exception"))
        machine.failed = attempts
        machine.handling += 1
        handler_alive = statements.run_block(machine, handler.body)
        machine.handling -= 1
        machine.failed = failed_before
        any_alive = any_alive or handler_alive
        ends.append(machine.guard if handler_alive else None)
        outcomes.append(((raised,), machine.memory.rollback(handler_mark)))
    branches.join(machine, outcomes, newest)
    going = [end_guard for end_guard in ends if end_guard is not None]
    machine.guard = going[0] if len(going) == 1 and alive else before
    if node.final:
        return statements.run_block(machine, node.final) and any_alive
    return any_alive


def _handled(machine: Machine, node: ir.Try) -> bool:
    """Go on in the handler of a missing attribute, from where the body was left."""
    handler = next(one for one in node.handlers if _takes(one, "AttributeError"))
    if handler.name is not None:
        bind(machine, handler.name, Opaque("exception"))
    machine.handling += 1
    alive = statements.run_block(machine, handler.body)
    machine.handling -= 1
    return statements.run_block(machine, node.final) and alive if node.final else alive


def _takes(handler: ir.Handler, exception: str) -> bool:
    return TryBlock(frozenset(_caught(handler.exception))).catches_any(exception)


#: What a handler for a missing attribute catches.
_NO_ATTRIBUTE = frozenset(("AttributeError", "ModuleAttributeError"))

#: What a handler for keys that do not fit catches.
_NO_KEYS = frozenset(("RuntimeError", "KeyError"))


def _restore(machine: Machine, guard: Guard, alive: bool) -> bool:
    machine.guard = guard
    return alive


def _caught(exception: ir.Expr | None) -> list[str]:
    if exception is None:
        return ["*"]
    if isinstance(exception, ir.Name):
        return [exception.name]
    if isinstance(exception, ir.Attribute):
        return [exception.name]
    if isinstance(exception, ir.Collection):
        return [name for item in exception.items for name in _caught(item)]
    return ["*"]


def _raised_guard(machine: Machine, node: ir.Try, block: TryBlock) -> Guard:
    """When the handlers run: under the one condition that is known to raise, else under one of its own."""
    known = list(dict.fromkeys(block.raised))
    if len(known) == 1 and known[0] and len(known[0] - machine.guard) == 1:
        return known[0] - machine.guard
    together = covering(known) - machine.guard if len(known) > 1 else ALWAYS
    if len(together) == 1 and next(iter(together)).parts:
        return together
    frame = machine.frames[-1]
    what = asked_keys.handed_on(machine, node.body)
    return frozenset((Literal(f"exception at {frame.file}:{frame.unit}:{node.id}{what}", "truthy"),))


def expects_failure(node: ir.Expr) -> bool:
    """`with pytest.raises(RuntimeError):`, `with self.assertRaises(...):`, `with suppress(...):`."""
    if not isinstance(node, ir.Call):
        return False
    name = node.func.name if isinstance(node.func, (ir.Name, ir.Attribute)) else ""
    return name in ("raises", "assertRaises", "assertRaisesRegex", "suppress")

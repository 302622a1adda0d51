"""Objects that a test has just ruled out, where the path condition cannot say so.

    if isinstance(model, OptimizedModule):      model: wrapped under five conditions, bare under five others
        model = model._orig_mod                 here it is not the bare one

    if isinstance(devices, list):               a list in some cases, a device in others
        model.module.decoder                    what else these cases say is not known here: `vague`

    if isinstance(model, DDP):
        return model.module.state_dict()
    return model.state_dict()                   and here it is not a wrapped one

A path condition is one conjunction, so a test that holds in many cases leaves no condition behind. Inside its body, and
behind it where its body ends in `return`, the values for which it fails are kept apart instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ckptlint.analysis.guards import Guard, covering
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.truth import cases_of
from ckptlint.analysis.values import Opaque, Ref, Value, alternatives
from ckptlint.facts import ir

_ASKING = ("isinstance", "hasattr")

Result = TypeVar("Result")


def run(machine: Machine, test: ir.Expr, block: Sequence[ir.Stmt], cases: Sequence[Guard], *, holds: bool) -> bool:
    """Run the block that a test leads to in these cases; whether what follows can be reached."""
    from ckptlint.analysis.statements import run_block

    if len(cases) < 2 or _asks(test) is None:
        return run_block(machine, block)
    vague = machine.vague
    machine.vague = vague or _is_vague(cases)
    reached = _apart(machine, test, cases, lambda: run_block(machine, block), holds=holds)
    machine.vague = vague
    return reached


def branch(
    machine: Machine, test: ir.Expr, cases: Sequence[Guard], evaluate: Callable[[], Value], *, holds: bool
) -> Value:
    """The value that a conditional expression has in these cases of its test.

    `model.module if isinstance(model, DDP) else model`: no bare one is asked for `.module`, no wrapped one is left.
    """
    if not cases or _asks(test) is None:
        return evaluate()
    return _apart(machine, test, cases, evaluate, holds=holds)


def _apart(
    machine: Machine, test: ir.Expr, cases: Sequence[Guard], action: Callable[[], Result], *, holds: bool
) -> Result:
    """Do something while the values for which the test decides otherwise are kept apart."""
    refuted, frame = machine.refuted, machine.frames[-1]
    ruled_out = frame.ruled_out
    if holds and (call := _asks(test)) is test and call is not None:
        machine.refuted = refuted | _refuted(machine, call, holds=True)
    _rule_out(machine, test, cases, holds=holds)
    result = action()
    machine.refuted, frame.ruled_out = refuted, ruled_out
    return result


def go_on(machine: Machine, test: ir.Expr, cases: Sequence[Guard], *, holds: bool) -> None:
    """The rest of a block is run for these cases of a test, since its other branch has ended."""
    if len(cases) > 1:
        _rule_out(machine, test, cases, holds=holds)


def _is_vague(cases: Sequence[Guard]) -> bool:
    return covering(cases) == frozenset.intersection(*cases)


def _rule_out(machine: Machine, test: ir.Expr, cases: Sequence[Guard], *, holds: bool) -> None:
    """The name that is asked about does not mean the values for which the test decides otherwise."""
    call = _asks(test)
    if call is None or not isinstance(name := call.args[0].value, ir.Name) or not _is_vague(cases):
        return
    frame = machine.frames[-1]
    value = machine.memory.read(frame.scope, name.name)
    refuted = _refuted(machine, call, holds=holds is (_negations(test) % 2 == 0)) if value is not None else frozenset()
    if value is not None and refuted and any(one not in refuted for _, one in alternatives(value)):
        frame.ruled_out = {**frame.ruled_out, name.name: (value, refuted)}


def _asks(test: ir.Expr) -> ir.Call | None:
    """The test when it asks what an object is: `isinstance(x, ...)`, `hasattr(x, ...)`, perhaps with `not`."""
    while isinstance(test, ir.Unary) and test.op == "not":
        test = test.operand
    if not isinstance(test, ir.Call) or not isinstance(test.func, ir.Name) or len(test.args) != 2:
        return None
    return test if test.func.name in _ASKING else None


def _negations(test: ir.Expr) -> int:
    return 1 + _negations(test.operand) if isinstance(test, ir.Unary) else 0


def _refuted(machine: Machine, call: ir.Call, *, holds: bool) -> frozenset[Value]:
    """The values for which the question is never answered so."""
    from ckptlint.analysis import expressions, python

    assert isinstance(call.func, ir.Name)
    ask = python.is_instance if call.func.name == "isinstance" else python.has_attribute
    asked, wanted = (expressions.evaluate(machine, one.value) for one in call.args)
    plain = dict.fromkeys(one for _, one in alternatives(asked) if isinstance(one, (Ref, Opaque)))
    if len(plain) < 2:
        return frozenset()
    site = machine.site(call)
    answer = 0 if holds else 1
    return frozenset(one for one in plain if not cases_of(ask(machine, ((one, wanted), {}), site))[answer])

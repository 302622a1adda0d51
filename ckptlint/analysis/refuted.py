"""Objects that a test has just ruled out, where the path condition cannot say so.

    if isinstance(model, OptimizedModule):      model: wrapped under five conditions, bare under five others
        model = model._orig_mod                 here it is not the bare one

    if isinstance(devices, list):               a list in some cases, a device in others
        model.module.decoder                    what else these cases say is not known here: `vague`

A path condition is one conjunction, so a test that holds in many cases leaves no condition behind. Inside its body the
values for which it fails are kept apart instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptlint.analysis.guards import Guard, covering
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.truth import cases_of
from ckptlint.analysis.values import Opaque, Ref, Value, alternatives
from ckptlint.facts import ir

_ASKING = ("isinstance", "hasattr")


def run(machine: Machine, test: ir.Expr, block: Sequence[ir.Stmt], cases: Sequence[Guard], *, holds: bool) -> bool:
    """Run the block that a test leads to in these cases; whether what follows can be reached."""
    from ckptlint.analysis.statements import run_block

    before, vague = machine.refuted, machine.vague
    if len(cases) > 1 and _asks(test) is not None:
        machine.vague = vague or covering(cases) == frozenset.intersection(*cases)
        if holds:
            machine.refuted = before | _refuted(machine, test)
    reached = run_block(machine, block)
    machine.refuted, machine.vague = before, vague
    return reached


def _asks(test: ir.Expr) -> ir.Call | None:
    """The test when it asks what an object is: `isinstance(x, ...)`, `hasattr(x, ...)`, perhaps with `not`."""
    while isinstance(test, ir.Unary) and test.op == "not":
        test = test.operand
    known = isinstance(test, ir.Call) and isinstance(test.func, ir.Name) and len(test.args) == 2
    if known and isinstance(test, ir.Call) and isinstance(test.func, ir.Name) and test.func.name in _ASKING:
        return test
    return None


def _refuted(machine: Machine, test: ir.Expr) -> frozenset[Value]:
    """The values for which the test fails."""
    from ckptlint.analysis import expressions, python

    call = _asks(test)
    if call is None or call is not test or not isinstance(call.func, ir.Name):
        return frozenset()
    ask = python.is_instance if call.func.name == "isinstance" else python.has_attribute
    asked, wanted = (expressions.evaluate(machine, one.value) for one in call.args)
    plain = dict.fromkeys(one for _, one in alternatives(asked) if isinstance(one, (Ref, Opaque)))
    if len(plain) < 2:
        return frozenset()
    site = machine.site(call)
    return frozenset(one for one in plain if not cases_of(ask(machine, ((one, wanted), {}), site))[0])

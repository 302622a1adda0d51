"""Evaluate an expression to a value.

One small function for each kind of node, found by type. Operations on a `Choice` are done on each alternative under its
guard (`spread`), so that what comes out is again a choice under the same conditions:

    (model.module if hasattr(model, "module") else model)      model: bare if not P, wrapped if P
    ->  hasattr is True if P, False if not P
    ->  the inner module in both cases: one value, no condition left
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ckptlint.analysis import arithmetic, attributes, calls, entries, loaded, loops, picks, refuted, slips
from ckptlint.analysis.guards import Guard, both
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.scopes import bind, lookup, new_function
from ckptlint.analysis.spreading import spread, under
from ckptlint.analysis.symbols import symbol_of
from ckptlint.analysis.truth import cases_of, truth
from ckptlint.analysis.values import (
    NONE,
    Const,
    Opaque,
    Ref,
    Site,
    Text,
    TupleValue,
    Value,
    choose,
)
from ckptlint.facts import ir


def evaluate(machine: Machine, node: ir.Expr) -> Value:
    """The value of an expression in the function being run."""
    machine.steps.tick()
    return _DISPATCH[type(node)](machine, node)


def _name(machine: Machine, node: ir.Name) -> Value:
    return lookup(machine, node.name)


def _const(machine: Machine, node: ir.Const) -> Value:
    return Const(node.value)


def _attribute(machine: Machine, node: ir.Attribute) -> Value:
    owner = evaluate(machine, node.value)
    value = attributes.read(machine, owner, node.name, machine.site(node))
    if node.name == "state_dict":
        slips.note_reference(machine, value, machine.site(node))
    return value


def _call(machine: Machine, node: ir.Call) -> Value:
    return calls.evaluate_call(machine, node)


def _subscript(machine: Machine, node: ir.Subscript) -> Value:
    owner = evaluate(machine, node.value)
    if isinstance(node.index, ir.Slice):
        bounds = [evaluate(machine, part) if part is not None else NONE for part in _bounds(node.index)]
        return spread(machine, owner, lambda plain: entries.sliced(machine, plain, bounds))
    index = evaluate(machine, node.index)
    site = machine.site(node)
    return spread(machine, owner, lambda plain: _item(machine, plain, index, site))


def _item(machine: Machine, owner: Value, index: Value, site: Site) -> Value:
    if isinstance(owner, Ref):
        loaded.note_entry(machine, owner, index, site)
    return entries.item(machine, owner, index, site)


def _bounds(node: ir.Slice) -> tuple[ir.Expr | None, ir.Expr | None, ir.Expr | None]:
    return (node.lower, node.upper, node.step)


def _slice(machine: Machine, node: ir.Slice) -> Value:
    return Opaque("slice")


def _starred(machine: Machine, node: ir.Starred) -> Value:
    return evaluate(machine, node.value)


def _collection(machine: Machine, node: ir.Collection) -> Value:
    items: list[Value] = []
    known = True
    for item in node.items:
        value = evaluate(machine, item)
        if isinstance(item, ir.Starred):
            inner = loops.known_items(machine, value)
            if inner is None:
                known = False
                items.append(loops.element(machine, value))
            else:
                items.extend(inner)
        else:
            items.append(value)
    if node.kind == "tuple" and known:
        return TupleValue(tuple(items))
    return entries.new_list(machine, items, machine.site(node), known)


def _dict(machine: Machine, node: ir.Dict) -> Value:
    made = entries.new_dict(machine, machine.site(node))
    for item in node.items:
        value = evaluate(machine, item.value)
        if item.key is None:
            entries.merge_into(machine, made, value)
        else:
            entries.set_item(machine, made, evaluate(machine, item.key), value, machine.site(item))
    return made


def _bool_op(machine: Machine, node: ir.BoolOp) -> Value:
    left = evaluate(machine, node.left)
    yes, no = cases_of(left)
    go_on, stop = (yes, no) if node.op == "and" else (no, yes)
    if not go_on:
        return left
    right = under(machine, go_on, lambda: evaluate(machine, node.right))
    if not stop:
        return choose(right, "mixed")
    decided = Const(node.op == "or") if isinstance(left, (Opaque, Const)) else None
    stopped = [(guard, decided if decided is not None else _narrowed(machine, left, guard)) for guard in stop]
    return choose([*stopped, *right], symbol_of(left))


def _narrowed(machine: Machine, value: Value, guard: Guard) -> Value:
    before = machine.guard
    machine.guard = both(before, guard) or before
    narrowed = machine.narrow(value)
    machine.guard = before
    return narrowed


def _unary(machine: Machine, node: ir.Unary) -> Value:
    value = evaluate(machine, node.operand)
    if node.op == "not":
        picks.note_counted(machine, value)
        yes, no = cases_of(value)
        return choose([(guard, Const(False)) for guard in yes] + [(guard, Const(True)) for guard in no], "not")
    return spread(machine, value, lambda plain: arithmetic.unary(node.op, plain))


def _bin_op(machine: Machine, node: ir.BinOp) -> Value:
    left = evaluate(machine, node.left)
    right = evaluate(machine, node.right)
    return spread(
        machine,
        left,
        lambda one: spread(machine, right, lambda other: arithmetic.binary(machine, node.op, one, other)),
    )


def _compare(machine: Machine, node: ir.Compare) -> Value:
    values = [evaluate(machine, node.left), *(evaluate(machine, one) for one in node.comparators)]
    result: Value = Const(True)
    for op, left, right in zip(node.ops, values, values[1:], strict=False):
        one = _compared(machine, op, left, right, machine.site(node))
        yes, no = cases_of(result)
        result = choose(
            [(guard, Const(False)) for guard in no] + under(machine, yes, partial(machine.narrow, one)),
            "compare",
        )
    return result


def _compared(machine: Machine, op: str, left: Value, right: Value, site: Site) -> Value:
    result = spread(
        machine,
        left,
        lambda one: spread(machine, right, lambda other: arithmetic.compare(machine, op, one, other, site)),
    )
    return arithmetic.membership(machine, op, right, result, site) if isinstance(result, Opaque) else result


def _if_exp(machine: Machine, node: ir.IfExp) -> Value:
    yes, no = truth(machine, evaluate(machine, node.test))
    body, orelse = partial(evaluate, machine, node.body), partial(evaluate, machine, node.orelse)
    chosen = under(machine, yes, lambda: refuted.branch(machine, node.test, yes, body, holds=True))
    other = under(machine, no, lambda: refuted.branch(machine, node.test, no, orelse, holds=False))
    return choose([*chosen, *other], "mixed")


def _lambda(machine: Machine, node: ir.Lambda) -> Value:
    return new_function(machine, "<lambda>", node, "plain")


def _comprehension(machine: Machine, node: ir.Comprehension) -> Value:
    return loops.comprehension(machine, node)


def _f_string(machine: Machine, node: ir.FString) -> Value:
    whole: Value = Text(())
    for part in node.parts:
        piece = evaluate(machine, part)
        whole = _concatenated(machine, whole, piece)
    return whole


def _concatenated(machine: Machine, left: Value, right: Value) -> Value:
    return spread(machine, left, lambda one: spread(machine, right, lambda other: arithmetic.concatenate(one, other)))


def _named_expr(machine: Machine, node: ir.NamedExpr) -> Value:
    value = evaluate(machine, node.value)
    if isinstance(node.target, ir.Name):
        bind(machine, node.target.name, value)
    return value


def _await(machine: Machine, node: ir.Await) -> Value:
    return evaluate(machine, node.value)


def _yield(machine: Machine, node: ir.Yield) -> Value:
    value = NONE if node.value is None else evaluate(machine, node.value)
    machine.frames[-1].returned.append((machine.guard, value if node.delegate else TupleValue((value,))))
    return Opaque("sent")


def _opaque(machine: Machine, node: ir.Opaque) -> Value:
    for operand in node.operands:
        evaluate(machine, operand)
    return Opaque("expression")


_DISPATCH: dict[type, Callable[[Machine, Any], Value]] = {
    ir.Name: _name,
    ir.Const: _const,
    ir.Attribute: _attribute,
    ir.Call: _call,
    ir.Subscript: _subscript,
    ir.Slice: _slice,
    ir.Starred: _starred,
    ir.Collection: _collection,
    ir.Dict: _dict,
    ir.BoolOp: _bool_op,
    ir.Unary: _unary,
    ir.BinOp: _bin_op,
    ir.Compare: _compare,
    ir.IfExp: _if_exp,
    ir.Lambda: _lambda,
    ir.Comprehension: _comprehension,
    ir.FString: _f_string,
    ir.NamedExpr: _named_expr,
    ir.Await: _await,
    ir.Yield: _yield,
    ir.Opaque: _opaque,
}

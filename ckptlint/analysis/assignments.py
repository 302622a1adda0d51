"""Give targets their values: names, attributes, entries, and patterns of those.

self.model, (a, *rest) = net, values
"""

from __future__ import annotations

from ckptlint.analysis import attributes, entries, expressions, loops, training
from ckptlint.analysis.guards import Guard
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.scopes import bind
from ckptlint.analysis.symbols import shorten, symbol_of
from ckptlint.analysis.values import Choice, Const, Opaque, Ref, TupleValue, Value, choose
from ckptlint.facts import ir

#: Names under which a script keeps its options; a value given such a name is called by it.
OPTIONS = frozenset(
    ("args", "opt", "opts", "option", "options", "cfg", "config", "conf", "hparams", "hps", "flags", "FLAGS", "params",
     "argv", "cli_args", "arguments", "ARGS", "parsed_args")
)  # fmt: skip


def assign(machine: Machine, target: ir.Expr, value: Value) -> None:
    """Give a target (name, attribute, entry, or a pattern of those) its value."""
    if isinstance(target, ir.Name):
        if type(value) is Choice:
            training.chosen(machine, value, machine.site(target))
        bind(machine, target.name, _called(machine, target.name, value))
    elif isinstance(target, ir.Attribute):
        owner = expressions.evaluate(machine, target.value)
        attributes.write(machine, owner, target.name, _called(machine, target.name, value), machine.site(target))
    elif isinstance(target, ir.Subscript):
        owner = expressions.evaluate(machine, target.value)
        index = expressions.evaluate(machine, target.index)
        site = machine.site(target)
        if isinstance(owner, Choice):
            for _, plain in owner.alternatives:
                entries.set_item(machine, plain, index, value, site)
        else:
            entries.set_item(machine, owner, index, value, site)
    elif isinstance(target, ir.Collection):
        _unpack(machine, target, value)
    elif isinstance(target, ir.Starred):
        assign(machine, target.value, value)


def _called(machine: Machine, name: str, value: Value) -> Value:
    training.assigned(machine, name, value)
    if name in OPTIONS and isinstance(value, Opaque) and not value.fresh and value.symbol.endswith((")", "[0]")):
        return Opaque("args", kind=value.kind)
    return value


def _unpack(machine: Machine, target: ir.Collection, value: Value) -> None:
    count = len(target.items)
    if isinstance(value, Choice):
        for index, item in enumerate(target.items):
            cases: list[tuple[Guard, Value]] = []
            for guard, plain in value.alternatives:
                items = loops.known_items(machine, plain)
                if items is not None and len(items) == count:
                    cases.append((guard, items[index]))
                else:
                    cases.append((guard, entries.item(machine, plain, Const(index), machine.site(target))))
            assign(machine, item, choose(cases, "unpacked"))
        return
    items = loops.known_items(machine, value)
    starred = next((i for i, item in enumerate(target.items) if isinstance(item, ir.Starred)), None)
    if items is not None and starred is None and len(items) == count:
        for item, one in zip(target.items, items, strict=True):
            assign(machine, item, one)
        return
    for index, item in enumerate(target.items):
        if isinstance(item, ir.Starred):
            assign(machine, item.value, Opaque("rest"))
        elif items is not None and starred is not None and index < starred and index < len(items):
            assign(machine, item, items[index])
        elif isinstance(value, (Ref, TupleValue)):
            assign(machine, item, entries.item(machine, value, Const(index), machine.site(target)))
        else:
            fresh = isinstance(value, Opaque) and value.fresh
            assign(machine, item, Opaque(shorten(f"{symbol_of(value)}[{index}]"), fresh=fresh))

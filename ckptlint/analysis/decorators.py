"""Decorators: what the project's own ones make of a function or a class.

    def compiled(build):                       @compiled
        def wrapper(*args):                    def build_model():        build_model() is wrapper(), which calls the
            return torch.compile(build(*args))     return Net()          undecorated build_model
        return wrapper

    @register("weighted_ce")                   the registry gets the class when the file is run
    class WeightedCE(nn.Module): ...

A decorator from outside leaves the thing as it is. The text of a function at module level is read only when somebody
calls it, so its decorators are applied then; those of classes are applied where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ckptlint.analysis import calls, collectives, expressions, imports
from ckptlint.analysis.machine import Frame, Machine
from ckptlint.analysis.objects import FunctionInfo
from ckptlint.analysis.values import Bound, ClassValue, Function, Partial, Ref, Site, Value
from ckptlint.facts import ir

#: What a decorator of Python makes of a method.
KINDS = {"@staticmethod": "static", "@classmethod": "class", "@property": "property"}


def applied(machine: Machine, decorators: Iterable[Value], value: Value, site: Site) -> Value:
    """What a stack of decorators, the outermost first, makes of a value."""
    for decorator in reversed(tuple(decorators)):
        if isinstance(value, (Function, Bound, Partial)) and collectives.keeps_to_first(machine, decorator):
            value = collectives.for_first_only(value)
        if isinstance(decorator, (Function, Bound, Partial)):
            result = calls.call(machine, decorator, (value,), {}, site)
            if isinstance(result, (Function, Bound, Partial, ClassValue, Ref)):
                value = result
    return value


def of_function(machine: Machine, info: FunctionInfo, code: ir.FunctionDef) -> Value | None:
    """What stands under the name of a decorated function of a file or class; None when it is the function itself."""
    if not info.decorated:
        return None
    if info.name_means is None:
        machine.functions.append(msgspec.structs.replace(info, decorated=False))
        bare = Function(len(machine.functions) - 1, info.name)
        outer = imports.module_scope(machine, info.file)
        scope = outer if info.owner is None else machine.classes[info.owner].scope
        machine.frames.append(Frame(scope, info.file, info.unit, info.parents))
        made = [expressions.evaluate(machine, one) for one in code.decorators]
        info.name_means = bare
        info.name_means = applied(machine, made, bare, machine.site(code))
        machine.frames.pop()
        if info.name_means == bare:
            info.decorated = False
    return info.name_means if info.decorated else None


def kind_of(machine: Machine, file: str, unit: int) -> str:
    """Static, class, property or plain: read from the lines of the decorators, without parsing the unit."""
    header = machine.store.headers(file)[unit]
    lines = machine.lines(file)
    for row in range(header.first_row - 1, header.last_row):
        line = lines[row].strip()
        if not line.startswith("@"):
            break
        word = line.split("(")[0].split("#")[0].strip()
        if word in KINDS:
            return KINDS[word]
        if word.endswith(("cached_property", ".getter", "lazy_property")):
            return "property"
        if word.endswith(".setter"):
            return "setter"
    return "plain"

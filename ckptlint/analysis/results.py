"""What becomes of the answer of a load: the keys that were missing, and those that were not expected.

    model.load_state_dict(sd, strict=False)               dropped
    result = model.load_state_dict(sd, strict=False)      kept, under the name `result`
    model = model.load_state_dict(sd)                     replaced: the model is gone
    net = model.load_state_dict(sd); net.eval()           misused: it is no model
    print(model.load_state_dict(sd, strict=False))        looked at: no event

The answer is a value of its own, so it may come from a function of the project. Whether a name under which it is kept
is ever read is asked of the code, not of the run: `if verbose: print(result)` is a look, though no run may come there.
"""

from __future__ import annotations

from ckptlint.analysis.events import ResultEvent
from ckptlint.analysis.machine import Machine
from ckptlint.analysis.values import Choice, LoadResult, Opaque, Site, Value, alternatives
from ckptlint.facts import ir

MISSING = Opaque("missing_keys")
UNEXPECTED = Opaque("unexpected_keys")

#: What the answer has: it is a named tuple.
_ITS_OWN = {"missing_keys": MISSING, "unexpected_keys": UNEXPECTED}
_OF_TUPLES = frozenset(("index", "count", "_asdict", "_replace", "_fields", "_make"))


def note_dropped(machine: Machine, value: Value, node: ir.Expr) -> None:
    """A statement whose value is the answer of a load."""
    if type(value) is LoadResult or type(value) is Choice:
        for load in _loads(value):
            machine.events.results.append(ResultEvent(load.apply, "dropped", machine.site(node)))


def note_kept(machine: Machine, value: Value, node: ir.Assign) -> None:
    """An assignment of the answer to names; kept in an attribute or an entry, anybody may look at it."""
    if type(value) is not LoadResult and type(value) is not Choice:
        return
    if any(_is_receiver(target, node.value) for target in node.targets):
        for load in _loads(value):
            machine.events.results.append(ResultEvent(load.apply, "replaced", machine.site(node.targets[0])))
    names = _names(node.targets)
    if names is not None:
        for load in _loads(value):
            machine.events.results.append(ResultEvent(load.apply, "kept", machine.site(node.targets[0]), names))


def _is_receiver(target: ir.Expr, value: ir.Expr | None) -> bool:
    """`model = model.load_state_dict(...)`."""
    call = value.func if isinstance(value, ir.Call) else None
    return isinstance(call, ir.Attribute) and call.name == "load_state_dict" and _same(target, call.value)


def _same(one: ir.Expr, other: ir.Expr) -> bool:
    if isinstance(one, ir.Attribute) and isinstance(other, ir.Attribute):
        return one.name == other.name and _same(one.value, other.value)
    return isinstance(one, ir.Name) and isinstance(other, ir.Name) and one.name == other.name


def _loads(value: Value) -> list[LoadResult]:
    return [plain for _, plain in alternatives(value) if isinstance(plain, LoadResult)]


def _names(targets: tuple[ir.Expr, ...]) -> tuple[str, ...] | None:
    """The names that are bound; None when something else is."""
    found: list[str] = []
    for target in targets:
        inner = target.items if isinstance(target, ir.Collection) else (target,)
        for one in inner:
            plain = one.value if isinstance(one, ir.Starred) else one
            if not isinstance(plain, ir.Name):
                return None
            found.append(plain.name)
    return tuple(found)


def note_misuse(machine: Machine, load: LoadResult, site: Site, name: str = "") -> None:
    """Something is done with the answer that only a module can: it is called, or its attribute `name` is read."""
    machine.events.results.append(ResultEvent(load.apply, "misused", site, (name,) if name else ()))


def attribute(machine: Machine, load: LoadResult, name: str, site: Site) -> Value:
    """`result.missing_keys`; any other attribute is one of a model."""
    known = _ITS_OWN.get(name)
    if known is not None:
        return known
    if name not in _OF_TUPLES and not name.startswith("__"):
        note_misuse(machine, load, site, name)
    return Opaque(f"load result.{name}")

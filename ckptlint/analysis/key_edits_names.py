"""What the names of one unit stand for, told from the whole unit at once, in no order.

    state_dict = torch.load(path)                 state_dict: a state dict
    keys = list(state_dict)                       keys: of a state dict too
    PREFIX = "module."                            texts["PREFIX"] = "module."
    new = {}
    for k, v in state_dict.items():
        name = k[7:]                              name, k: keys of a dict (`stored`), for it is where new[name] is set
        new[name] = v
    model.load_state_dict(new)                    new: a state dict

A name that is anything of this once is taken for it everywhere in the unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from ckptlint.facts import ir

_STATE_DICT = re.compile(
    r"state_?dict|^(?:.*_)?sd$|^(?:.*_)?(?:ckpt|checkpoint)$|^(?:pretrained_?)?(?:weights|params)$|^pretrained_|param_dict"
    r"|_weights$|_params$|^model_dict$|^loaded_",
    re.IGNORECASE,
)
_LOADERS = frozenset({"load_state_dict_from_url", "load_url", "load_file", "load_checkpoint", "safe_load_file"})
_TORCH = frozenset({"torch", "th", "safetensors", "paddle", "dill", "joblib"})
_THROUGH = frozenset(
    {"list", "sorted", "tuple", "iter", "next", "enumerate", "reversed", "set", "dict", "OrderedDict", "deepcopy"}
    | {"copy", "tqdm", "zip", "cast", "items", "keys", "get", "pop", "values"}
)
_LEAVES = frozenset((str, int, float, bool, bytes, complex, type(None)))
"""Types of what is no node and holds none."""
_OF_PARAMETERS = frozenset({"named_parameters", "named_buffers", "named_modules", "named_children"})


class Names(msgspec.Struct, frozen=True):
    """The names of one unit.

    `tests` are names bound once, to an expression that may be a test; of `fronts` some beginning is asked somewhere.
    """

    texts: Mapping[str, str]
    state_dicts: frozenset[str]
    parameters: frozenset[str]
    stored: frozenset[str]
    looked_up: frozenset[str]
    tests: Mapping[str, ir.Expr]
    fronts: frozenset[str]

    def is_state_dict(self, node: ir.Expr) -> bool:
        """Whether an expression is a state dict, its keys, its items, or one of them."""
        return _is_state_dict(node, self.state_dicts)

    def is_of_parameters(self, node: ir.Expr) -> bool:
        """Whether it speaks of a live model's parameters: `model.named_parameters()`."""
        return any(
            (isinstance(one, ir.Attribute) and one.name in _OF_PARAMETERS)
            or (isinstance(one, ir.Name) and one.name in self.parameters)
            for one in inside(node)
        )


def names_of(unit: ir.Unit, texts: Mapping[str, str]) -> Names:
    """Read a unit; `texts` are the constants of the module."""
    values: dict[str, list[ir.Expr]] = {}
    known = dict(texts)
    stored: set[str] = set()
    looked_up: set[str] = set()
    loaded: set[str] = set()
    rebound: set[str] = set()
    if isinstance(unit, ir.FunctionDef):
        rebound |= {parameter.name for parameter in unit.params}
    fronts: set[str] = set()
    for node in inside(unit):
        _read(node, values, stored, looked_up, loaded)
        if isinstance(node, ir.FunctionDef | ir.Lambda):
            _defaults(node, known)
        if isinstance(node, ir.For | ir.Generator):
            rebound |= names_in(node.target)
        if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute) and node.func.name == "startswith":
            fronts |= {node.func.value.name} if isinstance(node.func.value, ir.Name) else set()
    for name, assigned in values.items():
        if len(assigned) == 1 and isinstance(assigned[0], ir.Const) and isinstance(assigned[0].value, str):
            known[name] = assigned[0].value
        elif name in known:
            del known[name]
    tests = {name: found[0] for name, found in values.items() if len(found) == 1 and name not in rebound}
    parameters = {
        name
        for name, found in values.items()
        if any(isinstance(one, ir.Attribute) and one.name in _OF_PARAMETERS for value in found for one in inside(value))
    }
    return Names(
        known,
        _closed_forward(loaded, values),
        frozenset(parameters),
        _closed_backward(stored, values),
        _closed_backward(looked_up, values),
        tests,
        frozenset(fronts),
    )


def inside(node: object) -> Iterator[ir.Node]:
    """A node and all nodes in it."""
    stack: list[object] = [node]
    while stack:
        one = stack.pop()
        if type(one) is tuple:
            stack.extend(reversed(one))
        elif isinstance(one, msgspec.Struct):
            if isinstance(one, ir.Node):
                yield one
            for field in reversed(one.__struct_fields__):
                value = getattr(one, field)
                if type(value) not in _LEAVES:
                    stack.append(value)


def names_in(node: object) -> set[str]:
    """The names that occur in it."""
    return {one.name for one in inside(node) if isinstance(one, ir.Name)}


def _read(
    node: ir.Node, values: dict[str, list[ir.Expr]], stored: set[str], looked_up: set[str], loaded: set[str]
) -> None:
    if isinstance(node, ir.Assign) and node.value is not None:
        for target in node.targets:
            for name in names_in(target) if not isinstance(target, ir.Subscript | ir.Attribute) else ():
                values.setdefault(name, []).append(node.value)
            for one in inside(target):
                if isinstance(one, ir.Subscript):
                    stored |= names_in(one.index)
    elif isinstance(node, ir.AugAssign | ir.NamedExpr) and isinstance(node.target, ir.Name):
        values.setdefault(node.target.name, []).append(node.value)
    elif isinstance(node, ir.DictItem) and node.key is not None:
        stored |= names_in(node.key)
    elif isinstance(node, ir.Comprehension):
        if node.key is not None:
            stored |= names_in(node.key)
        elif isinstance(node.element, ir.Collection) and node.element.kind == "tuple" and node.element.items:
            stored |= names_in(node.element.items[0])
    elif isinstance(node, ir.Subscript):
        looked_up |= names_in(node.index)
    elif isinstance(node, ir.Compare) and node.ops[0] in ("in", "not in"):
        looked_up |= names_in(node.left)
    elif isinstance(node, ir.Call):
        _read_call(node, stored, looked_up, loaded)


def _read_call(node: ir.Call, stored: set[str], looked_up: set[str], loaded: set[str]) -> None:
    name = called(node)
    if not node.args:
        return
    first = node.args[0].value
    if name in ("append", "setdefault") and isinstance(first, ir.Collection) and first.items:
        stored |= names_in(first.items[0])
    elif name in ("setdefault", "zip"):
        stored |= names_in(first)
    elif name in ("get", "pop"):
        looked_up |= names_in(first)
    elif name == "load_state_dict":
        loaded |= names_in(first)


def called(node: ir.Call) -> str:
    """The last part of the name of what is called."""
    return node.func.name if isinstance(node.func, ir.Name | ir.Attribute) else ""


def _defaults(node: ir.FunctionDef | ir.Lambda, known: dict[str, str]) -> None:
    for parameter in node.params:
        known.pop(parameter.name, None)
        if isinstance(parameter.default, ir.Const) and isinstance(parameter.default.value, str):
            known[parameter.name] = parameter.default.value


def _closed_backward(names: set[str], values: Mapping[str, list[ir.Expr]]) -> frozenset[str]:
    """Names whose values reach these names."""
    found = set(names)
    while True:
        more = set().union(*(names_in(value) for name in found for value in values.get(name, ()))) - found
        if not more:
            return frozenset(found)
        found |= more


def _closed_forward(loaded: set[str], values: Mapping[str, list[ir.Expr]]) -> frozenset[str]:
    """Names that are given a state dict, or are loaded as one."""
    found = set(loaded)
    for _ in range(8):
        known = frozenset(found)
        found |= {name for name, given in values.items() if any(_is_state_dict(value, known) for value in given)}
        if len(found) == len(known):
            break
    return frozenset(found)


def _is_state_dict(node: ir.Expr, known: frozenset[str]) -> bool:
    if isinstance(node, ir.Name):
        return node.name in known or _STATE_DICT.search(node.name) is not None
    if isinstance(node, ir.Attribute):
        return _STATE_DICT.search(node.name) is not None
    if isinstance(node, ir.Subscript):
        return _is_state_dict(node.value, known)
    if isinstance(node, ir.IfExp):
        return _is_state_dict(node.body, known) or _is_state_dict(node.orelse, known)
    if isinstance(node, ir.BoolOp):
        return _is_state_dict(node.left, known) or _is_state_dict(node.right, known)
    if isinstance(node, ir.NamedExpr):
        return _is_state_dict(node.value, known)
    if isinstance(node, ir.Comprehension):
        return _is_state_dict(node.generators[0].iter, known)
    return isinstance(node, ir.Call) and _gives_state_dict(node, known)


def _gives_state_dict(node: ir.Call, known: frozenset[str]) -> bool:
    name = called(node)
    if name == "state_dict" or name in _LOADERS:
        return True
    owner = node.func.value if isinstance(node.func, ir.Attribute) else None
    if name == "load" and isinstance(owner, ir.Name) and owner.name in _TORCH:
        return True
    if name not in _THROUGH:
        return False
    return (owner is not None and _is_state_dict(owner, known)) or any(
        _is_state_dict(argument.value, known) for argument in node.args[:2]
    )

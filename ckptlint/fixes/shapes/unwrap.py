"""An expression for the model inside its wrappers, which holds whether or not they are there.

    always wrapped                   model.module
    maybe DataParallel or DDP        (model.module if isinstance(model, (DataParallel, ...)) else model)
    maybe compiled                   getattr(model, "_orig_mod", model)
    compiled, maybe DDP inside       model._orig_mod, unwrapped as above
    anything else, build(config)     unwrap_model(model), a small function added to the file

Never `getattr(model, "module", model)`: the model's own class may own a child of that name.
"""

from __future__ import annotations

import ast

import msgspec

from ckptlint.findings import Edit
from ckptlint.fixes.shapes.expression import parsed, primary, repeatable
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import DATA_PARALLEL, DISTRIBUTED_DATA_PARALLEL, reference
from ckptlint.fixes.shapes.top_level import with_function


class Wrapper(msgspec.Struct, frozen=True):
    """One wrapper of a chain. `attribute` is "module" or "_orig_mod".

    `always` says that it is there on every path. `classes` are expressions in scope for the classes it may be of; empty
    means DataParallel and DistributedDataParallel, named as the file can name them.
    """

    attribute: str
    always: bool = False
    classes: tuple[str, ...] = ()


class Chain(msgspec.Struct, frozen=True):
    """The wrappers of a model, outermost first. With `any_order` they may come in any order, and twice."""

    wrappers: tuple[Wrapper, ...] = ()
    any_order: bool = False


class Text(msgspec.Struct, frozen=True):
    """The text to write, and the edits elsewhere in the file that it needs."""

    text: str
    edits: tuple[Edit, ...] = ()


_BOTH = '''\
def {name}(model):
    """The model itself, without the wrappers around it."""
    while True:
        if isinstance(model, CLASSES):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = model._orig_mod
        else:
            return model'''

_ALIKE = '''\
def {name}(model):
    """The model itself, without the wrappers around it."""
    while isinstance(model, CLASSES):
        model = model.module
    return model'''


def unwrapped(file: File, expression: str, chain: Chain) -> Text | None:
    """The model inside `expression`, which stands in `file`; None when this Python cannot read the expression."""
    if parsed(expression) is None:
        return None
    maybe = [wrapper for wrapper in chain.wrappers if not wrapper.always]
    if chain.any_order or len(maybe) > 1 or (maybe and not repeatable(expression)):
        return _by_function(file, expression, chain)
    edits: tuple[Edit, ...] = ()
    for wrapper in chain.wrappers:
        if wrapper.always:
            expression = f"{primary(expression)}.{wrapper.attribute}"
        elif wrapper.attribute == "_orig_mod":
            expression = f'getattr({expression}, "_orig_mod", {expression})'
        else:
            classes = _classes(file, (wrapper,))
            edits += classes.edits
            expression = f"({primary(expression)}.module if isinstance({expression}, {classes.text}) else {expression})"
    return Text(expression, edits)


def _by_function(file: File, expression: str, chain: Chain) -> Text | None:
    """A call of a function that takes off all wrappers; None where the expression is such a call already."""
    if chain.wrappers and all(wrapper.attribute == "module" for wrapper in chain.wrappers):
        source, classes = _ALIKE, _classes(file, chain.wrappers)
    else:  # several places of a file share it, so it knows torch's own even where one of them is all that one needs
        source, classes = _BOTH, _classes(file, (*chain.wrappers, Wrapper("module")))
    name, edits = with_function(file, "unwrap_model", source.replace("CLASSES", classes.text))
    call = parsed(expression)
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name:
        return None
    return Text(f"{name}({expression})", (*edits, *classes.edits))


def _classes(file: File, wrappers: tuple[Wrapper, ...]) -> Text:
    """The second argument of isinstance for all these wrappers; torch's own stand in for one without classes."""
    names = {name for wrapper in wrappers for name in wrapper.classes}
    edits: tuple[Edit, ...] = ()
    with_module = [wrapper for wrapper in wrappers if wrapper.attribute == "module"]
    if not with_module or any(not wrapper.classes for wrapper in with_module):
        for wanted in (DATA_PARALLEL, DISTRIBUTED_DATA_PARALLEL):
            found = reference(file, wanted)
            names.add(found.expression)
            edits += found.edits
    ordered = sorted(names)
    return Text(ordered[0] if len(ordered) == 1 else f"({', '.join(ordered)})", edits)

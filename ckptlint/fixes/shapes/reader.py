"""A reader that loads files of both ages, with and without the prefixes of wrappers, into a wrapped or a bare model.

    model.load_state_dict(checkpoint["state_dict"], strict=True)

becomes, where the file may have been written by a DataParallel and the model may be one now,

    state_dict = checkpoint["state_dict"]
    consume_prefix_in_state_dict_if_present(state_dict, "module.")
    (model.module if isinstance(model, (DataParallel, DistributedDataParallel)) else model).load_state_dict(
        state_dict, strict=True)

Both sides are needed: without the unwrapping, files that were written bare fail on wrapped models. `consume...` changes
its argument, and the copies of a state dict share its version table (`_metadata`, which torch needs for the counters of
BatchNorm), so where the loaded dict is used again both are copied first. The prefixes go in the order of the wrappers,
the outermost first.

Where the model has a part of its own called `module`, bare files have keys that begin so too: then the prefix is taken
off only `if all(key.startswith("module.") for key in state_dict)`.

torch before 1.9 has no `consume...`: there a new dict is made,

    state_dict = checkpoint["state_dict"]
    state_dict = {k[len("module."):] if k.startswith("module.") else k: v for k, v in state_dict.items()}

Nothing is moved out of a lambda, a comprehension or a condition, where that would change when it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from ckptlint.findings import Edit, Span
from ckptlint.fixes.quiet import module_of
from ckptlint.fixes.shapes.expression import parsed, part, repeatable, standalone
from ckptlint.fixes.shapes.file import File
from ckptlint.fixes.shapes.imports import CONSUME_PREFIX, COPY, reference
from ckptlint.fixes.shapes.names import fresh
from ckptlint.fixes.shapes.statements import before
from ckptlint.fixes.shapes.top_level import with_function
from ckptlint.fixes.shapes.unwrap import Chain, unwrapped


class Reader(msgspec.Struct, frozen=True):
    """A call `target.load_state_dict(state, ...)` to mend.

    `statement` is the simple statement that it stands in, `call` the call itself. `keys` are the wrappers whose
    prefixes the keys of the file may have, `target` those that the target may have, both outermost first. `used_again`
    says that the loaded dict is, or may be, used after the load. `own` says that a part of the model is called like a
    wrapper's child (`self.module = ...`): then a prefix is one only where every key has it. `consume` says that torch
    has the function that takes off a prefix.
    """

    statement: Span
    call: Span
    keys: Chain
    target: Chain
    used_again: bool = True
    own: bool = False
    consume: bool = True


class Declined(msgspec.Struct, frozen=True):
    """The shape does not fit here; `reason` continues "it cannot be mended here: "."""

    reason: str


_STRIP = '''\
def {name}(state_dict):
    """Take the prefixes of wrappers off the keys, in whatever order they come; changes `state_dict`."""
    keys = []
    while keys != list(state_dict):
        keys = list(state_dict)
        CONSUME(state_dict, "module.")
        CONSUME(state_dict, "_orig_mod.")'''

_STRIP_OF_ALL = '''\
def {name}(state_dict):
    """Take the prefixes that all keys have, those of wrappers, off them, in whatever order; changes `state_dict`."""
    keys = []
    while keys != list(state_dict):
        keys = list(state_dict)
        for prefix in ("module.", "_orig_mod."):
            if all(key.startswith(prefix) for key in keys):
                CONSUME(state_dict, prefix)'''

_CONDITIONAL = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SIMPLE = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Assert)


def normalised(file: File, reader: Reader) -> tuple[Edit, ...] | Declined:
    """The edits that mend `reader`, which stands in `file`."""
    around, call = file.offsets(reader.statement), file.offsets(reader.call)
    if around is None or call is None:
        return Declined("there is no such place in the file")
    begin = around[0]
    statement = file.text[slice(*around)]
    found = _call_in(statement, call[0] - begin)
    if isinstance(found, Declined):
        return found
    state = _part(statement, found.state)
    target = _part(statement, found.target)
    model = unwrapped(file, target, reader.target)
    if model is None:
        return Declined("this Python cannot read the model's expression")
    edits = list(model.edits)
    if model.text != target:
        edits.append(_replaced(file, begin, part(statement, found.target), model.text))
    if not reader.keys.wrappers and not reader.keys.any_order:
        return tuple(edits)
    if not reader.consume and reader.keys.any_order:
        return Declined("torch before 1.9 has nothing that takes several prefixes off")
    in_place = isinstance(found.state, ast.Name) and not reader.used_again and reader.consume
    taken = file.names_around(reader.statement.start.row)
    name = state if in_place else fresh("state_dict", taken, "model_state_dict", "weights")
    lines, needed = _statements(file, reader, name, state)
    put = before(file, reader.statement, lines)
    if put is None:
        return Declined("the load shares its line with other code")
    edits += [*needed, put]
    if name != state:
        edits.append(_replaced(file, begin, part(statement, found.state), name))
    return tuple(edits)


def _statements(file: File, reader: Reader, name: str, state: str) -> tuple[list[str], tuple[Edit, ...]]:
    """What comes before the load: `name` holds the state dict afterwards, without prefixes."""
    prefixes = [file.quoted(f"{wrapper.attribute}.") for wrapper in reader.keys.wrappers]
    if not reader.consume:
        return _made_anew(prefixes, name, standalone(state), own=reader.own), ()
    consume = reference(file, CONSUME_PREFIX)
    edits = consume.edits
    lines: list[str] = []
    if reader.used_again:
        copy = reference(file, COPY)
        edits += copy.edits
        shallow = f"{copy.expression}.copy"
        lines.append(f"{name} = {shallow}({state})")
        metadata = file.quoted("_metadata")
        lines.append(f"if hasattr({name}, {metadata}):\n    {name}._metadata = {shallow}({name}._metadata)")
    elif name != state:
        lines.append(f"{name} = {standalone(state)}")
    if reader.keys.any_order:
        source = (_STRIP_OF_ALL if reader.own else _STRIP).replace("CONSUME", consume.expression)
        for prefix in ("module.", "_orig_mod."):
            source = source.replace(f'"{prefix}"', file.quoted(prefix))
        function, added = with_function(file, "strip_wrapper_prefixes", source)
        return [*lines, f"{function}({name})"], (*edits, *added)
    for prefix in prefixes:
        call = f"{consume.expression}({name}, {prefix})"
        lines.append(f"if all(key.startswith({prefix}) for key in {name}):\n    {call}" if reader.own else call)
    return lines, edits


def _made_anew(prefixes: Sequence[str], name: str, state: str, *, own: bool) -> list[str]:
    """The same for a torch without the function: new dicts, so what was loaded stays as it is."""
    lines: list[str] = []
    if own or not state.isidentifier():
        lines, state = [f"{name} = {state}"], name
    for prefix in prefixes:
        if own:
            made = f"{name} = {{k[len({prefix}):]: v for k, v in {name}.items()}}"
            lines.append(f"if all(key.startswith({prefix}) for key in {name}):\n    {made}")
        else:
            key = f"k[len({prefix}):] if k.startswith({prefix}) else k"
            lines.append(f"{name} = {{{key}: v for k, v in {state}.items()}}")
            state = name
    return lines


class _Load(msgspec.Struct, frozen=True):
    target: ast.expr
    state: ast.expr


def _call_in(statement: str, at: int) -> _Load | Declined:
    """The parts of the load call that begins `at` in the text of its statement, when they may be moved before it."""
    parsed_statement = module_of(statement)
    if parsed_statement is None or len(parsed_statement.body) != 1:
        return Declined("this Python cannot read the statement")
    tree = parsed_statement.body[0]
    if not isinstance(tree, _SIMPLE):
        return Declined("the load stands in the head of a block")
    path = _path_to(tree, statement, at)
    if path is None:
        return Declined("there is no call of load_state_dict at this place")
    call = path[-1]
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Attribute)
    state = _state_argument(call)
    target = call.func.value
    if state is None:
        return Declined("the state dict is not a plain argument of the call")
    if parsed(_part(statement, target)) is None or _is_super(target):
        return Declined("the load is that of a base class")
    if any(_runs_otherwise(outer, inner) for outer, inner in pairwise(path)):
        return Declined("the load stands in a lambda, a comprehension or a condition")
    if _runs_before(tree, path, statement, state):
        return Declined("other calls of the same statement run before the load")
    return _Load(target, state)


def _path_to(tree: ast.AST, statement: str, at: int) -> list[ast.AST] | None:
    """The nodes from the statement down to the load call that begins `at`; f-strings are closed (no places inside)."""
    for child in [] if isinstance(tree, ast.JoinedStr) else ast.iter_child_nodes(tree):
        below = _path_to(child, statement, at)
        if below is not None:
            return [tree, *below]
    if (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Attribute)
        and tree.func.attr == "load_state_dict"
        and part(statement, tree)[0] == at
    ):
        return [tree]
    return None


def _state_argument(call: ast.Call) -> ast.expr | None:
    if call.args:
        return None if isinstance(call.args[0], ast.Starred | ast.GeneratorExp) else call.args[0]
    return next((keyword.value for keyword in call.keywords if keyword.arg == "state_dict"), None)


def _is_super(target: ast.expr) -> bool:
    return isinstance(target, ast.Call) and isinstance(target.func, ast.Name) and target.func.id == "super"


def _runs_otherwise(outer: ast.AST, inner: ast.AST) -> bool:
    """Whether `inner`, a part of `outer`, may run never, later or more than once."""
    if isinstance(outer, _CONDITIONAL):
        return True
    if isinstance(outer, ast.IfExp):
        return inner is not outer.test
    if isinstance(outer, ast.BoolOp):
        return inner is not outer.values[0]
    if isinstance(outer, ast.Compare):
        return inner in outer.comparators[1:]
    return isinstance(outer, ast.Assert) and inner is outer.msg


def _runs_before(tree: ast.AST, path: Sequence[ast.AST], statement: str, state: ast.expr) -> bool:
    """Whether a call of the statement runs before the state dict is evaluated, so that moving it might show."""
    begin = part(statement, state)[0]
    own = set(ast.walk(path[-1])) if repeatable(_part(statement, state)) else set()
    return any(node not in path and node not in own and part(statement, node)[1] <= begin for node in _running(tree))


def _running(tree: ast.AST) -> Iterator[ast.expr]:
    """The calls below `tree`; an f-string with a call inside stands for it."""
    if isinstance(tree, ast.Call):
        yield tree
    if isinstance(tree, ast.JoinedStr):
        if any(isinstance(node, ast.Call) for node in ast.walk(tree)):
            yield tree
        return
    for child in ast.iter_child_nodes(tree):
        yield from _running(child)


def _part(statement: str, node: ast.expr) -> str:
    begin, end = part(statement, node)
    return statement[begin:end]


def _replaced(file: File, begin: int, within: tuple[int, int], content: str) -> Edit:
    return file.replacement(begin + within[0], begin + within[1], content)

"""Walk one unit and find the places where a prefix is cut off the key of a state dict.

The walk knows, at each place, which names are keys (bound by a loop over a dict, or computed from one that is) and
which looks at their beginnings hold there: those of the enclosing conditions, of assertions before, and of what
`continue`, `return` and `raise` have left over.

    for k, v in sd.items():                 k is a key
        if not k.startswith("module."):
            continue
        name = k[7:]                        a look at k for "module." holds; name is a key
        new[name] = v                       the key is used as one

A key that is only printed, or looked up in a dict that is no state dict, is nobody's loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ckptlint.analysis.key_edits_forms import Form, form_of, root_name, split_of
from ckptlint.analysis.key_edits_looks import Look, looks_of
from ckptlint.analysis.key_edits_names import Names, called, inside, names_in
from ckptlint.facts import ir

#: How the value of an expression is used.
STORED, LOOKED_UP, UNUSED = "stored", "looked up", ""

_VIEWS = frozenset({"items", "keys", "named_parameters", "named_buffers"})
_WRAPPERS = frozenset({"list", "sorted", "tuple", "iter", "enumerate", "reversed", "set", "tqdm", "deepcopy", "copy"})


class Source(msgspec.Struct, frozen=True):
    """Where a key comes from: the id of its loop, and whether that goes over what is surely a state dict."""

    loop: int
    state_dict: bool
    parameters: bool


class Cut(msgspec.Struct, frozen=True):
    """A place where a key is cut.

    `looks` are those about this key; `asked` tells that it stands under some condition on the key, `retried` that
    something was tried with the state dict before, and failed.
    """

    node: int
    form: Form
    name: str
    source: Source
    use: str
    looks: tuple[Look, ...]
    retried: bool
    asked: bool
    statement: int


class _Env(msgspec.Struct, frozen=True):
    keys: Mapping[str, Source]
    looks: tuple[Look, ...] = ()
    retried: bool = False
    asked: frozenset[str] = frozenset()

    def under(self, test: ir.Expr, truth: bool, names: Names) -> _Env:
        """Where `test` is `truth`."""
        looks = (*self.looks, *looks_of(test, truth, names))
        return _Env(self.keys, looks, self.retried, self.asked | names_in(test))

    def bound(self, names: Iterable[str], source: Source | None) -> _Env:
        """The names have another value: of `source`, or none that is a key."""
        gone = set(names)
        keys = {name: known for name, known in self.keys.items() if name not in gone}
        if source is not None:
            keys.update(dict.fromkeys(gone, source))
        looks = tuple(look for look in self.looks if look.key not in gone and not look.names & gone)
        return _Env(keys, looks, self.retried, self.asked - gone)


def cuts_of(unit: ir.Unit, names: Names) -> list[Cut]:
    """Every cut of a key in a unit."""
    walk = _Walk(names)
    walk.block(unit.body, _Env({}))
    return walk.cuts


class _Walk:
    """The walk over one unit; `cuts` grows."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.cuts: list[Cut] = []
        self._statement = 0

    # --- statements ---

    def block(self, body: Iterable[ir.Stmt], env: _Env) -> _Env:
        for statement in body:
            env = self._stmt(statement, env)
        return env

    def _stmt(self, node: ir.Stmt, env: _Env) -> _Env:
        self._statement = node.id
        if isinstance(node, ir.Assign | ir.AugAssign):
            return self._assign(node, env)
        if isinstance(node, ir.If):
            return self._if(node, env)
        if isinstance(node, ir.For):
            return self._for(node, env)
        if isinstance(node, ir.While):
            self._expr(node.test, env, UNUSED)
            self.block(node.body, env.under(node.test, True, self.names))
            self.block(node.orelse, env)
            return self._after(env, (node.body, node.orelse))
        if isinstance(node, ir.Try):
            return self._try(node, env)
        if isinstance(node, ir.With):
            for item in node.items:
                self._expr(item.value, env, UNUSED)
            return self.block(node.body, env)
        if isinstance(node, ir.Match):
            self._expr(node.subject, env, UNUSED)
            for case in node.cases:
                self.block(case.body, env)
            return env
        if isinstance(node, ir.FunctionDef):
            self.block(node.body, env.bound({parameter.name for parameter in node.params}, None))
            return env
        if isinstance(node, ir.ClassDef):
            self.block(node.body, env)
            return env
        if isinstance(node, ir.Assert):
            self._expr(node.test, env, UNUSED)
            return env.under(node.test, True, self.names)
        self._plain(node, env)
        return env

    def _plain(self, node: ir.Stmt, env: _Env) -> None:
        if isinstance(node, ir.Return | ir.ExprStmt) and node.value is not None:
            self._expr(node.value, env, UNUSED)
        elif isinstance(node, ir.Delete):
            for target in node.targets:
                self._expr(target, env, UNUSED)

    def _assign(self, node: ir.Assign | ir.AugAssign, env: _Env) -> _Env:
        if node.value is None:
            return env
        targets = node.targets if isinstance(node, ir.Assign) else (node.target,)
        bound = {name for target in targets for name in _bound(target)}
        use = STORED if bound & self.names.stored else LOOKED_UP if bound & self.names.looked_up else UNUSED
        for target in targets:
            if isinstance(target, ir.Subscript):
                self._expr(target.value, env, UNUSED)
                self._expr(target.index, env, STORED)
        self._expr(node.value, env, use)
        if not bound:
            return env
        return env.bound(bound, self._source_of(node.value, env))

    def _source_of(self, value: ir.Expr, env: _Env) -> Source | None:
        """The key that a value is made of, when it is a key too: `k[7:]`, `"net." + k`, `k if a else b`."""
        if isinstance(value, ir.IfExp):
            return self._source_of(value.body, env) or self._source_of(value.orelse, env)
        if isinstance(value, ir.BinOp) and value.op == "+":
            return self._source_of(value.left, env) or self._source_of(value.right, env)
        if isinstance(value, ir.FString):
            return next((found for part in value.parts if (found := self._source_of(part, env))), None)
        root = root_name(value)
        return env.keys.get(root) if root is not None and not isinstance(value, ir.Lambda) else None

    def _if(self, node: ir.If, env: _Env) -> _Env:
        self._expr(node.test, env, UNUSED)
        self.block(node.body, env.under(node.test, True, self.names))
        self.block(node.orelse, env.under(node.test, False, self.names))
        after = self._after(env, (node.body, node.orelse))
        if _ends(node.body):
            return after.under(node.test, False, self.names)
        return after.under(node.test, True, self.names) if node.orelse and _ends(node.orelse) else after

    def _after(self, env: _Env, bodies: Iterable[tuple[ir.Stmt, ...]]) -> _Env:
        """What is left of the keys and looks when one of the bodies may have run."""
        for body in bodies:
            for node in (one for statement in body for one in inside(statement)):
                if isinstance(node, ir.Assign) and node.value is not None:
                    bound = {name for target in node.targets for name in _bound(target)}
                    keys = env.keys
                    source = self._source_of(node.value, env) or next((keys[n] for n in bound if n in keys), None)
                    env = env.bound(bound, source) if bound else env
        return env

    def _for(self, node: ir.For, env: _Env) -> _Env:
        self._expr(node.iter, env, UNUSED)
        inner = self._loop(node.target, node.iter, node.id, env)
        self.block(node.body, inner)
        self.block(node.orelse, env)
        return env.bound(names_in(node.target), None)

    def _try(self, node: ir.Try, env: _Env) -> _Env:
        tried = env.retried or any(
            isinstance(one, ir.Call) and self._is_attempt(one) for statement in node.body for one in inside(statement)
        )
        after = self.block(node.body, env)
        for handler in node.handlers:
            self.block(handler.body, _Env(env.keys, env.looks, tried, env.asked))
        self.block(node.orelse, after)
        return self.block(node.final, after)

    def _is_attempt(self, call: ir.Call) -> bool:
        """Whether something is made of a state dict that fails when its keys are not those wanted."""
        if called(call) == "load_state_dict":
            return True
        return called(call) not in _VIEWS | _WRAPPERS | {"load", "print", "len"} and any(
            isinstance(argument.value, ir.Name | ir.BoolOp | ir.Subscript) and self.names.is_state_dict(argument.value)
            for argument in call.args
        )

    # --- loops ---

    def _loop(self, target: ir.Expr, over: ir.Expr, loop: int, env: _Env) -> _Env:
        """The names of a loop: the key among them, when it goes over a dict."""
        env = env.bound(names_in(target), None)
        viewed = view = over
        while isinstance(viewed, ir.Call) and called(viewed) in _WRAPPERS and viewed.args:
            counts = called(viewed) == "enumerate"
            view = viewed = viewed.args[0].value
            if counts and isinstance(target, ir.Collection) and len(target.items) == 2:
                target, over = target.items[1], view
        is_view = isinstance(view, ir.Call) and called(view) in _VIEWS and isinstance(view.func, ir.Attribute)
        source = Source(loop, self.names.is_state_dict(over), self.names.is_of_parameters(over))
        if isinstance(target, ir.Collection) and target.items:
            key = target.items[0] if is_view or source.state_dict else None
        else:
            items = isinstance(view, ir.Call) and called(view) == "items"
            key = target if (is_view and not items) or source.state_dict or _is_plain(view) else None
        if not isinstance(key, ir.Name):
            return env
        env = env.bound({key.name}, source)
        return msgspec.structs.replace(env, looks=(*env.looks, *self._picked_by(view, key.name)))

    def _picked_by(self, over: ir.Expr, key: str) -> Iterable[Look]:
        """The looks that every key of `[k for k in sd if k.startswith("module.")]` has passed."""
        made = self.names.tests.get(over.name) if isinstance(over, ir.Name) else over
        if not isinstance(made, ir.Comprehension) or not isinstance(made.element, ir.Name) or made.kind == "dict":
            return
        for condition in made.generators[-1].conditions:
            for look in looks_of(condition, True, self.names):
                if look.key == made.element.name:
                    yield Look(key, look.texts, look.names - {look.key} | {key})

    # --- expressions ---

    def _expr(self, node: ir.Node, env: _Env, use: str) -> None:
        if isinstance(node, ir.Call | ir.Subscript):
            self._note(node, env, use)
        if isinstance(node, ir.Comprehension):
            self._comprehension(node, env, use)
        elif isinstance(node, ir.IfExp):
            self._expr(node.test, env, UNUSED)
            self._expr(node.body, env.under(node.test, True, self.names), use)
            self._expr(node.orelse, env.under(node.test, False, self.names), use)
        elif isinstance(node, ir.BoolOp):
            self._expr(node.left, env, use)
            self._expr(node.right, env.under(node.left, node.op == "and", self.names), use)
        elif isinstance(node, ir.Lambda):
            self._expr(node.body, env.bound({parameter.name for parameter in node.params}, None), UNUSED)
        elif isinstance(node, ir.Subscript):
            self._expr(node.value, env, use)
            self._expr(node.index, env, LOOKED_UP)
        elif isinstance(node, ir.Compare):
            looks_up = node.ops[0] in ("in", "not in")
            self._expr(node.left, env, LOOKED_UP if looks_up else UNUSED)
            for comparator in node.comparators:
                self._expr(comparator, env, UNUSED)
        elif isinstance(node, ir.Dict):
            for item in node.items:
                if item.key is not None:
                    self._expr(item.key, env, STORED)
                self._expr(item.value, env, UNUSED)
        elif isinstance(node, ir.Call):
            self._call(node, env, use)
        else:
            for child in _children(node):
                self._expr(child, env, use)

    def _call(self, node: ir.Call, env: _Env, use: str) -> None:
        name = called(node)
        self._expr(node.func, env, use)
        for index, argument in enumerate(node.args):
            value = argument.value
            if name == "map" and isinstance(value, ir.Lambda) and len(node.args) > 1 and value.params:
                target = ir.Name(value.id, value.params[0].name)
                self._expr(value.body, self._loop(target, node.args[1].value, value.id, env), STORED)
            elif name in ("get", "pop") and index == 0:
                self._expr(value, env, LOOKED_UP)
            elif name == "setdefault" and index == 0:
                self._expr(value, env, STORED)
            elif name == "append" and isinstance(value, ir.Collection) and value.items:
                self._expr(value.items[0], env, STORED)
            else:
                self._expr(value, env, use if name in ("join", "str", "sub") else UNUSED)

    def _comprehension(self, node: ir.Comprehension, env: _Env, use: str) -> None:
        for generator in node.generators:
            self._expr(generator.iter, env, UNUSED)
            env = self._loop(generator.target, generator.iter, generator.id, env)
            for condition in generator.conditions:
                self._expr(condition, env, UNUSED)
                env = env.under(condition, True, self.names)
        if node.key is not None:
            self._expr(node.key, env, STORED)
            self._expr(node.element, env, UNUSED)
        elif isinstance(node.element, ir.Collection) and node.element.kind == "tuple" and node.element.items:
            self._expr(node.element.items[0], env, STORED)
            for item in node.element.items[1:]:
                self._expr(item, env, UNUSED)
        else:
            self._expr(node.element, env, use)

    def _note(self, node: ir.Call | ir.Subscript, env: _Env, use: str) -> None:
        form = form_of(node, self.names.texts)
        if form is None:
            return
        key, name = form.key, root_name(form.key)
        if form.label == "pieces" and isinstance(key, ir.Name):
            meant = self.names.tests.get(key.name)
            found = None if meant is None else split_of(meant)
            name = None if found is None else root_name(found[0])
        source = None if name is None else env.keys.get(name)
        if name is None or source is None:
            return
        same = {other for other, known in env.keys.items() if known == source}
        looks = tuple(look for look in env.looks if look.key is None or look.key in same)
        asked = bool(same & env.asked)
        self.cuts.append(Cut(node.id, form, name, source, use, looks, env.retried, asked, self._statement))


def _children(node: ir.Node) -> Iterable[ir.Node]:
    for field in node.__struct_fields__:
        value = getattr(node, field)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, ir.Node):
                yield one


def _bound(target: ir.Expr) -> set[str]:
    """The names that an assignment to `target` binds."""
    if isinstance(target, ir.Name):
        return {target.name}
    if isinstance(target, ir.Collection | ir.Starred):
        return {name for child in _children(target) for name in _bound(child)}  # type: ignore[arg-type]
    return set()


def _is_plain(node: ir.Expr) -> bool:
    """A variable or an attribute: what a loop over it gives may be keys."""
    return isinstance(node, ir.Name | ir.Attribute)


def _ends(body: tuple[ir.Stmt, ...]) -> bool:
    """Whether what comes after the block is not reached from it."""
    if not body:
        return False
    last = body[-1]
    return isinstance(last, ir.Return | ir.Raise) or (isinstance(last, ir.Jump) and last.kind in ("continue", "break"))

"""How the writer of a generated project comes to the state dict of the bare model, or thinks that it does."""

from __future__ import annotations

import re

from .draft import Draft, function
from .spec import Spec
from .wraps import condition_of

_PARALLEL = "($DP, $DDP)"
# Functions of the project that unwrap, by choice: the name, the function, and what it needs beside it.
_HELPERS: dict[str, tuple[str, str]] = {
    "helper": (
        "unwrap_model",
        f"""
        def unwrap_model(model):
            if isinstance(model, {_PARALLEL}):
                return model.module
            return model
        """,
    ),
    "helper_loop": (
        "unwrap_model",
        """
        def unwrap_model(model):
            while hasattr(model, "module") or hasattr(model, "_orig_mod"):
                model = model.module if hasattr(model, "module") else model._orig_mod
            return model
        """,
    ),
    "helper_try": (
        "unwrap_model",
        """
        def unwrap_model(model):
            try:
                return model.module
            except AttributeError:
                return model
        """,
    ),
    "predicate": (
        "unwrap_model",
        f"""
        def is_parallel(model):
            return type(model) in {_PARALLEL}


        def unwrap_model(model):
            return model.module if is_parallel(model) else model
        """,
    ),
    "state_helper": (
        "get_state_dict",
        """
        def get_state_dict(model):
            if hasattr(model, "module"):
                return model.module.state_dict()
            return model.state_dict()
        """,
    ),
}
_BRANCHES = {
    "hasattr_if": ('if hasattr({m}, "module"):', "else:"),
    "isinstance_if": (f"if isinstance({{m}}, {_PARALLEL}):", "else:"),
    "try_except": ("try:", "except AttributeError:"),
}
# Statements, the last of which leaves what `_BARE` asks for the state dict; `{m}` is the model, `{c}` its condition.
_BEFORE: dict[str, tuple[str, ...]] = {
    "both": ('bare = getattr({m}, "_orig_mod", {m})', 'bare = getattr(bare, "module", bare)'),
    "while_loop": ("bare = {m}", 'while hasattr(bare, "module"):', "    bare = bare.module"),
    "strip_keys": (
        'weights = {k[len("module."):] if k.startswith("module.") else k: v for k, v in {m}.state_dict().items()}',
    ),
    "strip_loop": (
        "weights = $OrderedDict()",
        "for key, value in {m}.state_dict().items():",
        '    if key.startswith("module."):',
        "        key = key[7:]",
        "    weights[key] = value",
    ),
    "consume": ("weights = {m}.state_dict()", '$consume(weights, "module.")'),
}
_PLAIN = "{m}.state_dict()"
_BARE: dict[str, str] = {
    "both": "bare.state_dict()",
    "while_loop": "bare.state_dict()",
    "strip_keys": "weights",
    "strip_loop": "weights",
    "consume": "weights",
    "attribute": "{m}.module.state_dict()  #@module",
    "orig_mod_attribute": "{m}._orig_mod.state_dict()  #@module",
    "getattr": 'getattr({m}, "module", {m}).state_dict()',
    "orig_mod": 'getattr({m}, "_orig_mod", {m}).state_dict()',
    "hasattr_expr": '({m}.module if hasattr({m}, "module") else {m}).state_dict()',
    "not_hasattr": '({m} if not hasattr({m}, "module") else {m}.module).state_dict()',
    "isinstance_expr": f"({{m}}.module if isinstance({{m}}, {_PARALLEL}) else {{m}}).state_dict()",
    "type_expr": f"({{m}}.module if type({{m}}) in {_PARALLEL} else {{m}}).state_dict()",
    "raw": "{s}raw_model.state_dict()",
    "raw_after": "{s}raw_model.state_dict()",
    "property": "{s}bare_model.state_dict()",
    "helper": "$unwrap_model({m}).state_dict()",
    "helper_loop": "$unwrap_model({m}).state_dict()",
    "helper_try": "$unwrap_model({m}).state_dict()",
    "predicate": "$unwrap_model({m}).state_dict()",
    "state_helper": "$get_state_dict({m})",
    "distributed_api": "$get_model_state_dict({m})",
    "distributed_options": "$get_model_state_dict({m}, options=$StateDictOptions(full_state_dict=True))",
    "accelerator": "accelerator.unwrap_model({m}).state_dict()",
}


def define_unwrap(draft: Draft, spec: Spec) -> None:
    """The project's own unwrap helper, when the writer or the reader uses one."""
    if spec["unwrap"] in _HELPERS:
        draft.define("build", *_HELPERS[spec["unwrap"]])
    if spec["reader_unwrap"] == "helper" or spec["unwrap"] == "caller":
        draft.define("build", *_HELPERS["helper"])


def unwrapped(spec: Spec, model: str) -> tuple[list[str], str]:
    """Statements, and the expression of the state dict that will be saved."""
    kind = spec["unwrap"]
    places = {"{m}": model, "{s}": "self." if model.startswith("self.") else "", "{c}": _flag(spec)}
    if kind in _BRANCHES:
        first, second = (line.replace("{m}", model) for line in _BRANCHES[kind])
        inner, plain = f"    weights = {model}.module.state_dict()", f"    weights = {model}.state_dict()"
        return [first, inner, second, plain], "weights"
    before, bare = _BEFORE.get(kind, ()), _BARE.get(kind, _PLAIN)
    if kind in ("flag", "flag_model") and spec["when"] != "always":
        bare = "{m}.module.state_dict() if {c} else {m}.state_dict()  #@module"
        if kind == "flag_model":
            before, bare = ("bare = {m}.module if {c} else {m}  #@module",), "bare.state_dict()"
    filled = [re.sub(r"\{[msc]\}", lambda place: places[place.group()], line) for line in (*before, bare)]
    return filled[:-1], filled[-1]


def bare_model_property() -> str:
    """A property of a trainer that gives the bare model."""
    body = [f"return self.model.module if isinstance(self.model, {_PARALLEL}) else self.model"]
    return "@property\n" + function("bare_model(self)", body)


def _flag(spec: Spec) -> str:
    """The wrap's condition, said again where the variable of the first time is out of reach."""
    if spec["when"] == "always":
        return ""
    return condition_of(spec).replace("n_gpus", "$torch.cuda.device_count()").replace("options[", "vars(args)[")

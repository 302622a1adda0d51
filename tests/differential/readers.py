"""How a generated project reads its file back: the entry, the guard against prefixes, the load."""

from __future__ import annotations

from .clashes import BARE_FILES, DIRECT
from .draft import Draft, function
from .models import net_expression
from .spec import Spec

# A guard is statements over `weights`; `{n}` is the model. Marks name the line of a more particular rule.
_GUARDS: dict[str, tuple[str, ...]] = {
    "startswith": ('weights = {k[7:] if k.startswith("module.") else k: v for k, v in weights.items()}',),
    "startswith_loop": (
        "cleaned = $OrderedDict()",
        "for key, value in weights.items():",
        '    name = key[7:] if key.startswith("module.") else key',
        "    cleaned[name] = value",
        "weights = cleaned",
    ),
    "removeprefix": ('weights = {k.removeprefix("module."): v for k, v in weights.items()}',),
    "consume": ('$consume(weights, "module.")',),
    "consume_both": ('$consume(weights, "_orig_mod.")', '$consume(weights, "module.")'),
    "first_key": (
        'if next(iter(weights)).startswith("module."):',
        "    weights = {k[7:]: v for k, v in weights.items()}",
    ),
    "any_key": (
        'if any(k.startswith("module.") for k in weights):',
        '    weights = {k[len("module."):]: v for k, v in weights.items()}',
    ),
    "first_key_list": (
        'if list(weights.keys())[0].startswith("module."):',
        "    weights = {k[7:]: v for k, v in weights.items()}",
    ),
    "contains": (
        'if "module." in list(weights)[0]:',
        '    weights = {k.split("module.", 1)[1]: v for k, v in weights.items()}',
    ),
    "regex": ('weights = {$re.sub(r"^module\\.", "", k): v for k, v in weights.items()}',),
    "strip_helper": ("weights = $strip_prefix(weights)",),
    "renamed_load_state_dict": ("weights = load_state_dict(weights)",),
    "pop_loop": (
        "for key in list(weights):",
        '    if key.startswith("module."):',
        "        weights[key[7:]] = weights.pop(key)",
    ),
    "split": ('weights = {".".join(k.split(".")[1:]): v for k, v in weights.items()}  #@slice',),
    "shape_filter": (
        "own = {n}.state_dict()",
        "weights = {k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}  #@filter",
    ),
    "copy_into": (
        "own = {n}.state_dict()",
        "for name, value in weights.items():",
        "    if name in own:  #@filter",
        "        own[name].copy_(value)",
        "weights = own",
    ),
    "add": ('weights = {k if k.startswith("module.") else "module." + k: v for k, v in weights.items()}',),
    "add_blind": ('weights = {"module." + k: v for k, v in weights.items()}',),
    "replace": ('weights = {k.replace("module.", ""): v for k, v in weights.items()}  #@replace',),
    "slice": ("weights = {k[7:]: v for k, v in weights.items()}  #@slice",),
    "lstrip": ('weights = {k.lstrip("module."): v for k, v in weights.items()}  #@lstrip',),
    "filter": (
        "own = {n}.state_dict()",
        "weights = {k: v for k, v in weights.items() if k in own}  #@filter",
    ),
    "merge": (
        "own = {n}.state_dict()",
        "own.update({k: v for k, v in weights.items() if k in own})  #@filter",
        "weights = own",
    ),
}
_NEEDS_MODEL = frozenset({"filter", "merge", "retry", "shape_filter", "copy_into", "retry_add"})
_STRIP_PREFIX = """
    def strip_prefix(state_dict, prefix="module."):
        cleaned = {}
        for key, value in state_dict.items():
            if key.startswith(prefix):
                key = key[len(prefix):]
            cleaned[key] = value
        return cleaned
"""
_RETRIES = {
    "retry": '{k.removeprefix("module."): v for k, v in weights.items()}',
    "retry_add": '{"module." + k: v for k, v in weights.items()}',
}


def extracted(spec: Spec, path: str) -> list[str]:
    """Statements that read the file and leave the state dict in `weights`."""
    load = f'$torch.load({path}, map_location="cpu")'
    if spec["payload"] in BARE_FILES:
        return [f"weights = {load}"]
    if spec["payload"] == "tuple":
        return [f"epoch, weights = {load}"]
    entry = f'"{spec["entry"]}"'
    return [
        f"checkpoint = {load}",
        *{
            "try": ["try:", f"    weights = checkpoint[{entry}]", "except KeyError:", "    weights = checkpoint"],
            "candidates": [
                "weights = checkpoint",
                'for name in ("state_dict", "model", "net"):',
                "    if name in checkpoint:",
                "        weights = checkpoint[name]",
                "        break",
            ],
            "get": [f"weights = checkpoint.get({entry})"],
            "membership": [f"weights = checkpoint[{entry}] if {entry} in checkpoint else checkpoint"],
            "branch": [
                f"if {entry} in checkpoint:",
                f"    weights = checkpoint[{entry}]",
                "else:",
                "    weights = checkpoint",
            ],
        }.get(spec["extract"], [f"weights = checkpoint[{entry}]"]),
    ]


def _loaded(spec: Spec, model: str) -> list[str]:
    """Guard and load, with `weights` in hand."""
    strict = {
        "true": ", strict=True",
        "false": ", strict=False",
        "positional_false": ", False",
        "passed_false": ", strict=strict",
    }.get(spec["strict"], "")
    lines = []
    if spec["strict"].startswith("variable"):
        lines.append(f"strict = {spec['strict'] == 'variable_true'}")
        strict = ", strict=strict"
    target = {
        "attribute": f"{model}.module",
        "getattr": f'getattr({model}, "module", {model})',
        "helper": f"$unwrap_model({model})",
    }.get(spec["reader_unwrap"], model)
    if spec["reader_unwrap"] in ("getattr", "helper"):
        lines.append(f"target = {target}")
        target = "target"
    lines += [line.replace("{n}", target) for line in _GUARDS.get(spec["guard"], ())]
    branches = {
        "isinstance_if": (f"if isinstance({model}, ($DP, $DDP)):", "else:"),
        "hasattr_if": (f'if hasattr({model}, "module"):', "else:"),
        "try_except": ("try:", "except AttributeError:"),
    }
    if spec["reader_unwrap"] in branches:
        first, second = branches[spec["reader_unwrap"]]
        return [
            *lines,
            first,
            f"    {model}.module.load_state_dict(weights{strict})  #@load",
            second,
            f"    {model}.load_state_dict(weights{strict})  #@load",
        ]
    mark = "  #@load,module" if spec["reader_unwrap"] == "attribute" else "  #@load"
    load = f"{target}.load_state_dict(weights{strict}){mark}"
    if spec["guard"] in _RETRIES:
        return [
            *lines,
            "try:",
            f"    {target}.load_state_dict(weights{strict})  #@tried",
            "except RuntimeError:",
            f"    weights = {_RETRIES[spec['guard']]}",
            "    " + load,
        ]
    return [*lines, load]


def _direct(spec: Spec, model: str, path: str) -> list[str]:
    """The load of an expression that no name stands for."""
    load = f'$torch.load({path}, map_location="cpu")'
    place = {"tuple": "[1]", **dict.fromkeys(BARE_FILES, "")}.get(spec["payload"], f'["{spec["entry"]}"]')
    first, given = ([f"checkpoint = {load}"], "checkpoint") if spec["reader"] == "direct" else ([], load)
    return [*first, *(line.replace("weights", given + place) for line in _loaded(spec, model))]


def build_and_load(draft: Draft, spec: Spec, path: str) -> str:
    """The call of a function that builds the model and loads the file into it."""
    body = [f"model = {net_expression(spec, False)}", *read_lines(draft, spec, "io", "model", "path"), "return model"]
    draft.define("io", "load_model", function("load_model(path, args)", body))
    return f"$load_model({path}, args)"


def read_lines(draft: Draft, spec: Spec, role: str, model: str, path: str) -> list[str]:
    """Statements for the role's file that load the file into `model`."""
    kind = spec["reader"]
    if spec["guard"] in ("strip_helper", "renamed_load_state_dict"):
        draft.define("build", "strip_prefix", _STRIP_PREFIX)
    if spec["guard"] == "renamed_load_state_dict":
        draft.alias("io" if kind in ("helper", "method", "returns") else role, "strip_prefix", "load_state_dict")
    if spec["guard"] == "named_load_state_dict":
        body = [*extracted(spec, "path"), *_GUARDS["startswith"], "return weights"]
        draft.define("io", "load_state_dict", function("load_state_dict(path)", body))
        return [f"weights = $load_state_dict({path})", *_loaded(spec, model)]
    if kind == "returns" and spec["guard"] not in _NEEDS_MODEL:
        body = [*extracted(spec, "path"), *_GUARDS.get(spec["guard"], ()), "return weights"]
        draft.define("io", "read_weights", function("read_weights(path)", body))
        return [f"weights = $read_weights({path})", *_loaded(spec.replaced("guard", "none"), model)]
    if kind == "returns":
        body = [*extracted(spec, "path"), "return weights"]
        draft.define("io", "read_weights", function("read_weights(path)", body))
        return [f"weights = $read_weights({path})", *_loaded(spec, model)]
    if kind == "helper":
        body = [*extracted(spec, "path"), *_loaded(spec, "model"), "return model"]
        passed = spec["strict"] == "passed_false"
        signature = f"load_checkpoint(model, path{', strict=True' if passed else ''})"
        draft.define("io", "load_checkpoint", function(signature, body))
        return [f"$load_checkpoint({model}, {path}{', strict=False' if passed else ''})"]
    if kind in DIRECT:
        return _direct(spec, model, path)
    if kind == "method":
        body = [*extracted(spec, "path"), *_loaded(spec, "self.model")]
        source = "class Evaluator:\n    def __init__(self, model):\n        self.model = model\n\n"
        draft.define("io", "Evaluator", source + function("restore(self, path)", body, 1))
        return [f"evaluator = $Evaluator({model})", f"evaluator.restore({path})"]
    return [*extracted(spec, path), *_loaded(spec, model)]

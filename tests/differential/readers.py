"""How a generated project reads its file back: the entry, the guard against prefixes, the load."""

from __future__ import annotations

from .draft import Draft, function
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
_NEEDS_MODEL = frozenset({"filter", "merge", "retry"})


def extracted(spec: Spec, path: str) -> list[str]:
    """Statements that read the file and leave the state dict in `weights`."""
    load = f'$torch.load({path}, map_location="cpu")'
    if spec["payload"] in ("bare", "cpu_copy"):
        return [f"weights = {load}"]
    if spec["payload"] == "tuple":
        return [f"epoch, weights = {load}"]
    entry = f'"{spec["entry"]}"'
    return [
        f"checkpoint = {load}",
        *{
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
    strict = {"true": ", strict=True", "false": ", strict=False"}.get(spec["strict"], "")
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
    if spec["reader_unwrap"] == "isinstance_if":
        return [
            *lines,
            f"if isinstance({model}, ($DP, $DDP)):",
            f"    {model}.module.load_state_dict(weights{strict})  #@load",
            "else:",
            f"    {model}.load_state_dict(weights{strict})  #@load",
        ]
    mark = "  #@load,module" if spec["reader_unwrap"] == "attribute" else "  #@load"
    load = f"{target}.load_state_dict(weights{strict}){mark}"
    if spec["guard"] == "retry":
        return [
            *lines,
            "try:",
            f"    {target}.load_state_dict(weights{strict})  #@tried",
            "except RuntimeError:",
            '    weights = {k.removeprefix("module."): v for k, v in weights.items()}',
            "    " + load,
        ]
    return [*lines, load]


def read_lines(draft: Draft, spec: Spec, model: str, path: str) -> list[str]:
    """Statements that load the file into `model`."""
    kind = spec["reader"]
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
        draft.define("io", "load_checkpoint", function("load_checkpoint(model, path)", body))
        return [f"$load_checkpoint({model}, {path})"]
    if kind == "method":
        body = [*extracted(spec, "path"), *_loaded(spec, "self.model")]
        source = "class Evaluator:\n    def __init__(self, model):\n        self.model = model\n\n"
        draft.define("io", "Evaluator", source + function("restore(self, path)", body, 1))
        return [f"evaluator = $Evaluator({model})", f"evaluator.restore({path})"]
    return [*extracted(spec, path), *_loaded(spec, model)]

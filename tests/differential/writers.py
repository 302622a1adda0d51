"""How the state dict reaches the file: unwrapping, the shape of the payload, and who calls torch.save."""

from __future__ import annotations

from .clashes import TAKES_MODEL
from .draft import Draft, function
from .spec import Spec
from .wraps import condition_of

_PARALLEL = "($DP, $DDP)"
_HELPERS = {
    "helper": f"""
        def unwrap_model(model):
            if isinstance(model, {_PARALLEL}):
                return model.module
            return model
    """,
    "helper_loop": """
        def unwrap_model(model):
            while hasattr(model, "module") or hasattr(model, "_orig_mod"):
                model = model.module if hasattr(model, "module") else model._orig_mod
            return model
    """,
}


def path_expression(spec: Spec, reading: bool) -> str:
    """Where the file is, as the writer or the reader says it."""
    kind = spec["path"]
    if kind == "argument" and reading:
        return "args.resume" if spec["layout"] == "resume" else "args.checkpoint"
    return {
        "constant": "$CHECKPOINT",
        "fstring": 'f"{args.out}/net_{args.epochs}.pth"',
        "join": '$os.path.join(args.out, "net.pth")',
        "pathlib": '$Path(args.out) / "net.pth"',
    }.get(kind, '"checkpoint.pth"')


def define_paths(draft: Draft, spec: Spec) -> None:
    if spec["path"] == "constant":
        draft.define("config", "CHECKPOINT", 'CHECKPOINT = "final.pth"')


def define_unwrap(draft: Draft, spec: Spec) -> None:
    """The project's own unwrap helper, when the writer or the reader uses one."""
    if spec["unwrap"] in _HELPERS:
        draft.define("build", "unwrap_model", _HELPERS[spec["unwrap"]])
    elif spec["reader_unwrap"] == "helper" or spec["unwrap"] == "caller":
        draft.define("build", "unwrap_model", _HELPERS["helper"])


def unwrapped(spec: Spec, model: str) -> tuple[list[str], str]:
    """Statements, and the expression of the state dict that will be saved."""
    kind = spec["unwrap"]
    plain = f"{model}.state_dict()"
    inner = f"{model}.module.state_dict()"
    branches = {
        "hasattr_if": (f'if hasattr({model}, "module"):', "else:"),
        "isinstance_if": (f"if isinstance({model}, {_PARALLEL}):", "else:"),
        "try_except": ("try:", "except AttributeError:"),
    }
    if kind in branches:
        first, second = branches[kind]
        return [first, f"    weights = {inner}", second, f"    weights = {plain}"], "weights"
    if kind == "both":
        lines = [f'bare = getattr({model}, "_orig_mod", {model})', 'bare = getattr(bare, "module", bare)']
        return lines, "bare.state_dict()"
    if kind == "strip_keys":
        items = f"{model}.state_dict().items()"
        strip = '{k[len("module."):] if k.startswith("module.") else k: v for k, v in '
        return [f"weights = {strip}{items}}}"], "weights"
    return [], {
        "attribute": f"{inner}  #@module",
        "orig_mod_attribute": f"{model}._orig_mod.state_dict()  #@module",
        "getattr": f'getattr({model}, "module", {model}).state_dict()',
        "orig_mod": f'getattr({model}, "_orig_mod", {model}).state_dict()',
        "hasattr_expr": f'({model}.module if hasattr({model}, "module") else {model}).state_dict()',
        "isinstance_expr": f"({model}.module if isinstance({model}, {_PARALLEL}) else {model}).state_dict()",
        "raw": f"{'self.' if model.startswith('self.') else ''}raw_model.state_dict()",
        "helper": f"$unwrap_model({model}).state_dict()",
        "helper_loop": f"$unwrap_model({model}).state_dict()",
        "distributed_api": f"$get_model_state_dict({model})",
        "flag": f"{model}.module.state_dict() if {_flag(spec)} else {plain}  #@module"
        if spec["when"] != "always"
        else plain,
        "accelerator": f"accelerator.unwrap_model({model}).state_dict()",
    }.get(kind, plain)


def _flag(spec: Spec) -> str:
    """The wrap's condition, said again where the variable of the first time is out of reach."""
    return condition_of(spec).replace("n_gpus", "$torch.cuda.device_count()")


def payload(spec: Spec, weights: str) -> tuple[list[str], str]:
    """Statements, and the expression of the object that goes to torch.save."""
    kind, entry = spec["payload"], spec["entry"]
    code, mark, name = weights.partition("  #@")
    end = mark + name
    if kind == "bare":
        return ([], code) if not mark else ([f"weights = {weights}"], "weights")
    if kind == "cpu_copy":
        return [f"weights = {weights}", "weights = {k: v.cpu() for k, v in weights.items()}"], "weights"
    if kind == "tuple":
        return [f"state = (1, {code}){end}"], "state"
    literal = ["state = {", '    "epoch": 1,', f'    "{entry}": {code},{end}', "}"]
    return {
        "literal": (literal, "state"),
        "variable": ([f"state_dict = {weights}", f'state = {{"{entry}": state_dict, "epoch": 1}}'], "state"),
        "dict_call": ([f"state = dict(epoch=1, {entry}={code}){end}"], "state"),
        "ordered": ([f'state = $OrderedDict([("epoch", 1), ("{entry}", {code})]){end}'], "state"),
        "assigned": (["state = {}", 'state["epoch"] = 1', f'state["{entry}"] = {weights}'], "state"),
        "updated": (['state = {"epoch": 1}', f"state.update({entry}={code}){end}"], "state"),
        "spread": (['meta = {"epoch": 1}', f'state = {{**meta, "{entry}": {code}}}{end}'], "state"),
        "kwargs": (literal, "state"),
    }[kind]


def _body(spec: Spec, model: str, path: str) -> list[str]:
    """Everything from the model to the file, in one place."""
    before, weights = unwrapped(spec, model)
    lines, state = payload(spec, weights)
    return [*before, *lines, f"$torch.save({state}, {path})"]


# What stands around the save: statements, the last of which takes the save as its body.
_AROUND: dict[str, tuple[str, ...]] = {
    "loop": (
        "best_score = 0.0",
        "for epoch in range(args.epochs):",
        "    score = 0.5 + epoch",
        "    if score > best_score:",
        "        best_score = score",
    ),
    "rank_zero": ("if not $dist.is_initialized() or $dist.get_rank() == 0:",),
    "no_grad": ("with $torch.no_grad():",),
    "finally": ("try:", "    print(args.epochs)", "finally:"),
}


def write_lines(draft: Draft, spec: Spec, role: str, model: str, path: str) -> list[str]:
    """Statements, for the role's file, that save `model` in the scope where it was wrapped."""
    around = _AROUND.get(spec["around"], ())
    indent = "        " if spec["around"] == "loop" else "    " if around else ""
    return [*around, *(indent + line for line in _plain_write(draft, spec, role, model, path))]


def _plain_write(draft: Draft, spec: Spec, role: str, model: str, path: str) -> list[str]:
    before: list[str] = []
    if spec["copy"] != "none":
        copied = draft.deepcopy(role, model)
        before = [f"best_model = {copied}"]
        if spec["copy"] == "deepcopy_later":
            before = ["best_model = None", "for epoch in range(1):", f"    best_model = {copied}"]
        model = "best_model"
    if spec["saver"] in TAKES_MODEL:
        return [*before, *_with_model(draft, spec, model, path)]
    if spec["saver"] == "closure":
        return [*before, *function("save(path)", _body(spec, model, "path")).split("\n"), f"save({path})"]
    unwrap, weights = unwrapped(spec, model)
    lines, state = payload(spec, weights)
    return [*before, *unwrap, *lines, *_with_state(draft, spec, state, path)]


def _with_state(draft: Draft, spec: Spec, state: str, path: str) -> list[str]:
    """The payload is ready: somebody writes it."""
    kind = spec["saver"]
    if spec["payload"] == "kwargs":
        draft.define("io", "save_items", "def save_items(path, **items):\n    $torch.save(items, path)\n")
        return [f"$save_items({path}, **{state})"]
    default = '="checkpoint.pth"' if spec["path"] == "default" else ""
    helper = f"def save_checkpoint(state, path{default}):\n    $torch.save(state, path)\n"
    if kind in ("helper", "renamed", "partial_helper"):
        draft.define("io", "save_checkpoint", helper)
    if kind == "helper":
        return [f"$save_checkpoint({state}{'' if default else ', ' + path})"]
    if kind == "renamed":
        return ["write = $save_checkpoint", f"write({state}, {path})"]
    if kind == "partial_helper":
        return [f"save = $partial($save_checkpoint, path={path})", f"save({state})"]
    if kind == "partial":
        return [f"save = $partial($torch.save, f={path})", f"save({state})"]
    if kind == "lambda":
        return [f"save = lambda state: $torch.save(state, {path})", f"save({state})"]
    if kind == "method":
        draft.define(
            "io",
            "Checkpointer",
            """
            class Checkpointer:
                def __init__(self, path):
                    self.path = path

                def save(self, state):
                    $torch.save(state, self.path)
            """,
        )
        return [f"checkpointer = $Checkpointer({path})", f"checkpointer.save({state})"]
    return [f"$torch.save({state}, {path})"]


def _with_model(draft: Draft, spec: Spec, model: str, path: str) -> list[str]:
    """Somebody gets the whole model and saves its state dict; with `caller`, it gets the unwrapped one."""
    kind = spec["saver"]
    given = f"$unwrap_model({model})" if spec["unwrap"] == "caller" else model
    inside = "self.path" if kind in ("callback", "callback_list", "model_method") else "path"
    body = _body(spec.replaced("unwrap", "none") if spec["unwrap"] == "caller" else spec, "model", inside)
    default = '="checkpoint.pth"' if spec["path"] == "default" else ""
    if kind == "model_helper":
        draft.define("io", "save_model", function(f"save_model(model, path{default})", body))
        return [f"$save_model({given}{'' if default else ', ' + path})"]
    init = "    def __init__(self, path):\n        self.path = path\n        self.best = None\n\n"
    if kind == "model_method":
        draft.define("io", "Saver", f"class Saver:\n{init}" + function("save(self, model)", body, 1))
        return [f"saver = $Saver({path})", f"saver.save({given})"]
    if kind == "callback":
        call = """
    def __call__(self, score, model):
        if self.best is None or score > self.best:
            self.best = score
            self.save_checkpoint(model)

"""
        source = f"class EarlyStopping:\n{init}" + call.lstrip("\n") + function("save_checkpoint(self, model)", body, 1)
        draft.define("io", "EarlyStopping", source)
        return [f"early_stopping = $EarlyStopping({path})", f"early_stopping(0.5, {given})"]
    draft.define("io", "SaveWeights", f"class SaveWeights:\n{init}" + function("on_epoch_end(self, model)", body, 1))
    return [
        f"callbacks = [$SaveWeights({path})]",
        "for callback in callbacks:",
        f"    callback.on_epoch_end({given})",
    ]

"""How the state dict reaches the file: the shape of the payload, and who calls torch.save."""

from __future__ import annotations

from .clashes import TAKES_MODEL
from .draft import Draft, function
from .spec import Spec
from .unwraps import unwrapped


def path_expression(spec: Spec, reading: bool) -> str:
    """Where the file is, as the writer or the reader says it."""
    kind = spec["path"]
    if kind == "argument" and reading:
        return "args.resume" if spec["layout"] == "resume" else "args.checkpoint"
    return {
        "constant": "$CHECKPOINT",
        "copied": '"best.pth"' if reading else '"checkpoint.pth"',
        "listed": 'sorted($glob.glob("checkpoint*.pth"))[-1]' if reading else '"checkpoint.pth"',
        "format": '"net_{}.pth".format(args.epochs)',
        "percent": '"net_%d.pth" % args.epochs',
        "concat": 'args.out + "/net.pth"',
        "fstring": 'f"{args.out}/net_{args.epochs}.pth"',
        "join": '$os.path.join(args.out, "net.pth")',
        "pathlib": '$Path(args.out) / "net.pth"',
    }.get(kind, '"checkpoint.pth"')


def define_paths(draft: Draft, spec: Spec) -> None:
    if spec["path"] == "constant":
        draft.define("config", "CHECKPOINT", 'CHECKPOINT = "final.pth"')


def payload(draft: Draft, role: str, spec: Spec, weights: str) -> tuple[list[str], str]:
    """Statements, and the expression of the object that goes to torch.save."""
    kind, entry = spec["payload"], spec["entry"]
    code, mark, name = weights.partition("  #@")
    end = mark + name
    if kind == "bare":
        return ([], code) if not mark else ([f"weights = {weights}"], "weights")
    if kind == "cpu_copy":
        return [f"weights = {weights}", "weights = {k: v.cpu() for k, v in weights.items()}"], "weights"
    if kind == "kept":
        return [f"weights = {weights}", f"best_weights = {draft.deepcopy(role, 'weights')}"], "best_weights"
    if kind == "own_state_dict":
        return [], "self.state_dict()"
    if kind == "returned":
        body = [f'return {{"epoch": epoch, "{entry}": state_dict}}']
        draft.define("io", "as_checkpoint", function("as_checkpoint(state_dict, epoch)", body))
        return [f"state = $as_checkpoint({code}, 1){end}"], "state"
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


def own_state_dict(spec: Spec) -> str:
    """`state_dict(self)` of a trainer, which gives the checkpoint."""
    before, weights = unwrapped(spec, "self.model")
    code, mark, name = weights.partition("  #@")
    state = [f'return {{"epoch": 1, "{spec["entry"]}": {code}}}{mark}{name}']
    return function("state_dict(self)", ["args = self.args", *before, *state])


def _body(draft: Draft, role: str, spec: Spec, model: str, path: str) -> list[str]:
    """Everything from the model to the file, in one place."""
    before, weights = unwrapped(spec, model)
    lines, state = payload(draft, role, spec, weights)
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
        return [*before, *_with_model(draft, spec, model, path), *_copied(spec)]
    if spec["saver"] == "closure":
        body = _body(draft, role, spec, model, "path")
        return [*before, *function("save(path)", body).split("\n"), f"save({path})", *_copied(spec)]
    unwrap, weights = unwrapped(spec, model) if spec["payload"] != "own_state_dict" else ([], "")
    lines, state = payload(draft, role, spec, weights)
    return [*before, *unwrap, *lines, *_with_state(draft, spec, state, path), *_copied(spec)]


def _copied(spec: Spec) -> list[str]:
    return ['$shutil.copyfile("checkpoint.pth", "best.pth")'] if spec["path"] == "copied" else []


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
    if kind == "on_master":
        main = "if not $dist.is_initialized() or $dist.get_rank() == 0:"
        body = [main, "    $torch.save(*args, **kwargs)"]
        draft.define("io", "save_on_master", function("save_on_master(*args, **kwargs)", body))
        return [f"$save_on_master({state}, {path})"]
    if kind == "open_file":
        return [f'with open({path}, "wb") as handle:', f"    $torch.save({state}, handle)"]
    if kind == "atomic":
        name = f"str({path})" if spec["path"] == "pathlib" else path
        return [
            f'unfinished = {name} + ".tmp"',
            f"$torch.save({state}, unfinished)",
            f"$os.replace(unfinished, {path})",
        ]
    if kind == "static_method":
        body = ["$torch.save(state, path)"]
        source = "class CheckpointFile:\n    @staticmethod\n" + function("write(state, path)", body, 1)
        draft.define("io", "CheckpointFile", source)
        return [f"$CheckpointFile.write({state}, {path})"]
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
    inner = spec.replaced("unwrap", "none") if spec["unwrap"] == "caller" else spec
    if kind == "template":
        return _by_template(draft, inner, given, path)
    body = _body(draft, "io", inner, "model", "path" if kind == "model_helper" else "self.path")
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
    if kind == "callback_call":
        draft.define("io", "KeepWeights", f"class KeepWeights:\n{init}" + function("__call__(self, model)", body, 1))
        return [f"keep_weights = $KeepWeights({path})", f"keep_weights({given})"]
    draft.define("io", "SaveWeights", f"class SaveWeights:\n{init}" + function("on_epoch_end(self, model)", body, 1))
    return [
        f"callbacks = [$SaveWeights({path})]",
        "for callback in callbacks:",
        f"    callback.on_epoch_end({given})",
    ]


def _by_template(draft: Draft, spec: Spec, given: str, path: str) -> list[str]:
    """A base class that saves what its subclass says."""
    before, weights = unwrapped(spec, "model")
    lines, state = payload(draft, "io", spec, weights)
    init = function("__init__(self, path)", ["self.path = path"], 1)
    save = function("save(self, model)", ["$torch.save(self.state_of(model), self.path)"], 1)
    hook = function("state_of(self, model)", ["raise NotImplementedError"], 1)
    draft.define("io", "BaseSaver", f"class BaseSaver:\n{init}\n\n{save}\n\n{hook}")
    own = function("state_of(self, model)", [*before, *lines, f"return {state}"], 1)
    draft.define("io", "WeightSaver", f"class WeightSaver($BaseSaver):\n{own}")
    return [f"saver = $WeightSaver({path})", f"saver.save({given})"]

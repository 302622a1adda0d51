"""From a spec to a project: which part goes to which file, and the main function of each script."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from .clashes import IN_CLASS, INSIDE
from .draft import Draft, function
from .models import define_models, fit_source, net_expression
from .project import Project, Script
from .readers import build_and_load, read_lines
from .spec import DIMENSIONS, Spec
from .unwraps import bare_model_property, define_unwrap
from .wraps import built, define_wrappers, flags_of_wrap, noise_lines, wrap_lines
from .writers import define_paths, own_state_dict, path_expression, write_lines

_ROLE_FILES = {
    "split": (
        "model=arch.py losses=losses.py wrappers=common.py build=common.py io=common.py config=common.py "
        "engine=engine.py steps=steps.py train=train.py test=test.py"
    ),
    "package": (
        "model=net/models.py losses=net/losses.py wrappers=net/models.py build=net/build.py io=net/io.py "
        "config=net/config.py engine=net/engine.py steps=net/steps.py train=train.py test=test.py"
    ),
}
_ROLES: Mapping[str, Mapping[str, str]] = {
    layout: dict(pair.split("=") for pair in pairs.split()) for layout, pairs in _ROLE_FILES.items()
}
_EXPORTED = ("Net", "FullModel", "build_model", "unwrap_model", "save_checkpoint", "load_checkpoint", "read_weights")
_OPTIONS: Mapping[str, str] = {
    "parallel": 'parser.add_argument("--parallel", action="store_true")',
    "gpu_list": 'parser.add_argument("--gpu", default="0")',
    "local_rank": 'parser.add_argument("--local_rank", type=int, default=-1)',
    "cpu": 'parser.add_argument("--cpu", action="store_true")',
    "balanced": 'parser.add_argument("--balanced", action="store_true")',
    "evaluate": 'parser.add_argument("--evaluate", action="store_true")',
    "checkpoint": 'parser.add_argument("--checkpoint")',
    "resume": 'parser.add_argument("--resume", default="")',
}


def render(spec: Spec) -> Project:
    """The files of a spec, what starts them, and which lines are marked."""
    roles = _ROLES.get(spec["layout"]) or dict.fromkeys(_ROLES["split"], "main.py")
    exported = frozenset(_EXPORTED) if spec["layout"] == "package" else frozenset()
    draft = Draft(roles, spec["torch"], spec["imports"], exported)
    define_paths(draft, spec)
    define_wrappers(draft, spec)
    define_models(draft, spec)
    define_unwrap(draft, spec)
    flags = flags_of_wrap(spec)
    again = spec["target"] in ("same", "after") or spec["holder"] in INSIDE or spec["layout"] == "resume"
    again = again or (spec["wrap"] == "either" and spec["target"] == "wrapped")
    test_flags = flags if again else ()
    model_flags = ("balanced",) if spec["loss"] == "conditional" else ()
    checkpoint = ("checkpoint",) if spec["path"] == "argument" else ()
    one_file = spec["layout"] in ("single", "roundtrip", "resume")
    if one_file:
        stage = {"single": ("evaluate",), "resume": ("resume",)}.get(spec["layout"], ())
        options = (*flags, *model_flags, *(() if spec["layout"] == "resume" else checkpoint), *stage)
        draft.block("train", _options_source(options))
    else:
        draft.block("train", _options_source((*flags, *model_flags)))
        draft.block("test", _options_source((*test_flags, *model_flags, *checkpoint)))
    draft.block("train", fit_source(spec))

    train = _train(draft, spec)
    test = [] if spec["layout"] == "resume" else _test(draft, spec)
    reader_argv = ("--checkpoint", "checkpoint.pth") if checkpoint else ()
    last: dict[str, str] = {}
    if spec["layout"] == "roundtrip":
        last["main.py"] = _script(draft, spec, "train", [*train, *test])
        writer, reader = Script("main.py", (), flags), None
    elif spec["layout"] == "resume":
        last["main.py"] = _script(draft, spec, "train", train)
        writer, reader = Script("main.py", (), flags), Script("main.py", ("--resume", "checkpoint.pth"), flags)
    elif spec["layout"] == "single":
        draft.block("train", function("train(args)", train))
        draft.block("test", function("test(args)", test))
        last["main.py"] = _script(
            draft, spec, "train", ["if args.evaluate:", "    test(args)", "else:", "    train(args)"]
        )
        writer, reader = Script("main.py", (), flags), Script("main.py", ("--evaluate", *reader_argv), test_flags)
    else:
        last["train.py"] = _script(draft, spec, "train", train)
        last["test.py"] = _script(draft, spec, "test", test)
        writer, reader = Script("train.py", (), flags), Script("test.py", reader_argv, test_flags)
    extra = {"net/__init__.py": _reexports(draft)} if spec["layout"] == "package" else {}
    files, marks = draft.finished(last, extra)
    constructs = tuple(f"{name}: {spec[name]}" for name in DIMENSIONS)
    return Project(files, writer, reader, marks, constructs, model_flags)


def _reexports(draft: Draft) -> str:
    """The package's face: it passes on what its modules define, and later imports go through it."""
    lines = []
    for name in _EXPORTED:
        home = draft.home_of(name)
        if home:
            lines.append(f"from .{home.removeprefix('net/').removesuffix('.py')} import {name}")
    return "\n".join(lines) + "\n"


def _script(draft: Draft, spec: Spec, role: str, body: list[str]) -> str:
    """`main()` and its call, or the same statements at module level."""
    if spec["scope"] == "takes_args":
        text = draft.text(role, "\n".join(body))
        return function("main(args)", text.split("\n")) + '\n\n\nif __name__ == "__main__":\n    main(parse_args())'
    text = draft.text(role, "\n".join(["args = parse_args()", *body]))
    if spec["scope"] == "module":
        return text
    if spec["scope"] == "main_block":
        return 'if __name__ == "__main__":\n' + textwrap.indent(text, "    ")
    return function("main()", text.split("\n")) + '\n\n\nif __name__ == "__main__":\n    main()'


def _train(draft: Draft, spec: Spec) -> list[str]:
    """The statements of the training side; a Trainer class in its own file where the spec says so."""
    start = ['$dist.init_process_group("gloo")'] if "ddp" in spec["wrap"] and spec["when"] == "always" else []
    if spec["holder"] in IN_CLASS:
        _define_trainer(draft, spec)
        setup = ["trainer.setup()"] if spec["holder"] == "attr_setup" else []
        path = path_expression(spec, False)
        resume = [f"trainer.load({path_expression(spec, True)})"] if spec["layout"] == "resume" else []
        resume = _if_resumed(resume)
        return [*start, "trainer = $Trainer(args)", *setup, *resume, "trainer.fit()", f"trainer.save({path})"]
    lines, model = built(draft, spec, True)
    if spec["layout"] == "resume":
        resume = _if_resumed(read_lines(draft, spec, "train", model, path_expression(spec, True)))
        wraps = len(lines) if spec["target"] == "same" else 1 + (spec["unwrap"] in ("raw", "raw_after"))
        lines = [*lines[:wraps], *resume, *lines[wraps:]]
    lines += noise_lines(spec, model)
    fitted = model
    if spec["loss"] == "piece":
        lines.append(f"full = $FullModel({model}, $nn.CrossEntropyLoss(weight=$torch.tensor([1.0, 2.0])))")
        fitted = "full"
    fit = [f"train_one_epoch({fitted})"]
    path = path_expression(spec, False)
    return [*start, *lines, *fit, *_also(draft, spec, "train", model), *write_lines(draft, spec, "train", model, path)]


def _if_resumed(lines: list[str]) -> list[str]:
    return ["if args.resume:", *("    " + line for line in lines)] if lines else []


def _also(draft: Draft, spec: Spec, role: str, model: str) -> list[str]:
    """Look-alikes beside the real save."""
    full = "self.full" if model.startswith("self.") else "full"
    best = draft.deepcopy(role, f"{model}.state_dict()") if spec["also"] == "memory" else ""
    return {
        "memory": [
            f"best = {best}",
            f"train_one_epoch({full if spec['loss'] == 'piece' else model})",
            f"{model}.load_state_dict(best)  #@memory",
        ],
        "keys": [f"names = sorted({model}.state_dict().keys())", "print(len(names))"],
        "count": [f"print(sum(v.numel() for v in {model}.state_dict().values()))"],
        "optimizer": [
            f"optimizer = $torch.optim.SGD({model}.parameters(), lr=0.1)",
            '$torch.save(optimizer.state_dict(), "optimizer.pth")',
        ],
        "sync": [
            f"twin = {draft.deepcopy(role, model)}",
            f"twin.load_state_dict({model}.state_dict())  #@memory",
        ],
        "hub": [
            'released = $torch.hub.load_state_dict_from_url("https://example.com/net.pth", map_location="cpu")',
            f"{model}.load_state_dict(released, strict=False)  #@memory",
        ],
        "other_file": [f'$torch.save({model}.state_dict(), "other.pth")'],
        "other_model": ["probe = $nn.Linear(2, 1)", '$torch.save(probe.state_dict(), "probe.pth")'],
    }.get(spec["also"], [])


def _define_trainer(draft: Draft, spec: Spec) -> None:
    """`Trainer`, alone or on a `BaseTrainer` of another file that saves what its subclass wraps."""
    role = "io" if spec["holder"] in ("attr_base", "attr_hook") else "engine"
    raw = ["self.raw_model = self.model"] if spec["unwrap"] in ("raw", "raw_after") else []
    piece = spec["loss"] == "piece"
    full = "self.full = $FullModel(self.model, $nn.CrossEntropyLoss(weight=$torch.tensor([1.0, 2.0])))"
    build = ["self.args = args", f"self.model = {net_expression(spec, True)}", *raw]
    wraps = wrap_lines(spec, "self.model")
    if spec["holder"] == "attr_setattr":
        build.append('self.model_names = ["model"]')
        each = ["net = getattr(self, name)", *wrap_lines(spec, "net"), "setattr(self, name, net)"]
        wraps = ["for name in self.model_names:", *("    " + line for line in each)]
    wrap = [*wraps, *noise_lines(spec, "self.model"), *([full] if piece else [])]
    fit = [f"$train_step(self.{'full' if piece else 'model'})", *_also(draft, spec, role, "self.model")]
    fit = [line.replace("train_one_epoch", "$train_step") for line in fit]
    draft.define("steps", "train_step", fit_source(spec).replace("train_one_epoch", "train_step"))
    methods = [
        function("fit(self)", ["args = self.args", *fit]),
        function("save(self, path)", ["args = self.args", *write_lines(draft, spec, role, "self.model", "path")]),
    ]
    if spec["target"] == "same":
        methods.append(function("load(self, path)", read_lines(draft, spec, role, "self.model", "path")))
    if spec["unwrap"] == "property":
        methods.append(bare_model_property())
    if spec["payload"] == "own_state_dict":
        methods.append(own_state_dict(spec))
    if spec["holder"] == "attr_hook":
        hook = function("_build_model(self)", ["raise NotImplementedError"])
        start = function("__init__(self, args)", ["self.args = args", "self.model = self._build_model()"])
        draft.define("io", "BaseTrainer", _class("BaseTrainer", [start, hook, *methods]))
        made = ["args = self.args", f"model = {net_expression(spec, True)}", *wrap_lines(spec, "model")]
        made += [*noise_lines(spec, "model"), "return model"]
        draft.define("engine", "Trainer", _class("Trainer($BaseTrainer)", [function("_build_model(self)", made)]))
        return
    if spec["holder"] == "attr_base":
        draft.define("io", "BaseTrainer", _class("BaseTrainer", [function("__init__(self, args)", build), *methods]))
        init = function("__init__(self, args)", ["super().__init__(args)", *wrap])
        draft.define("engine", "Trainer", _class("Trainer($BaseTrainer)", [init]))
        return
    if spec["holder"] == "attr_setup":
        setup = function("setup(self)", ["args = self.args", *wrap])
        methods = [function("__init__(self, args)", build), setup, *methods]
    else:
        methods = [function("__init__(self, args)", [*build, *wrap]), *methods]
    draft.define("engine", "Trainer", _class("Trainer", methods))


def _test(draft: Draft, spec: Spec) -> list[str]:
    """The statements of the reading side."""
    path = path_expression(spec, True)
    together = spec["layout"] == "roundtrip"
    if spec["target"] == "same" and spec["holder"] in IN_CLASS:
        setup = ["trainer.setup()"] if spec["holder"] == "attr_setup" else []
        new = ["trainer.fit()"] if together else ["trainer = $Trainer(args)", *setup]
        return [*new, f"trainer.load({path})"]
    if spec["target"] == "same":
        lines, model = built(draft, spec, False)
        again = [f"train_one_epoch({'full' if spec['loss'] == 'piece' else model})"]
        return [*(again if together else lines), *read_lines(draft, spec, "test", model, path)]
    name = "restored" if together else "model"
    if spec["reader"] == "builds":
        lines = [f"{name} = {build_and_load(draft, spec, path)}"]
    else:
        lines = [f"{name} = {net_expression(spec, False)}"]
        if spec["target"] == "wrapped":
            lines += wrap_lines(spec, name, always=True)
        lines += read_lines(draft, spec, "test", name, path)
    if spec["target"] == "after":
        lines += wrap_lines(spec, name)
    if spec["also"] == "other_model":
        lines += ["probe = $nn.Linear(2, 1)", 'probe.load_state_dict($torch.load("probe.pth"))']
    if spec["also"] == "optimizer" and not together:
        lines += [
            f"optimizer = $torch.optim.SGD({name}.parameters(), lr=0.1)",
            'optimizer.load_state_dict($torch.load("optimizer.pth"))',
        ]
    return lines


def _options_source(options: tuple[str, ...]) -> str:
    lines = ["parser = $argparse.ArgumentParser()", 'parser.add_argument("--out", default=".")']
    lines += ['parser.add_argument("--epochs", type=int, default=1)']
    lines += [_OPTIONS[option] for option in dict.fromkeys(options) if option in _OPTIONS]
    if "distributed" in options:
        lines += ["args = parser.parse_args()", 'args.distributed = int($os.environ.get("WORLD_SIZE", "1")) > 1']
        return function("parse_args()", [*lines, "return args"])
    return function("parse_args()", [*lines, "return parser.parse_args()"])


def _class(header: str, methods: list[str]) -> str:
    return f"class {header}:\n" + textwrap.indent("\n\n".join(methods), "    ")

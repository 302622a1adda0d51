"""How a generated project wraps its model: the wrapper chain, the condition around it, and where it happens."""

from __future__ import annotations

from .clashes import INSIDE
from .draft import Draft, function
from .models import net_expression
from .spec import Spec

# The steps of each chain, inside out; `{t}` is what gets wrapped.
CHAINS: dict[str, tuple[str, ...]] = {
    "none": (),
    "dp": ("$DP({t})",),
    "ddp": ("$DDP({t})",),
    "compile": ("$torch.compile({t})",),
    "user_dp": ("$PatchedParallel({t})",),
    "user_ddp": ("$PatchedDistributed({t})",),
    "compile_options": ('$torch.compile({t}, mode="reduce-overhead")',),
    "compile_partial": ("$compile_model({t})",),
    "compile_deferred": ("$torch.compile(dynamic=False)({t})",),
    "ddp_then_compile": ("$DDP({t})", "$torch.compile({t})"),
    "compile_then_ddp": ("$torch.compile({t})", "$DDP({t})"),
    "dp_then_compile": ("$DP({t})", "$torch.compile({t})"),
    "compile_then_dp": ("$torch.compile({t})", "$DP({t})"),
    "dp_twice": ("$DP({t})", "$DP({t})"),
    "averaged": ("$AveragedModel({t})",),
    "apex": ("$ApexDDP({t})",),
    "either": ("($DDP if args.parallel else $DP)({t})",),
    "fairscale": ("$ShardedDDP({t}, $torch.optim.SGD({t}.parameters(), lr=0.1))",),
}
_SUPPORT: dict[str, tuple[str, str]] = {
    "user_dp": (
        "PatchedParallel",
        """
        class PatchedParallel($DP):
            def __getattr__(self, name):
                try:
                    return super().__getattr__(name)
                except AttributeError:
                    return getattr(self.module, name)
        """,
    ),
    "user_ddp": (
        "PatchedDistributed",
        """
        class PatchedDistributed($DDP):
            def gather(self, tensors):
                return tensors
        """,
    ),
    "compile_partial": ("compile_model", "compile_model = $partial($torch.compile, dynamic=False)"),
}
_INIT = """
    def init_weights(m):
        if isinstance(m, $nn.Linear):
            $nn.init.normal_(m.weight, std=0.5)
"""
CONDITIONS: dict[str, tuple[str, str, str]] = {  # when -> (flag, a line before, the condition)
    "parallel": ("parallel", "", "args.parallel"),
    "gpus": ("gpus", "", "$torch.cuda.device_count() > 1"),
    "gpu_variable": ("gpus", "n_gpus = $torch.cuda.device_count()", "n_gpus > 1"),
    "gpu_list": ("gpu_list", "", 'len(args.gpu.split(",")) > 1'),
    "distributed": ("distributed", "", "args.distributed"),
    "local_rank": ("local_rank", "", "args.local_rank != -1"),
    "not_cpu": ("cpu", "", "not args.cpu"),
    "available": ("available", "", "$torch.cuda.is_available()"),
    "options_dict": ("parallel", "options = vars(args)", 'options["parallel"]'),
}


def flags_of_wrap(spec: Spec) -> tuple[str, ...]:
    """The flags that decide whether this project's model is wrapped."""
    if spec["wrap"].startswith("accelerate"):
        return ("distributed",)
    if spec["wrap"] == "either":
        return ("parallel",)
    if spec["when"] == "always":
        return ()
    if spec["holder"] in INSIDE:
        return ("gpus",)
    flag = CONDITIONS[spec["when"]][0]
    if spec["condition"] != "nested":
        return (flag,)
    return (flag, "parallel" if flag in ("gpus", "available") else "gpus")


def condition_of(spec: Spec) -> str:
    """The whole condition as one expression."""
    first = CONDITIONS[spec["when"]]
    if spec["condition"] != "nested":
        return first[2]
    second = "args.parallel" if first[0] in ("gpus", "available") else "$torch.cuda.device_count() > 1"
    return f"{first[2]} and {second}"


def define_wrappers(draft: Draft, spec: Spec) -> None:
    if spec["noise"] == "apply_init":
        draft.define("wrappers", "init_weights", _INIT)
    if spec["wrap"] in _SUPPORT:
        draft.define("wrappers", *_SUPPORT[spec["wrap"]])


def wrapped(spec: Spec, target: str) -> str:
    """`target` with the whole chain around it, as one expression."""
    for step in CHAINS[spec["wrap"]]:
        target = step.replace("{t}", target)
    return target


def wrap_lines(spec: Spec, target: str, always: bool = False) -> list[str]:
    """Statements that wrap `target` in place, under the project's condition unless `always`."""
    kind = spec["wrap"]
    if kind == "none" or spec["holder"] in INSIDE:
        return []
    if kind == "accelerate":
        return ["accelerator = $Accelerator()", f"{target} = accelerator.prepare({target})"]
    if kind == "fabric":
        return ["fabric = $Fabric()", f"{target} = fabric.setup({target})"]
    if kind.endswith("_tuple"):
        library, call = ("accelerator", "prepare") if kind == "accelerate_tuple" else ("fabric", "setup")
        return [
            f"{library} = ${library.capitalize()}()",
            f"optimizer = $torch.optim.SGD({target}.parameters(), lr=0.1)",
            f"{target}, optimizer = {library}.{call}({target}, optimizer)",
        ]
    if kind == "either":
        return ["wrapper = $DDP if args.parallel else $DP", f"{target} = wrapper({target})"]
    moved = '.to("cpu")' if spec["noise"] == "chained" else ""
    steps = [f"{target} = {step.replace('{t}', target)}{moved}" for step in CHAINS.get(kind, ())]
    if kind == "compile_inplace":
        steps = [f"{target}.compile()"]
    if spec["unwrap"] == "raw_after":
        steps.append(f"{'self.' if target.startswith('self.') else ''}raw_model = {target}.module")
    if always or spec["when"] == "always":
        return steps
    _, before, condition = CONDITIONS[spec["when"]]
    lines = [before] if before else []
    if spec["condition"] == "ternary":
        return [*lines, *(f"{step} if {condition} else {target}" for step in steps)]
    if spec["condition"] == "nested":
        outer, inner = condition_of(spec).split(" and ")
        return [*lines, f"if {outer}:", f"    if {inner}:", *("        " + step for step in steps)]
    return [*lines, f"if {condition}:", *("    " + step for step in steps)]


def built(draft: Draft, spec: Spec, train: bool) -> tuple[list[str], str]:
    """Statements that build and wrap the model, and the expression it is under after them."""
    net = net_expression(spec, train)
    holder = spec["holder"]
    if holder in ("factory", "factory_return"):
        _define_factory(draft, spec, net)
        return ["model = $build_model(args)"], "model"
    if holder == "factory_tuple":
        body = [f"model = {net}", *wrap_lines(spec, "model")]
        body += ["optimizer = $torch.optim.SGD(model.parameters(), lr=0.1)", "return model, optimizer"]
        draft.define("build", "build_model", function("build_model(args)", body))
        return ["model, optimizer = $build_model(args)"], "model"
    if holder == "namespace":
        return ["run = $SimpleNamespace()", f"run.model = {net}", *wrap_lines(spec, "run.model")], "run.model"
    if holder == "passed_along":
        body = [*wrap_lines(spec, "network"), "return network"]
        draft.define("build", "parallelize", function("parallelize(network, args)", body))
        return [f"model = $parallelize({net}, args)"], "model"
    if holder == "item":
        lines = ["nets = {}", f'nets["g"] = {net}', 'nets["d"] = $nn.Linear(2, 1)', *wrap_lines(spec, 'nets["g"]')]
        return lines, 'nets["g"]'
    if holder == "loop":
        body = ["    " + line for line in wrap_lines(spec, "nets[name]")]
        return [f'nets = {{"g": {net}, "d": $nn.Linear(2, 1)}}', "for name in nets:", *body], 'nets["g"]'
    if holder in ("comprehension", "dict_comprehension"):
        many = holder == "comprehension"
        first = f"models = [{net}, $nn.Linear(2, 1)]" if many else f'nets = {{"g": {net}, "d": $nn.Linear(2, 1)}}'
        every = (
            f"models = [{wrapped(spec, 'm')} for m in models]"
            if many
            else f"nets = {{name: {wrapped(spec, 'm')} for name, m in nets.items()}}"
        )
        return [first, *_guarded(spec, every)], "models[0]" if many else 'nets["g"]'
    target = "model.features" if holder == "submodule" else "model"
    raw = ["raw_model = model"] if spec["unwrap"] in ("raw", "raw_after") and train else []
    annotation = ": $nn.Module" if spec["noise"] == "annotated" else ""
    return [f"model{annotation} = {net}", *raw, *wrap_lines(spec, target)], "model"


def noise_lines(spec: Spec, model: str) -> list[str]:
    """Statements between building and training that change nothing about keys."""
    return {
        "to_device": ['device = $torch.device("cpu")', f"{model} = {model}.to(device)"],
        "train_mode": [f"{model}.train()"],
        "apply_init": [f"{model}.apply($init_weights)"],
    }.get(spec["noise"], [])


def _guarded(spec: Spec, statement: str) -> list[str]:
    if spec["when"] == "always":
        return [statement]
    _, before, _ = CONDITIONS[spec["when"]]
    return [*([before] if before else []), f"if {condition_of(spec)}:", "    " + statement]


def _define_factory(draft: Draft, spec: Spec, net: str) -> None:
    body = [f"model = {net}"]
    if spec["holder"] == "factory_return" and spec["when"] != "always" and spec["wrap"] in CHAINS:
        body += [*_guarded(spec, f"return {wrapped(spec, 'model')}"), "return model"]
    elif spec["holder"] == "factory_return" and spec["wrap"] in CHAINS:
        body += [f"return {wrapped(spec, 'model')}"]
    else:
        body += [*wrap_lines(spec, "model"), "return model"]
    draft.define("build", "build_model", function("build_model(args)", body))

"""What a generated project is made of: one choice per dimension, as a frozen value.

A project is not a random text but a short list of independent choices, for example

    layout=split  wrap=dp  when=gpus  unwrap=none  payload=literal  saver=helper  target=bare  guard=none

`render` turns the list into source files. Every dimension's first alternative is its simplest one, so a project that
shows a disagreement shrinks by putting first alternatives (then earlier ones) in the place of later ones while the
disagreement stays (see `shrink`). Choices that mean nothing together are made simple again by `normalise`, so every
`Spec` that exists can be rendered, and two specs that differ give programs that differ.

    >>> spec_of_seed(7) == spec_of_seed(7)
    True
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import msgspec

# What must be generated, dimension by dimension. Those of one row are alternatives; rows combine freely.
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    # Which files there are: one script with two stages, two scripts, two scripts and a package, one run for both.
    "layout": ("split", "single", "package", "roundtrip"),
    "imports": ("names", "module", "renamed"),
    "torch": ("plain", "th", "aliases", "deep"),
    "scope": ("function", "module"),
    "net": ("plain", "backbone", "old_super", "own_module", "compiled_class", "compiled_forward", "lightning"),
    "wrap": (
        "none", "dp", "ddp", "compile", "user_dp", "user_ddp", "compile_options", "compile_partial", "compile_deferred",
        "compile_inplace", "ddp_then_compile", "compile_then_ddp", "dp_then_compile", "compile_then_dp", "dp_twice",
        "averaged", "apex", "fairscale", "accelerate", "fabric",
    ),
    "when": (
        "always", "parallel", "gpus", "gpu_variable", "gpu_list", "distributed", "local_rank", "not_cpu", "available",
    ),
    "condition": ("if", "ternary", "nested"),
    "holder": (
        "name", "attr", "attr_setup", "attr_base", "item", "submodule", "forward", "factory", "factory_return",
        "comprehension", "dict_comprehension", "loop", "passed_along",
    ),
    "loss": (
        "functional", "outside", "stateless", "weighted", "bce_pos", "passed", "factory", "registry", "nested",
        "subclass", "conditional", "later", "full", "piece", "held", "listed", "non_persistent", "learnable",
    ),
    "test_loss": ("same", "without"),
    "copy": ("none", "deepcopy", "deepcopy_later"),
    "unwrap": (
        "none", "attribute", "getattr", "hasattr_expr", "isinstance_expr", "hasattr_if", "isinstance_if", "try_except",
        "raw", "helper", "helper_loop", "caller", "distributed_api", "orig_mod", "both", "flag", "strip_keys",
        "accelerator", "orig_mod_attribute",
    ),
    "payload": (
        "bare", "literal", "dict_call", "ordered", "kwargs", "variable", "assigned", "updated", "spread", "tuple",
        "cpu_copy",
    ),
    "entry": ("state_dict", "model", "net"),
    "saver": (
        "inline", "helper", "model_helper", "method", "model_method", "closure", "callback", "callback_list", "partial",
        "partial_helper", "lambda", "renamed",
    ),
    "path": ("literal", "constant", "fstring", "join", "argument", "default", "pathlib"),
    "target": ("bare", "same", "wrapped", "after"),
    "reader": ("inline", "helper", "method", "returns"),
    "extract": ("plain", "get", "membership", "branch"),
    "reader_unwrap": ("none", "attribute", "getattr", "isinstance_if", "helper"),
    "guard": (
        "none", "startswith", "startswith_loop", "removeprefix", "consume", "first_key", "any_key", "retry", "add",
        "add_blind", "replace", "slice", "lstrip", "filter", "merge", "named_load_state_dict", "consume_both",
    ),
    "strict": ("default", "true", "false", "variable_true", "variable_false"),
    "also": ("none", "memory", "keys", "optimizer", "other_file", "count"),
}

# How often a dimension keeps its simplest alternative; the rest is shared evenly. One half where nothing is said.
SIMPLE: Mapping[str, float] = {
    "layout": 0.4, "imports": 0.6, "torch": 0.4, "scope": 0.8, "net": 0.5, "wrap": 0.12, "when": 0.5, "condition": 0.7,
    "holder": 0.3, "loss": 0.5, "copy": 0.8, "unwrap": 0.45, "payload": 0.3, "entry": 0.5, "saver": 0.35, "path": 0.4,
    "target": 0.5, "reader": 0.5, "extract": 0.7, "reader_unwrap": 0.75, "guard": 0.5, "strict": 0.6, "also": 0.5,
}


class Spec(msgspec.Struct, frozen=True):
    """One alternative for each dimension, in the order of `DIMENSIONS`; read as `spec["wrap"]`."""

    choices: tuple[str, ...]

    def __getitem__(self, dimension: str) -> str:
        return self.choices[_POSITION[dimension]]

    def replaced(self, dimension: str, alternative: str) -> Spec:
        """The spec with another alternative there, made valid."""
        choices = list(self.choices)
        choices[_POSITION[dimension]] = alternative
        return normalise(Spec(tuple(choices)))

    def described(self) -> dict[str, str]:
        """What differs from the simplest project: the form in which a case is stored and shown."""
        return {name: self[name] for name, options in DIMENSIONS.items() if self[name] != options[0]}

    def simpler(self) -> Iterator[Spec]:
        """Every valid spec that is one step simpler, the largest steps first."""
        for dimension, options in DIMENSIONS.items():
            for alternative in options[: options.index(self[dimension])]:
                other = self.replaced(dimension, alternative)
                if other.weight < self.weight:
                    yield other

    @property
    def weight(self) -> int:
        """How far from the simplest project; strictly falls while shrinking, so that shrinking ends."""
        return sum(options.index(self[name]) for name, options in DIMENSIONS.items())


_POSITION: Mapping[str, int] = {name: i for i, name in enumerate(DIMENSIONS)}


def spec_of(**different: str) -> Spec:
    """The simplest project but for these choices. Raises ValueError for a word that no dimension has."""
    for name, alternative in different.items():
        if alternative not in DIMENSIONS.get(name, ()):
            raise ValueError(f"no such choice: {name}={alternative}")
    return normalise(Spec(tuple(different.get(name, options[0]) for name, options in DIMENSIONS.items())))


def spec_of_seed(seed: int) -> Spec:
    """The project of a seed: the same one on every machine and Python version."""
    dice = random.Random(f"ckptlint differential {seed}")
    choices = []
    for name, options in DIMENSIONS.items():
        simple = dice.random() < SIMPLE.get(name, 0.5)
        choices.append(options[0] if simple else options[int(dice.random() * (len(options) - 1)) + 1])
    return normalise(Spec(tuple(choices)))


COMPILED = frozenset({
    "compile", "compile_options", "compile_partial", "compile_deferred", "ddp_then_compile", "compile_then_ddp",
    "dp_then_compile", "compile_then_dp",
})  # fmt: skip
IN_CLASS = frozenset({"attr", "attr_setup", "attr_base"})
TAKES_MODEL = frozenset({"model_helper", "model_method", "callback", "callback_list"})
WEIGHTED_AT_BUILD = frozenset({"weighted", "bce_pos", "passed", "factory", "registry", "nested", "subclass", "full"})


def _clashes(s: Spec) -> Iterator[str]:
    """The dimensions whose choice means nothing beside the others."""
    wraps_itself = s["wrap"] in ("none", "accelerate", "fabric", "compile_inplace")
    if s["when"] != "always" and s["wrap"] in ("none", "accelerate", "fabric"):
        yield "when"
    if s["condition"] != "if" and s["when"] == "always":
        yield "condition"
    if s["condition"] == "ternary" and (s["wrap"] == "compile_inplace" or s["holder"] == "factory_return"):
        yield "condition"
    if s["holder"] == "forward" and (
        s["wrap"] not in ("dp", "user_dp") or s["when"] not in ("always", "gpus") or s["net"].startswith("compiled")
    ):
        yield "holder"
    if s["holder"] in ("submodule", "forward") and s["net"] == "own_module":
        yield "net"
    if s["holder"] in ("comprehension", "dict_comprehension", "loop") and wraps_itself:
        yield "holder"
    if s["holder"] in ("comprehension", "dict_comprehension", "submodule") and s["wrap"] in ("averaged", "fairscale"):
        yield "wrap"
    if s["holder"] in ("comprehension", "dict_comprehension") and s["condition"] == "ternary":
        yield "condition"
    if s["scope"] == "module" and (s["holder"] in IN_CLASS or s["layout"] in ("single", "roundtrip")):
        yield "scope"
    if s["unwrap"] == "raw" and s["holder"] not in ("name", "attr", "attr_setup", "attr_base"):
        yield "unwrap"
    if s["unwrap"] == "raw" and (s["saver"] in TAKES_MODEL or s["copy"] != "none"):
        yield "unwrap"
    if s["unwrap"] == "caller" and s["saver"] not in TAKES_MODEL:
        yield "unwrap"
    if s["unwrap"] == "accelerator" and (s["wrap"] != "accelerate" or s["holder"] != "name"):
        yield "unwrap"
    if s["unwrap"] == "flag" and (s["when"] == "always" or s["saver"] in TAKES_MODEL):
        yield "unwrap"
    if s["unwrap"] in ("accelerator", "raw", "flag") and s["saver"] in TAKES_MODEL:
        yield "saver"
    if s["payload"] == "kwargs" and s["saver"] in ("partial", "lambda", "renamed"):
        yield "payload"
    if s["payload"] not in ("bare", "cpu_copy", "tuple"):
        pass
    elif s["entry"] != "state_dict":
        yield "entry"
    if s["payload"] in ("bare", "cpu_copy", "tuple") and s["extract"] != "plain":
        yield "extract"
    if s["test_loss"] == "without" and (s["target"] == "same" or s["loss"] not in WEIGHTED_AT_BUILD):
        yield "test_loss"
    if s["loss"] in ("full", "piece") and s["holder"] not in ("name", "attr"):
        yield "holder"
    if s["loss"] == "later" and s["layout"] == "roundtrip" and s["target"] == "wrapped":
        yield "target"
    if s["net"].startswith("compiled") and "compile" in s["wrap"]:
        yield "net"
    if s["net"] == "lightning" and s["loss"] in ("full", "piece"):
        yield "net"
    if s["target"] in ("wrapped", "after") and wraps_itself:
        yield "target"
    if s["target"] in ("wrapped", "after") and s["holder"] in ("submodule", "forward", "passed_along"):
        yield "target"
    if s["reader_unwrap"] != "none" and (s["target"] in ("bare", "after") or s["wrap"] == "none"):
        yield "reader_unwrap"
    if s["guard"] in ("add", "add_blind") and s["target"] not in ("same", "wrapped"):
        yield "guard"
    if s["strict"] not in ("default", "false") and s["guard"] == "merge":
        yield "strict"
    if s["also"] == "other_file" and s["path"] not in ("literal", "constant"):
        yield "also"
    if s["also"] == "memory" and s["layout"] == "roundtrip":
        yield "also"
    if s["path"] == "default" and (s["saver"] not in ("helper", "model_helper") or s["layout"] == "roundtrip"):
        yield "path"
    if s["path"] == "argument" and s["layout"] == "roundtrip":
        yield "path"


def normalise(spec: Spec) -> Spec:
    """The spec with every meaningless choice put back to the simplest one, again and again until none is left."""
    for _ in range(4 * len(DIMENSIONS)):
        clash = next(_clashes(spec), None)
        if clash is None:
            return spec
        if spec[clash] == DIMENSIONS[clash][0]:
            raise AssertionError(f"the simplest {clash} clashes: {spec.described()}")
        choices = list(spec.choices)
        choices[_POSITION[clash]] = DIMENSIONS[clash][0]
        spec = Spec(tuple(choices))
    raise AssertionError(f"never settles: {spec.described()}")

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
from collections.abc import Mapping

import msgspec

from .clashes import first_clash


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# What must be generated, dimension by dimension. Those of one row are alternatives; rows combine freely.
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    # Which files there are: two scripts, one script with two stages, two scripts and a package, one run for both, one
    # script that goes on from its own file.
    "layout": _words("split single package roundtrip resume"),
    "imports": _words("names module renamed module_as star"),
    "torch": _words("plain th aliases deep"),
    "scope": _words("function module main_block takes_args"),
    "net": _words(
        "plain backbone old_super own_module compiled_class compiled_forward lightning compiled_class_partial "
        "compiled_forward_partial"
    ),
    "wrap": _words(
        "none dp ddp compile user_dp user_ddp compile_options compile_partial compile_deferred "
        "compile_inplace ddp_then_compile compile_then_ddp dp_then_compile compile_then_dp dp_twice averaged "
        "apex fairscale accelerate fabric accelerate_tuple fabric_tuple either"
    ),
    "when": _words("always parallel gpus gpu_variable gpu_list distributed local_rank not_cpu available options_dict"),
    "condition": _words("if ternary nested"),
    "holder": _words(
        "name attr attr_setup attr_base item submodule forward factory factory_return comprehension "
        "dict_comprehension loop passed_along own_init attr_hook attr_setattr factory_tuple namespace"
    ),
    "loss": _words(
        "functional outside stateless weighted bce_pos passed factory registry nested subclass conditional "
        "later full piece held listed non_persistent learnable registered nested_later fluent configured by_name "
        "module_dict"
    ),
    "test_loss": _words("same without"),
    "copy": _words("none deepcopy deepcopy_later"),
    "unwrap": _words(
        "none attribute getattr hasattr_expr isinstance_expr hasattr_if isinstance_if try_except raw helper "
        "helper_loop caller distributed_api orig_mod both flag strip_keys accelerator orig_mod_attribute predicate "
        "type_expr raw_after flag_model not_hasattr while_loop helper_try distributed_options state_helper "
        "strip_loop consume property"
    ),
    "payload": _words(
        "bare literal dict_call ordered kwargs variable assigned updated spread tuple cpu_copy kept returned "
        "own_state_dict"
    ),
    "entry": _words("state_dict model net"),
    "saver": _words(
        "inline helper model_helper method model_method closure callback callback_list partial partial_helper "
        "lambda renamed callback_call static_method template on_master open_file atomic"
    ),
    "path": _words("literal constant fstring join argument default pathlib copied listed format percent concat"),
    "target": _words("bare same wrapped after"),
    "reader": _words("inline helper method returns direct one_line builds"),
    "extract": _words("plain get membership branch try candidates"),
    "reader_unwrap": _words("none attribute getattr isinstance_if helper hasattr_if try_except"),
    "guard": _words(
        "none startswith startswith_loop removeprefix consume first_key any_key retry add add_blind replace "
        "slice lstrip filter merge named_load_state_dict consume_both first_key_list contains regex strip_helper "
        "renamed_load_state_dict pop_loop shape_filter copy_into split retry_add"
    ),
    "strict": _words("default true false variable_true variable_false positional_false passed_false"),
    "also": _words("none memory keys optimizer other_file other_model count sync hub"),
    "around": _words("plain loop rank_zero no_grad finally"),
    "noise": _words("none to_device chained train_mode apply_init annotated"),
}

# How often a dimension keeps its simplest alternative; the rest is shared evenly. One half where nothing is said.
_SHARES = {
    0.12: "wrap",
    0.3: "holder payload unwrap",
    0.35: "saver",
    0.4: "layout torch path guard",
    0.5: "net when entry target reader also",
    0.6: "loss imports strict around noise",
    0.7: "condition extract",
    0.75: "reader_unwrap",
    0.8: "scope copy",
}
SIMPLE: Mapping[str, float] = {name: share for share, names in _SHARES.items() for name in names.split()}


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


# What belongs together but would seldom meet: where the first choice is drawn, the others come with it this often.
_TOGETHER: tuple[tuple[str, str, float, Mapping[str, str]], ...] = (
    ("wrap", "accelerate", 0.25, {"unwrap": "accelerator", "holder": "name", "saver": "inline"}),
    ("wrap", "compile", 0.25, {"unwrap": "orig_mod"}),
    ("wrap", "ddp_then_compile", 0.25, {"unwrap": "both"}),
    ("wrap", "compile_then_ddp", 0.25, {"guard": "consume_both"}),
    ("saver", "callback", 0.25, {"unwrap": "caller"}),
    ("saver", "model_helper", 0.25, {"unwrap": "caller"}),
    ("target", "wrapped", 0.25, {"guard": "add"}),
    ("holder", "forward", 0.5, {"wrap": "dp", "when": "always", "net": "plain"}),
    ("unwrap", "raw", 0.5, {"holder": "name", "saver": "inline", "copy": "none"}),
    ("path", "default", 0.5, {"saver": "helper"}),
)
_TRIES = 200  # at a project of a seed that has certain choices


def spec_of_seed(seed: int, forced: Mapping[str, str] | None = None) -> Spec:
    """The project of a seed: the same one on every machine and Python version; with these choices, if any are given.

    Raises ValueError where no project of this seed can have them.
    """
    dice = random.Random(f"ckptlint differential {seed}")
    if not forced:
        return _drawn(dice, {})
    drawn = (_drawn(dice, forced) for _ in range(_TRIES))
    found = next((one for one in drawn if all(one[name] == option for name, option in forced.items())), None)
    if found is None:
        raise ValueError(f"never together: {dict(forced)}")
    return found


def _drawn(dice: random.Random, forced: Mapping[str, str]) -> Spec:
    choices = []
    for name, options in DIMENSIONS.items():
        simple = dice.random() < SIMPLE.get(name, 0.5)
        drawn = options[0] if simple else options[int(dice.random() * (len(options) - 1)) + 1]
        choices.append(forced.get(name, drawn))
    for given, option, share, others in _TOGETHER:
        if choices[_POSITION[given]] == option and dice.random() < share:
            for name, then in others.items():
                choices[_POSITION[name]] = then
    return normalise(Spec(tuple(choices)))


def normalise(spec: Spec) -> Spec:
    """The spec with every meaningless choice put back to the simplest one, again and again until none is left."""
    for _ in range(4 * len(DIMENSIONS)):
        clash = first_clash(spec)
        if clash is None:
            return spec
        if spec[clash] == DIMENSIONS[clash][0]:
            raise AssertionError(f"the simplest {clash} clashes: {spec.described()}")
        choices = list(spec.choices)
        choices[_POSITION[clash]] = DIMENSIONS[clash][0]
        spec = Spec(tuple(choices))
    raise AssertionError(f"never settles: {spec.described()}")

"""Choices that mean nothing together: which dimension then goes back to its simplest alternative.

Each rule is a dimension and when its choice is void; for example, no condition stands around a wrap that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Choices(Protocol):
    def __getitem__(self, dimension: str, /) -> str: ...


IN_CLASS = frozenset({"attr", "attr_setup", "attr_base", "attr_hook", "attr_setattr"})
INSIDE = frozenset({"forward", "own_init"})  # the model wraps a part of itself
TAKES_MODEL = frozenset({"model_helper", "model_method", "callback", "callback_list", "callback_call", "template"})
BARE_FILES = frozenset({"bare", "cpu_copy", "kept"})  # the state dict is the whole file
DIRECT = frozenset({"direct", "one_line"})
WEIGHTED_AT_BUILD = frozenset(
    {"weighted", "bce_pos", "passed", "factory", "registry", "nested", "subclass", "full"}
    | {"registered", "fluent", "configured", "by_name", "module_dict"}
)
_LIBRARIES = frozenset({"accelerate", "accelerate_tuple", "fabric", "fabric_tuple"})
_WRAPS_ITSELF = _LIBRARIES | {"none", "compile_inplace"}
_ONE_FILE = frozenset({"single", "roundtrip", "resume"})
_NO_ENTRY = BARE_FILES | {"tuple"}
_HOLDS_MODULE = frozenset({"dp", "ddp", "user_dp", "user_ddp", "dp_twice", "apex", "fairscale", "averaged"})
_RAW = frozenset({"raw", "raw_after"})
_FLAGS = frozenset({"flag", "flag_model"})
_READ_ELSEWHERE = frozenset({"named_load_state_dict"})
_COMPREHENSIONS = frozenset({"comprehension", "dict_comprehension"})
_OVER_MANY = _COMPREHENSIONS | {"loop"}

CLASHES: tuple[tuple[str, Callable[[Choices], bool]], ...] = (
    ("when", lambda s: s["when"] != "always" and s["wrap"] in _LIBRARIES | {"none", "either"}),
    ("condition", lambda s: s["condition"] != "if" and s["when"] == "always"),
    (
        "condition",
        lambda s: s["condition"] == "ternary" and (s["wrap"] == "compile_inplace" or s["holder"] == "factory_return"),
    ),
    (
        "holder",
        lambda s: (
            s["holder"] in INSIDE
            and (
                s["wrap"] not in (("dp", "user_dp") if s["holder"] == "forward" else ("dp", "user_dp", "compile"))
                or s["when"] not in ("always", "gpus")
                or s["net"].startswith("compiled")
            )
        ),
    ),
    ("net", lambda s: s["holder"] in INSIDE | {"submodule"} and s["net"] == "own_module"),
    ("holder", lambda s: s["holder"] in _OVER_MANY and s["wrap"] in _WRAPS_ITSELF),
    (
        "wrap",
        lambda s: (
            s["holder"] in ("comprehension", "dict_comprehension", "submodule")
            and s["wrap"] in ("averaged", "fairscale")
        ),
    ),
    ("condition", lambda s: s["holder"] in _COMPREHENSIONS and s["condition"] == "ternary"),
    ("scope", lambda s: s["scope"] == "module" and (s["holder"] in IN_CLASS or s["layout"] in _ONE_FILE)),
    (
        "unwrap",
        lambda s: s["unwrap"] in _RAW and s["holder"] not in ("name", "attr", "attr_setup", "attr_base"),
    ),
    ("unwrap", lambda s: s["unwrap"] == "raw_after" and s["wrap"] not in _HOLDS_MODULE),
    ("unwrap", lambda s: s["unwrap"] == "raw_after" and s["condition"] == "ternary"),
    (
        "unwrap",
        lambda s: (
            s["unwrap"] == "property"
            and (s["holder"] not in IN_CLASS or s["saver"] in TAKES_MODEL or s["copy"] != "none")
        ),
    ),
    (
        "payload",
        lambda s: (
            s["payload"] == "own_state_dict"
            and (s["holder"] not in IN_CLASS or s["saver"] in TAKES_MODEL or s["copy"] != "none")
        ),
    ),
    ("unwrap", lambda s: s["unwrap"] in _RAW and (s["saver"] in TAKES_MODEL or s["copy"] != "none")),
    ("unwrap", lambda s: s["unwrap"] == "orig_mod_attribute" and "compile" not in s["wrap"]),
    ("unwrap", lambda s: s["unwrap"] == "caller" and s["saver"] not in TAKES_MODEL),
    (
        "unwrap",
        lambda s: s["unwrap"] == "accelerator" and (not s["wrap"].startswith("accelerate") or s["holder"] != "name"),
    ),
    ("unwrap", lambda s: s["unwrap"] in _FLAGS and (s["when"] == "always" or s["saver"] in TAKES_MODEL)),
    ("saver", lambda s: s["unwrap"] in ("accelerator", *_RAW, *_FLAGS) and s["saver"] in TAKES_MODEL),
    ("payload", lambda s: s["payload"] == "kwargs" and s["saver"] not in ("inline", "closure", *TAKES_MODEL)),
    ("entry", lambda s: s["payload"] in _NO_ENTRY and s["entry"] != "state_dict"),
    ("extract", lambda s: s["payload"] in _NO_ENTRY and s["extract"] != "plain"),
    (
        "test_loss",
        lambda s: (
            s["test_loss"] == "without"
            and (s["target"] == "same" or s["layout"] == "resume" or s["loss"] not in WEIGHTED_AT_BUILD)
        ),
    ),
    ("holder", lambda s: s["loss"] in ("full", "piece") and s["holder"] not in ("name", "attr")),
    ("target", lambda s: s["layout"] == "resume" and s["target"] == "wrapped"),
    ("holder", lambda s: s["layout"] == "resume" and s["target"] != "same" and s["holder"] != "name"),
    ("noise", lambda s: s["layout"] == "resume" and s["target"] != "same" and s["noise"] == "to_device"),
    (
        "target",
        lambda s: s["loss"] in ("later", "nested_later") and s["layout"] == "roundtrip" and s["target"] == "wrapped",
    ),
    ("net", lambda s: s["net"].startswith("compiled") and "compile" in s["wrap"]),
    ("net", lambda s: s["net"] == "lightning" and s["loss"] in ("full", "piece")),
    ("target", lambda s: s["target"] in ("wrapped", "after") and s["wrap"] in _WRAPS_ITSELF),
    (
        "target",
        lambda s: s["target"] in ("wrapped", "after") and s["holder"] in INSIDE | {"submodule", "passed_along"},
    ),
    (
        "reader_unwrap",
        lambda s: s["reader_unwrap"] != "none" and (s["target"] in ("bare", "after") or s["wrap"] == "none"),
    ),
    ("guard", lambda s: s["guard"] in ("add", "add_blind", "retry_add") and s["target"] not in ("same", "wrapped")),
    # the first key has `module.` in it and others have not: the program's own mistake, before any load
    ("guard", lambda s: s["guard"] == "contains" and s["holder"] in INSIDE | {"submodule"}),
    ("strict", lambda s: s["strict"] not in ("default", "false") and s["guard"] in ("merge", "copy_into")),
    (
        "strict",
        lambda s: s["strict"] == "passed_false" and (s["reader"] != "helper" or s["guard"] == "named_load_state_dict"),
    ),
    (
        "reader",
        lambda s: (
            s["reader"] in DIRECT
            and (s["guard"] != "none" or s["extract"] != "plain" or s["strict"].startswith("variable"))
        ),
    ),
    (
        "reader",
        lambda s: (
            s["reader"] == "builds"
            and (s["target"] not in ("bare", "after") or s["layout"] in ("resume",) or s["guard"] in _READ_ELSEWHERE)
        ),
    ),
    ("also", lambda s: s["also"] == "other_file" and s["path"] not in ("literal", "constant")),
    ("noise", lambda s: s["noise"] == "to_device" and s["holder"] == "passed_along" and s["scope"] == "module"),
    ("noise", lambda s: s["noise"] == "annotated" and s["holder"] not in INSIDE | {"name", "submodule"}),
    ("noise", lambda s: s["noise"] == "chained" and s["wrap"] in _WRAPS_ITSELF),
    ("also", lambda s: s["also"] == "memory" and s["layout"] == "roundtrip"),
    (
        "path",
        lambda s: (
            s["path"] == "default" and (s["saver"] not in ("helper", "model_helper") or s["layout"] == "roundtrip")
        ),
    ),
    ("path", lambda s: s["path"] == "argument" and s["layout"] == "roundtrip"),
    ("path", lambda s: s["path"] == "copied" and s["holder"] in IN_CLASS),
)


def first_clash(choices: Choices) -> str | None:
    """The dimension that must be made simple first; None when everything goes together."""
    return next((dimension for dimension, void in CLASHES if void(choices)), None)

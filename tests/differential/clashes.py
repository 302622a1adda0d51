"""Choices that mean nothing together: which dimension then goes back to its simplest alternative.

Each rule is a dimension and when its choice is void; for example, no condition stands around a wrap that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Choices(Protocol):
    def __getitem__(self, dimension: str, /) -> str: ...


IN_CLASS = frozenset({"attr", "attr_setup", "attr_base"})
TAKES_MODEL = frozenset({"model_helper", "model_method", "callback", "callback_list"})
WEIGHTED_AT_BUILD = frozenset({"weighted", "bce_pos", "passed", "factory", "registry", "nested", "subclass", "full"})
_WRAPS_ITSELF = frozenset({"none", "accelerate", "fabric", "compile_inplace"})
_ONE_FILE = frozenset({"single", "roundtrip", "resume"})
_NO_ENTRY = frozenset({"bare", "cpu_copy", "tuple"})
_COMPREHENSIONS = frozenset({"comprehension", "dict_comprehension"})
_OVER_MANY = _COMPREHENSIONS | {"loop"}

CLASHES: tuple[tuple[str, Callable[[Choices], bool]], ...] = (
    ("when", lambda s: s["when"] != "always" and s["wrap"] in ("none", "accelerate", "fabric")),
    ("condition", lambda s: s["condition"] != "if" and s["when"] == "always"),
    (
        "condition",
        lambda s: s["condition"] == "ternary" and (s["wrap"] == "compile_inplace" or s["holder"] == "factory_return"),
    ),
    (
        "holder",
        lambda s: (
            s["holder"] == "forward"
            and (
                s["wrap"] not in ("dp", "user_dp")
                or s["when"] not in ("always", "gpus")
                or s["net"].startswith("compiled")
            )
        ),
    ),
    ("net", lambda s: s["holder"] in ("submodule", "forward") and s["net"] == "own_module"),
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
    ("unwrap", lambda s: s["unwrap"] == "raw" and s["holder"] not in ("name", "attr", "attr_setup", "attr_base")),
    ("unwrap", lambda s: s["unwrap"] == "raw" and (s["saver"] in TAKES_MODEL or s["copy"] != "none")),
    ("unwrap", lambda s: s["unwrap"] == "orig_mod_attribute" and "compile" not in s["wrap"]),
    ("unwrap", lambda s: s["unwrap"] == "caller" and s["saver"] not in TAKES_MODEL),
    ("unwrap", lambda s: s["unwrap"] == "accelerator" and (s["wrap"] != "accelerate" or s["holder"] != "name")),
    ("unwrap", lambda s: s["unwrap"] == "flag" and (s["when"] == "always" or s["saver"] in TAKES_MODEL)),
    ("saver", lambda s: s["unwrap"] in ("accelerator", "raw", "flag") and s["saver"] in TAKES_MODEL),
    ("payload", lambda s: s["payload"] == "kwargs" and s["saver"] in ("partial", "lambda", "renamed")),
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
    ("target", lambda s: s["loss"] == "later" and s["layout"] == "roundtrip" and s["target"] == "wrapped"),
    ("net", lambda s: s["net"].startswith("compiled") and "compile" in s["wrap"]),
    ("net", lambda s: s["net"] == "lightning" and s["loss"] in ("full", "piece")),
    ("target", lambda s: s["target"] in ("wrapped", "after") and s["wrap"] in _WRAPS_ITSELF),
    (
        "target",
        lambda s: s["target"] in ("wrapped", "after") and s["holder"] in ("submodule", "forward", "passed_along"),
    ),
    (
        "reader_unwrap",
        lambda s: s["reader_unwrap"] != "none" and (s["target"] in ("bare", "after") or s["wrap"] == "none"),
    ),
    ("guard", lambda s: s["guard"] in ("add", "add_blind") and s["target"] not in ("same", "wrapped")),
    ("strict", lambda s: s["strict"] not in ("default", "false") and s["guard"] == "merge"),
    ("also", lambda s: s["also"] == "other_file" and s["path"] not in ("literal", "constant")),
    ("noise", lambda s: s["noise"] == "to_device" and s["holder"] == "passed_along" and s["scope"] == "module"),
    ("noise", lambda s: s["noise"] == "annotated" and s["holder"] not in ("name", "submodule", "forward")),
    ("noise", lambda s: s["noise"] == "chained" and s["wrap"] in _WRAPS_ITSELF),
    ("also", lambda s: s["also"] == "memory" and s["layout"] == "roundtrip"),
    (
        "path",
        lambda s: (
            s["path"] == "default" and (s["saver"] not in ("helper", "model_helper") or s["layout"] == "roundtrip")
        ),
    ),
    ("path", lambda s: s["path"] == "argument" and s["layout"] == "roundtrip"),
)


def first_clash(choices: Choices) -> str | None:
    """The dimension that must be made simple first; None when everything goes together."""
    return next((dimension for dimension, void in CLASHES if void(choices)), None)

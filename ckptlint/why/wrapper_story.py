"""The marks of wrappers: on which side they are, and how to take them off.

    file   module._orig_mod.conv1.weight      model  conv1.weight       marks in front of the file's keys
    file   conv1.weight                       model  module.conv1.weight    in front of the model's keys
    file   encoder._orig_mod.conv1.weight     model  encoder.conv1.weight   further in: a part was compiled

Keys are compared without any marks; those that then are equal are one tensor. Where a paste is cut before the two lists
meet, a mark in front of all keys on one side, and of none on the other, is taken as the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ckptlint.why.data import Known, Remedy
from ckptlint.why.explanation import RenamedKeys, Said
from ckptlint.why.key_lists import KeyLists
from ckptlint.why.key_words import of_all

_BY = {
    "module": "nn.DataParallel or DistributedDataParallel",
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "Lightning Fabric",
    "_fpw_module": "fairscale",
}
#: Classes by which torch names a wrapped model in its first line.
_WRAPPERS = {"DataParallel": "module.", "DistributedDataParallel": "module.", "OptimizedModule": "_orig_mod."}
_RULES = {"module": "CKPT101", "_orig_mod": "CKPT102"}

Result = tuple[list[Said], list[str], list[str]]


def wrapper_story(lists: KeyLists, known: Known, file: str) -> Result:
    """What wrappers explain, and the missing and unexpected keys that they do not."""
    marks = known.names.wrappers
    missing, unexpected = list(lists.missing), list(lists.unexpected)
    pairs = _pairs(missing, unexpected, marks)
    if pairs:
        changes = Counter(_change(old, new, marks) for old, new in pairs)
        (old, new, inside), _ = changes.most_common(1)[0]
        found = [pair for pair in pairs if _change(*pair, marks) == (old, new, inside)]
        story = _told(old, new, len(found), unexpected, file, inside=inside)
        gone = {old for old, _ in pairs}, {new for _, new in pairs}
        unexpected = [key for key in unexpected if key not in gone[0] and not _only_counter(key, old, inside=inside)]
        missing = [key for key in missing if key not in gone[1] and not _only_counter(key, new, inside=inside)]
        return [story], missing, unexpected
    if (
        lists.model in _WRAPPERS
        and unexpected
        and not any(key.startswith(_WRAPPERS[lists.model]) for key in unexpected)
    ):
        return [_told("", _WRAPPERS[lists.model], len(unexpected), unexpected, file, inside=False)], [], []
    if lists.complete and not (missing and unexpected):
        return [], missing, unexpected  # a wrapper on one side alone makes keys missing and unexpected
    losses = re.compile(known.names.losses)
    in_file = _common_mark([key for key in unexpected if not losses.search(key)], marks)
    in_model = _common_mark([key for key in missing if not losses.search(key)], marks)
    if in_file and not in_model and (lists.cut or not missing):
        return [_told(in_file, "", len(unexpected), unexpected, file, inside=False)], [], []
    if in_model and not in_file and (lists.cut or not unexpected):
        return [_told("", in_model, len(missing), missing, file, inside=False)], [], []
    return [], missing, unexpected


def _only_counter(key: str, prefix: str, *, inside: bool) -> bool:
    """torch does not list `num_batches_tracked` as missing when the file's version of that path is unknown."""
    return key.endswith("num_batches_tracked") and not inside and key.startswith(prefix) and bool(prefix)


def _pairs(missing: Sequence[str], unexpected: Sequence[str], marks: Sequence[str]) -> list[tuple[str, str]]:
    """Keys of the file and of the model that are equal without marks."""
    bare = {_bare(key, marks): key for key in missing}
    return [(key, bare[_bare(key, marks)]) for key in unexpected if _bare(key, marks) in bare]


def _bare(key: str, marks: Sequence[str]) -> str:
    return ".".join(part for part in key.split(".") if part not in marks)


def _change(old: str, new: str, marks: Sequence[str]) -> tuple[str, str, bool]:
    """(marks of the file's key, marks of the model's, whether they stand further in)."""
    first, second = _leading(old, marks), _leading(new, marks)
    if first != second and old[len(first) :] == new[len(second) :]:
        return first, second, False
    left = [part for part in old.split(".") if part in marks]
    right = [part for part in new.split(".") if part in marks]
    return ".".join(left) + "." * bool(left), ".".join(right) + "." * bool(right), True


def _leading(key: str, marks: Sequence[str]) -> str:
    """The marks that a key begins with, with the dot behind them."""
    prefix = ""
    for part in key.split(".")[:-1]:
        if part not in marks:
            break
        prefix += f"{part}."
    return prefix


def _common_mark(keys: Sequence[str], marks: Sequence[str]) -> str:
    found = {_leading(key, marks) for key in keys}
    return found.pop() if len(found) == 1 else ""


def _told(old: str, new: str, number: int, listed: Sequence[str], file: str, *, inside: bool) -> Said:
    if old and new:
        return _both(old, new, number, listed, file)
    mark = old or new
    by = " and ".join(dict.fromkeys(_BY[part] for part in mark.split(".") if part))
    where = "further in" if inside else "in front"
    renamed = (RenamedKeys(old, new, number, inside),)
    if old:
        what = (
            f"{of_all(number, len(listed), 'unexpected key')} would fit without the `{mark}` {where}: the file was "
            f"saved from a model that {by} had wrapped, and this model is bare."
        )
        rules = [*(_RULES[part] for part in mark.split(".") if part in _RULES), "CKPT301"]
        return Said(
            (what,),
            _strip_inside(mark, file) if inside else _strip(mark, file),
            tuple(dict.fromkeys(rules)),
            f"the file's keys carry `{mark}`, the model's do not",
            renamed,
        )
    what = (
        f"{of_all(number, len(listed), 'key')} of the file lack the `{mark}` that the model's have {where}: this model "
        f"is wrapped by {by}, and the file was saved from a bare one."
    )
    title = f"the model's keys carry `{mark}`, the file's do not"
    return Said((what,), _unwrap(mark, file), ("CKPT301",), title, renamed)


def _strip(mark: str, file: str) -> tuple[Remedy, ...]:
    parts = [part for part in mark.split(".") if part]
    lines = "".join(f'consume_prefix_in_state_dict_if_present(state_dict, "{part}.")\n' for part in parts)
    return (
        Remedy(
            "Take the prefix off where the file is loaded; files with and without it then load:",
            "from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present\n\n"
            f'state_dict = torch.load("{file}", map_location="cpu")\n{lines}model.load_state_dict(state_dict)',
        ),
        Remedy(
            "Or mend the file:",
            "",
            f"ckptlint repair {file} -o bare.pth {' '.join(f'--strip-prefix {part}.' for part in parts)}",
        ),
        Remedy("Where it is saved, save what is inside the wrapper:", _bare_save(parts)),
    )


def _bare_save(parts: Sequence[str]) -> str:
    lines = ["bare = model"]
    lines += [f'bare = bare.{part} if hasattr(bare, "{part}") else bare' for part in parts if part in _RULES]
    return "\n".join([*lines, "torch.save(bare.state_dict(), path)"])


def _strip_inside(mark: str, file: str) -> tuple[Remedy, ...]:
    part = mark.split(".", maxsplit=1)[0]
    return (
        Remedy(
            "Take it out where the file is loaded:",
            f'state_dict = {{key.replace(".{part}.", "."): value for key, value in state_dict.items()}}',
        ),
        Remedy("Or mend the file:", "", f"ckptlint repair {file} -o bare.pth --rename '*.{part}.*=*.*'"),
        Remedy(
            "Where it is compiled, compile in place, which leaves the keys alone:"
            if part == "_orig_mod"
            else "Where it is saved, save what is inside the wrapper.",
            "model.encoder.compile()" if part == "_orig_mod" else "",
        ),
    )


def _unwrap(mark: str, file: str) -> tuple[Remedy, ...]:
    parts = [part for part in mark.split(".") if part]
    target = "model" + "".join(f".{part}" for part in parts)
    return (
        Remedy(
            "Load into what is inside the wrapper (or load before wrapping):", f"{target}.load_state_dict(state_dict)"
        ),
        Remedy(
            "Where the same code runs with and without the wrapper:",
            "bare = model\n"
            + "".join(f'bare = bare.{part} if hasattr(bare, "{part}") else bare\n' for part in parts)
            + "bare.load_state_dict(state_dict)",
        ),
        Remedy("Or mend the file:", "", f"ckptlint repair {file} -o wrapped.pth --add-prefix {mark}"),
    )


def _both(old: str, new: str, number: int, listed: Sequence[str], file: str) -> Said:
    what = (
        f"{of_all(number, len(listed), 'unexpected key')} begin with `{old}` in the file and with `{new}` in the "
        "model: both are wrapped, in another order or by other wrappers."
    )
    parts = [part for part in old.split(".") if part]
    return Said(
        (what,),
        (
            Remedy(
                "Take the wrappers off on both sides: mend the file, and load into the bare model:",
                "",
                f"ckptlint repair {file} -o bare.pth {' '.join(f'--strip-prefix {part}.' for part in parts)}",
            ),
            *_unwrap(new, file)[:1],
        ),
        ("CKPT301", *dict.fromkeys(_RULES[part] for part in parts if part in _RULES)),
        "the file's keys and the model's carry other marks of wrappers",
        (RenamedKeys(old, new, number),),
    )

"""From lists of missing and unexpected keys to what happened.

    unexpected  module.conv1.weight, module.bn1.weight, ...     62 keys
    missing     conv1.weight, bn1.weight, ...                   62 keys
    ->  all 62 unexpected keys are missing ones with `module.` in front: the file was saved from a wrapped model

What explains keys takes them out, and the next explanation looks at what is left: a whole checkpoint instead of the
state dict in it; marks of wrappers (`wrapper_story`); other renamings, by the inference that `ckptlint diff` uses; keys
of a loss; families of keys that come and go with versions; blocks that one side has more of; parts that only one side
has. Where nothing explains most of the keys, it is another architecture. A pasted list may be cut: then prefixes are
judged by the keys that are there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from ckptlint.checkpoint.renames import Rename, infer_renames
from ckptlint.why.cut_story import cut_story
from ckptlint.why.data import Family, Known, Names, Remedy
from ckptlint.why.explanation import RenamedKeys, Said
from ckptlint.why.key_lists import KeyLists
from ckptlint.why.key_words import count_of, examples, of_all, parts_of
from ckptlint.why.wrapper_story import wrapper_story

#: A renaming is believed when the rules that it takes explain this share of the keys on both sides.
_SHARE = 0.6
_MOST_RULES = 4
#: So many tensors of other shapes say that the whole model is of another size.
_MANY_SIZES = 5
#: So many keys are left out one by one: a star might take others with them.
_FEW_KEYS = 6
#: What a family is, before it is told more closely.
_SHORT = re.compile(r" \(| that | which |[,;:]")


def key_story(lists: KeyLists, known: Known, file: str) -> Said:
    """What the lists of keys say (sizes are another story)."""
    entries = _whole_checkpoint(lists, known.names, file)
    if entries is not None:
        return entries
    story: list[Said] = []
    missing, unexpected = list(lists.missing), list(lists.unexpected)
    wrapped, missing, unexpected = wrapper_story(lists, known, file)
    if not wrapped and (cut := cut_story(lists)) is not None:
        return cut
    story += wrapped
    losses, unexpected, missing = _losses(unexpected, missing, known.names, file)
    families, missing, unexpected = _families(missing, unexpected, known.families, file)
    renamed, missing, unexpected = _renames(missing, unexpected, file)
    story += renamed
    story += losses
    rest = _rest(missing, unexpected, lists, file, explained=bool(wrapped or renamed))
    # what comes and goes with versions is beside the point where there is more
    story += [msgspec.structs.replace(one, title="") for one in families] if rest else families
    return _joined((*story, *rest))


def _joined(story: Sequence[Said]) -> Said:
    return Said(
        what=tuple(sentence for said in story for sentence in said.what),
        do=tuple(dict.fromkeys(remedy for said in story for remedy in said.do)),
        rules=tuple(dict.fromkeys(rule for said in story for rule in said.rules)),
        title=next((said.title for said in story if said.title), ""),
        renamed=tuple(rename for said in story for rename in said.renamed),
    )


def _whole_checkpoint(lists: KeyLists, names: Names, file: str) -> Said | None:
    """The unexpected keys are entries of a checkpoint: the state dict lies one level deeper."""
    entries = [key for key in lists.unexpected if key in names.entries]
    inside = [key for key in lists.unexpected if key not in names.entries and "." not in key]
    if not entries or len(entries) < 0.4 * len(lists.unexpected) or len(entries) + len(inside) < len(lists.unexpected):
        return None
    if not any(name in entries for name in names.states) and len(entries) < 2:
        return None
    holder = next((name for name in names.states if name in entries), None)
    what = (
        f"The file is a dict of entries ({examples(lists.unexpected, 4)}), and all of it was loaded as if it were the "
        "state dict, which is only one of them."
    )
    if holder is None:
        do = Remedy("See which entry holds the model, and load that one:", "", f"ckptlint inspect {file}")
    else:
        code = f'checkpoint = torch.load("{file}", map_location="cpu")\nmodel.load_state_dict(checkpoint["{holder}"])'
        do = Remedy(f"Load the entry that holds the model, most likely `{holder}`:", code)
    return Said(
        (what,), (do,), ("CKPT402", "CKPT401"), "the whole checkpoint was loaded instead of the state dict in it"
    )


def _losses(
    unexpected: list[str], missing: list[str], names: Names, file: str
) -> tuple[list[Said], list[str], list[str]]:
    """Tensors of a loss that is registered inside the model, in the file or in the model."""
    pattern = re.compile(names.losses)
    in_file = [key for key in unexpected if pattern.search(key)]
    in_model = [key for key in missing if pattern.search(key)]
    story: list[Said] = []
    if in_file and not in_model:
        paths = dict.fromkeys(pattern.search(key).group().strip(".") for key in in_file)  # type: ignore[union-attr]
        drops = " ".join(f"--drop '*{path}.*'" for path in paths)
        story.append(
            Said(
                (
                    f"{count_of(in_file)} of the file ({examples(in_file)}) {_verb(in_file, 'belong', 'belongs')} to a "
                    "loss: the model that was saved held its loss, with class weights or other tensors, and this one "
                    "does not (or without weights).",
                ),
                (
                    Remedy("Leave them out of the file:", "", f"ckptlint repair {file} -o clean.pth {drops}"),
                    Remedy(
                        "Where the loss is built, keep its weight out of the state dict:",
                        'self.register_buffer("weight", weight, persistent=False)',
                    ),
                ),
                ("CKPT201",),
                "the file holds tensors of a loss",
            )
        )
    elif in_model and not in_file:
        story.append(
            Said(
                (
                    f"{count_of(in_model)} of the model ({examples(in_model)}) "
                    f"{_verb(in_model, 'belong', 'belongs')} to a loss that it holds; the file was saved without it "
                    "(or before it had weights).",
                ),
                (
                    Remedy(
                        "Keep the loss outside of the model, or load what there is and look at what is missing:",
                        "result = model.load_state_dict(state_dict, strict=False)\n"
                        'assert all("criterion" in key for key in result.missing_keys), result',
                    ),
                ),
                ("CKPT201",),
                "the model holds a loss with tensors",
            )
        )
    else:
        return [], unexpected, missing
    return story, [key for key in unexpected if key not in in_file], [key for key in missing if key not in in_model]


def _families(
    missing: list[str], unexpected: list[str], families: Sequence[Family], file: str
) -> tuple[list[Said], list[str], list[str]]:
    """Keys that come and go for a known reason."""
    story: list[Said] = []
    for family in families:
        keys = unexpected if family.where == "file" else missing
        pattern = re.compile("|".join(family.keys))
        found = [key for key in keys if pattern.search(key)]
        if not found:
            continue
        side = "the file has and the model lacks" if family.where == "file" else "the model has and the file lacks"
        do: tuple[Remedy, ...] = ()
        if family.fix == "ignore":
            do = (
                Remedy(
                    "They may be missing; say so, and let anything else still fail:",
                    "result = model.load_state_dict(state_dict, strict=False)\n"
                    f"assert not result.unexpected_keys and all(key.endswith({_last(found)!r}) "
                    "for key in result.missing_keys), result",
                ),
            )
        elif family.fix == "drop":
            drops = " ".join(f"--drop '*{end}'" for end in dict.fromkeys(key.rpartition(".")[2] for key in found))
            do = (Remedy("Leave them out:", "", f"ckptlint repair {file} -o clean.pth {drops}"),)
        elif family.fix == "rename":
            rules = " ".join(f"--rename '{rule}'" for rule in family.rename)
            do = (Remedy("Rename them:", "", f"ckptlint repair {file} -o renamed.pth {rules}"),)
        what = f"{count_of(found)} that {side} ({examples(found)}): {family.what}."
        holder, lacks = ("file", "model") if family.where == "file" else ("model", "file")
        title = f"{_SHORT.split(family.what)[0]}, which the {holder} has and the {lacks} lacks"
        story.append(Said((what,), do, (), title))
        keys[:] = [key for key in keys if key not in found]
        if family.fix == "rename":
            renamed = {re.sub(r"gamma$", "weight", re.sub(r"beta$", "bias", key)) for key in found}
            missing[:] = [key for key in missing if key not in renamed]
    return story, missing, unexpected


def _last(keys: Iterable[str]) -> str:
    """The end that all keys have in common, in whole parts."""
    ends = Counter(key.rpartition(".")[2] for key in keys)
    return ends.most_common(1)[0][0]


def _renames(missing: list[str], unexpected: list[str], file: str) -> tuple[list[Said], list[str], list[str]]:
    """Other prefixes: `backbone.` on one side, `encoder.` on the other, or nothing."""
    if not missing or not unexpected:
        return [], missing, unexpected
    rules = _believed(infer_renames(dict.fromkeys(unexpected, ""), dict.fromkeys(missing, "")), missing, unexpected)
    story: list[Said] = []
    for rule in rules:
        what = (
            f"{of_all(len(rule.keys), len(unexpected), 'unexpected key')} {_renaming(rule.old, rule.new)}: "
            f"{rule.keys[0][0]} in the file is {rule.keys[0][1]} in the model."
        )
        story.append(
            Said(
                (what,),
                _rename_remedies(rule.old, rule.new, file),
                ("CKPT301",),
                "the keys have another prefix" if not (rule.old and rule.new) else "parts of the model were renamed",
                (RenamedKeys(rule.old, rule.new, len(rule.keys)),),
            )
        )
        olds = {old for old, _ in rule.keys}
        news = {new for _, new in rule.keys}
        unexpected = [key for key in unexpected if key not in olds]
        missing = [key for key in missing if key not in news]
    return story, missing, unexpected


def _believed(rules: Sequence[Rename], missing: Sequence[str], unexpected: Sequence[str]) -> list[Rename]:
    """The rules that are more than chance: names such as `weight` and `bias` alone agree everywhere.

    A few rules, which explain most keys of the shorter list, by what stands deeper in the keys than their last part;
    or one rule that explains everything on both sides (`fc.` for `head.`).
    """
    first = rules[:1]
    if first and len(first[0].keys) == len(missing) == len(unexpected):
        return list(first)
    deep = [rule for rule in rules if len(rule.keys) > 1 and any("." in key[len(rule.old) :] for key, _ in rule.keys)]
    deep = [rule for rule in deep if len(rule.keys) >= 0.1 * len(unexpected)][:_MOST_RULES]
    told = sum(len(rule.keys) for rule in deep)
    return deep if told >= _SHARE * min(len(missing), len(unexpected)) else []


def _renaming(old: str, new: str) -> str:
    if not new:
        return f"are missing ones with `{old}` in front"
    if not old:
        return f"are missing ones without the `{new}` in front"
    return f"are missing ones with `{old}` in place of `{new}`"


def _rename_remedies(old: str, new: str, file: str) -> tuple[Remedy, ...]:
    load = f'state_dict = torch.load("{file}", map_location="cpu")'
    if not new:
        return (
            Remedy(
                "Take the prefix off where the file is loaded:",
                f"{load}\n"
                f'state_dict = {{key.removeprefix("{old}"): value for key, value in state_dict.items()}}\n'
                "model.load_state_dict(state_dict)",
            ),
            Remedy("Or mend the file:", "", f"ckptlint repair {file} -o mended.pth --strip-prefix {old}"),
            Remedy(
                f"Or load it into what holds the model as `{old.rstrip('.')}`, if there is such a class; and "
                "where it is saved, save that part alone:",
                f"torch.save(model.{old.rstrip('.')}.state_dict(), path)",
            ),
        )
    if not old:
        return (
            Remedy(
                "Load it into the part of the model that it belongs to:",
                f"model.{new.rstrip('.')}.load_state_dict(state_dict)",
            ),
            Remedy("Or mend the file:", "", f"ckptlint repair {file} -o mended.pth --add-prefix {new}"),
        )
    rename = f"--rename {old.rstrip('.')}={new.rstrip('.')}"
    return (Remedy("Mend the file:", "", f"ckptlint repair {file} -o renamed.pth {rename}"),)


def _rest(missing: list[str], unexpected: list[str], lists: KeyLists, file: str, *, explained: bool) -> list[Said]:
    """What nothing explained."""
    if not missing and not unexpected:
        return []
    if missing and unexpected:
        return _other_architecture(missing, unexpected, lists, file, explained=explained)
    keys, side = (unexpected, "file") if unexpected else (missing, "model")
    blocks = _blocks(keys)
    other = "model" if side == "file" else "file"
    left = "are left over" if explained else ("are in the file only" if side == "file" else "are in the model only")
    parts = ", ".join(f"`{part}` ({number})" for part, number in parts_of(keys)[:5])
    if not explained and not lists.complete and len(keys) == len(lists.missing) + len(lists.unexpected):
        return [_half(keys, side, file)]
    if len(lists.sizes) >= _MANY_SIZES:
        what = f"{count_of(keys)} {left}: {parts}. It is another size of the architecture (as resnet50 is of resnet18)."
        do = Remedy("Build the model that the file was saved from. See what it has:", "", f"ckptlint inspect {file}")
        return [Said((what,), (do,), (), "another size of the same architecture")]
    if blocks is not None:
        what = (
            f"{count_of(keys)} {left}, all of numbered blocks ({blocks}): the {side} has more layers than the {other}. "
            "It is another size of the same architecture."
        )
        do = Remedy(
            "Build the model with the number of layers that the file has. See what it has:",
            "",
            f"ckptlint inspect {file}",
        )
        return [Said((what,), (do,), (), f"the {side} has more layers")]
    if side == "file":
        named = f"{examples(keys, _FEW_KEYS)}. This model does not have them."
        what = (
            f"{count_of(keys)} {left}: {named if len(keys) <= _FEW_KEYS else f'{parts}. This model has no such part.'}"
        )
        drops = " ".join(f"--drop '{pattern}'" for pattern in _patterns(keys))
        remedies = (
            Remedy(
                "If the model is meant to be without it, leave it out of the file:",
                "",
                f"ckptlint repair {file} -o smaller.pth {drops}",
            ),
            Remedy(
                "Or accept just these keys, and let anything else still fail:",
                "result = model.load_state_dict(state_dict, strict=False)\n"
                "assert not result.missing_keys, result.missing_keys\n"
                "print(result.unexpected_keys)",
            ),
        )
        return [Said((what,), remedies, ("CKPT303",), "the file has more than the model")]
    what = f"{count_of(keys)} {left}: {parts}. The file was saved without it; these stay as they were initialized."
    remedies = (
        Remedy(
            "If that is meant (a new head, a new part), accept just these keys, and let anything else still fail:",
            "result = model.load_state_dict(state_dict, strict=False)\n"
            "assert not result.unexpected_keys, result.unexpected_keys\n"
            "print(result.missing_keys)",
        ),
        Remedy("If not: see what the file holds, and build the same model:", "", f"ckptlint inspect {file}"),
    )
    return [Said((what,), remedies, ("CKPT303",), "the model has more than the file")]


def _half(keys: Sequence[str], side: str, file: str) -> Said:
    """Only one of the two lists was pasted, and nothing in it tells why."""
    listed, other = ("unexpected", "missing") if side == "file" else ("missing", "unexpected")
    what = (
        f"{count_of(keys)} {_verb(keys, 'stand', 'stands')} only in the {side}: {examples(keys, 3)}. Only the "
        f"{listed} keys were pasted; "
        f"whether there are {other} ones, the same with another prefix, tells a wrapper or a renaming from another "
        "architecture."
    )
    do = Remedy("Paste the whole error, or compare with the file's keys:", "", f"ckptlint inspect {file}")
    return Said(
        (what,), (do,), ("CKPT301",), f"keys of the {side} that the {'model' if side == 'file' else 'file'} lacks"
    )


def _other_architecture(
    missing: list[str], unexpected: list[str], lists: KeyLists, file: str, *, explained: bool
) -> list[Said]:
    in_file = ", ".join(f"`{part}` ({number})" for part, number in parts_of(unexpected)[:5])
    in_model = ", ".join(f"`{part}` ({number})" for part, number in parts_of(missing)[:5])
    small = len(missing) + len(unexpected) <= 8 and not lists.cut
    if explained or small:
        what = (
            f"{'Besides, ' if explained else ''}{count_of(unexpected)} stand only in the file, {in_file}, and "
            f"{count_of(missing)} only in the model, {in_model}: a part that was replaced or renamed."
        )
        title = "" if explained else "a part of the model is another one"
    else:
        what = (
            f"No renaming makes the keys fit. Only in the file: {in_file}. Only in the model: {in_model}. The file "
            "belongs to another architecture, or to another implementation of it."
        )
        title = "another architecture"
    do = Remedy(
        "Build the model that the file was saved from. See what it holds, and compare with a file of this model:",
        "",
        f"ckptlint inspect {file}\nckptlint diff {file} OTHER_CHECKPOINT",
    )
    return [Said((what,), (do,), (), title)]


def _blocks(keys: Sequence[str]) -> str | None:
    """`layer3.6 to layer3.22`, when all keys lie in numbered blocks of a few series that go on; None otherwise."""
    series: dict[str, set[int]] = {}
    for key in keys:
        match = re.search(r"^(.*?\D)\.(\d+)\.", key)
        if match is None:
            return None
        series.setdefault(match.group(1), set()).add(int(match.group(2)))
    if len(keys) < 2 or len(series) > 8 or any(min(numbers) == 0 for numbers in series.values()):
        return None
    said = [
        f"{name}.{min(numbers)}" + (f" to {name}.{max(numbers)}" if len(numbers) > 1 else "")
        for name, numbers in series.items()
    ]
    return ", ".join(said)


def _patterns(keys: Sequence[str]) -> list[str]:
    """What takes just these keys out of a file: a few by name, many by the deepest parts that hold them."""
    if len(keys) <= _FEW_KEYS:
        return list(keys)
    return [f"{part}.*" if any(key.startswith(f"{part}.") for key in keys) else part for part, _ in parts_of(keys)[:4]]


def _verb(keys: Sequence[str], many: str, one: str) -> str:
    return one if len(keys) == 1 else many

"""Prefixes cut off the keys of state dicts in ways that cut too much: what rules CKPT305, 306 and 307 report.

The abstract machine knows what becomes of a prefix where it knows the file; a blind cut is a mistake also where
nothing is known of the file, and in code that nothing runs. So this is a scan: units whose text shows such a form are
walked (`key_edits_walk`), and each cut is judged by what was looked at before.

    replace   wrong wherever the text can stand inside a key; after a look at the front only when a second one can too
    slice     wrong without a look at the front
    strip     always wrong

A rename (`k.replace("vgg", "model")`) is judged only where it plainly acts on a prefix or on a bare word; tables of
renamings between two models are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ckptlint.analysis.key_edits_forms import Form
from ckptlint.analysis.key_edits_looks import Look
from ckptlint.analysis.key_edits_names import names_of
from ckptlint.analysis.key_edits_walk import LOOKED_UP, STORED, UNUSED, Cut, cuts_of
from ckptlint.analysis.values import Site
from ckptlint.facts import ir
from ckptlint.facts.store import FactStore
from ckptlint.source import UnreadableSource

_TRIGGER = re.compile(
    r"\.replace\(|\.l?strip\(\s*[^\s)]|\[\s*(?:\d+|len\([^\n]*|[^\n\[]*\.(?:find|index)\([^\n]*)\s*:\s*\]"
    r"|split\([^\n]*\)\s*\[\s*(?:-?1)|partition\(|\[\d:\]|\bre\.sub\("
)
_ABOUT = re.compile(r"state_?dict|\.items\(\)|\.keys\(\)|torch\.load|checkpoint|ckpt|[\"']module|_orig_mod")
_ASSIGNED = re.compile(
    r"^(?P<name>[A-Za-z_]\w*)[ \t]*(?::[^=\n]+)?=(?!=)[ \t]*"
    r"(?:(?P<quote>[\"'])(?P<text>[^\"'\\\n]*)(?P=quote)[ \t]*(?:#.*)?$)?",
    re.MULTILINE,
)
_WRAPPER_TOKENS = re.compile(r"^(?:module|_orig_mod|_module|_forward_module)(?:\.|$)")
_BARE_WORD = re.compile(r"^[A-Za-z][A-Za-z0-9]*$")
_LEAVES = frozenset(
    {"weight", "bias", "gamma", "beta", "scale", "kernel", "running", "mean", "var", "embedding", "embeddings", "alpha"}
)

#: So many different names put for others are a table from one model's to another's.
_TABLE = 4
_PREFIX_NAME = re.compile(r"prefix|strip|pre_?fix|module|unwanted|remove", re.IGNORECASE)


class KeyEdit(msgspec.Struct, frozen=True):
    """A cut to report. `sites` are the place itself and its repetitions in the same statement.

    `kind` is "replace", "rename", "slice", "split" or "strip"; `token` is the text that is cut off, None when it is not
    known; `asked` tells that all keys that are cut have passed some test, `looked` that the front was looked at (and
    the cut is wrong all the same); `named` that a slice names the text whose length it takes off.
    """

    sites: tuple[Site, ...]
    kind: str
    token: str | None
    new: str
    length: int | None
    once: bool
    looked: bool
    named: bool
    label: str
    name: str
    asked: bool = False


def key_edits(store: FactStore) -> Iterator[KeyEdit]:
    """Every wrong cut in the files that can matter, in the order of files and units."""
    for file in sorted(store.files):
        if not store.marked(file):
            continue
        try:
            yield from _in_file(store, file)
        except UnreadableSource:
            continue


def _in_file(store: FactStore, file: str) -> Iterator[KeyEdit]:
    text = store.source(file).text
    if _TRIGGER.search(text) is None:
        return
    lines = text.split("\n")
    headers = store.headers(file)
    rest = list(lines)
    wanted: list[int] = []
    for header in headers[1:]:
        own = "\n".join(lines[header.first_row - 1 : header.last_row])
        rest[header.first_row - 1 : header.last_row] = [""] * (header.last_row - header.first_row + 1)
        if _TRIGGER.search(own) is not None and _ABOUT.search(own) is not None:
            wanted.append(header.index)
    outside = "\n".join(rest)
    if _TRIGGER.search(outside) is not None and _ABOUT.search(outside) is not None:
        wanted.insert(0, 0)
    if not wanted:
        return
    texts = _module_texts(outside)
    for unit in wanted:
        try:
            lowered: ir.Unit = store.function(file, unit) if unit else store.skeleton(file)
        except UnreadableSource:
            continue
        yield from edits_in(lowered, texts, file, unit)


def _module_texts(outside: str) -> dict[str, str]:
    """Constants of the module: names that are given a string, once. Read off the lines that stand in no function."""
    given: dict[str, list[str | None]] = {}
    for match in _ASSIGNED.finditer(outside):
        given.setdefault(match["name"], []).append(match["text"])
    return {name: texts[0] for name, texts in given.items() if len(texts) == 1 and texts[0] is not None}


def edits_in(unit: ir.Unit, texts: dict[str, str], file: str, number: int) -> list[KeyEdit]:
    """The wrong cuts of one unit."""
    names = names_of(unit, texts)
    cuts = cuts_of(unit, names)
    renamings = {(cut.form.token, cut.form.new) for cut in cuts if cut.form.kind == "rename"}
    groups: dict[tuple[object, ...], list[Cut]] = {}
    for cut in cuts:
        form = cut.form
        signature = (cut.statement, cut.source, cut.name, form.kind, form.token, form.length, form.new, form.label)
        groups.setdefault(signature, []).append(cut)
    found: list[KeyEdit] = []
    for group in groups.values():
        wrong = [cut for cut in group if _is_wrong(cut, group, len(renamings), names.fronts)]
        if wrong and wrong[0].form.kind == "rename" and _is_from_a_table(wrong[0], cuts):
            continue
        if wrong:
            wrong.sort(key=lambda cut: (cut.use != STORED, cut.node))
            form = wrong[0].form
            sites = tuple(Site(file, number, cut.node) for cut in wrong)
            found.append(
                KeyEdit(
                    sites,
                    form.kind,
                    form.token,
                    form.new,
                    form.length,
                    form.once,
                    bool(_about(form, wrong[0].looks)),
                    form.named,
                    form.label,
                    wrong[0].name,
                    all(cut.asked for cut in wrong),
                )
            )
    return found


def _is_from_a_table(cut: Cut, cuts: list[Cut]) -> bool:
    """Whether the same loop turns many names of one known model into those of another."""
    same = {(one.form.token, one.form.new) for one in cuts if one.form.kind == "rename" and one.source == cut.source}
    return len(same) >= _TABLE


def _is_wrong(cut: Cut, group: list[Cut], renamings: int, fronts: frozenset[str]) -> bool:
    form, source = cut.form, cut.source
    use = STORED if any(other.use == STORED for other in group) else cut.use
    wrapper = form.token is not None and _WRAPPER_TOKENS.match(form.token) is not None
    if source.parameters or use == UNUSED or (use == LOOKED_UP and not source.state_dict):
        return False
    if not source.state_dict and not wrapper:
        return False
    if form.kind == "strip":
        return _is_prefix_like(form)
    if form.token is None and form.label not in ("", "pieces") and cut.name in fronts:
        return False  # `len(found)` of a prefix that was found by trying several
    if form.kind in ("slice", "split"):
        return not cut.retried and not _about(form, cut.looks)
    if form.kind == "replace":
        return _is_wrong_removal(cut)
    return _is_wrong_renaming(cut, renamings)


def _is_prefix_like(form: Form) -> bool:
    if form.token is None:
        return _PREFIX_NAME.search(form.label.replace("lstrip", "").replace("strip", "")) is not None
    return len(set(re.findall(r"[a-zA-Z]", form.token))) >= 2


def _is_wrong_removal(cut: Cut) -> bool:
    """`k.replace("module.", "")`."""
    form, token = cut.form, cut.form.token
    looks = _about(form, cut.looks)
    if token is None:
        return not looks and _PREFIX_NAME.search(form.label) is not None
    if token.startswith((".", "_")) and not token.endswith("."):
        return False  # an ending, such as the `_orig` of pruned weights
    if token.startswith(".") or len(re.findall(r"[A-Za-z0-9]", token)) < (1 if token.endswith(".") else 2):
        return False
    if _is_pinned(token, cut.looks):
        return False
    several = "." in token.rstrip(".")
    return not looks if form.once or several else True


def _is_wrong_renaming(cut: Cut, renamings: int) -> bool:
    """`k.replace("output", "head")`."""
    form, token = cut.form, cut.form.token
    if token is None or form.once or form.new.startswith(token) or _is_pinned(token, cut.looks):
        return False
    word, new = token.rstrip("."), form.new.rstrip(".")
    if word.isdigit():
        return "." not in token and new.isdigit()
    if "." in word or word in new or word in _LEAVES or new in _LEAVES or len(word) < 2:
        return False
    at_front = any(
        text is not None and text.rstrip(".") == word for look in cut.looks if look.key for text in look.texts
    )
    if word.rstrip("0123456789") == new.rstrip("0123456789"):
        return False  # `block11` to `block12`: one layer's weights are carried over to its sibling
    if at_front and (renamings == 1 or not token.endswith(".")):
        return True  # a look at the front for this very word: it is a prefix
    if cut.asked:
        return False  # meant for some keys, of a kind that was asked for
    return renamings == 1 and token.endswith(".") == form.new.endswith(".") and _is_word(word) and _is_word(new)


def _is_word(text: str) -> bool:
    return _BARE_WORD.match(text) is not None


def _is_pinned(token: str, looks: tuple[Look, ...]) -> bool:
    """A look that has more of the key than the token: `k.startswith("fc.0")` before `k.replace("0.", "")`."""
    word = token.rstrip(".")
    return any(
        text is not None and word in text[1:] and not text.startswith(token) for look in looks for text in look.texts
    )


def _about(form: Form, looks: tuple[Look, ...]) -> tuple[Look, ...]:
    """The looks that have to do with what the form cuts off."""
    return tuple(look for look in looks if any(_fits(form, text) for text in look.texts))


def _fits(form: Form, text: str | None) -> bool:
    if text is None or (form.token is None and form.length is None):
        return True
    if form.token is not None and (form.token.startswith(text) or text.startswith(form.token)):
        return True
    return form.kind == "slice" and form.length is not None and form.length <= len(text) + 2

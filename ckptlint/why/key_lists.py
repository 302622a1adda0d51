r"""The lists of keys in an error, however they are spelled and wherever they break off.

    Missing key(s) in state_dict: "conv1.weight", "bn1.weight", ...          torch
    _IncompatibleKeys(missing_keys=['conv1.weight'], unexpected_keys=[])     the result of load_state_dict, printed
    unexpected key in source state_dict: module.conv1.weight, module.bn1     mmcv and mmengine
    size mismatch for fc.weight: copying a param with shape torch.Size([1000, 512]) from checkpoint, the shape in ...

A list ends where its last quote ends. A key that a terminal broke over two lines is put together; an ellipsis, or a
quote that never closes, says that there was more (`cut`).
"""

from __future__ import annotations

import re

import msgspec

_MISSING = re.compile(
    r"Missing key\(s\) in state_dict:?|missing_keys=|missing keys? in source state_dict:|missing keys in state_dict:"
    r"|(?:not|newly) initialized(?: from the model checkpoint at \S+(?: and are newly initialized)?)?:"
    r"|[Mm]issing keys?(?: \w+)?:"
)
_UNEXPECTED = re.compile(
    r"Unexpected key\(s\) in state_dict:?|unexpected_keys=|unexpected keys? in source state_dict:"
    r"|were not used when initializing [\w.]+:|[Uu]nexpected keys?(?: \w+)?:"
)
_SINGLE_UNEXPECTED = re.compile(r"unexpected key \"([^\"\n]+)\" in state_dict")
_SIZE = re.compile(
    r"size\s+mismatch\s+for\s+(?P<key>\S+?):\s+copying\s+a\s+param\s+(?:with\s+shape|of)\s+"
    r"(?:torch\.Size\()?(?P<file>[\[(][\d,\s]*[\])])\)?\s+from\s+checkpoint,\s+"
    r"(?:the\s+shape\s+in\s+current\s+model\s+is|where\s+the\s+shape\s+is)\s+(?:torch\.Size\()?(?P<own>[\[(][\d,\s]*[\])])"
)
_MODEL = re.compile(r"Error\(s\)\s+in\s+loading\s+state_dict\s+for\s+([\w.]+):")
_ELLIPSIS = re.compile(r"\.{2,}|…|\[\.\.\.\]|<\.\.\.>|\(?\+?\s?\d+ more[^,\n]*\)?|and \d+ (?:more|others)[^,\n]*")
_SEPARATOR = re.compile(r"[\s,;\[({]+")
_END = re.compile(r"[\])}]|\.(?!\.)|\n\s*\n")
_BARE = re.compile(r"[\w.\-:/]+")
_LONGEST_KEY = 600


class SizeMismatch(msgspec.Struct, frozen=True):
    """A key whose tensor has another shape in the file than in the model."""

    key: str
    file: tuple[int, ...]
    own: tuple[int, ...]


class KeyLists(msgspec.Struct, frozen=True):
    """What an error said of keys. `cut`: a list went on and was not pasted."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    sizes: tuple[SizeMismatch, ...] = ()
    model: str = ""
    cut: bool = False

    @property
    def complete(self) -> bool:
        """Whether the text shows the whole error: it has torch's first line, and no list breaks off."""
        return bool(self.model) and not self.cut

    @property
    def empty(self) -> bool:
        """Whether no key was named at all."""
        return not (self.missing or self.unexpected or self.sizes)


def key_lists(text: str) -> KeyLists:
    """The last error's lists in a text."""
    model = ""
    heads = list(_MODEL.finditer(text))
    if heads:
        model = heads[-1].group(1)
        text = text[heads[-1].start() :]
    missing, cut_missing = _listed(_MISSING, text)
    unexpected, cut_unexpected = _listed(_UNEXPECTED, text)
    unexpected += [match.group(1) for match in _SINGLE_UNEXPECTED.finditer(text)]
    sizes = {
        match.group("key"): SizeMismatch(match.group("key"), _shape(match.group("file")), _shape(match.group("own")))
        for match in _SIZE.finditer(text)
    }
    started = len(re.findall(r"size\s+mismatch\s+for\s", text))
    return KeyLists(
        tuple(dict.fromkeys(missing)),
        tuple(dict.fromkeys(unexpected)),
        tuple(sizes.values()),
        model,
        cut_missing or cut_unexpected or started > len(sizes),
    )


def _listed(heading: re.Pattern[str], text: str) -> tuple[list[str], bool]:
    """The keys after every heading, and whether a list was cut."""
    keys: list[str] = []
    cut = False
    for match in heading.finditer(text):
        found, more = _list_at(text, match.end())
        keys += found
        cut = cut or more
    return keys, cut


def _list_at(text: str, at: int) -> tuple[list[str], bool]:
    """The keys of one list, which begins at `at`."""
    keys: list[str] = []
    quoted = re.match(r"[\s\[({]*[\"']", text[at : at + 80]) is not None
    while at < len(text):
        separator = _SEPARATOR.match(text, at)
        gap = separator.group() if separator is not None else ""
        if keys and "\n" in gap and "," not in gap and not quoted:
            return keys, False
        if keys and re.search(r"\n\s*\n", gap):
            return keys, False
        at += len(gap)
        ellipsis = _ELLIPSIS.match(text, at)
        if ellipsis is not None:
            return keys, True
        if quoted and at < len(text) and text[at] in "\"'":
            end = text.find(text[at], at + 1, at + _LONGEST_KEY)
            key = re.sub(r"\s*\n\s*", "", text[at + 1 : end]) if end >= 0 else ""
            if end < 0 or re.search(r"[\s,]", key):
                return keys, True  # the quote never closes: the paste ends in the middle of a key
            keys.append(key)
            at = end + 1
            continue
        bare = None if quoted or _END.match(text, at) else _BARE.match(text, at)
        if bare is None:
            return keys, False
        keys.append(bare.group().rstrip(":."))
        at = bare.end()
    return keys, False


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))

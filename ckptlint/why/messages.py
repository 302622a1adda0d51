"""Which of the known error texts stand in a text.

messages.toml holds the texts as their writers wrote them, with names in braces for what changes:

    text   Attempting to deserialize object on {backend} device {index} but {check} is {count}.
    said   ... object on CUDA device 3 but torch.cuda.device_count() is 1. Please ...
    ->     backend=CUDA, index=3, check=torch.cuda.device_count(), count=1

A text is only made into a pattern when its longest fixed piece stands in what was said, so a look at all of them costs
a few hundred searches for plain strings. Words that other programs use too have a `context`: something near has to
show that this is about a checkpoint.
"""

from __future__ import annotations

import re

import msgspec

from ckptlint.why.data import Known, Message

_HOLE = re.compile(r"\{(\w+)\}")
_CHECKPOINT = re.compile(
    r"torch\.load|load_state_dict|state_dict|[Uu]npickl|serialization\.py|safetensors|checkpoint|ckpt|weights"
    r"|\.pth\b|\.pt\b|from_pretrained|restore|resume|hub\.load|load_from",
)
_UNPICKLING = re.compile(
    r"torch\.load|[Uu]npickl|find_class|serialization\.py|pickle\.load|torch\.hub|load_from_checkpoint|attempt_load"
)
_SAVING = re.compile(r"torch\.save|serialization\.py|save_checkpoint|pickler|_save\b|\bsave\(")
_OPTIMIZER = re.compile(r"torch/optim|torch\\optim|optimizer|\.step\(|adam|sgd", re.I)
_RESTORING = re.compile(r"load_from_checkpoint|from_pretrained|core/saving\.py|_load_state")
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)|^\s*File [\"~/]", re.M)
_MANY_LINES = 4
#: A hole takes no more than this, so that text between two unrelated places is never taken for one.
_HOLE_CHARACTERS = 400


class Match(msgspec.Struct, frozen=True):
    """A known text that was found: what stood in its holes, and where in the flat text it begins and ends."""

    message: Message
    order: int
    values: dict[str, str]
    start: int
    end: int


def matches(flat: str, text: str, known: Known) -> list[Match]:
    """The known texts in `flat` (the text on one line), the most telling one first.

    What comes first in messages.toml wins; of the same text said twice the last one, since that ended the program.
    """
    found: list[Match] = []
    topics: set[str] = set()
    for order, message in enumerate(known.messages):
        if message.topic in topics or not _may_stand_in(message.text, flat):
            continue
        said = list(_pattern(message.text).finditer(flat))
        if not said:
            continue
        last = said[-1]
        values = {name: value.strip() for name, value in last.groupdict().items()}
        if _fits_context(message.context, values, flat, text, known):
            topics.add(message.topic)
            found.append(Match(message, order, values, last.start(), last.end()))
    return found


def _may_stand_in(text: str, flat: str) -> bool:
    pieces = _HOLE.split(text)[::2]
    return max(pieces, key=len).strip() in flat


def _pattern(text: str) -> re.Pattern[str]:
    """A regular expression for a known text."""
    parts = _HOLE.split(text)
    pattern = ""
    seen: set[str] = set()
    for number, part in enumerate(parts):
        if number % 2 == 0:
            pattern += re.escape(part)
        elif part in seen:
            pattern += f"(?P={part})"
        else:
            seen.add(part)
            pattern += f"(?P<{part}>{_hole(parts[number - 1], parts[number + 1], last=number == len(parts) - 2)})"
    # `MemoryError` is no part of `OutOfMemoryError`
    return re.compile(rf"(?<!\w){pattern}" if text[0].isalnum() else pattern)


def _hole(before: str, behind: str, *, last: bool) -> str:
    """What may stand in a hole: a word at the end of a text; between quotes no such quote; else anything short."""
    if last and not behind:
        return "(?:<class '[^']*'>|[^ ]*[^ .,:;])"
    quote = before[-1:]
    if quote in ("'", '"', "`") and behind.startswith(quote):
        return f"[^{quote}]{{1,{_HOLE_CHARACTERS}}}"
    return f".{{1,{_HOLE_CHARACTERS}}}?"


def _fits_context(context: str, values: dict[str, str], flat: str, text: str, known: Known) -> bool:
    """Whether what is near shows that the words are about a checkpoint."""
    names = known.names
    match context:
        case "":
            return True
        case "load":
            alone = (
                _TRACEBACK.search(text) is None and sum(bool(line.strip()) for line in text.split("\n")) < _MANY_LINES
            )
            return alone or _CHECKPOINT.search(flat) is not None
        case "named":
            return _CHECKPOINT.search(flat) is not None
        case "unpickling":
            return _UNPICKLING.search(flat) is not None
        case "save":
            return _SAVING.search(flat) is not None
        case "optimizer":
            return _OPTIMIZER.search(flat) is not None and _CHECKPOINT.search(flat) is not None
        case "restoring":
            return _RESTORING.search(flat) is not None
        case "entry":
            entry = values["entry"]
            return entry in names.entries or (_UNPICKLING.search(flat) is not None or "load_state_dict" in flat)
        case "optimizer entry":
            return values["entry"] in names.optimizer_entries and _OPTIMIZER.search(flat) is not None
        case "module method":
            return values["attribute"] in names.module_methods
        case "model class":
            cls = values["cls"]
            return cls[:1].isupper() and cls not in ("NoneType",) and _UNPICKLING.search(flat) is not None
        case "checkpoint name":
            return values["file"].endswith(names.extensions) or _UNPICKLING.search(flat) is not None
        case _:
            raise ValueError(f"messages.toml: there is no context {context!r}")

"""From a pasted text to an explanation: the door of this room.

paste     plain text, one for each rank
messages  which known error it is; of several the most telling
topics    what that means; for keys, sizes, refused classes and the like it is computed from what the error says
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from ckptlint.why.data import Known, Remedy, Topic, load_known
from ckptlint.why.explanation import SOME_FILE, Explanation, Said
from ckptlint.why.frames import checkpoint_name, frames, own_frame
from ckptlint.why.key_lists import KeyLists, key_lists
from ckptlint.why.key_story import key_story
from ckptlint.why.messages import Match, matches
from ckptlint.why.paste import flat, texts
from ckptlint.why.shape_story import shape_story
from ckptlint.why.variants import variant

_HOLE = re.compile(r"\{(\w+)(!r)?\}")
_QUOTED = 300
#: So much of what stands behind a known text is shown with it.
_BEHIND = 60


def explain(pasted: str, known: Known | None = None) -> Explanation | None:
    """What the pasted text is about; None when no known error stands in it."""
    known = load_known() if known is None else known
    best: tuple[int, Explanation] | None = None
    for text in texts(pasted):
        found = _explain(text, known)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    return None if best is None else best[1]


def _explain(text: str, known: Known) -> tuple[int, Explanation] | None:
    line = flat(text)
    found = matches(line, text, known)
    for position, match in enumerate(found):
        explanation = _of_match(match, text, line, known)
        if explanation is not None:
            titles = [_title(other, known) for other in found[position + 1 :]]
            also = tuple(title for title in dict.fromkeys(titles) if title != explanation.title)
            return match.order, msgspec.structs.replace(explanation, also=also)
    return None


def _of_match(match: Match, text: str, line: str, known: Known) -> Explanation | None:
    places = frames(text)
    name = variant(match.message.topic, match.values, known)[0]
    topic = known.topics[name]
    file = match.values.get("file") or checkpoint_name(line, places, known.names.extensions)
    lists = key_lists(text) if name == "keys" else KeyLists()
    if name == "keys":
        if lists.empty:
            return None
        said = _keys(lists, known, file or SOME_FILE)
    else:
        words = _words(match, known, file)
        said = Said((_filled(topic.what, words),), _remedies(topic, words), topic.rules, _filled(topic.title, words))
    return Explanation(
        topic=name,
        title=said.title,
        error=_shortened(line[match.start :] if name == "keys" else line[match.start : match.end + _BEHIND]),
        what=said.what,
        do=said.do,
        rules=said.rules,
        source=match.message.source,
        since=match.message.since,
        until=match.message.until,
        keys=lists,
        renamed=said.renamed,
        values=match.values,
        frame=own_frame(places),
        file=file,
    )


def _title(match: Match, known: Known) -> str:
    name, _ = variant(match.message.topic, match.values, known)
    return _filled(known.topics[name].title, _words(match, known, None))


def _keys(lists: KeyLists, known: Known, file: str) -> Said:
    """Keys first, sizes after; sizes alone when no key is missing or unexpected."""
    sizes = shape_story(lists.sizes, file)
    if not lists.missing and not lists.unexpected:
        assert sizes is not None
        return sizes
    keys = key_story(lists, known, file)
    if sizes is None:
        return keys
    if keys.title == sizes.title:  # one size told twice
        return Said((*keys.what, *sizes.what), keys.do, keys.rules, keys.title, keys.renamed)
    return Said(
        (*keys.what, *sizes.what),
        tuple(dict.fromkeys((*keys.do, *sizes.do))),
        tuple(dict.fromkeys((*keys.rules, *sizes.rules))),
        keys.title or sizes.title,
        keys.renamed,
    )


def _words(match: Match, known: Known, file: str | None) -> dict[str, str]:
    words = {"file": file or SOME_FILE, **match.values}
    words |= variant(match.message.topic, match.values, known)[1]
    if "cls" in words:
        words.setdefault("a_cls", f"a {words['cls']}")
    return {name: _filled(word, {"file": words["file"]}) for name, word in words.items()}


def _remedies(topic: Topic, words: Mapping[str, str]) -> tuple[Remedy, ...]:
    """The topic's remedies, without those that need a word which is empty here."""
    return tuple(
        Remedy(_filled(one.text, words), _filled(one.code, words), _filled(one.command, words))
        for one in topic.do
        if not any(words.get(name) == "" for name, _ in _HOLE.findall(one.text + one.code))
    )


def _filled(text: str, words: Mapping[str, str]) -> str:
    """The text with what the error said in place of `{name}`; `{name!r}` quotes it; `{{` is a brace."""

    def word(match: re.Match[str]) -> str:
        value = words.get(match.group(1))
        if value is None:
            return match.group()
        return repr(value) if match.group(2) else value

    return _HOLE.sub(word, text.replace("{{", "\0").replace("}}", "\1")).replace("\0", "{").replace("\1", "}")


def _shortened(text: str) -> str:
    return text if len(text) <= _QUOTED else text[: _QUOTED - 4].rstrip() + " ..."

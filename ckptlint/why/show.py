"""An explanation as text for people and as JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from ckptlint.why.explanation import Explanation
from ckptlint.why.places import SourcePlace

_WIDTH = 100


def lines(explanation: Explanation, places: Sequence[SourcePlace] | None) -> Iterator[str]:
    """What a person reads. `places`: None when no source was looked at."""
    title = explanation.title
    yield title if title.startswith(("torch", "load_state_dict")) else title[:1].upper() + title[1:]
    yield ""
    yield from _paragraph(f"The error: {explanation.error}")
    yield ""
    yield "What happened"
    for sentence in explanation.what:
        yield from _paragraph(sentence)
    if explanation.keys.cut:
        yield "  (The list of keys was cut when it was pasted: the numbers are those of the keys that are there.)"
    if explanation.do:
        yield ""
        yield "What to do"
    for remedy in explanation.do:
        yield from _paragraph(remedy.text, "  - ", "    ")
        yield from (f"        {line}".rstrip() for line in remedy.code.split("\n") if remedy.code)
        yield from (f"        $ {line}" for line in remedy.command.split("\n") if remedy.command)
    if explanation.rules:
        yield ""
        yield f"Rules that find it in the code: {', '.join(explanation.rules)} (`ckptlint rule {explanation.rules[0]}`)"
    if places is not None:
        yield ""
        yield from _places(places)
    elif explanation.rules:
        yield "The line that did it: `ckptlint why --source FOLDER`, with the folder of the code."
    if _versions(explanation):
        yield f"torch says this {_versions(explanation)} ({explanation.source})."
    for title in explanation.also[:3]:
        yield f"Also in this text: {title}."


def _paragraph(text: str, first: str = "  ", rest: str = "  ") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _versions(explanation: Explanation) -> str:
    if explanation.since and explanation.until:
        return (
            f"in {explanation.since}"
            if explanation.since == explanation.until
            else f"in {explanation.since} to {explanation.until}"
        )
    if explanation.since:
        return f"since {explanation.since}"
    return f"until {explanation.until}" if explanation.until else ""


def _places(places: Sequence[SourcePlace]) -> Iterator[str]:
    if not places:
        yield "In the source: nothing was found that explains it."
        return
    yield "In the source"
    for place in places:
        code = f"{place.code} " if place.code else ""
        yield from textwrap.wrap(
            f"{place.filename}:{place.row}:{place.column}: {code}{place.message}",
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
        )


def as_json(explanation: Explanation | None, places: Sequence[SourcePlace] | None, names: Mapping[str, str]) -> str:
    """One JSON object. `names`: rule codes to names, as far as they are known."""
    if explanation is None:
        return json.dumps({"explained": False}, indent=2)
    keys = explanation.keys
    said: dict[str, object] = {
        "explained": True,
        "topic": explanation.topic,
        "title": explanation.title,
        "error": explanation.error,
        "what": list(explanation.what),
        "do": [{"text": one.text, "code": one.code or None, "command": one.command or None} for one in explanation.do],
        "rules": [{"code": code, "name": names.get(code)} for code in explanation.rules],
        "torch": {"since": explanation.since or None, "until": explanation.until or None, "source": explanation.source},
        "file": explanation.file,
        "frame": None
        if explanation.frame is None
        else {
            "filename": explanation.frame.file,
            "row": explanation.frame.line,
            "code": explanation.frame.code or None,
        },
        "keys": None
        if keys.empty
        else {
            "model": keys.model or None,
            "missing": len(keys.missing),
            "unexpected": len(keys.unexpected),
            "sizes": [{"key": one.key, "file": list(one.file), "model": list(one.own)} for one in keys.sizes],
            "cut": keys.cut,
            "renamed": [
                {"old": one.old, "new": one.new, "count": one.count, "inside": one.inside}
                for one in explanation.renamed
            ],
        },
        "also": list(explanation.also),
        "places": None
        if places is None
        else [
            {
                "code": one.code or None,
                "message": one.message,
                "filename": one.filename,
                "location": {"row": one.row, "column": one.column},
            }
            for one in places
        ],
    }
    return json.dumps(said, indent=2)

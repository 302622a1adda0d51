r"""From what was pasted to plain text: a log, a terminal, a notebook, several ranks at once.

    [rank1]: 2024-05-06 12:00:00,123 - mmdet - ERROR - \x1b[31mRuntimeError: Error(s) in loading ...

becomes `RuntimeError: Error(s) in loading ...` in the text of rank 1. Colours go, what a logger put in front of a line
goes, frames that rich or a quote draws around it go; and the lines of ranks, which are mixed in a log, are sorted into
one text a rank, so that lists of keys that go over several lines hold together. Indentation stays.
"""

from __future__ import annotations

import re

#: More than the largest traceback; of a log of gigabytes the end is what matters.
MOST_CHARACTERS = 8_000_000
#: No terminal is narrower.
_NARROWEST = 20

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
#: What is left of a colour when the escape character was lost on the way: `[1mdo those steps[0m`.
_BARE_COLOUR = re.compile(r"\[(?:\d{1,3};)*\d{0,3}m(?=\S|\s|$)(?<!\[m)")
#: Quotes that a mail or chat program made typographic: both kinds, by number.
_PLAIN_QUOTES = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\ufeff]")

_RANK = re.compile(
    r"\s{0,3}(?:"
    r"\[(?P<name>(?:rank|default|worker|proc|node|gpu)[ _-]?\d+)\]:?"
    r"|\[(?P<mpi>\d+,\d+)\]<std(?:err|out)>:?"
    r"|\((?P<ray>\w[\w.]* pid=\d+(?:, ip=[\d.]+)?)\)"
    r"|(?P<compose>[\w.-]+[-_]\d+) +\|"
    r")[ ]?"
)
_NUMBERED = re.compile(r"(?P<number>\d{1,4}): ?")

_TIME = r"\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
_DATE = r"(?:\d{4}[-/]\d\d[-/]\d\d|\d\d[-/]\d\d(?:[-/]\d\d(?:\d\d)?)?|[A-Z][a-z]{2} +\d{1,2})"
_STAMP = re.compile(
    rf"\s{{0,2}}[\[(]?(?:{_DATE}[T ]{_TIME}(?: ?Z|[+-]\d\d:?\d\d)?|{_TIME}|[IWEF]\d{{4}} {_TIME} +\d+ \S+:\d+)[\])]?"
    r"(?: ?[-:|,])?[ ]?"
)
#: The machine and the program, behind a time: `node-3 python[1063]: `.
_SYSLOG = re.compile(r"[\w.-]+ [\w./-]+\[\d+\]:[ ]?")
_LEVEL = re.compile(
    r"\s{0,2}[\[(<]?(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL|EXCEPTION|STDERR|STDOUT|stderr|stdout)[\])>]?"
    r"(?:[:|-]| [-:|])?[ ]?(?=\S|\s|$)"
)
#: A logger's name or a place in the code, after a time or a level only: `- mmdet - `, `[train.py:120] `, `root:`.
_LOGGER = re.compile(
    r"(?:[-|] )?(?:[\[(][\w./-]+(?::\d+)?[\])]:?|[\w./-]+(?::[\w<>]*)?(?::\d+)? [-|:]|[a-z_][\w.]*:(?=\S)) ?"
)

_BOX = re.compile(r"^\s*[│┃║|❱] ?(.*?)(?: *[│┃║])?\s*$")
_BOX_EDGE = re.compile(r"^\s*[╭╰┌└├┏┗]?[─━═]{6,}.*$|^\s*[╭╰┌└].*[╮╯┐┘]\s*$")
_QUOTE = re.compile(r"^(?:> ?)+")
_ESCAPED = re.compile(r"state_dict for [\w.]+:\\n|\\n\\t|\\n(?:Traceback|  File|\w*Error)")


def texts(pasted: str) -> list[str]:
    """The plain texts in what was pasted: one, or one for each rank that spoke, in the order of their first lines."""
    text = pasted[-MOST_CHARACTERS:]
    text = _ESCAPES.sub("", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    text = _BARE_COLOUR.sub("", text).replace("#011", "\t")  # what syslog makes of a tab
    if _ESCAPED.search(text):  # a log in JSON, or the repr of an error
        text = text.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\'", "'")
    text = _CONTROL.sub("", text).translate(_PLAIN_QUOTES)
    lines = text.split("\n")
    boxed = sum(bool(_BOX_EDGE.match(line)) for line in lines) >= 2
    numbered = _is_numbered(lines)
    ranks: dict[str, list[str]] = {}
    rank = ""
    for line in lines:
        rank, rest = _ranked(_QUOTE.sub("", line), rank, numbered=numbered)
        rest = _unlogged(rest)
        if boxed:
            if _BOX_EDGE.match(rest):
                continue
            inside = _BOX.match(rest)
            rest = inside.group(1) if inside is not None else rest
        ranks.setdefault(rank, []).append(rest)
    return ["\n".join(_unwrapped(said)) for said in ranks.values()]


def flat(text: str) -> str:
    """The text on one line, with single spaces: what a terminal broke over lines is whole again."""
    return " ".join(text.split())


def _unwrapped(lines: list[str]) -> list[str]:
    """Lines that a terminal broke at its width are one line again: several are exactly as long as the longest."""
    lines = [line.rstrip(" ") for line in lines]
    width = max(map(len, lines), default=0)
    if width < _NARROWEST or sum(len(line) == width for line in lines) < 2:
        return lines
    whole: list[str] = []
    before = 0
    for line in lines:
        if before == width:
            whole[-1] += line
        elif before == width - 1:  # a space stood at the edge
            whole[-1] += f" {line}"
        else:
            whole.append(line)
        before = len(line)
    return whole


def _is_numbered(lines: list[str]) -> bool:
    """Whether `srun -l` put the number of a task in front of every line."""
    said = [line for line in lines if line.strip()]
    return len(said) > 1 and sum(bool(_NUMBERED.match(line)) for line in said) >= 0.8 * len(said)


def _ranked(line: str, last: str, *, numbered: bool) -> tuple[str, str]:
    """Who said the line, and the line without that. A line without a name belongs to nobody, except inside a box."""
    names: list[str] = []
    while (match := _RANK.match(line)) is not None:  # torchrun and torch each put one: `[default7]:[rank7]: `
        names += [name for name in match.groups() if name is not None]
        line = line[match.end() :]
    if names:
        return names[0], line
    if numbered and (match := _NUMBERED.match(line)) is not None:
        return match.group("number"), line[match.end() :]
    return ("" if line.strip() else last), line


def _unlogged(line: str) -> str:
    """The line without what a logger put in front of it."""
    at = 0
    logged = False
    for _ in range(6):
        match = _STAMP.match(line, at) or (_SYSLOG.match(line, at) if logged else None) or _LEVEL.match(line, at)
        if match is None and logged:
            match = _LOGGER.match(line, at)
            if match is not None and re.search(r"(?:Error|Exception|Interrupt|Warning):? ?$", match.group()):
                break  # `RuntimeError: ...` is what we are looking for
        if match is None or match.end() == at:
            break
        at = match.end()
        logged = True
    return line[at:]

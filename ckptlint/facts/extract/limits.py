"""What is too big or too deep for the parser, known before it is asked.

libcst's parser needs time that grows with the square of some things, and ends the process when its stack runs out
(nothing that could be caught). Measured with libcst 1.9 (see SECONDS_PER_SQUARE): 200 nested calls 0.27 s, 1,000
chained calls 2.3 s, a sum of 2,000 terms 0.7 s. So the text is scanned first, roughly but never slowly: brackets,
operators and separators, without strings and comments.

    f(a, b)(c).d + e        one run of postfixes "(", "(", "." and one of operators "+"

A run ends at a comma, a semicolon, an equals sign, or the end of a line outside brackets. Small texts, which nearly all
are, are not scanned at all.
"""

from __future__ import annotations

import re

import msgspec

from ckptlint.facts.lines import MAX_BRACKET_DEPTH, outline
from ckptlint.source import UnreadableSource

MAX_UNIT_CHARACTERS = 400_000
MAX_RUN = 1_000
MAX_INDENTATION = 100
MAX_SECONDS = 1.0
SECONDS_PER_SQUARE = {"depth": 6.7e-6, "postfixes": 0.6e-6, "operators": 0.17e-6}
# Nothing below these can be too deep, whatever it is: the counts are those of a whole unit.
_FEW_BRACKETS = 150
_FEW_OPERATORS = 300
_DEEP = 60
_LONG = 300

_TOKEN = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    r"|#[^\n]*|\\\n"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<dot>\.(?=[^\W\d]))"
    r"|(?P<operator>[-+*/%@&|^~<>]+|\b(?:and|or|not|if|lambda|await)\b)|(?P<end>[,;=\n])",
    re.DOTALL,
)
_OPERATOR = re.compile(r"[-+*/%@&|^~<>.]|\b(?:and|or|not|if|lambda|await)\b")
_FAR_INDENTED = re.compile(rf"^[ \t]{{{MAX_INDENTATION}}}", re.MULTILINE)
_ELIF = re.compile(r"^[ \t]*elif\b", re.MULTILINE)


class Measure(msgspec.Struct):
    """Depth of brackets, longest run, and the seconds that the parser may need for what is not linear."""

    depth: int = 0
    run: int = 0
    seconds: float = 0.0
    row: int = 1

    @property
    def deep(self) -> bool:
        """True when the parser should have a bigger stack than the usual one."""
        return self.depth > _DEEP or self.run > _LONG


def check(text: str) -> Measure:
    """Measure a text that is to be parsed; raises UnreadableSource, with the row in `text`, if it must not be."""
    if len(text) > MAX_UNIT_CHARACTERS:
        raise UnreadableSource(
            f"this part has {len(text):,} characters; ckptlint reads parts of up to {MAX_UNIT_CHARACTERS:,}"
        )
    brackets = text.count("(") + text.count("[") + text.count("{")
    few_operators = len(text) < _FEW_OPERATORS or sum(1 for _ in _OPERATOR.finditer(text)) < _FEW_OPERATORS
    arms = text.count("elif")
    if brackets < _FEW_BRACKETS and few_operators and arms < _LONG and not _FAR_INDENTED.search(text):
        return Measure(depth=0)
    found = measure(text)
    if arms >= _LONG:
        found.run = max(found.run, sum(1 for _ in _ELIF.finditer(text)))
    if found.depth > MAX_BRACKET_DEPTH:
        raise UnreadableSource(f"brackets are nested more than {MAX_BRACKET_DEPTH} deep", found.row)
    if found.run > MAX_RUN:
        raise UnreadableSource(f"an expression or elif chain has more than {MAX_RUN:,} links", found.row)
    if found.seconds > MAX_SECONDS:
        raise UnreadableSource("expressions are so long and nested that parsing them would take too long", found.row)
    if _FAR_INDENTED.search(text) and _indentation(text) > MAX_INDENTATION:
        raise UnreadableSource(f"blocks are nested more than {MAX_INDENTATION} deep")
    return found


def measure(text: str) -> Measure:
    """The measure of a text, by one scan."""
    found = Measure()
    runs: list[list[int]] = [[0, 0]]  # for each open bracket: postfixes and operators of the present run
    deepest = row_offset = 0

    def finish(run: list[int], offset: int) -> None:
        nonlocal row_offset
        postfixes, operators = run
        found.seconds += SECONDS_PER_SQUARE["postfixes"] * postfixes * postfixes
        found.seconds += SECONDS_PER_SQUARE["operators"] * operators * operators
        if postfixes + operators > found.run:
            found.run = postfixes + operators
            if found.run > MAX_RUN and found.depth <= MAX_BRACKET_DEPTH:
                row_offset = offset
        run[0] = run[1] = 0

    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "open":
            runs[-1][0] += 1
            runs.append([0, 0])
            if len(runs) - 1 > deepest:
                deepest = len(runs) - 1
                if deepest > found.depth:
                    found.depth = deepest
                    row_offset = match.start()
        elif kind == "close":
            if len(runs) > 1:
                finish(runs.pop(), match.start())
                if len(runs) == 1:
                    found.seconds += SECONDS_PER_SQUARE["depth"] * deepest * deepest
                    deepest = 0
        elif kind == "dot":
            runs[-1][0] += 1
        elif kind == "operator":
            runs[-1][1] += max(1, len(match[0]) - 1) if match[0][0] in "-+~<>*/&|^@%" else 1
        elif kind == "end" and (match[0] != "\n" or len(runs) == 1):
            finish(runs[-1], match.start())
    found.row = text.count("\n", 0, row_offset) + 1
    while runs:
        finish(runs.pop(), len(text))
    return found


def _indentation(text: str) -> int:
    """How many blocks the deepest line is inside of."""
    open_blocks = [0]
    deepest = 0
    for line in outline(text).split("\n"):
        if line and not line.isspace() and not line.startswith("\0"):
            width = len(line) - len(line.lstrip())
            while width < open_blocks[-1]:
                open_blocks.pop()
            if width > open_blocks[-1]:
                open_blocks.append(width)
                deepest = max(deepest, len(open_blocks) - 1)
    return deepest

r"""The places that a traceback names: `File "train.py", line 45, in main`, in Python's, IPython's and rich's spelling.

Traceback (most recent call last):
  File "test.py", line 12, in <module>
    model.load_state_dict(torch.load("best.pth"))
  File ".../site-packages/torch/nn/modules/module.py", line 2581, in load_state_dict
"""

from __future__ import annotations

import re

import msgspec

_PYTHON = re.compile(r'^[ \t|+]*File "?(?P<file>[^"\n]+?)"?, line (?P<line>\d+)(?:, in (?P<function>[^\n(]+))?', re.M)
_IPYTHON = re.compile(r"^[ \t]*File (?P<file>[^\n\"]+?):(?P<line>\d+)(?:, in (?P<function>\w+))?", re.M)
_OLD_IPYTHON = re.compile(
    r"^(?P<file>[\w~/\\:.<-][^\s]*>?) in (?P<function>[\w<>]+)(?:\([^\n]*)?\n(?:[ \t]+\d+[^\n]*\n)*"
    r"-+> (?P<line>\d+)(?P<code>[^\n]*)",
    re.M,
)
_CELL = re.compile(
    r"^(?P<file>(?:Cell|Input) In ?\s?\[\d+\]), (?:in )?(?:<[^>\n]*>, )?line (?P<line>\d+)[^\n]*\n"
    r"(?:[ \t]+\d+[^\n]*\n)*-+> \d+(?P<code>[^\n]*)",
    re.M,
)
_RICH = re.compile(r"^[ \t]*(?P<file>[~/.\w][\w./~-]*\.py):(?P<line>\d+) in (?P<function>\S+)", re.M)
_INSTALLED = re.compile(r"[/\\](?:site-packages|dist-packages|lib[/\\]python[\d.]+|torch[/\\](?:nn|serialization))\b")
_LITERAL = re.compile(r"""["']([^"'\n]{1,300})["']""")


class Frame(msgspec.Struct, frozen=True):
    """A place in a file, with its code where the traceback shows it. `line` counts from 1."""

    file: str
    line: int
    function: str
    code: str

    @property
    def installed(self) -> bool:
        """Whether the file is Python's own or an installed package's."""
        return _INSTALLED.search(self.file) is not None


def frames(text: str) -> list[Frame]:
    """Every place that is named, in the order of the text: the last one is where it happened."""
    found: dict[int, Frame] = {}
    for pattern in (_PYTHON, _IPYTHON, _OLD_IPYTHON, _CELL, _RICH):
        for match in pattern.finditer(text):
            if match.start() in found:
                continue
            said = match.groupdict()
            code = said.get("code")
            if code is None:
                code = text[match.end() :].lstrip(" \t:").partition("\n")[2].partition("\n")[0]
            code, function = code.strip(), (said.get("function") or "").strip()
            found[match.start()] = Frame(match.group("file"), int(match.group("line")), function, code)
    return [found[at] for at in sorted(found)]


def own_frame(places: list[Frame]) -> Frame | None:
    """The innermost place that is the user's own code."""
    return next((frame for frame in reversed(places) if not frame.installed), None)


def checkpoint_name(text: str, places: list[Frame], extensions: tuple[str, ...]) -> str | None:
    """The checkpoint that was loaded, where a line of the traceback or the error itself spells it out."""
    for piece in [frame.code for frame in reversed(places)] + [text]:
        for literal in _LITERAL.findall(piece):
            if literal.endswith(extensions) and not any(sign in literal for sign in "{}*<>\n %"):
                return str(literal)
    return None

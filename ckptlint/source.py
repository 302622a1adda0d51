"""From the bytes of a file to text, and back without a change that nobody asked for.

Inside ckptlint every text has "\\n" line ends and no byte order mark. What is lost by that is kept beside the text:

    >>> source = decode("a.py", b"\\xef\\xbb\\xbfx = 1\\r\\ny = 2\\r\\n")
    >>> source.text, source.newline, source.bom
    ('x = 1\\ny = 2\\n', '\\r\\n', True)
    >>> encode(source, source.text.replace("1", "3"))
    b'\\xef\\xbb\\xbfx = 3\\r\\ny = 2\\r\\n'

A file that mixes line ends keeps the end of each of its lines: lines that an edit left alone get theirs back, new ones
get the commonest. Only "\\n", "\\r\\n" and "\\r" end a line; a form feed or U+2028 is a character like any other.
The encoding is found as Python finds it (PEP 263): a byte order mark, else a cookie in the first two lines, else UTF-8.
"""

from __future__ import annotations

import codecs
import re
from difflib import SequenceMatcher

import msgspec

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#.*)?$")
_LINE_END = re.compile("\r\n|\r|\n")
# Encodings in which equal text always has equal bytes; with any other the way back is tried out when decoding.
_ONE_TO_ONE = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d|koi8-\w")


class UnreadableSource(Exception):  # noqa: N818 - it says what the source is, as CKPT901 does
    """A file, or a part of it, that cannot be read as Python. `row` and `column` count from 1."""

    def __init__(self, reason: str, row: int = 1, column: int = 1) -> None:
        super().__init__(reason, row, column)
        self.reason = reason
        self.row = row
        self.column = column

    def __str__(self) -> str:
        return f"{self.row}:{self.column}: {self.reason}"


class SourceFile(msgspec.Struct, frozen=True):
    """The text of a file, and what is needed to write it back.

    `relative` is the path under the root, with forward slashes. `newline` is the commonest line end; `line_ends` has
    one entry a line break where the file mixes them, and is empty elsewhere. `exact` is False for the rare encodings
    in which decoding and encoding again does not give the same bytes.
    """

    relative: str
    text: str
    newline: str = "\n"
    encoding: str = "utf-8"
    bom: bool = False
    line_ends: tuple[str, ...] = ()
    exact: bool = True


def decode(relative: str, data: bytes) -> SourceFile:
    """Read the bytes of a Python file; raises UnreadableSource where Python would refuse them."""
    bom = data.startswith(codecs.BOM_UTF8)
    body = data[len(codecs.BOM_UTF8) :] if bom else data
    null = body.find(b"\0")
    if null >= 0:
        raise UnreadableSource("the file holds a NUL byte, so it is not Python source", *_place(body, null))
    encoding = _encoding(body, bom)
    text = _decode_body(body, encoding)
    exact = bool(_ONE_TO_ONE.fullmatch(encoding)) or _encodes_to(text, encoding, body)
    if "\r" not in text:
        return SourceFile(relative, text, "\n", encoding, bom, (), exact)
    line_ends = tuple(_LINE_END.findall(text))
    newline = max(("\n", "\r\n", "\r"), key=line_ends.count)
    mixed = line_ends if any(end != newline for end in line_ends) else ()
    return SourceFile(relative, _LINE_END.sub("\n", text), newline, encoding, bom, mixed, exact)


def encode(source: SourceFile, text: str) -> bytes:
    """The bytes to write for `text`, an edited `source.text`, in the style of `source`.

    Raises UnreadableSource when the text has a character that the file's encoding lacks, or when the encoding cannot
    promise to leave the rest of the file as it was.
    """
    if not source.exact:
        raise UnreadableSource(f"the encoding {source.encoding} cannot be written back unchanged")
    if source.line_ends:
        styled = _with_line_ends(source, text)
    else:
        styled = text if source.newline == "\n" else text.replace("\n", source.newline)
    try:
        body = styled.encode(source.encoding)
    except UnicodeEncodeError as error:
        row = text.count("\n", 0, error.start) + 1
        raise UnreadableSource(
            f"{text[error.start : error.start + 1]!r} cannot be written as {source.encoding}", row
        ) from None
    return codecs.BOM_UTF8 + body if source.bom else body


def _encoding(body: bytes, bom: bool) -> str:
    """The name of the encoding, as Python spells it."""
    lines = re.split(rb"\r\n|\r|\n", body[:1024], maxsplit=2)
    cookie = _COOKIE.match(lines[0])
    row = 1
    if cookie is None and len(lines) > 1 and _BLANK.match(lines[0]):
        cookie = _COOKIE.match(lines[1])
        row = 2
    if cookie is None:
        return "utf-8"
    name = cookie[1].decode("ascii", "replace")
    try:
        encoding = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise UnreadableSource(f"the file says that its encoding is {name}, which Python does not know", row) from None
    if bom and encoding != "utf-8":
        raise UnreadableSource(f"the file says {name} but begins with the byte order mark of UTF-8", row)
    return "utf-8" if encoding == "utf-8-sig" else encoding


def _decode_body(body: bytes, encoding: str) -> str:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        reason = f"byte 0x{body[error.start]:02x} is not {encoding}"
        hint = ": save the file as UTF-8 or add a '# -*- coding: ... -*-' line" if encoding == "utf-8" else ""
        raise UnreadableSource(reason + hint, *_place(body, error.start)) from None
    except (LookupError, UnicodeError):  # LookupError: a codec that is no text encoding, such as hex
        raise UnreadableSource(f"the file cannot be decoded as {encoding}") from None


def _encodes_to(text: str, encoding: str, body: bytes) -> bool:
    try:
        return text.encode(encoding) == body
    except UnicodeError:
        return False


def _place(body: bytes, offset: int) -> tuple[int, int]:
    """Row and column of a byte; on its line only ASCII and UTF-8 are counted right, which is what is known here."""
    ends = list(re.finditer(rb"\r\n|\r|\n", body[:offset]))
    start = ends[-1].end() if ends else 0
    return len(ends) + 1, len(body[start:offset].decode("utf-8", "replace")) + 1


def _with_line_ends(source: SourceFile, text: str) -> str:
    """`text` with each unchanged line's own end, and the commonest for the others."""
    before = source.text.split("\n")
    after = text.split("\n")
    ends = [source.newline] * (len(after) - 1) + [""]
    for _, start, stop, new_start, new_stop in _unchanged(before, after):
        for old, new in zip(range(start, stop), range(new_start, new_stop), strict=True):
            if new < len(after) - 1:
                ends[new] = source.line_ends[old] if old < len(source.line_ends) else source.newline
    return "".join(line + end for line, end in zip(after, ends, strict=True))


def _unchanged(before: list[str], after: list[str]) -> list[tuple[str, int, int, int, int]]:
    if before == after:
        return [("equal", 0, len(before), 0, len(after))]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return [opcode for opcode in matcher.get_opcodes() if opcode[0] == "equal"]

"""Bytes to text and back: nothing changes but what was edited."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptlint.source import UnreadableSource, decode, encode

line = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=12)
ends = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file of any lines and line ends, with or without a byte order mark, with or without an end to its last line."""
    text = "".join(draw(line) + draw(ends) for _ in range(draw(st.integers(0, 8)))) + draw(line)
    return draw(st.sampled_from([b"", codecs.BOM_UTF8])) + text.encode()


@given(files())
def test_what_is_not_edited_keeps_its_bytes(data: bytes) -> None:
    try:
        source = decode("a.py", data)
    except UnreadableSource:
        return  # hypothesis found an encoding cookie
    assert "\r" not in source.text
    assert encode(source, source.text) == data


@given(st.lists(st.tuples(st.integers(0, 9).map(str), ends), min_size=2, max_size=8), st.data())
def test_an_edited_line_of_a_mixed_file_leaves_the_ends_of_the_others(
    lines: list[tuple[str, str]], data: st.DataObject
) -> None:
    numbered = [(f"{number} {text}", end) for number, (text, end) in enumerate(lines)]
    source = decode("a.py", "".join(text + end for text, end in numbered).encode())
    edited = data.draw(st.integers(0, len(numbered) - 1))
    rows = source.text.split("\n")
    rows[edited] = "new"
    written = encode(source, "\n".join(rows)).decode()
    for number, (text, end) in enumerate(numbered):
        if number != edited:
            assert text + end in written


def test_added_lines_get_the_commonest_line_end() -> None:
    source = decode("a.py", b"a\r\nb\r\nc\n")
    assert source.newline == "\r\n"
    assert encode(source, "a\nnew\nb\nc\n") == b"a\r\nnew\r\nb\r\nc\n"


def test_a_form_feed_and_a_unicode_line_separator_end_no_line() -> None:
    data = "a\x0cb\u2028c\x85d\r\n".encode()
    source = decode("a.py", data)
    assert source.text == "a\x0cb\u2028c\x85d\n"
    assert encode(source, source.text) == data


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"# -*- coding: latin-1 -*-\n", "iso8859-1"),
        (b"#!/usr/bin/env python\n# vim: set fileencoding=latin-1 :\n", "iso8859-1"),
        (b"\n# coding=cp1252\n", "cp1252"),
        (b"#coding:koi8-r\r\n", "koi8-r"),
        (b"# encoding: euc-jp\n", "euc_jp"),
    ],
)
def test_the_cookie_decides(head: bytes, encoding: str) -> None:
    data = head + "x = '\u00e9'\n".encode(
        "latin-1" if "8859" in encoding else "utf-8" if encoding == "euc_jp" else encoding, "ignore"
    )
    source = decode("a.py", data)
    assert source.encoding == encoding
    assert encode(source, source.text) == data


def test_a_cookie_below_code_is_a_comment() -> None:
    assert decode("a.py", b"import torch\n# coding: latin-1\n").encoding == "utf-8"


@pytest.mark.parametrize(
    ("data", "row", "column", "reason"),
    [
        (b"x = 1\ny = '\0'\n", 2, 6, "NUL byte"),
        (b"x = 1\r\ny = '\xe9'\r\n", 2, 6, "byte 0xe9 is not utf-8"),
        (b"# coding: klingon\n", 1, 1, "klingon"),
        (b"#\n# coding: hex\n", 1, 1, "cannot be decoded as hex"),
        (codecs.BOM_UTF8 + b"# coding: latin-1\n", 1, 1, "byte order mark"),
    ],
)
def test_what_python_would_refuse_is_refused_with_its_place(data: bytes, row: int, column: int, reason: str) -> None:
    with pytest.raises(UnreadableSource, match=reason) as caught:
        decode("a.py", data)
    assert (caught.value.row, caught.value.column) == (row, column)


def test_a_character_that_the_encoding_lacks_is_refused_not_lost() -> None:
    source = decode("a.py", b"# coding: latin-1\nx = 1\n")
    with pytest.raises(UnreadableSource, match="cannot be written") as caught:
        encode(source, source.text + "y = '\u4e2d'\n")
    assert caught.value.row == 3


def test_an_encoding_that_cannot_promise_the_same_bytes_is_read_but_not_written() -> None:
    # UTF-7 may write "a" in two ways, of which this is the longer.
    source = decode("a.py", b"# coding: utf-7\nx = '+AGE-'\n")
    assert source.text.endswith("x = 'a'\n")
    with pytest.raises(UnreadableSource, match="written back"):
        encode(source, source.text)

"""Code frames: carets stand under what they mark."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptlint.report.frame import frame
from ckptlint.report.paint import Paint
from ckptlint.suppress.comments import Lines


def framed(text: str, marked: str, context: int = 2) -> list[str]:
    start = text.index(marked)
    title, *lines = frame("a.py", text, Lines(text).span(start, start + len(marked)), Paint(False), context)
    assert title == " " * (lines[0].index("|") - 1) + "--> a.py"
    return lines


def test_rows_of_context_with_their_numbers():
    text = "".join(f"line{number}\n" for number in range(1, 12))
    assert framed(text, "line10") == [
        "   |",
        " 8 | line8",
        " 9 | line9",
        "10 | line10",
        "   | ^^^^^^",
        "11 | line11",
        "   |",
    ]


def test_blank_rows_at_the_edges_are_left_out():
    assert framed("\n\nx = BAD\n\n", "BAD") == ["  |", "3 | x = BAD", "  |     ^^^", "  |"]


def test_tabs_are_shown_as_spaces():
    assert framed("\tx =\tBAD\n", "BAD")[1:3] == ["1 |     x = BAD", "  |         ^^^"]


def test_wide_and_combining_characters_keep_the_caret_in_place():
    assert framed('f("模型", BAD)', "BAD")[1:3] == ['1 | f("模型", BAD)', "  |           ^^^"]
    assert framed('f("e\u0301", BAD)', "BAD")[2] == "  |        ^^^"


def test_a_span_of_several_rows_is_marked_on_each():
    text = "save(\n    model,\n    path,\n)\n"
    assert framed(text, text.strip()) == [
        "  |",
        "1 | save(",
        "  | ^^^^^",
        "2 |     model,",
        "  |     ^^^^^^",
        "3 |     path,",
        "  |     ^^^^^",
        "4 | )",
        "  | ^",
        "  |",
    ]


def test_of_a_long_span_the_middle_is_left_out():
    text = "save(\n" + "    x,\n" * 50 + ")\n"
    lines = framed(text, text.strip())
    assert len(lines) < 14
    assert "52 | )" in lines


def test_an_empty_span_has_one_caret_and_a_place_past_the_end_no_crash():
    assert frame("a.py", "abc\n", Lines("abc\n").span(1, 1), Paint(False))[3] == "  |  ^"
    assert frame("a.py", "", Lines("").span(0, 0), Paint(False))
    assert frame("a.py", "a", Lines("a\n\n\n\n").span(4, 5), Paint(False)) == [" --> a.py"]


def test_control_characters_do_not_reach_the_terminal():
    assert "\x1b" not in "".join(framed("x = '\x1b[31m', BAD\n", "BAD"))
    assert "\u202e" not in "".join(framed("x = '\u202e', BAD\n", "BAD"))


def cells(text: str) -> int:
    zero = ("Mn", "Me", "Cf")
    return sum(
        0 if unicodedata.category(c) in zero else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


@given(st.text(st.sampled_from("ab \t模é\u0301🙂(\x0b"), max_size=12), st.text("xy", min_size=1, max_size=4))
def test_the_caret_is_under_the_mark_for_any_text(before, marked):
    lines = frame("a.py", before + marked, Lines(before + marked).span(len(before), len(before + marked)), Paint(False))
    source, carets = lines[2], lines[3]
    assert carets.count("^") == len(marked)
    assert cells(source[: source.rindex(marked)]) == carets.index("^")


@pytest.mark.parametrize("on", [True, False])
def test_colours_are_all_or_nothing(on):
    text = "x = BAD\n"
    lines = frame("a.py", text, Lines(text).span(4, 7), Paint(on))
    assert ("\033[" in "".join(lines)) is on

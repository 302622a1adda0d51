"""Comments that silence findings: which are heard, which are unused, and where new ones are written."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptlint.findings import Confidence, Finding, Place, Severity
from ckptlint.fixes.edit import Accepted
from ckptlint.suppress.apply import hear
from ckptlint.suppress.comments import Lines, directives
from ckptlint.suppress.write import add_noqa, noqa_row

CODES = frozenset({"CKPT101", "CKPT201", "CKPT902"})


def finding(text: str, marker: str = "BAD", code: str = "CKPT101") -> Finding:
    """A finding at `marker`, in the statement that ast knows there."""
    lines = Lines(text)
    place = lines.span(text.index(marker), text.index(marker) + len(marker))
    row = place.start.row
    around = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and node.lineno <= row <= (node.end_lineno or 0)
    ]
    inner = min(around, key=lambda node: (node.end_lineno or 0) - node.lineno)
    start = lines.start(inner.lineno) + inner.col_offset
    end = lines.start(inner.end_lineno or 0) + (inner.end_col_offset or 0)
    return Finding(
        code=code,
        name="a-name",
        message="it fails",
        severity=Severity.WARNING,
        confidence=Confidence.HIGH,
        place=Place("a.py", place),
        statement=lines.span(start, end),
    )


def is_silenced(text: str) -> bool:
    return not hear("a.py", text, [finding(text)], CODES).kept


@pytest.mark.parametrize(
    "text",
    [
        "save(BAD)  # ckptlint: ignore[CKPT101]\n",
        "save(BAD)  # ckptlint: ignore[CKPT101] -- read by our own loader\n",
        "save(BAD)  #ckptlint:ignore[ CKPT201 , CKPT101 ]\n",
        "save(BAD)  # type: ignore  # ckptlint: ignore[CKPT101]\n",
        "# ckptlint: ignore[CKPT101]\nsave(BAD)\n",
        "# ckptlint: ignore[CKPT101]\n# the loader strips the prefix\nsave(BAD)\n",
        "save(\n    BAD,\n    path,  # ckptlint: ignore[CKPT101]\n)\n",
        "save(\n    BAD,\n    path,\n)  # ckptlint: ignore[CKPT101]\n",
        "save(  # ckptlint: ignore[CKPT101]\n    BAD,\n)\n",
        "save(\n    # ckptlint: ignore[CKPT101]\n    path,\n    BAD,\n)\n",
        "save(BAD)\nx = 1\n# ckptlint: file-ignore[CKPT101]\n",
        "save(BAD)  # noqa\n",
        "save(BAD)  # NOQA: E501, CKPT101\n",
        "save(BAD)  # noqa:E501 CKPT101 because\n",
        "save(  # noqa: CKPT101\n    path,\n    BAD,\n)\n",
        "save(\n    path,\n    BAD,  # noqa: CKPT101\n    1,\n)\n",
        "save(\n    path,\n    BAD,\n    1,\n)  # noqa: CKPT101\n",
    ],
)
def test_is_heard(text):
    assert is_silenced(text)


@pytest.mark.parametrize(
    "text",
    [
        "save(BAD)  # ckptlint: ignore[CKPT201]\n",
        "save(BAD)  # ckptlint: ignore\n",
        "save(BAD)  # ckptlint: ignore[]\n",
        "save(BAD, '# ckptlint: ignore[CKPT101]')\n",
        'save(BAD, """\n# noqa\n# ckptlint: file-ignore[CKPT101]\n""")\n',
        "# ckptlint: ignore[CKPT101]\n\nsave(BAD)\n",
        "# ckptlint: ignore[CKPT101]\nx = 1\nsave(BAD)\n",
        "x = 1  # ckptlint: ignore[CKPT101]\nsave(BAD)\n",
        "save(BAD)\n# ckptlint: ignore[CKPT101]\n",
        "save(BAD)  # noqa: E501\n",
        "# noqa: CKPT101\nsave(BAD)\n",
        "save(\n    path,\n    1,  # noqa: CKPT101\n    BAD,\n    2,\n)\n",
        "save(BAD)  # noqarantine\n",
    ],
)
def test_is_not_heard(text):
    assert not is_silenced(text)


def test_a_quote_in_a_comment_opens_no_string():
    assert is_silenced("x = 1  # don't\nsave(BAD)  # ckptlint: ignore[CKPT101]\ny = 'it'\n")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("good()  # ckptlint: ignore[CKPT101]\n", "good()\n"),
        ("good()  # ckptlint: ignore[CKPT101] -- old reason\n", "good()\n"),
        ("    # ckptlint: ignore[CKPT101]\ngood()\n", "good()\n"),
        ("good()\n# ckptlint: file-ignore[CKPT101]", "good()\n"),
        ("good()  # noqa: CKPT101\n", "good()\n"),
        ("good()  # noqa: E501, CKPT101\n", "good()  # noqa: E501\n"),
        ("good()  # noqa: CKPT101,CKPT201 , E501\n", "good()  # noqa: E501\n"),
        ("good()  # noqa: CKPT101  # pragma: no cover\n", "good()  # pragma: no cover\n"),
        ("good()  # pragma: no cover  # noqa: CKPT101\n", "good()  # pragma: no cover\n"),
        ("good()  # noqa: CKPT101 because of that\n", "good()  # because of that\n"),
        ("good()  # ckptlint: ignore[CKPT101, CKPT777]\n", "good()  # ckptlint: ignore[CKPT777]\n"),
        ("good()  # ckptlint: ignore\n", "good()\n"),
    ],
)
def test_an_unused_suppression_is_reported_and_its_fix_removes_it(text, after):
    (found,) = hear("a.py", text, [], CODES).unused
    assert found.code == "CKPT902"
    assert found.fix is not None
    assert Accepted(list(found.fix.edits)).apply_to(text) == after
    assert hear("a.py", after, [], CODES).unused == ()


@pytest.mark.parametrize(
    "text",
    [
        "good()  # noqa\n",
        "good()  # noqa: E501\n",
        "good()  # ckptlint: ignore[CKPT305]\n",  # that rule did not run
        "good()  # ckptlint: ignore[CKPT101, CKPT902]\n",
        "# ckptlint: file-ignore[CKPT902]\ngood()  # ckptlint: ignore[CKPT101]\n",
        "x = '# ckptlint: ignore[CKPT101]'\n",
    ],
)
def test_is_not_judged(text):
    assert hear("a.py", text, [], CODES).unused == ()


def test_only_the_unused_code_of_a_comment_is_reported():
    text = "save(BAD)  # ckptlint: ignore[CKPT101, CKPT201]\n"
    (found,) = hear("a.py", text, [finding(text)], CODES).unused
    assert "CKPT201" in found.message
    assert "CKPT101" not in found.message


NO_ROOM = "x = 1; save(BAD); y = '''\n'''\n"  # the statement lies on one row, which ends within a string
ADD_NOQA = [
    NO_ROOM,
    "save(BAD)\n",
    "save(BAD)",
    "save(BAD)  # a comment\n",
    "if x:\n    save(BAD)\nelse:\n    pass\n",
    "if x: save(BAD)\n",
    "save(\n    BAD,\n)\n",
    "save(BAD, '''\n# text\n''')\n",
    "save('''\n''', BAD, '''\n''')\n",
    "save(BAD, \\\n    1)\n",
    "x = BAD + \\\n    1 + \\\n    2\n",
    'x = BAD, """\n""" \\\n  , 1\n',
    'def f():\n    x = BAD, """\n    """\n',
    "save(BAD)  # ckptlint: ignore[CKPT201] -- why\n",
    "# ckptlint: ignore[CKPT201]\nsave(BAD)\n",
    'x = f"""\n{BAD}\n"""\n',
]


@pytest.mark.parametrize("text", ADD_NOQA)
def test_an_added_comment_silences_the_finding_and_changes_no_code(text):
    silenced = add_noqa(text, [finding(text)])
    assert silenced.count == 1
    assert ast.dump(ast.parse(silenced.text)) == ast.dump(ast.parse(text))
    assert hear("a.py", silenced.text, [finding(silenced.text)], CODES).kept == ()
    assert "ckptlint: ignore[" in silenced.text


def test_two_rules_on_one_line_share_a_comment():
    text = "save(BAD)\n"
    silenced = add_noqa(text, [finding(text), finding(text, code="CKPT201")], reason="known")
    assert silenced.count == 2
    assert silenced.text.count("ckptlint: ignore") == 1
    assert set(dict(directives(silenced.text)[0].codes)) == {"CKPT101", "CKPT201"}
    assert silenced.text.endswith("-- known\n")


@pytest.mark.parametrize("text", ADD_NOQA)
def test_the_noqa_row_is_one_where_a_comment_is_heard(text):
    found = finding(text)
    rows = text.split("\n")
    row = noqa_row(text, found)
    with_comment = "\n".join([*rows[: row - 1], f"{rows[row - 1]}  # noqa: CKPT101", *rows[row:]])
    if text == NO_ROOM:
        assert row == found.place.span.start.row
    else:
        assert ast.dump(ast.parse(with_comment)) == ast.dump(ast.parse(text))
        assert hear("a.py", with_comment, [found], CODES).kept == ()


PIECES = st.sampled_from(
    [
        "x = 1\n",
        "save(BAD)\n",
        "'a # b'\n",
        '"""\n# noqa\n"""\n',
        "# don't\n",
        "y = (\n  1, # c\n)\n",
        "r'\\'\n",
        "z = 1 + \\\n 2\n",
    ]
)


@given(st.lists(PIECES, max_size=6), st.lists(PIECES, max_size=6))
def test_adding_a_comment_anywhere_keeps_the_program(before, after):
    text = "".join([*before, "save(BAD, 'x')\n", *after]).replace("r'\\'\n", "r'\\\\'\n")
    silenced = add_noqa(text, [finding(text)])
    assert silenced.count == 1
    assert ast.dump(ast.parse(silenced.text)) == ast.dump(ast.parse(text))
    assert hear("a.py", silenced.text, [finding(silenced.text)], CODES).kept == ()

"""Edits of one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptlint.findings import Edit, Place, Position, Span
from ckptlint.fixes.edit import Accepted, apply_edits, conflict, insertion, line_starts, replaced

from .sample import change


def test_an_edit_replaces_its_span_and_nothing_else() -> None:
    assert apply_edits("save(model)\nend\n", [change("a", 1, 6, 11, "model.module")]) == "save(model.module)\nend\n"


def test_columns_are_characters_not_bytes() -> None:
    assert apply_edits("é𝄞x\n", [change("a", 1, 3, 4, "y")]) == "é𝄞y\n"


def test_the_end_of_a_text_without_a_newline_is_a_place() -> None:
    assert apply_edits("x", [insertion("a", Position(1, 2), "y")]) == "xy"


@pytest.mark.parametrize(("row", "column"), [(0, 1), (1, 0), (1, 9), (3, 1)])
def test_a_place_outside_the_text_does_not_fit(row: int, column: int) -> None:
    text = "abc\nd"
    edit = insertion("a", Position(row, column), "x")
    assert replaced(edit, text, line_starts(text)) is None
    with pytest.raises(ValueError, match="no place"):
        apply_edits(text, [edit])


def test_equal_edits_are_one_edit() -> None:
    edit = insertion("a", Position(1, 1), "x")
    assert not conflict(edit, edit)
    assert apply_edits("y", [edit, edit]) == "xy"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((1, 4), (4, 6), False),  # side by side
        ((1, 4), (3, 6), True),
        ((1, 9), (3, 6), True),  # one inside the other
        ((3, 3), (3, 6), False),  # an insertion before a replaced span
        ((6, 6), (3, 6), False),  # or after it
        ((4, 4), (3, 6), True),  # but not in it
        ((3, 3), (3, 3), True),  # two insertions at one place
    ],
)
def test_edits_exclude_each_other_where_they_share_characters(
    one: tuple[int, int], other: tuple[int, int], expected: bool
) -> None:
    first, second = change("a", 1, *one, "one"), change("a", 1, *other, "other")
    assert conflict(first, second) is expected
    assert conflict(second, first) is expected
    assert Accepted([first]).refuses(second) is expected


def test_edits_of_different_files_never_exclude_each_other() -> None:
    assert not conflict(change("a", 1, 1, 5, "x"), change("b", 1, 1, 5, "y"))


IMPORTS = ["import torch\n", "from torch import nn\nimport copy\n", "from a import b\n\n"]
FUNCTION = "\n\ndef unwrap(model):\n    # by hand\n\n    return model\n"
OTHER_FUNCTION = "\n\ndef drop_key(module):\n    return None\n"


def test_imports_and_functions_at_one_place_all_go_in_sorted() -> None:
    edits = [insertion("a", Position(2, 1), text) for text in (FUNCTION, OTHER_FUNCTION, *IMPORTS)]
    assert apply_edits("import os\n\n\nmain()\n", edits) == (
        "import os\n"
        "import copy\nimport torch\nfrom a import b\nfrom torch import nn\n"
        "\n\ndef drop_key(module):\n    return None\n"
        "\n\ndef unwrap(model):\n    # by hand\n\n    return model\n"
        "\n\n\nmain()\n"
    )


def test_an_import_asked_for_twice_goes_in_once() -> None:
    edits = [
        insertion("a", Position(1, 1), "import copy\n"),
        insertion("a", Position(1, 1), "import copy\nimport re\n"),
    ]
    assert apply_edits("", edits) == "import copy\nimport re\n"


def test_names_imported_from_one_module_share_a_line() -> None:
    edits = [insertion("a", Position(1, 1), f"from torch.nn import {names}\n") for names in ("B", "A as C", "B, D")]
    assert apply_edits("", edits) == "from torch.nn import A as C, B, D\n"


def test_two_functions_of_one_name_exclude_each_other() -> None:
    other = FUNCTION.replace("by hand", "otherwise")
    assert conflict(insertion("a", Position(2, 1), FUNCTION), insertion("a", Position(2, 1), other))


def test_an_indented_import_is_ordinary_text() -> None:
    one, other = (insertion("a", Position(2, 5), text) for text in IMPORTS[:2])
    assert conflict(one, other)


@given(
    st.text(alphabet="ab\n", max_size=12),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from(["", "X", "YY\n"])), max_size=6),
)
def test_accepted_edits_never_lose_what_they_do_not_touch(text: str, wanted: list[tuple[int, int, str]]) -> None:
    """Greedy acceptance by `Accepted` agrees with `conflict`, and untouched characters survive in their order."""
    accepted: list[Edit] = []
    touched: set[int] = set()
    for one, other, content in wanted:
        start, end = sorted((min(one, len(text)), min(other, len(text))))
        edit = Edit(Place("a", Span(position(text, start), position(text, end))), content)
        refused = Accepted(accepted).refuses(edit)
        assert refused == any(conflict(edit, known) for known in accepted)
        if not refused:
            accepted.append(edit)
            touched.update(range(start, end))
    made = apply_edits(text, reversed(accepted))
    assert made == apply_edits(text, accepted)
    untouched = "".join(letter for at, letter in enumerate(text) if at not in touched)
    inserted = sum(len(edit.content) for edit in set(accepted))
    assert len(made) == len(untouched) + inserted
    letters = iter(made)
    assert all(letter in letters for letter in untouched)


def position(text: str, at: int) -> Position:
    before = text[:at]
    return Position(before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)

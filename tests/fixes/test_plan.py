"""Which fixes are applied together, which wait, which are refused."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import pytest

from ckptlint.findings import Applicability, Finding, Position
from ckptlint.fixes.apply import Plan, plan
from ckptlint.fixes.edit import insertion

from .sample import change, finding

SAFE = frozenset({Applicability.SAFE})


def made(texts: Mapping[str, str], *findings: Finding, given: str = "") -> Plan:
    def read(path: str) -> str:
        if path not in texts:
            raise FileNotFoundError(2, "No such file or directory")
        return texts[path]

    return plan(findings, read, SAFE, lambda path: path in (given.split() or texts))


def test_a_fix_over_two_files_changes_both() -> None:
    both = finding(change("a.py", 1, 1, 2, "y"), change("b.py", 1, 1, 2, "z"))
    done = made({"a.py": "x = 1\n", "b.py": "x = 2\n"}, both)
    assert done.files == {"a.py": "y = 1\n", "b.py": "z = 2\n"}
    assert done.applied == (both,)


def test_a_file_that_was_not_given_refuses_the_whole_fix_and_is_named() -> None:
    both = finding(change("a.py", 1, 1, 2, "y"), change("lib/b.py", 1, 1, 2, "z"))
    done = made({"a.py": "x = 1\n", "lib/b.py": "x = 2\n"}, both, given="a.py")
    assert done.files == {}
    assert done.refused == ((both, "it also has to change lib/b.py, which was not given to be fixed"),)


def test_only_allowed_fixes_take_part_and_display_never_does() -> None:
    texts = {"a.py": "x = 1\n"}
    unsafe = finding(change("a.py", 1, 1, 2, "y"), applicability=Applicability.UNSAFE)
    shown = finding(change("a.py", 1, 1, 2, "y"), applicability=Applicability.DISPLAY)
    assert made(texts, unsafe, shown) == Plan(files={})
    assert plan([unsafe, shown], texts.__getitem__, frozenset(Applicability), lambda _: True).applied == (unsafe,)


def test_equal_edits_of_two_findings_merge() -> None:
    shared = change("b.py", 1, 1, 2, "z")
    one, other = finding(change("a.py", 1, 1, 2, "y"), shared), finding(shared, code="CKPT301")
    done = made({"a.py": "x = 1\n", "b.py": "x = 2\n"}, other, one)
    assert done.applied == (one, other)
    assert done.files["b.py"] == "z = 2\n"


def test_the_later_of_two_overlapping_fixes_waits_whole() -> None:
    first = finding(change("a.py", 1, 1, 6, "y"))
    second = finding(change("a.py", 1, 5, 6, "2"), change("b.py", 1, 1, 2, "z"))
    done = made({"a.py": "x = 1\n", "b.py": "x = 2\n"}, second, first)
    assert (done.applied, done.waiting) == ((first,), (second,))
    assert done.files == {"a.py": "y\n"}


def test_a_fix_whose_own_edits_overlap_is_refused() -> None:
    bad = finding(change("a.py", 1, 1, 6, "y"), change("a.py", 1, 5, 6, "2"))
    assert made({"a.py": "x = 1\n"}, bad).refused == ((bad, "its own edits overlap"),)


def test_a_fix_that_changes_nothing_is_refused_so_that_passes_come_to_an_end() -> None:
    same = finding(change("a.py", 1, 1, 2, "x"))
    assert made({"a.py": "x = 1\n"}, same).refused == ((same, "it would change nothing"),)


def test_a_file_that_cannot_be_read_refuses_its_fixes_only() -> None:
    lost, good = finding(change("gone.py", 1, 1, 2, "y")), finding(change("a.py", 1, 1, 2, "y"))
    done = made({"a.py": "x = 1\n"}, lost, good, given="a.py gone.py")
    assert done.applied == (good,)
    assert done.refused == ((lost, "gone.py cannot be read: No such file or directory"),)


def test_a_place_that_is_not_in_the_file_is_refused() -> None:
    bad = finding(change("a.py", 7, 1, 2, "y"))
    [(_, reason)] = made({"a.py": "x = 1\n"}, bad).refused
    assert reason == "a.py is not the file that was analysed: a place to be changed is not there"


def test_the_fix_that_breaks_a_file_is_found_and_the_others_are_applied() -> None:
    good = finding(change("a.py", 1, 1, 2, "y"))
    broken = finding(change("a.py", 2, 5, 6, "("), change("b.py", 1, 1, 2, "z"))
    better = finding(change("a.py", 3, 1, 2, "w"))
    done = made({"a.py": "x = 1\nx = 2\nx = 3\n", "b.py": "x = 1\n"}, good, broken, better)
    assert done.applied == (good, better)
    assert done.refused == ((broken, "a.py would not parse any more"),)
    assert done.files == {"a.py": "y = 1\nx = 2\nw = 3\n"}


def test_what_overlaps_with_a_refused_fix_does_not_wait_for_it() -> None:
    broken, good = finding(change("a.py", 1, 1, 6, "(")), finding(change("a.py", 1, 5, 6, "2"))
    done = made({"a.py": "x = 1\n"}, broken, good)
    assert done.applied == (good,)
    assert done.waiting == ()


def test_a_fix_that_loses_a_comment_is_refused() -> None:
    text = "f(1  # why\n)\n"
    loses = finding(change("a.py", 1, 3, 11, "2"))
    keeps = finding(change("a.py", 1, 3, 11, "2,  # why"))
    assert made({"a.py": text}, loses).refused == ((loses, "a.py would lose the comment '# why'"),)
    assert made({"a.py": text}, keeps).files == {"a.py": "f(2,  # why\n)\n"}


@pytest.mark.parametrize(
    ("start", "end", "content", "expected"),
    [
        (6, 23, "", "x = 1\n"),  # the comment and the space before it
        (14, 23, "", "x = 1  # noqa\n"),  # a part of it
        (23, 23, " -- tried", "x = 1  # noqa: CKPT101 -- tried\n"),
    ],
)
def test_a_comment_that_the_fix_is_about_may_go(start: int, end: int, content: str, expected: str) -> None:
    text = "x = 1  # noqa: CKPT101\n"
    about = finding(change("a.py", 1, start, end, content))
    assert made({"a.py": text}, about).files == {"a.py": expected}


def test_a_string_that_looks_like_a_comment_is_none() -> None:
    fix = finding(change("a.py", 1, 5, 9, "''"))
    assert made({"a.py": "x = '#a'\n"}, fix).files == {"a.py": "x = ''\n"}


def test_old_python_is_read_by_no_parser_and_left_alone() -> None:
    fix = finding(change("a.py", 2, 1, 2, "y"))
    [(_, reason)] = made({"a.py": "print 'a'\nx = 1\n"}, fix).refused
    assert reason == "a.py cannot be parsed as it is, so no fix can be checked"


def test_imports_of_several_fixes_at_one_place_all_go_in() -> None:
    one = finding(change("a.py", 2, 1, 2, "y"), insertion("a.py", Position(2, 1), "import copy\n"))
    other = finding(change("a.py", 3, 1, 2, "y"), insertion("a.py", Position(2, 1), "from b import c\n"))
    done = made({"a.py": "import os\nx = 1\nx = 2\n"}, other, one)
    assert done.files == {"a.py": "import os\nimport copy\nfrom b import c\ny = 1\ny = 2\n"}


def test_the_order_in_which_findings_come_does_not_matter() -> None:
    texts = {"a.py": "x = 1\nx = 2\n", "b.py": "x = 3\n"}
    findings = [
        finding(change("a.py", 1, 1, 2, "y")),
        finding(change("a.py", 1, 1, 6, "z"), change("b.py", 1, 1, 2, "z")),
        finding(change("a.py", 1, 5, 6, "("), code="CKPT305"),
        finding(change("a.py", 2, 1, 2, "y"), change("b.py", 1, 1, 2, "w")),
    ]
    plans = {repr(made(texts, *order)) for order in permutations(findings)}
    assert len(plans) == 1

"""How much of a name two paths have in common, as CKPT401 and CKPT402 ask it."""

from __future__ import annotations

import pytest

from ckptlint.analysis.evidence import WHOLE_PATH, has_known_name, options_alike, shared_name
from ckptlint.analysis.values import Const, Opaque, Text, Value


def path(*parts: str) -> Value:
    """A path: pieces in braces are not known."""
    pieces = tuple(Opaque(part[1:-1]) if part.startswith("{") else part for part in parts)
    if len(pieces) > 1:
        return Text(pieces)
    return pieces[0] if isinstance(pieces[0], Opaque) else Const(pieces[0])


@pytest.mark.parametrize(
    ("read", "written", "expected"),
    [
        (path("runs/last.pth"), path("runs/last.pth"), WHOLE_PATH),
        (path("{args.out}", "/last.pth"), path("{args.out}", "/last.pth"), WHOLE_PATH),
        (path("runs/last.pth"), path("{args.out}", "/last.pth"), 2),
        (path("{args.resume}"), path("{args.resume}"), 2),
        (path("{path}"), path("{path}"), 1),
        (path("epoch_9.pth"), path("{out}", "/epoch_", "{n}", ".pth"), 1),
        (path("best.pth"), path("last.pth"), 0),
        (path("best.pth"), path("{name}", ".pth"), 0),
        (path("{args.resume}"), path("{args.output}"), 0),
        (path("{args.resume}"), path("last.pth"), 0),
        (path("9.pth"), path("{n}", ".pth"), 0),
    ],
)
def test_shared_name(read: Value, written: Value, expected: int) -> None:
    assert shared_name(read, written) == expected


@pytest.mark.parametrize(
    ("read", "written", "expected"),
    [
        (path("{args.rgb_model_file}"), path("models/", "{args.model_file}"), True),
        (path("{args.model_file}"), path("{args.model_file}"), True),
        (path("{args.file}"), path("{args.file}"), False),
        (path("{args.model_file}"), path("{args.rgb_model_file}"), False),
        (path("{args.rgb_model_file}"), path("models/last.pth"), False),
        (path("{model_file}"), path("{model_file}"), False),
    ],
)
def test_options_alike(read: Value, written: Value, expected: bool) -> None:
    assert options_alike(read, written) is expected


def test_a_suffix_is_a_name_only_with_a_piece_that_is_known() -> None:
    assert has_known_name(path("{out}", "/best.pth"))
    assert not has_known_name(path("{args.resume}"))

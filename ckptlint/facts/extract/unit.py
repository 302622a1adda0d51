"""One unit, from its text to its picture: parse, mend if need be, lower."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
import msgspec

from ckptlint.facts import ir
from ckptlint.facts.extract.limits import MAX_UNIT_CHARACTERS
from ckptlint.facts.extract.lowering import Lowering
from ckptlint.facts.extract.parse import parse
from ckptlint.facts.extract.recover import recover
from ckptlint.facts.extract.statements import function, module
from ckptlint.facts.units import UnitHeader, UnitText
from ckptlint.source import UnreadableSource


class Parsed(msgspec.Struct, frozen=True):
    """A unit's tree, the text that it was made from, and what of the unit could not be read (rows of the file)."""

    tree: cst.Module
    text: str
    unreadable: tuple[UnreadableSource, ...]


class Lowered(msgspec.Struct, frozen=True):
    """A unit's picture and, by id, the nodes behind it."""

    unit: ir.Unit
    nodes: tuple[cst.CSTNode, ...]


def parse_unit(unit: UnitText) -> Parsed:
    """The tree of a unit; raises UnreadableSource, with the row of the file, when nothing of it can be read."""
    try:
        try:
            return Parsed(parse(unit.text), unit.text, ())
        except UnreadableSource as error:
            if len(unit.text) > MAX_UNIT_CHARACTERS:
                raise
            recovered = recover(unit.text, error)
    except UnreadableSource as error:
        raise _in_file(unit, error) from None
    return Parsed(recovered.module, recovered.text, tuple(_in_file(unit, error) for error in recovered.unreadable))


def lower_skeleton(tree: cst.Module, headers: Sequence[UnitHeader]) -> Lowered:
    """The picture of a file's unit 0; raises UnreadableSource when it is too deep."""
    low = Lowering(tuple(header.name for header in headers))
    try:
        lowered = module(low, tree)
    except RecursionError:
        raise UnreadableSource("the code is nested too deeply to be read") from None
    return Lowered(lowered, tuple(low.nodes))


def lower_function(tree: cst.Module, header: UnitHeader) -> Lowered:
    """The picture of a function's unit; raises UnreadableSource when it is too deep or no function."""
    found: cst.CSTNode = tree.body[0]
    if header.indent and isinstance(found, cst.If):
        found = found.body.body[0]
    if not isinstance(found, cst.FunctionDef):
        raise UnreadableSource(f"the function {header.name} cannot be read", header.row)
    low = Lowering()
    try:
        lowered = function(low, found)
    except RecursionError:
        raise UnreadableSource("the code is nested too deeply to be read", header.row) from None
    return Lowered(lowered, tuple(low.nodes))


def _in_file(unit: UnitText, error: UnreadableSource) -> UnreadableSource:
    """The same error with its row in the file."""
    index = min(error.row, len(unit.rows)) - 1
    return UnreadableSource(error.reason, unit.rows[index], error.column + unit.shifts.get(index, 0))

"""Spans in the file, from spans in the text that was parsed for a unit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import libcst as cst

from ckptlint.facts.extract.unit import Lowered, Parsed
from ckptlint.facts.spans import spans_of
from ckptlint.facts.units import UnitHeader, UnitText, unit_of_stub
from ckptlint.findings import Position, Span


def spans(
    parsed: Parsed, text: UnitText, lowered: Lowered, ids: Iterable[int], headers: Sequence[UnitHeader]
) -> dict[int, Span]:
    """The places of nodes by id; a function in a skeleton is at its `def` and its name."""
    wanted = {number: lowered.nodes[number] for number in ids}
    found = spans_of(parsed.tree, parsed.text, wanted.values())
    return {
        number: _stub_span(node, headers) or _in_file(found[node], text)
        for number, node in wanted.items()
        if node in found
    }


def statement_span(
    parsed: Parsed, text: UnitText, lowered: Lowered, number: int, headers: Sequence[UnitHeader]
) -> Span:
    """The simple statement that holds a node, or the header of the compound one, up to the end of its last line."""
    node = lowered.nodes[number]
    statements = list(_statements(parsed.tree.body))
    wanted: list[cst.CSTNode] = [node]
    for statement in statements:
        wanted += [statement, *_edges(statement)]
    found = spans_of(parsed.tree, parsed.text, wanted)
    place = found[node]
    lines = parsed.text.split("\n")
    best: Span | None = None
    for statement in statements:
        span = _header_span(statement, found, lines)
        if span.start <= place.start < span.end and (best is None or span.start >= best.start):
            best = span
    return _stub_span(node, headers) or _in_file(best or place, text)


def _statements(nodes: Iterable[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """Simple statements, and everything that has a header and a block, outermost first."""
    stack = list(nodes)
    while stack:
        node: Any = stack.pop()
        yield node
        body = getattr(node, "body", None)
        if isinstance(body, cst.IndentedBlock):
            stack += body.body
        for name in ("orelse", "finalbody"):
            part = getattr(node, name, None)
            if part is not None and not isinstance(node, cst.SimpleStatementLine):
                stack.append(part)
        stack += getattr(node, "handlers", ())
        stack += getattr(node, "cases", ())


def _edges(statement: Any) -> list[cst.CSTNode]:
    """The nodes that tell where the header of a statement begins and its block starts."""
    edges: list[cst.CSTNode] = list(getattr(statement, "decorators", ())[:1])
    if isinstance(getattr(statement, "body", None), cst.SimpleStatementSuite):
        edges.append(statement.body)
    first = _first_in_block(statement)
    return edges if first is None else [*edges, first]


def _first_in_block(statement: Any) -> cst.CSTNode | None:
    if isinstance(statement, cst.Match):
        return statement.cases[0]
    body = getattr(statement, "body", None)
    if not isinstance(body, cst.IndentedBlock) or not body.body:
        return None
    first = body.body[0]
    if isinstance(first, (cst.FunctionDef, cst.ClassDef)) and first.decorators:
        return first.decorators[0]
    return first


def _header_span(statement: Any, found: dict[cst.CSTNode, Span], lines: list[str]) -> Span:
    span = found[statement]
    decorators = getattr(statement, "decorators", ())
    start = found[decorators[0]].start if decorators else span.start
    first = _first_in_block(statement)
    if first is None:
        body = getattr(statement, "body", None)
        return Span(start, found[body].end if isinstance(body, cst.SimpleStatementSuite) else span.end)
    row = max(start.row, found[first].start.row - 1)
    return Span(start, Position(row, len(lines[row - 1]) + 1))


def _stub_span(node: cst.CSTNode, headers: Sequence[UnitHeader]) -> Span | None:
    if not isinstance(node, cst.Expr) or not isinstance(node.value, cst.Name):
        return None
    unit = unit_of_stub(node.value.value)
    if unit is None or unit >= len(headers):
        return None
    header = headers[unit]
    return Span(Position(header.row, header.indent + 1), Position(header.row, header.name_column + len(header.name)))


def _in_file(span: Span, text: UnitText) -> Span:
    return Span(_position(span.start, text), _position(span.end, text))


def _position(position: Position, text: UnitText) -> Position:
    index = min(position.row, len(text.rows)) - 1
    return Position(text.rows[index], position.column + text.shifts.get(index, 0))

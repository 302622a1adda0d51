"""Where nodes begin and end, for the few that a finding or an edit asks for.

libcst's own way costs three times the parse. Here the tree is written out once as text, as `Module.code` does, by a
state that notes the number of the token at which each wanted node begins and ends; running sums of the tokens' lengths
make offsets of these. As with libcst's PositionProvider, an expression's parentheses and a statement's leading lines
do not belong to it.

Some texts do not come back as they were (a stray form feed). Then the offsets would be wrong, which shows in the joined
tokens, and PositionProvider does the work.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from types import TracebackType

import libcst as cst
from libcst._nodes.internal import CodegenState
from libcst.metadata import MetadataWrapper, PositionProvider

from ckptlint.findings import Position, Span


def spans_of(module: cst.Module, text: str, nodes: Iterable[cst.CSTNode]) -> dict[cst.CSTNode, Span]:
    """The spans of nodes of `module`, which was parsed from `text`; nodes that take part in no text are left out."""
    wanted = list(nodes)
    state = _NotingState(module.default_indent, module.default_newline)
    state.want(wanted)
    try:
        module._codegen(state)
    except RecursionError:
        return _by_provider(module, wanted)
    if "".join(state.tokens) != text:
        return _by_provider(module, wanted)
    offsets = [0, *accumulate(map(len, state.tokens))]
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)

    def position(token: int) -> Position:
        offset = offsets[token]
        row = bisect_right(starts, offset)
        return Position(row, offset - starts[row - 1] + 1)

    noted = state.noted
    return {node: Span(position(noted[node][0]), position(noted[node][1])) for node in wanted if node in noted}


class _NotingState(CodegenState):
    """Notes for each wanted node the numbers of its first token and of the one after its last."""

    def want(self, nodes: Iterable[cst.CSTNode]) -> None:
        self.wanted: set[cst.CSTNode] = set(nodes)
        self.begun: dict[cst.CSTNode, int] = {}
        self.noted: dict[cst.CSTNode, tuple[int, int]] = {}

    def before_codegen(self, node: cst.CSTNode) -> None:
        if node in self.wanted:
            self.begun[node] = len(self.tokens)

    def after_codegen(self, node: cst.CSTNode) -> None:
        if node in self.wanted and node not in self.noted:
            self.noted[node] = (self.begun[node], len(self.tokens))

    def record_syntactic_position(  # type: ignore[override]
        self, node: cst.CSTNode, *, start_node: cst.CSTNode | None = None, end_node: cst.CSTNode | None = None
    ) -> _Noted | _Ignored:
        if node not in self.wanted:
            return _IGNORED
        self.wanted.update(inner for inner in (start_node, end_node) if inner is not None)
        return _Noted(self, node, start_node, end_node)


class _Ignored:
    """A context that does nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None


_IGNORED = _Ignored()


class _Noted(_Ignored):
    """The tokens made inside are those of `node`, or reach from `start_node` to `end_node`."""

    def __init__(
        self, state: _NotingState, node: cst.CSTNode, start: cst.CSTNode | None, end: cst.CSTNode | None
    ) -> None:
        self.state = state
        self.node = node
        self.start = start
        self.end = end

    def __enter__(self) -> None:
        self.first = len(self.state.tokens)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        noted = self.state.noted
        first = self.first if self.start is None else noted[self.start][0]
        last = len(self.state.tokens) if self.end is None else noted[self.end][1]
        noted[self.node] = (first, last)


def _by_provider(module: cst.Module, wanted: list[cst.CSTNode]) -> dict[cst.CSTNode, Span]:
    try:
        positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    except RecursionError:
        return {}
    return {
        node: Span(
            Position(positions[node].start.line, positions[node].start.column + 1),
            Position(positions[node].end.line, positions[node].end.column + 1),
        )
        for node in wanted
        if node in positions
    }

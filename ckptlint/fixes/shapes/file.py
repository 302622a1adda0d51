"""The file that a shape writes into, with what every shape asks about it found out once."""

from __future__ import annotations

import ast
import io
import tokenize
from functools import cached_property

from ckptlint.findings import Edit, Place, Span
from ckptlint.fixes.edit import line_starts, offset, span_of
from ckptlint.fixes.quiet import module_of
from ckptlint.fixes.shapes.names import bound, imported


class File:
    """A file: its path relative to the root, its text with "\\n" line ends, and its tree."""

    def __init__(self, path: str, text: str, tree: ast.Module) -> None:
        """Use `File.read`, which makes the tree."""
        self.path = path
        self.text = text
        self.tree = tree

    @classmethod
    def read(cls, path: str, text: str) -> File | None:
        """None when this Python cannot read the text."""
        tree = module_of(text)
        return cls(path, text, tree) if tree is not None else None

    @cached_property
    def rows(self) -> list[str]:
        """The lines without their ends; the last is "" when the text ends with a newline."""
        return self.text.split("\n")

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The offset at which each row begins."""
        return line_starts(self.text)

    @cached_property
    def targets(self) -> dict[str, set[str]]:
        """What each name is bound to anywhere in the file: the dotted targets of imports, "" for anything else."""
        found: dict[str, set[str]] = {}
        for node in ast.walk(self.tree):
            for name, target in bound(node):
                found.setdefault(name, set()).add(target)
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that is bound or read anywhere in the file."""
        return frozenset({node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)} | self.targets.keys())

    def names_around(self, row: int) -> frozenset[str]:
        """The names that a new local name at `row` must not take: those of the function there, else of the file."""
        functions = (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        for node in functions:
            if node.lineno < row <= (node.end_lineno or 0):
                found = {name for below in ast.walk(node) for name, _ in bound(below)}
                return frozenset(found | {below.id for below in ast.walk(node) if isinstance(below, ast.Name)})
        return self.names

    @cached_property
    def sure(self) -> dict[str, str]:
        """Names that mean the same everywhere: bound by imports at module level, and by nothing to another target."""
        top = {name: target for statement in self.tree.body for name, target in imported(statement).items()}
        return {name: target for name, target in top.items() if self.targets[name] == {target}}

    @cached_property
    def quote(self) -> str:
        """The quote that the file puts around its short texts: the commoner one, `"` where it has no habit."""
        counts = {'"': 0, "'": 0}
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.STRING:
                text = token.string.lstrip("rRbBuUfF")
                # a text with the other quote inside had no choice
                if not text.startswith(('"""', "'''")) and not ({'"', "'"} - {text[0]}) & set(text):
                    counts[text[0]] += 1
        return "'" if counts["'"] > counts['"'] else '"'

    def quoted(self, text: str, *, formatted: bool = False, inside: str = "") -> str:
        """A literal of `text`, which has no quote or backslash of its own, as the file would write it.

        `formatted` makes an f-string, with the code `inside` in its braces: before Python 3.12 that has other quotes.
        """
        other = "'" if self.quote == '"' else '"'
        quote = other if self.quote in inside else self.quote
        return f"{'f' * formatted}{quote}{text}{quote}"

    def offsets(self, span: Span) -> tuple[int, int] | None:
        """Where a span begins and ends in the text; None when there is no such place."""
        start, end = offset(span.start, self.starts, self.text), offset(span.end, self.starts, self.text)
        return (start, end) if start is not None and end is not None and start <= end else None

    def replacement(self, start: int, end: int, content: str) -> Edit:
        """Replace the text from offset `start` to offset `end`."""
        return Edit(Place(self.path, span_of(start, end, self.starts)), content)

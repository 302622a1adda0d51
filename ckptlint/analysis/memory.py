"""The store: what every name, attribute and entry holds at this point of the run.

A cell is (owner, name): the owner is an object or a scope. Every write goes on a *trail*, so that a branch can be run,
taken back, and its writes handed out to be joined with those of the other branch:

    mark = memory.mark()
    ... run the then-branch ...
    then = memory.rollback(mark)        # {cell: value}; the store is as before
"""

from __future__ import annotations

from typing import TypeAlias

from ckptlint.analysis.values import Value

Cell: TypeAlias = tuple[int, str]


class Memory:
    """Cells, the trail of writes, and the count of owners made."""

    __slots__ = ("cells", "owners", "trail")

    def __init__(self) -> None:
        self.cells: dict[Cell, Value] = {}
        self.trail: list[tuple[Cell, Value | None]] = []
        self.owners = 0

    def new_owner(self) -> int:
        """A fresh object or scope."""
        self.owners += 1
        return self.owners

    def read(self, owner: int, name: str) -> Value | None:
        """What the cell holds, None when nothing was ever written."""
        return self.cells.get((owner, name))

    def write(self, owner: int, name: str, value: Value) -> None:
        """Set a cell."""
        cell = (owner, name)
        self.trail.append((cell, self.cells.get(cell)))
        self.cells[cell] = value

    def delete(self, owner: int, name: str) -> None:
        """Empty a cell."""
        cell = (owner, name)
        if cell in self.cells:
            self.trail.append((cell, self.cells.pop(cell)))

    def mark(self) -> int:
        """A point to roll back to."""
        return len(self.trail)

    def rollback(self, mark: int) -> dict[Cell, Value | None]:
        """Undo the writes since `mark`; what they had written, None for a cell that they emptied."""
        written: dict[Cell, Value | None] = {}
        cells = self.cells
        while len(self.trail) > mark:
            cell, before = self.trail.pop()
            if cell not in written:
                written[cell] = cells.get(cell)
            if before is None:
                cells.pop(cell, None)
            else:
                cells[cell] = before
        return written

    def names(self, owner: int, upto: int = 400) -> list[str]:
        """The names that an object has, in no order that matters; slow, for snapshots only."""
        return [name for (who, name) in self.cells if who == owner][:upto]

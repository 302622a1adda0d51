"""How much a run may do.

A step is a statement, an expression or a call. A run begins with a few thousand steps, and each marked unit that it
comes to (see `candidates`) gives it `FOR_A_MARK` more: what leads to a checkpoint is followed, and a run that has lost
its way in the middle of a library ends soon.

    main() -> build_datasets() -> ...               10,000 steps: parsing, transforms, paths
           -> train(model)                          marked, it saves: 20,000 more
                  -> load_checkpoint(...)           marked: 20,000 more

Making an object takes `FOR_AN_OBJECT` steps at most, and more where it comes to marked units. After that its calls are
not followed: a few parts of a big module are known then, and what a wrapper does to the keys is seen on those.
"""

from __future__ import annotations

FOR_A_SCRIPT = 10_000
FOR_A_CALLER = 4_000
FOR_A_MARK = 20_000
FOR_A_RUN = 150_000
FOR_A_TEST = 4_000
FOR_AN_OBJECT = 3_000
FOR_A_PROJECT = 1_500_000


class OutOfStepsError(Exception):
    """This run has done enough."""


class Steps:
    """What is left to the run, and to the project; `marks` counts how often marked units were come to."""

    __slots__ = ("_build_until", "_given", "_marked", "_most", "left", "left_in_all", "marks")

    def __init__(self) -> None:
        self.left = FOR_A_SCRIPT
        self.left_in_all = FOR_A_PROJECT
        self.marks = 0
        self._given = self._most = FOR_A_SCRIPT
        self._marked: set[tuple[str, int]] = set()
        self._build_until: int | None = None

    def begin(self, at_first: int, most: int) -> None:
        """A run begins; marked units can give it `most` in all."""
        self.left = self._given = min(at_first, most)
        self._most = most
        self._marked.clear()
        self._build_until = None

    def end(self) -> None:
        """The run is over; what it has taken is taken from the project's."""
        self.left_in_all -= self._given - max(self.left, 0)

    def give_up(self) -> None:
        """Nothing more is left to this run."""
        self.left = 0
        self._most = self._given

    def reach(self, file: str, unit: int) -> None:
        """The run has come to a marked unit."""
        self.marks += 1
        if (file, unit) not in self._marked:
            self._marked.add((file, unit))
            more = min(FOR_A_MARK, self._most - self._given)
            self.left += more
            self._given += more
            if self._build_until is not None:
                # the object that is being made gets them: counted from what was left before
                self._build_until = min(self._build_until, self.left - FOR_AN_OBJECT - more)

    def build(self) -> bool:
        """An object is going to be made; False when that is part of making another one."""
        if self._build_until is not None:
            return False
        self._build_until = self.left - FOR_AN_OBJECT
        return True

    def built(self) -> None:
        """The object is made."""
        self._build_until = None

    def pause_building(self) -> int | None:
        """A file is imported in the middle of making an object; what this gives is for `resume_building`."""
        until, self._build_until = self._build_until, None
        return until

    def resume_building(self, until: int | None) -> None:
        """The file is imported."""
        self._build_until = until

    @property
    def taken(self) -> int:
        """The steps that this run has taken."""
        return self._given - self.left

    @property
    def has_built_enough(self) -> bool:
        """Whether the object that is being made has used up its steps."""
        return self._build_until is not None and self.left < self._build_until

    def tick(self) -> None:
        """Count a step."""
        self.left -= 1
        if self.left < 0:
            raise OutOfStepsError

"""The files that a fix writes into, each read once."""

from __future__ import annotations

from ckptlint.analysis.solve import Project
from ckptlint.fixes.shapes.file import File
from ckptlint.source import UnreadableSource


class Sources:
    """The files of a project as the shapes want them."""

    def __init__(self, project: Project) -> None:
        """Use `project.derived(Sources)`, so that all fixes of a run share it."""
        self._project = project
        self._files: dict[str, File | None] = {}

    def __getitem__(self, path: str) -> File | None:
        """None for a file that this Python cannot read."""
        if path not in self._files:
            try:
                self._files[path] = File.read(path, self._project.store.source(path).text)
            except UnreadableSource:
                self._files[path] = None
        return self._files[path]

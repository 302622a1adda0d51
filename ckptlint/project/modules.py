"""From an import statement to a file of the project.

Nothing is read: the list of files is enough. A dotted name is looked for where Python would look when the importing
file, or a script above it, is run: in the folder of the importing file, then in each folder above it up to the root,
then in `src/`-like folders (folders without `__init__.py` that hold packages).

    train/run.py:  from utils.io import save     ->  train/utils/io.py, else utils/io.py, else src/utils/io.py
"""

from __future__ import annotations

from collections.abc import Iterable


class ModuleMap:
    """The files of a project, by the dotted names under which they can be imported."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = frozenset(files)
        self._folders = frozenset(_folders(self._files))
        self._sources = tuple(sorted(self._source_folders()))
        self._memo: dict[tuple[str, str], str | None] = {}

    def _source_folders(self) -> Iterable[str]:
        """Folders at the root that are no packages and hold packages: src/, lib/, python/."""
        for folder in self._folders:
            if folder and "/" not in folder and f"{folder}/__init__.py" not in self._files:
                yield folder

    def file_of(self, base: str) -> str | None:
        """The file of the module at path `base` (no suffix), package first; None where there is none."""
        package = f"{base}/__init__.py" if base else "__init__.py"
        if package in self._files:
            return package
        plain = f"{base}.py"
        return plain if plain in self._files else None

    def is_folder(self, base: str) -> bool:
        """Whether a folder of that path holds Python files somewhere."""
        return base in self._folders

    def absolute(self, importer: str, dotted: str) -> str | None:
        """The path (without suffix) of the module `dotted` as `importer` would import it, None if it is not here."""
        folder = importer.rpartition("/")[0]
        memo = (folder, dotted)
        if memo not in self._memo:
            self._memo[memo] = self._search(folder, dotted.replace(".", "/"))
        return self._memo[memo]

    def _search(self, folder: str, path: str) -> str | None:
        places = [folder]
        while folder:
            folder = folder.rpartition("/")[0]
            places.append(folder)
        places += self._sources
        weak: str | None = None
        for place in places:
            base = f"{place}/{path}" if place else path
            if self.file_of(base) is not None:
                return base
            if weak is None and base in self._folders:
                weak = base
        return weak

    def relative(self, importer: str, level: int, dotted: str) -> str | None:
        """The path of `from <level dots><dotted> import ...`; None above the root."""
        parts = importer.split("/")[:-1]
        if level - 1 > len(parts):
            return None
        parts = parts[: len(parts) - (level - 1)]
        if dotted:
            parts += dotted.split(".")
        return "/".join(parts)


def _folders(files: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for file in files:
        folder = file.rpartition("/")[0]
        while folder not in seen:
            seen.add(folder)
            yield folder
            folder = folder.rpartition("/")[0]

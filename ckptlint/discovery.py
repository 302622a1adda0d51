"""Which files a run is about: the root, the *index* (all files of the project) and the *report* (those asked for).

    ckptlint src/train.py     root /project (it has .git), index: all Python files of /project, report: src/train.py

Findings are computed over the index and shown for the report, so that the answer for a file does not depend on what
else was named. Folders are read with `os.scandir` and plain strings: 3,000 files take some 15 ms.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from ckptlint.config import Config, Configs, is_root_marker
from ckptlint.gitignore import GitIgnore
from ckptlint.globs import is_literal, path_regex

SUFFIXES = (".py", ".pyi")

DEFAULT_EXCLUDE = (
    *(".bzr", ".direnv", ".eggs", ".git", ".git-rewrite", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nox"),
    *(".pants.d", ".pyenv", ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".tox", ".venv", ".vscode"),
    *("__pypackages__", "_build", "buck-out", "dist", "node_modules", "site-packages", "venv"),
    ".ckptlint_cache",
)

Say = Callable[[str], None]


class Excluded:
    """The globs of `exclude` and `extend-exclude`: matched against the name and the whole path, as ruff does."""

    __slots__ = ("_names", "_regex")

    def __init__(self, globs: Iterable[tuple[str, str]]) -> None:
        """`globs`: each with the folder it is relative to."""
        names: set[str] = set()
        alternatives: list[str] = []
        for directory, glob in globs:
            stripped = glob.rstrip("/")
            if is_literal(stripped) and "/" not in stripped:
                names.add(stripped)
            else:
                absolute = os.path.normpath(os.path.join(_escaped(directory), stripped))
                alternatives += [path_regex(stripped), path_regex(absolute)]
        self._names = frozenset(names)
        self._regex = re.compile("(?:" + "|".join(alternatives) + r")\Z", re.DOTALL) if alternatives else None

    def __call__(self, name: str, path: str) -> bool:
        """Whether the file or folder is left out; `path` is absolute."""
        if name in self._names:
            return True
        return self._regex is not None and bool(self._regex.match(name) or self._regex.match(path))


class Exclusion(msgspec.Struct, frozen=True):
    """What the command line says about leaving files out; None: it says nothing, the configuration does."""

    exclude: tuple[str, ...] | None = None
    extend_exclude: tuple[str, ...] = ()
    force_exclude: bool | None = None
    respect_gitignore: bool | None = None
    directory: str = ""

    def of(self, config: Config) -> Excluded:
        """What is left out in a folder with this configuration."""
        table = config.table
        if self.exclude is not None:
            base = [(self.directory, glob) for glob in self.exclude]
        else:
            base = [(config.directory, glob) for glob in (DEFAULT_EXCLUDE if table.exclude is None else table.exclude)]
        base += [(config.directory, glob) for glob in table.extend_exclude]
        return Excluded(base + [(self.directory, glob) for glob in self.extend_exclude])


class Project(msgspec.Struct, frozen=True):
    """One root. Paths are relative to it, with forward slashes, sorted; `report` is part of `index`."""

    root: str
    index: tuple[str, ...]
    report: tuple[str, ...]


def find_root(path: str) -> str:
    """The root of the project that an absolute path belongs to.

    The nearest ancestor with a .git, else the topmost with a pyproject.toml or ckptlint.toml, else the folder itself
    (of a file: its parent). A ckptlint.toml with `root = true` ends the search.
    """
    start = directory = path if os.path.isdir(path) else os.path.dirname(path)
    topmost = None
    while True:
        own = os.path.join(directory, "ckptlint.toml")
        has_own = os.path.isfile(own)
        if has_own and is_root_marker(own):
            return directory
        if os.path.exists(os.path.join(directory, ".git")):
            return directory
        if has_own or os.path.isfile(os.path.join(directory, "pyproject.toml")):
            topmost = directory
        parent = os.path.dirname(directory)
        if parent == directory:
            return topmost or start
        directory = parent


def real_path(path: str) -> str:
    """The absolute path without symlinked folders; a file that is itself a symlink keeps its name."""
    absolute = os.path.abspath(path)
    if os.path.isdir(absolute):
        return os.path.realpath(absolute)
    return os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute))


def discover(paths: Sequence[str], root: str, exclusion: Exclusion, configs: Configs, say: Say) -> Project:
    """The files of one root; `paths` are absolute, exist and lie below it. `say` takes remarks for standard error."""
    walk = Walk(root, exclusion, configs, say)
    index = set(walk.files(root))
    report: set[str] = set()
    for path in paths:
        relative = relative_path(path, root)
        if not os.path.isdir(path):
            if not walk.leaves_out(path):
                report.add(relative)
        elif path == root:
            report |= index
        else:
            below = {file for file in index if file.startswith(relative + "/")}
            report |= below or (set() if walk.leaves_out(path) else set(walk.files(path)))
    index |= report
    return Project(root, tuple(sorted(index)), tuple(sorted(report)))


class Walk:
    """Reads the folders of one root."""

    def __init__(self, root: str, exclusion: Exclusion, configs: Configs, say: Say) -> None:
        self._root = root
        self._exclusion = exclusion
        self._configs = configs
        self._say = say

    def files(self, top: str) -> list[str]:
        """The Python files at and below an absolute folder, relative to the root, in any order."""
        config = self._configs.of(top)
        found: list[str] = []
        stack = [(top, self._exclusion.of(config), self._respects(config), _ignores_above(top))]
        while stack:
            directory, excluded, respects, ignores = stack.pop()
            try:
                with os.scandir(directory) as entries:
                    listed = list(entries)
            except OSError as error:  # unreadable, or gone since it was listed
                self._say(f"{directory}: folder cannot be read: {error.strerror or error}")
                continue
            names = {entry.name for entry in listed}
            if directory != top and ("pyproject.toml" in names or "ckptlint.toml" in names):
                own = self._configs.below(directory, self._say)
                if own is not None:
                    excluded, respects = self._exclusion.of(own), self._respects(own)
            if ".git" in names:
                ignores = (*(ignores or ()), *_read_gitignore(directory, ".git/info/exclude"))
            if ignores is not None and ".gitignore" in names:
                ignores = (*ignores, *_read_gitignore(directory, ".gitignore"))
            asked = ignores or () if respects else ()
            asked_of_files = [ignore for ignore in asked if not ignore.says_nothing_of_files]
            prefix = directory + "/" if directory != "/" else directory
            for entry in listed:
                name = entry.name
                if name.endswith(SUFFIXES):
                    path = prefix + name
                    if (
                        not excluded(name, path)
                        and not (asked_of_files and _ignored(asked_of_files, name, path, folder=False))
                        and (entry.is_file(follow_symlinks=False) or entry.is_symlink())
                    ):
                        found.append(path)
                        continue
                # A symlink to a folder is not followed: no loops, and no file is seen under two names.
                if entry.is_dir(follow_symlinks=False):
                    path = prefix + name
                    if not excluded(name, path) and not (asked and _ignored(asked, name, path, folder=True)):
                        stack.append((path, excluded, respects, ignores))
        return [relative_path(path, self._root) for path in found]

    def leaves_out(self, path: str) -> bool:
        """Whether `force-exclude` leaves out a path that was named by hand."""
        config = self._configs.of(os.path.dirname(path))
        force = self._exclusion.force_exclude
        if not (config.table.force_exclude if force is None else force):
            return False
        excluded = self._exclusion.of(config)
        while path != self._root and os.path.dirname(path) != path:
            if excluded(os.path.basename(path), path):
                return True
            path = os.path.dirname(path)
        return False

    def _respects(self, config: Config) -> bool:
        said = self._exclusion.respect_gitignore
        said = config.table.respect_gitignore if said is None else said
        return said is not False


def _ignores_above(top: str) -> tuple[GitIgnore, ...] | None:
    """What the repository ignores, from its top down to above `top`; None outside of a repository (ruff does so)."""
    directory = os.path.dirname(top)
    above: list[GitIgnore] = []
    while not os.path.exists(os.path.join(top, ".git")):
        above = [*_read_gitignore(directory, ".gitignore"), *above]
        if os.path.exists(os.path.join(directory, ".git")):
            return (*_read_gitignore(directory, ".git/info/exclude"), *above)
        if os.path.dirname(directory) == directory:
            return None
        directory = os.path.dirname(directory)
    return ()


def _ignored(ignores: Sequence[GitIgnore], name: str, path: str, *, folder: bool) -> bool:
    for ignore in reversed(ignores):
        answer = ignore.ignores(name, path[ignore.start :], folder=folder)
        if answer is not None:
            return answer
    return False


def _read_gitignore(directory: str, name: str) -> tuple[GitIgnore, ...]:
    try:
        with open(f"{directory}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            return (GitIgnore(file.read(), SUFFIXES, len(directory.rstrip("/")) + 1),)
    except OSError:  # there is none, or git could not read it either
        return ()


def relative_path(path: str, root: str) -> str:
    """An absolute path below the root as the rest of ckptlint names it; "." for the root itself."""
    relative = path[len(root) :].lstrip(os.sep) if path != root else "."
    return relative.replace(os.sep, "/") if os.sep != "/" else relative


def _escaped(directory: str) -> str:
    return re.sub(r"([*?\[\]{}])", r"[\1]", directory)

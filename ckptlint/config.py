"""`[tool.ckptlint]` in pyproject.toml, or ckptlint.toml: typed, and strict about what it does not know.

A file is configured by the nearest folder at or above it that has a `ckptlint.toml`, or a `pyproject.toml` with a
`[tool.ckptlint]` table. The search stops at a folder with a `.git`, and at a `ckptlint.toml` that says `root = true`.
The first file found counts alone: nothing is merged. An error names the file, the line and the nearest right key:

    pyproject.toml:12: unknown key `selct` in [tool.ckptlint]; did you mean `select`?
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from ckptlint.failure import Failure
from ckptlint.knowledge.entries import Entries

CONFIG_FILES = ("ckptlint.toml", "pyproject.toml")

Format = Literal["full", "concise", "json", "json-lines", "github", "gitlab", "junit", "sarif", "rdjson"]
SeverityName = Literal["error", "warning", "info"]
PythonVersion = Literal["py37", "py38", "py39", "py310", "py311", "py312", "py313", "py314", "py315"]


class CheckpointEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """One of `[[tool.ckptlint.checkpoints]]`: what `ckptlint verify` is to hold against what."""

    path: str
    """The file or folder, relative to the configuration."""
    model: str
    """`package.module:factory`; the folder of the configuration is on the import path."""
    args: dict[str, str | int | float | bool] = {}
    """What the factory is called with."""
    entry: str | None = None
    """The state dict in the file (default: the one that fits best)."""
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`."""
    strict: bool = True
    """What `load_state_dict` is given."""
    forward: str | None = None
    """The shape of one forward pass, `1,3,224,224`."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """The keys of the configuration, each with its meaning in one line (the README's table is this class).

    None: not said.
    """

    select: tuple[str, ...] | None = None
    """Rules to run: codes, prefixes or ALL."""
    extend_select: tuple[str, ...] = ()
    """Rules to run besides those of `select`."""
    ignore: tuple[str, ...] = ()
    """Rules to leave out."""
    fixable: tuple[str, ...] | None = None
    """Rules whose fixes may be applied."""
    extend_fixable: tuple[str, ...] = ()
    """Rules whose fixes may be applied besides those of `fixable`."""
    unfixable: tuple[str, ...] = ()
    """Rules whose fixes are never applied."""
    per_file_ignores: dict[str, tuple[str, ...]] = {}
    """Glob to the rules that are left out for the files it matches; `!glob` for the files it does not match."""
    exclude: tuple[str, ...] | None = None
    """Globs of files and folders to leave out, instead of the usual ones (.git, .venv, build, ...)."""
    extend_exclude: tuple[str, ...] = ()
    """Globs of files and folders to leave out besides those of `exclude`."""
    force_exclude: bool | None = None
    """Leave excluded files out even when they are named on the command line."""
    respect_gitignore: bool | None = None
    """Leave out what git ignores (default: true)."""
    fix: bool | None = None
    """Apply fixes, as `--fix`."""
    fix_only: bool | None = None
    """Apply fixes and report nothing, as `--fix-only`."""
    unsafe_fixes: bool | None = None
    """Apply unsafe fixes too, as `--unsafe-fixes`."""
    show_fixes: bool | None = None
    """List the fixes that were applied."""
    output_format: Format | None = None
    """How findings are printed (default: full)."""
    min_severity: SeverityName | None = None
    """Report nothing below this severity (default: info)."""
    preview: bool | None = None
    """Accepted; no rule needs it yet."""
    target_version: PythonVersion | None = None
    """The oldest Python that the project runs on; the root's configuration alone is asked."""
    torch_version: str | None = None
    """The torch that the project runs on, "2.6" (default: the newest); the root's configuration alone is asked."""
    cache_dir: str | None = None
    """Where the cache lies (default: .ckptlint_cache in the root)."""
    knowledge: Entries | None = None
    """Wrappers, unwrap helpers, savers and loaders of your own; the root's configuration alone is asked."""
    checkpoints: tuple[CheckpointEntry, ...] = ()
    """What `ckptlint verify` holds against what when it is given no file: path, model, entry, device."""
    root: bool | None = None
    """ckptlint.toml only: this folder is the root of a project."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration and where it came from; globs in it are relative to `directory`."""

    directory: str
    source: str
    """The file's path, or "" for no configuration."""
    table: Table


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The content of a TOML text; `Failure` names the line of an error."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - a run without configuration never needs it
    else:
        import tomli as tomllib  # noqa: PLC0415

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise Failure(f"{source}{':' + line[1] if line else ''}: broken TOML: {error}") from None


def read_toml(path: str) -> tuple[str, dict[str, Any]]:
    """The text and the content of a TOML file; `Failure` names the line of an error."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    except OSError as error:
        raise Failure(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path}: cannot be read: TOML must be UTF-8") from None
    return text, parse_toml(text, path)


def read_config(path: str) -> Config | None:
    """The configuration in one file; None: a pyproject.toml without `[tool.ckptlint]`; `Failure` for a broken one."""
    own = os.path.basename(path) != "pyproject.toml"
    text, content = read_toml(path)  # broken anywhere is broken, as for ruff: whether it has a word for us is not known
    if own and "tool" not in content:
        section, table = "", content
    else:
        section, table = "tool.ckptlint", content.get("tool", {}).get("ckptlint")
    if table is None:
        return None
    return Config(directory=os.path.dirname(path), source=path, table=convert(table, path, text, section))


def is_root_marker(path: str) -> bool:
    """Whether this ckptlint.toml says `root = true`."""
    _, content = read_toml(path)
    return content.get("root") is True


def convert(table: object, source: str, text: str, section: str) -> Table:
    """Check the keys and the types of a table; `Failure` names the line in `text`."""
    where = f"[{section}]" if section else os.path.basename(source)
    if not isinstance(table, dict):
        raise Failure(f"{source}: `{section}` must be a table")
    known = tuple(field.encode_name for field in msgspec.structs.fields(Table) if field.name != "root" or not section)
    for key in table:
        if key not in known:
            import difflib  # noqa: PLC0415 - only for an error

            near = difflib.get_close_matches(str(key).replace("_", "-"), known, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else f"; the keys are {', '.join(known)}"
            raise Failure(f"{_at(source, text, section, key)}: unknown key `{key}` in {where}{hint}")
    try:
        result = msgspec.convert(table, Table)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        key = path.strip("`").removeprefix("$.").partition("[")[0]
        raise Failure(f"{_at(source, text, section, key)}: `{key}` in {where}: {_plain(reason)}") from None
    if result.torch_version is not None and not re.fullmatch(r"\d+(\.\d+)*", result.torch_version):
        where_line = _at(source, text, section, "torch-version")
        raise Failure(f'{where_line}: `torch-version` in {where} must look like "2.6"')
    return result


class Configs:
    """The configuration of every folder, each file read once."""

    def __init__(self, fixed: Config | None = None) -> None:
        """`fixed`: the one configuration of all folders (`--config FILE`, `--isolated`)."""
        self._fixed = fixed
        self._known: dict[str, Config | None] = {}
        self._here: dict[str, Config | None] = {}

    def of(self, directory: str) -> Config:
        """The configuration that holds in an absolute folder."""
        if self._fixed is not None:
            return self._fixed
        return self._search(directory) or Config(directory=directory, source="", table=Table())

    def here(self, directory: str) -> Config | None:
        """The configuration that begins in this very folder; `Failure` for a broken one."""
        if self._fixed is not None:
            return None
        if directory not in self._here:
            paths = (os.path.join(directory, name) for name in CONFIG_FILES)
            found = (read_config(path) for path in paths if os.path.isfile(path))
            self._here[directory] = next((config for config in found if config is not None), None)
        return self._here[directory]

    def below(self, directory: str, say: Callable[[str], None]) -> Config | None:
        """What begins in a folder that nobody named: a broken pyproject.toml without a word for us is said, and passed.

        Repositories hold templates and test data of that name; they must not keep a whole project from being read.
        """
        try:
            return self.here(directory)
        except Failure as failure:
            if _mentions_ckptlint(directory):
                raise
            say(f"{failure}; the folder is read with the configuration above it")
            self._here[directory] = None
            return None

    def _search(self, directory: str) -> Config | None:
        if directory not in self._known:
            config = self.here(directory)
            parent = os.path.dirname(directory)
            if config is None and parent != directory and not os.path.exists(os.path.join(directory, ".git")):
                config = self._search(parent)
            self._known[directory] = config
        return self._known[directory]


def _mentions_ckptlint(directory: str) -> bool:
    """Whether a broken configuration is one of ours: a ckptlint.toml is, a pyproject.toml that has the word may be."""
    paths = (os.path.join(directory, name) for name in CONFIG_FILES)
    for path in filter(os.path.isfile, paths):
        if os.path.basename(path) != "pyproject.toml":
            return True
        try:
            with open(path, "rb") as file:
                return b"ckptlint" in file.read()
        except OSError:  # unreadable, as was said
            return False
    return False


def _at(source: str, text: str, section: str, key: str) -> str:
    """`source:line` of a key; TOML readers give no lines, so the text is searched."""
    start = 0
    if section:
        header = re.search(rf"^[ \t]*\[[ \t]*{re.escape(section)}[\w.\-\"' \t]*\]", text, re.MULTILINE)
        start = header.start() if header else 0
    name = re.escape(key)
    patterns = (
        rf"^[ \t]*(?:[\w.\-\"' \t]*\.[ \t]*)?[\"']?{name}[\"']?[ \t]*[=.]",
        rf"^[ \t]*\[\[?[\w.\-\"' \t]*\b{name}[\"']?[ \t]*\]",
        rf"\b{name}[\"']?[ \t]*=",
    )
    for pattern in patterns:
        match = re.compile(pattern, re.MULTILINE).search(text, start)
        if match:
            return f"{source}:{text.count(chr(10), 0, match.end()) + 1}"
    return source


def _plain(reason: str) -> str:
    """msgspec's reason in TOML's words."""
    words = {"`array | null`": "a list", "`array`": "a list", "`str | null`": "a string", "`str`": "a string"}
    words |= {"`bool | null`": "true or false", "`object`": "a table", "`int`": "a number"}
    for theirs, ours in words.items():
        reason = reason.replace(theirs, ours)
    return reason[0].lower() + reason[1:]

"""From the flags and the configuration files to jobs: one for every root, with the rules that hold for each file."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from ckptlint.cache import FOLDER
from ckptlint.cli.known_files import known_files
from ckptlint.cli.options import codes
from ckptlint.config import Config, Configs, Table, convert, parse_toml, read_config
from ckptlint.discovery import DEFAULT_EXCLUDE, Exclusion, Project, discover, find_root, real_path, relative_path
from ckptlint.engine import Job, Policy, Settings
from ckptlint.failure import Failure
from ckptlint.findings import Severity
from ckptlint.globs import path_regex
from ckptlint.python_requirement import oldest
from ckptlint.rules.base import Registry
from ckptlint.selection import Layer, expand, resolve
from ckptlint.torch_requirement import oldest_allowed, required

Say = Callable[[str], None]


class Run(msgspec.Struct, frozen=True):
    """The settings of one command line. `directory` is the current one; `table` what holds for the run as a whole."""

    args: argparse.Namespace
    directory: str
    configs: Configs
    inline: Table
    table: Table
    registry: Registry

    @property
    def fixes(self) -> bool:
        """Whether files are to be changed."""
        return bool(_first(self.args.fix, self.table.fix)) or self.fix_only

    @property
    def fix_only(self) -> bool:
        """Whether what is left after fixing goes unreported."""
        return bool(_first(self.args.fix_only, self.table.fix_only))

    @property
    def unsafe(self) -> bool:
        """Whether unsafe fixes may be applied."""
        return bool(_first(self.args.unsafe_fixes, self.table.unsafe_fixes))

    @property
    def show_fixes(self) -> bool:
        """Whether applied fixes are listed."""
        return bool(_first(self.args.show_fixes, self.table.show_fixes))

    @property
    def output_format(self) -> str:
        """The name of the format."""
        return _first(self.args.output_format, self.table.output_format) or "full"

    @property
    def min_severity(self) -> Severity:
        """What is below goes unreported."""
        return Severity(_first(self.args.min_severity, self.table.min_severity) or "info")


def make_run(args: argparse.Namespace, registry: Registry, paths: Sequence[str], directory: str) -> Run:
    """Read the configuration; `paths` are absolute, the first one decides what holds for the run as a whole."""
    fixed, inline = _config_flag(args, directory)
    configs = Configs(fixed)
    first = paths[0] if paths else directory
    table = configs.of(first if os.path.isdir(first) else os.path.dirname(first)).table
    said = {name: value for name, value in msgspec.structs.asdict(inline).items() if value != getattr(Table(), name)}
    version = args.torch_version
    if version is not None and not re.fullmatch(r"\d+(\.\d+)*", version):
        raise Failure(f'--torch-version must look like "2.6", not {version!r}')
    return Run(args, directory, configs, inline, msgspec.structs.replace(table, **said), registry)


def make_jobs(run: Run, paths: Sequence[str], say: Say, overlay: Mapping[str, bytes]) -> list[Job]:
    """One job a root, in order of the roots. `paths` are absolute and exist, or have bytes in `overlay`."""
    args = run.args
    exclusion = Exclusion(
        exclude=_first(codes(args.exclude), run.inline.exclude),
        extend_exclude=(*(codes(args.extend_exclude) or ()), *run.inline.extend_exclude),
        force_exclude=_first(args.force_exclude, run.inline.force_exclude),
        respect_gitignore=_first(args.respect_gitignore, run.inline.respect_gitignore),
        directory=run.directory,
    )
    jobs = []
    for root, below in sorted(_by_root(paths, args.root).items()):
        project = discover(below, root, exclusion, run.configs, say)
        jobs.append(_job(run, project, {relative_path(path, root): data for path, data in overlay.items()}))
    return jobs


def _said_or_required(
    run: Run, project: Project, said: str | None, configured: str | None, require: Callable[[Path], str | None]
) -> str | None:
    """What the flag says, else the configuration, else what the project itself requires."""
    version = _first(said, configured)
    return version if version is not None or run.args.isolated else require(Path(project.root))


def _job(run: Run, project: Project, overlay: Mapping[str, bytes]) -> Job:
    config = run.configs.of(project.root)
    table = config.table
    said = run.args.cache_dir or run.inline.cache_dir
    cache = os.path.join(run.directory, said) if said else cache_folder(project.root, config)
    torch = _first(run.inline.torch_version, table.torch_version)
    return Job(
        root=project.root,
        index=project.index,
        report=project.report,
        policy=Policies(run, project.root).of,
        settings=Settings(
            target_version=_said_or_required(
                run, project, run.args.target_version, _first(run.inline.target_version, table.target_version), oldest
            ),
            torch_version=_said_or_required(run, project, run.args.torch_version, torch, required),
            oldest_torch=_said_or_required(run, project, run.args.torch_version, torch, oldest_allowed),
            knowledge=_first(run.inline.knowledge, table.knowledge),
            jobs=run.args.jobs,
            cache=None if run.args.no_cache else cache,
            files=known_files(run.args.checkpoint, run.directory) if run.args.checkpoint else (),
        ),
        min_severity=run.min_severity,
        overlay=overlay,
    )


def cache_folder(root: str, config: Config) -> str:
    """Where the cache of a root lies, as far as its configuration says."""
    said = config.table.cache_dir
    return os.path.join(config.directory, said) if said else os.path.join(root, FOLDER)


def show_settings(run: Run, jobs: Sequence[Job]) -> str:
    """What holds for the first file, for people."""
    job = next((job for job in jobs if job.report), None)
    if job is None:
        raise Failure("there is no file to show the settings of")
    path = job.report[0]
    policy = job.policy(path)
    config = run.configs.of(os.path.dirname(os.path.join(job.root, path)))
    enabled = [f"\t{run.registry.rules[code].name} ({code})," for code in sorted(policy.enabled)]
    facts = {
        "root": job.root,
        "config": config.source or None,
        "files.index": len(job.index),
        "files.report": len(job.report),
        "fix": run.fixes,
        "fix_only": run.fix_only,
        "unsafe_fixes": run.unsafe,
        "show_fixes": run.show_fixes,
        "output_format": run.output_format,
        "min_severity": run.min_severity.value,
        "target_version": job.settings.target_version,
        "torch_version": job.settings.torch_version,
        "cache_dir": job.settings.cache,
        "exclude": list(DEFAULT_EXCLUDE if config.table.exclude is None else config.table.exclude),
        "extend_exclude": list(config.table.extend_exclude),
        "rules.unfixable": sorted(policy.enabled - policy.fixable),
    }
    import json  # noqa: PLC0415 - rare

    lines = [f'Resolved settings for: "{os.path.join(job.root, path)}"', ""]
    lines += [f"{key} = {json.dumps(value)}" for key, value in facts.items()]
    return "\n".join([*lines, "rules.enabled = [", *enabled, "]"]) + "\n"


class Policies:
    """The policy of every file below a root, computed once for each configuration and set of ignores."""

    def __init__(self, run: Run, root: str) -> None:
        self._run = run
        self._root = root
        self._known: dict[tuple[str, frozenset[str]], Policy] = {}
        self._globs: dict[str, tuple[tuple[re.Pattern[str], bool, frozenset[str]], ...]] = {}
        self._configs: dict[str, Config] = {}

    def of(self, path: str) -> Policy:
        """The policy of a file, given relative to the root."""
        absolute = os.path.join(self._root, path)
        directory, _, name = absolute.rpartition("/")
        config = self._configs.get(directory)
        if config is None:
            config = self._configs[directory] = self._run.configs.of(directory)
        ignored: frozenset[str] = frozenset()
        for regex, negated, ignored_codes in self._ignores(config):
            if bool(regex.match(name) or regex.match(absolute)) != negated:
                ignored |= ignored_codes
        key = (config.source, ignored)
        if key not in self._known:
            self._known[key] = self._resolve(config, ignored)
        return self._known[key]

    def _resolve(self, config: Config, ignored: frozenset[str]) -> Policy:
        args = self._run.args
        layers = [
            _layer(config.source, config.table),
            _layer("--config", self._run.inline),
            Layer(
                select=codes(args.select),
                extend_select=codes(args.extend_select) or (),
                ignore=codes(args.ignore) or (),
                fixable=codes(args.fixable),
                unfixable=codes(args.unfixable) or (),
            ),
        ]
        chosen = resolve(layers, self._run.registry)
        enabled = chosen.enabled - ignored
        return Policy(enabled, chosen.fixable, chosen.refused | ignored, chosen.named)

    def _ignores(self, config: Config) -> tuple[tuple[re.Pattern[str], bool, frozenset[str]], ...]:
        if config.source not in self._globs:
            flag = _per_file_ignores(codes(self._run.args.per_file_ignores))
            if flag is not None:
                said, directory, source = flag, self._run.directory, "--per-file-ignores"
            elif self._run.inline.per_file_ignores:
                said, directory, source = self._run.inline.per_file_ignores, self._run.directory, "--config"
            else:
                said, directory, source = config.table.per_file_ignores, config.directory, config.source
            self._globs[config.source] = tuple(
                (
                    _glob(glob.removeprefix("!"), directory),
                    glob.startswith("!"),
                    frozenset().union(*(expand(word, source, self._run.registry) for word in words)),
                )
                for glob, words in said.items()
            )
        return self._globs[config.source]


def _layer(source: str, table: Table) -> Layer:
    return Layer(
        source=source,
        select=table.select,
        extend_select=table.extend_select,
        ignore=table.ignore,
        fixable=table.fixable,
        extend_fixable=table.extend_fixable,
        unfixable=table.unfixable,
    )


def _glob(glob: str, directory: str) -> re.Pattern[str]:
    escaped = re.sub(r"([*?\[\]{}])", r"[\1]", directory)
    absolute = os.path.normpath(os.path.join(escaped, glob))
    return re.compile(f"(?:{path_regex(glob)}|{path_regex(absolute)})\\Z", re.DOTALL)


def _per_file_ignores(values: tuple[str, ...] | None) -> dict[str, tuple[str, ...]] | None:
    if values is None:
        return None
    result: dict[str, tuple[str, ...]] = {}
    for value in values:
        glob, colon, code = value.rpartition(":")
        if not colon or not glob or not code:
            raise Failure(f"--per-file-ignores: {value!r} must look like GLOB:CODE")
        result[glob] = (*result.get(glob, ()), code)
    return result


def _config_flag(args: argparse.Namespace, directory: str) -> tuple[Config | None, Table]:
    """What `--config` and `--isolated` say: the one configuration of all files, and single settings."""
    fixed = Config(directory=directory, source="", table=Table()) if args.isolated else None
    inline: dict[str, object] = {}
    for value in args.config or ():
        path = os.path.join(directory, value)
        if os.path.isfile(path):
            if args.isolated:
                raise Failure(f"--config {value} and --isolated contradict each other")
            fixed = read_config(os.path.abspath(path))
            if fixed is None:
                raise Failure(f"{value}: there is no [tool.ckptlint] in it")
        elif "=" in value:
            inline |= parse_toml(value, "--config")
        else:
            raise Failure(f"--config: there is no file {value}, and it is no KEY=VALUE either")
    return fixed, convert(inline, "--config", "", "")


def _by_root(paths: Iterable[str], given: str | None) -> dict[str, list[str]]:
    if given is not None and not os.path.isdir(given):
        raise Failure(f"--root {given}: there is no such folder")
    roots: dict[str, list[str]] = {}
    for path in paths:
        root = real_path(given) if given is not None else find_root(path)
        if path != root and not path.startswith(root.rstrip("/") + "/"):
            raise Failure(f"{path} does not lie below the root {root}")
        roots.setdefault(root, []).append(path)
    return roots


def _first(flag: object, config: object):  # type: ignore[no-untyped-def]
    return config if flag is None else flag

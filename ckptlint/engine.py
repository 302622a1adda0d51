"""One look at a project: from its files to findings.

    analyse    every rule that is wanted somewhere, over the whole index
    hear       findings of the report set, by file: is the rule on for this file? is there a comment against it?

The findings of a file don't depend on which other files were asked for: rules see the whole index, and only then is the
report set cut out. libcst is imported by the store when the first unit is needed; a project in which nothing can matter
never pays for it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ckptlint import __version__
from ckptlint.cache import Cache, FileIndex, stamp_of
from ckptlint.cache_folder import tidy
from ckptlint.earlier import earlier_or_new
from ckptlint.facts.store import FactStore
from ckptlint.findings import Finding, Severity
from ckptlint.rules.base import Registry
from ckptlint.source import SourceFile, UnreadableSource
from ckptlint.suppress.apply import UNUSED, hear

if TYPE_CHECKING:
    from ckptlint.analysis.known_files import KnownFile
    from ckptlint.analysis.solve import Project
    from ckptlint.knowledge.entries import Entries

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class Settings(msgspec.Struct, frozen=True):
    """What the analysis itself is told. `cache`: the cache's folder, None for none; `jobs` 0: as many as useful.

    `files` are checkpoints with their real keys. `torch_version` tells what torch does by default, `oldest_torch` what
    fixes may use of it.
    """

    target_version: str | None = None
    torch_version: str | None = None
    oldest_torch: str | None = None
    knowledge: Entries | None = None
    jobs: int = 0
    cache: str | None = None
    files: tuple[KnownFile, ...] = ()


class Policy(msgspec.Struct, frozen=True):
    """What holds for one file: the rules that are on, those that may be fixed, and those turned off by word."""

    enabled: frozenset[str]
    fixable: frozenset[str]
    refused: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()


class Job(msgspec.Struct, frozen=True):
    """One root and what is wanted of it; paths are relative to the root. `overlay` replaces files (standard input)."""

    root: str
    index: tuple[str, ...]
    report: tuple[str, ...]
    policy: Callable[[str], Policy]
    settings: Settings = Settings()
    min_severity: Severity = Severity.INFO
    overlay: Mapping[str, bytes] = {}


Solve = Callable[[FactStore, Settings], Any]


class Analyzer(msgspec.Struct, frozen=True):
    """The rules, and how a project is solved; tests bring their own."""

    registry: Registry
    solve: Solve


class Outcome(msgspec.Struct, frozen=True):
    """The findings of the report set, in order.

    `guarded` are findings that are not reported because someone said so: silenced by a comment, or of a rule that was
    turned off by word. No fix of another finding may change their places.
    """

    store: FactStore
    findings: tuple[Finding, ...]
    guarded: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    """For standard error: what went wrong without harm to the findings."""

    def text(self, path: str) -> str | None:
        """The text of a file; None when it can't be read."""
        source = self.source(path)
        return None if source is None else source.text

    def source(self, path: str) -> SourceFile | None:
        """The file as it was analysed; None when it can't be read."""
        try:
            return self.store.source(path)
        except UnreadableSource:
            return None


class _Overlaid(FactStore):
    """A store in which some files have other bytes than on the disk; so what `stat` says of them means nothing."""

    def __init__(self, root: Path, files: Sequence[str], cache: Cache | None, overlay: Mapping[str, bytes]) -> None:
        super().__init__(root, files, cache)
        self._overlay = overlay

    def data(self, relative: str) -> bytes:
        """The bytes given, or those of the disk."""
        return self._overlay[relative] if relative in self._overlay else super().data(relative)


def solve_project(store: FactStore, settings: Settings) -> Project:
    """The real analysis."""
    from ckptlint.analysis.solve import AnalysisSettings, solve  # noqa: PLC0415 - not for a run without rules

    told = AnalysisSettings(
        target_version=settings.target_version,
        torch_version=settings.torch_version,
        oldest_torch=settings.oldest_torch,
        knowledge=settings.knowledge,
        files=settings.files,
        jobs=settings.jobs,
    )
    return solve(store, told)


def builtin_analyzer() -> Analyzer:
    """ckptlint's own rules."""
    return Analyzer(Registry.builtin(), solve_project)


def check(job: Job, analyzer: Analyzer, *, with_refused: bool = False) -> Outcome:
    """Look at the project once. `with_refused`: also find what is turned off by word, to guard it from fixes."""
    cache = None if job.settings.cache is None else Cache(Path(job.settings.cache), _stamp())
    store = _open_store(job, cache)
    policies = {path: job.policy(path) for path in job.report}
    found = _run_rules(store, cache, job, policies.values(), analyzer, with_refused=with_refused)
    by_file: dict[str, list[Finding]] = {}
    for finding in found:
        by_file.setdefault(finding.place.path, []).append(finding)
    reported: list[Finding] = []
    guarded: list[Finding] = []
    for path, policy in policies.items():
        findings = by_file.get(path, [])
        if not findings and not store.may_hold_comments(path):
            continue  # without a finding only a comment that names a code of ours can matter (CKPT902)
        guarded += [finding for finding in findings if finding.code in policy.refused]
        wanted = [finding for finding in findings if finding.code in policy.enabled]
        try:
            text = store.source(path).text
        except UnreadableSource:  # no comments to hear; CKPT901 itself comes this way
            reported += wanted
            continue
        verdict = hear(path, text, wanted, policy.enabled)
        reported += verdict.kept
        reported += verdict.unused if UNUSED in policy.enabled else ()
        guarded += verdict.silenced
    store.save()
    if cache is not None:
        tidy(cache)
    lowest = _RANK[job.min_severity]
    kept = [finding for finding in reported if _RANK[finding.severity] >= lowest]
    remarks = (cache.problem,) if cache is not None and cache.problem is not None else ()
    return Outcome(store, tuple(sorted(kept, key=_order)), tuple(sorted(guarded, key=_order)), remarks)


def _open_store(job: Job, cache: Cache | None) -> FactStore:
    root = Path(job.root)
    if job.overlay:
        return _Overlaid(root, job.index, cache, job.overlay)
    return FactStore(root, job.index, cache, None if cache is None else FileIndex(cache, root))


def _stamp() -> str:
    """A name for all that decides what the facts of a file are: our version and code, and libcst's version."""
    home = Path(__file__).parent
    code = [*(home / "facts").rglob("*.py"), home / "source.py", home / "prefilter.py"]
    libcst = importlib.util.find_spec("libcst")  # finds it, does not import it
    if libcst is not None and libcst.origin is not None:
        code += Path(libcst.origin).parent.glob("_version.py")
    return stamp_of(__version__, code)


def _run_rules(
    store: FactStore,
    cache: Cache | None,
    job: Job,
    policies: Iterable[Policy],
    analyzer: Analyzer,
    *,
    with_refused: bool,
) -> list[Finding]:
    wanted: set[str] = set()
    named: set[str] = set()
    for policy in set(policies):
        wanted |= policy.enabled | (policy.refused if with_refused else frozenset())
        named |= policy.named
    rules = [rule(named=code in named) for code, rule in analyzer.registry.rules.items() if code in wanted]
    if not rules:
        return []
    rules.sort(key=lambda rule: rule.about_the_run)

    def find() -> list[Finding]:
        jobs = job.settings.jobs if any(rule.scans_keys for rule in rules) else 1
        project = analyzer.solve(store, msgspec.structs.replace(job.settings, jobs=jobs))
        return [finding for rule in rules for finding in rule.check(project)]

    if cache is None or job.overlay or analyzer.solve is not solve_project:  # another solver, another answer
        return find()
    asked = repr((job.root, msgspec.structs.replace(job.settings, jobs=0), [(rule.code, rule.named) for rule in rules]))
    return earlier_or_new(cache, store, asked, find)


def _order(finding: Finding) -> tuple[Any, ...]:
    return finding.order

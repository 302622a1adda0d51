"""What a rule is, and how rules are found: by being there.

A rule is one module `ckptlint/rules/ckpt<number>.py` with one subclass of `Rule`, whose docstring is the manual page:

    class WrappedStateDictSave(Rule):
        '''The `module.` prefix of a wrapper is saved with the state dict.

        ## What it does
        ...
        '''
        code, name, since = "CKPT101", "wrapped-state-dict-save", "0.1.0"
        severity, fixable = Severity.WARNING, "both"

        def check(self, project):
            ...

Nothing lists the rules by hand: `Registry.builtin()` imports every module of that name pattern.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from ckptlint.failure import Failure
from ckptlint.findings import Finding, Severity

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project

HEADINGS = ("What it does", "Why is this bad", "Example", "Use instead", "Fix safety", "References")

_RULE_MODULE = re.compile(r"ckpt\d+\Z")


class Rule:
    """One kind of mistake. It asks the solved project questions and yields findings; it never reads text or trees.

    A finding's `code`, `name` and default severity are the rule's own; its place is relative to the root. A rule yields
    findings for the whole project: the engine keeps those that were asked for.
    """

    code: ClassVar[str]
    """ "CKPT101"."""
    name: ClassVar[str]
    """ "wrapped-state-dict-save": what the rule finds, in words."""
    since: ClassVar[str]
    """The first version of ckptlint that has the rule."""
    severity: ClassVar[Severity]
    """The usual severity; a finding may have another."""
    fixable: ClassVar[Literal["safe", "unsafe", "both", "none"]]
    """Which fixes the rule can offer."""
    default: ClassVar[bool] = True
    """False: on only when named by its code, a prefix of it or ALL."""

    scans_keys: ClassVar[bool] = False
    """True: it asks for `Project.key_edits`, which a second process can work out meanwhile."""

    about_the_run: ClassVar[bool] = False
    """True: it reports what happened while the other rules asked, so it is asked last."""

    def __init__(self, *, named: bool = False) -> None:
        """`named`: the user selected the rule by its code or by ALL, in some file of the project."""
        self.named = named

    def check(self, project: Project) -> Iterator[Finding]:
        """Every finding of this rule in the project, in any order."""
        raise NotImplementedError

    @classmethod
    def summary(cls) -> str:
        """The first line of the manual."""
        return cls.manual().split("\n", 1)[0]

    @classmethod
    def manual(cls) -> str:
        """The docstring, as Markdown."""
        return inspect.cleandoc(cls.__doc__ or "")


class Registry:
    """The rules of a run, by code, in order of code."""

    def __init__(self, rules: Iterable[type[Rule]]) -> None:
        """Two rules of one code are a bug."""
        ordered = sorted(rules, key=lambda rule: rule.code)
        self._rules = {rule.code: rule for rule in ordered}
        if len(self._rules) != len(ordered):
            raise ValueError(f"two rules share a code: {[rule.code for rule in ordered]}")

    @classmethod
    def builtin(cls) -> Registry:
        """The rules that come with ckptlint."""
        package = importlib.import_module("ckptlint.rules")
        names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
        modules = [importlib.import_module(f"ckptlint.rules.{name}") for name in names if _RULE_MODULE.match(name)]
        return cls(
            value
            for module in modules
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__
        )

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code, sorted."""
        return tuple(self._rules)

    @property
    def rules(self) -> Mapping[str, type[Rule]]:
        """Code to rule."""
        return self._rules

    def __getitem__(self, code: str) -> type[Rule]:
        """The rule of this code; `Failure` with the nearest code when there is none."""
        import difflib  # noqa: PLC0415 - only for an error

        rule = self._rules.get(code.upper())
        if rule is None:
            near = difflib.get_close_matches(code.upper(), self._rules, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise Failure(f"there is no rule {code}{hint} (`ckptlint rule --all` lists them)")
        return rule

"""Adding up verdicts: by kind, by rule, by construct; the sums of two workers can be added."""

from __future__ import annotations

from collections import Counter

import msgspec

from .judge import KINDS, Verdict
from .spec import Spec, spec_of


class Case(msgspec.Struct, frozen=True):
    """A project that disagreed: its seed, its choices, and the first disagreement."""

    seed: int
    choices: dict[str, str]
    kind: str
    rule: str
    reason: str
    detail: str

    @property
    def spec(self) -> Spec:
        return spec_of(**self.choices)


class Tally(msgspec.Struct):
    """Sums over projects. A project counts once for each kind of disagreement that it shows."""

    programs: int = 0
    settings: int = 0
    predictions: int = 0
    fixes: int = 0
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    rules: Counter[str] = msgspec.field(default_factory=Counter)
    demanded: Counter[str] = msgspec.field(default_factory=Counter)
    found: Counter[str] = msgspec.field(default_factory=Counter)
    constructs: Counter[str] = msgspec.field(default_factory=Counter)
    cases: list[Case] = msgspec.field(default_factory=list)

    def add(self, seed: int, constructs: tuple[str, ...], choices: dict[str, str], verdict: Verdict) -> None:
        self.programs += 1
        self.settings += verdict.runs
        self.predictions += verdict.predictions
        self.fixes += verdict.fixes
        self.demanded.update(verdict.demanded)
        self.found.update(verdict.found)
        self.constructs.update(constructs)
        for kind in {one.kind for one in verdict.disagreements}:
            self.kinds[kind] += 1
            self.constructs.update(f"{construct}|{kind}" for construct in constructs)
        for one in verdict.disagreements:
            self.rules[f"{one.rule}|{one.kind}"] += 1
            self.cases.append(Case(seed, choices, one.kind, one.rule, one.reason, one.detail))

    def merge(self, other: Tally) -> None:
        for name in ("programs", "settings", "predictions", "fixes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("kinds", "rules", "demanded", "found", "constructs"):
            getattr(self, name).update(getattr(other, name))
        self.cases.extend(other.cases)

    @property
    def disagreements(self) -> int:
        return sum(self.kinds[kind] for kind in KINDS)

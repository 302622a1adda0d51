"""Every project that ever disagreed, kept in regressions.json as its choices, to be judged again in every test run.

A case is `{"choices": {...}, "was": "miss CKPT301 (load)"}`. What the analysis will not learn is a limit: then the case
has a third entry, `"limit": "why"`, and must go on disagreeing (or else the limit is gone and the entry must go too).
"""

from __future__ import annotations

import json
from pathlib import Path

from .spec import Spec, spec_of

#: The seeds whose projects are judged in every test run, besides the cases.
SEEDS = range(1, 301)

_FILE = Path(__file__).with_name("regressions.json")


def recorded() -> list[dict[str, object]]:
    """The stored cases: `choices` that differ from the simplest project, and what was wrong then."""
    stored: list[dict[str, object]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return stored


def spec_of_record(case: dict[str, object]) -> Spec:
    choices = case["choices"]
    assert isinstance(choices, dict)
    return spec_of(**choices)


def record(spec: Spec, kind: str, rule: str, reason: str) -> None:
    """Add a case, once."""
    cases = recorded()
    case: dict[str, object] = {"choices": spec.described(), "was": f"{kind} {rule} ({reason})"}
    if all(one["choices"] != case["choices"] for one in cases):
        cases.append(case)
        _FILE.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")

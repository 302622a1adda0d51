"""docs/accuracy.md, written from the sums of a run."""

from __future__ import annotations

from collections.abc import Iterator

from .campaign import Plan
from .judge import KINDS
from .mutations import MutationScore, idioms
from .regressions import recorded, spec_of_record
from .tally import Tally

_SHOWN = KINDS[:5]


def page(plan: Plan, tally: Tally, mutations: MutationScore | None) -> str:
    """The whole page as Markdown."""
    parts = (_head(plan, tally), _by_rule(tally), _by_mutation(mutations), _limits(), _by_construct(tally))
    return "\n".join([*(line for part in parts for line in part), ""])


def with_what_was_read(page: str, old: str) -> str:
    """The page with the part of the old one that docs/judged.py wrote: it is about other findings."""
    marker = "<!-- read by hand"
    return f"{page.rstrip()}\n\n{old[old.index(marker) :]}" if marker in old else page


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3f} %" if whole else "-"


def _head(plan: Plan, tally: Tally) -> Iterator[str]:
    last = plan.first + tally.programs - 1
    yield from (
        "# How often ckptlint is wrong, by torch's own word",
        "",
        "Written by `python -m tests.differential --write docs/accuracy.md`; not by hand.",
        "",
        "Small checkpoint projects are generated, run on the CPU in every setting of their flags, and what torch did",
        "is held against what ckptlint said. `tests/differential/truth.py` defines what counts as what for findings,",
        "`predictions.py` for the key names in messages, `mending.py` for fixes.",
        "",
        f"Seeds {plan.first} to {last}: {tally.programs} programs, {tally.settings} runs of scripts on torch. "
        f"{tally.predictions} findings named keys, {tally.fixes} offered a fix.",
        "",
        "| disagreement | programs | share |",
        "|---|---:|---:|",
    )
    for kind in _SHOWN:
        yield f"| {kind} | {tally.kinds[kind]} | {_share(tally.kinds[kind], tally.programs)} |"
    yield f"| (generated script failed for a reason of its own) | {tally.kinds['mistake']} | |"
    yield ""


def _by_rule(tally: Tally) -> Iterator[str]:
    yield from (
        "## By rule",
        "",
        "| rule | places where it was due | missed | false alarms | wrong keys | bad fixes | findings |",
        "|---|---:|---:|---:|---:|---:|---:|",
    )
    codes = sorted({*tally.demanded, *tally.found, *(key.split("|")[0] for key in tally.rules)} - {""})
    for code in codes:
        counts = [tally.rules[f"{code}|{kind}"] for kind in _SHOWN[:4]]
        yield f"| {code} | {tally.demanded[code]} | {' | '.join(map(str, counts))} | {tally.found[code]} |"
    yield ""


def _by_mutation(score: MutationScore | None) -> Iterator[str]:
    if score is None:
        return
    yield from (
        "## Injected bugs",
        "",
        "Clean idioms with one bug put in, which torch confirms; the rule named must be found where it was not before.",
        "",
        "| rule | bugs | found |",
        "|---|---:|---:|",
    )
    for code in sorted(score.injected):
        yield f"| {code} | {score.injected[code]} | {score.found[code]} |"
    yield ""


def _limits() -> Iterator[str]:
    """What is known and stays: it counts above like everything else."""
    yield from ("## Known limits", "", "Counted above like everything else.", "")
    for case in recorded():
        if "limit" in case:
            choices = " ".join(f"{name}={choice}" for name, choice in spec_of_record(case).described().items())
            yield f"- {case['was']}, as in `{choices}`: {case['limit']}."
    for one in (one for idiom in idioms() for one in idiom.mutations if one.limit):
        yield f"- {one.rule} misses the bug *{one.name}* in the idiom *{one.idiom}*: {one.limit}."
    yield ""


def _by_construct(tally: Tally) -> Iterator[str]:
    yield from (
        "## By construct",
        "",
        "Programs that have the construct, and how many of them show a disagreement (which another construct of the",
        "same program may have caused).",
        "",
        f"| construct | programs | {' | '.join(_SHOWN)} |",
        f"|---|---:|{'---:|' * len(_SHOWN)}",
    )
    for construct in sorted(key for key in tally.constructs if "|" not in key):
        counts = [str(tally.constructs[f"{construct}|{kind}"]) for kind in _SHOWN]
        yield f"| {construct} | {tally.constructs[construct]} | {' | '.join(counts)} |"

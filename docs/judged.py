"""The part of docs/accuracy.md that people read: what was found in real repositories, and how much of it is true.

python docs/judged.py            write the table
python docs/judged.py --check    exit with 1 when it is not what judged.toml says

The judgements are data (judged.toml): a repository, a commit, a place, a rule, a verdict and the reason for it. The
rest of accuracy.md is written by tests/differential, which leaves this part alone.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec

HERE = Path(__file__).resolve().parent
ACCURACY = HERE / "accuracy.md"
BEGIN = "<!-- read by hand: written by docs/judged.py from docs/judged.toml -->\n"
END = "<!-- end of what was read by hand -->\n"
VERDICTS = ("true", "false", "arguable")

Verdict = Literal["true", "false", "arguable"]


class Judged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Findings of one rule in one file that share a verdict and its reason."""

    rule: str
    file: str
    lines: tuple[int, ...]
    verdict: Verdict
    reason: str
    mended: str = ""


class Repository(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One repository as it was at a commit."""

    name: str
    commit: str
    findings: tuple[Judged, ...]


class Judgements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that was read."""

    repository: tuple[Repository, ...]


def judgements() -> tuple[Repository, ...]:
    """The data."""
    return msgspec.toml.decode((HERE / "judged.toml").read_bytes(), type=Judgements).repository


def section(repositories: tuple[Repository, ...]) -> str:
    """The part as Markdown, with its markers."""
    counts: Counter[tuple[str, str]] = Counter()
    mended: Counter[tuple[str, str]] = Counter()
    for repository in repositories:
        for judged in repository.findings:
            counts[judged.rule, judged.verdict] += len(judged.lines)
            mended[judged.rule, judged.verdict] += len(judged.lines) if judged.mended else 0
    rules = sorted({rule for rule, _ in counts})
    lines = [
        "## Read by hand",
        "",
        f"Every finding of a default rule in {len(repositories)} public repositories, on lines for which the",
        "labelled corpus has no verdict of that rule, was read in its code and judged: *true* when it happens as",
        "the message says, *false* when it does not or not so, *arguable* when it is so and nobody would care, or",
        "when it depends on what is not in the repository. A line counts once for a rule.",
        "[judged.toml](judged.toml) holds each judgement with its reason. The last two columns count again what",
        "has not been mended since. The rules were made with other lines of these repositories at hand, and one",
        "reader judged: code that nobody has looked at will do worse.",
        "",
        "| rule | findings | true | false | arguable | share false | false now | share false now |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(_row(rule, [rule], counts, mended) for rule in rules),
        _row("all", rules, counts, mended),
        "",
        "The repositories: " + ", ".join(f"{one.name} ({one.commit[:7]})" for one in repositories) + ".",
        "",
    ]
    return BEGIN + "\n".join(lines) + END


def placed(page: str, part: str) -> str:
    """The page with the part in its old place, or at the end of a page that has none yet."""
    if BEGIN not in page:
        return page.rstrip("\n") + "\n\n" + part
    return page[: page.index(BEGIN)] + part + page[page.index(END) + len(END) :]


def _row(name: str, rules: list[str], counts: Counter[tuple[str, str]], mended: Counter[tuple[str, str]]) -> str:
    told = [sum(counts[rule, verdict] for rule in rules) for verdict in VERDICTS]
    gone = [sum(mended[rule, verdict] for rule in rules) for verdict in VERDICTS]
    left = [one - other for one, other in zip(told, gone, strict=True)]
    shares = [f"{100 * some[1] / sum(some):.0f} %" if sum(some) else "-" for some in (told, left)]
    return f"| {name} | {sum(told)} | {' | '.join(map(str, told))} | {shares[0]} | {left[1]} | {shares[1]} |"


def main() -> int:
    """Write, or check."""
    page = ACCURACY.read_text("utf-8")
    current = placed(page, section(judgements()))
    if "--check" in sys.argv[1:]:
        return int(page != current)
    ACCURACY.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

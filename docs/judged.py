"""The part of docs/accuracy.md that people read: what was found in real repositories, and how much of it is true.

python docs/judged.py            write the table
python docs/judged.py --check    exit with 1 when it is not what judged.toml says

The judgements are data (judged.toml): a repository, a commit, a place, a rule, a verdict and the reason for it. The
rest of accuracy.md is written by tests/differential, which leaves this part alone.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

HERE = Path(__file__).resolve().parent
ACCURACY = HERE / "accuracy.md"
BEGIN = "<!-- read by hand: written by docs/judged.py from docs/judged.toml -->\n"
END = "<!-- end of what was read by hand -->\n"
VERDICTS = ("true", "false", "arguable")

Kind = Literal["known", "unseen", "package"]
Verdict = Literal["true", "false", "arguable"]


class Judged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Findings of one rule in one file that share a verdict and its reason.

    `now` is what became of them since: "gone", or another verdict on what is said there now; "" where nothing changed.
    """

    rule: str
    file: str
    lines: tuple[int, ...]
    verdict: Verdict
    reason: str
    now: Literal["", "gone", "true", "false", "arguable"] = ""


class Repository(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One repository as it was at a commit, or a package of PyPI in a version (in place of the commit).

    `kind`: "known", the rules were made with other lines of it at hand; "unseen", nobody had looked at it; "package".
    """

    name: str
    commit: str
    findings: tuple[Judged, ...]
    kind: Kind = "known"


class Judgements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that was read."""

    repository: tuple[Repository, ...]


def judgements() -> tuple[Repository, ...]:
    """The data."""
    return msgspec.toml.decode((HERE / "judged.toml").read_bytes(), type=Judgements).repository


#: What is said above each table, by the kind of what was read.
INTRODUCTIONS: Mapping[Kind, tuple[str, str]] = {
    "known": (
        "Repositories that the rules were made with",
        "Every finding of a default rule in {count} public repositories, on lines for which the labelled corpus has\n"
        "no verdict of that rule. The rules were made with other lines of these repositories at hand.",
    ),
    "unseen": (
        "Repositories that nobody had looked at",
        "Every finding of a default rule in {count} public repositories that no rule was made with; 17 more had no\n"
        "finding at all.",
    ),
    "package": (
        "Packages of PyPI",
        "89 packages were run: 301 findings, one of them an error. Read were the error and 60 of the warnings, drawn\n"
        "at random; they lie in {count} packages. Libraries do worse than scripts: much of what they load is\n"
        "published or converted weights of one kind, and who calls them is not seen.",
    ),
}


def section(repositories: tuple[Repository, ...]) -> str:
    """The part as Markdown, with its markers."""
    lines = [
        "## Read by hand",
        "",
        "Findings were read in the code and judged: *true* when it happens as the message says, *false* when it",
        "does not or not so, *arguable* when it is so and nobody would care, or when it depends on what is not in",
        "the repository. A line counts once for a rule. [judged.toml](judged.toml) holds each judgement with its",
        "reason. The last columns count again after the rules were mended for what was false, which flatters them;",
        "one reader judged. What was found in packages is told in [trophies.md](trophies.md).",
        "",
    ]
    for kind in INTRODUCTIONS:
        lines += _table(kind, [one for one in repositories if one.kind == kind])
    return BEGIN + "\n".join(lines) + END


def _table(kind: Kind, repositories: Sequence[Repository]) -> list[str]:
    counts: Counter[tuple[str, str]] = Counter()
    today: Counter[tuple[str, str]] = Counter()
    for repository in repositories:
        for judged in repository.findings:
            counts[judged.rule, judged.verdict] += len(judged.lines)
            today[judged.rule, judged.now or judged.verdict] += len(judged.lines)
    rules = sorted({rule for rule, _ in counts})
    title, introduction = INTRODUCTIONS[kind]
    return [
        f"### {title}",
        "",
        *introduction.format(count=len(repositories)).split("\n"),
        "",
        "| rule | findings | true | false | arguable | share false | findings now | false now | share false now |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_row(rule, [rule], counts, today) for rule in rules),
        _row("all", rules, counts, today),
        "",
        "They are: " + ", ".join(f"{one.name} ({one.commit[:7]})" for one in repositories) + ".",
        "",
    ]


def placed(page: str, part: str) -> str:
    """The page with the part in its old place, or at the end of a page that has none yet."""
    if BEGIN not in page:
        return page.rstrip("\n") + "\n\n" + part
    return page[: page.index(BEGIN)] + part + page[page.index(END) + len(END) :]


def _row(name: str, rules: list[str], counts: Counter[tuple[str, str]], today: Counter[tuple[str, str]]) -> str:
    told, left = ([sum(of[rule, verdict] for rule in rules) for verdict in VERDICTS] for of in (counts, today))
    shares = [f"{100 * some[1] / sum(some):.0f} %" if sum(some) else "-" for some in (told, left)]
    first = f"{sum(told)} | {' | '.join(map(str, told))} | {shares[0]}"
    return f"| {name} | {first} | {sum(left)} | {left[1]} | {shares[1]} |"


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

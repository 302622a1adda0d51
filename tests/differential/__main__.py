"""`python -m tests.differential --programs 20000 --seed 1 --write docs/accuracy.md`

Judges the projects of seeds SEED, SEED+1, ... and prints what disagreed, grouped, with the simplest project of each
group. `--show SEED` prints one project and its verdict. `--with DIMENSION=CHOICE` draws only projects
that have these choices. `--shrink` makes cases small and, with `--record`,
adds them to regressions.json. `--empty` judges an answer without any finding: all demands are misses then.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

from .campaign import Plan, run
from .judge import judge
from .regressions import record
from .render import render
from .runner import evidence_of
from .sandbox import Sandbox
from .shrink import shrink
from .spec import Spec, spec_of, spec_of_seed
from .tally import Case, Tally

_SHRINKING = 240  # seconds; cases that are left then are not shown


def main() -> int:
    """0 when nothing disagreed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time, with what was done")
    parser.add_argument("--no-fixes", action="store_true", help="judge findings only")
    parser.add_argument("--no-mutations", action="store_true")
    parser.add_argument("--empty", action="store_true", help="judge an answer without findings")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--show", type=int, metavar="SEED")
    parser.add_argument("--spec", nargs="*", metavar="DIMENSION=CHOICE", help="like --show, for these choices")
    parser.add_argument("--with", nargs="*", default=(), metavar="DIMENSION=CHOICE", dest="forced")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--each", type=int, default=8, help="how many cases of one kind to shrink")
    parser.add_argument("--groups", type=int, default=20, help="how many groups to print")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    forced = dict(one.split("=") for one in args.forced)
    if args.show is not None:
        return _show(spec_of_seed(args.show, forced), args.empty)
    if args.spec is not None:
        return _show(spec_of(**dict(one.split("=") for one in args.spec)), args.empty)
    fixes = not args.no_fixes
    plan = Plan(
        args.seed, args.programs, fixes, args.empty, args.jobs, args.minutes * 60, tuple(sorted(forced.items()))
    )
    tally = run(plan)
    _print_groups(tally, args.groups, args.shrink or args.record, args.record, args.each)
    if args.write:
        _write(plan, tally, args.write, not (args.no_mutations or args.empty))
    return 1 if tally.disagreements else 0


def _write(plan: Plan, tally: Tally, path: Path, mutations: bool) -> None:
    from .accuracy import page, with_what_was_read
    from .mutations import score

    text = page(plan, tally, score(Sandbox()) if mutations else None)
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    path.write_text(with_what_was_read(text, old), encoding="utf-8")


def _show(spec: Spec, empty: bool) -> int:
    project = render(spec)
    print(" ".join(f"{name}={choice}" for name, choice in spec.described().items()))
    for path, text in project.files:
        print(f"\n===== {path}")
        print("\n".join(f"{row:3} {line}" for row, line in enumerate(text.rstrip().split("\n"), 1)))
    sandbox = Sandbox()
    for one in evidence_of(sandbox, project).runs:
        print(f"\nwriter {one.writing}, reader {one.reading}")
        for save in one.outcome.saves:
            print("  saved", save.file, [(key.name, key.wrappers, key.loss) for key in save.keys])
        for load in one.outcome.loads:
            print("  load", load)
        print("  ", one.outcome.failure)
    verdict = judge(sandbox, project, ask=lambda _: (), fixes=False) if empty else judge(sandbox, project)
    print("\nfindings", verdict.found, "demanded", verdict.demanded)
    for difference in verdict.disagreements:
        print(difference)
    return 1 if verdict.disagreements else 0


def _print_groups(tally: Tally, limit: int, small: bool, keep: bool, each: int) -> None:
    """The disagreements by kind, rule and reason, and by simplest form if `small`; the largest group first."""
    groups: dict[tuple[str, str, str, Spec | None], list[Case]] = defaultdict(list)
    sandbox = Sandbox() if small else None
    enough = time.monotonic() + _SHRINKING
    shrunk: Counter[tuple[str, str, str]] = Counter()
    unique = {(one.seed, one.kind, one.rule, one.reason): one for one in tally.cases}.values()
    for case in sorted(unique, key=lambda one: one.spec.weight):
        shrunk[(case.kind, case.rule, case.reason)] += 1
        if sandbox and (shrunk[(case.kind, case.rule, case.reason)] > each or time.monotonic() > enough):
            continue
        spec = shrink(case.spec, partial(_fails_alike, sandbox, case)) if sandbox else None
        groups[(case.kind, case.rule, case.reason, spec)].append(case)
    for (kind, rule, reason, spec), cases in sorted(groups.items(), key=lambda group: -len(group[1]))[:limit]:
        simplest = min(cases, key=lambda case: case.spec.weight)
        choices = simplest.choices if spec is None else spec.described()
        words = " ".join(f"{name}={choice}" for name, choice in choices.items())
        print(f"{len(cases):6} {kind} {rule} ({reason}): {words}\n       seed {simplest.seed}: {simplest.detail[:400]}")
        if keep and spec is not None:
            record(spec, kind, rule, reason)


def _fails_alike(sandbox: Sandbox, case: Case, spec: Spec) -> bool:
    verdict = judge(sandbox, render(spec), fixes=case.kind == "bad fix")
    return any((one.kind, one.rule, one.reason) == (case.kind, case.rule, case.reason) for one in verdict.disagreements)


if __name__ == "__main__":
    sys.exit(main())

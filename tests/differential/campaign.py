"""Judging many seeds, over several processes, within a budget of time.

Seeds go to the workers in blocks; each block's sums come back as one message, so progress is known and a run that is
out of time stops between blocks with everything counted that was done. The sums do not depend on the number of workers.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import time
import warnings
from collections.abc import Iterator

import msgspec

from .judge import judge
from .render import render
from .sandbox import Sandbox
from .spec import spec_of_seed
from .tally import Tally

_BLOCK = 50


class Plan(msgspec.Struct, frozen=True):
    """`programs` seeds from `first` on; `seconds` 0 is no limit. `empty` judges an answer with no finding at all.

    `forced` are choices that every project has.
    """

    first: int
    programs: int
    fixes: bool = True
    empty: bool = False
    jobs: int = 2
    seconds: float = 0
    forced: tuple[tuple[str, str], ...] = ()


def run_block(plan: Plan, seeds: range, sandbox: Sandbox) -> Tally:
    """The sums of a block of seeds."""
    tally = Tally()
    for seed in seeds:
        spec = spec_of_seed(seed, dict(plan.forced))
        project = render(spec)
        if plan.empty:
            verdict = judge(sandbox, project, ask=lambda _: (), fixes=False)
        else:
            verdict = judge(sandbox, project, fixes=plan.fixes)
        tally.add(seed, project.constructs, spec.described(), verdict)
    gc.collect()  # the command turns the collector off for good
    return tally


class _Worker:
    """One process: a sandbox made once, then block after block."""

    sandbox: Sandbox

    @classmethod
    def start(cls) -> None:
        warnings.simplefilter("ignore")
        cls.sandbox = Sandbox()
        gc.freeze()

    @classmethod
    def block(cls, work: tuple[Plan, range]) -> Tally:
        return run_block(*work, cls.sandbox)


def run(plan: Plan) -> Tally:
    """All blocks, or those that the time allowed; progress goes to standard error."""
    began = time.monotonic()
    total = Tally()
    end = plan.first + plan.programs
    blocks = [(plan, range(seed, min(seed + _BLOCK, end))) for seed in range(plan.first, end, _BLOCK)]
    for tally in _tallies(plan, blocks):
        total.merge(tally)
        spent = time.monotonic() - began
        print(
            f"\r{total.programs} of {plan.programs} programs, {total.settings} runs, {total.disagreements} disagree, "
            f"{total.programs / spent * 60:.0f} a minute",
            end="",
            file=sys.stderr,
            flush=True,
        )
        if plan.seconds and spent > plan.seconds:
            break
    print(file=sys.stderr)
    return total


def _tallies(plan: Plan, blocks: list[tuple[Plan, range]]) -> Iterator[Tally]:
    if plan.jobs == 1:
        _Worker.start()
        yield from map(_Worker.block, blocks)
        return
    with multiprocessing.get_context("spawn").Pool(plan.jobs, _Worker.start, maxtasksperchild=40) as pool:
        yield from pool.imap(_Worker.block, blocks)

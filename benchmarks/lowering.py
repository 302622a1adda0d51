"""How fast the front end is, stage by stage: `python benchmarks/lowering.py FOLDER [MAX_FILES]`.

Prints thousand lines a second for reading, cutting, parsing and lowering *all* units of the Python files below a folder
(a real run asks for few of them), and the slowest units. One process, garbage collection off, as a run does it.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ckptlint.facts.extract.limits import check
from ckptlint.facts.extract.unit import Lowered, lower_function, lower_skeleton, parse_unit
from ckptlint.facts.units import UnitText, cut_with_skeleton, text_of_function
from ckptlint.source import SourceFile, UnreadableSource, decode


def main(arguments: Sequence[str]) -> None:
    root = Path(arguments[0])
    limit = int(arguments[1]) if len(arguments) > 1 else None
    gc.disable()
    seconds: dict[str, float] = {}
    slowest: list[tuple[float, str]] = []

    def timed(stage: str, start: float) -> float:
        took = time.perf_counter() - start
        seconds[stage] = seconds.get(stage, 0.0) + took
        return took

    lines = units = unreadable = 0
    for path in sorted(root.rglob("*.py"))[:limit]:
        start = time.perf_counter()
        try:
            source = _read(path, root)
        except (UnreadableSource, OSError):
            unreadable += 1
            continue
        timed("read", start)
        lines += source.text.count("\n")
        start = time.perf_counter()
        cut = cut_with_skeleton(source.text)
        rows = source.text.split("\n")
        texts = [cut.skeleton] + [text_of_function(rows, header) for header in cut.headers[1:]]
        timed("cut", start)
        for index, text in enumerate(texts):
            try:
                start = time.perf_counter()
                check(text.text)
                timed("limits (part of parse)", start)
                start = time.perf_counter()
                parsed = parse_unit(text)
                took = timed("parse", start)
                start = time.perf_counter()
                lowered: Lowered
                if index:
                    lowered = lower_function(parsed.tree, cut.headers[index])
                else:
                    lowered = lower_skeleton(parsed.tree, cut.headers)
                took += timed("lower", start)
            except UnreadableSource:
                unreadable += 1
                continue
            slowest.append((took, _describe(source, text, lowered)))
            units += 1
        if len(slowest) > 1000:
            slowest = sorted(slowest, reverse=True)[:10]
    print(f"{lines:,} lines, {units:,} units, {unreadable} unreadable")
    for stage, took in seconds.items():
        print(f"{stage:24} {took:8.3f} s {lines / took / 1000:10.0f} thousand lines a second")
    for took, what in sorted(slowest, reverse=True)[:10]:
        print(f"{took * 1000:8.1f} ms  {what}")


def _read(path: Path, root: Path) -> SourceFile:
    return decode(path.relative_to(root).as_posix(), path.read_bytes())


def _describe(source: SourceFile, text: UnitText, lowered: Lowered) -> str:
    return f"{source.relative}:{text.rows[0] if text.rows else 1} {len(text.text):,} chars {len(lowered.nodes):,} nodes"


if __name__ == "__main__":
    main(sys.argv[1:])

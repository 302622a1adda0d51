"""How long `ckptlint inspect` takes and how much memory, beside a bare interpreter and torch's own ways to list keys.

    python benchmarks/inspect_speed.py            (writes about 200 MB of sparse files into a temporary folder)
    python benchmarks/inspect_speed.py --write    (and the figures into docs/checkpoints.md)

The files are made by torch under FakeTensorMode with `skip_data`, so that a checkpoint of 100 GB costs no disk. Every
row is a process of its own, the best of several; memory is the resident maximum of the process; the last column is CPU
time in those of `python -c pass`, which other work on the machine disturbs less than wall time. Aims: 1,001 tensors
within 10 times `python -c pass` and 25 MB; 100 GB no slower than its number of tensors; 50,000 tensors in 1.5 s on a
machine where `torch.load(map_location="meta")` takes 4.9 s.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from measured import DOCS, dated_table, write_block

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5


class Measured(NamedTuple):
    """Wall time and CPU time of the best run, memory of the worst."""

    seconds: float
    cpu: float
    megabytes: float

    def line(self, what: str, base: float) -> str:
        times = f"{self.seconds * 1000:8.0f} ms wall {self.cpu * 1000:8.0f} ms CPU"
        return f"{what:<44} {times} {self.megabytes:7.1f} MB {self.cpu / base:6.1f} x"


# Run in a process of its own: memory of this one would be counted to those that it starts.
MAKE = """
import sys, torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.serialization import skip_data
path, tensors, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with FakeTensorMode():
    state_dict = {f"layers.{n // 10}.block.{n % 10}.weight": torch.empty(rows, 800) for n in range(tensors)}
    with skip_data(materialize_fake_tensors=True):
        torch.save(state_dict, path)
"""
# Name, number of float32 tensors, rows of 800 in each.
FILES = (
    ("1,001 tensors, 3.2 GB", 1001, 1000),
    ("100 tensors, 100 GB", 100, 312_500),
    ("50,000 tensors", 50_000, 1),
)


def measure(command: list[str], rounds: int = ROUNDS) -> Measured:
    """The best time of some runs, and the most memory of any."""
    best = Measured(float("inf"), float("inf"), 0.0)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    for _ in range(rounds):
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            raise SystemExit(f"failed: {' '.join(command)}")
        cpu = usage.ru_utime + usage.ru_stime
        best = Measured(min(best.seconds, seconds), min(best.cpu, cpu), max(best.megabytes, usage.ru_maxrss / 1000))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the figures into docs/checkpoints.md")
    args = parser.parse_args()
    python = sys.executable
    base = measure([python, "-c", "pass"], 15)
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(machine)
    table = [["", "wall time", "CPU time", "times `python -c pass`", "memory"]]

    def tell(what: str, found: Measured) -> None:
        print(found.line(what, base.cpu), flush=True)
        times = [f"{found.seconds * 1000:.0f} ms", f"{found.cpu * 1000:.0f} ms", f"{found.cpu / base.cpu:.1f}"]
        table.append([what, *times, f"{found.megabytes:.0f} MB"])

    tell("`python -c pass`", base)
    with tempfile.TemporaryDirectory() as folder:
        for name, tensors, rows in FILES:
            path = str(Path(folder) / "a.pth")
            subprocess.run([python, "-c", MAKE, path, str(tensors), str(rows)], check=True)
            tell(f"{name}: ckptlint inspect", measure([python, "-m", "ckptlint", "inspect", path]))
            meta = [python, "-c", f"import torch; torch.load({path!r}, map_location='meta')"]
            tell(f"{name}: torch.load to meta", measure(meta, 2))
    if args.write:
        write_block(DOCS / "checkpoints.md", "inspect", dated_table(machine, table))


if __name__ == "__main__":
    main()

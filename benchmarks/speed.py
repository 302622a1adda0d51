"""ckptlint beside ruff and TorchFix on two big projects: wall time, processor time, memory.

    python benchmarks/speed.py                              all, in minutes; the table goes to docs/performance.md
    python benchmarks/speed.py --runs 1 --projects timm     a quick look
    python benchmarks/speed.py --print                      the table on standard output alone

Needs the network once: ckptlint (from this checkout), ruff and TorchFix go into fresh virtual environments, and the
wheels of timm and transformers are fetched with `pip download` and unpacked. All of it is kept in `--work`.

Every row is the median of `--runs` runs; TorchFix takes minutes and is run once. The programs take turns, so that a
busy minute of the machine hits all of them. `cold` has no cache folder, `warm` is the run after it, and before `after
one edit` a comment is put at the end of one file with a finding or a marker in it. Processor time is user + system,
children included. Memory is the sum of the proportional set sizes (PSS) of the process and its children, the highest of
the samples taken every 20 ms in a run of its own; where the system has no /proc it is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from measured import DOCS, write_block

HOME = Path(__file__).resolve().parent.parent
EDITED = {"timm": "timm/utils/model_ema.py", "transformers": "transformers/trainer.py"}


class Cost(NamedTuple):
    """Seconds of wall time and of processor time of one run, or of the median run."""

    wall: float
    processor: float


class Contest(NamedTuple):
    """One program on one project: `prepare` is done before each run and is not measured.

    `once`: it takes minutes, so it is run a single time, and its memory is not looked at.
    """

    name: str
    command: Sequence[str]
    prepare: Callable[[], None]
    once: bool = False


def measure(command: Sequence[str], folder: Path) -> Cost:
    """Run a command once, its output thrown away; exit code 1 means findings and is fine."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def peak_megabytes(command: Sequence[str], folder: Path) -> float | None:
    """The highest sum of PSS over the process and all below it."""
    if not Path("/proc/self/smaps_rollup").exists():
        return None
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    highest = 0
    while process.poll() is None:
        highest = max(highest, sum(_pss(pid) for pid in _family(process.pid)))
        time.sleep(0.02)
    return highest / 1024


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
    return found


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        match = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(match[1]) if match else 0
    return 0


def environment(folder: Path, *packages: str) -> Path:
    """A virtual environment with these packages; the folder of its programs."""
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    if not programs.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([programs / "python", "-m", "pip", "install", "-q", *packages], check=True)
    return programs


def unpacked(work: Path, project: str) -> Path:
    """The newest wheel of a project, as a folder; fetched when it is not there."""
    folder = work / project
    if not folder.exists():
        wheels = work / "wheels" / project
        fetch: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-d",
            wheels,
        ]
        subprocess.run([*fetch, project], check=True)
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            wheel.extractall(folder)
    return folder


def contests(ours: Path, theirs: Path, folder: Path, project: str, *, torchfix: bool) -> list[Contest]:
    """What is run on a project, in the order in which one round runs it."""
    cache = folder.parent / f"cache-{project}"
    check = [str(ours / "ckptlint"), "check", "--cache-dir", str(cache), "--output-format", "concise", "."]

    def nothing() -> None:
        """The caches are as the run before left them."""

    def without_cache() -> None:
        shutil.rmtree(cache, ignore_errors=True)

    def edit() -> None:
        with (folder / EDITED[project]).open("a") as file:
            file.write(f"# {time.time_ns()}\n")

    found = [
        Contest("ruff check --no-cache", [str(ours / "ruff"), "check", "--no-cache", "--isolated", "-q", "."], nothing),
        Contest("ckptlint, cold", check, without_cache),
        Contest("ckptlint, warm", check, nothing),
        Contest("ckptlint, after one edit", check, edit),
    ]
    return [*found, Contest("TorchFix", [str(theirs / "torchfix"), "."], nothing, once=True)] if torchfix else found


def run_project(ours: Path, theirs: Path, folder: Path, project: str, runs: int, *, torchfix: bool) -> list[str]:
    """The rows of one project."""
    lines = sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.py"))
    wheel = next(folder.glob("*.dist-info")).name.removesuffix(".dist-info").replace("-", " ")
    entered = contests(ours, theirs, folder, project, torchfix=torchfix)
    costs: dict[str, list[Cost]] = {one.name: [] for one in entered}
    for number in range(runs):
        for one in entered:
            if one.once and number:
                continue
            one.prepare()
            costs[one.name].append(measure(one.command, folder))
    median = {
        name: Cost(*(statistics.median(part) for part in zip(*took, strict=True))) for name, took in costs.items()
    }
    ruff = median[entered[0].name].wall
    rows = [
        "",
        f"**{wheel}**, {lines:,} lines of Python",
        "",
        "| | wall, s | of ruff's | processor, s | memory, MB |",
        "|---|---|---|---|---|",
    ]
    for one in entered:
        one.prepare()
        memory = None if one.once else peak_megabytes(one.command, folder)
        wall, processor = median[one.name]
        shown = "" if memory is None else f"{memory:.0f}"
        rows.append(f"| {one.name} | {wall:.2f} | {wall / ruff:.2f} | {processor:.2f} | {shown} |")
    return rows


def run_start(ours: Path, runs: int) -> list[str]:
    """How long the shortest commands take."""
    with tempfile.TemporaryDirectory() as empty:
        Path(empty, "a.py").write_text("print('nothing to find')\n")
        commands = {
            "python -c pass": [str(ours / "python"), "-c", "pass"],
            "ckptlint --version": [str(ours / "ckptlint"), "--version"],
            "ckptlint, one file with nothing to find": [str(ours / "ckptlint"), "check", "--no-cache", "."],
        }
        took = {name: [] for name in commands}  # type: dict[str, list[float]]
        for _ in range(3 * runs):
            for name, command in commands.items():
                took[name].append(measure(command, Path(empty)).wall)
    return [
        "",
        "| start | wall, ms |",
        "|---|---|",
        *(f"| `{name}` | {1000 * statistics.median(walls):.0f} |" for name, walls in took.items()),
    ]


def machine(ours: Path, theirs: Path) -> str:
    """The machine and the versions."""
    versions = [
        subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        for program in (ours / "ckptlint", ours / "ruff")
    ]
    shown = subprocess.run(
        [theirs / "python", "-m", "pip", "show", "torchfix"], capture_output=True, text=True, check=False
    ).stdout
    torchfix = re.search(r"^Version: (.+)$", shown, re.MULTILINE)
    versions += [f"TorchFix {torchfix[1]}"] if torchfix else []
    load = f", load {os.getloadavg()[0]:.1f} when it began" if hasattr(os, "getloadavg") else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"{date.today().isoformat()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores{load}, "
        f"{', '.join([python, *versions])}."
    )


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "ckptlint-benchmark")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--projects", nargs="+", choices=sorted(EDITED), default=sorted(EDITED))
    parser.add_argument("--print", action="store_true", help="do not change docs/performance.md")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    ours = environment(args.work / "ours", "--force-reinstall", "--no-deps", str(HOME))
    environment(args.work / "ours", str(HOME), "ruff")
    theirs = environment(args.work / "theirs", "torchfix")
    lines = [machine(ours, theirs) + f" Medians of {args.runs}."]
    for project in args.projects:
        folder = unpacked(args.work, project)
        lines += run_project(ours, theirs, folder, project, args.runs, torchfix=project == "timm")
    lines += run_start(ours, args.runs)
    table = "\n".join(lines)
    print(table)
    if not args.print:
        write_block(DOCS / "performance.md", "speed", table)


if __name__ == "__main__":
    main()

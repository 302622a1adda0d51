"""How fast a checkpoint gets onto a device: ckptlint's arena beside torch's and safetensors' own loaders.

    python benchmarks/load_speed.py --device cuda --gb 1 5 30 --cold       (an empty disk of twice the largest file)
    python benchmarks/load_speed.py --device cpu --gb 2

Every row is a process of its own, the best of several; the clock runs from the call to the last byte on the device, and
on the CPU until a byte of every page was touched (the arena does that itself), since a mapping alone reads nothing.
Importing torch and starting CUDA are not counted. With --cold the file is thrown out of the page cache before each
round (posix_fadvise, which needs no root). Aims on CUDA: 0.8 of min(reading, pinned copy), three times
`torch.load(map_location="cuda")`; on the CPU no slower than `torch.load(mmap=True)` with every page touched.

What was measured stands in docs/checkpoints.md, with the name of the device: --write puts it there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from measured import DOCS, dated_table, write_block

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
TENSOR_MB = 64

# Written in a process of its own, and tensor by tensor, so that a file may be larger than the memory; no hole in it.
# torch lays the zip out without data, and the values are put where it says that they belong.
MAKE = f"""
import json, sys, torch
path, gigabytes, kind = sys.argv[1], float(sys.argv[2]), sys.argv[3]
count = max(1, int(gigabytes * 1000 / {TENSOR_MB}))
one = torch.randn({TENSOR_MB} * 250_000, generator=torch.Generator().manual_seed(0))
data = memoryview(one.numpy()).cast("B")
names = [f"layers.{{n}}.weight" for n in range(count)]
if kind == "torch":
    from torch._subclasses.fake_tensor import FakeTensorMode
    from ckptlint.checkpoint.places import locate
    from ckptlint.checkpoint.read import open_checkpoint
    with FakeTensorMode(), torch.serialization.skip_data(materialize_fake_tensors=True):
        torch.save({{name: torch.empty(one.shape) for name in names}}, path)
    starts = [tensor.storage.start for tensor in locate(open_checkpoint(path)).tensors]
else:
    header = {{
        name: dict(dtype="F32", shape=[one.numel()], data_offsets=[n * one.nbytes, (n + 1) * one.nbytes])
        for n, name in enumerate(names)
    }}
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    with open(path, "wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
    starts = [8 + len(raw) + n * one.nbytes for n in range(count)]
with open(path, "r+b") as file:
    for start in starts:
        file.seek(start)
        file.write(data)
"""

COMMON = """
import os, sys, time, torch
path, device, cold = sys.argv[1], torch.device(sys.argv[2]), sys.argv[3] == "cold"
if device.type == "cuda":
    torch.zeros(1, device=device)
    torch.cuda.synchronize(device)
descriptor = os.open(path, os.O_RDONLY)
if cold:
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
def touched(tensors):
    if device.type == "cpu":
        for tensor in tensors:
            tensor.reshape(-1).view(torch.uint8)[::4096].max()
    else:
        torch.cuda.synchronize(device)
"""

LOADERS = {
    "ckptlint": """
from ckptlint.checkpoint.places import locate
from ckptlint.checkpoint.read import open_checkpoint
from ckptlint.runtime.loading import load_entry
started = time.perf_counter()
load_entry(locate(open_checkpoint(path)), "", device)
""",
    "torch.load": """
started = time.perf_counter()
touched(torch.load(path, map_location=device, weights_only=True).values())
""",
    "torch.load(mmap).to": """
started = time.perf_counter()
state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
touched([tensor.to(device) for tensor in state.values()])
""",
    "safetensors": """
from safetensors.torch import load_file
started = time.perf_counter()
touched(load_file(path, device=str(device)).values())
""",
    "limit: read": """
from ckptlint.checkpoint.places import locate
from ckptlint.checkpoint.read import open_checkpoint
from ckptlint.runtime.arena import plan_runs
from ckptlint.runtime.pinned import stream_pieces
from ckptlint.checkpoint.progress import Progress
runs = plan_runs(locate(open_checkpoint(path)).tensors)
started = time.perf_counter()
stream_pieces(runs, lambda piece, buffer: None, Progress("", 1, sys.stderr), pinned=False)
""",
    "limit: pinned copy": """
host = torch.empty(1 << 28, dtype=torch.uint8, pin_memory=True)
target = torch.empty(1 << 28, dtype=torch.uint8, device=device)
target.copy_(host)
torch.cuda.synchronize(device)
rounds = -(-os.path.getsize(path) // (1 << 28))
started = time.perf_counter()
for _ in range(rounds):
    target.copy_(host, non_blocking=True)
torch.cuda.synchronize(device)
""",
}
REPORT = """
import json
print(json.dumps(time.perf_counter() - started))
"""

TORCH_FILE = ("ckptlint", "torch.load", "torch.load(mmap).to", "limit: read", "limit: pinned copy")
SAFETENSORS_FILE = ("ckptlint", "safetensors")


def measure(loader: str, path: Path, device: str, *, cold: bool) -> float | None:
    """The best time in seconds of some rounds; None where the loader fails (too little memory)."""
    best = None
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = COMMON + LOADERS[loader] + REPORT
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", script, str(path), device, "cold" if cold else "warm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            print(f"  {loader}: {(done.stderr.strip().splitlines() or ['?'])[-1][:150]}", file=sys.stderr)
            return None
        seconds = float(json.loads(done.stdout.splitlines()[-1]))
        best = seconds if best is None else min(best, seconds)
    return best


def machine(device: str) -> str:
    """The device's name, the processor, torch's version."""
    ask = (
        "import sys, torch; print(torch.__version__, "
        "torch.cuda.get_device_name(sys.argv[1]) if sys.argv[1].startswith('cuda') else '')"
    )
    command = [sys.executable, "-c", ask, device]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(None, 1)
    gpu = f", {said[1].strip()}" if device.startswith("cuda") else ""
    return f"{platform.machine()}, {os.cpu_count()} CPUs, torch {said[0]}{gpu}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--gb", type=float, nargs="+", default=[1.0])
    parser.add_argument("--cold", action="store_true", help="measure from a cold page cache as well")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/checkpoints.md")
    parser.add_argument("--folder", help="where to write the files [default: a temporary folder]")
    args = parser.parse_args()
    print(machine(args.device))
    table = [["file", "page cache", "", "time", "GB/s"]]
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for gigabytes in args.gb:
            for kind, loaders in (("torch", TORCH_FILE), ("safetensors", SAFETENSORS_FILE)):
                path = Path(folder) / f"a.{kind}"
                environment = {**os.environ, "PYTHONPATH": str(ROOT)}
                make = [sys.executable, "-c", MAKE, str(path), str(gigabytes), kind]
                subprocess.run(make, check=True, env=environment)
                nbytes = path.stat().st_size
                for cold in (False, True) if args.cold else (False,):
                    for loader in loaders:
                        if loader == "limit: pinned copy" and (args.device == "cpu" or cold):
                            continue
                        seconds = measure(loader, path, args.device, cold=cold)
                        rate = "failed" if seconds is None else f"{seconds:7.2f} s {nbytes / seconds / 1e9:6.2f} GB/s"
                        state = "cold" if cold else "warm"
                        print(f"{gigabytes:5.1f} GB {kind:<11} {state}  {loader:<20} {rate}", flush=True)
                        if seconds is not None:
                            figures = [f"{seconds:.2f} s", f"{nbytes / seconds / 1e9:.1f}"]
                            table.append([f"{gigabytes:g} GB {kind}", state, _name(loader, args.device), *figures])
                path.unlink()
    if args.write:
        block = f"load {args.device.partition(':')[0]}"
        write_block(DOCS / "checkpoints.md", block, dated_table(machine(args.device), table))


def _name(loader: str, device: str) -> str:
    """What stands in the documentation for a loader."""
    if loader == "torch.load(mmap).to" and device == "cpu":
        return "`torch.load(mmap=True)`, every page touched"
    return {
        "torch.load": "`torch.load`",
        "torch.load(mmap).to": "`torch.load(mmap=True)`, then `.to`",
        "safetensors": "`safetensors.torch.load_file`, every page touched",
        "limit: read": "reading the file, no more",
        "limit: pinned copy": "copying pinned memory, no more",
    }.get(loader, loader)


if __name__ == "__main__":
    main()

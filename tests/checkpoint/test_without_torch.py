"""inspect, diff and repair work where torch, numpy, libcst and msgspec cannot be imported, and start fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]

# Refuses the imports, then runs the command line.
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "numpy", "libcst", "msgspec", "safetensors"}:
            raise ImportError(f"{name} is not to be imported", name=name)
sys.meta_path.insert(0, Blocker())
from ckptlint.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKER, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)})


def test_everything_works_without_torch(tmp_path: Path) -> None:
    state_dict = {"module.a.weight": torch.ones(3), "module.a.bias": torch.ones(2)}
    torch.save(state_dict, tmp_path / "a.pth")
    torch.save(state_dict, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    listed = run("inspect", str(tmp_path / "a.pth"), "--crc")
    assert "module.a.weight" in listed.stdout, listed.stderr
    for name in ("a.pth", "old.pth"):
        out = str(tmp_path / f"mended-{name}")
        done = run("repair", str(tmp_path / name), "-o", out, "--strip-prefix", "module.")
        assert done.returncode == 0, done.stderr
        assert list(torch.load(out, weights_only=True)) == ["a.weight", "a.bias"]
        tensors = run("repair", str(tmp_path / name), "-o", out + ".safetensors", "--to", "safetensors")
        assert tensors.returncode == 0, tensors.stderr
    compared = run("diff", str(tmp_path / "a.pth"), str(tmp_path / "mended-a.pth"), "--read")
    assert compared.returncode == 1, compared.stderr
    assert "renamed: module. -> (nothing) in front of 2 keys" in compared.stdout


def test_a_listing_imports_little(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "a.pth")
    show = "import sys; from ckptlint.__main__ import main; main(sys.argv[1:]); print(*sorted(sys.modules))"
    command = [sys.executable, "-c", show, "inspect", str(tmp_path / "a.pth")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {
        "torch",
        "numpy",
        "libcst",
        "msgspec",
        "json",
        "zipfile",
        "pickle",
        "pathlib",
        "dataclasses",
        "inspect",
        "asyncio",
    }
    assert not heavy & loaded

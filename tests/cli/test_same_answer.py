"""The real rules give the same findings for a file, whatever is asked with it and however Python hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[2]
SEED = HOME / "fixtures" / "seed"


def findings(*argv: str, hash_seed: str = "0") -> list[dict[str, object]]:
    environment = {**os.environ, "PYTHONPATH": str(HOME), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "ckptlint", "--output-format", "json", *argv]
    done = subprocess.run(command, cwd=SEED, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_one_file_or_all_in_any_order():
    everything = findings(".")
    assert {Path(str(finding["filename"])).name for finding in everything} >= {"train.py", "test.py", "model.py"}
    files = sorted(str(path.name) for path in SEED.glob("*.py"))
    alone = [finding for name in files for finding in findings(name)]
    assert alone == everything
    assert findings(*reversed(files), "-j", "1") == everything


def test_hashes_do_not_matter():
    first, *others = (findings(".", hash_seed=seed) for seed in ("0", "1", "2", "3"))
    assert all(other == first for other in others)


def test_isolation_ignores_the_configuration_and_not_the_root():
    assert findings(".", "--isolated", "--no-cache") == findings(".")

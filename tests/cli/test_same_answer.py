"""The real rules give the same findings for a file, whatever is asked with it and however Python hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ckptlint.facts.parallel import MIN_FILES

HOME = Path(__file__).parents[2]
SEED = HOME / "fixtures" / "seed"


def findings(*argv: str, hash_seed: str = "0", folder: Path = SEED) -> list[dict[str, object]]:
    environment = {**os.environ, "PYTHONPATH": str(HOME), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "ckptlint", "--output-format", "json", *argv]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_one_process_or_two(tmp_path: Path):
    (tmp_path / "ckptlint.toml").write_text("root = true\n")
    for folder in sorted((HOME / "fixtures").glob("CKPT30[567]_*")):
        for path in sorted(folder.glob("bad_*.py")):
            if not path.name.endswith(".fixed.py"):
                (tmp_path / f"{folder.name[:8]}_{path.name}").write_text(path.read_text())
    for number in range(MIN_FILES):
        (tmp_path / f"plain{number}.py").write_text(f"x = {number}\n")
    (tmp_path / "broken.py").write_text("def f(d):\n    d = {k.replace('module.', ''): v for k, v in d.items()\n")
    one, two = (findings(".", "--no-cache", "-j", jobs, folder=tmp_path) for jobs in ("1", "2"))
    assert one == two
    assert {finding["code"] for finding in one} >= {"CKPT305", "CKPT306", "CKPT307", "CKPT901"}
    cold, warm = (findings(".", "--cache-dir", "cache", "-j", "2", folder=tmp_path) for _ in range(2))
    assert cold == warm == one

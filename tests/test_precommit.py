"""The hook under the real pre-commit program, in a scratch repository, with this checkout as the hook's source.

pre-commit makes an environment of its own and installs ckptlint into it, so this needs the package index: slow.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.network]

CHECKOUT = Path(__file__).parent.parent
BAD = "x = 1  # ckptlint: ignore[CKPT901]\n"  # CKPT902, with a safe fix
GOOD = "x = 1\n"


class Scratch:
    """A git repository with the hook installed."""

    def __init__(self, folder: Path, source: Path, revision: str, home: Path, args: str) -> None:
        self.folder = folder
        # git says where a repository is to what its hooks run: nothing of ours may leak into the scratch one
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self.environment = {**clean, "PRE_COMMIT_HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull}
        folder.mkdir()
        self.git("init", "-q")
        self.git("config", "user.email", "me@example.org")
        self.git("config", "user.name", "Me")
        (folder / ".pre-commit-config.yaml").write_text(
            f"repos:\n- repo: {source}\n  rev: {revision}\n  hooks:\n  - id: ckptlint\n    args: {args}\n"
        )
        self.git("add", ".pre-commit-config.yaml")

    def git(self, *argv: str) -> str:
        return subprocess.run(
            ["git", *argv], cwd=self.folder, env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def hook(self) -> subprocess.CompletedProcess[str]:
        """What `git commit` would run, on the staged files."""
        command = [sys.executable, "-m", "pre_commit", "run", "--color", "never"]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with the files of this checkout as they are now, and its revision."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", ".pre-commit-hooks.yaml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, folder / name)
    shutil.copytree(CHECKOUT / "ckptlint", folder / "ckptlint", ignore=shutil.ignore_patterns("__pycache__"))
    identity = ("-c", "user.email=me@example.org", "-c", "user.name=Me")

    def run(*argv: str) -> str:
        command = ["git", *identity, *argv]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

    run("init", "-q")
    run("add", ".")
    run("commit", "-q", "-m", "all")
    return folder, run("rev-parse", "HEAD").strip()


@pytest.fixture(scope="module", autouse=True)
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The package index, as far as the hook's environment needs it."""
    pytest.importorskip("pre_commit")
    folder = str(tmp_path_factory.mktemp("index"))
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--retries", "1", "--timeout", "20"]
    done = subprocess.run([*command, "-d", folder, "hatchling"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1:]}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pre-commit-home")


def scratch(tmp_path: Path, source: tuple[Path, str], home: Path, args: str) -> Scratch:
    return Scratch(tmp_path / "repo", *source, home, args)


def test_a_finding_in_a_staged_file_fails_the_commit(tmp_path, source, home):
    repository = scratch(tmp_path, source, home, "[]")
    for name, text in {"a.py": GOOD, "b.py": GOOD, "c.py": BAD, "not_staged.py": BAD}.items():
        (repository.folder / name).write_text(text)
    repository.git("add", "a.py", "b.py", "c.py")
    done = repository.hook()
    assert done.returncode == 1
    assert "c.py:1:8" in done.stdout
    assert "CKPT902" in done.stdout
    assert "not_staged.py" not in done.stdout


def test_clean_staged_files_pass_and_other_files_do_not_start_the_hook(tmp_path, source, home):
    repository = scratch(tmp_path, source, home, "[]")
    (repository.folder / "a.py").write_text(GOOD)
    (repository.folder / "notes.txt").write_text("ckptlint: ignore[CKPT901]")
    repository.git("add", "notes.txt")
    assert "Skipped" in repository.hook().stdout
    repository.git("add", "a.py")
    done = repository.hook()
    assert (done.returncode, "Passed" in done.stdout) == (0, True)


def test_fix_edits_staged_files_only(tmp_path, source, home):
    repository = scratch(tmp_path, source, home, "[--fix]")
    for name in ("a.py", "b.pyi", "c.py", "not_staged.py"):
        (repository.folder / name).write_text(BAD)
    repository.git("add", "a.py", "b.pyi", "c.py")
    done = repository.hook()
    assert done.returncode == 1  # pre-commit fails a hook that changes files
    assert {(repository.folder / name).read_text() for name in ("a.py", "b.pyi", "c.py")} == {GOOD}
    assert (repository.folder / "not_staged.py").read_text() == BAD
    repository.git("add", "a.py", "b.pyi", "c.py")
    assert repository.hook().returncode == 0


def test_an_excluded_file_is_left_out_although_it_is_named(tmp_path, source, home):
    repository = scratch(tmp_path, source, home, "[]")
    (repository.folder / "pyproject.toml").write_text('[tool.ckptlint]\nextend-exclude = ["gen"]\n')
    (repository.folder / "gen").mkdir()
    (repository.folder / "gen/a.py").write_text(BAD)
    repository.git("add", ".")
    assert repository.hook().returncode == 0


TRAIN = """
import torch
from net import Net

model = torch.nn.DataParallel(Net())
torch.save(model.state_dict(), "net.pth")
"""
TEST = """
import torch
from net import Net

model = Net()
model.load_state_dict(torch.load("net.pth", map_location="cpu"))
"""
NET = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 3, 3)
"""


def test_the_whole_project_is_known_although_three_files_are_staged(tmp_path, source, home):
    repository = scratch(tmp_path, source, home, "[--fix, --unsafe-fixes]")
    files = {"train.py": TRAIN, "net.py": NET, "test.py": TEST, "other.py": GOOD, "third.py": GOOD}
    for name, text in files.items():
        (repository.folder / name).write_text(text)
    repository.git("add", "train.py", "net.py")
    repository.git("commit", "-q", "-m", "before", "--no-verify")
    repository.git("add", "test.py", "other.py", "third.py")
    done = repository.hook()
    assert done.returncode == 1
    assert "CKPT301" in done.stdout, done.stdout  # it reads what train.py, which is not staged, writes
    assert 'Unexpected key(s) in state_dict: "module.conv1.weight"' in done.stdout
    assert (repository.folder / "train.py").read_text() == TRAIN

"""Which files a run is about: roots, excludes, .gitignore (git itself is the oracle), odd file systems."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptlint.config import Configs
from ckptlint.discovery import SUFFIXES, Exclusion, discover, find_root, real_path
from ckptlint.failure import Failure
from ckptlint.gitignore import GitIgnore


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root: Path, *paths: Path, says: list[str] | None = None, **exclusion) -> tuple[set[str], set[str]]:
    exclusion.setdefault("directory", str(root))
    talk: list[str] = [] if says is None else says
    project = discover(
        [real_path(str(path)) for path in paths or (root,)], str(root), Exclusion(**exclusion), Configs(), talk.append
    )
    return set(project.index), set(project.report)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


class TestRoot:
    def test_the_nearest_folder_with_a_git(self, root):
        make(root, "pyproject.toml", "repo/.git/HEAD", "repo/src/pyproject.toml", "repo/src/a.py")
        assert find_root(str(root / "repo/src/a.py")) == str(root / "repo")

    def test_a_git_file_of_a_worktree_counts(self, root):
        make(root, "repo/.git", "repo/a.py")
        assert find_root(str(root / "repo/a.py")) == str(root / "repo")

    def test_else_the_topmost_with_a_configuration(self, root):
        make(root, "a/ckptlint.toml", "a/b/pyproject.toml", "a/b/c/x.py")
        assert find_root(str(root / "a/b/c/x.py")) == str(root / "a")

    def test_else_the_folder_given_or_the_parent_of_the_file(self, root):
        make(root, "a/b/x.py")
        assert find_root(str(root / "a")) == str(root / "a")
        assert find_root(str(root / "a/b/x.py")) == str(root / "a/b")

    def test_root_true_stops_the_search(self, root):
        make(root, ".git/HEAD", "fixtures/seed/x.py")
        (root / "fixtures/seed/ckptlint.toml").write_text("root = true\n")
        assert find_root(str(root / "fixtures/seed/x.py")) == str(root / "fixtures/seed")
        (root / "fixtures/seed/ckptlint.toml").write_text("root = false\n")
        assert find_root(str(root / "fixtures/seed/x.py")) == str(root)


class TestSets:
    def test_the_index_is_the_project_and_the_report_what_was_asked_for(self, root):
        make(root, "a.py", "b/c.py", "b/d.pyi", "b/e.txt", "bc/x.py")
        assert found(root, root / "b") == ({"a.py", "b/c.py", "b/d.pyi", "bc/x.py"}, {"b/c.py", "b/d.pyi"})
        assert found(root, root / "a.py")[1] == {"a.py"}

    def test_a_file_named_by_hand_counts_whatever_its_name(self, root):
        make(root, "a.py", "train")
        assert found(root, root / "train") == ({"a.py", "train"}, {"train"})

    def test_usual_excludes(self, root):
        make(root, "a.py", "venv/b.py", ".venv/c.py", "x/node_modules/d.py", "dist/e.py", "__pycache__/f.py")
        assert found(root)[0] == {"a.py", "__pycache__/f.py"}

    def test_what_is_excluded_is_checked_when_named_unless_forced(self, root):
        make(root, "a.py", "venv/b.py")
        assert found(root, root / "venv/b.py")[1] == {"venv/b.py"}
        assert found(root, root / "venv")[1] == {"venv/b.py"}
        assert found(root, root / "venv/b.py", force_exclude=True)[1] == set()
        assert found(root, root / "venv", force_exclude=True)[1] == set()

    @pytest.mark.parametrize(
        ("glob", "left"),
        [
            ("gen", {"a.py", "src/b.py", "src/b_pb2.py"}),
            ("gen/", {"a.py", "src/b.py", "src/b_pb2.py"}),
            ("src/gen", {"a.py", "src/b.py", "src/b_pb2.py", "gen/d.py"}),
            ("*_pb2.py", {"a.py", "src/b.py", "src/gen/c.py", "gen/d.py"}),
            ("src/*.py", {"a.py", "gen/d.py"}),
            ("**/gen/*.py", {"a.py", "src/b.py", "src/b_pb2.py"}),
            ("{a,d}.py", {"src/b.py", "src/b_pb2.py", "src/gen/c.py"}),
            ("[a-d].py", {"src/b_pb2.py"}),
            ("a.pyx", {"a.py", "src/b.py", "src/b_pb2.py", "src/gen/c.py", "gen/d.py"}),
        ],
    )
    def test_globs(self, root, glob, left):
        make(root, "a.py", "src/b.py", "src/b_pb2.py", "src/gen/c.py", "gen/d.py")
        assert found(root, extend_exclude=(glob,))[0] == left
        assert found(root, exclude=(glob,))[0] == left

    def test_a_configuration_below_holds_for_its_folder(self, root):
        make(root, "old/a.py", "new/old/b.py", "new/c.py")
        (root / "new/pyproject.toml").write_text('[tool.ckptlint]\nextend-exclude = ["old"]\n')
        assert found(root)[0] == {"old/a.py", "new/c.py"}

    def test_a_broken_pyproject_of_others_below_is_said_and_passed(self, root):
        make(root, "a.py", "template/b.py")
        (root / "template/pyproject.toml").write_text("[project]\nname = {{ name }}\n")
        said = []
        assert found(root, says=said)[0] == {"a.py", "template/b.py"}
        [line] = said
        assert "template/pyproject.toml:2: broken TOML" in line

    def test_a_broken_configuration_of_ours_below_stops_the_run(self, root):
        make(root, "a.py", "new/b.py")
        (root / "new/pyproject.toml").write_text("[tool.ckptlint]\nselect = ]\n")
        with pytest.raises(Failure, match=r"new/pyproject.toml:2: broken TOML"):
            found(root)


IGNORE_FILES = [
    "*.py\n!keep.py\n",
    "build/\n",
    "/a.py\n",
    "src/a.py\n",
    "src/**/deep.py\n",
    "**/deep.py\n",
    "src/**\n!src/keep.py\n",
    "src/*\n!src/sub/\n",
    "/src/\n!src/keep.py\n",
    "# a.py\n\\#b.py\n",
    "a.py   \n",
    "[ab].py\n",
    "[!a].py\n",
    "?.py\n",
    "s*c/a.py\n",
    "*.so\n.env\n__pycache__/\n*.py[cod]\n",
    "*\n!*/\n!a.py\n",
    "sub\n",
    "sub/\n!sub\n",
    "\\!x.py\nk{ee,x}p.py\n",
    "*.p\\y\n[z-a].py\na.py\n",
]
TREE = ["a.py", "b.py", "keep.py", "build/a.py", "src/a.py", "src/keep.py", "src/sub/deep.py", "src/sub/x/deep.py"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.path.realpath(tmp_path_factory.mktemp("repository")))
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    make(folder, *TREE, "deep/build/a.py", "sub/a.py", "#b.py", "!x.py")
    return folder


def visible_to_git(folder: Path) -> set[str]:
    command = ["git", "-c", "core.excludesFile=", "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    return {name for name in listed.split("\0") if name.endswith(SUFFIXES)}


@pytest.mark.parametrize("text", IGNORE_FILES)
def test_git_agrees_on_what_is_ignored(repository, text):
    (repository / ".gitignore").write_text(text)
    assert found(repository)[0] == visible_to_git(repository)


@settings(max_examples=25, deadline=None)
@given(
    top=st.lists(st.sampled_from(["*.py", "!a.py", "src/", "!src/", "sub", "/b.py", "deep.py", "!**/x/"]), max_size=4),
    below=st.lists(st.sampled_from(["*.py", "!keep.py", "!a.py", "/sub", "deep.py", "!deep.py"]), max_size=3),
)
def test_git_agrees_on_nested_files(repository, top, below):
    (repository / ".gitignore").write_text("\n".join(top))
    (repository / "src/.gitignore").write_text("\n".join(below))
    try:
        assert found(repository)[0] == visible_to_git(repository)
    finally:
        (repository / "src/.gitignore").unlink()


def test_the_exclude_file_of_the_repository_counts_and_the_flag_turns_all_off(repository):
    (repository / ".gitignore").write_text("a.py\n")
    (repository / ".git/info").mkdir(exist_ok=True)
    (repository / ".git/info/exclude").write_text("keep.py\n")
    try:
        assert found(repository)[0] == visible_to_git(repository)
        assert {"a.py", "keep.py"} <= found(repository, respect_gitignore=False)[0]
    finally:
        (repository / ".git/info/exclude").unlink()


def test_outside_of_a_repository_gitignore_means_nothing(root):
    make(root, "a.py")
    (root / ".gitignore").write_text("a.py\n")
    assert found(root)[0] == {"a.py"}


def test_a_gitignore_that_cannot_hide_python_files_is_not_asked_about_them():
    assert GitIgnore("*.so\n.env\nbuild/\n*.egg-info/\n", SUFFIXES).says_nothing_of_files
    assert not GitIgnore("*.p*\n", SUFFIXES).says_nothing_of_files


class TestOddFileSystems:
    def test_symlinked_folders_are_not_followed_so_loops_end(self, root):
        make(root, "a/b.py")
        (root / "a/loop").symlink_to(root, target_is_directory=True)
        (root / "a/self.py").symlink_to("self.py")
        assert found(root)[0] == {"a/b.py", "a/self.py"}

    def test_a_path_through_a_symlink_is_the_real_one(self, root, tmp_path):
        make(root, "a.py")
        (tmp_path / "link").symlink_to(root)
        assert real_path(str(tmp_path / "link/a.py")) == str(root / "a.py")

    def test_a_folder_that_cannot_be_read_is_said_and_skipped(self, root, monkeypatch):
        make(root, "a.py", "secret/b.py")
        real = os.scandir

        def scandir(path):
            if str(path).endswith("secret"):
                raise PermissionError(13, "Permission denied", path)
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
        says: list[str] = []
        assert found(root, says=says)[0] == {"a.py"}
        assert says == [f"{root}/secret: folder cannot be read: Permission denied"]

    def test_a_folder_that_vanishes_is_said_and_skipped(self, root, monkeypatch):
        make(root, "a.py", "gone/b.py")
        real = os.scandir

        def scandir(path):
            if str(path).endswith("gone"):
                (root / "gone/b.py").unlink()
                (root / "gone").rmdir()
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
        says: list[str] = []
        assert found(root, says=says)[0] == {"a.py"}
        assert "No such file" in says[0]

    def test_a_folder_named_like_a_file_is_a_folder(self, root):
        make(root, "pkg.py/a.py")
        assert found(root)[0] == {"pkg.py/a.py"}

    def test_names_that_are_no_utf8(self, root):
        try:
            make(root, os.fsdecode(b"caf\xe9.py"))
        except OSError:
            pytest.skip("this file system wants UTF-8")
        assert found(root)[0] == {os.fsdecode(b"caf\xe9.py")}


def test_three_thousand_files_are_found_in_a_moment(root):
    for folder in range(100):
        make(root, *(f"pkg{folder}/module{number}.py" for number in range(30)))
    (root / ".git").mkdir()
    (root / ".gitignore").write_text("*.so\n*.py[cod]\nbuild/\n/docs/_build\n")
    best = min(_timed(lambda: found(root)) for _ in range(5))
    assert best < 0.2  # of the processor; some 15 ms on a quiet machine


def _timed(call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start

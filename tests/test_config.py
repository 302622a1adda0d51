"""[tool.ckptlint] and ckptlint.toml: where they are found, what they may say, and how an error is told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ckptlint.config import Config, Configs, Table, read_config
from ckptlint.failure import Failure


def pyproject(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pyproject.toml"
    path.write_text(text)
    return path


def table(folder: Path, text: str) -> Table:
    config = read_config(str(pyproject(folder, "[tool.ckptlint]\n" + text)))
    assert config is not None
    return config.table


def test_every_key_can_be_said(tmp_path):
    said = table(
        tmp_path,
        """
        select = ["CKPT1", "ALL"]
        extend-select = ["CKPT302"]
        ignore = ["CKPT102"]
        fixable = ["ALL"]
        extend-fixable = ["CKPT2"]
        unfixable = ["CKPT101"]
        exclude = ["old"]
        extend-exclude = ["gen"]
        force-exclude = true
        respect-gitignore = false
        fix = true
        fix-only = false
        unsafe-fixes = true
        show-fixes = true
        output-format = "concise"
        min-severity = "warning"
        preview = true
        target-version = "py310"
        torch-version = "2.6"
        cache-dir = "/tmp/cache"
        [[tool.ckptlint.knowledge.wrapper]]
        names = ["mylib.Wrapped"]
        token = "module"
        argument = "module"
        kind = "always"
        [[tool.ckptlint.checkpoints]]
        path = "runs/best.pth"
        model = "nets:resnet"
        args = { classes = 10 }
        [tool.ckptlint.per-file-ignores]
        "tests/**" = ["CKPT1"]
        """,
    )
    assert said.checkpoints[0].args == {"classes": 10}
    assert said.per_file_ignores == {"tests/**": ("CKPT1",)}
    assert said.knowledge is not None
    assert said.knowledge.wrapper[0].names == ("mylib.Wrapped",)
    assert said.select == ("CKPT1", "ALL")
    unsaid = {field.name for field in msgspec.structs.fields(Table) if getattr(said, field.name) == field.default}
    assert unsaid == {"root"}


def test_ckptlint_toml_has_the_same_keys_at_the_top_and_wins(tmp_path):
    pyproject(tmp_path, '[tool.ckptlint]\nselect = ["CKPT1"]\n')
    (tmp_path / "ckptlint.toml").write_text('root = true\nselect = ["CKPT2"]\n')
    assert Configs().of(str(tmp_path)).table.select == ("CKPT2",)


def test_the_nearest_configuration_holds_and_nothing_is_merged(tmp_path):
    pyproject(tmp_path, '[tool.ckptlint]\nselect = ["CKPT1"]\nfix = true\n')
    pyproject(tmp_path / "a", '[tool.ckptlint]\nselect = ["CKPT2"]\n')
    pyproject(tmp_path / "a/b", "[tool.other]\n")
    (tmp_path / "a/b/c").mkdir()
    near = Configs().of(str(tmp_path / "a/b/c"))
    assert (near.table.select, near.table.fix, near.directory) == (("CKPT2",), None, str(tmp_path / "a"))


def test_the_search_stops_at_the_top_of_the_repository(tmp_path):
    pyproject(tmp_path, '[tool.ckptlint]\nselect = ["CKPT1"]\n')
    (tmp_path / "repo/.git").mkdir(parents=True)
    assert Configs().of(str(tmp_path / "repo")).source == ""


def test_a_fixed_configuration_holds_everywhere(tmp_path):
    pyproject(tmp_path, '[tool.ckptlint]\nselect = ["CKPT1"]\n')
    fixed = Config(directory=str(tmp_path), source="", table=Table())
    assert Configs(fixed).of(str(tmp_path)) is fixed


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('\n\nselct = ["CKPT1"]\n', 4, "unknown key `selct` in [tool.ckptlint]; did you mean `select`?"),
        ("extend_select = []\n", 2, "did you mean `extend-select`?"),
        ("zzz = 1\n", 2, "the keys are select, "),
        ("root = true\n", 2, "unknown key `root`"),
        ('select = "CKPT1"\n', 2, "`select` in [tool.ckptlint]: expected a list, got a string"),
        ("select = [1]\n", 2, "expected a string, got a number"),
        ('fix = "yes"\n', 2, "`fix` in [tool.ckptlint]: expected true or false"),
        ('# select = 1\nmin-severity = "bad"\n', 3, "min-severity"),
        ('output-format = "xml"\n', 2, "output-format"),
        ('target-version = "3.10"\n', 2, "target-version"),
        ('torch-version = "new"\n', 2, 'must look like "2.6"'),
        ('[tool.ckptlint.per-file-ignores]\n"a.py" = "CKPT1"\n', 2, "per-file-ignores"),
        ('[[tool.ckptlint.knowledge.wrapper]]\nnames = "a.B"\n', 2, "`knowledge.wrapper` in [tool.ckptlint]"),
        ('[tool.ckptlint.per-file-ignors]\n"a.py" = ["CKPT1"]\n', 2, "did you mean `per-file-ignores`?"),
    ],
)
def test_an_error_names_the_line_and_the_nearest_right_key(tmp_path, text, line, says):
    with pytest.raises(Failure) as failure:
        table(tmp_path, text)
    assert str(failure.value).startswith(f"{tmp_path}/pyproject.toml:{line}: ")
    assert says in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_key_of_another_table_is_not_taken_for_ours(tmp_path):
    text = "[tool.other]\nselct = 1\n\n[tool.ckptlint]\nselct = 1\n"
    with pytest.raises(Failure, match=r"pyproject.toml:5: unknown key `selct`"):
        read_config(str(pyproject(tmp_path, text)))


def test_a_dotted_key_is_found_too(tmp_path):
    with pytest.raises(Failure, match=r"pyproject.toml:2: unknown key `selct`"):
        read_config(str(pyproject(tmp_path, "# top\ntool.ckptlint.selct = 1\n")))


def test_broken_toml_names_the_line(tmp_path):
    with pytest.raises(Failure, match=r"pyproject.toml:3: broken TOML"):
        read_config(str(pyproject(tmp_path, "[tool.ckptlint]\nfix = true\nselect = ]\n")))


def test_a_broken_pyproject_is_an_error_even_without_a_word_for_us_as_for_ruff(tmp_path):
    with pytest.raises(Failure, match=r"pyproject.toml:1: broken TOML"):
        read_config(str(pyproject(tmp_path, "[tool.other\n")))


@pytest.mark.parametrize("data", [b"\xff\xfe", b'[tool.ckptlint]\nselect = ["\xe9"]\n'])
def test_a_configuration_that_is_no_utf8(tmp_path, data):
    (tmp_path / "ckptlint.toml").write_bytes(data)
    with pytest.raises(Failure, match=r"ckptlint.toml: cannot be read: TOML must be UTF-8"):
        read_config(str(tmp_path / "ckptlint.toml"))


def test_tool_ckptlint_that_is_no_table(tmp_path):
    with pytest.raises(Failure, match="must be a table"):
        read_config(str(pyproject(tmp_path, "[tool]\nckptlint = 3\n")))

"""The oldest Python of a project, from its own files."""

from pathlib import Path

import pytest

from ckptlint.python_requirement import oldest


@pytest.mark.parametrize(
    ("name", "text", "python"),
    [
        ("pyproject.toml", '[project]\nrequires-python = ">=3.9"\n', "py39"),
        ("pyproject.toml", '[project]\nrequires-python = "<4, >= 3.10"\n', "py310"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.8"\n', "py38"),
        ("setup.py", "setup(name='x', python_requires='>=3.6')\n", "py36"),
        ("setup.cfg", "[options]\npython_requires = >=3.7\n", "py37"),
        ("pyproject.toml", '[project]\nname = "x"\n', None),
        ("pyproject.toml", '[project]\nrequires-python = "<4"\n', None),
        ("README.md", "python_requires >=3.6\n", None),
    ],
)
def test_it_is_read_where_packaging_reads_it(tmp_path: Path, name: str, text: str, python: str | None) -> None:
    (tmp_path / name).write_text(text)
    assert oldest(tmp_path) == python

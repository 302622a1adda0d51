"""What a project's own files say about the torch that it is for, as far as the default of `torch.load` goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptlint.analysis.torch_version import is_plain_by_default
from ckptlint.torch_requirement import required


@pytest.mark.parametrize(
    ("file", "text", "plain"),
    [
        ("requirements.txt", "numpy\ntorch==1.13.1\ntorchvision==0.14.1\n", False),
        ("requirements.txt", "torch>=1.7\n", None),
        ("requirements.txt", "torch>=2.6,<3\n", True),
        ("requirements.txt", "torch<2.6\n", False),
        ("requirements.txt", "torch~=2.1.0\n", False),
        ("requirements.txt", "torch\n", None),
        ("requirements.txt", "torchvision==0.14.1\npytorch-lightning==1.9\n", None),
        ("requirements-dev.txt", "torch==2.13.0\n", True),
        ("pyproject.toml", '[project]\ndependencies = ["torch >= 2.7"]\n', True),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntorch = "^1.9"\n', None),
        ("environment.yml", "dependencies:\n  - pytorch=1.12\n", False),
        ("setup.py", 'setup(install_requires=["torch==1.4.0"])\n', False),
    ],
)
def test_a_requirement_settles_the_default_or_does_not(
    tmp_path: Path, file: str, text: str, plain: bool | None
) -> None:
    (tmp_path / file).write_text(text)
    assert is_plain_by_default(required(tmp_path)) is plain


def test_files_that_disagree_settle_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("torch==1.13.1\n")
    (tmp_path / "requirements-new.txt").write_text("torch==2.7.0\n")
    assert required(tmp_path) is None


def test_a_project_without_such_files_is_not_known(tmp_path: Path) -> None:
    assert required(tmp_path) is None

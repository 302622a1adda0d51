"""`verify(file, model, ...)` runs the command and gives its exit code and its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ckptlint.__main__ import main


class Answer(NamedTuple):
    """What the command said."""

    code: int
    found: dict[str, Any]

    def codes(self, severity: str) -> set[str]:
        return {one["code"] for one in self.found["findings"] if one["severity"] == severity}


Verify = Callable[..., Answer]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    def run(file: Path | str, model: str = "Net", *options: str) -> Answer:
        capsys.readouterr()
        code = main(["verify", str(file), "--model", f"tests.runtime.nets:{model}", "--json", *options])
        return Answer(code, json.loads(capsys.readouterr().out))

    return run

"""The JSON is what readers of ruff's JSON expect: the real ruff is asked."""

from __future__ import annotations

import json
import subprocess
import sys

from ckptlint.report.model import render
from tests.report.sample import LOAD, report


def shape(value: object) -> object:
    """The keys of an object, all the way down."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def test_every_field_of_ruff_is_there(tmp_path):
    (tmp_path / "a.py").write_text("import os\n")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--output-format", "json", "a.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    (theirs,) = json.loads(done.stdout)
    (ours,) = json.loads(render("json", report(LOAD)))
    assert shape(theirs["location"]) == shape(ours["location"])
    assert set(theirs) <= set(ours)
    assert set(theirs["fix"]) <= set(ours["fix"])
    assert set(theirs["fix"]["edits"][0]) <= set(ours["fix"]["edits"][0])

"""A rule that is on by default in some projects only is on everywhere once it is named."""

from __future__ import annotations

from pathlib import Path

from ckptlint.analysis.solve import AnalysisSettings, solve
from ckptlint.facts.store import FactStore
from ckptlint.rules.ckpt311 import MissingMapLocation

ONE_PROCESS = Path(__file__).parents[1] / "fixtures" / "CKPT311_missing_map_location"


def test_a_load_in_one_process_is_reported_when_the_rule_is_named() -> None:
    project = solve(FactStore(ONE_PROCESS, ["ok_one_process.py"]), AnalysisSettings())
    assert list(MissingMapLocation().check(project)) == []
    (finding,) = MissingMapLocation(named=True).check(project)
    assert "map_location" in finding.message
    assert finding.fix is not None


def test_a_dataset_is_no_checkpoint_even_then() -> None:
    project = solve(FactStore(ONE_PROCESS, ["ok_dataset.py"]), AnalysisSettings())
    assert list(MissingMapLocation(named=True).check(project)) == []

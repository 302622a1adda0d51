"""SARIF 2.1.0."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from ckptlint.findings import Place, Position, Span
from ckptlint.report.model import Item, render
from tests.report.sample import FILES, LOAD, SAVE, SPREAD, report
from tests.report.sarif_schema import SCHEMA


def log(*findings, **options) -> dict[str, Any]:
    result = json.loads(render("sarif", report(*findings, **options)))
    jsonschema.validate(result, SCHEMA)
    return result


def fingerprints(*findings, **options) -> list[str]:
    (run,) = log(*findings, **options)["runs"]
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]


def test_a_log_is_valid():
    log()
    log(SAVE)
    jsonschema.validate(json.loads(render("sarif", msgspec.structs.replace(report(), items=()))), SCHEMA)


@pytest.mark.parametrize("change", [{"uri": "/abs.py"}, {"uri": "a b.py"}, {"uriBaseId": None}])
def test_the_schema_can_fail(change):
    broken = log()
    broken["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] |= change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


def test_uris_are_relative_to_a_base_and_escaped():
    (run,) = log(SAVE)["runs"]
    artifact = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": "src/train%2C%201.py", "uriBaseId": "SRCROOT"}
    assert run["originalUriBaseIds"] == {"SRCROOT": {"uri": "file:///home/me/my%20project/"}}


def test_each_root_has_a_base_of_its_own():
    two = msgspec.structs.replace(report(), items=(Item("/one", LOAD), Item("/two", LOAD)))
    document = json.loads(render("sarif", two))
    jsonschema.validate(document, SCHEMA)
    (run,) = document["runs"]
    bases = [r["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"] for r in run["results"]]
    assert [run["originalUriBaseIds"][base]["uri"] for base in bases] == ["file:///one/", "file:///two/"]


def test_a_result_points_at_its_rule_and_the_rule_brings_its_manual():
    (run,) = log()["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert all("## What it does" in rule["help"]["markdown"] for rule in rules)


def test_levels():
    (run,) = log(SAVE, LOAD, SPREAD)["runs"]
    assert [result["level"] for result in run["results"]] == ["warning", "error", "note"]


def test_related_locations_and_fixes_over_two_files():
    (run,) = log(SAVE)["runs"]
    (result,) = run["results"]
    assert [(one["id"], one["message"]["text"]) for one in result["relatedLocations"]] == [
        (1, "the model is wrapped here"),
        (2, "this load fails"),
    ]
    changed = [change["artifactLocation"]["uri"] for change in result["fixes"][0]["artifactChanges"]]
    assert changed == ["src/train%2C%201.py", "test.py"]


def down(finding, rows: int):
    moved = Span(*(Position(p.row + rows, p.column) for p in (finding.place.span.start, finding.place.span.end)))
    return msgspec.structs.replace(finding, place=Place(finding.place.path, moved))


def test_a_fingerprint_stays_when_lines_are_added_above_or_the_line_is_indented():
    (before,) = fingerprints(LOAD)
    shifted = {**FILES, "test.py": "# new\n\n" + FILES["test.py"].replace("model", "  model")}
    assert fingerprints(down(LOAD, 2), files=shifted) == [before]


def test_a_fingerprint_changes_with_the_rule_the_file_and_the_line():
    (before,) = fingerprints(LOAD)
    other_rule = msgspec.structs.replace(LOAD, code="TOY101")
    other_file = msgspec.structs.replace(LOAD, place=Place("other.py", LOAD.place.span))
    other_line = {"test.py": FILES["test.py"].replace("path", "name")}
    assert before not in fingerprints(other_rule)
    assert before not in fingerprints(other_file, files={"other.py": FILES["test.py"]})
    assert before not in fingerprints(LOAD, files=other_line)


def test_equal_lines_have_fingerprints_of_their_own():
    twice = {"test.py": FILES["test.py"] + "model.load(torch.load(path))\n"}
    assert len(set(fingerprints(LOAD, down(LOAD, 1), files=twice))) == 2

"""Every format of --output-format but SARIF, which has a file of its own."""

from __future__ import annotations

import json

import msgspec
import pytest

from ckptlint.report.model import FORMATS, Item, render
from tests.report.sample import LOAD, ROOT, SAVE, SPREAD, report


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_found_is_still_a_document(name):
    empty = msgspec.structs.replace(report(), items=())
    text = render(name, empty)
    if name in ("json", "sarif"):
        json.loads(text)
    else:
        assert text == ""


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_vanished_does_not_stop_the_report(name):
    assert "TOY101" in render(name, report(files={}))


def test_concise_is_one_line_a_finding():
    one, *rest = render("concise", report(SPREAD, LOAD)).splitlines()
    assert one == "test.py:1:1: TOY301 this is odd"
    assert rest == ["test.py:3:1: TOY102 this load fails"]
    assert render("concise", report(LOAD, unsafe=True)) == "test.py:3:1: TOY102 [*] this load fails\n"


def test_full_shows_the_places_in_both_files_and_what_to_do():
    short = msgspec.structs.replace(SAVE, message="loading fails")
    assert render("full", report(short)).splitlines() == [
        "TOY101 [*] loading fails",
        " --> src/train, 1.py:2:1",
        "  |",
        "1 | net = DataParallel(Net())",
        "2 | bad(net.state_dict(), path)",
        "  | ^^^",
        "  |",
        "note: the model is wrapped here",
        " --> src/train, 1.py:1:7",
        "  |",
        "1 | net = DataParallel(Net())",
        "  |       ^^^^^^^^^^^^^^^^^^^",
        "2 | bad(net.state_dict(), path)",
        "  |",
        "note: this load fails",
        " --> test.py:3:1",
        "  |",
        "3 | model.load(torch.load(path))",
        "  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  |",
        "help: Save the unwrapped model",
        "",
    ]


def test_full_says_what_an_unsafe_fix_needs_and_why_one_was_refused():
    assert "--unsafe-fixes" in render("full", report(LOAD)).splitlines()[-2]
    refused = msgspec.structs.replace(report(SAVE), items=(Item(ROOT, SAVE, "test.py was not given"),))
    assert (
        render("full", refused).splitlines()[-2]
        == "help: Save the unwrapped model (not applied: test.py was not given)"
    )


def test_paths_elsewhere_are_absolute_for_people():
    elsewhere = msgspec.structs.replace(report(LOAD), directory="/home/other")
    assert render("concise", elsewhere).startswith(f"{ROOT}/test.py:3:1")


def test_json_has_the_fields_of_the_contract():
    save, load, spread = json.loads(render("json", report()))
    assert save == {
        "code": "TOY101",
        "name": "bad-word",
        "message": SAVE.message,
        "severity": "warning",
        "confidence": "high",
        "filename": f"{ROOT}/src/train, 1.py",
        "location": {"row": 2, "column": 1},
        "end_location": {"row": 2, "column": 4},
        "related": [
            {
                "message": "the model is wrapped here",
                "filename": f"{ROOT}/src/train, 1.py",
                "location": {"row": 1, "column": 7},
                "end_location": {"row": 1, "column": 26},
            },
            {
                "message": "this load fails",
                "filename": f"{ROOT}/test.py",
                "location": {"row": 3, "column": 1},
                "end_location": {"row": 3, "column": 29},
            },
        ],
        "fix": {
            "applicability": "safe",
            "message": "Save the unwrapped model",
            "edits": [
                {
                    "filename": f"{ROOT}/src/train, 1.py",
                    "content": "net.module",
                    "location": {"row": 2, "column": 5},
                    "end_location": {"row": 2, "column": 8},
                },
                {
                    "filename": f"{ROOT}/test.py",
                    "content": "\nimport os",
                    "location": {"row": 1, "column": 13},
                    "end_location": {"row": 1, "column": 13},
                },
            ],
        },
        "noqa_row": 2,
        "url": None,
        "cell": None,
    }
    assert (load["severity"], load["confidence"], load["fix"]["applicability"]) == ("error", "medium", "unsafe")
    assert (spread["severity"], spread["confidence"], spread["fix"]) == ("info", "low", None)


def test_json_is_ascii_so_that_it_survives_any_pipe():
    odd = msgspec.structs.replace(
        SPREAD, message="模型 \udce9", place=msgspec.structs.replace(SPREAD.place, path="é.py")
    )
    text = render("json", report(odd))
    assert text.isascii()
    assert json.loads(text)[0]["message"] == "模型 \udce9"


def test_json_lines_are_the_objects_of_json():
    lines = render("json-lines", report()).splitlines()
    assert [json.loads(line) for line in lines] == json.loads(render("json", report()))


def test_github_escapes_what_would_end_a_command():
    save, load, spread = render("github", report()).splitlines()
    properties, _, message = save.removeprefix("::warning ").partition("::")
    assert properties == "title=ckptlint (TOY101),file=src/train%2C 1.py,line=2,col=1,endLine=2,endColumn=4"
    assert message.startswith("src/train, 1.py:2:1: TOY101 loading fails: Unexpected key(s)")
    assert message.endswith('"module.conv1.weight",%0A100 %25 of them')
    assert load.startswith("::error ")
    assert spread.startswith("::notice title=ckptlint (TOY301),file=test.py,line=1,endLine=3::")

"""Which cuts of key prefixes are wrong, one idiom a line: what is reported, and what is left alone."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from ckptlint.analysis.key_edits import KeyEdit, key_edits
from ckptlint.facts.store import FactStore


def cuts(tmp_path: Path, text: str) -> list[KeyEdit]:
    (tmp_path / "load.py").write_text(text, encoding="utf-8")
    return list(key_edits(FactStore(tmp_path, ["load.py"])))


def of_expression(tmp_path: Path, expression: str) -> list[str]:
    text = f"def load(state_dict, prefix, own):\n    return {expression}\n"
    return [cut.kind for cut in cuts(tmp_path, text)]


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ('{k.replace("module.", ""): v for k, v in state_dict.items()}', "replace"),
        ('{k.replace("module.", "", 1): v for k, v in state_dict.items()}', "replace"),
        ('{k.replace("module.", "") if "module." in k else k: v for k, v in state_dict.items()}', "replace"),
        ('{k.replace("encoder.", ""): v for k, v in state_dict.items() if k.startswith("encoder.")}', "replace"),
        ('{re.sub("module.", "", k): v for k, v in state_dict.items()}', "replace"),
        ('{k.replace("vgg", "model"): v for k, v in state_dict.items()}', "rename"),
        ('{k.replace("3", "4"): v for k, v in state_dict.items()}', "rename"),
        ("{k[7:]: v for k, v in state_dict.items()}", "slice"),
        ("{k[7:]: state_dict[k] for k in state_dict}", "slice"),
        ("{k[len(prefix):]: v for k, v in state_dict.items()}", "slice"),
        ("{k[len(prefix) + 1:]: v for k, v in state_dict.items()}", "slice"),
        ("{k[7:]: v for i, (k, v) in enumerate(state_dict.items())}", "slice"),
        ('{k[7:]: v for k, v in state_dict.items() if "module" in k}', "slice"),
        ('{k[7:]: v for k, v in state_dict.items() if not k.startswith("fc")}', "slice"),
        ("dict((k[7:], v) for k, v in state_dict.items())", "slice"),
        ('{".".join(k.split(".")[1:]): v for k, v in state_dict.items()}', "split"),
        ('{k.split(".", 1)[1]: v for k, v in state_dict.items()}', "split"),
        ('{k.partition(".")[2]: v for k, v in state_dict.items()}', "split"),
        ('{k.split("module.")[-1]: v for k, v in state_dict.items()}', "split"),
        ('{k[k.find(".") + 1:]: v for k, v in state_dict.items()}', "split"),
        ('{k.lstrip("module."): v for k, v in state_dict.items()}', "strip"),
        ('{k.strip("module."): v for k, v in state_dict.items() if k.startswith("module.")}', "strip"),
    ],
)
def test_wrong_cuts_are_found(tmp_path: Path, expression: str, kind: str) -> None:
    assert of_expression(tmp_path, expression) == [kind]


@pytest.mark.parametrize(
    "expression",
    [
        '{k.replace("block11", "block12"): v for k, v in state_dict.items() if k.startswith("block11")}',
        '{k.removeprefix("module."): v for k, v in state_dict.items()}',
        '{re.sub(r"^module\\.", "", k): v for k, v in state_dict.items()}',
        '{k.replace("module.", "", 1) if k.startswith("module.") else k: v for k, v in state_dict.items()}',
        '{k.replace("module.encoder_q.", ""): v for k, v in state_dict.items() if k.startswith("module.encoder_q.")}',
        '{k.replace("fc.0.", "fc."): v for k, v in state_dict.items() if k.startswith("fc.0.")}',
        '{k.replace("_orig", ""): v for k, v in state_dict.items()}',
        '{k.replace("-", "_"): v for k, v in state_dict.items()}',
        '{k.replace("gamma", "weight"): v for k, v in state_dict.items()}',
        '{k.replace("attention", "attn").replace("dense", "fc"): v for k, v in state_dict.items()}',
        '{(k[7:] if k.startswith("module.") else k): v for k, v in state_dict.items()}',
        '{k[7:]: v for k, v in state_dict.items() if k[:7] == "module."}',
        '{k[7:]: v for k, v in state_dict.items() if k.split(".")[0] == "module"}',
        '{k[7:]: v for k, v in state_dict.items() if k.find("module.") == 0}',
        '{k[7:]: v for k, v in state_dict.items() if re.match("module", k)}',
        '{k[8:]: v for k, v in state_dict.items() if k.startswith(("encoder.", "decoder."))}',
        "{k[len(prefix):]: v for k, v in state_dict.items() if k.startswith(prefix)}",
        "{k[:7]: v for k, v in state_dict.items()}",
        "{k[1:]: v for k, v in state_dict.items()}",
        '{k.split(".")[-1]: v for k, v in state_dict.items()}',
        '{k.lstrip("."): v for k, v in state_dict.items()}',
        "{k.strip(): v for k, v in state_dict.items()}",
        "[print(k[7:]) for k in state_dict]",
        "{n[7:]: p for n, p in own.named_parameters()}",
        "{line[7:]: 1 for line in own.lines}",
        '{name.replace("train_", ""): v for name, v in own.items()}',
    ],
)
def test_others_are_left_alone(tmp_path: Path, expression: str) -> None:
    assert of_expression(tmp_path, expression) == []


LOOKED_AT_FIRST = """
def load(state_dict):
    new = {{}}
    for k, v in state_dict.items():
{body}
        new[name] = v
    return new
"""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('if not k.startswith("module."):\n    continue\nname = k[7:]', 0),
        ('assert k.startswith("module.")\nname = k[7:]', 0),
        ('while k.startswith("module."):\n    k = k[7:]\nname = k', 0),
        ('name = k\nif k.startswith("module."):\n    name = name[7:]', 0),
        ('head, _, rest = k.partition(".")\nname = rest if head == "module" else k', 0),
        ('if "module" not in k:\n    continue\nname = k[7:]', 1),
        ('if k.startswith("module."):\n    k = k[7:]\nname = k[9:]', 1),
        ('if k.startswith("module."):\n    print(k)\nname = k[7:]', 1),
        ('if k.startswith("module.") or len(k) > 7:\n    k = k[7:]\nname = k', 1),
        ('if k.startswith("module.") and len(k) > 7:\n    k = k[7:]\nname = k', 0),
    ],
)
def test_a_look_holds_where_it_was_taken(tmp_path: Path, body: str, found: int) -> None:
    text = LOOKED_AT_FIRST.format(body=textwrap.indent(body, "        "))
    assert len(cuts(tmp_path, text)) == found


def test_a_look_at_all_keys_ends_with_the_dict(tmp_path: Path) -> None:
    text = """
def load(state_dict):
    if all(k.startswith("module.") for k in state_dict):
        state_dict = {k[7:]: v for k, v in state_dict.items()}
        state_dict = {k[9:]: v for k, v in state_dict.items()}
    return state_dict
"""
    (cut,) = cuts(tmp_path, text)
    assert cut.length == 9


def test_a_constant_of_the_module_is_known(tmp_path: Path) -> None:
    body = 'def load(state_dict):\n    return {k.replace(PREFIX, ""): v for k, v in state_dict.items()}\n'
    text = f'PREFIX = "module."\n\n{body}'
    (cut,) = cuts(tmp_path, text)
    assert cut.token == "module."


def test_the_same_cut_in_a_condition_belongs_to_it(tmp_path: Path) -> None:
    text = "def load(state_dict, own):\n    return {k[7:]: v for k, v in state_dict.items() if k[7:] in own}\n"
    (cut,) = cuts(tmp_path, text)
    assert len(cut.sites) == 2


def test_a_file_that_speaks_of_no_state_is_not_read(tmp_path: Path) -> None:
    text = "def load(rows):\n    return {k[7:]: v for k, v in rows.items()}\n"
    assert cuts(tmp_path, text) == []

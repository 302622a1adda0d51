"""The documentation that is generated is current, and the rules' manuals are whole."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from ckptlint.rules.base import HEADINGS, Registry

HOME = Path(__file__).parent.parent


def generator():
    spec = importlib.util.spec_from_file_location("generate", HOME / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files_are_current():
    module = generator()
    for path, text in module.generated().items():
        assert path.read_text("utf-8") == text, f"{path} is not current: run python docs/generate.py"
    assert module.stale() == []


@pytest.mark.parametrize("rule", Registry.builtin().rules.values(), ids=lambda rule: rule.code)
def test_a_manual_has_a_first_line_and_every_heading_in_order(rule):
    manual = rule.manual()
    assert rule.summary().endswith(".")
    assert tuple(re.findall(r"^## (.+)$", manual, re.MULTILINE)) == HEADINGS
    for part in re.split(r"^## .+$", manual, flags=re.MULTILINE)[1:]:
        assert part.strip(), f"{rule.code} has an empty heading"


@pytest.mark.parametrize("rule", Registry.builtin().rules.values(), ids=lambda rule: rule.code)
def test_a_rule_says_what_it_is(rule):
    assert re.fullmatch(r"CKPT\d{3}", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name)
    assert rule.__module__ == f"ckptlint.rules.{rule.code.lower()}"
    assert rule.fixable in ("safe", "unsafe", "both", "none")


def test_relative_links_of_the_pages_lead_somewhere():
    for page in [HOME / "README.md", HOME / "CONTRIBUTING.md", *(HOME / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"

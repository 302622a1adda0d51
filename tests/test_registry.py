"""Rules are found by being there."""

from __future__ import annotations

import pytest

from ckptlint import rules
from ckptlint.failure import Failure
from ckptlint.rules.base import Registry
from tests.toy import REGISTRY, Bad

RULE = '''
from ckptlint.findings import Severity
from ckptlint.rules.base import Rule


class New(Rule):
    """A new one."""

    code, name, since, severity, fixable = "CKPT999", "new-rule", "9.9.9", Severity.INFO, "none"

    def check(self, project):
        yield from ()
'''


def test_a_new_module_is_a_new_rule(tmp_path, monkeypatch):
    before = Registry.builtin().codes
    (tmp_path / "ckpt999.py").write_text(RULE)
    (tmp_path / "notes.py").write_text("raise SystemError('not a rule')")
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    assert Registry.builtin().codes == (*before, "CKPT999")


def test_codes_are_sorted_and_one_of_a_kind():
    assert list(REGISTRY.codes) == sorted(REGISTRY.codes)
    with pytest.raises(ValueError, match="share a code"):
        Registry([Bad, Bad])


def test_an_unknown_code_names_the_nearest():
    with pytest.raises(Failure, match="did you mean TOY101"):
        REGISTRY["TOY111"]

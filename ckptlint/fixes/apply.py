"""Apply fixes: `plan` chooses the ones that can go in together and makes the new texts, `write` puts them on the disk.

    chosen = plan(findings, read=text_of, allowed=frozenset({Applicability.SAFE}), writable=report_set.__contains__)
    report = write(chosen, root, original)

`chosen.waiting` are fixes that touch the same characters as an applied one: analyse the new texts and ask again, until
nothing is applied any more.
"""

from __future__ import annotations

from ckptlint.fixes.plan import Plan, plan
from ckptlint.fixes.write import WriteReport, write

__all__ = ["Plan", "WriteReport", "plan", "write"]

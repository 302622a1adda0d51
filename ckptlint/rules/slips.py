"""What CKPT104, CKPT309 and CKPT310 have in common: slips in calls that the run has noted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.events import SlipEvent
from ckptlint.analysis.values import Site

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


def of_kind(project: Project, kind: str) -> Iterator[SlipEvent]:
    """The slips of one kind, each place and argument once."""
    seen: set[tuple[Site, str]] = set()
    for slip in project.events.slips:
        about = (slip.site, slip.what if kind == "argument" else "")
        if slip.kind == kind and about not in seen:
            seen.add(about)
            yield slip

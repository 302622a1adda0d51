"""CKPT106."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.events import ModuleAccessEvent
from ckptlint.analysis.values import Site
from ckptlint.analysis.words import condition
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.fixes.mending import access
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class UnconditionalModuleAttribute(Rule):
    """`.module` is read from a model that is not always wrapped.

    ## What it does
    Reports `model.module` (or `model._orig_mod`) where the model is wrapped under some condition only, and the access
    is not under the same condition; or where nothing wraps it at all.

    ## Why is this bad
    Only wrappers have the attribute. On one GPU, or without a launcher, the model is bare and the script stops, often
    at the first save: `AttributeError: 'Net' object has no attribute 'module'`.

    ## Example
    ```python
    if torch.cuda.device_count() > 1:
        model = nn.DataParallel(model)
    ...
    torch.save(model.module.state_dict(), "model.pth")
    ```

    ## Use instead
    ```python
    bare = model.module if isinstance(model, nn.DataParallel) else model
    torch.save(bare.state_dict(), "model.pth")
    ```

    ## Fix safety
    The fix puts the test around the access. It is safe: a wrapped model gives what it gave before.

    ## References
    - [torch.nn.DataParallel](https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html)
    """

    code = "CKPT106"
    name = "unconditional-module-attribute"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "safe"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding an access."""
        by_site: dict[Site, list[ModuleAccessEvent]] = {}
        for event in project.events.accesses:
            by_site.setdefault(event.site, []).append(event)
        for site, events in by_site.items():
            if any(event.handled or event.unknown for event in events):
                continue
            absent = [guard for event in events for guard in event.absent]
            present = [guard for event in events for guard in event.present]
            if absent and (present or all(event.bare for event in events)):
                yield self._finding(project, site, events)

    def _finding(self, project: Project, site: Site, events: list[ModuleAccessEvent]) -> Finding:
        absent = [guard | event.guard for event in events for guard in event.absent]
        present = [guard | event.guard for event in events for guard in event.present]
        when = condition(absent, present) if present else ""
        start = "the model is not always wrapped" if present else "nothing wraps the model"
        where = f"when {when}, this" if when else ("where it is bare, this" if present else "this")
        attribute = events[0].attribute
        place = project.place(site)
        chains = {chain for event in events for chain in event.chains}
        wraps = {mark.site for chain in chains for mark in chain if mark.token == attribute and mark.site is not None}
        return Finding(
            code=self.code,
            name=self.name,
            message=(f"{start}: {where} stops with AttributeError: object has no attribute '{attribute}'"),
            severity=self.severity,
            confidence=Confidence.HIGH,
            place=place,
            statement=project.statement(site),
            related=tuple(sorted(Related(project.place(wrap), "it is wrapped only here") for wrap in wraps)),
            fix=access.fix(project, site, attribute, chains),
        )

"""CKPT108."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptlint.analysis.writers import lonely_collectives
from ckptlint.findings import Confidence, Finding, Related, Severity
from ckptlint.rules.base import Rule

if TYPE_CHECKING:
    from ckptlint.analysis.solve import Project


class CollectiveInRankBranch(Rule):
    """One process asks for a state dict that all processes have to gather together: it waits for ever.

    ## What it does
    Reports calls that need every process, where a condition lets one process through: `state_dict()` of a
    FullyShardedDataParallel module, `get_model_state_dict` of sharded models, `torch.distributed.checkpoint.save`,
    `save_checkpoint` of a DeepSpeed engine or of Lightning's Trainer, `Fabric.save`, `consolidate_state_dict`.

    ## Why is this bad
    These calls exchange tensors between the processes. The others are never in the branch, so the first one waits until
    the watchdog ends the run half an hour later: `Watchdog caught collective operation timeout`.

    ## Example
    ```python
    if rank == 0:
        torch.save(fsdp_model.state_dict(), path)
    ```

    ## Use instead
    ```python
    state_dict = fsdp_model.state_dict()
    if rank == 0:
        torch.save(state_dict, path)
    ```

    ## Fix safety
    There is no fix: what else stands in the branch has to be looked at.

    ## References
    - [FSDP state_dict](https://docs.pytorch.org/docs/stable/fsdp.html#torch.distributed.fsdp.FullyShardedDataParallel.state_dict_type)
    - [DeepSpeed checkpoints](https://www.deepspeed.ai/getting-started/#model-checkpointing)
    """

    code = "CKPT108"
    name = "collective-in-rank-branch"
    since = "0.1.0"
    severity = Severity.ERROR
    fixable = "none"

    def check(self, project: Project) -> Iterator[Finding]:
        """One finding a call."""
        for call in lonely_collectives(project):
            yield Finding(
                code=self.code,
                name=self.name,
                message=(
                    f"`{call.name}` waits for all processes, and this condition lets "
                    f"{'one of each machine' if call.by_machine else 'one'} through: it hangs until the watchdog ends "
                    "the run (Watchdog caught collective operation timeout). Call it in every process, and write the "
                    "file in one"
                ),
                severity=self.severity,
                confidence=Confidence.HIGH,
                place=project.place(call.site),
                statement=project.statement(call.site),
                related=tuple(Related(project.place(test.site), "under this condition") for test in call.tests[:1]),
            )

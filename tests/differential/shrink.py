"""Making a failing project small: simpler choices take the place of others while it goes on failing in the same way.

    layout=package wrap=compile when=gpus holder=loop payload=tuple saver=partial ...      (fails)
    wrap=compile saver=partial                                                             (still fails: the answer)

Greedy, and it ends: every step lowers `Spec.weight`.
"""

from __future__ import annotations

from collections.abc import Callable

from .spec import Spec


def shrink(spec: Spec, fails: Callable[[Spec], bool]) -> Spec:
    """The simplest spec reached from `spec`, which must fail, over specs that fail."""
    while True:
        simpler = next((one for one in spec.simpler() if fails(one)), None)
        if simpler is None:
            return spec
        spec = simpler

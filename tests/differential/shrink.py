"""Making a failing project small: simpler choices take the place of others while it goes on failing in the same way.

    layout=package wrap=compile when=gpus holder=loop payload=tuple saver=partial ...      (fails)
    wrap=compile saver=partial                                                             (still fails: the answer)

Greedy: dimension by dimension, the simplest alternative first, round after round until a round changes nothing. It ends
because every step lowers `Spec.weight`.
"""

from __future__ import annotations

from collections.abc import Callable

from .spec import DIMENSIONS, Spec


def shrink(spec: Spec, fails: Callable[[Spec], bool]) -> Spec:
    """The simplest spec reached from `spec`, which must fail, over specs that fail."""
    tried = {spec}
    while True:
        before = spec
        for dimension, options in DIMENSIONS.items():
            for alternative in options[: options.index(spec[dimension])]:
                simpler = spec.replaced(dimension, alternative)
                if simpler.weight >= spec.weight or simpler in tried:
                    continue
                tried.add(simpler)
                if fails(simpler):
                    spec = simpler
                    break
        if spec == before:
            return spec

"""The learning rate over the steps of a training: a pure function of where it is.

Knows nothing about networks or optimisers; there is no state to keep, so a resumed training goes on exactly.
"""

import math
from typing import Literal

__all__ = ["Schedule", "lr_factor"]

Schedule = Literal["cosine", "one-cycle", "constant"]
_RISE = 0.3  # one-cycle: share of the steps that rise, and what it starts and ends with
_FIRST = 1 / 25
_LAST = 1 / 25e4


def lr_factor(schedule: Schedule, step: int, total: int, warm_up: int) -> float:
    """What the learning rate is multiplied with at a step, 0 to 1.

    - `constant`: 1.
    - `cosine`: half a cosine from 1 towards 0 (Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts).
    - `one-cycle`: a cosine up to 1 over three tenths, then down (Smith and Topin, "Super-Convergence", 2018, with the
      values of PyTorch's OneCycleLR); it warms up by itself.

    The first two rise in a straight line over the first `warm_up` steps.

    Args:
        schedule: which.
        step: 0 to `total` - 1.
        total: steps of the whole training.
        warm_up: steps of the rise.
    """
    if schedule == "one-cycle":
        return _one_cycle(step, total)
    warm_up = min(warm_up, total - 1)
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, total - warm_up)))


def _one_cycle(step: int, total: int) -> float:
    """Up from 1/25 and down to 1/250,000."""
    top = _RISE * total - 1
    if step <= top:
        return _between(_FIRST, 1.0, step / top)
    return _between(1.0, _LAST, (step - top) / (total - 1 - top)) if total > 1 else 1.0


def _between(first: float, last: float, share: float) -> float:
    """From one value to another along half a cosine."""
    return last + (first - last) / 2 * (1 + math.cos(math.pi * share))

"""How long an answer takes on this machine, by a clock that is handed in.

Knows nothing about models: what is timed is a function without arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["MIN_CALLS", "Latency", "measure_latency"]

MIN_CALLS = 20
_WARM_UP = 3  # the first calls load, allocate and compile


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one answer.

    Attributes:
        p50_ms: half of the calls were faster.
        p95_ms: 95 % of the calls were faster.
        calls: how many were timed.
    """

    p50_ms: float
    p95_ms: float
    calls: int


def measure_latency(
    answer: Callable[[], object], *, clock: Callable[[], float], repeats: int = 200, enough_s: float = 2.0
) -> Latency:
    """How long a call takes, one after another, after a few that do not count.

    Args:
        answer: what is timed.
        clock: seconds from any fixed moment, such as `time.perf_counter`.
        repeats: at most so many calls, and at least `MIN_CALLS`.
        enough_s: once `MIN_CALLS` are timed, none begins after so many seconds.
    """
    for _ in range(_WARM_UP):
        answer()
    times_s: list[float] = []
    begun = clock()
    while len(times_s) < MIN_CALLS or (len(times_s) < repeats and clock() - begun < enough_s):
        before = clock()
        answer()
        times_s.append(clock() - before)
    middle, late = np.percentile(np.array(times_s) * 1000, [50, 95])
    return Latency(float(middle), float(late), len(times_s))

"""Timing by a clock that goes only when told to."""

import pytest

from fieldguide.stages.compare.latency import MIN_CALLS, measure_latency


class FakeClock:
    """A clock, and work that takes the next of some seconds, the last for ever."""

    def __init__(self, *takes_s: float) -> None:
        self.now_s = 100.0
        self.takes_s = list(takes_s)
        self.calls = 0

    def read(self) -> float:
        return self.now_s

    def work(self) -> None:
        self.calls += 1
        self.now_s += self.takes_s.pop(0) if len(self.takes_s) > 1 else self.takes_s[0]


def test_the_first_calls_do_not_count() -> None:
    clock = FakeClock(9.0, 9.0, 9.0, 0.001)
    found = measure_latency(clock.work, clock=clock.read)
    assert (found.p50_ms, found.p95_ms) == pytest.approx((1.0, 1.0))
    assert found.calls == 200 and clock.calls == 203


def test_slow_work_is_timed_often_enough_and_no_oftener() -> None:
    clock = FakeClock(0.5)
    assert measure_latency(clock.work, clock=clock.read).calls == MIN_CALLS
    clock = FakeClock(0.04)
    assert measure_latency(clock.work, clock=clock.read).calls == 50
    clock = FakeClock(0.001)
    assert measure_latency(clock.work, clock=clock.read, repeats=5).calls == MIN_CALLS


def test_the_middle_and_the_late_ones() -> None:
    """A hundred calls: 94 of 2 ms, 6 of 50 ms."""
    clock = FakeClock(*[1.0] * 3, *([0.002] * 15 + [0.05]) * 6, 0.002)
    found = measure_latency(clock.work, clock=clock.read, repeats=100)
    assert found.calls == 100
    assert found.p50_ms == pytest.approx(2.0)
    assert found.p95_ms == pytest.approx(50.0)

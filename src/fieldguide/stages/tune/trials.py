"""Runs trials one after the other until there are enough, the time is up or somebody stops it.

Knows nothing about learners or where trials are kept. Several processes may run this on one study at once; none holds
the project's lock.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fieldguide.errors import (
    DiskFull,
    FieldguideError,
    InputUnusable,
    MissingExtra,
    NoPermission,
    NotReady,
    ProjectBusy,
    ProjectDamaged,
    ProjectMissing,
    ProjectTooNew,
)
from fieldguide.progress import Progress
from fieldguide.stages.tune.rows import TrialRow, best_row
from fieldguide.stages.tune.space import Value
from fieldguide.stages.tune.study import Study, Turn

__all__ = ["FATAL", "Ended", "Limits", "Objective", "Pruned", "TimeUp", "TrialCall", "run_trials"]

# what would meet every trial alike: the search stops, and the trial waits until it is mended
FATAL = (
    DiskFull, MissingExtra, NoPermission, NotReady, ProjectBusy, ProjectDamaged, ProjectMissing, ProjectTooNew
)  # fmt: skip
_HOPELESS = 10


class Pruned(Exception):
    """The trial is not worth its time; raised by `TrialCall.report` and meant to pass through the objective."""


class TimeUp(Exception):
    """The search has no time left; raised by `TrialCall.report` and meant to pass through the objective."""


@dataclass(frozen=True)
class Limits:
    """When a search ends.

    Attributes:
        trials: in all, those of earlier calls too.
        minutes: of this call; 0 for no limit. A trial on its way ends at its next step, and goes on next time.
        clock: seconds.
    """

    trials: int
    minutes: float = 0.0
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Ended:
    """How a call of `run_trials` ended: why, after how many seconds and trials of its own."""

    why: Literal["all trials", "time is up", "nothing new to try"]
    seconds: float
    trials: int


class TrialCall:
    """What an objective is given.

    Attributes:
        params: settings below [train], by name.
        number: of the trial, from 0.
        folder: its own, for checkpoints; not there until somebody makes it, and gone once the trial has ended.
        resumed: whether an earlier process began it.
    """

    def __init__(self, turn: Turn, tick: Callable[[], bool]) -> None:
        """A call at a turn; `tick` counts the time and says whether it is up."""
        self.params: Mapping[str, Value] = dict(turn.params)
        self.number: int = turn.number
        self.folder: Path = turn.folder
        self.resumed: bool = turn.resumed
        self._turn, self._tick = turn, tick

    def report(self, step: int, value: float) -> None:
        """Nothing; the value after this step, from 1, is kept. An epoch is a step.

        An objective that goes on from a checkpoint reports the steps before it again: those that are known change
        nothing, and one that a kill came in between is not lost.

        Raises:
            Pruned: the trial is to end here.
            TimeUp: the search is to end here.
            InputUnusable: the value is no number.
        """
        if not math.isfinite(value):
            raise InputUnusable(f"the value after step {step} is {value}", "lower the learning rate")
        up = self._tick()
        if self._turn.report(step, float(value)):
            raise Pruned
        if up:
            raise TimeUp

    def note(self, name: str, value: Any) -> None:
        """Nothing; the trial's row says this too, such as an interval; JSON."""
        self._turn.note(name, value)


Objective = Callable[[TrialCall], float]


def run_trials(objective: Objective, study: Study, limits: Limits, progress: Progress) -> Ended:
    """How the search ended; what came of the trials is in the study.

    A kill or Ctrl-C leaves everything as it is: the trial that was on its way goes on when this is called again.

    Args:
        objective: runs one trial; its value, higher is better. A `FieldguideError` that is not of `FATAL` is the end
            of that trial only, with its reason kept.
        study: where trials are kept.
        limits: when to end.
        progress: told of each trial as it ends.

    Raises:
        FieldguideError: one of `FATAL`, by the objective or the storage.
        NotReady: the first ten trials of this call have all failed, and no trial before had a value.
    """
    begun = limits.clock()
    progress.start("trials", limits.trials)
    rows = study.rows()
    progress.advance(sum(row.state != "running" for row in rows))
    best, done, failed = best_row(rows), 0, 0
    while not limits.minutes or limits.clock() - begun < 60 * limits.minutes:
        turn = study.begin(limits.trials)
        if not isinstance(turn, Turn):
            why: Any = "all trials" if turn == "enough" else "nothing new to try"
            return Ended(why, limits.clock() - begun, done)
        if not _run_one(objective, turn, limits, begun):
            break
        done += 1
        row = study.row(turn.number)
        failed += row.state == "failed"
        progress.advance()
        _tell(progress, row, best)
        best = best_row([one for one in (best, row) if one])
        if failed == done == _HOPELESS and best is None:
            raise NotReady(f"the first {_HOPELESS} trials all failed, the last so: {row.reason}", "mend that first")
    return Ended("time is up", limits.clock() - begun, done)


def _run_one(objective: Objective, turn: Turn, limits: Limits, begun: float) -> bool:
    """Whether the trial has ended; it has not where the time was up first."""
    last = limits.clock()

    def tick() -> bool:
        nonlocal last
        now = limits.clock()
        turn.seconds, last = turn.seconds + now - last, now
        return bool(limits.minutes) and now - begun >= 60 * limits.minutes

    try:
        if turn.is_hopeless():  # a kill came between the last step and its end
            raise Pruned
        value = float(objective(TrialCall(turn, tick)))
        tick()
        if math.isfinite(value):
            turn.tell("complete", value)
        else:
            turn.tell("failed", reason=f"its value is {value}")
    except Pruned:
        tick()
        turn.tell("pruned")
    except TimeUp:
        return False
    except FATAL:
        raise
    except FieldguideError as error:
        tick()
        turn.tell("failed", reason=f"{error.message}: {error.hint}")
    finally:
        tick()
        turn.put_down()
    return True


def _tell(progress: Progress, row: TrialRow, best: TrialRow | None) -> None:
    """Nothing; the person hears of a trial that failed, and of one that is better than all before."""
    said = ", ".join(f"{name} {_short(value)}" for name, value in row.params.items())
    if row.state == "failed":
        progress.say(f"trial {row.number} failed ({said}): {row.reason}")
    elif row.state == "complete" and row.value is not None and (best is None or row.value > (best.value or -math.inf)):
        progress.say(f"trial {row.number}: {row.value:.4f}, the best so far ({said})")


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

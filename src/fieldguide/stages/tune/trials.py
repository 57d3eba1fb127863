"""Runs trials one after the other until there are enough, the time is up or somebody stops it.

Knows nothing about learners or where trials are kept. Several processes may run this on one study at once; none holds
the project's lock.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from fieldguide.errors import (
    DiskFailed,
    DiskFull,
    FieldguideError,
    MissingExtra,
    NoPermission,
    NotReady,
    ProjectBusy,
    ProjectDamaged,
    ProjectMissing,
    ProjectTooNew,
)
from fieldguide.optional import require
from fieldguide.progress import Progress
from fieldguide.stages.tune.space import Value, format_value
from fieldguide.stages.tune.study import RunningTrial, Study, TimeUp, TrialRow, best_row

# what would meet every trial alike: the search stops, and the trial waits until it is mended
_FATAL = (
    DiskFailed, DiskFull, MissingExtra, NoPermission, NotReady, ProjectBusy, ProjectDamaged, ProjectMissing,
    ProjectTooNew,
)  # fmt: skip
_MAX_FAILURES = 10

Objective = Callable[[RunningTrial], float]
Ending = Literal["all trials", "time is up", "nothing new to try"]


@dataclass(frozen=True)
class Limits:
    """When a search ends.

    Attributes:
        trials: in all, those of earlier calls too.
        minutes: of this call; 0 for no limit. A running trial stops at its next step, and goes on next time.
        clock: seconds.
    """

    trials: int
    minutes: float = 0.0
    clock: Callable[[], float] = time.monotonic


def run_trials(objective: Objective, study: Study, limits: Limits, progress: Progress) -> Ending:
    """Run trials, whose results are in the study, and return why it ended.

    A kill or Ctrl-C leaves everything as it is: the running trial goes on when this is called again.

    Args:
        objective: runs one trial; its value, higher is better. A `FieldguideError` ends that trial only, with its
            reason kept, unless it would meet every trial alike.
        study: where trials are kept.
        limits: when to end.
        progress: told of each trial as it ends.
    """
    deadline = limits.clock() + 60 * limits.minutes if limits.minutes else math.inf
    progress.start("trials", limits.trials)
    rows = study.rows()
    progress.advance(sum(row.state != "running" for row in rows))
    best, done, failed = best_row(rows), 0, 0
    while limits.clock() < deadline:
        trial = study.begin(limits.trials, limits.clock, deadline)
        if not isinstance(trial, RunningTrial):
            return trial
        if not _run_trial(objective, trial):
            break
        row = study.rows()[trial.number]
        done, failed = done + 1, failed + (row.state == "failed")
        progress.advance()
        _tell(progress, row, best)
        best = best_row([known for known in (best, row) if known])
        if failed == done == _MAX_FAILURES and best is None:
            hint = "correct that, then run the same command again"
            raise NotReady(f"the first {_MAX_FAILURES} trials all failed, the last so: {row.reason}", hint)
    return "time is up"


def _run_trial(objective: Objective, trial: RunningTrial) -> bool:
    """Run a trial, and return whether it has ended; it has not where the time was up first."""
    pruned = require("optuna", extra="train").TrialPruned
    try:
        if trial.should_prune():  # a kill came between the last step and its end
            raise pruned
        value = float(objective(trial))
        if math.isfinite(value):
            trial.end("complete", value)
        else:
            trial.end("failed", reason=f"its value is {value}")
    except pruned:
        trial.end("pruned")
    except TimeUp:
        return False
    except _FATAL:
        raise
    except FieldguideError as error:
        trial.end("failed", reason=f"{error.message}: {error.hint}")
    finally:
        trial.release()
    return True


def _tell(progress: Progress, row: TrialRow, best: TrialRow | None) -> None:
    """Tell of a trial that failed, and of one that is better than all before."""
    params = format_params(row.params)
    if row.state == "failed":
        progress.say(f"trial {row.number} failed ({params}): {row.reason}")
    elif row.state == "complete" and row.value is not None and (best is None or row.value > (best.value or -math.inf)):
        progress.say(f"trial {row.number}: {row.value:.4f}, the best so far ({params})")


def format_params(params: Mapping[str, Value]) -> str:
    """Return settings as text, such as `learner cnn, loop.lr 0.001`."""
    return ", ".join(f"{name} {format_value(value)}" for name, value in params.items())

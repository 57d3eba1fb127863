"""Searches in children, kills them again and again, and writes what came of it: for tests/test_tune.py.

`python kill_tuning.py FOLDER TRIALS CHILDREN KILLS SEED` writes rows.json, kills and calls there. Each call of the
objective leaves a file, so that a trial that two ran at once is seen.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import alembic.migration
import optuna.importance  # noqa: F401  (children are forked: they import nothing anew)
import sqlalchemy.orm  # noqa: F401

from fieldguide.errors import SettingsError
from fieldguide.progress import SilentProgress
from fieldguide.stages.tune import Limits, run_trials
from fieldguide.stages.tune.space import Choices, Floats, Ints, Space
from fieldguide.stages.tune.study import Plan, RunningTrial, open_study

SPACE = Space(
    {
        "learner": Choices(("colour", "cnn", "transfer")),
        "depth": Choices(("top", "deep"), only_if=({"learner": ("transfer",)},)),
        "loop.lr": Floats(1e-5, 1e-1, log=True, only_if=({"learner": ("cnn",)},)),
        "loop.batch_size": Ints(8, 64, step=8, only_if=({"learner": ("cnn",)},)),
    }
)
PLAN = Plan(SPACE, "pictures", first=({"learner": "colour"}, {"learner": "transfer", "depth": "top"}), seed=3)


def value(params: Any) -> float:
    """Return a value that follows from the settings alone."""
    if params["learner"] != "cnn":
        return {"colour": 0.4, "top": 0.6, "deep": 0.7}[params.get("depth", "colour")]
    lr, batch_size = float(params["loop.lr"]), int(params["loop.batch_size"])
    return 0.9 - 300 * abs(lr - 1e-3) - 0.002 * abs(batch_size - 24)


def objective(trial: RunningTrial) -> float:
    """Return the value after steps that can be gone on from, as a training with checkpoints would."""
    calls = trial.folder.parents[1] / "calls"
    running = calls / f"{trial.number}-{os.getpid()}.running"
    others = [path for path in calls.glob(f"{trial.number}-*.running") if alive(int(path.stem.partition("-")[2]))]
    assert not others, f"trial {trial.number} is run by {others}"
    running.touch()
    try:
        result = value(trial.params)
        trial.note("interval", [result - 0.1, result + 0.1])
        if trial.params["learner"] == "cnn":
            if float(trial.params["loop.lr"]) > 0.01:
                raise SettingsError("the loss is not a number", "lower lr")
            trial.folder.mkdir(parents=True, exist_ok=True)
            for step in range(1, 6):
                mark = trial.folder / f"step-{step}"
                if not mark.exists():
                    time.sleep(0.003)
                    mark.touch()
                trial.report(step, result * step / 5)
        else:
            time.sleep(0.005)
        return result
    finally:
        running.unlink()


def alive(process: int) -> bool:
    """Tell whether that process runs."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def search(folder: Path, trials: int) -> None:
    """Run the search to its end."""
    with open_study(folder / "tune", PLAN) as study:
        run_trials(objective, study, Limits(trials, clock=time.monotonic), SilentProgress())


def start(folder: Path, trials: int) -> int:
    """Start a child that searches."""
    child = os.fork()
    if child == 0:
        try:
            search(folder, trials)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return child


def main() -> None:
    folder, trials, count, kills = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    dice = random.Random(int(sys.argv[5]))
    (folder / "tune" / "calls").mkdir(parents=True)
    children, killed = [start(folder, trials) for _ in range(count)], 0
    while killed < kills:
        time.sleep(dice.uniform(0.0, 0.25))
        victim = children.pop(dice.randrange(len(children)))
        os.kill(victim, signal.SIGKILL)
        status = os.waitpid(victim, 0)[1]
        killed += os.WIFSIGNALED(status)
        assert os.WIFSIGNALED(status) or status == 0, status
        if not os.WIFSIGNALED(status):
            break
        children.append(start(folder, trials))
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    search(folder, trials)  # those that were begun by children that were killed last
    with open_study(folder / "tune", PLAN) as study:
        rows = [asdict(row) | {"seconds": 0} for row in study.rows()]
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "kills").write_text(str(killed))
    assert alembic.migration


if __name__ == "__main__":
    main()

"""A search that is kept in the project: its trials, who works on which, what came of each.

Knows nothing about learners, nor how a trial is run. Each trial that runs is held by a lock that the kernel frees, so
that a trial whose process died is gone on with by the next who asks, with the settings that it was given.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, Self

import numpy as np

from fieldguide.errors import translate_os_errors
from fieldguide.hashing import hash_text
from fieldguide.stages.tune.database import (
    DATABASE,
    close_storage,
    hold,
    hold_if_free,
    open_storage,
    translate_database_errors,
)
from fieldguide.stages.tune.rows import DEATHS, REASON, SECONDS, State, TrialRow, read_row
from fieldguide.stages.tune.sampling import import_optuna, keep_quiet, suggest
from fieldguide.stages.tune.space import Space, Value

__all__ = ["Plan", "Study", "Turn", "open_study"]

_MOST_DEATHS = 10
_FIRST_PRUNED = 2  # steps count from 1: nobody ends at the first
_MIN_ENDED, _MIN_LIKE = 5, 3  # the median of fewer says little


@dataclass(frozen=True)
class Plan:
    """What a search is of; another space, other pictures, other fixed settings or another seed are another study.

    Attributes:
        space: what is chosen from.
        data: the digest of the pictures, classes and splits.
        fixed: whatever else a value depends on; JSON.
        first: settings to begin with, in order.
        seed: of the suggestions.
        pruning: whether trials that do worse than the median at the same step end early. Not part of what the study is:
            a trial that went to its end is worth the same either way.
        alike: names of settings: a trial is held beside those that agree with it in these. Not part of it either.
    """

    space: Space
    data: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[Mapping[str, Value], ...] = ()
    seed: int = 0
    pruning: bool = True
    alike: tuple[str, ...] = ()

    def name(self) -> str:
        """The study's name: a digest of what it is of."""
        said = [self.space.describe(), self.data, dict(self.fixed), [dict(one) for one in self.first], self.seed]
        return hash_text(json.dumps(said, sort_keys=True, default=str))[:12]


class Turn:
    """One trial in the hands of this process, until it is told what came of it or put down.

    Attributes:
        number: of the trial.
        params: its settings, by name.
        folder: its own; not there until somebody makes it.
        steps: step to the value reported there.
        seconds: worked on it; whoever works on it adds to this.
        resumed: whether another process or call began it.
    """

    def __init__(self, study: "Study", trial: Any, lock: IO[bytes]) -> None:
        """A turn at Optuna's frozen `trial`; `lock` is held."""
        self.number: int = trial.number
        self.params: dict[str, Value] = dict(trial.params)
        self.folder = study.folder / study.name / f"trial-{trial.number}"
        self.steps: dict[int, float] = dict(trial.intermediate_values)
        self.seconds = float(trial.user_attrs.get(SECONDS, 0.0))
        self.resumed = DEATHS in trial.user_attrs
        self._study, self._lock = study, lock
        with study.translated():
            self._trial = import_optuna().trial.Trial(study.optuna_study, trial._trial_id)
            # as if it killed the process: whoever gets further, or puts it down, takes that back
            self._keep(DEATHS, trial.user_attrs.get(DEATHS, 0) + 1)

    def _keep(self, name: str, value: float) -> None:
        """Nothing; the storage has this, unless it had it before."""
        if self._trial.user_attrs.get(name) != value:
            self._trial.set_user_attr(name, value)

    def report(self, step: int, value: float) -> bool:
        """Whether the trial should be pruned; a step that was reported before changes nothing.

        Raises:
            DiskFull: no space.
            ProjectDamaged: the storage is not sound.
        """
        if step in self.steps:
            return False  # it was decided then; of the last one, when this turn began
        self.steps[step] = value
        with self._study.translated():
            self._trial.report(value, step)
            self._keep(SECONDS, self.seconds)
            self._keep(DEATHS, 0)
        return self.is_hopeless()

    def is_hopeless(self) -> bool:
        """Whether the trial should be pruned: its best so far is below the median, at its last step, of those like it.

        Optuna's median rule, which would hold a network from scratch beside one that has seen a million pictures.

        Raises:
            ProjectDamaged: the storage is not sound.
        """
        plan, step = self._study.plan, max(self.steps, default=0)
        if not plan.pruning or step < _FIRST_PRUNED:
            return False
        with self._study.translated():
            ended = [trial for trial in self._study.trials() if trial.state.name == "COMPLETE"]
        like = [one for one in ended if all(one.params.get(name) == self.params.get(name) for name in plan.alike)]
        values = [one.intermediate_values[step] for one in like if step in one.intermediate_values]
        enough = len(ended) >= _MIN_ENDED and len(values) >= _MIN_LIKE
        return enough and max(self.steps.values()) < float(np.median(values))

    def note(self, name: str, value: Any) -> None:
        """Nothing; the trial's row says this too.

        Raises:
            DiskFull: no space.
            ProjectDamaged: the storage is not sound.
        """
        with self._study.translated():
            self._trial.set_user_attr(name, value)

    def tell(self, state: State, value: float | None = None, reason: str = "") -> None:
        """Nothing; the trial has ended so, and its folder is gone.

        Raises:
            DiskFull: no space.
            ProjectDamaged: the storage is not sound.
        """
        states = import_optuna().trial.TrialState
        ends = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
        with self._study.translated():
            if reason:
                self._trial.set_user_attr(REASON, reason)
            self._keep(SECONDS, self.seconds)
            self._study.optuna_study.tell(self._trial, value, state=ends[state])
        self._study.sweep(self.number)

    def put_down(self) -> None:
        """Nothing; whoever asks next may have the trial, if it has not ended.

        Raises:
            DiskFull: no space.
            ProjectDamaged: the storage is not sound.
        """
        try:
            with self._study.translated():
                if not self._study.state(self.number).is_finished():
                    self._keep(SECONDS, self.seconds)
                    self._keep(DEATHS, 0)
        finally:
            self._lock.close()


class Study:
    """The trials of one plan. Processes may have the same one open; it is closed, or used in a `with`.

    Attributes:
        folder: where it is kept.
        name: of this study among those in the same file.
        is_new: whether opening it made it.
        others: how many other studies the file holds.
        optuna_study: for whoever knows Optuna.
    """

    def __init__(self, folder: Path, plan: Plan, storage: Any) -> None:
        """The study of `plan`; it is made where it is not there. Whoever calls this holds the folder's lock."""
        optuna = import_optuna()
        self.folder, self.plan, self.name, self._storage = folder, plan, plan.name(), storage
        with self.translated():
            names = optuna.get_all_study_names(storage)
            self.is_new, self.others = self.name not in names, len([name for name in names if name != self.name])
            self.optuna_study = optuna.create_study(
                storage=storage, study_name=self.name, direction="maximize", load_if_exists=True,
                sampler=optuna.samplers.RandomSampler(seed=0), pruner=optuna.pruners.NopPruner(),
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing; the file is closed."""
        close_storage(self._storage)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Nothing; inside the block Optuna is quiet, and what its storage raises is one of our errors.

        Raises:
            ProjectDamaged: the storage is not sound.
            NoPermission: it cannot be written.
            DiskFull: no space.
            ProjectBusy: others have kept it for a minute.
        """
        with translate_database_errors(self.folder / DATABASE), keep_quiet():
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nothing; inside the block no other process begins or takes over a trial.

        Raises:
            NoPermission: the folder cannot be written.
            DiskFull: no space.
        """
        with hold(self.folder / ".lock"):
            yield

    def rows(self) -> list[TrialRow]:
        """Every trial, by number.

        Raises:
            ProjectDamaged: the storage is not sound.
        """
        with self.translated():
            return [read_row(trial) for trial in self.trials()]

    def row(self, number: int) -> TrialRow:
        """One trial.

        Raises:
            ProjectDamaged: the storage is not sound.
        """
        with self.translated():
            return read_row(self.trials()[number])

    def trials(self) -> list[Any]:
        """Optuna's frozen trials, by number."""
        found: list[Any] = self.optuna_study.get_trials(deepcopy=False)
        return sorted(found, key=lambda trial: trial.number)

    def state(self, number: int) -> Any:
        """Optuna's state of a trial, as it is now."""
        return self.trials()[number].state

    def begin(self, most: int) -> Turn | Literal["enough", "exhausted"]:
        """A trial to work on: the first whose process has died, else a new one; or why there is none.

        Args:
            most: trials in all.

        Raises:
            ProjectDamaged: the storage is not sound.
            NoPermission: the folder cannot be written.
            DiskFull: no space.
            ProjectBusy: others have kept the storage for a minute.
        """
        with self.locked():
            turn = self._take_over()
            if turn:
                return turn
            with self.translated():
                history = self.trials()
                if len(history) >= most:
                    return "enough"
                rank = len(history)
                fresh = suggest(self.plan.space, self.plan.first, self.plan.seed, rank, history)
                if fresh is None:
                    return "exhausted"
                self.optuna_study.add_trial(fresh)
                turn = self._take(rank)
                assert turn, "nobody else can have it: the folder's lock is held"
                return turn

    def _take_over(self) -> Turn | None:
        """The first trial whose process has died."""
        with self.translated():
            for trial in self.trials():
                turn = None if trial.state.is_finished() else self._take(trial.number)
                if turn and trial.user_attrs.get(DEATHS, 0) < _MOST_DEATHS:
                    return turn
                if turn:
                    turn.tell("failed", reason=f"the process died {_MOST_DEATHS} times at it: too little memory?")
                    turn.put_down()
        return None

    def _take(self, number: int) -> Turn | None:
        """A trial that nobody works on; None where somebody does, or has just ended it."""
        lock = hold_if_free(self._lock_path(number))
        if lock is None:
            return None
        try:
            trial = self.trials()[number]
            if not trial.state.is_finished():
                return Turn(self, trial, lock)
            self.sweep(number)
        except BaseException:
            lock.close()
            raise
        lock.close()
        return None

    def _lock_path(self, number: int) -> Path:
        return self.folder / self.name / f"trial-{number}.lock"

    def sweep_all(self) -> None:
        """Nothing; what a kill left of trials that have ended is gone. Whoever calls this holds the folder's lock."""
        with self.translated():
            ended = {trial.number for trial in self.trials() if trial.state.is_finished()}
        for path in (self.folder / self.name).glob("trial-*"):
            number = path.stem.removeprefix("trial-")
            if number.isdecimal() and int(number) in ended:
                self.sweep(int(number))

    def sweep(self, number: int) -> None:
        """Nothing; what a trial that has ended kept in the folder is gone."""
        with translate_os_errors(f"clearing {self.folder}"):
            shutil.rmtree(self.folder / self.name / f"trial-{number}", ignore_errors=True)
            self._lock_path(number).unlink(missing_ok=True)


def open_study(folder: Path, plan: Plan) -> Study:
    """The study of a plan in a project's folder `tune`, made where it is not there.

    Raises:
        ProjectDamaged: its file is not sound.
        ProjectTooNew: a newer Optuna made it.
        NoPermission: the folder cannot be written.
        DiskFull: no space.
        MissingExtra: Optuna is not installed.
    """
    import_optuna()
    with hold(folder / ".lock"):
        storage = open_storage(folder / DATABASE)
        try:
            study = Study(folder, plan, storage)
            study.sweep_all()
            return study
        except BaseException:
            close_storage(storage)
            raise

"""A search that is kept in the project: its trials in Optuna's storage, who works on which, how each ended.

Knows nothing about learners or how a trial is run. Each running trial is held by a lock that the kernel frees when its
process dies: whoever asks next goes on with it, under its number and with its settings. Optuna's heartbeat and retry
would break three promises: a killed search goes on at once (a heartbeat waits for a grace period), makes the same
trials as if nothing had happened (a retry is another trial, behind those begun meanwhile), and loses none (a kill
between failing the stale trial and queueing its retry would).
"""

import fcntl
import json
import math
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, Self

from fieldguide.errors import (
    DiskFailed,
    DiskFull,
    FieldguideError,
    InputUnusable,
    NoPermission,
    ProjectBusy,
    ProjectDamaged,
    ProjectTooNew,
    translate_os_errors,
)
from fieldguide.hashing import hash_text
from fieldguide.optional import require
from fieldguide.stages.tune.sampling import memory_study, quiet_optuna, suggest
from fieldguide.stages.tune.space import Space, Value

DATABASE = "study.db"
_BUSY_TIMEOUT_S = 60
_MAX_DEATHS = 10
_WARM_UP_STEPS = 2  # steps count from 1: no trial is pruned at the first
_MIN_COMPLETE, _MIN_PEERS = 5, 3  # the median of fewer says little

State = Literal["running", "stopped", "complete", "pruned", "failed"]
Ending = Literal["all trials", "time is up", "nothing new to try"]
_STATES: Mapping[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
_OURS = "fieldguide:"
_DEATHS, _REASON, _SECONDS = f"{_OURS}deaths", f"{_OURS}reason", f"{_OURS}seconds"


class TimeUp(Exception):
    """The search has no time left; raised by `RunningTrial.report` and meant to pass through the objective."""


@dataclass(frozen=True)
class TrialRow:
    """One trial as it stands.

    Attributes:
        number: from 0, in the order in which trials began.
        state: in `Study.rows`, "running" holds for one that was stopped too: see `Study.states`.
        params: settings below [train] by name.
        value: the result, higher is better; of a pruned trial the last step's; None of running and failed ones.
        steps: value by step.
        seconds: work on it; a kill loses what was worked since the last step.
        reason: why it failed, or "".
        attrs: what the objective noted.
    """

    number: int
    state: State
    params: Mapping[str, Value]
    value: float | None
    steps: Mapping[int, float]
    seconds: float
    reason: str
    attrs: Mapping[str, Any]


def read_row(trial: Any) -> TrialRow:
    """Return one of Optuna's frozen trials as a row."""
    state: State = _STATES.get(trial.state.name, "running")
    return TrialRow(
        number=trial.number,
        state=state,
        params=dict(sorted(trial.params.items())),
        value=trial.value if state in ("complete", "pruned") else None,
        steps=dict(sorted(trial.intermediate_values.items())),
        seconds=float(trial.user_attrs.get(_SECONDS, 0.0)),
        reason=str(trial.user_attrs.get(_REASON, "")),
        attrs={name: value for name, value in sorted(trial.user_attrs.items()) if not name.startswith(_OURS)},
    )


def best_row(rows: Sequence[TrialRow]) -> TrialRow | None:
    """Return the complete trial of the highest value, the first of equal ones; None where there is none."""
    complete = [row for row in rows if row.state == "complete" and row.value is not None]
    return max(complete, key=lambda row: (row.value, -row.number), default=None)


@dataclass(frozen=True)
class Plan:
    """What is searched. All but the last two fields name the study: other values are another study.

    Attributes:
        space: what is chosen from.
        data: the digest of the pictures, classes and splits.
        fixed: whatever else a value depends on; JSON.
        first: settings to begin with, in order.
        seed: of the suggestions.
        pruning: whether trials that fall behind the median at the same step end early.
        peers_by: names of settings: a trial is compared only with those that have the same values of these.
    """

    space: Space
    data: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[Mapping[str, Value], ...] = ()
    seed: int = 0
    pruning: bool = True
    peers_by: tuple[str, ...] = ()

    def name(self) -> str:
        """Return the study's name: a digest of what is searched."""
        first = [dict(params) for params in self.first]
        identity = [self.space.describe(), self.data, dict(self.fixed), first, self.seed]
        return hash_text(json.dumps(identity, sort_keys=True, default=str))[:12]


class RunningTrial:
    """One trial in the hands of this process, until it has ended or is released. An objective is called with it.

    Attributes:
        number: of the trial, from 0.
        params: settings below [train] by name.
        folder: its own, for checkpoints; not there until somebody makes it, and gone once the trial has ended.
        steps: value by step.
        resumed: whether another process or call began it.
    """

    def __init__(self, study: "Study", trial: Any, lock: IO[bytes], timer: tuple[Callable[[], float], float]) -> None:
        """Take over Optuna's frozen `trial`; `lock` is held, and `timer` is a clock with the time when to stop."""
        self.number: int = trial.number
        self.params: Mapping[str, Value] = dict(trial.params)
        self.folder = study.folder / study.name / f"trial-{trial.number}"
        self.steps: dict[int, float] = dict(trial.intermediate_values)
        self.resumed = _DEATHS in trial.user_attrs
        self._study, self._lock = study, lock
        self._clock, self._deadline = timer
        self._seconds, self._started = float(trial.user_attrs.get(_SECONDS, 0.0)), self._clock()
        with study.translated():
            self._trial = require("optuna", extra="train").trial.Trial(study.optuna_study, trial._trial_id)
            # counted as if it killed the process: whoever gets further, or releases it, takes that back
            self._set(_DEATHS, trial.user_attrs.get(_DEATHS, 0) + 1)

    def report(self, step: int, value: float) -> None:
        """Keep the value after a step, counted from 1; an epoch is a step.

        An objective that goes on from a checkpoint reports the steps before it again: known ones change nothing.
        Raises Optuna's `TrialPruned` or `TimeUp` where the trial is to end here.
        """
        if not math.isfinite(value):
            raise InputUnusable(f"the value after step {step} is {value}", "lower the learning rate")
        time_up = self._clock() >= self._deadline
        if step not in self.steps:
            self.steps[step] = float(value)
            with self._study.translated():
                self._trial.report(float(value), step)
                self._save_seconds()
                self._set(_DEATHS, 0)
            if self.should_prune():
                raise require("optuna", extra="train").TrialPruned
        if time_up:
            raise TimeUp

    def should_prune(self) -> bool:
        """Return whether its best value so far is below the median, at its last step, of its peers.

        Optuna's median rule among peers only: else a network from scratch would be held beside a pretrained one.
        """
        plan = self._study.plan
        if not plan.pruning:
            return False
        with self._study.translated():
            trials = self._study.trials()
        complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
        own = [self.params.get(name) for name in plan.peers_by]
        peers = [trial for trial in complete if [trial.params.get(name) for name in plan.peers_by] == own]
        if len(complete) < _MIN_COMPLETE or len(peers) < _MIN_PEERS:
            return False
        pruner = require("optuna", extra="train").pruners.MedianPruner(0, _WARM_UP_STEPS, n_min_trials=_MIN_PEERS)
        return bool(pruner.prune(memory_study(peers), trials[self.number]))

    def note(self, name: str, value: Any) -> None:
        """Keep something about the trial, such as an interval; JSON."""
        with self._study.translated():
            self._trial.set_user_attr(name, value)

    def end(self, state: State, value: float | None = None, reason: str = "") -> None:
        """End the trial, and remove its folder."""
        states = require("optuna", extra="train").trial.TrialState
        ends = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
        with self._study.translated():
            if reason:
                self._trial.set_user_attr(_REASON, reason)
            self._save_seconds()
            self._study.optuna_study.tell(self._trial, value, state=ends[state])
        self._study.remove_leftovers(self.number)

    def release(self) -> None:
        """Let whoever asks next have the trial, if it has not ended."""
        try:
            with self._study.translated():
                if not self._study.trials()[self.number].state.is_finished():
                    self._save_seconds()
                    self._set(_DEATHS, 0)
        finally:
            self._lock.close()

    def _save_seconds(self) -> None:
        self._set(_SECONDS, self._seconds + self._clock() - self._started)

    def _set(self, name: str, value: float) -> None:
        if self._trial.user_attrs.get(name) != value:
            self._trial.set_user_attr(name, value)


class Study:
    """The trials of one plan. Several processes may have it open; close it, or use it in a `with`.

    Attributes:
        folder: where it is kept.
        name: of this study among those in the same file.
        is_new: whether opening it made it.
        others: number of other studies in the file.
        optuna_study: the same for whoever knows Optuna.
    """

    def __init__(self, folder: Path, plan: Plan, storage: Any) -> None:
        """Load the study of `plan`, or make it; whoever calls this holds the folder's lock."""
        optuna = require("optuna", extra="train")
        self.folder, self.plan, self.name, self._storage = folder, plan, plan.name(), storage
        with self.translated():
            names = optuna.get_all_study_names(storage)
            self.is_new, self.others = self.name not in names, len({*names} - {self.name})
            self.optuna_study = optuna.create_study(
                storage=storage, study_name=self.name, direction="maximize", load_if_exists=True,
                sampler=optuna.samplers.RandomSampler(seed=0), pruner=optuna.pruners.NopPruner(),
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        _close_storage(self._storage)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Translate what Optuna's storage raises inside the block, and keep Optuna quiet."""
        with _translate_errors(self.folder / DATABASE), quiet_optuna():
            yield

    def trials(self) -> list[Any]:
        """Return Optuna's frozen trials, by number."""
        trials: list[Any] = self.optuna_study.get_trials(deepcopy=False)
        return sorted(trials, key=lambda trial: trial.number)

    def rows(self) -> list[TrialRow]:
        """Return every trial, by number."""
        with self.translated():
            return [read_row(trial) for trial in self.trials()]

    def states(self) -> list[TrialRow]:
        """Return every trial, by number, those that no process works on, and which go on next time, as "stopped"."""
        with _hold(self.folder / ".lock"):
            return [
                replace(row, state="stopped") if row.state == "running" and self._is_free(row.number) else row
                for row in self.rows()
            ]

    def _is_free(self, number: int) -> bool:
        lock = _lock(self._lock_path(number), wait=False)
        if lock:
            lock.close()
        return lock is not None

    def begin(
        self, max_trials: int, clock: Callable[[], float] = time.monotonic, deadline: float = math.inf
    ) -> RunningTrial | Literal["all trials", "nothing new to try"]:
        """Return a trial to work on, the first whose process has died or else a new one; or why there is none.

        Args:
            max_trials: trials in all.
            clock: seconds.
            deadline: when to stop, by that clock.
        """
        timer = clock, deadline
        with _hold(self.folder / ".lock"):
            trial = self._take_over(timer)
            if trial:
                return trial
            with self.translated():
                history = self.trials()
                number = len(history)
                if number >= max_trials:
                    return "all trials"
                suggestion = suggest(self.plan.space, self.plan.first, self.plan.seed, number, history)
                if suggestion is None:
                    return "nothing new to try"
                self.optuna_study.add_trial(suggestion)
                trial = self._take(number, timer)
                assert trial, "nobody else can have it: the folder's lock is held"
                return trial

    def _take_over(self, timer: tuple[Callable[[], float], float]) -> RunningTrial | None:
        with self.translated():
            for trial in self.trials():
                running = None if trial.state.is_finished() else self._take(trial.number, timer)
                if running and trial.user_attrs.get(_DEATHS, 0) < _MAX_DEATHS:
                    return running
                if running:
                    running.end("failed", reason=f"its process died {_MAX_DEATHS} times: too little memory?")
                    running.release()
        return None

    def _take(self, number: int, timer: tuple[Callable[[], float], float]) -> RunningTrial | None:
        """Take a trial that nobody works on; None where somebody does, or has just ended it."""
        lock = _lock(self._lock_path(number), wait=False)
        if lock is None:
            return None
        try:
            trial = self.trials()[number]
            if not trial.state.is_finished():
                return RunningTrial(self, trial, lock, timer)
            self.remove_leftovers(number)
        except BaseException:
            lock.close()
            raise
        lock.close()
        return None

    def _lock_path(self, number: int) -> Path:
        return self.folder / self.name / f"trial-{number}.lock"

    def remove_all_leftovers(self) -> None:
        """Remove what a kill left of trials that have ended; whoever calls this holds the folder's lock."""
        ended = {row.number for row in self.rows() if row.state != "running"}
        for path in (self.folder / self.name).glob("trial-*"):
            number = path.stem.removeprefix("trial-")
            if number.isdecimal() and int(number) in ended:
                self.remove_leftovers(int(number))

    def remove_leftovers(self, number: int) -> None:
        """Remove the folder and the lock of a trial that has ended."""
        with translate_os_errors(f"clearing {self.folder}"):
            shutil.rmtree(self.folder / self.name / f"trial-{number}", ignore_errors=True)
            self._lock_path(number).unlink(missing_ok=True)


def open_study(folder: Path, plan: Plan) -> Study:
    """Open the study of a plan in a project's folder `tune`; it is made where it is missing."""
    require("optuna", extra="train")
    with _hold(folder / ".lock"):
        storage = _open_storage(folder / DATABASE)
        try:
            study = Study(folder, plan, storage)
            study.remove_all_leftovers()
            return study
        except BaseException:
            _close_storage(storage)
            raise


def _open_storage(path: Path) -> Any:
    """Open Optuna's storage, in SQLite; a new file is made whole or not at all.

    Not Optuna's journal: SQLite undoes what a kill or a power cut interrupts, where half a line of a journal has to be
    mended by hand and its lock outlives the process that held it.
    """
    with _translate_errors(path), quiet_optuna():
        if not path.exists() or not path.stat().st_size:
            temporary = path.with_name(f".fieldguide-{path.name}.tmp")
            for suffix in ("", "-wal", "-shm", "-journal"):  # of one that a kill left, or that a person moved away
                temporary.with_name(f"{temporary.name}{suffix}").unlink(missing_ok=True)
                path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
            _close_storage(_connect(temporary, create=True))
            with closing(sqlite3.connect(temporary)) as database:
                database.execute("PRAGMA journal_mode = WAL")  # stays with the file: readers never wait for a writer
            with translate_os_errors(f"writing {path}"):
                temporary.replace(path)
        try:
            return _connect(path)
        except RuntimeError as error:
            if "compatible" not in str(error):
                raise
            hint = "install the Optuna that made it, or move it away to begin anew"
            raise ProjectTooNew(f"{path} was made by another version of Optuna", hint) from error


def _connect(path: Path, *, create: bool = False) -> Any:
    """Connect to the file. Only a new one gets tables: one that lacks some is not to be mended by empty ones."""
    connect = partial(sqlite3.connect, path.absolute(), timeout=_BUSY_TIMEOUT_S)  # not every path can be a URL
    storage = require("optuna", extra="train").storages.RDBStorage
    return storage(f"sqlite:///{DATABASE}", engine_kwargs={"creator": connect}, skip_table_creation=not create)


def _close_storage(storage: Any) -> None:
    storage.remove_session()
    storage.engine.dispose()


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Translate what SQLite raises inside the block, through whatever wraps it."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        raise _translate(path, error) from error


def _translate(path: Path, error: BaseException) -> FieldguideError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = getattr(cause, "orig", None) or cause.__cause__
    name = getattr(cause, "sqlite_errorname", "")
    if name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"):  # a quota or limit is told so
        return DiskFull(f"no space left while writing {path}", "free some space and run the same command again")
    if name.startswith("SQLITE_IOERR"):
        hint = "check the disk (its cable, dmesg, fsck), copy the project to another one, then run this again"
        return DiskFailed(f"the disk failed while reading or writing {path} ({name})", hint)
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return NoPermission(f"cannot write {path}", "check the owner and mode of the file and its folder")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ProjectBusy(f"{path} is in use by another program", "wait until it has ended, then run this again")
    hint = f"move {path.name} away to begin the search anew"
    return ProjectDamaged(f"{path} is damaged: {cause or error}", hint)


@contextmanager
def _hold(path: Path) -> Iterator[None]:
    """Hold a lock inside the block; the kernel frees it when the process dies."""
    lock = _lock(path, wait=True)
    assert lock
    with lock:
        yield


def _lock(path: Path, *, wait: bool) -> IO[bytes] | None:
    """Return the lock, held until it is closed; None where another process holds it and this does not wait."""
    with translate_os_errors(f"locking {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    return file

"""The stage that searches settings: trials that a kill cannot spoil, by several processes at once if need be.

A trial is trained like any other run and scored on pictures that it was not trained on. The test split is never read
here. Only this room imports Optuna. Several processes may work on one search at once.
"""

import difflib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

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
    SettingsError,
)  # fmt: skip
from fieldguide.features import Pictures
from fieldguide.learners import open_learner, takes_vectors
from fieldguide.learners.contract import TrainingData
from fieldguide.learners.runs import digest_inputs
from fieldguide.metrics import accuracy
from fieldguide.optional import require
from fieldguide.progress import Progress, SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.project.runs import identify_model, is_whole, load_run
from fieldguide.records import TuneReport
from fieldguide.settings import Settings, TrainSettings, change_settings, digest_json, flatten_tables
from fieldguide.stages.tune.report import summarise, write_report
from fieldguide.stages.tune.space import Choices, Preset, choose_preset, format_params
from fieldguide.stages.tune.study import Ending, Plan, RunningTrial, Study, TimeUp, TrialRow, best_row, open_study

Objective = Callable[[RunningTrial], float]
_PEERS_BY = ("learner", "mode", "network")
_MAX_FAILURES = 10
# what would meet every trial alike: the search stops, and the trial waits until it is mended
_FATAL = (
    DiskFailed, DiskFull, MissingExtra, NoPermission, NotReady, ProjectBusy, ProjectDamaged, ProjectMissing,
    ProjectTooNew,
)  # fmt: skip


def tune(project: Project, settings: Settings, *, progress: Progress) -> TuneReport:
    """Search settings of [train], write the best into fieldguide.toml, and return the search as it stands.

    Trials are kept in the folder `tune`: a search that was killed goes on, and so does one that ended, when more trials
    or minutes are asked for. It does not hold the project's lock: several processes may work on one search.

    Raises:
        NotReady: the pictures are not split, or the first ten trials all failed.
        SettingsError: the space cannot be searched.
        MissingExtra: something optional is not installed.
        ProjectDamaged: the file of trials is not sound.
        ProjectTooNew: another version of Optuna made it.
    """
    preset = choose_preset(settings.tune)
    with project.catalog() as catalog:
        data = load_dataset(catalog, with_vectors=takes_vectors(settings.train.learner)).where("train", "val")
        state = catalog.digest("state")
    base = _base_settings(settings, preset)
    fixed = {"train": json.loads(digest_json(base, "train")), "folds": settings.train.folds}
    plan = Plan(preset.space, state, fixed, preset.first, settings.learning_seed, settings.tune.pruning, _PEERS_BY)
    with open_study(project.tune_folder, plan) as study:
        _tell_if_new(study, progress)
        limits = Limits(preset.trials, settings.tune.minutes)
        ended = run_trials(_objective(project, base, data, progress), study, limits, progress)
        progress.start("writing the report", None)
        best = best_row(study.rows())
        same_as, changes = _find_same(project, str(best.attrs.get("model", "")) if best else "")
        report = summarise(study, ended, same_as, changes)
        details = {"search": preset.about, "trials asked for": str(preset.trials), "seed": str(settings.learning_seed)}
        write_report(study, report, settings.name, _measure(base, data), details)
    if report.written:
        defaults = flatten_tables(base.train.model_dump(mode="json"))
        inactive = {name: defaults[name] for name in preset.space.domains}  # as the best trial had them
        written: dict[str, Any] = {**inactive, **preset.fixed, **report.params}
        project.write_settings({f"train.{name}": value for name, value in written.items()})
    return report


def _find_same(project: Project, model: str) -> tuple[str, bool]:
    """Return the run that is the same model, or "", and whether new settings would change what is current."""
    with project.catalog() as catalog:
        trained = catalog.finished("train")
        current = str(trained.report["run"]) if trained else ""
        is_current = trained is not None and trained.inputs == digest_inputs(catalog, project.settings())
        for name in filter(None, (current, *catalog.runs())):
            folder = project.runs_folder / name
            if model and is_whole(folder) and load_run(folder).identity == model:
                return name, not (name == current and is_current)
    return "", True


def _base_settings(settings: Settings, preset: Preset) -> Settings:
    """Return what all trials share: searched settings stand at their default, whatever an earlier best was."""
    default = flatten_tables(TrainSettings().model_dump(mode="json"))
    for name in preset.space.domains:
        if name not in default:
            near = difflib.get_close_matches(name, default, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "name a key of [train], such as loop.lr"
            raise SettingsError(f"tune.space.{name} is no setting of [train]", hint)
    changed = {name: default[name] for name in preset.space.domains} | dict(preset.fixed)
    base = change_settings(settings, {f"train.{name}": value for name, value in changed.items()})
    for name, domain in preset.space.domains.items():
        for value in domain.values if isinstance(domain, Choices) else (domain.low, domain.high):
            train = change_settings(base, {f"train.{name}": value}).train
            open_learner(train, settings.learning_seed)  # which refuses a value that it cannot have
    return base


def _tell_if_new(study: Study, progress: Progress) -> None:
    """Tell that earlier trials do not count, for whoever expected the search to go on."""
    if study.is_new and study.others:
        several = "an earlier search is" if study.others == 1 else f"{study.others} earlier searches are"
        progress.say(f"other pictures, settings, space or Fieldguide: a new search begins; {several} kept beside it")


def _objective(project: Project, base: Settings, data: Dataset, progress: Progress) -> Objective:
    """Return the function that runs one trial: a training, scored on held-out pictures."""

    def run(trial: RunningTrial) -> float:
        settings = change_settings(base, {f"train.{name}": value for name, value in trial.params.items()})
        trial_progress = _TrialProgress(progress, trial.number)
        pictures = Pictures(project, tuple(data.images.items()), settings, trial_progress)
        training = TrainingData(
            pictures, data.labels, data.groups, data.splits, data.class_names,
            settings.learning_seed, settings.train.folds, trial.folder, trial.report,
        )  # fmt: skip
        fitted = open_learner(settings.train, settings.learning_seed).fit(training)
        held_out = ~np.isnan(fitted.held_out[:, 0])
        if not settings.train.crosses(len(data.labels)):
            held_out &= data.splits == "val"  # the same pictures for every learner
        share, low, high = accuracy(data.labels[held_out], fitted.held_out[held_out].argmax(axis=1))
        trial.note("interval", [low, high])
        trial.note("pictures", int(held_out.sum()))
        model = fitted.model
        trial.note("model", identify_model(model.to_bytes(), model.preprocessing, data.class_names))
        return share

    return run


def _measure(settings: Settings, data: Dataset) -> str:
    """Return what the value of a trial is, in words."""
    by_folds = settings.train.crosses(len(data.labels))
    return "accuracy in grouped cross-validation" if by_folds else "accuracy on the validation split"


class _TrialProgress(SilentProgress):
    """Shows what a trial is doing beside the search's own progress."""

    def __init__(self, progress: Progress, number: int) -> None:
        self._progress = progress
        self._number = number

    def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
        """Note what the trial begins."""
        self._progress.note(f"trial {self._number}: {what}")

    def note(self, text: str) -> None:
        """Note how it goes."""
        self._progress.note(f"trial {self._number}: {text}")


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
    if limits.minutes:
        progress.start("trials", limits.trials, 60 * limits.minutes)
    else:
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

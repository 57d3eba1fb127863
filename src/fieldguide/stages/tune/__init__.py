"""The stage that searches settings: trials that a kill cannot spoil, by several processes at once if need be.

A trial is trained like any other run and scored on what it never learnt from. The test split is never read here. Only
this room imports Optuna.
"""

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from fieldguide.errors import SettingsError
from fieldguide.features import Pictures
from fieldguide.learners import open_learner
from fieldguide.learners.contract import TrainingData
from fieldguide.metrics import accuracy
from fieldguide.progress import Progress, SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.records import TuneReport
from fieldguide.settings import Settings, TrainSettings, change_settings
from fieldguide.stages.tune.presets import Preset, choose_preset
from fieldguide.stages.tune.report import About, summarise, write_report
from fieldguide.stages.tune.space import Choices
from fieldguide.stages.tune.study import Plan, open_study
from fieldguide.stages.tune.trials import Limits, Objective, TrialCall, run_trials

__all__ = ["tune"]


def tune(project: Project, settings: Settings, *, progress: Progress) -> TuneReport:
    """The search as it stands; the best settings are in fieldguide.toml, where `train` takes them from.

    Trials are kept in the folder `tune`: a search that was killed goes on, and so does one that ended, when more trials
    or minutes are asked for. It does not hold the project's lock: several processes may work on one search.

    Raises:
        NotReady: the pictures are not split, or the first ten trials all failed.
        SettingsError: the space cannot be.
        MissingExtra: something optional is not installed.
        ProjectDamaged: the file of trials is not sound.
        ProjectTooNew: a newer Optuna made it.
        DiskFull: no space.
        NoPermission: the project cannot be written.
    """
    preset = choose_preset(settings.tune)
    with project.catalog() as catalog:
        data, state = load_dataset(catalog).where("train", "val"), catalog.digest("state")
    usual = _usual(settings, preset)
    plan = Plan(
        preset.space, state, {"train": usual.train.model_dump(mode="json"), "folds": settings.train.folds},
        preset.first, settings.learning_seed, settings.tune.pruning, ("learner", "mode", "network"),
    )  # fmt: skip
    limits = Limits(preset.trials, settings.tune.minutes)
    with open_study(project.tune_folder, plan) as study:
        ended = run_trials(_objective(project, usual, data, progress), study, limits, progress)
        progress.start("writing the report", None)
        report = summarise(study, ended)
        made = {"search": preset.about, "trials asked for": str(preset.trials), "seed": str(settings.learning_seed)}
        write_report(study, report, About(settings.name, _measure(usual, data), made))
    if report.best is not None:
        settled = _flatten(usual.train.model_dump(mode="json"))
        idle = {name: settled[name] for name in preset.space.domains}  # what the best had no use for, as it had it
        best: dict[str, Any] = {**idle, **preset.fixed, **report.params}
        project.write_settings({f"train.{name}": value for name, value in best.items()})
    return report


def _usual(settings: Settings, preset: Preset) -> Settings:
    """The settings that all trials share: what is searched for stands at its default, whatever an earlier best was.

    Raises:
        SettingsError: the space names what is no setting, or a value that it cannot have.
    """
    default = _flatten(TrainSettings().model_dump(mode="json"))
    for name in preset.space.domains:
        if name not in default:
            near = difflib.get_close_matches(name, default, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "name a key of [train], such as loop.lr"
            raise SettingsError(f"tune.space.{name} is no setting of [train]", hint)
    changed = {name: default[name] for name in preset.space.domains} | dict(preset.fixed)
    usual = change_settings(settings, {f"train.{name}": value for name, value in changed.items()})
    for name, domain in preset.space.domains.items():
        for value in domain.values if isinstance(domain, Choices) else (domain.low, domain.high):
            chosen = change_settings(usual, {f"train.{name}": value})
            open_learner(chosen.train, chosen.learning_seed)
    return usual


def _flatten(said: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Values by dotted name."""
    found: dict[str, Any] = {}
    for key, value in said.items():
        found |= _flatten(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


def _objective(project: Project, usual: Settings, data: Dataset, progress: Progress) -> Objective:
    """What runs one trial: a training, scored on held-out pictures."""

    def run(call: TrialCall) -> float:
        chosen = change_settings(usual, {f"train.{name}": value for name, value in call.params.items()})
        pictures = Pictures(project, tuple(data.images.items()), chosen, _Noted(progress, call.number))
        training = TrainingData(
            pictures, data.labels, data.groups, data.splits, data.class_names,
            chosen.learning_seed, chosen.train.folds, call.folder, call.report,
        )  # fmt: skip
        learnt = open_learner(chosen.train, chosen.learning_seed).fit(training)
        held = ~np.isnan(learnt.held_out[:, 0])
        if not chosen.train.crosses(len(data.labels)):
            held &= data.splits == "val"  # the same pictures for every learner
        share, low, high = accuracy(data.labels[held], learnt.held_out[held].argmax(axis=1))
        call.note("interval", [low, high])
        return share

    return run


def _measure(settings: Settings, data: Dataset) -> str:
    """What the value of a trial is, in words."""
    by_folds = settings.train.crosses(len(data.labels))
    return "accuracy in grouped cross-validation" if by_folds else "accuracy on the validation split"


class _Noted(SilentProgress):
    """What a trial is at, shown beside the search's own progress."""

    def __init__(self, progress: Progress, number: int) -> None:
        self._progress = progress
        self._number = number

    def start(self, what: str, total: int | None) -> None:
        """Nothing; the person sees what the trial begins."""
        self._progress.note(f"trial {self._number}: {what}")

    def note(self, text: str) -> None:
        """Nothing; the person sees how it goes."""
        self._progress.note(f"trial {self._number}: {text}")

"""A training from beginning to end: the pictures of a project in, a run on disk out.

Knows nothing about stages: which run is the project's current one is not decided here. The test split is never read.
"""

import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from fieldguide.calibration import softmax
from fieldguide.errors import NotReady
from fieldguide.features import Pictures
from fieldguide.hashing import hash_file, hash_text
from fieldguide.learners import load_model, open_learner
from fieldguide.learners.contract import FitResult, TrainingData
from fieldguide.metrics import accuracy, macro_f1
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.dataset import load_dataset
from fieldguide.project.runs import Run, load_run, save_run
from fieldguide.records import TrainReport
from fieldguide.settings import Settings, TrainSettings, digest_json
from fieldguide.text import write_csv

__all__ = ["digest_inputs", "find_run", "is_usable", "make_run"]

_UNFINISHED = "unfinished-"


def digest_inputs(catalog: Catalog, settings: Settings) -> str:
    """The digest of everything that a run depends on."""
    learning = digest_json(settings, "train", exclude={"seed"}) + _digest_weights(settings.train)
    said = f"{learning} {settings.features.model_dump_json()} seed {settings.learning_seed}"
    return hash_text(said + catalog.digest("state"))


def _digest_weights(said: TrainSettings) -> str:
    """The SHA-256 of the file of weights that the settings name; "" where they name none, or it is not there."""
    path = Path(said.weights).expanduser()
    named = said.learner == "transfer" and said.weights not in ("embedded", "hub", "none")
    return hash_file(path) if named and path.is_file() else ""


def find_run(project: Project, catalog: Catalog, inputs: str) -> Run | None:
    """The latest usable run that was made from these inputs; None where there is none."""
    names = (name for name in catalog.runs(inputs) if is_usable(project, name))
    name = next(names, None)
    return load_run(project.runs_folder / name) if name else None


def is_usable(project: Project, name: str) -> bool:
    """Whether a run is whole, and what a quick learner made it with is still what it was.

    What slow learners keep is all that they need: of those nothing more is looked at.

    Raises:
        SettingsError: its learner is not here.
        InputMissing: the file of weights that it was made with is gone.
        MissingExtra: something optional is not installed.
    """
    try:
        run = load_run(project.runs_folder / name)
        if open_learner(TrainSettings(**run.settings), run.seed).is_quick:
            load_model(run)
    except (NotReady, ValidationError):
        return False
    return True


def make_run(project: Project, settings: Settings, catalog: Catalog, progress: Progress) -> Run:
    """A new run, whole and known to the catalogue; one that was interrupted is gone on with.

    Raises:
        NotReady: the pictures are not split.
        SettingsError: the settings cannot be.
        InputUnusable: there is only one class, or weights that do not fit.
        TrainingDiverged: the loss is no longer a number; the last good checkpoint is kept.
        OutOfMemory: the memory is not enough.
        MissingExtra: something optional is not installed.
        DiskFull: no space; what was computed before stays.
        NoPermission: the project or the cache cannot be written.
    """
    begun, inputs = project.clock(), digest_inputs(catalog, settings)
    data = load_dataset(catalog).where("train", "val")
    keep = project.runs_folder / f"{_UNFINISHED}{inputs[:16]}"
    training = TrainingData.of(data, Pictures(project, tuple(data.images.items()), settings, progress), settings, keep)
    learnt = open_learner(settings.train, settings.learning_seed).fit(training)
    run = _describe(project, settings, training, learnt, (catalog.digest("state"), begun))
    progress.start("keeping the run", None)
    files = {**learnt.files, "predictions.csv": _predictions(training, learnt).encode()}
    save_run(project.runs_folder / run.name, run, files, learnt.folders)
    catalog.add_run(run.name, run.learner, inputs, project.now())
    if keep.exists():  # only its own: another training that was interrupted may be gone on with
        shutil.rmtree(keep)
    return run


def _describe(
    project: Project, settings: Settings, training: TrainingData, learnt: FitResult, made: tuple[str, datetime]
) -> Run:
    """The run; `made` says from what, a digest, and when it was begun."""
    model, held = learnt.model, np.flatnonzero(~np.isnan(learnt.held_out[:, 0]))
    labels, answers = training.labels[held], learnt.held_out[held].argmax(axis=1)
    report = TrainReport(
        run=_new_name(project, settings.train.learner),
        learner=settings.train.learner,
        backbone=learnt.backbone,
        fit=model.preprocessing.fit,
        size=model.preprocessing.size,
        chosen=dict(learnt.chosen),
        temperature=model.temperature,
        accuracy=accuracy(labels, answers),
        measured_by=learnt.measured_by,
        measured=len(held),
        macro_f1=macro_f1(labels, answers, len(training.class_names)),
        tried=dict(learnt.tried),
        runtime=model.runtime,
        images=len(training.labels),
        classes=len(training.class_names),
        parameters=model.parameters,
        seed=settings.learning_seed,
        seconds=(project.clock() - made[1]).total_seconds(),
    )
    return Run(
        name=report.run,
        learner=report.learner,
        settings=settings.train.model_dump(mode="json"),
        seed=settings.learning_seed,
        preprocessing=model.preprocessing,
        class_names=training.class_names,
        data=made[0],
        report=asdict(report),
        file_name=model.file_name,
        learnt=model.to_bytes(),
    )


def _new_name(project: Project, learner: str) -> str:
    """A name for the run that no other has, from the time and the learner."""
    name = f"{project.clock():%Y%m%d-%H%M%S}-{learner}"
    taken = len(list(project.runs_folder.glob(f"{name}*")))
    return f"{name}-{taken + 1}" if taken else name


def _predictions(training: TrainingData, learnt: FitResult) -> str:
    """A CSV of what was answered for each held-out picture of train and val."""
    rows: list[list[str]] = []
    for index, (sha256, _) in enumerate(training.pictures.images):
        logits = learnt.held_out[index : index + 1]
        if np.isnan(logits).any():
            continue
        probs = softmax(logits / learnt.model.temperature)[0]
        answer = int(probs.argmax())
        names = training.class_names[training.labels[index]], training.class_names[answer]
        rows.append([sha256, str(training.splits[index]), *names, f"{probs[answer]:.6f}"])
    return write_csv(["sha256", "split", "class_name", "answer", "prob"], rows)

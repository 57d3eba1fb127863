"""A training from beginning to end: the pictures of a project in, a run on disk out.

Knows nothing about stages: which run is the project's current one is not decided here. The test split is never read.
"""

import io
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import CalibrationChoice, can_choose, choose_calibration
from fieldguide.features import Pictures
from fieldguide.hashing import hash_file, hash_text
from fieldguide.learners import open_learner, takes_vectors
from fieldguide.learners.auto import AUTO, AutoResult, fit_auto
from fieldguide.learners.contract import FitResult, TrainingData, group_folds
from fieldguide.metrics import accuracy, macro_f1
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.dataset import load_dataset
from fieldguide.project.runs import HELD_OUT, PREDICTIONS, Run, save_run
from fieldguide.records import TrainReport
from fieldguide.settings import CleanSettings, Settings, TrainSettings, digest_json
from fieldguide.text import write_csv

_UNFINISHED = "unfinished-"


def digest_inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that a run depends on."""
    options = digest_json(settings, "train", exclude={"seed"}) + _digest_weights(settings.train)
    text = f"{options} {settings.features.model_dump_json()} seed {settings.learning_seed}"
    if settings.clean.rescale != CleanSettings().rescale:  # so that runs from before there were copies are current
        text += f" rescale {settings.clean.rescale}"
    if settings.train.mode != "frozen" and settings.train.loop.batch_size == "auto":  # which was 32 once
        text += " passes of 16"
    return hash_text(text + catalog.digest("state"))


def _digest_weights(settings: TrainSettings) -> str:
    """Return the SHA-256 of the file of weights that the settings name, "" where they name none or it is not there."""
    path = Path(settings.weights).expanduser()
    named = settings.learner in ("auto", "transfer") and settings.weights not in ("embedded", "hub", "none")
    return hash_file(path) if named and path.is_file() else ""


def make_run(project: Project, settings: Settings, catalog: Catalog, progress: Progress) -> Run:
    """Train on the train and val pictures and write the run; go on with one that was interrupted."""
    started_at, inputs = project.clock(), digest_inputs(catalog, settings)
    data = load_dataset(catalog, with_vectors=takes_vectors(settings.train.learner)).where("train", "val")
    unfinished = project.runs_folder / f"{_UNFINISHED}{inputs[:16]}"
    pictures = Pictures(project, tuple(data.images.items()), settings, progress)
    training = TrainingData.of(data, pictures, settings, unfinished)
    taken = _fit(training, settings)
    result = taken.result
    known = np.flatnonzero(~np.isnan(result.held_out[:, 0]))
    calibration = _calibrate(training, result, known)
    answers = training.labels[known], calibration.probs.argmax(axis=1)
    report = _report(project, settings, training, taken, answers)
    report = replace(report, seconds=(project.clock() - started_at).total_seconds())
    run = Run(
        name=report.run,
        learner=report.learner,
        settings=taken.settings.model_dump(mode="json"),
        seed=settings.learning_seed,
        preprocessing=result.model.preprocessing,
        class_names=training.class_names,
        data=catalog.digest("state"),
        report=asdict(report),
        file_name=result.model.file_name,
        model=result.model.to_bytes(),
        calibration=_describe(calibration),
    )
    progress.start("writing the run", None)
    predictions = _predictions(training, known, calibration.probs)
    files = {**result.files, PREDICTIONS: predictions.encode(), HELD_OUT: _keep_logits(training, result, known)}
    save_run(project.runs_folder / run.name, run, files, result.folders)
    catalog.add_run(run.name, run.learner, inputs, project.now())
    if unfinished.exists():  # only its own: another training that was interrupted may be gone on with
        shutil.rmtree(unfinished)
    return run


def _fit(training: TrainingData, settings: Settings) -> AutoResult:
    """Fit the learner that the settings name; for "auto" colours too, and say so where they are taken."""
    if settings.train.learner != AUTO:
        result = open_learner(settings.train, settings.learning_seed).fit(training)
        return AutoResult(settings.train, result, {})
    taken = fit_auto(training, settings.train, settings.learning_seed)
    if taken.settings.learner == "colour":
        shares = ", ".join(f"{name} {score[0]:.1%}" for name, score in taken.beside.items())
        training.pictures.progress.say(f"colours alone do better than the backbone, and are taken: {shares}")
    return taken


def _report(
    project: Project,
    settings: Settings,
    training: TrainingData,
    taken: AutoResult,
    answers: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> TrainReport:
    """Return the stage's report, measured on held-out pictures' classes and answers; its `seconds` are still 0."""
    result, model, (labels, predicted) = taken.result, taken.result.model, answers
    return TrainReport(
        run=_new_name(project, taken.settings.learner),
        learner=taken.settings.learner,
        backbone=result.backbone,
        fit=model.preprocessing.fit,
        size=model.preprocessing.size,
        chosen=dict(result.chosen),
        temperature=model.temperature,
        accuracy=accuracy(labels, predicted),
        measured_by=result.measured_by,
        measured=len(labels),
        macro_f1=macro_f1(labels, predicted, len(training.class_names)),
        tried=dict(result.tried),
        runtime=model.runtime,
        images=len(training.labels),
        classes=len(training.class_names),
        parameters=model.parameters,
        seed=settings.learning_seed,
        seconds=0.0,
        beside=taken.beside,
    )


def _new_name(project: Project, learner: str) -> str:
    """Return a name that no other run has, from the time and the learner."""
    name = f"{project.clock():%Y%m%d-%H%M%S}-{learner}"
    taken = len(list(project.runs_folder.glob(f"{name}*")))
    return f"{name}-{taken + 1}" if taken else name


def _calibrate(training: TrainingData, result: FitResult, known: NDArray[np.intp]) -> CalibrationChoice:
    """Choose how to calibrate by the answers to the pictures at these places, which were held out."""
    logits, labels = result.held_out[known] / result.model.temperature, training.labels[known]
    groups = [training.groups[place] for place in known]
    folds = group_folds(labels, groups, training.folds, training.seed) if can_choose(logits, labels) else []
    return choose_calibration(logits, labels, folds, groups)


def _describe(choice: CalibrationChoice) -> dict[str, object]:
    """Return the calibration, and by what it was chosen, as a run keeps it."""
    return {**choice.calibration.to_dict(), "losses": dict(choice.losses), "gains": dict(choice.gains)}


def _predictions(training: TrainingData, known: NDArray[np.intp], probs: NDArray[np.float64]) -> str:
    """Return predictions.csv: the answer for each picture of train and val at these places, which were held out."""
    rows: list[list[str]] = []
    for index, row in zip(known, probs, strict=True):
        answer = int(row.argmax())
        names = training.class_names[training.labels[index]], training.class_names[answer]
        rows.append([training.pictures.images[index][0], str(training.splits[index]), *names, f"{row[answer]:.6f}"])
    return write_csv(["sha256", "split", "class_name", "answer", "prob"], rows)


def _keep_logits(training: TrainingData, result: FitResult, known: NDArray[np.intp]) -> bytes:
    """Return the file of the logits, over the temperature, of the pictures at these places, which were held out."""
    buffer = io.BytesIO()
    names = np.array([training.pictures.images[place][0] for place in known])
    np.savez(buffer, sha256=names, logits=(result.held_out[known] / result.model.temperature).astype(np.float32))
    return buffer.getvalue()

"""What the model answers: to the test pictures, to those that were held out, and in a cross-validation.

Knows nothing about figures or pages: everything that the report tells is computed from an `Evaluation`.
"""

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Calibration
from fieldguide.features import Pictures
from fieldguide.hashing import hash_text
from fieldguide.images.swatches import SWATCH
from fieldguide.learners import load_calibration, load_model, takes_vectors
from fieldguide.learners.contract import Learner, Model, Outputs, TrainingData, group_folds
from fieldguide.learners.declining import Declining, choose_declining
from fieldguide.learners.tempering import fit_shift_temper
from fieldguide.metrics import accuracy, difference_by_groups, share_by_groups
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.dataset import Dataset, load_copies, load_dataset
from fieldguide.project.runs import Run, load_held_out_logits
from fieldguide.settings import Settings

Score = tuple[float, float, float]


@dataclass(frozen=True)
class CrossValidation:
    """What a grouped and a careless cross-validation gave.

    Attributes:
        logits: (n, classes) of all n kept pictures, each by a model that saw nothing of its group.
        grouped: the accuracy of these, with its interval.
        careless: the accuracy over shuffled pictures with the copies left in, with its interval.
        difference: the second less the first on the pictures of both, with its interval.
        folds: how many there were.
    """

    logits: NDArray[np.float64]
    grouped: Score
    careless: Score
    difference: Score
    folds: int


@dataclass(frozen=True)
class Evaluation:
    """A run, its pictures, and what it answers: all that the report is computed from.

    Attributes:
        project: whose run it is.
        settings: of the project.
        catalog: open, for where pictures come from and what other stages reported.
        progress: told of work that takes long.
        run: what is evaluated.
        learner: that made the run.
        model: that the run holds.
        calibration: what makes probabilities of its logits.
        data: all n kept pictures.
        pictures: the same, as models see them.
        outputs: the model's logits and features of all n.
        probs: (n, classes) probabilities by the model. Those of pictures that it learnt from say little.
        test: (t,) places of the test pictures in `data`.
        declining: how known pictures are told from others.
        familiarity: (t,) of the test pictures, to a fit on train and val.
        validation: the cross-validation; None where it would cost a training for each fold.
        copies: number of files that a careless split has besides: copies.
    """

    project: Project
    settings: Settings
    catalog: Catalog
    progress: Progress
    run: Run
    learner: Learner
    model: Model
    calibration: Calibration
    data: Dataset
    pictures: Pictures
    outputs: Outputs
    probs: NDArray[np.float64]
    test: NDArray[np.intp]
    declining: Declining
    familiarity: NDArray[np.float64]
    validation: CrossValidation | None
    copies: int

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the columns."""
        return self.run.class_names

    @cached_property
    def is_vector(self) -> NDArray[np.bool_]:
        """Whether only the colour features of a picture are known, (n,)."""
        return np.array([form == SWATCH for form in self.data.images.values()], dtype=np.bool_)

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """The true classes of the test pictures, (t,)."""
        return self.data.labels[self.test]

    @property
    def test_probs(self) -> NDArray[np.float64]:
        """The probabilities of the test pictures, (t, classes)."""
        return self.probs[self.test]

    @property
    def test_groups(self) -> list[str]:
        """The group ids of the test pictures."""
        return [self.data.groups[place] for place in self.test]

    @property
    def measured_on(self) -> str:
        """Where the answers to `held` come from, in words."""
        if self.validation:
            return "the cross-validation"
        return "the test split" if self.learner.is_quick else "the val and test splits"

    @cached_property
    def locations(self) -> dict[str, str]:
        """Where each picture came from, by its hash: a path inside what was added, or its address."""
        return {origin.sha256: origin.location for origin in self.catalog.origins()}

    @property
    def held(self) -> NDArray[np.intp]:
        """The places of the pictures in `held_probs`: all, or those that the model never learnt from."""
        if self.validation:
            return np.arange(len(self.data.labels))
        # a quick learner learns from val too, once it has chosen
        return self.test if self.learner.is_quick else np.flatnonzero(self.data.splits != "train")

    @property
    def held_probs(self) -> NDArray[np.float64]:
        """Probabilities of `held`, (h, classes), each by a model that never learnt from the picture."""
        if self.validation:
            return self.calibration.probs(self.validation.logits / self.model.temperature)
        return self.probs[self.held]


def measure(
    project: Project, settings: Settings, catalog: Catalog, run: Run, progress: Progress, *, key: str
) -> Evaluation:
    """Compute the answers to all pictures, and cross-validate where the settings ask for it.

    Args:
        project: whose run it is.
        settings: of the project.
        catalog: open.
        run: what is evaluated.
        progress: told of what is computed.
        key: the digest of all that the result depends on; an interrupted cross-validation is resumed under it.
    """
    data = load_dataset(catalog, with_vectors=takes_vectors(run.learner))
    learner, model = load_model(run, settings.publish.views)
    pictures = Pictures(project, tuple(data.images.items()), settings, progress)
    outputs = model.predict(pictures)
    calibration, test = load_calibration(run), np.flatnonzero(data.splits == "test")
    learnt = np.flatnonzero(data.splits != "test")
    training = TrainingData.of(data.take(learnt), pictures.take(learnt), settings)
    training = replace(training, seed=run.seed)
    if settings.publish.temper_for_shifts:
        progress.start("asking about changed pictures", None)
        calibration = replace(calibration, temper=fit_shift_temper(learner, model, calibration, training))
    progress.start("choosing when to decline", None)
    declining = choose_declining(
        learner, model, calibration, training, outputs.take(learnt),
        load_held_out_logits(project.runs_folder / run.name),
    )  # fmt: skip
    probs = calibration.probs(outputs.logits / model.temperature)
    familiarity = declining.score(outputs.take(test), model.temperature, calibration)
    evaluation = Evaluation(
        project, settings, catalog, progress, run, learner, model, calibration, data, pictures, outputs, probs, test,
        declining, familiarity, None, 0,
    )  # fmt: skip
    return _cross_validate(evaluation, key)


def _cross_validate(evaluation: Evaluation, key: str) -> Evaluation:
    """Return the evaluation with a grouped cross-validation and a careless one, where the settings ask for them."""
    settings, learner, model, data = evaluation.settings, evaluation.learner, evaluation.model, evaluation.data
    run, runs_folder = evaluation.run, evaluation.project.runs_folder
    copies, copy_labels = load_copies(evaluation.catalog, run.class_names)
    files = Counter(origin.sha256 for origin in evaluation.catalog.origins())
    times = [files[name] for name in (*data.images, *copies)]
    evaluation = replace(evaluation, copies=sum(times) - len(data.labels))
    choice = settings.evaluate.cross_validate
    if choice == "never" or (choice == "auto" and not learner.is_quick):
        return evaluation
    evaluation.progress.start("cross-validating", None)
    keep = runs_folder / f"unfinished-evaluate-{run.name}" / hash_text(key + repr(times))[:16]
    training = replace(TrainingData.of(data, evaluation.pictures, settings, keep / "grouped"), seed=run.seed)
    folds = group_folds(data.labels, data.groups, settings.evaluate.folds, settings.seed)
    logits = learner.predict_held_out(training, folds, model)
    everything = replace(evaluation.pictures, images=(*data.images.items(), *copies.items()))
    places = np.repeat(np.arange(len(everything)), times)
    shuffled = replace(
        training, pictures=everything.take(places), labels=np.concatenate([data.labels, copy_labels])[places],
        groups=("",) * len(places), splits=np.full(len(places), "train"), keep=keep / "careless",
    )  # fmt: skip
    careless_folds = group_folds(shuffled.labels, None, settings.evaluate.folds, settings.seed)
    careless_logits = learner.predict_held_out(shuffled, careless_folds, model)
    shutil.rmtree(keep.parent, ignore_errors=True)
    answers, careless = (
        evaluation.calibration.logits(values / model.temperature).argmax(axis=1) for values in (logits, careless_logits)
    )
    first = np.searchsorted(places, np.arange(len(data.labels)))  # of the files of each picture
    right, seed = answers == data.labels, settings.seed
    difference = difference_by_groups((careless == shuffled.labels)[first], right, data.groups, seed)
    shares = share_by_groups(right, data.groups, seed), accuracy(shuffled.labels, careless)
    return replace(evaluation, validation=CrossValidation(logits, *shares, difference, len(folds)))

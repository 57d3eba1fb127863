"""When a guide says "none of these": the score that tells known pictures from others, chosen and judged.

Knows nothing about projects. What is known comes from pictures held out with their groups; what is unknown from classes
left out of the learning one by one, where that is quick, and from pictures drawn here or given. The test split chooses
nothing.
"""

import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldguide.calibration import Calibration
from fieldguide.familiarity import (
    BY_FEATURES,
    CANDIDATES,
    SCORES,
    USUAL,
    Basis,
    Candidate,
    Familiarity,
    Score,
    choose_score,
    find_basis,
    fit_familiarity,
    weigh_probability,
)
from fieldguide.features import Pictures
from fieldguide.features.altered import AlteredPictures
from fieldguide.images.unrelated import KINDS, draw_unrelated
from fieldguide.learners.contract import Learner, Model, Outputs, TrainingData, group_folds
from fieldguide.learners.linear_head import root

MIN_CHOICE = 100  # pictures to learn from: of fewer, chance alone chooses
MAX_LEFT_OUT = 12  # classes
MAX_PICTURES = 4000  # of which classes are left out
_DRAWN, _SEED = 6, 1  # pictures of each kind that is drawn, to choose by: others than those that are measured on
Doubles = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class KnownPictures:
    """A trained model, the pictures it may learn from, and what it says of them.

    Attributes:
        learner: that made the model.
        model: whose logits they are.
        calibration: what makes probabilities of them.
        training: the n pictures of train and val.
        outputs: of the model for these, which learnt from them.
        held_out: (n, classes) logits over the temperature, each picture's by a model that never learnt from it; NaN
            where there are none.
    """

    learner: Learner
    model: Model
    calibration: Calibration
    training: TrainingData
    outputs: Outputs
    held_out: Doubles

    @property
    def chooses(self) -> bool:
        """Whether there is enough to choose by."""
        return self.learner.is_quick and len(self.training.labels) >= MIN_CHOICE


@dataclass(frozen=True)
class Declining:
    """How a guide tells known pictures from others.

    Attributes:
        familiarity: the score, fitted to all pictures that may be learnt from, with its weight.
        known: (m,) how familiar the pictures are that it was held out from: where the threshold is set.
        left_out: by class, how familiar its pictures are to a model that learnt from the other classes alone.
        areas: the AUROC of each score that was tried, by which it was chosen; empty where nothing was chosen.
        chosen: what the score is called.
    """

    familiarity: Familiarity
    known: Doubles
    left_out: Mapping[str, Doubles]
    areas: Mapping[str, float]
    chosen: str

    def score(self, outputs: Outputs, temperature: float, calibration: Calibration) -> Doubles:
        """Return (n,) how familiar pictures are, given a model's outputs for them."""
        logits = outputs.logits / temperature
        measured = self.familiarity.measure(root(outputs.features), logits)
        return self.familiarity.weigh(measured, calibration.probs(logits).max(axis=1))

    def to_bytes(self) -> bytes:
        """Return it as an .npz file, without pickles."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = self.familiarity.to_arrays()
        arrays |= {f"left_out.{number}": scores for number, scores in enumerate(self.left_out.values())}
        np.savez(
            buffer, **arrays, known=self.known, chosen=np.array(self.chosen),
            left_out_names=np.array(list(self.left_out), dtype=np.str_), area_names=np.array(list(self.areas), np.str_),
            areas=np.array(list(self.areas.values()), np.float64),
        )  # fmt: skip
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Declining":
        """Read it from an .npz file.

        Raises:
            ValueError: the file is cut short or holds something else.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
                names = [str(name) for name in arrays["left_out_names"]]
                left_out = {name: arrays[f"left_out.{number}"] for number, name in enumerate(names)}
                areas = dict(zip((str(name) for name in arrays["area_names"]), arrays["areas"].tolist(), strict=True))
                familiarity = Familiarity.from_arrays(arrays)
                return cls(familiarity, arrays["known"], left_out, areas, str(arrays["chosen"]))
        except (KeyError, OSError, EOFError, BadZipFile, zlib.error, TypeError) as error:
            raise ValueError(f"not what tells known pictures from others: {error}") from error


def draw_outputs(model: Model, pictures: Pictures, count: int, seed: int) -> dict[str, Outputs]:
    """Return by kind the model's outputs for so many pictures of each kind that is drawn here.

    Args:
        model: what is asked.
        pictures: any of the project, one at least, in the place of which they are seen.
        count: of each kind.
        seed: of the drawing.
    """
    drawings = [draw_unrelated(kind, number, seed) for kind in KINDS for number in range(count)]
    outputs = see_instead(model, pictures, drawings)
    return {kind: outputs.take(np.arange(place * count, (place + 1) * count)) for place, kind in enumerate(KINDS)}


def see_instead(model: Model, pictures: Pictures, images: Sequence[Image.Image]) -> Outputs:
    """Return the model's outputs for RGB images that are no pictures of the project."""

    def show(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
        return lambda _: image

    shown = AlteredPictures.of(pictures, [0] * len(images), [show(image) for image in images])
    return model.predict(shown)


def choose_declining(
    learner: Learner,
    model: Model,
    calibration: Calibration,
    training: TrainingData,
    outputs: Outputs,
    kept: Mapping[str, NDArray[np.float32]],
) -> Declining:
    """Choose and fit what tells known pictures from others.

    Args:
        learner: that made the model.
        model: the run's.
        calibration: what makes probabilities of its logits.
        training: the n pictures of train and val.
        outputs: of the model for these.
        kept: by hash, the logits over the temperature of those that were held out, as the run kept them.
    """
    held_out = _hold_out_logits(learner, model, training, outputs, kept)
    known = KnownPictures(learner, model, calibration, training, outputs, held_out)
    return fit_declining(known, draw_outputs(model, training.pictures, _DRAWN, _SEED) if known.chooses else {})


def _hold_out_logits(
    learner: Learner, model: Model, training: TrainingData, outputs: Outputs, kept: Mapping[str, NDArray[np.float32]]
) -> Doubles:
    """Return (n, classes) logits over the temperature of held-out pictures, NaN where there are none.

    Where the run kept none, they are computed again.
    """
    names = [name for name, _ in training.pictures.images]
    if kept.keys() & set(names):
        nothing = np.full(len(training.class_names), np.nan)
        return np.stack([np.asarray(kept.get(name, nothing), np.float64) for name in names])
    if learner.is_quick:
        folds = group_folds(training.labels, training.groups, training.folds, training.seed)
        return learner.predict_held_out(training, folds, model) / model.temperature
    held_out = np.full(outputs.logits.shape, np.nan)
    val = training.where("val")
    held_out[val] = outputs.logits[val] / model.temperature
    return held_out


def fit_declining(known: KnownPictures, drawn: Mapping[str, Outputs]) -> Declining:
    """Choose the score and fit it.

    How a network answers for a class that it was trained on tells nothing of one that it never saw, so for networks no
    class is left out, and the usual score is taken. So it is where pictures are few.

    Args:
        known: the model and the pictures to learn from.
        drawn: by kind, the model's outputs for pictures of other things, which only choose.
    """
    rows, labels = root(known.outputs.features), known.training.labels
    chooses = known.chooses
    scores: Sequence[Score] = SCORES if chooses else (USUAL.score,)
    fitter = _Fitter(scores, find_basis(rows) if chooses else None)
    held_out, kept = _hold_out(known, fitter, rows)
    places = np.flatnonzero(kept)
    probs = known.calibration.probs(known.held_out[places]).max(axis=1)
    weights = {score: weigh_probability(held_out[score][places], probs) for score in scores if score in BY_FEATURES}
    strange = _leave_out(known, fitter, rows) if known.learner.is_quick else {}

    def weigh(candidate: Candidate, measured: Doubles, probs: Doubles) -> Doubles:
        return Familiarity(candidate.score, _weight(candidate, weights)).weigh(measured, probs)

    familiar = {
        candidate: weigh(candidate, held_out[candidate.score][places], probs)
        for candidate in CANDIDATES if candidate.score in scores
    }  # fmt: skip
    left_out = {
        candidate: {name: weigh(candidate, answer.measured[candidate.score], answer.probs)
                    for name, answer in strange.items()} for candidate in familiar
    }  # fmt: skip
    chosen, areas = USUAL, dict[Candidate, float]()
    if chooses and (strange or drawn):
        all_fits = fitter.fit(rows, labels, known.outputs.logits / known.model.temperature)
        others = {kind: _answer(known, all_fits, outputs) for kind, outputs in drawn.items()}
        unknown = {
            candidate: [list(left_out[candidate].values()),
                        [weigh(candidate, other.measured[candidate.score], other.probs) for other in others.values()]]
            for candidate in familiar
        }  # fmt: skip
        chosen, areas = choose_score(familiar, unknown)
    logits = known.outputs.logits / known.model.temperature
    fitted = fit_familiarity(rows, labels, chosen.score, logits=logits, basis=fitter.basis)
    return Declining(
        replace(fitted, weight=_weight(chosen, weights)), familiar[chosen], left_out[chosen],
        {str(candidate): area for candidate, area in areas.items()}, str(chosen),
    )  # fmt: skip


def _weight(candidate: Candidate, weights: Mapping[Score, float]) -> float:
    if candidate.score == "probability":
        return 1.0
    return weights[candidate.score] if candidate.weighed else 0.0


@dataclass(frozen=True)
class _Fitter:
    """Fits several scores to the same pictures."""

    scores: Sequence[Score]
    basis: Basis | None

    def fit(self, rows: NDArray[np.float32], labels: Labels, logits: Doubles) -> dict[Score, Familiarity]:
        """Fit each score."""
        return {score: fit_familiarity(rows, labels, score, logits=logits, basis=self.basis) for score in self.scores}


@dataclass(frozen=True)
class _Answer:
    """What each score measures of some pictures, and how probable their answers are."""

    measured: Mapping[Score, Doubles]
    probs: Doubles


def _answer(known: KnownPictures, fits: Mapping[Score, Familiarity], outputs: Outputs) -> _Answer:
    rows, logits = root(outputs.features), outputs.logits / known.model.temperature
    measured = {score: fitted.measure(rows, logits) for score, fitted in fits.items()}
    return _Answer(measured, known.calibration.probs(logits).max(axis=1))


def _hold_out(
    known: KnownPictures, fitter: _Fitter, rows: NDArray[np.float32]
) -> tuple[dict[Score, Doubles], NDArray[np.bool_]]:
    """Return by score (n,) values of each picture by a fit without its fold, and which pictures have one.

    Of a network's pictures, those of train have none: its features are of what it learnt.
    """
    training, labels = known.training, known.training.labels
    pairs = [(training.where("train"), training.where("val"))]
    if known.learner.is_quick:
        pairs = group_folds(labels, training.groups, training.folds, training.seed)
    measured = {score: np.full(len(rows), np.nan) for score in fitter.scores}
    for learnt, rest in pairs:
        fits = fitter.fit(rows[learnt], labels[learnt], known.held_out[learnt])
        for score, fitted in fits.items():
            measured[score][rest] = fitted.measure(rows[rest], known.held_out[rest])
    return measured, ~np.isnan(measured[USUAL.score]) & ~np.isnan(known.held_out[:, 0])


def _leave_out(known: KnownPictures, fitter: _Fitter, rows: NDArray[np.float32]) -> dict[str, _Answer]:
    """Return by class what is said of its pictures by a model that learnt from the other classes alone."""
    size = min(len(rows), MAX_PICTURES)  # the first of them: they are in the order of their hashes
    labels, training = known.training.labels[:size], known.training
    classes = np.unique(labels)
    chosen = classes[:: max(1, -(-len(classes) // MAX_LEFT_OUT))] if len(classes) > 2 else classes[:0]
    if not chosen.size:
        return {}
    folds = [(np.flatnonzero(labels != label), np.flatnonzero(labels == label)) for label in chosen]
    part = training.take(np.arange(size))
    logits = known.learner.predict_held_out(part, folds, known.model) / known.model.temperature
    answers = {}
    for label, (others, left_out) in zip(chosen, folds, strict=True):
        rest = np.delete(logits[left_out], label, axis=1)
        own = np.delete(known.held_out[others], label, axis=1)
        fits = fitter.fit(rows[:size][others], labels[others], own)
        measured = {score: fitted.measure(rows[:size][left_out], rest) for score, fitted in fits.items()}
        probs = known.calibration.without(int(label)).probs(rest).max(axis=1)
        answers[training.class_names[label]] = _Answer(measured, probs)
    return answers

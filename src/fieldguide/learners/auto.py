"""The choice "auto": a model on a backbone, and a quick fit of colours beside it, which is taken where it is better.

Knows nothing about projects. What is kept is a model of one of the two, as if that learner had been named.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.hashing import hash_text
from fieldguide.learners import open_learner
from fieldguide.learners.colour import ColourLearner
from fieldguide.learners.contract import FitResult, TrainingData
from fieldguide.learners.linear_head import choose_within_error, picture_losses
from fieldguide.metrics import accuracy
from fieldguide.settings import ColourSettings, TrainSettings

AUTO = "auto"
MAX_PICTURES = 1500  # on which colours are compared: more cost minutes, and hardly change the answer
Score = tuple[float, float, float]
_QUICK = ColourSettings(families=("svm", "logistic"), grid="usual")


@dataclass(frozen=True)
class AutoResult:
    """What was fitted, and which of it is taken.

    Attributes:
        settings: of the learner that is taken, by its own name.
        result: its result.
        beside: by learner, the accuracy with its interval on the pictures that both were measured on.
    """

    settings: TrainSettings
    result: FitResult
    beside: dict[str, Score]


def fit_auto(training: TrainingData, settings: TrainSettings, seed: int) -> AutoResult:
    """Fit a backbone's head or network as the settings say, and colours beside it; take one of the two.

    Colours are taken where they are right more often and the log loss of the other is more than a standard error
    above theirs, so not where both are as good. Of more than 1,500 pictures they see that many, and all where they
    win.
    """
    transfer = settings.model_copy(update={"learner": "transfer"})
    result = open_learner(transfer, seed).fit(training)
    colour = settings.model_copy(update={"learner": "colour", "colour": _QUICK, "size": "auto", "fit": "auto"})
    learner, chosen = ColourLearner(colour, seed), _sample(training)
    logits = learner.hold_out(training.take(chosen))
    labels = training.labels[chosen]
    wins, beside = _compare(result.held_out[chosen], logits, labels)
    if not wins:
        return AutoResult(transfer, result, beside)
    fitted = learner.fit(training)
    wins, beside = _compare(result.held_out, fitted.held_out, training.labels)
    return AutoResult(colour, fitted, beside) if wins else AutoResult(transfer, result, beside)


def _compare(
    transfer: NDArray[np.float64], colour: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[bool, dict[str, Score]]:
    """Return whether colours are better, and the scores of both where both have answered; NaN is no answer."""
    rows = ~np.isnan(transfer[:, 0])
    answers = {"transfer": transfer[rows], "colour": colour[rows]}
    scores = {name: accuracy(labels[rows], logits.argmax(axis=1)) for name, logits in answers.items()}
    best = choose_within_error([picture_losses(logits, labels[rows]) for logits in answers.values()])
    return best == 1 and scores["colour"][0] > scores["transfer"][0], scores


def _sample(training: TrainingData) -> NDArray[np.intp]:
    """Return the places of about 1,500 pictures at most, chosen by their hashes, the same share of each class."""
    names = [name for name, _ in training.pictures.images]
    counts, earlier = Counter(training.labels.tolist()), Counter[int]()
    shares: list[tuple[float, int]] = []
    for place in sorted(range(len(names)), key=lambda place: hash_text(names[place])):
        label = int(training.labels[place])
        shares.append((earlier[label] / counts[label], place))  # 0 for the first, so that no class is left out
        earlier[label] += 1
    return np.array(sorted(place for _, place in sorted(shares)[:MAX_PICTURES]), np.intp)

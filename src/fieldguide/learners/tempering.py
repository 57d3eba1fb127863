"""How much less sure answers should be, for pictures from elsewhere than those that a model was trained on.

Knows nothing about projects. Pictures of val are changed as pictures from elsewhere may be, and answered by a model
that did not learn from them; what suits them and the unchanged ones together is taken.
"""

from dataclasses import replace

import numpy as np
from PIL import Image

from fieldguide.calibration import Calibration, fit_temper
from fieldguide.features.altered import AlteredPictures, Change
from fieldguide.images.shifts import SHIFTS
from fieldguide.images.swatches import SWATCH
from fieldguide.learners.contract import Learner, Model, TrainingData

_LEARNT, _ASKED, _CHANGES = 1000, 100, 3  # pictures to learn from, pictures of val, and changes of each


def fit_shift_temper(learner: Learner, model: Model, calibration: Calibration, training: TrainingData) -> float:
    """Return by what the logarithms of probabilities are to be divided, at least 1.

    Changed and unchanged pictures weigh alike. A quick learner learns once more, from train alone; a network has not
    learnt from val.

    Args:
        learner: that made the model.
        model: the run's.
        calibration: what makes probabilities of its logits.
        training: the pictures of train and val.
    """
    pictures = np.flatnonzero([form != SWATCH for _, form in training.pictures.images])
    asked = np.intersect1d(training.where("val"), pictures)[:_ASKED]  # in the order of their hashes
    if not len(asked):
        return 1.0
    names, changes = list(SHIFTS), dict[int, list[Change]]()
    for number, place in enumerate(asked.tolist()):
        changes[place] = [_keep] * _CHANGES  # a picture that comes several times in a row is decoded once
        changes[place] += [SHIFTS[names[(number + turn * _CHANGES) % len(names)]] for turn in range(_CHANGES)]
    places = [place for place in changes for _ in changes[place]]
    altered = AlteredPictures.of(training.pictures, places, [change for each in changes.values() for change in each])
    labels = training.labels[places]
    if not learner.is_quick:
        logits = model.predict(altered).logits
        return fit_temper(calibration.logits(logits / model.temperature), labels)
    learnt = np.intersect1d(training.where("train"), pictures)[:_LEARNT].tolist()
    seen = AlteredPictures.of(training.pictures, [*learnt, *places], [*([_keep] * len(learnt)), *altered.changes])
    groups = tuple(training.groups[place] for place in (*learnt, *places))
    part = replace(
        training, pictures=seen, labels=np.concatenate([training.labels[learnt], labels]), groups=groups,
        splits=np.array(["train"] * len(learnt) + ["val"] * len(places)), keep=None,
    )  # fmt: skip
    fold = np.arange(len(learnt)), np.arange(len(learnt), len(seen))
    logits = learner.predict_held_out(part, [fold], model)[len(learnt) :]
    return fit_temper(calibration.logits(logits / model.temperature), labels)


def _keep(image: Image.Image) -> Image.Image:
    return image

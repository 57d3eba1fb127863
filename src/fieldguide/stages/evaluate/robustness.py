"""The sections on pictures that are unlike those of the test split on the whole: changed ones, and slices of it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.familiarity import accept_threshold
from fieldguide.features.altered import AlteredPictures
from fieldguide.images.shifts import SHIFTS
from fieldguide.learners.contract import Outputs
from fieldguide.metrics import (
    MIN_CALIBRATION,
    accuracy,
    accuracy_difference,
    calibration_error,
    calibration_interval,
    debiased_calibration_error,
    wilson_interval,
)
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part

MIN_SLICE = 20  # pictures: of fewer, the interval says nothing
_SMALL, _LARGE = 300, 1000  # pixels of the shorter side
_WIDE = 1.2  # times as long as the other side


def measure_robustness(evaluation: Evaluation) -> Part | None:
    """Return what is left of the figures when test pictures are changed; None of too few, or where it is not wanted."""
    pictures = evaluation.test[~evaluation.is_vector[evaluation.test]]
    count = min(evaluation.settings.evaluate.robustness, len(pictures))
    if count < MIN_CALIBRATION:
        return None
    places = pictures[:count]  # in the order of their hashes: any
    threshold = accept_threshold(evaluation.declining.known, evaluation.settings.publish.true_accept)
    progress = evaluation.progress
    progress.start("changing test pictures", count * len(SHIFTS))
    before = _Answers(evaluation, places, evaluation.outputs.take(places))
    rows = [_judge("as they are", before, before, threshold)]
    together = []
    for name, change in SHIFTS.items():
        altered = AlteredPictures.of(evaluation.pictures, places.tolist(), [change] * count)
        answers = _Answers(evaluation, places, evaluation.model.predict(altered))
        rows.append(_judge(name, answers, before, threshold))
        together.append(answers)
    probs, labels = np.concatenate([answers.probs for answers in together]), np.tile(before.labels, len(together))
    groups = list(before.groups) * len(together)
    all_changes = {
        "accuracy": [float(np.mean([row["accuracy"][0] for row in rows[1:]]))],
        "ece": calibration_error(probs, labels),
        "debiased": debiased_calibration_error(probs, labels),
        "ece_interval": calibration_interval(probs, labels, groups),
    }
    return Part({"pictures": count, "rows": rows, "all": all_changes})


class _Answers:
    """What a model says of some pictures."""

    def __init__(self, evaluation: Evaluation, places: NDArray[np.intp], outputs: Outputs) -> None:
        temperature = evaluation.model.temperature
        self.labels = evaluation.data.labels[places]
        self.groups = [evaluation.data.groups[place] for place in places]
        self.probs = evaluation.calibration.probs(outputs.logits / temperature)
        self.right = self.probs.argmax(axis=1) == self.labels
        self.familiarity = evaluation.declining.score(outputs, temperature, evaluation.calibration)


def _judge(name: str, answers: _Answers, before: _Answers, threshold: float) -> dict[str, Any]:
    """Return the figures of one change."""
    declined = answers.familiarity < threshold
    kept = int(np.sum(~declined))
    right = int(np.sum(answers.right & ~declined))
    return {
        "change": name,
        "accuracy": accuracy(answers.labels, answers.probs.argmax(axis=1)),
        "difference": accuracy_difference(answers.right, before.right),
        "stated": float(answers.probs.max(axis=1).mean()),
        "ece": calibration_error(answers.probs, answers.labels),
        "debiased": debiased_calibration_error(answers.probs, answers.labels),
        "ece_interval": calibration_interval(answers.probs, answers.labels, answers.groups),
        "declined": [float(declined.mean()), *wilson_interval(int(declined.sum()), len(declined))],
        "answered_right": [right / kept, *wilson_interval(right, kept)] if kept else None,
    }


def measure_slices(evaluation: Evaluation) -> Part | None:
    """Return the accuracy of parts of the held-out pictures that are alike in something; None where there are none."""
    held, probs, labels = evaluation.held, evaluation.held_probs, evaluation.data.labels
    right = probs.argmax(axis=1) == labels[held]
    rows = []
    for title, tell in _slicers(evaluation).items():
        values = np.array([tell(int(place)) for place in held])
        found = [(value, values == value) for value in np.unique(values)]
        large = [(str(value), inside) for value, inside in found if value and inside.sum() >= MIN_SLICE]
        if len(large) < 2:
            continue
        rows += [_slice(title, value, right[inside], probs[inside]) for value, inside in large]
    if not rows:
        return None
    return Part({"measured_on": "all" if evaluation.validation else "test", "least": MIN_SLICE, "rows": rows})


def _slice(title: str, value: str, right: NDArray[np.bool_], probs: NDArray[np.float64]) -> dict[str, Any]:
    hits, count = int(right.sum()), len(right)
    return {
        "by": title,
        "slice": value,
        "pictures": count,
        "accuracy": [hits / count, *wilson_interval(hits, count)],
        "stated": float(probs.max(axis=1).mean()),
    }


def _slicers(evaluation: Evaluation) -> Mapping[str, Callable[[int], str]]:
    """Return what tells of the picture at a place, by what is told: the slice that it belongs to, "" for none."""
    names = list(evaluation.data.images)
    images, sources = evaluation.catalog.images(), dict[str, str]()
    for origin in evaluation.catalog.origins():
        sources.setdefault(origin.sha256, origin.source)
    sizes = np.unique(np.asarray(evaluation.data.groups), return_inverse=True, return_counts=True)
    alone = sizes[2][sizes[1]] == 1

    def tell_size(place: int) -> str:
        if evaluation.is_vector[place]:
            return ""
        shorter = min(images[names[place]].width, images[names[place]].height)
        return (
            f"under {_SMALL} pixels" if shorter < _SMALL else f"over {_LARGE} pixels" if shorter > _LARGE else "between"
        )

    def tell_shape(place: int) -> str:
        if evaluation.is_vector[place]:
            return ""
        row = images[names[place]]
        return "wide" if row.width > _WIDE * row.height else "tall" if row.height > _WIDE * row.width else "square"

    return {
        "source": lambda place: sources.get(names[place], ""),
        "size": tell_size,
        "shape": tell_shape,
        "group": lambda place: "alone" if alone[place] else "in a group of near-copies or one subject",
        "file format": lambda place: "colour features" if evaluation.is_vector[place] else images[names[place]].format,
    }

"""What scikit-learn's estimators of the colour families say, as logits. Knows nothing about how they are fitted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Calibration
from fieldguide.exporters.colour import ABSENT_LOGIT, FOREST_DOUBT, Family
from fieldguide.familiarity import Familiarity

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Estimator:
    """A fitted estimator, and what makes a guide's answers of what it says.

    Attributes:
        family: that it is of.
        pipeline: a `StandardScaler`, then the estimator of the family.
        class_count: how many classes there are.
        temperature: by which its logits are divided.
        calibration: makes probabilities of them.
        familiarity: measures how near a picture is to those learnt from.
    """

    family: Family
    pipeline: Any
    class_count: int
    temperature: float
    calibration: Calibration
    familiarity: Familiarity

    def answer(self, features: NDArray[np.float32]) -> tuple[Doubles, Doubles]:
        """Return (n, classes) probabilities and (n,) familiarity of (n, d) features."""
        logits = estimator_logits(self.family, self.pipeline, self.class_count, features) / self.temperature
        probs = self.calibration.probs(logits)
        roots = np.sign(features) * np.sqrt(np.abs(features))
        measured = self.familiarity.measure(roots, logits)
        return probs, np.minimum(self.familiarity.weigh(measured, probs.max(axis=1)), 0.0)


def estimator_logits(family: Family, pipeline: Any, class_count: int, features: NDArray[np.float32]) -> Doubles:
    """Return (n, class_count) logits, before the temperature, of (n, d) features; those without rows have one too."""
    logits = np.full((len(features), class_count), ABSENT_LOGIT)
    logits[:, pipeline.classes_] = _seen_logits(family, pipeline, features)
    return logits


def _seen_logits(family: Family, pipeline: Any, features: NDArray[np.float32]) -> Doubles:
    """Return (n, k) logits of the classes that had rows."""
    count = len(pipeline.classes_)
    if count == 1:
        return np.zeros((len(features), 1))
    if family == "forest":
        return np.asarray(np.log(pipeline.predict_proba(features) + FOREST_DOUBT))
    if family == "mlp":  # its output is not squashed: the learner takes its last activation away
        scores = pipeline.predict_proba(features)[:, 1 if count == 2 else slice(None)]
    else:
        scores = pipeline.decision_function(features)
    if family == "svm":
        return _add_up_pairs(-scores[:, None] if count == 2 else scores, count)
    return np.stack([-scores, scores], axis=1) / 2 if count == 2 else scores


def _add_up_pairs(margins: Doubles, count: int) -> Doubles:
    """Return (n, k) sums, over the pairs of each class, of the log-sigmoids of (n, pairs) margins.

    A margin just above 0 is worth little more than one just below: smoother than the votes that scikit-learn counts,
    and on hard cases a point more accurate (benchmarks/bench_colour.py).
    """
    first, second = np.triu_indices(count, 1)
    place = np.eye(count)
    return np.asarray(-np.logaddexp(0, -margins) @ place[first] - np.logaddexp(0, margins) @ place[second])

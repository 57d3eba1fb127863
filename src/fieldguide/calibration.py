"""Probabilities that mean what they say: what turns logits into them, chosen by answers to pictures left out.

Arrays in, arrays out; knows nothing about pictures or files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Labels = NDArray[np.int64]
Method = Literal["temperature", "confidence", "vector", "isotonic"]

_GOLDEN = (np.sqrt(5.0) - 1) / 2
MAX_LOG_LOSS = float(-np.log(np.finfo(np.float64).eps))  # 36.04: of a probability of 2.2e-16
# where an isotonic map may bend: closer where probabilities crowd
KNOTS = np.array([0, 0.002, 0.01, 0.03, 0.07, 0.15, 0.25, 0.4, 0.55, 0.7, 0.8, 0.88, 0.94, 0.97, 0.99, 0.998, 1.0])
MIN_CHOICE = 200  # answers: of fewer, chance alone chooses
# standard errors by which a method must beat the temperature: fewer where it has one number more and keeps every order
_ERRORS = {"confidence": 1.0, "vector": 2.0, "isotonic": 2.0}
_MOST_BEND = 3.0  # of the temperature's logarithm, from unsure to sure
_LEAST_GAIN = 0.002  # nats: less is nothing, however certain
_PULL = 1.0  # of vector scaling towards doing nothing: as much as one picture


def softmax(logits: Doubles) -> Doubles:
    """Return probabilities, (n, classes), rows summing to 1, of (n, classes) logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def log_losses(logits: Doubles, labels: Labels) -> Doubles:
    """Return each picture's cross-entropy, nats, against its true class, smoothed by one imagined mistake among all.

    Without it, a perfect separation would ask for infinite confidence (Platt, "Probabilistic outputs for support
    vector machines", 1999, uses the same targets, (n + 1) / (n + 2)). No picture counts for more than `MAX_LOG_LOSS`,
    as in scikit-learn: a classifier that is infinitely sure says nothing by how infinitely.
    """
    return np.minimum(_unlimited_losses(logits, labels), MAX_LOG_LOSS)


def _unlimited_losses(logits: Doubles, labels: Labels, count: int | None = None) -> Doubles:
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    true = logits[np.arange(len(labels)), labels]
    doubt = 1.0 / ((count or len(labels)) + 2)
    return np.asarray(total - (1 - doubt) * true - doubt * logits.mean(axis=1))


def fit_temperature(logits: Doubles, labels: Labels) -> float:
    """Return the temperature in 0.05..20 that makes held-out logits most likely.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; golden-section search over its logarithm.

    Args:
        logits: (n, classes) of pictures that were not trained on.
        labels: (n,) true classes.
    """
    low, high = np.log(0.05), np.log(20.0)
    while high - low > 1e-4:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        left_loss, right_loss = (_unlimited_losses(logits / np.exp(at), labels).mean() for at in (left, right))
        if left_loss < right_loss:
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _nothing() -> Doubles:
    return np.zeros(0)


@dataclass(frozen=True)
class Calibration:
    """What turns a model's logits, divided by its temperature, into probabilities.

    - "temperature": softmax, and nothing else.
    - "confidence": softmax of logits that are multiplied by exp(a + b (p - 1/2)), p the highest probability, `bend`
      being (a, b): sure answers have another temperature than unsure ones, and no answer changes (after Tomani et al.,
      "Parameterized Temperature Scaling for Boosting the Expressive Power in Post-Hoc Uncertainty Calibration", ECCV
      2022, who let a network find it).
    - "vector": softmax of `logits * scale + shift`, both (classes,) (Guo et al., 2017, section 4.2).
    - "isotonic": of the softmax, each class's probability through a rising map, and their sum made 1 (Zadrozny and
      Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002). The map is
      straight between `KNOTS`, where it has `values`, (classes, knots): any runtime can carry that.

    Attributes:
        method: which of them.
        temper: by which the logarithms of the probabilities are divided after that: more than 1 makes answers less
            sure, for pictures from elsewhere.
    """

    method: Method = "temperature"
    bend: Doubles = field(default_factory=_nothing)
    scale: Doubles = field(default_factory=_nothing)
    shift: Doubles = field(default_factory=_nothing)
    values: Doubles = field(default_factory=_nothing)
    temper: float = 1.0

    def logits(self, logits: Doubles) -> Doubles:
        """Return logits, (n, classes), whose softmax is the calibrated probabilities."""
        if self.method == "confidence":
            logits = _bent(logits, self.bend)
        if self.method == "vector":
            logits = logits * self.scale + self.shift
        if self.method == "isotonic":
            logits = np.log(self._rise(softmax(logits)))
        return np.asarray(logits / self.temper)

    def probs(self, logits: Doubles) -> Doubles:
        """Return calibrated probabilities, (n, classes), of (n, classes) logits divided by the temperature."""
        return softmax(self.logits(logits))

    def _rise(self, probs: Doubles) -> Doubles:
        rows = [np.interp(column, KNOTS, values) for column, values in zip(probs.T, self.values, strict=True)]
        return np.array(rows).T

    def without(self, label: int) -> "Calibration":
        """Return the calibration of all classes but one."""
        arrays = (self.scale, self.shift, self.values)
        scale, shift, values = (np.delete(array, label, axis=0) if array.size else array for array in arrays)
        return replace(self, scale=scale, shift=shift, values=values)

    def to_dict(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        arrays = {"bend": self.bend, "scale": self.scale, "shift": self.shift, "values": self.values}
        kept = {name: array.tolist() for name, array in arrays.items() if array.size}
        return {"method": self.method, **kept, **({"temper": self.temper} if self.temper != 1.0 else {})}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], classes: int) -> "Calibration":
        """Return the calibration that `to_dict` wrote, of so many classes.

        Raises:
            ValueError: it is not one.
        """
        method, temper = fields.get("method", "temperature"), float(fields.get("temper", 1.0))
        arrays = {
            name: np.array(fields.get(name, []), dtype=np.float64) for name in ("bend", "scale", "shift", "values")
        }
        shapes: dict[Method, dict[str, tuple[int, ...]]] = {
            "temperature": {}, "confidence": {"bend": (2,)}, "vector": {"scale": (classes,), "shift": (classes,)},
            "isotonic": {"values": (classes, len(KNOTS))},
        }  # fmt: skip
        expected = shapes.get(method)
        if expected is None or not temper > 0:
            raise ValueError(f"no calibration {method!r}")
        if any(array.shape != expected.get(name, (0,)) or not np.isfinite(array).all()
               for name, array in arrays.items()):  # fmt: skip
            raise ValueError(f"the numbers of the {method} calibration do not fit {classes} classes")
        return cls(method, **arrays, temper=temper)


def _bent(logits: Doubles, bend: Doubles) -> Doubles:
    top = softmax(logits).max(axis=1, keepdims=True)
    return np.asarray(logits * np.exp(bend[0] + bend[1] * (top - 0.5)))


def _least_bend(classes: int) -> float:
    """Return the lowest b of "confidence" with which answers whose logits are larger are stated to be surer.

    A step s of a ray of logits grows to s exp(b p), which rises while 1 + b s dp/ds > 0. At a given p, s dp/ds is at
    most p (1 - p) ln((classes - 1) p / (1 - p)), where the other classes share the rest alike.
    """
    top = np.linspace(1 / classes, 1, 500)[1:-1]
    return -1 / float(np.max(top * (1 - top) * np.log((classes - 1) * top / (1 - top))))


def fit_confidence(logits: Doubles, labels: Labels) -> Calibration:
    """Fit a temperature that depends on how sure the answer is to held-out (n, classes) logits."""
    from scipy.optimize import minimize

    def loss(bend: Doubles) -> float:
        value = _unlimited_losses(_bent(logits, bend), labels).mean()
        return float(value + _PULL * (bend**2).sum() / (2 * len(labels)))

    limits = [(-_MOST_BEND, _MOST_BEND), (_least_bend(logits.shape[1]), _MOST_BEND)]
    return Calibration("confidence", bend=minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=limits).x)


def fit_vector(logits: Doubles, labels: Labels) -> Calibration:
    """Fit vector scaling to held-out (n, classes) logits, pulled a little towards leaving them as they are."""
    from scipy.optimize import minimize

    classes, count = logits.shape[1], len(labels)
    doubt = 1.0 / (count + 2)
    targets = np.full(logits.shape, doubt / classes)
    targets[np.arange(count), labels] += 1 - doubt

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        scale, shift = parameters[:classes], parameters[classes:]
        moved = logits * scale + shift
        value = _unlimited_losses(moved, labels).mean()
        error = (softmax(moved) - targets) / count
        offset = np.concatenate([scale - 1, shift])
        slope = np.concatenate([(error * logits).sum(axis=0), error.sum(axis=0)])
        return float(value + _PULL * (offset**2).sum() / (2 * count)), slope + _PULL * offset / count

    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    limits = [(0.05, 20.0)] * classes + [(None, None)] * classes  # a scale below 0 would turn a class about
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": 200}).x
    return Calibration("vector", scale=best[:classes], shift=best[classes:])


def fit_isotonic(logits: Doubles, labels: Labels) -> Calibration:
    """Fit a rising map for each class to held-out (n, classes) logits."""
    from scipy.optimize import isotonic_regression

    probs, (count, classes) = softmax(logits), logits.shape
    least = 1.0 / ((count + 2) * classes)  # what is never seen to happen may
    values = []
    for label in range(classes):
        order = np.argsort(probs[:, label], kind="stable")
        rises = isotonic_regression((labels[order] == label).astype(np.float64)).x
        at, places = np.unique(probs[order, label], return_inverse=True)
        level = np.bincount(places, rises) / np.bincount(places)
        values.append(np.clip(np.interp(KNOTS, at, level), least, 1 - least))
    return Calibration("isotonic", values=np.array(values))


class CalibrationChoice(NamedTuple):
    """The calibration that was chosen.

    Attributes:
        calibration: fitted to all answers.
        probs: (n, classes) of each answer, by a fit of the method that was chosen to the other folds.
        losses: the mean log loss, nats, of each method, by fits to the other folds; of few answers, of none.
        gains: how much lower that is than the temperature's, with its standard error.
    """

    calibration: Calibration
    probs: Doubles
    losses: Mapping[str, float]
    gains: Mapping[str, tuple[float, float]]


def can_choose(logits: Doubles, labels: Labels) -> bool:
    """Tell whether there are enough held-out answers to choose by: 200, and two of each class."""
    return len(labels) >= MIN_CHOICE and bool(np.bincount(labels, minlength=logits.shape[1]).min() >= 2)


def choose_calibration(
    logits: Doubles, labels: Labels, folds: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]], groups: Sequence[str]
) -> CalibrationChoice:
    """Choose how to calibrate by held-out answers: the temperature, unless another method is clearly better.

    Each method is fitted to all folds but one and judged on that: one that beats the temperature's log loss by two
    standard errors is taken, the best of several such. One will do for a temperature by confidence: it has one number
    more than the temperature, and can make no answer another.

    Args:
        logits: (n, classes) of pictures that were not trained on, divided by the temperature that suits them.
        labels: (n,) true classes.
        folds: pairs of (fitted to, judged on) indices that cover every answer once; none where `can_choose` says no.
        groups: n group ids: pictures of a group are not counted as so many witnesses.
    """
    plain = Calibration()
    if not can_choose(logits, labels):
        return CalibrationChoice(plain, plain.probs(logits), {}, {})
    fits = {"confidence": fit_confidence, "vector": fit_vector, "isotonic": fit_isotonic}
    held_out = {"temperature": logits, **{name: np.zeros_like(logits) for name in fits}}
    for fitted_to, judged_on in folds:
        for name, fit in fits.items():
            held_out[name][judged_on] = fit(logits[fitted_to], labels[fitted_to]).logits(logits[judged_on])
    losses = {name: log_losses(values, labels) for name, values in held_out.items()}
    gains = {name: _mean_and_error(losses["temperature"] - losses[name], groups) for name in fits}
    better = [name for name, (gain, error) in gains.items() if gain > max(_LEAST_GAIN, _ERRORS[name] * error)]
    means = {name: float(values.mean()) for name, values in losses.items()}
    best = min(better, key=lambda name: means[name], default="temperature")
    chosen = fits[best](logits, labels) if best in fits else plain
    return CalibrationChoice(chosen, softmax(held_out[best]), means, gains)


def _mean_and_error(values: Doubles, groups: Sequence[str]) -> tuple[float, float]:
    """Return the mean of (n,) values, and its standard error where those of a group go together."""
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    mean = float(values.mean())
    sums = np.bincount(numbers, values - mean)
    return mean, float(np.sqrt((sums**2).sum()) / len(values))


def fit_temper(logits: Doubles, labels: Labels) -> float:
    """Return by what the logits of calibrated answers should be divided further, never less than 1.

    Args:
        logits: (n, classes) as `Calibration.logits` gives them, of held-out pictures as they are and changed.
        labels: (n,) true classes.
    """
    return max(1.0, fit_temperature(logits, labels))

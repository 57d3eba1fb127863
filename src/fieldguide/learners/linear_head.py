"""A linear head over features: logistic regression, its strength chosen by grouped cross-validation.

Knows nothing about pictures, projects or how features were made: arrays in, a `Head` out. The regression is on the
standardised square roots of the features; the held-out logits that choose the strength set the temperature too. Heads
of several layers are the same `Head` and fitted in `heads`.
"""

import io
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature, log_losses, softmax
from fieldguide.engine import core_count, map_threads
from fieldguide.exporters.onnx import ACTIVATIONS, Activation, Layer, apply_layers
from fieldguide.learners.contract import Fold

NEVER = -50.0  # a logit that nothing overcomes, for a class without pictures
_MAX_STEPS = 200
_FEW = 2000  # rows up to which rotating them is cheap
# a fold of 12,000 rows x 6,560 columns in 50 classes takes 25 s for six strengths, twice what a preconditioned solver
# of our own took
_TOLERANCE, _TOLERANCE_OF_MANY = 1e-3, 5e-4
_CHUNK = 1024  # rows
_ACTIVATIONS: dict[str, Activation] = {name: name for name in ACTIVATIONS}
_ERRORS = 0.5  # a whole one chooses too strong a penalty where pictures are few

HeadKind = Literal["ridge", "logistic", "lda", "mlp-1024", "mlp-halving"]
HEAD_KINDS: dict[str, HeadKind] = {kind: kind for kind in get_args(HeadKind)}
Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


def root(features: Floats) -> Floats:
    """Return the square roots of the sizes of (n, d) features, with the features' signs.

    Pooled activations are skewed: their roots are nearer to what a linear model takes for granted, which is worth about
    a point of accuracy (Perronnin, Sánchez and Mensink, "Improving the Fisher Kernel", ECCV 2010, section 3.1, where
    signs are kept too).
    """
    roots = np.array(features, dtype=np.float32)
    root_in_place(roots)
    return roots


def root_in_place(rows: Floats) -> None:
    """Take the roots, as `root` does, where the features stand."""
    for start in range(0, len(rows), _CHUNK):  # there may be a third of a gigabyte of them
        part = rows[start : start + _CHUNK]
        np.copysign(np.sqrt(np.abs(part)), part, out=part)


@dataclass(frozen=True)
class Head:
    """A classifier over the roots of features.

    It reads the first `width` features and leaves any behind them.

    Attributes:
        layers: one for a linear head; standardising is folded into the first.
        temperature: what the logits are divided by.
        strength: the inverse regularisation strength C of logistic regression, the penalty of ridge, 0 for the others.
        kind: how it was fitted.
    """

    layers: tuple[Layer, ...]
    temperature: float
    strength: float
    kind: HeadKind = "logistic"

    @property
    def width(self) -> int:
        """How many features the head reads."""
        return len(self.layers[0].weights)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (n, classes) logits, before the temperature, of (n, d) features, d at least `width`."""
        seen = features[:, : self.width]
        starts = range(0, max(1, len(seen)), _CHUNK)  # in float64 all rows at once would take four times their memory
        return np.concatenate([apply_layers(self.layers, root(seen[at : at + _CHUNK])) for at in starts])

    def probs(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (n, classes) calibrated probabilities of (n, d) features."""
        return softmax(self.logits(features) / self.temperature)

    def tempered(self, temperature: float | None = None) -> tuple[Layer, ...]:
        """Return the layers with a temperature, the head's own by default, folded into the last, as a graph has it."""
        last, temperature = self.layers[-1], temperature or self.temperature
        return *self.layers[:-1], Layer(last.weights / temperature, last.bias / temperature)

    def to_bytes(self) -> bytes:
        """Return the head as an .npz file, without pickles."""
        arrays: dict[str, Any] = {"temperature": self.temperature, "strength": self.strength, "kind": self.kind}
        arrays["activations"] = np.array([layer.activation for layer in self.layers])
        for number, layer in enumerate(self.layers):
            arrays |= {f"weights{number}": layer.weights, f"bias{number}": layer.bias}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Head":
        """Read a head from an .npz file.

        Raises:
            ValueError: the file is cut short or is not a head.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                layers = [
                    Layer(file[f"weights{number}"], file[f"bias{number}"], _ACTIVATIONS[str(name)])
                    for number, name in enumerate(file["activations"])
                ]
                kind = HEAD_KINDS[str(file["kind"])] if "kind" in file else "logistic"
                return cls(tuple(layers), float(file["temperature"]), float(file["strength"]), kind)
        except (KeyError, OSError, EOFError, BadZipFile, zlib.error, TypeError) as error:
            raise ValueError(f"not a head: {error}") from error


class StrengthSearch(NamedTuple):
    """The strength that cross-validation chose, and the (n, classes) held-out logits at it."""

    strength: float
    logits: Doubles


def search_strength(
    features: Floats, labels: NDArray[np.int64], folds: Sequence[Fold], strengths: Sequence[float]
) -> StrengthSearch:
    """Return the lowest strength whose held-out log loss is within half a standard error of the best.

    Args:
        features: (n, d).
        labels: (n,) classes 0..c-1.
        folds: pairs of (train, held-out) indices that cover every picture once.
        strengths: values of C to try.
    """
    from threadpoolctl import threadpool_limits

    ordered = sorted(strengths)
    classes = int(labels.max()) + 1
    logits = np.zeros((len(ordered), len(labels), classes))

    def hold_out(fold: Fold) -> None:
        train, held_out = fold
        rows = features[train]
        root_in_place(rows)
        layers = _fit_path(rows, labels[train], ordered, classes)
        rows = root(features[held_out])
        for place, layer in enumerate(layers):
            logits[place, held_out] = rows @ layer.weights + layer.bias

    # one thread for each fold is faster than all threads for every product
    with threadpool_limits(1), _without_convergence_warnings():
        list(map_threads(hold_out, folds, workers=core_count()))
    chosen = choose_within_error([picture_losses(values, labels) for values in logits], _ERRORS)
    return StrengthSearch(ordered[chosen], logits[chosen].copy())


def predict_held_out(features: Floats, labels: NDArray[np.int64], folds: Sequence[Fold], strength: float) -> Doubles:
    """Return (n, classes) logits, each picture's from a linear head that never saw its fold."""
    return search_strength(features, labels, folds, [strength]).logits


def fit_linear_head(features: Floats, labels: NDArray[np.int64], strength: float, temperature: float) -> Head:
    """Fit the linear head on all of (n, d) features and (n,) classes 0..c-1."""
    with _without_convergence_warnings():
        layers = _fit_path(root(features), labels, [strength], int(labels.max()) + 1)
    return Head(tuple(layers), temperature, strength)


def fit_lda(features: Floats, labels: NDArray[np.int64]) -> Head:
    """Fit linear discriminant analysis, its covariance shrunk, on (n, d) features and (n,) classes 0..c-1.

    Ledoit and Wolf, "Honey, I Shrunk the Sample Covariance Matrix", 2004, chooses how much.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return Head(tuple(_fit_layers(root(features), labels, [model], int(labels.max()) + 1)), 1.0, 0.0, "lda")


@contextmanager
def _without_convergence_warnings() -> Iterator[None]:
    """Do not warn that 200 steps were not enough: the log loss is flat there.

    Filters belong to the whole process, so this stands around the threads, not inside them.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _fit_path(rows: Floats, labels: NDArray[np.int64], strengths: Sequence[float], classes: int) -> list[Layer]:
    """Fit a layer for each strength, each from the one before."""
    from sklearn.linear_model import LogisticRegression

    tolerance = _TOLERANCE if len(rows) <= _FEW else _TOLERANCE_OF_MANY
    model = LogisticRegression(max_iter=_MAX_STEPS, warm_start=True, tol=tolerance)
    return _fit_layers(rows, labels, (model.set_params(C=strength) for strength in strengths), classes)


def _fit_layers(rows: Floats, labels: NDArray[np.int64], models: Iterable[Any], classes: int) -> list[Layer]:
    """Fit linear models of scikit-learn to rows, which are standardised in place, and used up.

    Standardising is folded into the layers. Classes of 0..classes-1 that are absent are never the answer.
    """
    mean, scale = standardise_in_place(rows)
    turned, rotation = _rotate(rows)
    layers = []
    for model in models:
        model.fit(turned, labels)
        coefficients, intercept = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
            coefficients, intercept = np.vstack([-coefficients, coefficients]) / 2, np.r_[-intercept, intercept] / 2
        weights = coefficients.T if rotation is None else rotation @ coefficients.T
        scaled = weights.astype(np.float64) / scale[:, None]
        all_weights, bias = np.zeros((len(scaled), classes)), np.full(classes, NEVER)
        all_weights[:, model.classes_], bias[model.classes_] = scaled, intercept - mean @ scaled
        layers.append(Layer(all_weights, bias))
    return layers


def standardise_in_place(rows: Floats) -> tuple[Floats, Floats]:
    """Give each column of (n, d) rows the mean 0 and the deviation 1; return what they were, (d,) each.

    A column that varies by no more than float32 rounds is 0. Sums are in float64: in float32 the mean of a constant
    column can miss it, which makes a second intercept of the column and nonsense of `ridge`'s answers for rows left
    out.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    # by blocks of columns: all at once would take the rows' memory again
    blocks = (rows[:, start : start + 64] for start in range(0, rows.shape[1], 64))
    scale = np.concatenate([block.std(axis=0, dtype=np.float64) for block in blocks])
    varies = scale > np.maximum(1e-6, 1e-5 * np.abs(mean))
    mean, scale = mean.astype(np.float32), np.where(varies, scale, 1.0).astype(np.float32)
    rows -= mean
    rows /= scale
    rows[:, ~varies] = 0.0
    return mean, scale


def _rotate(rows: Floats) -> tuple[Floats, Floats | None]:
    """Return the rows in as few columns as there are rows, and the (d, n) rotation back; None where that saves nothing.

    A ridge penalty does not see rotations, so the solution is the same and much cheaper when pictures are few.
    """
    if len(rows) >= rows.shape[1] or len(rows) > _FEW:
        return rows, None
    squares, left = np.linalg.eigh(np.asarray(rows @ rows.T, dtype=np.float64))  # much cheaper than rows' own SVD
    positive = squares > squares[-1] * 1e-7
    lengths = np.sqrt(squares[positive])
    left = left[:, positive]
    return (left * lengths).astype(np.float32), rows.T @ (left / lengths).astype(np.float32)


def picture_losses(logits: Doubles, labels: NDArray[np.int64]) -> Doubles:
    """Return each picture's log loss at the best temperature: strength and temperature are told apart."""
    return log_losses(logits / fit_temperature(logits, labels), labels)


def choose_within_error(losses: Sequence[Doubles], errors: float = 1.0, least: float = 0.0) -> int:
    """Return the first, and so the simplest, choice whose mean loss is within so many standard errors of the lowest.

    Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3, with the error of the paired
    differences.

    Args:
        losses: for each choice, simplest first, (n,) losses of the same pictures.
        errors: how many; one is the rule's own.
        least: a difference of the means that is nothing, however certain it is.
    """
    best = min(range(len(losses)), key=lambda place: float(losses[place].mean()))
    for place, values in enumerate(losses):
        gaps = values - losses[best]
        if gaps.mean() <= max(least, errors * gaps.std() / np.sqrt(len(gaps))):
            return place
    return best


def hold_out_folds(
    features: Floats,
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
    fit: Callable[[Floats, NDArray[np.int64]], Head],
) -> Doubles:
    """Return (n, classes) logits, each picture's from a head that never saw its fold.

    Args:
        features: (n, d).
        labels: (n,) classes 0..c-1.
        folds: pairs of (train, held-out) indices that cover every picture once.
        fit: makes a head from features and labels, in one thread: folds go on side by side.
    """
    from threadpoolctl import threadpool_limits

    logits = np.full((len(labels), int(labels.max()) + 1), NEVER)

    def hold_out(fold: Fold) -> None:
        train, held_out = fold
        answers = fit(features[train], labels[train]).logits(features[held_out])
        logits[held_out, : answers.shape[1]] = answers  # a head knows of no class above the last that it saw

    with threadpool_limits(1):
        list(map_threads(hold_out, folds, workers=core_count()))
    return logits

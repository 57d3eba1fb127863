"""Heads over features: what they are, fitting, searching, folds.

Knows nothing about pictures, projects or how features were made: arrays in, a `Head` out. A linear head is a logistic
regression on the standardised square roots of the features; its strength is chosen by cross-validation that keeps
groups whole, and the same held-out logits set the temperature. Heads of several layers are fitted in `deepheads`.
"""

import io
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature, log_losses, softmax
from fieldguide.engine import core_count, map_threads
from fieldguide.exporters.layers import Activation, Layer, apply_layers
from fieldguide.learners.logistic import NEVER, Fold, fit_few, fit_many, hold_out_few, hold_out_many

__all__ = [
    "Head",
    "Searched",
    "choose_within_error",
    "fit_head",
    "group_folds",
    "held_out_logits",
    "hold_out_head",
    "own_losses",
    "root",
    "search_head",
]

_MANY = 2000  # rows; up to there scikit-learn is fast enough
_CHUNK = 1024  # rows
_ERRORS = 0.5  # a whole one chooses too strong a penalty where pictures are few


def root(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The square roots of the sizes of (n, d) features, with the features' signs.

    Pooled activations are skewed: their roots are nearer to what a linear model takes for granted, which is worth about
    a point of accuracy (Perronnin, Sánchez and Mensink, "Improving the Fisher Kernel", ECCV 2010, section 3.1, where
    signs are kept too).
    """
    roots = np.abs(features, dtype=np.float32)  # in place from here: there may be a third of a gigabyte of them
    np.sqrt(roots, out=roots)
    np.copysign(roots, features, out=roots)
    return roots


@dataclass(frozen=True)
class Head:
    """A classifier over the roots of features.

    It reads the first `width` features and leaves any behind them.

    Attributes:
        layers: one for a linear head; standardising is folded into the first.
        temperature: what the logits are divided by.
        strength: the inverse regularisation strength C that a linear head was fitted with; 0 for the others.
    """

    layers: tuple[Layer, ...]
    temperature: float
    strength: float

    @property
    def width(self) -> int:
        """How many features it reads."""
        return len(self.layers[0].weights)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, classes) logits, before the temperature, of (n, d) features, d at least `width`."""
        seen = features[:, : self.width]
        starts = range(
            0, max(1, len(seen)), _CHUNK
        )  # layers compute in float64: all at once would be four times the rows
        return np.concatenate([apply_layers(self.layers, root(seen[at : at + _CHUNK])) for at in starts])

    def probs(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, classes) calibrated probabilities of (n, d) features."""
        return softmax(self.logits(features) / self.temperature)

    def tempered(self) -> tuple[Layer, ...]:
        """The layers with the temperature in the last one: what a graph holds."""
        last = self.layers[-1]
        return *self.layers[:-1], Layer(last.weights / self.temperature, last.bias / self.temperature)

    def to_bytes(self) -> bytes:
        """The head as an .npz file, without pickles."""
        arrays: dict[str, Any] = {"temperature": self.temperature, "strength": self.strength}
        arrays["activations"] = np.array([layer.activation for layer in self.layers])
        for number, layer in enumerate(self.layers):
            arrays |= {f"weights{number}": layer.weights, f"bias{number}": layer.bias}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Head":
        """The head in an .npz file.

        Raises:
            ValueError: the file is cut short or is not a head.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                kinds = [str(kind) for kind in file["activations"]]
                layers = [
                    Layer(file[f"weights{number}"], file[f"bias{number}"], _activation(kind))
                    for number, kind in enumerate(kinds)
                ]
                return cls(tuple(layers), float(file["temperature"]), float(file["strength"]))
        except (KeyError, OSError, EOFError, BadZipFile, zlib.error, TypeError) as error:
            raise ValueError(f"not a head: {error}") from error


def _activation(said: str) -> Activation:
    """The activation of this name.

    Raises:
        ValueError: there is none.
    """
    known: tuple[Activation, ...] = get_args(Activation)
    for one in known:
        if one == said:
            return one
    raise ValueError(f"not a head: no activation {said!r}")


@dataclass(frozen=True)
class Searched:
    """What cross-validation found.

    Attributes:
        strength: the lowest C whose held-out log loss is within half a standard error of the best.
        logits: (n, classes) held-out logits at that C.
    """

    strength: float
    logits: NDArray[np.float64]


def group_folds(labels: NDArray[np.int64], groups: Sequence[str] | None, folds: int, seed: int) -> list[Fold]:
    """Pairs of (train, held-out) indices: stratified, groups whole; `groups` None shuffles single pictures.

    Fewer folds are made where a class has fewer groups than folds, never less than two.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    keys = np.arange(len(labels)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    fewest = min(len(np.unique(keys[labels == one])) for one in np.unique(labels))
    count = int(max(2, min(folds, fewest)))
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # a class with one group is allowed: it is simply never held out well
        return list(splitter(count, shuffle=True, random_state=seed).split(labels, labels, keys))


def search_head(
    features: NDArray[np.float32], labels: NDArray[np.int64], folds: Sequence[Fold], strengths: Sequence[float]
) -> Searched:
    """The best strength and its held-out logits.

    Up to 2,000 rows every strength is fitted by scikit-learn. Of more rows, each step of which is dear, weaker and
    weaker penalties are tried until two in turn are worse than the best by more than a standard error, and the solver
    is the one in `solving`. Each stops where the loss is flat, at its own place: on 4,000 pictures of 59 classes their
    held-out losses near the best strength were within 0.006 of each other, where a standard error is 0.02.

    Args:
        features: (n, d).
        labels: (n,) classes 0..c-1.
        folds: pairs of (train, held-out) indices that cover every picture once; train is all that is not held out.
        strengths: values of C to try.
    """
    ordered = sorted(strengths)
    if len(labels) <= _MANY:
        found = hold_out_few(root(features), labels, folds, ordered, int(labels.max()) + 1)
    else:
        order = np.concatenate([test for _, test in folds])
        own, sizes = labels[order], [len(test) for _, test in folds]
        in_order = hold_out_many(_rooted(features, order), own, sizes, ordered, lambda tried: _past_best(tried, own))
        back = np.argsort(order)
        found = [logits[back] for logits in in_order]
    chosen = choose_within_error([own_losses(logits, labels) for logits in found], _ERRORS)
    return Searched(ordered[chosen], found[chosen])


def _rooted(features: NDArray[np.float32], order: NDArray[np.intp]) -> NDArray[np.float32]:
    """The roots in this order, without a second copy on the way."""
    rows = np.empty(features.shape, np.float32)
    for first in range(0, len(order), _CHUNK):
        part = slice(first, first + _CHUNK)
        rows[part] = root(features[order[part]])
    return rows


def _past_best(tried: Sequence[NDArray[np.float64]], labels: NDArray[np.int64]) -> bool:
    """Whether the last two are both worse than the best by more than a standard error."""
    losses = [own_losses(logits, labels) for logits in tried]
    best = min(losses, key=lambda one: float(one.mean()))
    gaps = [one - best for one in losses[-2:]]
    return len(losses) > 2 and all(one.mean() > one.std() / np.sqrt(len(one)) for one in gaps)


def own_losses(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each picture's log loss, after the temperature that suits all best: strength and temperature are told apart."""
    return log_losses(logits / fit_temperature(logits, labels), labels)


def choose_within_error(losses: Sequence[NDArray[np.float64]], errors: float = 1.0) -> int:
    """The first, and so the simplest, whose mean loss is within so many standard errors of the lowest.

    Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3, with the error of the paired
    differences.

    Args:
        losses: for each choice, simplest first, (n,) losses of the same pictures.
        errors: how many; one is the rule's own.
    """
    best = min(range(len(losses)), key=lambda place: float(losses[place].mean()))
    for place, one in enumerate(losses):
        gaps = one - losses[best]
        if gaps.mean() <= errors * gaps.std() / np.sqrt(len(gaps)):
            return place
    return best


def held_out_logits(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
    strength: float,
) -> NDArray[np.float64]:
    """(n, classes) logits, each picture's from a head that never saw its fold."""
    return search_head(features, labels, folds, [strength]).logits


def fit_head(features: NDArray[np.float32], labels: NDArray[np.int64], strength: float, temperature: float) -> Head:
    """The linear head fitted on all that is given: (n, d) features, (n,) classes 0..c-1."""
    classes = int(labels.max()) + 1
    if len(labels) <= _MANY:
        ((weights, bias),) = fit_few(root(features), labels, [strength], classes)
    else:
        weights, bias = fit_many(root(features), labels, strength, classes)
    return Head((Layer(weights, bias),), temperature, strength)


def hold_out_head(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
    fit: Callable[[NDArray[np.float32], NDArray[np.int64]], Head],
) -> NDArray[np.float64]:
    """(n, classes) logits, each picture's from a head that never saw its fold.

    Args:
        features: (n, d).
        labels: (n,) classes 0..c-1.
        folds: pairs of (train, held-out) indices that cover every picture once.
        fit: makes a head from features and labels, in one thread: folds go on side by side.
    """
    from threadpoolctl import threadpool_limits

    logits = np.full((len(labels), int(labels.max()) + 1), NEVER)

    def hold_out(fold: Fold) -> None:
        train, test = fold
        found = fit(features[train], labels[train]).logits(features[test])
        logits[test, : found.shape[1]] = found  # a head knows of no class above the last that it saw

    with threadpool_limits(1):
        list(map_threads(hold_out, folds, workers=core_count()))
    return logits

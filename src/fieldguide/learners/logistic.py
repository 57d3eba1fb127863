"""Logistic regression over standardised rows: few of them by scikit-learn, many by a solver made for them.

Knows nothing about features, heads or pictures: arrays in, weights, biases and held-out logits out.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count, map_threads
from fieldguide.learners.solving import Solver, Stock

__all__ = ["NEVER", "Fold", "fit_few", "fit_many", "hold_out_few", "hold_out_many"]

NEVER = -50.0  # a logit that nothing overcomes, for a class without pictures
_MAX_STEPS = 200

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def fit_few(
    rows: Floats, labels: NDArray[np.int64], strengths: Sequence[float], classes: int
) -> list[tuple[Doubles, Doubles]]:
    """Weights (d, classes) and bias (classes,) for each strength; each starts from the one before.

    Args:
        rows: (n, d), as they are: standardising is folded into what is returned.
        labels: (n,) classes; those of 0..classes-1 that are absent are never the answer.
        strengths: values of C, ascending.
        classes: how many.
    """
    with _patient():
        return _fit_path(rows, labels, strengths, classes)


def hold_out_few(
    rows: Floats, labels: NDArray[np.int64], folds: Sequence[Fold], strengths: Sequence[float], classes: int
) -> list[Doubles]:
    """Logits (n, classes) for each strength, each row's from a fit that never saw its fold."""
    from threadpoolctl import threadpool_limits

    held_out = np.zeros((len(strengths), len(labels), classes))

    def hold_out(fold: Fold) -> None:
        train, test = fold
        for place, (weights, bias) in enumerate(_fit_path(rows[train], labels[train], strengths, classes)):
            held_out[place, test] = rows[test] @ weights + bias

    # the matrices are small: one thread for each fold is several times faster than all threads for every product
    with threadpool_limits(1), _patient():
        list(map_threads(hold_out, folds, workers=core_count()))
    return list(held_out)


@contextmanager
def _patient() -> Iterator[None]:
    """Nothing; inside the block nobody is warned that 200 steps were not enough: the log loss is flat there.

    Filters belong to the whole process, so this stands around the threads, not inside them.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _fit_path(
    rows: Floats, labels: NDArray[np.int64], strengths: Sequence[float], classes: int
) -> list[tuple[Doubles, Doubles]]:
    """What `fit_few` returns."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
    turned, rotation = _rotate((rows - mean) / scale)
    model = LogisticRegression(max_iter=_MAX_STEPS, warm_start=True, tol=1e-3)
    found = []
    for strength in strengths:
        model.set_params(C=strength)
        model.fit(turned, labels)
        coefficients, intercept = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
            coefficients, intercept = np.vstack([-coefficients, coefficients]) / 2, np.r_[-intercept, intercept] / 2
        weights = coefficients.T if rotation is None else rotation @ coefficients.T
        scaled = weights.astype(np.float64) / scale[:, None]
        found.append(_spread(scaled, intercept - mean @ scaled, model.classes_, classes))
    return found


def _rotate(rows: Floats) -> tuple[Floats, Floats | None]:
    """The rows in as few columns as there are rows, and the (d, n) rotation back; None where that saves nothing.

    A ridge penalty does not see rotations, so the solution is the same and much cheaper when pictures are few.
    """
    if len(rows) >= rows.shape[1]:
        return rows, None
    squares, left = np.linalg.eigh(np.asarray(rows @ rows.T, dtype=np.float64))  # much cheaper than rows' own SVD
    seen = squares > squares[-1] * 1e-7
    lengths = np.sqrt(squares[seen])
    left = left[:, seen]
    return (left * lengths).astype(np.float32), rows.T @ (left / lengths).astype(np.float32)


def _spread(weights: Doubles, bias: Doubles, present: NDArray[np.int64], classes: int) -> tuple[Doubles, Doubles]:
    """Weights and bias for all classes; a class that was absent gets a bias that nothing overcomes."""
    all_weights, all_bias = np.zeros((len(weights), classes)), np.full(classes, NEVER)
    all_weights[:, present], all_bias[present] = weights, bias
    return all_weights, all_bias


def fit_many(rows: Floats, labels: NDArray[np.int64], strength: float, classes: int) -> tuple[Doubles, Doubles]:
    """Weights (d, classes) and bias (classes,): what `fit_few` returns, within the tolerances of both.

    Args:
        rows: (n, d); they are used up: standardised in place.
        labels: (n,) classes.
        strength: C.
        classes: how many.
    """
    stock = Stock.take(rows, labels)
    solver = Solver(stock)
    weights, intercept = solver.advance(strength)
    scaled = weights / stock.scale[:, None]
    return _spread(scaled, intercept - stock.mean @ scaled, solver.present, classes)


def hold_out_many(
    rows: Floats,
    labels: NDArray[np.int64],
    sizes: Sequence[int],
    strengths: Sequence[float],
    enough: Callable[[Sequence[Doubles]], bool],
) -> list[Doubles]:
    """Logits (n, classes) for each strength until there is enough, each row's from a fit that never saw its fold.

    Args:
        rows: (n, d), fold after fold; they are used up: standardised in place.
        labels: (n,) classes.
        sizes: how many rows each fold has.
        strengths: values of C, ascending.
        enough: asked after each strength, with the logits of all so far.
    """
    from threadpoolctl import threadpool_limits

    classes = int(labels.max()) + 1
    stock = Stock.take(rows, labels)
    ends = np.cumsum(sizes)
    folds = [slice(int(end) - size, int(end)) for end, size in zip(ends, sizes, strict=True)]
    found: list[Doubles] = []
    cores = core_count()
    with threadpool_limits(1):
        solvers = [Solver(stock, fold) for fold in folds]
        for strength in strengths:
            answer = partial(_answer, stock, strength, classes)
            found.append(np.concatenate(list(map_threads(answer, zip(solvers, folds, strict=True), workers=cores))))
            if enough(found):
                break
    return found


def _answer(stock: Stock, strength: float, classes: int, work: tuple[Solver, slice]) -> Doubles:
    """The (m, classes) logits of the rows that a solver is without."""
    solver, fold = work
    weights, bias = _spread(*solver.advance(strength), solver.present, classes)
    return np.asarray(stock.rows[fold] @ weights.astype(np.float32) + bias, dtype=np.float64)

"""A ridge classifier: least squares on one-hot targets in closed form, and its exact answers for rows left out.

Knows nothing about pictures or where features come from. Rows may be several views of a picture: a group is left out
whole, with all its rows. Rifkin, Yeo and Poggio, "Regularized Least-Squares Classification", 2003; the answers for
groups left out follow from one fit on all rows, as Allen's PRESS does for single ones ("The Relationship Between
Variable Selection and Data Augmentation and a Method for Prediction", Technometrics 1974).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature, softmax
from fieldguide.exporters.onnx import Layer, apply_layers
from fieldguide.learners.linear_head import (
    NEVER,
    Doubles,
    Floats,
    choose_within_error,
    picture_losses,
    root,
    root_in_place,
    standardise_in_place,
)

# shares of the rows' whole variance; the strongest first, being the simplest
PENALTIES = tuple(10.0 ** (-place / 2) for place in range(3, 12))
SCALE = 10.0  # logits are so many times the fitted targets, so that temperatures lie about 1
MOST_FOR_EIGENVALUES = (
    3000  # rows or columns up to which an eigendecomposition costs less than a Cholesky factor for each penalty
)
_ERRORS = 0.5  # a whole standard error chooses too strong a penalty where pictures are few
_CHUNK = 2048  # rows

Integers = NDArray[np.int64]


class RidgeFit(NamedTuple):
    """A layer fitted on all rows, its penalty, and the (n, classes) logits of each row by a fit without its group."""

    layer: Layer
    penalty: float
    held_out: Doubles


class _Solution(NamedTuple):
    """A fit with one penalty: (d, classes) weights, (n, classes) fitted values, and what gives rows Z at some places.

    Z Z^T is those rows' part of the hat matrix, which makes the fitted values of targets whose means are zero.
    """

    weights: Floats
    fitted: Doubles
    half_hat: Callable[[NDArray[np.intp]], NDArray[Any]]


_Solver = Callable[[float], _Solution]


def fit_ridge(
    features: Floats, labels: Integers, groups: NDArray[np.intp], penalties: Sequence[float] = PENALTIES
) -> RidgeFit:
    """Fit with the penalty whose answers for groups left out have the lowest log loss.

    Of penalties within half a standard error of the best, the strongest is taken. The columns are standardised by all
    rows, those left out too; it needs no labels.

    Args:
        features: (n, d), used up.
        labels: (n,) classes 0..c-1; those that are absent are never the answer.
        groups: (n,) numbers; rows of one group are left out together.
        penalties: shares of the rows' variance, the strongest first.
    """
    root_in_place(features)
    mean, scale = standardise_in_place(features)
    classes = int(labels.max()) + 1
    absent = np.bincount(labels, minlength=classes) == 0
    targets = np.eye(classes)[labels]
    average = targets.mean(axis=0)
    targets -= average
    solve, parts = _open_solver(features, targets), _parts(groups)
    variance = sum(float(np.vdot(part, part)) for part in np.array_split(features, -(-len(features) // _CHUNK)))
    fits: list[RidgeFit] = []
    for penalty in penalties:
        solution = solve(penalty * variance)
        held_out = SCALE * (average + _leave_out(solution, targets, parts))
        weights = SCALE * solution.weights.astype(np.float64) / scale[:, None]
        bias = SCALE * average - mean @ weights
        weights[:, absent], bias[absent], held_out[:, absent] = 0.0, NEVER, NEVER
        fits.append(RidgeFit(Layer(weights, bias), penalty, held_out))
    answerable = has_others(labels, groups)
    if len(fits) == 1 or not answerable.any():
        return fits[0]
    losses = [picture_losses(fit.held_out[answerable], labels[answerable]) for fit in fits]
    return fits[choose_within_error(losses, _ERRORS)]


def _leave_out(solution: _Solution, targets: Doubles, parts: Sequence[NDArray[np.intp]]) -> Doubles:
    """Return (n, classes) fitted values, each row's by the fit without the part that it stands in.

    The residuals of a part left out are (I - H)^-1 times those of the fit on all rows, H being the part's block of the
    hat matrix, the intercept in it.
    """
    residuals = targets - solution.fitted
    answers = np.full(targets.shape, np.nan)
    for places in _batches(parts):
        count, size = places.shape
        half = solution.half_hat(places.ravel()).reshape(count, size, -1)
        rest = np.eye(size) - half @ half.transpose(0, 2, 1) - 1.0 / len(targets)
        answers[places] = targets[places] - np.linalg.solve(rest, residuals[places])
    return answers


def _batches(parts: Sequence[NDArray[np.intp]]) -> Iterator[NDArray[np.intp]]:
    """Yield parts of one size together, (count, size), up to 2,048 rows of them unless a single one is larger."""
    by_size: dict[int, list[NDArray[np.intp]]] = defaultdict(list)
    for part in parts:
        by_size[len(part)].append(part)
    for size, alike in by_size.items():
        step = max(1, _CHUNK // size)
        for start in range(0, len(alike), step):
            yield np.stack(alike[start : start + step])


def _parts(groups: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the places of each group's rows."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def has_others(labels: Integers, groups: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell for each row whether its class has another group: without one, nothing can answer for it."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    return np.asarray(np.bincount(pairs[0], minlength=int(labels.max()) + 1)[labels] > 1)


def _open_solver(rows: Floats, targets: Doubles) -> _Solver:
    """Return what fits (n, d) rows to (n, classes) targets for any penalty, both with means of zero."""
    return _eigen_solver(rows, targets) if min(rows.shape) <= MOST_FOR_EIGENVALUES else _cholesky_solver(rows, targets)


def _eigen_solver(rows: Floats, targets: Doubles) -> _Solver:
    """Take the rows apart once, by rows or by columns, whichever are fewer."""
    by_rows = len(rows) <= rows.shape[1]
    product = rows @ rows.T if by_rows else rows.T @ rows
    squares, vectors = np.linalg.eigh(_centred(product) if by_rows else product.astype(np.float64))
    positive = squares > squares[-1] * 1e-7
    squares, vectors = squares[positive], vectors[:, positive]
    lengths = np.sqrt(squares)
    left = vectors if by_rows else _in_chunks(rows, vectors / lengths)
    seen = left.T @ targets

    def solve(penalty: float) -> _Solution:
        factors = squares / (squares + penalty)
        if by_rows:
            weights = rows.T @ (left @ ((factors / squares)[:, None] * seen)).astype(np.float32)
        else:
            weights = vectors @ ((factors / lengths)[:, None] * seen)
        fitted = left @ (factors[:, None] * seen)
        return _Solution(weights.astype(np.float32), fitted, lambda places: left[places] * np.sqrt(factors))

    return solve


def _centred(product: Floats) -> Doubles:
    """Return the (n, n) products of rows in float64, the mean taken off again.

    Where columns are many, rounding leaves enough of it to make a second intercept: by it, weak penalties' answers for
    rows left out would repeat their labels.
    """
    exact = product.astype(np.float64)
    exact -= exact.mean(axis=0)
    exact -= exact.mean(axis=1, keepdims=True)
    return (exact + exact.T) / 2


def _cholesky_solver(rows: Floats, targets: Doubles) -> _Solver:
    """Factor the product of the columns anew for each penalty, in float32: a penalty keeps it well conditioned."""
    from scipy.linalg import cho_solve, cholesky, solve_triangular

    product = rows.T @ rows
    seen = rows.T @ targets.astype(np.float32)

    def solve(penalty: float) -> _Solution:
        penalised = product.copy(order="F")
        penalised[np.diag_indices(len(product))] += penalty
        factor = cholesky(penalised, lower=True, overwrite_a=True, check_finite=False)
        weights = cho_solve((factor, True), seen, check_finite=False)

        def half_hat(places: NDArray[np.intp]) -> Floats:
            return np.asarray(solve_triangular(factor, rows[places].T, lower=True, check_finite=False).T)

        return _Solution(weights, _in_chunks(rows, weights), half_hat)

    return solve


def _in_chunks(rows: Floats, matrix: NDArray[Any]) -> Doubles:
    """Return rows @ matrix in float64, without a copy of all rows in it."""
    product = np.empty((len(rows), matrix.shape[1]))
    for start in range(0, len(rows), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        np.matmul(rows[chunk].astype(np.float64), matrix, out=product[chunk])
    return product


def hold_out_probs(
    features: Floats,
    labels: Integers,
    groups: NDArray[np.intp],
    without: NDArray[np.bool_] | None = None,
) -> Doubles:
    """Return (n, classes) calibrated probabilities of each row, by a fit that never saw its group.

    Args:
        features: (n, d).
        labels: (n,) classes 0..c-1, two of them at least.
        groups: (n,) numbers; rows of one group are left out together.
        without: (n,) rows that nothing is learnt from, and with them their groups; they too get an answer.
    """
    learnt = np.ones(len(labels), dtype=bool)
    if without is not None:
        learnt = ~np.isin(groups, groups[without])
    known = labels[learnt]
    if len(np.unique(known)) < 2:
        return hold_out_probs(features, labels, groups)
    fit = fit_ridge(features[learnt], known, groups[learnt])
    logits = np.full((len(labels), int(labels.max()) + 1), NEVER)
    width = fit.held_out.shape[1]  # the last classes may be without a row to learn from
    logits[learnt, :width] = fit.held_out
    if not learnt.all():
        logits[~learnt, :width] = apply_layers((fit.layer,), root(features[~learnt]))
    answerable = has_others(known, groups[learnt])
    chosen = answerable if answerable.any() else np.ones(len(known), dtype=bool)
    return softmax(logits / fit_temperature(fit.held_out[chosen], known[chosen]))

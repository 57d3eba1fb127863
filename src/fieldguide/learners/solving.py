"""Logistic regression for many rows and thousands of columns that lean on each other.

Knows nothing about features, heads or how folds are made: arrays in, weights and intercepts out. L-BFGS (Liu and
Nocedal, "On the limited memory BFGS method", 1989) in coordinates in which the loss is nearly round: the widest
directions of the rows are scaled one by one, and all that is left alike. The directions only make it fast, and may
come from other rows too; the answer is that of all columns and of the rows given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Solver", "Stock"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

_DIRECTIONS = 512
_SPARE = 64  # more directions than are kept, so that the last ones kept are good too
_SAMPLE = 3000  # rows that say which directions are widest
_CHUNK = 1024  # rows at once where copies are made
_MOST_STEPS = 100
_ENOUGH = 2e-4  # a step that lowers the loss by a smaller share is the last
_MEMORY = 8


@dataclass(frozen=True)
class Stock:
    """Rows that are learnt from again and again, each time without some that lie side by side.

    Attributes:
        rows: (n, d) standardised, float32.
        labels: (n,) classes 0..c-1.
        mean: (d,) what was subtracted.
        scale: (d,) what was divided by.
        directions: (d, k) orthonormal, in which the rows are widest.
    """

    rows: Floats
    labels: NDArray[np.int64]
    mean: Floats
    scale: Floats
    directions: Floats

    @classmethod
    def take(cls, rows: Floats, labels: NDArray[np.int64]) -> "Stock":
        """The stock of (n, d) rows, which are standardised in place: there may be a third of a gigabyte of them."""
        mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        squares = np.zeros(rows.shape[1])
        for first in range(0, len(rows), _CHUNK):
            part = rows[first : first + _CHUNK]
            part -= mean
            squares += np.einsum("ij,ij->j", part, part)
        scale = np.sqrt(squares / len(rows))
        scale = np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
        for first in range(0, len(rows), _CHUNK):
            rows[first : first + _CHUNK] /= scale
        return cls(rows, labels, mean, scale, _widest(rows))


def _widest(rows: Floats) -> Floats:
    """(d, k) orthonormal directions in which a sample of these standardised rows is widest, k at most 512.

    Subspace iteration from a start that is always the same (Halko, Martinsson and Tropp, "Finding Structure with
    Randomness", SIAM Review 2011, algorithm 4.4).
    """
    chance = np.random.default_rng(0)
    some = rows[np.sort(chance.permutation(len(rows))[:_SAMPLE])]
    basis = chance.standard_normal((rows.shape[1], min(rows.shape[1], _DIRECTIONS + _SPARE)), dtype=np.float32)
    for _ in range(2):
        basis = some.T @ _orthonormal(some @ basis)
    return np.ascontiguousarray(_orthonormal(basis)[:, :_DIRECTIONS])


def _orthonormal(columns: Floats) -> Floats:
    """Orthonormal columns that span the same, but for what float32 cannot tell from 0, the widest first."""
    squares, axes = np.linalg.eigh(np.asarray(columns.T @ columns, dtype=np.float64))
    seen = squares > squares[-1] * 1e-10
    turn = (axes[:, seen] / np.sqrt(squares[seen]))[:, ::-1]
    return np.asarray(columns @ turn.astype(np.float32))


class Solver:
    """Logistic regression on a stock without some of its rows; each strength starts from the one before."""

    def __init__(self, stock: Stock, without: slice = slice(0, 0)) -> None:
        self._parts = [stock.rows[: without.start], stock.rows[without.stop :]]  # views: nothing is copied
        self._directions = stock.directions
        labels = np.concatenate([stock.labels[: without.start], stock.labels[without.stop :]])
        self.present, self._places = np.unique(labels, return_inverse=True)
        self._begun: tuple[_Loss, _Bends, Doubles] | None = None

    def advance(self, strength: float) -> tuple[Doubles, Doubles]:
        """Weights (d, classes present) over the stock's rows, and intercepts, for an inverse strength C.

        The penalty is on what the weights would be over these rows standardised by themselves.
        """
        ridge = 1.0 / (strength * len(self._places))
        loss, bends, start = self._begun or self._begin(ridge)
        found = loss.solve(start, bends, ridge)
        self._begun = loss, bends, found
        return found[:-1], found[-1]

    def _begin(self, ridge: float) -> "tuple[_Loss, _Bends, Doubles]":
        """The loss, how it bends, and the solution in the widest directions alone: a good and cheap start."""
        classes = len(self.present)
        level = (1 - 1 / classes) / classes  # p (1 - p) where nothing is learnt yet
        narrow = [part @ self._directions for part in self._parts]
        along = sum(np.einsum("ij,ij->j", part, part) for part in narrow) / len(self._places)
        spread = _deviations(self._parts)
        beside = max(float(np.sum(spread**2) - along.sum()), 0.0) / max(1, len(spread) - len(along))
        bends = _Bends(self._directions, along * level, beside * level, level)
        alone = _Bends(np.eye(len(along), dtype=np.float32), bends.along, 0.0, level)
        nothing = np.zeros((len(along) + 1, classes))
        start = _Loss(narrow, self._places, np.ones(len(along))).solve(nothing, alone, ridge)
        return _Loss(self._parts, self._places, spread), bends, np.vstack([self._directions @ start[:-1], start[-1:]])


def _deviations(parts: Sequence[Floats]) -> Doubles:
    """The standard deviation of each column, 1 where it does not change."""
    count = sum(len(part) for part in parts)
    mean = sum(part.sum(axis=0, dtype=np.float64) for part in parts) / count
    squares = sum(np.einsum("ij,ij->j", part, part, dtype=np.float64) for part in parts) / count
    found = np.sqrt(np.maximum(squares - mean**2, 0.0))
    return np.where(found > 1e-6, found, 1.0)


@dataclass(frozen=True)
class _Bends:
    """How steeply a loss bends along each direction, beside them all, and along the intercepts."""

    directions: Floats
    along: Floats
    beside: float
    level: float

    def change(self, ridge: float, power: float) -> "_Change":
        """The change of coordinates by these bends, with the penalty's, to a power."""
        along = ((self.along + ridge) ** power)[:, None].astype(np.float32)
        return _Change(self.directions, along, (self.beside + ridge) ** power, self.level**power)


@dataclass(frozen=True)
class _Change:
    """A symmetric change of coordinates: factors along the directions, beside them, and for the intercepts."""

    directions: Floats
    along: Floats
    beside: float
    level: float

    def __call__(self, given: Doubles) -> Doubles:
        """The (d + 1, c) numbers changed."""
        top = self.directions.T @ given[:-1].astype(np.float32)
        made = np.empty_like(given)
        made[:-1] = given[:-1] * self.beside + self.directions @ ((self.along - np.float32(self.beside)) * top)
        made[-1] = given[-1] * self.level
        return made


@dataclass(frozen=True)
class _Loss:
    """The mean log loss with a penalty, as a function of (d + 1, c) weights and intercepts.

    Attributes:
        parts: rows, float32.
        labels: (n,) classes 0..c-1 of all parts' rows in turn.
        spread: (d,) what a weight is multiplied by before it is penalised.
    """

    parts: Sequence[Floats]
    labels: NDArray[np.intp]
    spread: Doubles

    def solve(self, start: Doubles, bends: _Bends, ridge: float) -> Doubles:
        """Where the loss is lowest."""
        from scipy.optimize import minimize

        out, into = bends.change(ridge, -0.5), bends.change(ridge, 0.5)

        def fall(flat: Doubles) -> tuple[float, Doubles]:
            loss, slope = self._measure(out(flat.reshape(start.shape)), ridge)
            return loss, out(slope).ravel()

        options = {"maxiter": _MOST_STEPS, "maxcor": _MEMORY, "ftol": _ENOUGH, "gtol": 1e-7}
        found = minimize(fall, into(start).ravel(), jac=True, method="L-BFGS-B", options=options)
        return out(found.x.reshape(start.shape))

    def _measure(self, weights: Doubles, ridge: float) -> tuple[float, Doubles]:
        """The loss and its slope; products in float32, sums over rows in float64."""
        count = len(self.labels)
        own = np.arange(count), self.labels
        turn = weights[:-1].astype(np.float32)
        logits = np.concatenate([part @ turn for part in self.parts]) + weights[-1].astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        true = float(logits[own].sum(dtype=np.float64))
        np.exp(logits, out=logits)
        total = logits.sum(axis=1, keepdims=True)
        loss = (float(np.log(total).sum(dtype=np.float64)) - true) / count
        logits /= total
        logits[own] -= 1
        split = len(self.parts[0])
        slope = np.empty_like(weights)
        slope[:-1] = self.parts[0].T @ logits[:split] + self.parts[1].T @ logits[split:]
        slope[-1] = logits.sum(axis=0, dtype=np.float64)
        slope /= count
        held = self.spread[:, None] * weights[:-1]
        slope[:-1] += ridge * self.spread[:, None] * held
        return loss + 0.5 * ridge * float(np.sum(held**2)), slope

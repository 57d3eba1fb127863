"""How familiar a picture is: scores that tell known things from others, and the choice among them.

Arrays in, arrays out; knows nothing about pictures, files or models. A score is fitted to the roots of the features of
pictures that were learnt from; a higher one is more familiar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from fieldguide.metrics import area_under_curve

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Score = Literal["class mean", "neighbours", "Mahalanobis", "relative Mahalanobis", "energy", "probability"]
SCORES: tuple[Score, ...] = get_args(Score)
BY_FEATURES: tuple[Score, ...] = SCORES[:4]

NEIGHBOURS = 5  # whose mean cosine counts
MAX_NEIGHBOURS = 512  # rows that a guide carries: 2.5 MB of 1,280 features each
_AXES, _BASIS_ROWS = 128, 2000
_SHRINK = 0.1  # of a covariance towards a round one
_PROBABILITY_SHARE = 0.5  # of the spread of the other score
_LEAST_SPREAD = 0.02
_LEAST_LENGTH = 1e-12
_HARDLY = 0.002  # of AUROC: less is nothing
_ERRORS = 2.0  # standard errors: of ten scores one is often better by one of them without being any better


class Candidate(NamedTuple):
    """A score, alone or with the probability of the answer beside it."""

    score: Score
    weighed: bool = False

    def __str__(self) -> str:
        """Return what a report calls it."""
        return f"{self.score} + probability" if self.weighed else self.score


USUAL = Candidate("class mean", weighed=True)
CANDIDATES = (
    USUAL, *(Candidate(score, weighed=True) for score in BY_FEATURES[1:]), *(Candidate(score) for score in SCORES)
)  # fmt: skip


@dataclass(frozen=True)
class Familiarity:
    """How near a picture is to those trained on, and how sure the answer is.

    - "class mean": the cosine to the nearest class mean, less 1. Only the means are fitted, so training pictures are
      hardly nearer than others of their class, and few are enough. On square roots of features the cosine is
      Bhattacharyya's coefficient (1943).
    - "neighbours": the mean cosine to the nearest pictures, less 1 (Sun et al., "Out-of-Distribution Detection with
      Deep Nearest Neighbors", ICML 2022).
    - "Mahalanobis": less the squared distance to the nearest class mean, one covariance for all (Lee et al., "A Simple
      Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018). Along the
      first axes of all features it is measured, beyond them taken as round.
    - "relative Mahalanobis": the same, less that to the mean of all (Ren et al., "A Simple Fix to Mahalanobis
      Distance for Improving Near-OOD Detection", 2021).
    - "energy": the logarithm of the sum of the exponentials of the logits (Liu et al., "Energy-based
      Out-of-distribution Detection", NeurIPS 2020).
    - "probability": that of the answer (Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and
      Out-of-Distribution Examples in Neural Networks", ICLR 2017). Beside a score it tells of a class that is like the
      known ones.

    Attributes:
        score: which of them.
        weight: of the probability, beside it.
        arrays: of the score: `means` (classes, d) or `rows` (m, d), of length 1; or `centre` (d,), `axes` (d, k),
            `whiten` (k, k), `means` (classes, k), `variance` of what lies beyond the axes, with `all_whiten` and
            `top`, the highest value of those learnt from; of "energy", `top`.
    """

    score: Score = "class mean"
    weight: float = 0.0
    arrays: Mapping[str, Doubles] = field(default_factory=dict)

    def measure(self, rows: Floats, logits: Doubles) -> Doubles:
        """Return (n,) values of at most 0, higher is nearer, without the probability.

        Args:
            rows: (n, d) square roots of features.
            logits: (n, classes), divided by the temperature, not calibrated further.
        """
        if self.score == "probability":
            return np.zeros(len(rows))
        if self.score == "energy":
            return np.minimum(_log_sum(logits) - self.arrays["top"], 0.0)
        if self.score == "class mean":
            return np.asarray((_unit(rows) @ self.arrays["means"].T).max(axis=1) - 1.0)
        if self.score == "neighbours":
            cosines = _unit(rows) @ self.arrays["rows"].T
            count = min(NEIGHBOURS, cosines.shape[1])
            return np.asarray(np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1) - 1.0)
        if self.score == "Mahalanobis":
            return self._mahalanobis(rows)
        return np.minimum(self._mahalanobis(rows) - self.arrays["top"], 0.0)

    def _mahalanobis(self, rows: Floats) -> Doubles:
        arrays = self.arrays
        offset = rows - arrays["centre"]
        along = offset @ arrays["axes"]
        white, means = along @ arrays["whiten"], arrays["means"]
        squares = (white**2).sum(axis=1)[:, None] - 2 * white @ means.T + (means**2).sum(axis=1)
        if self.score == "Mahalanobis":
            beyond = ((offset**2).sum(axis=1) - (along**2).sum(axis=1)) / arrays["variance"]
            return np.asarray(-(squares.min(axis=1) + beyond) / rows.shape[1])
        own = ((along @ arrays["all_whiten"]) ** 2).sum(axis=1)  # what lies beyond the axes is the same in both
        return np.asarray((own - squares.min(axis=1)) / along.shape[1])

    def weigh(self, measured: Doubles, probs: Doubles) -> Doubles:
        """Return (n,) values of at most 0, higher is more familiar, for (n,) measured and probabilities of answers."""
        return measured + self.weight * (probs - 1.0)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return it as arrays, for an .npz file."""
        return {"score": np.array(self.score), "weight": np.array(self.weight),
                **{f"familiarity.{name}": values for name, values in self.arrays.items()}}  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Familiarity":
        """Return what `to_arrays` wrote.

        Raises:
            KeyError: something is missing.
            ValueError: there is no such score.
        """
        score = next((known for known in SCORES if known == str(arrays["score"])), None)
        if score is None:
            raise ValueError(f"no score {arrays['score']!s}")
        own = {name.partition(".")[2]: arrays[name] for name in arrays if name.startswith("familiarity.")}
        return cls(score, float(arrays["weight"]), own)


class Basis(NamedTuple):
    """The first axes of features: their centre (d,), the axes (d, k), the variance along each one beyond them.

    Where there is none beyond, it is infinite.
    """

    centre: Doubles
    axes: Doubles
    variance: float


def find_basis(rows: Floats) -> Basis:
    """Return the axes, at most 128, along which (n, d) rows, of which 2,000 are looked at, vary most."""
    some = rows[:_BASIS_ROWS].astype(np.float64)
    centre = some.mean(axis=0)
    offset = some - centre
    count = max(1, min(_AXES, len(some) // 2, some.shape[1]))  # of as many as there are rows nothing would lie beyond
    if len(some) <= some.shape[1]:  # the smaller of the two products has the same axes
        squares, left = np.linalg.eigh(offset @ offset.T)
        axes = offset.T @ left[:, -count:] / np.sqrt(np.maximum(squares[-count:], 1e-12))
    else:
        squares, vectors = np.linalg.eigh(offset.T @ offset)
        axes = vectors[:, -count:]
    if count == some.shape[1]:
        return Basis(centre, axes, np.inf)
    beyond = float(np.maximum(squares, 0)[:-count].sum()) / len(some) / (some.shape[1] - count)
    return Basis(centre, axes, max(beyond, 1e-6 * float(offset.var()) + _LEAST_LENGTH))


def fit_familiarity(
    rows: Floats, labels: Labels, score: Score = "class mean", *, logits: Doubles | None = None,
    basis: Basis | None = None,
) -> Familiarity:  # fmt: skip
    """Fit a score, without a weight, to pictures that were learnt from.

    Args:
        rows: (n, d) square roots of features.
        labels: (n,) classes.
        score: which.
        logits: (n, classes), which "energy" needs.
        basis: of these or more rows, for the distances of Mahalanobis; found here where it is not given.
    """
    if score == "probability":
        return Familiarity(score, 1.0)
    if score == "energy":
        assert logits is not None
        return Familiarity(score, arrays={"top": np.array(_log_sum(logits).max())})
    if score == "class mean":
        return Familiarity(score, arrays={"means": _unit(_class_means(rows, labels))})
    if score == "neighbours":
        return Familiarity(score, arrays={"rows": _unit(rows[_spread(labels, MAX_NEIGHBOURS)])})
    return _fit_mahalanobis(rows, labels, score, basis or find_basis(rows))


def _fit_mahalanobis(rows: Floats, labels: Labels, score: Score, basis: Basis) -> Familiarity:
    along = (rows - basis.centre) @ basis.axes
    means = _class_means(along, labels)
    whiten = _whiten(along - means[np.unique(labels, return_inverse=True)[1]])
    arrays = {"centre": basis.centre, "axes": basis.axes, "whiten": whiten, "means": means @ whiten}
    if score == "Mahalanobis":
        return Familiarity(score, arrays={**arrays, "variance": np.array(basis.variance)})
    arrays |= {"all_whiten": _whiten(along)}
    top = Familiarity(score, arrays=arrays)._mahalanobis(rows).max()
    return Familiarity(score, arrays={**arrays, "top": np.array(top)})


def _whiten(offsets: Doubles) -> Doubles:
    """Return the (k, k) matrix by which (n, k) offsets get a covariance of about 1, shrunk where they are few."""
    width = offsets.shape[1]
    covariance = offsets.T @ offsets / len(offsets)
    round_one = np.trace(covariance) / width
    share = max(_SHRINK, width / (width + len(offsets)))
    covariance = (1 - share) * covariance + np.eye(width) * (share * round_one + _LEAST_LENGTH)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)).T)


def _class_means(rows: NDArray[Any], labels: Labels) -> Doubles:
    return np.stack([rows[labels == label].mean(axis=0, dtype=np.float64) for label in np.unique(labels)])


def _unit(rows: NDArray[Any]) -> Doubles:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST_LENGTH))


def _log_sum(logits: Doubles) -> Doubles:
    top = logits.max(axis=1)
    return np.asarray(np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top)


def _spread(labels: Labels, most: int) -> NDArray[np.intp]:
    """Return at most so many places, of each class as many as of any other while it has them."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    turn = np.empty(len(labels), np.int64)
    turn[order] = np.arange(len(labels)) - starts
    return np.sort(np.argsort(turn, kind="stable")[:most])


def weigh_probability(measured: Doubles, probs: Doubles) -> float:
    """Return the weight at which the probability varies half as much as the score over held-out known pictures.

    Half, so that unlike pictures are declined however sure the answer is: on five real sets a left-out class was
    accepted 3 to 16 points less often than by nearness alone, and pictures of other sets hardly more often; at equal
    parts those were. Where all answers are nearly certain the probability counts for no more.
    """
    return float(_PROBABILITY_SHARE * measured.std() / max(probs.std(), _LEAST_SPREAD))


def accept_threshold(scores: Doubles, true_accept: float) -> float:
    """Return the familiarity above which a share `true_accept`, 0..1, of these known pictures lies."""
    return float(np.quantile(scores, 1.0 - true_accept, method="lower"))


def choose_score(
    known: Mapping[Candidate, Doubles], unknown: Mapping[Candidate, Sequence[Sequence[Doubles]]]
) -> tuple[Candidate, dict[Candidate, float]]:
    """Return the score that tells pictures left out from unknown ones best, and the AUROC of each.

    Sorts of unknown pictures count alike, such as classes left out beside drawn things. Of the scores whose AUROC is
    within two standard errors of the highest, the first is taken.

    Args:
        known: for each score, the one to prefer first, its values of held-out pictures of known classes.
        unknown: for each score, by sort, its values of each kind of that sort.
    """
    areas = {candidate: [np.array([area_under_curve(known[candidate], values)[0] for values in kinds])
                         for kinds in sorts if len(kinds)] for candidate, sorts in unknown.items()}  # fmt: skip
    means = {candidate: float(np.mean([values.mean() for values in sorts])) for candidate, sorts in areas.items()}
    best = max(means, key=lambda candidate: means[candidate])
    for candidate, sorts in areas.items():
        gaps = [first - second for first, second in zip(areas[best], sorts, strict=True)]
        errors = [gap.std() / np.sqrt(len(gap)) for gap in gaps]
        error = float(np.sqrt(np.sum(np.square(errors)))) / len(gaps)
        if means[best] - means[candidate] <= max(_HARDLY, _ERRORS * error):
            return candidate, means
    return best, means

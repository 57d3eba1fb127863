"""Samples for the tests of the colour learner, and a quickly fitted candidate of each of its families."""

import numpy as np
from numpy.typing import NDArray

from fieldguide.exporters.colour import Classifier, Family
from fieldguide.learners.colour.families import Candidate, Samples, fit_classifier

SMALL: dict[Family, Candidate] = {
    "svm": Candidate("svm", {"C": 10, "gamma": 0.1}),
    "mlp": Candidate("mlp", {"alpha": 1, "hidden_layer_sizes": (12, 6), "solver": "lbfgs"}),
    "logistic": Candidate("logistic", {"C": 5}),
    "forest": Candidate("forest", {"n_estimators": 20, "max_depth": 8}),
    "boosting": Candidate("boosting", {"n_estimators": 6, "max_depth": 100}),
}


def clouds(count: int = 150, classes: int = 3, width: int = 5, seed: int = 0) -> Samples:
    """Return overlapping clouds in the first two features; the others are noise of other sizes."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % classes).astype(np.int64)
    features = rng.normal(0, 1, (count, width)) * np.arange(1, width + 1)
    angles = 2 * np.pi * labels / classes
    features[:, 0] += 3 * np.cos(angles)
    features[:, 1] += 5 * np.sin(angles)
    return Samples((100 + 10 * features).astype(np.float32), labels, seed=seed)


def tinted(count: int, side: int) -> NDArray[np.uint8]:
    """Return (count, side, side, 3) pictures of one colour each, with noise."""
    rng = np.random.default_rng(5)
    middles = rng.integers(0, 256, (count, 1, 1, 3))
    return np.clip(middles + rng.normal(0, 40, (count, side, side, 3)), 0, 255).astype(np.uint8)


def fit_arrays(samples: Samples, candidate: Candidate, temperature: float = 1.0) -> Classifier:
    """Return the fitted candidate as it is kept and published."""
    return fit_classifier(samples, candidate).to_arrays(temperature)

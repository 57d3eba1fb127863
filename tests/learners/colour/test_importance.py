"""Importance and elimination: what matters is found, noise is not, and held-out rows choose nothing."""

from dataclasses import replace

import numpy as np
import pytest

from colour_samples import SMALL, clouds
from fieldguide.exporters.colour import Family
from fieldguide.learners.colour.families import DEFAULTS, FAMILIES, Candidate, search_families
from fieldguide.learners.colour.importance import lighten, measure_importance, trace_elimination
from fieldguide.learners.contract import group_folds

pytest.importorskip("sklearn", reason="learning needs the extra [train]")


def test_what_matters_is_found_and_noise_is_not() -> None:
    samples = clouds(200)
    folds = group_folds(samples.labels, None, 4, 0)
    fitted = search_families(samples, folds, [SMALL["logistic"]]).fitted
    importance = measure_importance(samples, folds, fitted)
    assert set(np.argsort(-importance.mean)[:2]) == {0, 1}
    assert importance.mean[:2].min() > 0.1
    assert np.abs(importance.mean[2:]).max() < 0.05
    assert importance.std.shape == (5,)
    repeated = measure_importance(samples, folds, fitted)
    assert np.array_equal(repeated.mean, importance.mean)


def test_importance_is_measured_on_held_out_rows() -> None:
    """A forest knows its own rows by heart, noise included; held out, noise is worth nothing."""
    samples = clouds(200)
    shuffled = replace(samples, labels=np.random.default_rng(1).permutation(samples.labels))
    folds = group_folds(shuffled.labels, None, 4, 0)
    importance = measure_importance(shuffled, folds, search_families(shuffled, folds, [SMALL["forest"]]).fitted)
    assert np.abs(importance.mean).max() < 0.08


@pytest.mark.parametrize("family", FAMILIES)
def test_the_elimination_curve_rises_and_then_stays(family: Family) -> None:
    samples = clouds(200)
    folds = group_folds(samples.labels, None, 4, 0)
    curve = trace_elimination(samples, folds, search_families(samples, folds, [SMALL[family]]).fitted)
    assert [point.count for point in curve] == [1, 2, 3, 4, 5]
    assert curve[1].accuracy > curve[0].accuracy + 0.1
    assert abs(curve[4].accuracy - curve[1].accuracy) < 0.08
    for point in curve:
        assert point.recall == pytest.approx(point.accuracy)
        assert 0 <= point.precision <= 1
        assert 0 <= point.f1 <= 1


def test_a_lighter_form_is_of_the_same_family_and_never_heavier() -> None:
    for family, choice in DEFAULTS.items():
        assert lighten(choice).family == family
    few = Candidate("forest", {"n_estimators": 7, "max_depth": 25})
    assert lighten(few) == few and lighten(DEFAULTS["svm"]) == DEFAULTS["svm"]
    assert lighten(DEFAULTS["boosting"]).params == {"n_estimators": 5, "max_depth": 3}

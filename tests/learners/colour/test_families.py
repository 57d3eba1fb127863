"""The five families: honest held-out numbers, few classes and pictures, the same every time."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colour_samples import SMALL, clouds, fit_arrays
from fieldguide.calibration import log_losses, softmax
from fieldguide.exporters.colour import Family
from fieldguide.images.colour_features import FEATURE_NAMES
from fieldguide.learners.colour.families import (
    DEFAULTS,
    FAMILIES,
    GRIDS,
    Candidate,
    CandidateScore,
    Samples,
    fit_classifier,
    hold_out_logits,
    list_candidates,
    search_families,
)
from fieldguide.learners.contract import group_folds
from fieldguide.metrics import accuracy, calibration_error

pytest.importorskip("sklearn", reason="learning needs the extra [train]")


@pytest.mark.parametrize("family", ["forest", "mlp"])
def test_another_seed_is_another_classifier(family: Family) -> None:
    samples = clouds()
    first, reseeded = (fit_arrays(replace(samples, seed=seed), SMALL[family]).to_bytes() for seed in (0, 1))
    assert first != reseeded


@pytest.mark.parametrize("family", ["forest", "boosting"])
@pytest.mark.parametrize("classes", [2, 3])
def test_fewer_trees_are_the_first_of_many(family: Family, classes: int) -> None:
    samples = clouds(classes=classes)
    settings = {"n_estimators": 12, "max_depth": 4}
    many = fit_classifier(samples, Candidate(family, settings)).first_trees(5)
    few = fit_classifier(samples, Candidate(family, {**settings, "n_estimators": 5}))
    assert many.candidate == few.candidate
    assert np.array_equal(many.logits(samples.features), few.logits(samples.features))


def test_the_scale_of_a_feature_does_not_matter() -> None:
    samples = clouds()
    stretched = replace(samples, features=samples.features * np.array([1, 1024, 1, 1 / 64, 1], np.float32))
    for family in FAMILIES:
        plain, scaled = fit_arrays(samples, SMALL[family]), fit_arrays(stretched, SMALL[family])
        assert plain.probs(samples.features) == pytest.approx(scaled.probs(stretched.features), abs=2e-3), family


def test_a_feature_that_never_changes_is_no_trouble() -> None:
    samples = clouds()
    samples.features[:, 2] = 128
    for family in FAMILIES:
        assert np.isfinite(fit_arrays(samples, SMALL[family]).probs(samples.features)).all(), family


# ---- few classes, few pictures


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_without_pictures_is_never_the_answer(family: Family) -> None:
    samples = clouds(classes=2)
    probs = fit_arrays(replace(samples, labels=samples.labels * 2), SMALL[family]).probs(samples.features)
    assert probs.shape == (150, 3)
    assert probs[:, 1].max() < 1e-9
    assert (probs.argmax(axis=1) == samples.labels * 2).mean() > 0.8


@pytest.mark.parametrize("few", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_with_fewer_pictures_than_folds(family: Family, few: int) -> None:
    samples = clouds(60 + few, classes=3)
    labels = np.where(np.arange(60 + few) < few, 2, samples.labels % 2)
    samples = replace(samples, labels=labels, balanced=True)
    folds = group_folds(labels, None, 5, 0)
    assert len(folds) == max(2, few)
    search = search_families(samples, folds, [SMALL[family]])
    assert np.isfinite(search.logits).all()
    assert (search.logits.argmax(axis=1) == labels)[few:].mean() > 0.6


def test_a_fold_that_leaves_one_class_to_learn_from() -> None:
    samples = Samples(clouds(20).features, np.array([0] * 19 + [1]))
    folds = [(np.arange(10), np.arange(10, 20)), (np.arange(10, 20), np.arange(10))]
    logits = hold_out_logits(samples, folds, SMALL["boosting"])
    assert not logits[10:].argmax(axis=1).any()


# ---- the search


def test_the_grids_are_those_of_the_original_system() -> None:
    assert {family: len(list_candidates(family)) for family in FAMILIES} == {
        "svm": 25, "mlp": 30, "logistic": 13, "forest": 80, "boosting": 4,
    }  # fmt: skip
    for family in FAMILIES:
        assert DEFAULTS[family] in list_candidates(family)
        assert set(GRIDS[family]) == set(DEFAULTS[family].params)


@pytest.mark.parametrize("family", FAMILIES)
def test_held_out_logits_come_from_classifiers_that_never_saw_the_row(family: Family) -> None:
    samples = clouds(90)
    folds = group_folds(samples.labels, None, 3, 0)
    logits = hold_out_logits(samples, folds, SMALL[family])
    for train, test in folds:
        alone = fit_classifier(samples.take(train), SMALL[family])
        assert np.array_equal(logits[test], alone.logits(samples.features[test]))
        assert alone.to_arrays(1.0).mean == pytest.approx(samples.features[train].mean(axis=0))


def test_the_best_choice_is_found_and_every_choice_is_told_of() -> None:
    samples = clouds(120)
    folds = group_folds(samples.labels, None, 3, 0)
    candidates = [
        Candidate("svm", {"C": 0.001, "gamma": 10}), SMALL["logistic"],
        *(Candidate("forest", {"n_estimators": count, "max_depth": 3}) for count in (1, 7, 3)),
    ]  # fmt: skip
    reported: list[CandidateScore] = []
    search = search_families(samples, folds, candidates, reported.append)
    assert [score.candidate for score in search.scores] == candidates
    assert len(reported) == 5
    for score in search.scores:
        logits = hold_out_logits(samples, folds, score.candidate)
        assert score.correct == np.sum(logits.argmax(axis=1) == samples.labels), score.candidate
        assert score.accuracy.shape == (3,)
    best = min(search.scores, key=lambda score: score.rank)
    assert search.best == best.candidate
    assert np.array_equal(search.logits, hold_out_logits(samples, folds, search.best))
    with pytest.raises(ValueError, match="no candidates"):
        search_families(samples, folds, [])


def test_the_search_is_the_same_every_time() -> None:
    samples = clouds(90)
    folds = group_folds(samples.labels, None, 3, 0)
    first, repeated = (search_families(samples, folds, list(SMALL.values())) for _ in range(2))
    assert first.best == repeated.best
    assert np.array_equal(first.logits, repeated.logits)
    assert first.temperature == repeated.temperature


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_that_mean_nothing_are_not_learnt(family: Family) -> None:
    samples = clouds(240, classes=2)
    shuffled = replace(samples, labels=np.random.default_rng(3).permutation(samples.labels))
    search = search_families(shuffled, group_folds(shuffled.labels, None, 5, 0), [SMALL[family]])
    low, high = accuracy(shuffled.labels, search.logits.argmax(axis=1))[1:]
    assert low < 0.5 < high + 0.05
    probs = softmax(search.logits / search.temperature)
    assert log_losses(np.log(probs), shuffled.labels).mean() < np.log(2) + 0.06, "and it does not pretend to be sure"


@pytest.mark.parametrize("family", FAMILIES)
def test_calibrated_probabilities_mean_what_they_say(family: Family) -> None:
    samples = clouds(600, classes=3)
    train, test = np.arange(300), np.arange(300, 600)
    part = samples.take(train)
    search = search_families(part, group_folds(part.labels, None, 5, 0), [SMALL[family]])
    classifier = fit_arrays(part, search.best, search.temperature)
    assert calibration_error(classifier.probs(samples.features[test]), samples.labels[test]) < 0.12


@pytest.mark.parametrize("family", FAMILIES)
def test_balancing_finds_more_of_a_rare_class(family: Family) -> None:
    samples = clouds(600, classes=2)
    rare = np.flatnonzero((samples.labels == 0) | (np.arange(600) < 40))
    samples = replace(samples.take(rare), features=samples.take(rare).features[:, 1:])  # the clouds overlap here
    # trees grown to the end hold every row alone, whatever it weighs
    choice = Candidate("boosting", {"n_estimators": 6, "max_depth": 1}) if family == "boosting" else SMALL[family]
    recall = {}
    for balanced in (False, True):
        weighed = replace(samples, balanced=balanced)
        logits = hold_out_logits(weighed, group_folds(samples.labels, None, 4, 0), choice)
        recall[balanced] = softmax(logits)[samples.labels == 1, 1].mean()
    assert recall[True] > recall[False]


# ---- the original system's hard cases


@pytest.fixture
def art(shared: Path) -> tuple[Samples, list[str]]:
    """3,821 vectors of paintings: the support vectors of the original's SVM."""
    with (shared / "data" / "art-colour-vectors" / "support_vectors_labelled.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head[1:]) == FEATURE_NAMES
    names = sorted({row[0] for row in rows})
    labels = np.array([names.index(row[0]) for row in rows])
    return Samples(np.array([row[1:] for row in rows], np.float32), labels), names


@pytest.mark.shared
def test_hard_cases_are_told_apart_no_worse_than_by_the_original(art: tuple[Samples, list[str]]) -> None:
    """The same SVM, the same rows held out, the scaler fitted on everything and votes counted as there."""
    from sklearn.model_selection import cross_val_predict
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    samples, names = art
    folds = group_folds(samples.labels, None, 5, 0)
    original = cross_val_predict(
        SVC(C=100, gamma=0.01), StandardScaler().fit_transform(samples.features), samples.labels, cv=folds
    )
    search = search_families(samples, folds, [DEFAULTS["svm"]])
    predictions = search.logits.argmax(axis=1)
    share, low, high = accuracy(samples.labels, predictions)
    assert len(names) == 11
    assert share >= np.mean(original == samples.labels)
    assert 0.56 < low < share < high < 0.61
    probs = softmax(search.logits / search.temperature)
    assert log_losses(np.log(probs), samples.labels).mean() < 0.93
    assert calibration_error(probs, samples.labels) < 0.1

"""The five families: scikit-learn's own answers, bytes there and back, honest held-out numbers, the same every time."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldguide.calibration import log_losses, softmax
from fieldguide.errors import InputUnusable
from fieldguide.learners import fitting
from fieldguide.learners.colour_features import FEATURE_NAMES
from fieldguide.learners.families import FAMILIES, Choice, Classifier, Family, Material
from fieldguide.learners.fitting import estimator, fit_classifier, fit_quietly
from fieldguide.learners.headfit import group_folds
from fieldguide.learners.mattering import elimination_curve, lighten, permutation_importance
from fieldguide.learners.searching import (
    DEFAULTS,
    GRIDS,
    Tried,
    choices,
    held_out_scores,
    search_families,
)
from fieldguide.metrics import accuracy, calibration_error

pytest.importorskip("sklearn", reason="learning needs the extra [train]")

SMALL: dict[Family, Choice] = {
    "svm": Choice("svm", {"C": 10, "gamma": 0.1}),
    "mlp": Choice("mlp", {"alpha": 1, "hidden_layer_sizes": (12, 6), "solver": "lbfgs"}),
    "logistic": Choice("logistic", {"C": 5}),
    "forest": Choice("forest", {"n_estimators": 20, "max_depth": 8}),
    "boosting": Choice("boosting", {"n_estimators": 6, "max_depth": 100}),
}


def clouds(count: int = 150, classes: int = 3, wide: int = 5, seed: int = 0) -> Material:
    """Overlapping clouds in the first two features; the others are noise of other sizes."""
    dice = np.random.default_rng(seed)
    labels = (np.arange(count) % classes).astype(np.int64)
    features = dice.normal(0, 1, (count, wide)) * np.arange(1, wide + 1)
    turns = 2 * np.pi * labels / classes
    features[:, 0] += 3 * np.cos(turns)
    features[:, 1] += 5 * np.sin(turns)
    return Material((100 + 10 * features).astype(np.float32), labels, seed=seed)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_arrays_answer_as_scikit_learn_does(family: Family, classes: int, balanced: bool) -> None:
    material = replace(clouds(classes=classes), balanced=balanced)
    classifier = fit_classifier(material, SMALL[family])
    rows = (material.features - classifier.mean) / classifier.scale
    model = estimator(material, SMALL[family])
    with fit_quietly():
        model.fit(rows, material.labels, **({"sample_weight": material.weights()} if balanced else {}))
    logits = classifier.logits(material.features)
    assert logits.shape == (150, classes)
    if family == "svm":
        model.decision_function_shape = "ovo"
        margins = model.decision_function(rows).reshape(len(rows), -1)
        assert logits == pytest.approx(plain_votes(-margins if classes == 2 else margins, classes), abs=1e-5)
    elif family == "forest":
        assert np.exp(logits) - 1e-3 == pytest.approx(model.predict_proba(rows), abs=1e-6)
    else:
        assert softmax(logits) == pytest.approx(model.predict_proba(rows), abs=1e-5)


def plain_votes(margins: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """Each class's sum of the log-sigmoids of its margins, pair by pair."""
    found = np.zeros((len(margins), classes))
    pair = 0
    for first in range(classes):
        for second in range(first + 1, classes):
            found[:, first] -= np.logaddexp(0, -margins[:, pair])
            found[:, second] -= np.logaddexp(0, margins[:, pair])
            pair += 1
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_there_and_back_and_the_same_every_time(family: Family) -> None:
    material = clouds()
    classifier = fit_classifier(material, SMALL[family], temperature=1.7)
    data = classifier.to_bytes()
    assert fit_classifier(material, SMALL[family], temperature=1.7).to_bytes() == data
    again = Classifier.from_bytes(data)
    assert again.choice == SMALL[family]
    assert (again.classes, again.temperature) == (3, 1.7)
    assert np.array_equal(again.probs(material.features), classifier.probs(material.features))
    assert again.probs(material.features).sum(axis=1) == pytest.approx(np.ones(150))
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        assert not any(file[name].dtype.hasobject for name in file.files)


@pytest.mark.parametrize("family", ["forest", "mlp"])
def test_another_seed_is_another_classifier(family: Family) -> None:
    material = clouds()
    one, other = (fit_classifier(replace(material, seed=seed), SMALL[family]).to_bytes() for seed in (0, 1))
    assert one != other


def test_bytes_that_are_no_classifier_are_refused() -> None:
    data = fit_classifier(clouds(), SMALL["logistic"]).to_bytes()
    other = io.BytesIO()
    np.savez(other, weights=np.zeros(3))
    strange = fit_classifier(clouds(), SMALL["logistic"])
    strange = replace(strange, choice=Choice("oracle", {}))  # type: ignore[arg-type]
    for bad in (data[: len(data) // 2], b"", b"PK\x05\x06" + bytes(18), other.getvalue(), strange.to_bytes()):
        with pytest.raises(ValueError, match=r"classifier|family"):
            Classifier.from_bytes(bad)


def test_bytes_with_a_pickle_inside_are_refused() -> None:
    file = io.BytesIO()
    np.savez(file, choice=np.array([{"family": "svm"}], dtype=object))
    with pytest.raises(ValueError, match=r"[Oo]bject arrays|classifier"):
        Classifier.from_bytes(file.getvalue())


@pytest.mark.parametrize("family", ["forest", "boosting"])
@pytest.mark.parametrize("classes", [2, 3])
def test_fewer_trees_are_the_first_of_many(family: Family, classes: int) -> None:
    material = clouds(classes=classes)
    settings = {"n_estimators": 12, "max_depth": 4}
    many = fit_classifier(material, Choice(family, settings)).first_trees(5)
    few = fit_classifier(material, Choice(family, {**settings, "n_estimators": 5}))
    assert many.choice == few.choice
    assert np.array_equal(many.logits(material.features), few.logits(material.features))


def test_thresholds_in_float32_part_the_same_features() -> None:
    exact = np.random.default_rng(0).normal(0, 3, 2000)
    nearest = exact.astype(np.float32)
    for near in (np.nextafter(nearest, np.float32(-np.inf)), nearest, np.nextafter(nearest, np.float32(np.inf))):
        assert np.array_equal(near <= fitting._round_down(exact), near.astype(np.float64) <= exact)


def test_the_scale_of_a_feature_does_not_matter() -> None:
    material = clouds()
    stretched = replace(material, features=material.features * np.array([1, 1024, 1, 1 / 64, 1], np.float32))
    for family in FAMILIES:
        one, other = fit_classifier(material, SMALL[family]), fit_classifier(stretched, SMALL[family])
        assert one.probs(material.features) == pytest.approx(other.probs(stretched.features), abs=2e-3), family


def test_a_feature_that_never_changes_is_no_trouble() -> None:
    material = clouds()
    material.features[:, 2] = 128
    for family in FAMILIES:
        assert np.isfinite(fit_classifier(material, SMALL[family]).probs(material.features)).all(), family


# ---- few classes, few pictures


def test_one_class_is_nothing_to_learn() -> None:
    material = Material(np.zeros((5, 3), np.float32), np.ones(5, np.int64))
    with pytest.raises(InputUnusable, match="one class") as caught:
        fit_classifier(material, SMALL["svm"])
    assert "add pictures" in caught.value.hint


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_without_pictures_is_never_the_answer(family: Family) -> None:
    material = clouds(classes=2)
    probs = fit_classifier(replace(material, labels=material.labels * 2), SMALL[family]).probs(material.features)
    assert probs.shape == (150, 3)
    assert probs[:, 1].max() < 1e-9
    assert (probs.argmax(axis=1) == material.labels * 2).mean() > 0.8


@pytest.mark.parametrize("few", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_with_fewer_pictures_than_folds(family: Family, few: int) -> None:
    material = clouds(60 + few, classes=3)
    labels = np.where(np.arange(60 + few) < few, 2, material.labels % 2)
    material = replace(material, labels=labels, balanced=True)
    folds = group_folds(labels, None, 5, 0)
    assert len(folds) == max(2, few)
    found = search_families(material, folds, [SMALL[family]])
    assert np.isfinite(found.logits).all()
    assert (found.logits.argmax(axis=1) == labels)[few:].mean() > 0.6


def test_a_fold_that_leaves_one_class_to_learn_from() -> None:
    material = Material(clouds(20).features, np.array([0] * 19 + [1]))
    folds = [(np.arange(10), np.arange(10, 20)), (np.arange(10, 20), np.arange(10))]
    logits = held_out_scores(material, folds, SMALL["boosting"])
    assert not logits[10:].argmax(axis=1).any()


# ---- the search


def test_the_grids_are_those_of_the_original_system() -> None:
    assert {family: len(choices(family)) for family in FAMILIES} == {
        "svm": 25, "mlp": 30, "logistic": 13, "forest": 80, "boosting": 4,
    }  # fmt: skip
    for family in FAMILIES:
        assert DEFAULTS[family] in choices(family)
        assert set(GRIDS[family]) == set(DEFAULTS[family].settings)


@pytest.mark.parametrize("family", FAMILIES)
def test_held_out_logits_come_from_classifiers_that_never_saw_the_row(family: Family) -> None:
    material = clouds(90)
    folds = group_folds(material.labels, None, 3, 0)
    logits = held_out_scores(material, folds, SMALL[family])
    for train, test in folds:
        alone = fit_classifier(material.take(train), SMALL[family])
        assert np.array_equal(logits[test], alone.logits(material.features[test]))
        assert alone.mean == pytest.approx(material.features[train].mean(axis=0))


def test_the_best_choice_is_found_and_every_choice_is_told_of() -> None:
    material = clouds(120)
    folds = group_folds(material.labels, None, 3, 0)
    wanted = [
        Choice("svm", {"C": 0.001, "gamma": 10}), SMALL["logistic"],
        *(Choice("forest", {"n_estimators": count, "max_depth": 3}) for count in (1, 7, 3)),
    ]  # fmt: skip
    told: list[Tried] = []
    found = search_families(material, folds, wanted, told.append)
    assert [one.choice for one in found.tried] == wanted
    assert len(told) == 5
    for one in found.tried:
        logits = held_out_scores(material, folds, one.choice)
        assert one.right == np.sum(logits.argmax(axis=1) == material.labels), one.choice
        assert one.accuracy.shape == (3,)
    best = max(found.tried, key=lambda one: (one.right, -one.loss))
    assert found.choice == best.choice
    assert np.array_equal(found.logits, held_out_scores(material, folds, found.choice))
    with pytest.raises(ValueError, match="nothing"):
        search_families(material, folds, [])


def test_the_search_is_the_same_every_time() -> None:
    material = clouds(90)
    folds = group_folds(material.labels, None, 3, 0)
    one, two = (search_families(material, folds, list(SMALL.values())) for _ in range(2))
    assert one.choice == two.choice
    assert np.array_equal(one.logits, two.logits)
    assert one.temperature == two.temperature


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_that_mean_nothing_are_not_learnt(family: Family) -> None:
    material = clouds(240, classes=2)
    shuffled = replace(material, labels=np.random.default_rng(3).permutation(material.labels))
    found = search_families(shuffled, group_folds(shuffled.labels, None, 5, 0), [SMALL[family]])
    low, high = accuracy(shuffled.labels, found.logits.argmax(axis=1))[1:]
    assert low < 0.5 < high + 0.05
    probs = softmax(found.logits / found.temperature)
    assert log_losses(np.log(probs), shuffled.labels).mean() < np.log(2) + 0.06, "and it does not pretend to be sure"


@pytest.mark.parametrize("family", FAMILIES)
def test_calibrated_probabilities_mean_what_they_say(family: Family) -> None:
    material = clouds(600, classes=3)
    train, test = np.arange(300), np.arange(300, 600)
    part = material.take(train)
    found = search_families(part, group_folds(part.labels, None, 5, 0), [SMALL[family]])
    classifier = fit_classifier(part, found.choice, found.temperature)
    assert calibration_error(classifier.probs(material.features[test]), material.labels[test]) < 0.12


@pytest.mark.parametrize("family", FAMILIES)
def test_balancing_finds_more_of_a_rare_class(family: Family) -> None:
    material = clouds(600, classes=2)
    rare = np.flatnonzero((material.labels == 0) | (np.arange(600) < 40))
    material = replace(material.take(rare), features=material.take(rare).features[:, 1:])  # the clouds overlap here
    # trees grown to the end hold every row alone, whatever it weighs
    choice = Choice("boosting", {"n_estimators": 6, "max_depth": 1}) if family == "boosting" else SMALL[family]
    found = {}
    for balanced in (False, True):
        weighed = replace(material, balanced=balanced)
        logits = held_out_scores(weighed, group_folds(material.labels, None, 4, 0), choice)
        found[balanced] = softmax(logits)[material.labels == 1, 1].mean()
    assert found[True] > found[False]


# ---- which features matter


def test_what_matters_is_found_and_noise_is_not() -> None:
    material = clouds(200)
    folds = group_folds(material.labels, None, 4, 0)
    fitted = search_families(material, folds, [SMALL["logistic"]]).fitted
    found = permutation_importance(material, folds, fitted)
    assert set(np.argsort(-found.mean)[:2]) == {0, 1}
    assert found.mean[:2].min() > 0.1
    assert np.abs(found.mean[2:]).max() < 0.05
    assert found.spread.shape == (5,)
    again = permutation_importance(material, folds, fitted)
    assert np.array_equal(again.mean, found.mean)


def test_importance_is_measured_on_held_out_rows() -> None:
    """A forest knows its own rows by heart, noise included; held out, noise is worth nothing."""
    material = clouds(200)
    shuffled = replace(material, labels=np.random.default_rng(1).permutation(material.labels))
    folds = group_folds(shuffled.labels, None, 4, 0)
    found = permutation_importance(shuffled, folds, search_families(shuffled, folds, [SMALL["forest"]]).fitted)
    assert np.abs(found.mean).max() < 0.08


@pytest.mark.parametrize("family", FAMILIES)
def test_the_elimination_curve_rises_and_then_stays(family: Family) -> None:
    material = clouds(200)
    folds = group_folds(material.labels, None, 4, 0)
    curve = elimination_curve(material, folds, search_families(material, folds, [SMALL[family]]).fitted)
    assert [one.count for one in curve] == [1, 2, 3, 4, 5]
    assert curve[1].accuracy > curve[0].accuracy + 0.1
    assert abs(curve[4].accuracy - curve[1].accuracy) < 0.08
    for one in curve:
        assert one.recall == pytest.approx(one.accuracy)
        assert 0 <= one.precision <= 1
        assert 0 <= one.f1 <= 1


def test_a_lighter_form_is_of_the_same_family_and_never_heavier() -> None:
    for family, choice in DEFAULTS.items():
        assert lighten(choice).family == family
    few = Choice("forest", {"n_estimators": 7, "max_depth": 25})
    assert lighten(few) == few and lighten(DEFAULTS["svm"]) == DEFAULTS["svm"]
    assert lighten(DEFAULTS["boosting"]).settings == {"n_estimators": 5, "max_depth": 3}


# ---- the original system's hard cases


@pytest.fixture
def art(shared: Path) -> tuple[Material, list[str]]:
    """3,821 vectors of paintings: the support vectors of the original's SVM."""
    with (shared / "data" / "art-colour-vectors" / "support_vectors_labelled.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head[1:]) == FEATURE_NAMES
    names = sorted({row[0] for row in rows})
    labels = np.array([names.index(row[0]) for row in rows])
    return Material(np.array([row[1:] for row in rows], np.float32), labels), names


@pytest.mark.shared
def test_hard_cases_are_told_apart_no_worse_than_by_the_original(art: tuple[Material, list[str]]) -> None:
    """The same SVM, the same rows held out, the scaler fitted on everything and votes counted as there."""
    from sklearn.model_selection import cross_val_predict
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    material, names = art
    folds = group_folds(material.labels, None, 5, 0)
    original = cross_val_predict(
        SVC(C=100, gamma=0.01), StandardScaler().fit_transform(material.features), material.labels, cv=folds
    )
    found = search_families(material, folds, [DEFAULTS["svm"]])
    answers = found.logits.argmax(axis=1)
    share, low, high = accuracy(material.labels, answers)
    assert len(names) == 11
    assert share >= np.mean(original == material.labels)
    assert 0.56 < low < share < high < 0.61
    probs = softmax(found.logits / found.temperature)
    assert log_losses(np.log(probs), material.labels).mean() < 0.93
    assert calibration_error(probs, material.labels) < 0.1

"""The head: the same solution with and without the rotation, whole groups in folds, bytes there and back."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.calibration import log_losses, softmax
from fieldguide.learners.headfit import (
    Head,
    choose_within_error,
    fit_head,
    group_folds,
    held_out_logits,
    root,
    search_head,
)

linear = pytest.importorskip("sklearn.linear_model", reason="learning needs the extra [train]")


def clouds(count: int, wide: int, classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features that are never negative, as pooled activations are, and labels with some overlap."""
    dice = np.random.default_rng(seed)
    labels = (np.arange(count) % classes).astype(np.int64)
    middles = dice.gamma(2.0, 1.0, (classes, wide))
    return (middles[labels] * dice.gamma(2.0, 0.5, (count, wide))).astype(np.float32), labels


def plain(features: NDArray[np.float32], labels: NDArray[np.int64], strength: float) -> NDArray[np.float64]:
    """Probabilities of scikit-learn's own logistic regression over standardised roots, solved closely."""
    rows = root(features).astype(np.float64)
    rows = (rows - rows.mean(axis=0)) / np.where(rows.std(axis=0) > 1e-6, rows.std(axis=0), 1.0)
    model = linear.LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(rows, labels)
    return np.asarray(model.predict_proba(rows))


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize(("count", "wide"), [(30, 90), (90, 30)])
def test_the_solution_is_that_of_plain_logistic_regression(count: int, wide: int, classes: int) -> None:
    features, labels = clouds(count, wide, classes)
    features[:, 3] = 1.5
    head = fit_head(features, labels, 0.01, 1.0)
    assert head.probs(features) == pytest.approx(plain(features, labels, 0.01), abs=0.01)
    assert head.logits(features).shape == (count, classes)


def test_roots_are_taken_of_what_is_not_below_zero() -> None:
    features = np.array([[4.0, 0.0, -1.0]], np.float32)
    assert root(features).tolist() == [[2.0, 0.0, 0.0]]
    assert root(features).dtype == np.float32


def test_a_head_learns_what_can_be_learnt() -> None:
    features, labels = clouds(120, 40, 3)
    head = fit_head(features[:60], labels[:60], 0.1, 1.0)
    assert (head.probs(features[60:]).argmax(axis=1) == labels[60:]).mean() > 0.9


@given(st.floats(0.05, 20))
@settings(max_examples=10)
def test_the_temperature_changes_how_sure_and_never_what(temperature: float) -> None:
    features, labels = clouds(24, 30, 3)
    cold = fit_head(features, labels, 0.01, 1.0)
    warm = Head(cold.weights, cold.bias, temperature, cold.strength)
    assert warm.probs(features) == pytest.approx(softmax(cold.logits(features) / temperature))
    assert np.array_equal(warm.probs(features).argmax(axis=1), cold.probs(features).argmax(axis=1))
    assert warm.probs(features).sum(axis=1) == pytest.approx(np.ones(24))


def test_a_class_without_pictures_is_never_the_answer() -> None:
    features, labels = clouds(40, 20, 2)
    probs = fit_head(features, labels * 2, 0.01, 1.0).probs(features)
    assert probs.shape == (40, 3)
    assert probs[:, 1].max() < 1e-9
    assert (probs.argmax(axis=1) == labels * 2).mean() > 0.9


# ---- folds


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 11)), min_size=12, max_size=60), st.integers(2, 6))
@settings(max_examples=40)
def test_folds_cover_everything_once_with_groups_whole(rows: list[tuple[int, int]], folds: int) -> None:
    rows = [*[(one, 20 + 10 * one + number) for one in range(3) for number in range(3)], *rows]
    labels = np.array([label for label, _ in rows], dtype=np.int64)
    groups = [f"{label} {group}" for label, group in rows]
    made = group_folds(labels, groups, folds, 0)
    assert 2 <= len(made) <= folds
    assert sorted(np.concatenate([test for _, test in made]).tolist()) == list(range(len(rows)))
    for train, test in made:
        assert not {groups[one] for one in train} & {groups[one] for one in test}
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(rows)))


def test_without_groups_pictures_are_shuffled_one_by_one() -> None:
    labels = np.arange(40) % 2
    made = group_folds(labels, None, 4, 0)
    assert [len(test) for _, test in made] == [10] * 4
    assert all(labels[test].sum() == 5 for _, test in made)
    again, other = group_folds(labels, None, 4, 0), group_folds(labels, None, 4, 1)
    assert all(np.array_equal(one[1], two[1]) for one, two in zip(made, again, strict=True))
    assert not all(np.array_equal(one[1], two[1]) for one, two in zip(made, other, strict=True))


def test_few_groups_make_few_folds() -> None:
    labels = np.array([0] * 20 + [1] * 3)
    groups = [f"{number}" for number in range(23)]
    assert len(group_folds(labels, groups, 5, 0)) == 3
    assert len(group_folds(labels, ["x"] * 20 + ["a", "b", "c"], 5, 0)) == 2


# ---- the search


def test_held_out_logits_come_from_heads_that_never_saw_the_picture() -> None:
    features, labels = clouds(36, 50, 3)
    folds = group_folds(labels, None, 3, 0)
    logits = held_out_logits(features, labels, folds, 0.01)
    for train, test in folds:
        head = fit_head(features[train], labels[train], 0.01, 1.0)
        assert softmax(logits[test]) == pytest.approx(head.probs(features[test]), abs=1e-4)


def test_the_strength_with_the_least_held_out_loss_is_chosen() -> None:
    features, labels = clouds(60, 80, 3, seed=3)
    noisy = labels.copy()
    noisy[::5] = (noisy[::5] + 1) % 3
    folds = group_folds(noisy, None, 3, 0)
    strengths = (1.0, 1e-4, 0.01)
    found = search_head(features, noisy, folds, strengths)
    assert found.strength in strengths
    temperatures = np.exp(np.linspace(np.log(0.05), np.log(20), 300))
    logits = {one: held_out_logits(features, noisy, folds, one) for one in strengths}
    losses = {one: min(log_losses(logits[one] / t, noisy).mean() for t in temperatures) for one in strengths}
    assert losses[found.strength] <= min(losses.values()) + 0.01


def test_the_simplest_within_an_error_of_the_best_is_chosen() -> None:
    best = np.array([1.0, 2.0, 3.0, 2.0])
    gaps = np.array([0.4, -0.2, 0.3, -0.1])  # mean 0.1, standard error 0.127
    assert choose_within_error([best + 1, best + gaps, best]) == 1
    assert choose_within_error([best + 1, best + gaps, best], 0.5) == 2
    assert choose_within_error([best, best + gaps]) == 0


def test_labels_that_mean_nothing_are_not_learnt() -> None:
    features, _ = clouds(60, 40, 3)
    labels = np.random.default_rng(5).integers(0, 3, 60)
    logits = held_out_logits(features, labels, group_folds(labels, None, 3, 0), 0.01)
    assert (logits.argmax(axis=1) == labels).mean() < 0.6


# ---- bytes


def head() -> Head:
    features, labels = clouds(20, 12, 3)
    return fit_head(features, labels, 0.01, 1.7)


def test_bytes_there_and_back() -> None:
    made = head()
    again = Head.from_bytes(made.to_bytes())
    assert np.array_equal(again.weights, made.weights)
    assert np.array_equal(again.bias, made.bias)
    assert (again.temperature, again.strength) == (made.temperature, made.strength)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_no_head(share: float) -> None:
    data = head().to_bytes()
    with pytest.raises(ValueError):
        Head.from_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("missing", ["weights", "temperature"])
def test_a_file_of_something_else_is_no_head(missing: str) -> None:
    arrays = {"weights": np.ones((2, 2)), "bias": np.ones(2), "temperature": 1.0, "strength": 1.0}
    del arrays[missing]
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    for data in (file.getvalue(), b"hello", b"\x93NUMPY\x01\x00"):
        with pytest.raises(ValueError):
            Head.from_bytes(data)


def test_a_file_that_could_run_code_is_not_read() -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("code was run",)

    file = io.BytesIO()
    evil = np.array([Evil()], dtype=object)
    np.savez(file, weights=evil, bias=np.ones(2), temperature=1.0, strength=1.0)
    with pytest.raises(ValueError):
        Head.from_bytes(file.getvalue())

"""The head: the same solution with and without the rotation, whole groups in folds, bytes there and back."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.calibration import log_losses, softmax
from fieldguide.exporters.onnx import Activation, Layer
from fieldguide.learners.contract import group_folds
from fieldguide.learners.linear_head import (
    Head,
    choose_within_error,
    fit_linear_head,
    predict_held_out,
    root,
    search_strength,
)

linear = pytest.importorskip("sklearn.linear_model", reason="learning needs the extra [train]")


def clouds(count: int, wide: int, classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features that are never negative, as pooled activations are, and labels with some overlap."""
    dice = np.random.default_rng(seed)
    labels = (np.arange(count) % classes).astype(np.int64)
    middles = dice.gamma(2.0, 1.0, (classes, wide))
    return (middles[labels] * dice.gamma(2.0, 0.5, (count, wide))).astype(np.float32), labels


def plain(features: NDArray[np.float32], labels: NDArray[np.int64], strength: float) -> NDArray[np.float64]:
    """Return the probabilities of scikit-learn's own logistic regression over standardised roots, solved closely."""
    rows = root(features).astype(np.float64)
    rows = (rows - rows.mean(axis=0)) / np.where(rows.std(axis=0) > 1e-6, rows.std(axis=0), 1.0)
    model = linear.LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(rows, labels)
    return np.asarray(model.predict_proba(rows))


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize(("count", "wide"), [(30, 90), (90, 30)])
def test_the_solution_is_that_of_plain_logistic_regression(count: int, wide: int, classes: int) -> None:
    features, labels = clouds(count, wide, classes)
    features[:, 3] = 1.5
    head = fit_linear_head(features, labels, 0.01, 1.0)
    assert head.probs(features) == pytest.approx(plain(features, labels, 0.01), abs=0.01)
    assert head.logits(features).shape == (count, classes)


def test_roots_keep_the_sign() -> None:
    features = np.array([[4.0, 0.0, -9.0]], np.float32)
    assert root(features).tolist() == [[2.0, 0.0, -3.0]]
    assert features.tolist() == [[4.0, 0.0, -9.0]]
    assert root(features).dtype == root(features.astype(np.float64)).dtype == np.float32


def test_a_head_learns_what_can_be_learnt() -> None:
    features, labels = clouds(120, 40, 3)
    head = fit_linear_head(features[:60], labels[:60], 0.1, 1.0)
    assert (head.probs(features[60:]).argmax(axis=1) == labels[60:]).mean() > 0.9


@given(st.floats(0.05, 20))
@settings(max_examples=10)
def test_the_temperature_changes_how_sure_and_never_what(temperature: float) -> None:
    features, labels = clouds(24, 30, 3)
    cold = fit_linear_head(features, labels, 0.01, 1.0)
    warm = Head(cold.layers, temperature, cold.strength)
    assert warm.probs(features) == pytest.approx(softmax(cold.logits(features) / temperature))
    assert np.array_equal(warm.probs(features).argmax(axis=1), cold.probs(features).argmax(axis=1))
    assert warm.probs(features).sum(axis=1) == pytest.approx(np.ones(24))


def test_a_class_without_pictures_is_never_the_answer() -> None:
    features, labels = clouds(40, 20, 2)
    probs = fit_linear_head(features, labels * 2, 0.01, 1.0).probs(features)
    assert probs.shape == (40, 3)
    assert probs[:, 1].max() < 1e-9
    assert (probs.argmax(axis=1) == labels * 2).mean() > 0.9


# ---- folds


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 11)), min_size=12, max_size=60), st.integers(2, 6))
@settings(max_examples=40)
def test_folds_cover_everything_once_with_groups_whole(rows: list[tuple[int, int]], folds: int) -> None:
    rows = [*[(label, 20 + 10 * label + number) for label in range(3) for number in range(3)], *rows]
    labels = np.array([label for label, _ in rows], dtype=np.int64)
    groups = [f"{label} {group}" for label, group in rows]
    splits = group_folds(labels, groups, folds, 0)
    assert 2 <= len(splits) <= folds
    assert sorted(np.concatenate([test for _, test in splits]).tolist()) == list(range(len(rows)))
    for train, test in splits:
        assert not {groups[index] for index in train} & {groups[index] for index in test}
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(rows)))


def test_without_groups_pictures_are_shuffled_one_by_one() -> None:
    labels = np.arange(40) % 2
    splits = group_folds(labels, None, 4, 0)
    assert [len(test) for _, test in splits] == [10] * 4
    assert all(labels[test].sum() == 5 for _, test in splits)
    repeated, reseeded = group_folds(labels, None, 4, 0), group_folds(labels, None, 4, 1)
    assert all(np.array_equal(left[1], right[1]) for left, right in zip(splits, repeated, strict=True))
    assert not all(np.array_equal(left[1], right[1]) for left, right in zip(splits, reseeded, strict=True))


def test_few_groups_make_few_folds() -> None:
    labels = np.array([0] * 20 + [1] * 3)
    groups = [f"{number}" for number in range(23)]
    assert len(group_folds(labels, groups, 5, 0)) == 3
    assert len(group_folds(labels, ["x"] * 20 + ["a", "b", "c"], 5, 0)) == 2


# ---- the search


def test_held_out_logits_come_from_heads_that_never_saw_the_picture() -> None:
    features, labels = clouds(36, 50, 3)
    folds = group_folds(labels, None, 3, 0)
    logits = predict_held_out(features, labels, folds, 0.01)
    for train, test in folds:
        head = fit_linear_head(features[train], labels[train], 0.01, 1.0)
        assert softmax(logits[test]) == pytest.approx(head.probs(features[test]), abs=1e-4)


def test_the_strength_with_the_least_held_out_loss_is_chosen() -> None:
    features, labels = clouds(60, 80, 3, seed=3)
    noisy = labels.copy()
    noisy[::5] = (noisy[::5] + 1) % 3
    folds = group_folds(noisy, None, 3, 0)
    strengths = (1.0, 1e-4, 0.01)
    best = search_strength(features, noisy, folds, strengths)
    assert best.strength in strengths
    temperatures = np.exp(np.linspace(np.log(0.05), np.log(20), 300))
    logits = {strength: predict_held_out(features, noisy, folds, strength) for strength in strengths}
    losses = {
        strength: min(log_losses(logits[strength] / t, noisy).mean() for t in temperatures) for strength in strengths
    }
    assert losses[best.strength] <= min(losses.values()) + 0.01


def test_many_rows_have_the_answer_of_a_close_solution() -> None:
    features, labels = clouds(2400, 30, 3, seed=1)
    features[:, 3] = 1.5
    untouched = features.copy()
    head = fit_linear_head(features, labels, 0.01, 1.0)
    assert head.probs(features) == pytest.approx(plain(features, labels, 0.01), abs=0.03)
    folds = group_folds(labels, None, 3, 0)
    logits = predict_held_out(features, labels, folds, 0.01)
    for train, test in folds[:1]:
        refitted = fit_linear_head(features[train], labels[train], 0.01, 1.0)
        assert softmax(logits[test]) == pytest.approx(refitted.probs(features[test]), abs=1e-4)
    assert np.array_equal(features, untouched)


def test_the_simplest_within_an_error_of_the_best_is_chosen() -> None:
    best = np.array([1.0, 2.0, 3.0, 2.0])
    gaps = np.array([0.4, -0.2, 0.3, -0.1])  # mean 0.1, standard error 0.127
    assert choose_within_error([best + 1, best + gaps, best]) == 1
    assert choose_within_error([best + 1, best + gaps, best], 0.5) == 2
    assert choose_within_error([best, best + gaps]) == 0


def test_labels_that_mean_nothing_are_not_learnt() -> None:
    features, _ = clouds(60, 40, 3)
    labels = np.random.default_rng(5).integers(0, 3, 60)
    logits = predict_held_out(features, labels, group_folds(labels, None, 3, 0), 0.01)
    assert (logits.argmax(axis=1) == labels).mean() < 0.6


# ---- bytes


def head() -> Head:
    features, labels = clouds(20, 12, 3)
    return fit_linear_head(features, labels, 0.01, 1.7)


def deep() -> Head:
    """Return a head of three layers."""
    dice = np.random.default_rng(4)
    shapes: list[tuple[int, int, Activation]] = [(12, 7, "relu"), (7, 5, "hardswish"), (5, 3, "none")]
    layers = [Layer(dice.normal(size=(wide, out)), dice.normal(size=out), kind) for wide, out, kind in shapes]
    return Head(tuple(layers), 0.6, 0.0)


def test_layers_one_after_the_other() -> None:
    features = np.random.default_rng(1).normal(size=(9, 14)).astype(np.float32)
    lower, middle, upper = deep().layers
    rows = np.maximum(root(features)[:, :12] @ lower.weights + lower.bias, 0)
    rows = rows @ middle.weights + middle.bias
    rows = rows * np.minimum(np.maximum(rows + 3, 0), 6) / 6
    assert deep().width == 12
    assert deep().logits(features) == pytest.approx(rows @ upper.weights + upper.bias)
    assert deep().probs(features) == pytest.approx(softmax(deep().logits(features) / 0.6))
    folded = Head(deep().tempered(), 1.0, 0.0)
    assert folded.probs(features) == pytest.approx(deep().probs(features))


@pytest.mark.parametrize("make", [head, deep])
def test_bytes_there_and_back(make: Callable[[], Head]) -> None:
    original = make()
    loaded = Head.from_bytes(original.to_bytes())
    assert len(loaded.layers) == len(original.layers)
    for left, right in zip(loaded.layers, original.layers, strict=True):
        assert np.array_equal(left.weights, right.weights) and np.array_equal(left.bias, right.bias)
        assert left.activation == right.activation
    assert (loaded.temperature, loaded.strength) == (original.temperature, original.strength)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_no_head(share: float) -> None:
    data = head().to_bytes()
    with pytest.raises(ValueError):
        Head.from_bytes(data[: int(len(data) * share)])


def other_head(**changed: Any) -> bytes:
    """Return the file of a linear head with other arrays; None takes one away."""
    arrays: dict[str, Any] = {"weights0": np.ones((2, 2)), "bias0": np.ones(2), "activations": np.array(["none"])}
    arrays |= {"temperature": 1.0, "strength": 1.0}
    file = io.BytesIO()
    np.savez(file, **{name: value for name, value in (arrays | changed).items() if value is not None})
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        other_head(weights0=None), other_head(temperature=None), other_head(activations=None),
        other_head(activations=np.array(["none", "none"])), other_head(activations=np.array(["eval"])),
        b"hello", b"\x93NUMPY\x01\x00",
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_no_head(data: bytes) -> None:
    with pytest.raises(ValueError):
        Head.from_bytes(data)
    assert Head.from_bytes(other_head()).width == 2


def test_a_file_that_could_run_code_is_not_read() -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("code was run",)

    with pytest.raises(ValueError):
        Head.from_bytes(other_head(weights0=np.array([Evil()], dtype=object)))


def test_answers_do_not_depend_on_how_many_are_asked_for_at_once() -> None:
    chance = np.random.default_rng(0)
    rows = chance.random((2500, 6), dtype=np.float32)
    head = Head((Layer(chance.standard_normal((4, 3)), chance.standard_normal(3)),), 1.0, 1.0)
    expected = np.sqrt(rows[:, :4].astype(np.float64)) @ head.layers[0].weights + head.layers[0].bias
    assert head.logits(rows) == pytest.approx(expected, abs=1e-5)
    assert head.logits(rows[:0]).shape == (0, 3)

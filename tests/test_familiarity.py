"""Familiarity: each score against a slow loop, and the choice among them where one is planted to be better."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.familiarity import (
    SCORES,
    USUAL,
    Candidate,
    Familiarity,
    Score,
    accept_threshold,
    choose_score,
    fit_familiarity,
    weigh_probability,
)


def measured(fitted: Familiarity, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return fitted.measure(rows, np.zeros((len(rows), 3)))


def clouds(count: int, wide: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    dice = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    middles = dice.normal(0, 3, (3, wide))
    return (middles[labels] + dice.normal(0, 1, (count, wide))).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize(("count", "wide"), [(12, 40), (120, 30), (300, 5)])
def test_familiarity_against_a_slow_loop(count: int, wide: int) -> None:
    rows, labels = clouds(count, wide)
    scores = measured(fit_familiarity(rows, labels), rows)
    means = [rows[labels == label].astype(np.float64).mean(axis=0) for label in range(3)]
    for row, score in zip(rows.astype(np.float64), scores, strict=True):
        cosines = [row @ mean / np.sqrt((row @ row) * (mean @ mean)) for mean in means]
        assert score == pytest.approx(max(cosines) - 1, abs=1e-6)
    assert (scores <= 1e-6).all()


def test_the_score_is_zero_at_a_class_mean_whatever_its_length() -> None:
    rows, labels = clouds(600, 20)
    fitted = fit_familiarity(rows, labels)
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(3)]).astype(np.float32)
    assert measured(fitted, means * 7) == pytest.approx(np.zeros(3), abs=1e-6)


def test_what_was_learnt_is_hardly_more_familiar_than_the_rest_of_its_class() -> None:
    rows, labels = clouds(400, 60)
    learnt, rest = rows[:200], rows[200:]
    fitted = fit_familiarity(learnt, labels[:200])
    threshold = np.quantile(measured(fitted, rest), 0.05)
    assert (measured(fitted, learnt) >= threshold).mean() > 0.94


def test_what_is_strange_is_less_familiar() -> None:
    features, labels = clouds(300, 16)
    known, _ = clouds(90, 16, seed=0)
    fitted = fit_familiarity(features, labels)
    strange = np.random.default_rng(7).normal(0, 9, (90, 16)).astype(np.float32)
    assert np.median(measured(fitted, strange)) < np.quantile(measured(fitted, known), 0.02)


def test_few_pictures_are_no_reason_to_fail() -> None:
    for count in (4, 6, 9):
        features, labels = clouds(count, 50)
        scores = measured(fit_familiarity(features, labels), features)
        assert np.isfinite(scores).all()


@given(st.lists(st.floats(-100, 0), min_size=1, max_size=80), st.floats(0.51, 1.0))
def test_the_threshold_accepts_the_share_that_was_asked_for(scores: list[float], share: float) -> None:
    known = np.array(scores)
    threshold = accept_threshold(known, share)
    assert (known >= threshold).mean() >= share - 1e-9 or (known >= threshold).sum() >= np.floor(share * len(known))
    assert threshold in scores


def test_everything_is_accepted_when_all_is_asked_for() -> None:
    assert accept_threshold(np.array([-3.0, -1.0, -2.0]), 1.0) == -3.0


def test_a_familiarity_is_only_arrays() -> None:
    fitted = fit_familiarity(*clouds(60, 10))
    restored = Familiarity.from_arrays(fitted.to_arrays())
    features = clouds(9, 10, seed=5)[0]
    assert np.array_equal(measured(restored, features), measured(fitted, features))


def test_of_two_pictures_as_near_the_surer_one_is_more_familiar() -> None:
    known = Familiarity(weight=0.4)
    assert known.weigh(np.array([-0.1, -0.1]), np.array([0.5, 1.0])) == pytest.approx([-0.3, -0.1])


def test_the_probability_varies_half_as_much_as_nearness() -> None:
    dice = np.random.default_rng(3)
    nearness, probs = -dice.random(500) / 9, dice.random(500)
    weight = weigh_probability(nearness, probs)
    assert (weight * probs).std() == pytest.approx(nearness.std() / 2)


def test_where_all_answers_are_certain_the_probability_hardly_counts() -> None:
    nearness = -np.random.default_rng(3).random(500) / 9
    weight = weigh_probability(nearness, np.ones(500))
    assert 0 < weight <= 25 * nearness.std()


def logits_of(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(rows[:, :3], np.float64) * 2


@pytest.mark.parametrize("score", SCORES)
def test_every_score_is_at_most_0_and_lower_for_what_is_strange(score: Score) -> None:
    rows, labels = clouds(240, 20)
    fitted = fit_familiarity(rows[:120], labels[:120], score, logits=logits_of(rows[:120]))
    strange = np.random.default_rng(7).normal(0, 0.3, (90, 20)).astype(np.float32)
    probs = np.full(120, 0.9), np.full(90, 0.4)
    known = fitted.weigh(fitted.measure(rows[120:], logits_of(rows[120:])), probs[0])
    other = fitted.weigh(fitted.measure(strange, logits_of(strange)), probs[1])
    assert max(known.max(), other.max()) <= 1e-9
    assert np.median(other) < np.quantile(known, 0.3)
    restored = Familiarity.from_arrays(fitted.to_arrays())
    assert np.array_equal(restored.measure(strange, logits_of(strange)), fitted.measure(strange, logits_of(strange)))


def test_distances_of_mahalanobis_against_a_slow_loop() -> None:
    rows, labels = clouds(400, 6)  # all axes are kept
    fitted = fit_familiarity(rows, labels, "Mahalanobis")
    means = np.stack([rows[labels == label].mean(axis=0, dtype=np.float64) for label in range(3)])
    within = rows - means[labels]
    covariance = within.T @ within / len(rows)
    covariance = 0.9 * covariance + 0.1 * np.eye(6) * np.trace(covariance) / 6
    precision = np.linalg.inv(covariance)
    for row, value in zip(rows[:40], fitted.measure(rows[:40], np.zeros((40, 3))), strict=True):
        distances = [(row - mean) @ precision @ (row - mean) for mean in means]
        assert value == pytest.approx(-min(distances) / 6, rel=0.02)


def test_neighbours_are_few_and_of_every_class() -> None:
    rows, labels = clouds(1500, 8)
    labels = np.where(np.arange(1500) < 20, 0, 1 + np.arange(1500) % 2).astype(np.int64)
    kept = fit_familiarity(rows, labels, "neighbours").arrays["rows"]
    assert len(kept) == 512
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert all(np.isclose(kept, row, atol=1e-6).all(axis=1).any() for row in unit[:20])


def test_the_score_is_chosen_that_tells_best_and_the_usual_one_among_equals() -> None:
    dice = np.random.default_rng(0)
    other = Candidate("neighbours")
    known = {candidate: dice.normal(0, 1, 400) for candidate in (USUAL, other)}
    clearly = {USUAL: [[dice.normal(-1, 1, 60) for _ in range(8)]], other: [[dice.normal(-3, 1, 60) for _ in range(8)]]}
    chosen, areas = choose_score(known, clearly)
    assert chosen == other and areas[other] > areas[USUAL] + 0.1
    equal = {candidate: [[dice.normal(-2, 1, 60) for _ in range(8)]] for candidate in (USUAL, other)}
    assert choose_score(known, equal)[0] == USUAL

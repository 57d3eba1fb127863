"""How many wrong labels are left: against the closed form, and by simulated reviewers whose truth is known."""

import math
from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fieldguide.checks.audit import Look, draw_order, estimate_errors


def enumerate_counts(looks: list[Look], unseen: int) -> tuple[float, float, float]:
    """The middle 95 % and the median of the number of wrong labels left, each count by itself, with exact fractions."""
    probs = []
    for count in range(unseen + 1):
        prob = Fraction(math.comb(2 * count, count) * math.comb(2 * (unseen - count), unseen - count))
        wrong, pictures = count, unseen
        for look in reversed(looks):
            wrong, pictures = wrong + look.wrong, pictures + 1
            if look.random:
                prob *= Fraction(wrong if look.wrong else pictures - wrong, pictures)
        probs.append(prob)
    total, cumulative = sum(probs), list(accumulate(probs))
    low, middle, high = (
        next(count for count, share in enumerate(cumulative) if share >= at * total)
        for at in (Fraction(1, 40), Fraction(1, 2), Fraction(39, 40))
    )
    return low, middle, high


looks_of_all_kinds = st.lists(st.builds(Look, st.booleans(), st.booleans()), max_size=40)


@given(looks_of_all_kinds, st.integers(1, 60))
@example([Look(True, False), Look(True, True)], 45)
def test_every_count_weighed_by_itself_says_the_same(looks: list[Look], unseen: int) -> None:
    estimate, total = estimate_errors(looks, unseen), len(looks) + unseen
    assert (estimate.looked, estimate.pictures) == (len(looks), total)
    if not any(look.random for look in looks):
        assert math.isnan(estimate.share)
        return
    low, middle, high = enumerate_counts(looks, unseen)
    drawn_wrong = any(look.random and look.wrong for look in looks)
    expected = (low if drawn_wrong else 0) / total, middle / total, high / total
    assert (estimate.low, estimate.share, estimate.high) == expected


def test_large_sets_agree_with_the_binomial() -> None:
    left = estimate_errors([Look(True, False)] * 290 + [Look(True, True)] * 10, 1_000_000)
    assert (left.low, left.share, left.high) == pytest.approx((0.0170, 0.0338, 0.0587), rel=0.02)  # Beta(10.5, 290.5)


def test_without_a_random_look_nothing_is_known() -> None:
    left = estimate_errors([Look(False, True)] * 40, 60)
    assert math.isnan(left.share)
    assert (left.low, left.high, left.random) == (0.0, 0.6, 0)
    assert math.isnan(estimate_errors([], 10).share)


def test_when_all_have_been_looked_at_none_is_left() -> None:
    left = estimate_errors([Look(False, True), Look(True, False)], 0)
    assert (left.share, left.low, left.high) == (0.0, 0.0, 0.0)


def test_a_random_look_before_the_worst_were_settled_does_not_count_as_if_after() -> None:
    """100 pictures, 20 wrong: a sample finds a fifth wrong; then all others that are wrong are found worst first."""
    sample = [Look(True, True)] * 5 + [Look(True, False)] * 20
    before = estimate_errors(sample, 75)
    assert before.share == pytest.approx(0.15, abs=0.03)
    after = estimate_errors([*sample, *[Look(False, True)] * 15], 60)
    assert after.low == 0.0
    assert after.share < before.share / 2


def review(dice: np.random.Generator, pictures: int = 300, wrong_share: float = 0.12) -> tuple[list[Look], int, int]:
    """Return the looks of a person who mixes worst first and random, how many are unseen, and of those wrong."""
    wrong = dice.random(pictures) < wrong_share
    suspicion = dice.normal(size=pictures) + 2.0 * wrong
    queue, worst = list(dice.permutation(pictures)), list(np.argsort(-suspicion))
    looks: list[Look] = []
    for _ in range(120):
        random = bool(dice.random() < 0.4)
        place = (queue if random else worst)[0]
        queue.remove(place)
        worst.remove(place)
        looks.append(Look(random, bool(wrong[place])))
    return looks, len(queue), int(wrong[queue].sum())


def test_intervals_hold_the_truth_when_worst_first_and_random_looks_alternate() -> None:
    dice = np.random.default_rng(0)
    inside, errors = 0, []
    for _ in range(400):
        looks, unseen, left = review(dice)
        estimate = estimate_errors(looks, unseen)
        inside += estimate.low - 1e-9 <= left / 300 <= estimate.high + 1e-9
        errors.append(estimate.share - left / 300)
    assert inside / 400 > 0.93
    assert abs(np.mean(errors)) < 0.01  # the share that the draws themselves had would say 0.02 too many


def test_draw_order_is_random_stays_and_takes_new_pictures_in_between() -> None:
    names = [f"{number:064x}" for number in range(200)]
    order = draw_order(names, 7)
    assert order == draw_order(reversed(names), 7) != draw_order(names, 8)
    assert sorted(order) == names
    assert [name for name in draw_order([*names, "ff", "ee"], 7) if name in names] == order
    assert abs(np.corrcoef([names.index(name) for name in order], range(200))[0, 1]) < 0.2

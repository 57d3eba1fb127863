"""Logistic regression by either way: the same answers from few rows and from many."""

import numpy as np
import pytest
from test_solving import leaning, probs_of

from fieldguide.learners.logistic import NEVER, fit_few, fit_many, hold_out_few, hold_out_many

pytest.importorskip("sklearn", reason="learning needs the extra [train]")


def test_both_ways_lead_to_the_same_answer() -> None:
    rows, labels = leaning(260, 30, 3)
    ((weights, bias),) = fit_few(rows, labels, [0.05], 4)
    other_weights, other_bias = fit_many(rows.copy(), labels, 0.05, 4)
    wanted = probs_of(rows @ weights + bias)
    assert probs_of(rows @ other_weights + other_bias) == pytest.approx(wanted, abs=0.03)
    assert bias[3] == other_bias[3] == NEVER and not other_weights[:, 3].any() and not weights[:, 3].any()


def test_held_out_both_ways() -> None:
    rows, labels = leaning(260, 30, 3)
    sizes = [90, 90, 80]
    ends = np.cumsum(sizes)
    tests = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    folds = [(np.setdiff1d(np.arange(260), test), test) for test in tests]
    strengths = (0.01, 0.05, 0.3)
    few = hold_out_few(rows, labels, folds, strengths, 3)
    many = hold_out_many(rows.copy(), labels, sizes, strengths, lambda tried: False)
    assert len(few) == len(many) == 3
    for one, other in zip(few, many, strict=True):
        assert probs_of(other) == pytest.approx(probs_of(one), abs=0.05)
    seen = fit_many(rows.copy(), labels, 0.3, 3)
    assert np.abs(probs_of(many[2]) - probs_of(rows @ seen[0] + seen[1])).max() > 0.1, "rows held out were not seen"


def test_enough_is_enough() -> None:
    rows, labels = leaning(120, 10, 2)
    found = hold_out_many(rows, labels, [60, 60], (0.01, 0.1, 1.0), lambda tried: len(tried) == 2)
    assert len(found) == 2


def test_a_class_that_a_fold_lacks_is_never_its_answer() -> None:
    rows, labels = leaning(200, 10, 3)
    order = np.argsort(labels == 0, kind="stable")[::-1]
    rows, labels = rows[order], labels[order]
    alone = int(np.sum(labels == 0))
    sizes = [alone, 100 - alone // 2, 100 - alone + alone // 2]
    (logits,) = hold_out_many(rows, labels, sizes, (0.1,), lambda tried: False)
    assert (logits[:alone, 0] == NEVER).all() and logits[alone:].min() > NEVER
    assert (logits[:alone].argmax(axis=1) > 0).all()

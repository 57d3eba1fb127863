"""Labels: the pictures that look like another class are suspected, and what a person has decided stays."""

from dataclasses import replace

import numpy as np
import pytest
from contract import FeatureCheckContract, make_rows

from fieldguide.checks.contract import SUSPICIOUS, FeatureRows
from fieldguide.checks.labels import find_label_errors, judge_labels, score_labels
from fieldguide.records import Verdict
from fieldguide.stages.clean.labels import check_labels, predict_left_out

pytest.importorskip("sklearn", reason="learners need the extra [train]")


class TestLabels(FeatureCheckContract):
    check = "labels"

    def judge(self, rows: FeatureRows) -> list[Verdict]:
        return check_labels(rows)


def flip(rows: FeatureRows, count: int, seed: int = 0) -> tuple[FeatureRows, set[str]]:
    """Return rows of which so many have another label, and which those are."""
    dice = np.random.default_rng(seed)
    places = dice.choice(len(rows.labels), count, replace=False)
    labels, classes = rows.labels.copy(), len(rows.class_names)
    labels[places] = (labels[places] + dice.integers(1, classes, count)) % classes
    return replace(rows, labels=labels), {rows.sha256[place] for place in places}


def suspects(rows: FeatureRows) -> dict[str, str]:
    return {item.sha256: item.reason for item in check_labels(rows) if item.verdict == "suspect"}


def test_wrong_labels_are_suspected_and_the_right_ones_named() -> None:
    clean = make_rows((40, 40, 40))
    assert not suspects(clean)
    rows, wrong = flip(clean, 12)
    found = suspects(rows)
    assert found.keys() == wrong
    names = dict(zip(rows.sha256, clean.labels, strict=True))
    assert all(reason == f"other_label: it looks like class {names[name]}" for name, reason in found.items())


def test_one_label_in_five_wrong_is_ranked_before_the_others() -> None:
    rows, wrong = flip(make_rows((40, 40, 40)), 24)
    worst = sorted(check_labels(rows), key=lambda item: -item.score)[:24]
    assert {item.sha256 for item in worst} == wrong


def test_a_near_copy_under_the_same_wrong_label_does_not_vouch_for_it() -> None:
    rows = make_rows((40, 40))
    rows.features[1] = rows.features[0]
    wrong = replace(rows, labels=np.where(np.arange(80) < 2, 1, rows.labels))
    alone = predict_left_out(wrong)[0, 1]
    groups = list(rows.groups)
    groups[1] = groups[0]
    together = predict_left_out(replace(wrong, groups=tuple(groups)))[0, 1]
    assert together < alone
    assert suspects(replace(wrong, groups=tuple(groups))).keys() == set(rows.sha256[:2])


def test_the_thresholds_are_those_of_confident_learning() -> None:
    probs = np.array([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9], [0.45, 0.55], [0.2, 0.8], [0.4, 0.6]])
    labels = np.array([0, 0, 0, 1, 1, 1])  # means of the own probability: 0.57 and 0.65
    assert find_label_errors(probs, labels).tolist() == [False, False, True, False, False, False]


def test_a_class_that_would_lose_most_of_its_pictures_keeps_them() -> None:
    probs = np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.2, 0.8]])
    assert not find_label_errors(probs, np.array([0, 0, 0, 1, 1, 1])).any()


def test_a_label_is_suspicious_below_a_fifth_of_what_its_class_gets() -> None:
    probs = np.full((6, 3), 1 / 3)
    probs[:, 0] = [0.9, 0.9, 0.9, 0.9, 0.16, 0.14]
    scores = score_labels(probs, np.zeros(6, dtype=np.int64))
    usual = probs[:, 0].mean()  # 0.65, a fifth of which is 0.13
    assert scores == pytest.approx(usual / (usual + 5 * probs[:, 0]))
    assert (scores < SUSPICIOUS).all()
    probs[5, 0] = 0.12
    assert (score_labels(probs, np.zeros(6, dtype=np.int64)) >= SUSPICIOUS).tolist() == [False] * 5 + [True]


def test_a_class_with_few_pictures_is_not_judged_but_may_be_suggested() -> None:
    rows = make_rows((40, 40, 6))
    labels = rows.labels.copy()
    labels[85] = 0
    found = check_labels(replace(rows, labels=labels))
    judged = {item.sha256 for item in found}
    assert judged == {name for name, label in zip(rows.sha256, labels, strict=True) if label < 2}
    assert [item.reason for item in found if item.sha256 == rows.sha256[85]] == ["other_label: it looks like class 2"]


def test_pictures_of_several_classes_that_are_all_the_same_are_no_trouble() -> None:
    rows = make_rows((20, 20))
    assert not suspects(replace(rows, features=np.ones_like(rows.features)))


def test_what_a_person_decided_is_learnt_from() -> None:
    rows, wrong = flip(make_rows((12, 12)), 4)
    assert judge_labels(rows, np.full((24, 2), 0.5))[0].verdict == "keep"
    sure = replace(rows, certain=frozenset(wrong))
    assert not np.allclose(predict_left_out(rows), predict_left_out(sure))


def test_many_pictures_are_judged_by_the_last_layer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, wrong = flip(make_rows((40, 40, 40)), 12)
    rows.features[:, rows.top :] = np.random.default_rng(0).normal(0, 100, rows.features[:, rows.top :].shape)
    monkeypatch.setattr("fieldguide.stages.clean.labels.MOST_DEEP", 100)
    assert suspects(rows).keys() == wrong

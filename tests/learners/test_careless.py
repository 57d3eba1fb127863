"""How much a split by chance flatters: seen where relatives tell the answer, and not where there are none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldguide.learners import careless
from fieldguide.learners.careless import measure_flattery

pytest.importorskip("sklearn", reason="training needs the extra [train]")


def families(
    count: int, size: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str], NDArray[np.bool_]]:
    """Return pictures in families whose members are alike, of classes that features say nothing about."""
    dice = np.random.default_rng(seed)
    centres = dice.random((count, 64)).astype(np.float32)
    features = np.repeat(centres, size, axis=0) + dice.random((count * size, 64)).astype(np.float32) * 0.02
    labels = np.repeat(dice.integers(0, 2, count), size).astype(np.int64)
    groups = [f"g{number // size}" for number in range(count * size)]
    return features, labels, groups, np.zeros(count * size, np.bool_)


def test_relatives_on_both_sides_flatter() -> None:
    measured = measure_flattery(*families(60, 4, 0), 0)
    assert measured is not None
    assert measured.careless[0] > 0.95 and measured.honest[0] < 0.7
    assert measured.difference[1] > 0.2
    assert measured.difference[0] == pytest.approx(measured.careless[0] - measured.honest[0])


def test_without_relatives_nothing_flatters() -> None:
    measured = measure_flattery(*families(240, 1, 0), 0)
    assert measured is not None and measured.difference[1] < 0 < measured.difference[2]


def test_copies_count_for_the_careless_split_alone() -> None:
    features, labels, groups, copies = families(60, 2, 1)
    copies[1::2] = True
    measured = measure_flattery(features, labels, groups, copies, 0)
    assert measured is not None and measured.difference[1] > 0.1
    alone = measure_flattery(features[::2], labels[::2], groups[::2], copies[::2], 0)
    assert alone is not None and measured.honest == alone.honest


def test_the_features_are_left_as_they_were() -> None:
    features, labels, groups, copies = families(20, 2, 0)
    before = features.copy()
    measure_flattery(features, labels, groups, copies, 0)
    assert np.array_equal(features, before)


def test_of_too_few_groups_nothing_is_said() -> None:
    features, _, groups, copies = families(6, 2, 0)
    one_class = np.zeros(12, np.int64)
    assert measure_flattery(features, one_class, groups, copies, 0) is None
    lone = np.array([0] * 10 + [1] * 2, np.int64)
    assert measure_flattery(features, lone, groups, copies, 0) is None


def test_of_many_pictures_whole_groups_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(careless, "MAX_PICTURES", 100)
    measured = measure_flattery(*families(60, 4, 0), 0)
    assert measured is not None and measured.careless[0] > 0.9
    right = measured.careless[0] * 96
    assert right == pytest.approx(round(right)) or measured.careless[0] == 1.0

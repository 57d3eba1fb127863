"""Which classes stand beside which in a guide: those most often taken for each other, either way."""

import json
from pathlib import Path

import numpy as np
import pytest

from fieldguide.stages.publish.neighbours import Confusion, list_neighbours, load_confusion, mean_probs

NAMES = ("ash", "birch", "cedar", "dogwood", "elm")
COUNTS = np.array([[7, 2, 1, 0, 0], [0, 9, 0, 1, 0], [3, 0, 7, 0, 0], [0, 0, 0, 5, 0], [0, 0, 0, 0, 4]])


def test_the_most_often_confused_come_first_and_the_nearest_where_there_are_none() -> None:
    nearness = np.zeros((5, 5))
    nearness[4, 2], nearness[4, 1] = 0.2, 0.1
    rows = list_neighbours(Confusion(COUNTS, "test"), NAMES, nearness)
    assert [other["name"] for other in rows["ash"]] == ["cedar", "birch"]
    assert rows["ash"][0] == {
        "name": "cedar", "taken_for_it": [1, 10], "it_taken_for_this": [3, 10], "measured_on": "test",
    }  # fmt: skip
    assert [(other["name"], other["taken_for_it"]) for other in rows["cedar"]] == [("ash", [3, 10])]
    assert [other["name"] for other in rows["dogwood"]] == ["birch"]
    assert [(other["name"], other["taken_for_it"]) for other in rows["elm"]] == [("cedar", [0, 4])]


def test_no_more_than_three_and_none_without_counts() -> None:
    counts = np.full((5, 5), 1)
    assert all(len(others) == 3 for others in list_neighbours(Confusion(counts, "test"), NAMES, counts * 0.2).values())
    assert list_neighbours(None, NAMES, np.zeros((5, 5))) == {name: [] for name in NAMES}


def test_the_cross_validation_counts_more_than_the_test(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    numbers = {"class_names": list(NAMES), "confusion": np.eye(5, dtype=int).tolist(), "cv_confusion": COUNTS.tolist()}
    for crossed, measured_on in ((COUNTS.tolist(), "cross-validation"), (None, "test")):
        path.write_text(json.dumps({**numbers, "cv_confusion": crossed}))
        confusion = load_confusion(path, NAMES)
        assert confusion and confusion.measured_on == measured_on
        assert confusion.counts.tolist() == (crossed or numbers["confusion"])


@pytest.mark.parametrize("text", ["", "{}", '{"class_names": ["a"], "confusion": [[1]]}', "[1, 2]"])
def test_numbers_that_are_no_use_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(text)
    assert load_confusion(tmp_path / "metrics.json", NAMES) is None
    assert load_confusion(tmp_path / "none.json", NAMES) is None


def test_mean_probabilities_are_those_of_the_pictures_of_each_class() -> None:
    logits = {
        "a": np.log(np.array([0.5, 0.25, 0.25], np.float32)),
        "b": np.log(np.array([0.7, 0.15, 0.15], np.float32)),
        "c": np.zeros(2, np.float32),
    }
    means = mean_probs(logits, {"a": 0, "b": 0, "c": 1}, 3)
    assert means == pytest.approx(np.array([[0.6, 0.2, 0.2], [0, 0, 0], [0, 0, 0]]), abs=1e-6)

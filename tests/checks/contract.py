"""What every check by features promises; the tests of each take this class over with their own `judge`."""

from dataclasses import replace

import numpy as np
import pytest

from fieldguide.checks.contract import LEAST_PER_CLASS, SUSPICIOUS, FeatureRows
from fieldguide.records import Verdict


def make_rows(counts: tuple[int, ...] = (30, 24, 12), seed: int = 0, width: int = 24, top: int = 16) -> FeatureRows:
    """Return rows of classes that lie apart, so many pictures of each."""
    dice = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    centres = dice.uniform(0, 1, (len(counts), width)) * dice.integers(0, 2, (len(counts), width))
    features = np.abs(centres[labels] + dice.normal(0, 0.15, (len(labels), width))).astype(np.float32)
    names = tuple(f"{number:064x}" for number in dice.permutation(len(labels)))
    return FeatureRows(names, labels, tuple(f"class {number}" for number in range(len(counts))), names, features, top)


def take(rows: FeatureRows, places: np.ndarray[tuple[int], np.dtype[np.intp]]) -> FeatureRows:
    """Return some rows, in that order."""
    return replace(
        rows, sha256=tuple(rows.sha256[place] for place in places), labels=rows.labels[places],
        groups=tuple(rows.groups[place] for place in places), features=rows.features[places],
    )  # fmt: skip


class FeatureCheckContract:
    """Tests of a check by features."""

    check: str

    def judge(self, rows: FeatureRows) -> list[Verdict]:
        """Return the verdicts of the check under test."""
        raise NotImplementedError

    @pytest.mark.parametrize("counts", [(30, 24, 12), (40,), (11, 3), (2, 1)])
    def test_verdicts_are_of_this_check_and_have_a_score_and_a_reason(self, counts: tuple[int, ...]) -> None:
        rows = make_rows(counts)
        verdicts = self.judge(rows)
        assert len({verdict.sha256 for verdict in verdicts}) == len(verdicts), "one verdict a picture"
        assert {verdict.sha256 for verdict in verdicts} <= set(rows.sha256)
        for verdict in verdicts:
            assert verdict.check == self.check and 0 <= verdict.score <= 1
            assert verdict.verdict == ("suspect" if verdict.score >= SUSPICIOUS else "keep")
            assert (": " in verdict.reason) == (verdict.verdict == "suspect")

    def test_the_order_of_the_pictures_does_not_matter(self) -> None:
        rows = make_rows()
        other = self.judge(take(rows, np.random.default_rng(1).permutation(len(rows.sha256))))
        scores = {verdict.sha256: verdict.score for verdict in self.judge(rows)}
        assert {verdict.sha256: verdict.score for verdict in other} == pytest.approx(scores, abs=1e-4)

    def test_no_pictures_and_few_pictures_are_no_trouble(self) -> None:
        assert self.judge(take(make_rows(), np.arange(0))) == []
        few = self.judge(take(make_rows(), np.arange(LEAST_PER_CLASS - 1)))
        assert not [verdict for verdict in few if verdict.verdict != "keep"]

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_pictures_that_are_all_the_same_are_not_suspected(self, value: float) -> None:
        rows = make_rows()
        same = replace(rows, features=np.full_like(rows.features, value), labels=np.zeros_like(rows.labels))
        assert not [verdict for verdict in self.judge(same) if verdict.verdict != "keep"]

    def test_the_rows_stay_as_they_are(self) -> None:
        rows = make_rows()
        before = rows.features.copy()
        self.judge(rows)
        assert np.array_equal(rows.features, before)

"""Outliers: the pictures that do not look like their class."""

import numpy as np
from contract import FeatureCheckContract, make_rows

from fieldguide.checks.contract import FeatureRows
from fieldguide.checks.outliers import judge_outliers
from fieldguide.records import Verdict


class TestOutliers(FeatureCheckContract):
    check = "outliers"

    def judge(self, rows: FeatureRows) -> list[Verdict]:
        return judge_outliers(rows)


def test_a_picture_of_something_else_is_suspected() -> None:
    rows = make_rows((40, 40))
    rows.features[7] = np.random.default_rng(5).uniform(0, 1, rows.features.shape[1])
    scores = {verdict.sha256: verdict.score for verdict in judge_outliers(rows)}
    assert max(scores, key=lambda name: scores[name]) == rows.sha256[7] and scores[rows.sha256[7]] >= 0.5

"""Runs side by side: who is best, who cannot be told from it, what to publish; the page, the table, the project."""

import csv
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command import set_key
from conftest import Clock, Pictures, make_project
from fieldguide.cli.show import show
from fieldguide.errors import NotReady
from fieldguide.learners.weights import load_backbone
from fieldguide.metrics import mcnemar, wilson_interval
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import TrainReport
from fieldguide.records.reports import BASELINE, CompareReport, CompareRow, HeldOut
from fieldguide.settings import change_settings
from fieldguide.stages.add import Terms, add
from fieldguide.stages.build import build
from fieldguide.stages.clean import clean
from fieldguide.stages.compare import MIN_CALLS, compare, measure_p50_ms
from fieldguide.stages.compare.ranking import MIN_SHARED, ComparedRun, baseline, compare_runs, find_frontier
from fieldguide.stages.compare.report import (
    draw_page,
    format_bytes,
    format_count,
    format_ms,
    format_p,
    format_seconds,
    write_comparison,
)
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.split import split
from fieldguide.stages.status import status
from fieldguide.stages.train import preview, train
from fieldguide.stages.tune import tune

CLASSES = ("daisy", "rose", "tulip")
CROSS: HeldOut = "grouped cross-validation"


def truths(count: int, first: int = 0) -> dict[str, str]:
    """Return so many pictures from a number on: half of the first class, a quarter of each other."""
    return {f"{place:064x}": CLASSES[(0, 0, 1, 2)[place % 4]] for place in range(first, first + count)}


def make_run(name: str, truth: Mapping[str, str], wrong: Iterable[int] = (), **more: object) -> ComparedRun:
    """Return a run that is right, but takes the pictures at the places `wrong` for the next class."""
    missed = set(wrong)
    answers = {
        sha: CLASSES[(CLASSES.index(true) + (place in missed)) % 3] for place, (sha, true) in enumerate(truth.items())
    }
    plain = ComparedRun(
        name, "transfer", "plain", 1, name, answers, dict(truth), CROSS, 2_500_000, 9_000_000, 4.0, 60.0
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]


def idle(truth: Mapping[str, str]) -> ComparedRun:
    return baseline(truth.values(), truth, CROSS)


def by_name(report: CompareReport) -> dict[str, CompareRow]:
    return {row.name: row for row in (*report.rows, *report.outdated)}


def test_the_baseline_answers_the_most_frequent_class() -> None:
    truth = truths(40)
    run = baseline(["rose", "tulip", "tulip", "rose", "daisy"], truth, "validation split")
    assert set(run.answers.values()) == {"rose"}  # as frequent as the tulip, and before it
    assert run.truth == truth and run.answers.keys() == truth.keys()
    assert run.learner == BASELINE and run.held_out == "validation split"
    assert compare_runs([idle(truth)]).rows[0].accuracy[0] == 0.5
    with pytest.raises(NotReady):
        baseline([], truth, CROSS)


def test_nothing_to_compare() -> None:
    with pytest.raises(NotReady):
        compare_runs([])
    alone = compare_runs([idle(truths(40))])
    assert alone.recommended == "" and "fieldguide train" in alone.advice


def test_one_run_beside_the_baseline() -> None:
    truth = truths(100)
    report = compare_runs([idle(truth), make_run("a", truth, range(10))])
    best, idle_row = report.rows
    assert (best.name, best.verdict, idle_row.verdict) == ("a", "best", "worse")
    assert best.accuracy == (0.9, *wilson_interval(90, 100))
    assert best.difference is None and best.p is None
    assert idle_row.difference and idle_row.difference[0] == pytest.approx(-0.4)
    assert idle_row.p == idle_row.p_adjusted and (idle_row.p or 1) < 0.001
    assert report.recommended == "a" and "beats the baseline" in report.advice
    assert report.seeds == () and report.outdated == ()


def test_rows_are_sorted_and_tested_against_the_best() -> None:
    truth = truths(200)
    runs = [
        make_run("bad", truth, range(60)),
        make_run("near", truth, range(4, 13)),
        make_run("good", truth, range(8)),
        idle(truth),
    ]
    report = compare_runs(runs)
    assert [row.name for row in report.rows] == ["good", "near", "bad", "most frequent class"]
    assert [row.verdict for row in report.rows] == ["best", "no significant difference", "worse", "worse"]
    near = report.rows[1]
    assert near.shared == 200 and near.difference and near.difference[0] == pytest.approx(-1 / 200)
    right = np.arange(200)
    assert near.p == mcnemar((right < 4) | (right > 12), right > 7)
    low, high = near.difference[1:]
    assert low < near.difference[0] < high


def test_many_comparisons_are_corrected() -> None:
    """A difference that stands alone is none among a dozen."""
    truth = truths(200)
    good, other = make_run("good", truth), make_run("other", truth, range(6))
    pair = by_name(compare_runs([good, other]))["other"]
    assert pair.p == pair.p_adjusted == pytest.approx(1 / 64) and pair.verdict == "worse"
    crowd = [make_run(f"run {place}", truth, range(6)) for place in range(12)]
    report = compare_runs([good, *crowd])
    assert {row.verdict for row in report.rows[1:]} == {"no significant difference"}
    assert all(row.p == pytest.approx(1 / 64) and row.p_adjusted == pytest.approx(12 / 64) for row in report.rows[1:])
    assert any("Holm" in note for note in report.notes)


def test_equal_runs_and_ties() -> None:
    """Of equals the quicker stands first, then the smaller; nothing differs."""
    truth = truths(60)
    slow, quick = make_run("a", truth, [3], p50_ms=9.0), make_run("b", truth, [3], p50_ms=3.0)
    unknown = make_run("0", truth, [3], p50_ms=None)
    report = compare_runs([slow, unknown, quick])
    assert [row.name for row in report.rows] == ["b", "a", "0"]
    assert [row.verdict for row in report.rows] == ["best", *["no significant difference"] * 2]
    assert report.rows[1].difference and report.rows[1].difference[0] == 0.0
    assert report.rows[1].p == 1.0
    assert report.recommended == "b"
    assert compare_runs([quick, slow, unknown]) == report


def test_runs_that_are_the_same_model_are_told_so() -> None:
    truth = truths(60)
    slow, quick = make_run("a", truth, [3], p50_ms=9.0, model="x"), make_run("b", truth, [3], p50_ms=3.0, model="x")
    other, again = make_run("c", truth, range(2, 9), model="y"), make_run("d", truth, range(2, 9), model="y")
    report = compare_runs([slow, quick, other, again, idle(truth)])
    rows = by_name(report)
    assert (rows["b"].verdict, rows["b"].same_as, rows["b"].p) == ("the same model", "a", None)
    assert rows["a"].p50_ms == rows["b"].p50_ms == 3.0 and not rows["a"].same_as, "one model has one time"
    assert rows["d"].same_as == "c" and rows["d"].verdict == rows["c"].verdict
    assert report.recommended == "a" and "b is the same model, byte for byte" in report.advice
    assert "costs the least" not in report.advice and "less accurate than" not in report.advice
    alone = compare_runs([slow, quick, idle(truth)])
    assert "there is no other model" in alone.advice and any("a are the same model" in note for note in alone.notes)
    page = draw_page("shapes", report)
    assert "the same model" in page and "the same model as c" in page


def test_scores_have_their_interval_and_their_pictures() -> None:
    report = compare_runs([make_run("a", truths(60), [3]), idle(truths(60))])
    assert "98.3% (95 %: 91.1% to 99.7%) accurate on 60 pictures" in report.advice
    assert report.class_pictures == {"daisy": 30, "rose": 15, "tulip": 15}
    assert report.rows[0].macro_f1_interval and report.rows[0].macro_f1_interval[0] < report.rows[0].macro_f1


def test_a_class_that_is_never_answered() -> None:
    truth = truths(80)
    tulips = [place for place, true in enumerate(truth.values()) if true == "tulip"]
    report = compare_runs([make_run("a", truth, tulips), make_run("b", truth)])
    assert report.per_class["tulip"] == {"a": 0.0, "b": 1.0}
    assert report.per_class["daisy"]["a"] == pytest.approx(2 * 40 / (40 + 60))
    row = by_name(report)["a"]
    assert row.macro_f1 == pytest.approx((report.per_class["daisy"]["a"] + 1 + 0) / 3)


def test_an_answer_of_a_class_that_no_picture_has_is_wrong_and_no_class_of_its_own() -> None:
    truth = truths(80)
    odd = make_run("odd", truth)
    sha256 = next(iter(truth))
    odd = replace(odd, answers={**odd.answers, sha256: "orchid"})
    report = compare_runs([odd])
    assert report.rows[0].accuracy[0] == pytest.approx(79 / 80)
    assert set(report.per_class) == set(CLASSES)


def test_pictures_without_a_true_class_or_an_answer_do_not_count() -> None:
    truth = truths(50)
    odd = make_run("a", truth)
    odd = replace(odd, answers={**odd.answers, "stray": "rose"}, truth={**odd.truth, "unseen": "rose"})
    assert compare_runs([odd]).rows[0].pictures == 50


def test_runs_that_share_no_pictures_stand_apart() -> None:
    here, there = truths(60), truths(50, first=1000)
    report = compare_runs([make_run("here", here, range(6)), make_run("there", there)])
    rows = by_name(report)
    assert [row.name for row in report.rows] == ["here", "there"]  # more pictures, not the better number
    assert rows["there"].verdict == "too few shared pictures"
    assert rows["there"].p is None and rows["there"].difference is None and rows["there"].shared == 0
    assert rows["there"].pictures == 50 and not rows["there"].fastest and not rows["there"].smallest
    assert report.recommended == "here"
    assert any("too few held-out pictures" in note for note in report.notes)


def test_a_run_without_answers_takes_nothing_from_the_others() -> None:
    truth = truths(60)
    report = compare_runs([make_run("none", {}), make_run("some", truth)])
    rows = by_name(report)
    assert rows["some"].pictures == 60 and rows["some"].verdict == "best"
    assert rows["none"].verdict == "too few shared pictures" and rows["none"].accuracy == (0.0, 0.0, 1.0)
    only = compare_runs([make_run("none", {})])
    assert only.rows[0].verdict == "too few shared pictures" and only.recommended == ""


def test_a_validation_split_beside_a_cross_validation_is_scored_on_what_both_answered() -> None:
    """The cross-validated runs are worse on the other pictures, which say nothing about the third run."""
    truth = truths(400)
    val = dict(list(truth.items())[:100])
    cross = make_run("cross", truth, [0, *range(100, 200)])
    second = make_run("second", truth, range(60, 240))
    split = make_run("split", val, [0, 1, 2], held_out="validation split")
    report = compare_runs([split, cross, second])
    assert [row.name for row in report.rows] == ["cross", "split", "second"]
    rows = by_name(report)
    assert {row.pictures for row in report.rows} == {100}
    assert rows["cross"].accuracy[0] == 0.99 and rows["cross"].own_accuracy[0] == pytest.approx(299 / 400)
    assert rows["split"].shared == 100 and rows["split"].verdict == "no significant difference"
    assert rows["second"].shared == 400  # the test uses all that the two share
    assert any("100 that they have in common" in note for note in report.notes)


def test_a_run_may_be_better_where_the_others_have_no_answers() -> None:
    """First on the 100 pictures that all have answered, and clearly worse on the 400 that the two share."""
    truth = truths(400)
    val = dict(list(truth.items())[:100])
    first, second = make_run("first", truth, range(100, 300)), make_run("second", truth, range(2), bytes=1_000_000)
    report = compare_runs([first, second, make_run("split", val, range(50))])
    assert [row.name for row in report.rows] == ["first", "second", "split"]
    row = report.rows[1]
    assert row.verdict == "better on what both answered" and row.difference and row.difference[0] > 0.4
    assert report.recommended == "second"


def test_few_shared_pictures_are_said() -> None:
    truth = truths(12)
    report = compare_runs([make_run("a", truth), make_run("b", truth, [1])])
    assert report.rows[1].verdict == "no significant difference"
    assert any(f"fewer than {MIN_SHARED}" in note for note in report.notes)
    large = truths(200)
    apart = compare_runs([make_run("a", large), make_run("b", truth)])
    assert by_name(apart)["b"].verdict == "too few shared pictures" and by_name(apart)["b"].shared == 12


def test_runs_made_from_other_pictures_are_listed_apart() -> None:
    truth = truths(100)
    old = make_run("old", truth, current=False)
    report = compare_runs([make_run("a", truth, range(30)), old, idle(truth)])
    assert [row.name for row in report.outdated] == ["old"] and report.outdated[0].verdict == "not compared"
    assert "old" not in {row.name for row in report.rows} and "old" not in report.per_class["rose"]
    assert report.recommended == "a"
    assert any("1 run was made from other pictures" in note for note in report.notes)
    only = compare_runs([old, idle(truth)])
    assert only.recommended == "" and "run fieldguide train" in only.advice


def test_seeds_of_the_same_settings_are_grouped() -> None:
    truth = truths(100)
    runs = [
        make_run(f"run {seed}", truth, range(missed), seed=seed, settings_key="same")
        for seed, missed in enumerate((10, 12, 17))
    ]
    repeated = make_run("run 1 again", truth, range(11), seed=1, settings_key="same")  # takes the place of the first
    report = compare_runs([*runs, repeated, make_run("other", truth, range(3), settings_key="alone")])
    (group,) = report.seeds
    assert group.names == ("run 0", "run 1 again", "run 2")
    assert group.mean == pytest.approx((0.90 + 0.89 + 0.83) / 3)
    assert group.spread == pytest.approx(np.std([0.90, 0.89, 0.83], ddof=1))


def test_nothing_is_recommended_that_does_not_beat_the_baseline() -> None:
    truth = truths(40)
    for missed in (range(19), range(25)):  # a picture better than always the same; five worse
        report = compare_runs([make_run("a", truth, missed), idle(truth)])
        assert report.recommended == "" and "No run is significantly better than the baseline" in report.advice
        assert "always answers daisy" in report.advice
    lazy = idle(truth)
    same = make_run("a", truth, answers=lazy.answers)
    assert [row.name for row in compare_runs([lazy, same]).rows] == ["a", lazy.name]


def test_the_cheapest_of_those_that_cannot_be_told_apart_is_recommended() -> None:
    truth = truths(200)
    best = make_run("best", truth, range(4), p50_ms=40.0, bytes=90_000_000)
    quick = make_run("quick", truth, range(2, 7), p50_ms=4.0, bytes=20_000_000)
    small = make_run("small", truth, range(1, 7), p50_ms=4.4, bytes=9_000_000)
    poor = make_run("poor", truth, range(50), p50_ms=1.0, bytes=100_000)
    report = compare_runs([best, quick, small, poor, idle(truth)])
    assert by_name(report)["poor"].verdict == "worse"
    assert report.recommended == "small"  # about as fast as the quickest, and half its size
    assert "costs the least of the 3 runs within one standard error of the most accurate, best" in report.advice
    low = (by_name(report)["small"].difference or (0, 0, 0))[1]
    assert low < 0 and f"up to {-low * 100:.1f} points less accurate" in report.advice
    assert compare_runs([best, poor]).recommended == "best"
    untimed = [replace(run, p50_ms=None) for run in (best, quick, small)]
    assert compare_runs(untimed).recommended == "small"
    assert compare_runs([best, replace(small, p50_ms=None)]).recommended == "best"  # what is not timed may be slow
    fast = replace(best, p50_ms=3.0, bytes=1_000_000)
    report = compare_runs([fast, quick, small])
    assert report.recommended == "best" and "2 other runs do not differ" in report.advice


def test_a_run_beyond_one_standard_error_is_not_taken_for_being_cheap() -> None:
    truth = truths(200)
    best = make_run("best", truth, range(4), p50_ms=40.0, bytes=90_000_000)
    near = make_run("near", truth, range(1, 7), p50_ms=30.0, bytes=80_000_000)
    far = make_run("far", truth, range(2, 11), p50_ms=1.0, bytes=100_000)
    report = compare_runs([best, near, far])
    row = by_name(report)["far"]
    assert row.verdict == "no significant difference" and row.difference
    error = (row.difference[2] - row.difference[1]) / (2 * 1.96)
    assert -2 * error < row.difference[0] < -error
    assert report.recommended == "near"
    alone = compare_runs([best, far])
    assert alone.recommended == "best" and "1 other run does not differ" in alone.advice
    assert "none within one standard error of it costs less" in alone.advice


def test_the_frontiers() -> None:
    truth = truths(100)
    runs = [
        make_run("best", truth, range(2), p50_ms=40.0, bytes=50),
        make_run("quick", truth, range(9), p50_ms=4.0, bytes=60),
        make_run("idle", truth, range(70), p50_ms=0.5, bytes=1),  # worse than the baseline, which costs nothing
        make_run("slow", truth, range(20), p50_ms=41.0, bytes=10),
        make_run("untimed", truth, range(21), p50_ms=None, bytes=10),
    ]
    rows = by_name(compare_runs([*runs, idle(truth)]))
    assert {name for name, row in rows.items() if row.fastest} == {"best", "quick"}
    assert {name for name, row in rows.items() if row.smallest} == {"best", "slow"}


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_the_frontier_against_every_pair(choices: list[tuple[int, int]]) -> None:
    expected = [
        not any((a <= cost and b >= gain) and (a, b) != (cost, gain) for a, b in choices) for cost, gain in choices
    ]
    assert find_frontier([cost for cost, _ in choices], [gain for _, gain in choices]) == expected


def test_numbers_as_a_person_reads_them() -> None:
    assert [format_ms(ms) for ms in (None, 0.91, 4.14, 9.97, 41.3)] == ["-", "0.91 ms", "4.1 ms", "10 ms", "41 ms"]
    assert [format_bytes(count) for count in (12, 310_200, 999_600, 14_230_000)] == [
        "12 B",
        "310 kB",
        "1.0 MB",
        "14.2 MB",
    ]
    assert [format_count(count) for count in (12, 31_000, 999_700, 2_540_000)] == ["12", "31 k", "1.0 M", "2.5 M"]
    assert [format_seconds(time) for time in (3.2, 99.6, 1921, 5400)] == ["3 s", "1.7 min", "32.0 min", "1.5 h"]
    assert [format_p(p) for p in (None, 0.0001, 0.0042, 0.0999, 0.453)] == ["-", "< 0.001", "0.004", "0.10", "0.45"]


@pytest.fixture(scope="module")
def everything() -> CompareReport:
    """Return a report with something in each of its parts, and names that mean to break the page."""
    pytest.importorskip("matplotlib", reason="charts need the extra [train]")
    truth = {sha: {"rose": "<b>rose</b>", "tulip": "oxeye_$x$"}.get(true, true) for sha, true in truths(200).items()}

    def renamed(run: ComparedRun) -> ComparedRun:
        names = {"rose": "<b>rose</b>", "tulip": "oxeye_$x$"}
        return replace(
            run, answers={sha: names.get(answer, answer) for sha, answer in run.answers.items()}, truth=truth
        )

    plain = truths(200)
    runs = [
        make_run("20261121-101500-transfer", plain, range(5), what="<script>alert(1)</script>"),
        make_run("20261121-101600-transfer", plain, range(7), what="=1+1", p50_ms=41.0),
        *(make_run(f"20261121-10170{seed}-cnn", plain, range(50, 80 + seed), seed=seed, settings_key="c", learner="cnn",
               what="12 epochs") for seed in range(3)),
        make_run("20261120-101500-colour", plain, range(90), current=False, what="then"),
    ]  # fmt: skip
    return compare_runs([*map(renamed, runs), idle(truth)])


def test_the_page_says_everything_and_fetches_nothing(everything: CompareReport) -> None:
    page = draw_page("Flowers & <i>weeds</i>", everything)
    for row in (*everything.rows, *everything.outdated):
        assert row.name in page
    for word in ("Recommended", "no significant difference", "different seeds", "Out of date", "worse"):
        assert word in page
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page
    assert "Flowers &amp; &lt;i&gt;" in page and "<i>weeds" not in page
    assert "&lt;b&gt;rose" in page and "<b>rose" not in page
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"https?://", page) and "default-src 'none'" in page
    assert draw_page("Flowers & <i>weeds</i>", everything) == page


def test_the_page_of_very_little() -> None:
    pytest.importorskip("matplotlib", reason="charts need the extra [train]")
    truth = truths(30)
    for runs in (
        [idle(truth)],
        [make_run("a", truth, p50_ms=None)],
        [make_run("a", {})],
        [make_run("a", truth, current=False)],
        [make_run("a", truth), make_run("b", truths(30, first=90))],
    ):
        page = draw_page("x", compare_runs(runs))
        assert "<h2>The runs</h2>" in page and "None" not in page


def test_both_files_are_written(everything: CompareReport, tmp_path: Path) -> None:
    report = write_comparison(tmp_path / "compare", "Flowers", everything)
    assert Path(report.report).read_text(encoding="utf-8") == draw_page("Flowers", everything)
    rows = list(csv.DictReader(io.StringIO(Path(report.table).read_text(encoding="utf-8"))))
    assert [row["run"] for row in rows] == [row.name for row in (*everything.rows, *everything.outdated)]
    second, row = everything.rows[1], rows[1]
    assert row["settings"] == "'=1+1"
    assert second.difference and float(row["difference"]) == pytest.approx(second.difference[0], rel=1e-5)
    assert float(row["p_adjusted"]) == pytest.approx(second.p_adjusted, rel=1e-5)
    assert (row["verdict"], row["fastest"], row["bytes"]) == ("no significant difference", "no", "9000000")
    assert rows[0]["difference"] == "" and rows[-1]["verdict"] == "not compared"
    assert {path.name for path in (tmp_path / "compare").iterdir()} == {"report.html", "compare.csv"}


def test_the_table_fits_a_terminal(
    everything: CompareReport, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show("compare", replace(everything, report="plants/compare/report.html"), as_json=False)
    output = capsys.readouterr().out
    heading, *lines = output.splitlines()[1:]
    table = lines[: len(everything.rows)]
    assert max(map(len, [heading, *table])) <= 100
    for line, row in zip(table, everything.rows, strict=True):
        assert line.startswith(row.name) and f"{row.accuracy[0]:.1%}" in line
    assert "no sig. difference" in table[1] and table[-1].count(" - ") >= 3
    assert "5 runs and the baseline" in output and "of 3 seeds" in output
    assert everything.advice in output and "plants/compare/report.html" in output
    monkeypatch.setattr("fieldguide.cli.show._NO_EDGE", 80)  # as on a narrow terminal
    show("compare", everything, as_json=False)
    narrow = capsys.readouterr().out.splitlines()
    assert max(map(len, narrow)) <= 80 and all(
        any(line.startswith(row.name) for line in narrow) for row in everything.rows
    )
    show("compare", everything, as_json=True)
    assert '"recommended": "20261121-101500-transfer"' in capsys.readouterr().out


# ---- timing, by a clock that goes only when told to


class FakeClock:
    """A clock, and work that takes the next of some seconds, the last for ever."""

    def __init__(self, *takes_s: float) -> None:
        self.now_s = 100.0
        self.takes_s = list(takes_s)
        self.calls = 0

    def read(self) -> float:
        return self.now_s

    def work(self) -> None:
        self.calls += 1
        self.now_s += self.takes_s.pop(0) if len(self.takes_s) > 1 else self.takes_s[0]


def test_the_first_calls_do_not_count() -> None:
    clock = FakeClock(9.0, 9.0, 9.0, 0.001)
    assert measure_p50_ms(clock.work, clock.read) == pytest.approx(1.0)
    assert clock.calls == 203


def test_slow_work_is_timed_often_enough_and_no_oftener() -> None:
    for seconds, calls in ((0.5, MIN_CALLS), (0.04, 50), (0.001, 200)):
        clock = FakeClock(seconds)
        measure_p50_ms(clock.work, clock.read)
        assert clock.calls == 3 + calls


def test_a_few_slow_calls_do_not_change_the_median() -> None:
    clock = FakeClock(*[1.0] * 3, *([0.002] * 15 + [0.05]) * 6, 0.002)
    assert measure_p50_ms(clock.work, clock.read) == pytest.approx(2.0)


# ---- the runs of a project


COLOUR = {"train.learner": "colour", "train.colour.families": ["logistic"], "train.colour.grid": "usual"}
CNN = {"train.learner": "cnn", "train.size": 32, "train.loop.epochs": 1, "train.loop.threads": 1,
       "train.cross_validate": "never"}  # fmt: skip


class RecordedLines(SilentProgress):
    """A progress that remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Remember the line."""
        self.lines.append(line)


def trained(project: Project, changed: dict[str, Any]) -> TrainReport:
    return train(project, change_settings(project.settings(), changed), progress=SilentProgress())


def compared(project: Project, **more: Any) -> CompareReport:
    return compare(project, project.settings(), progress=SilentProgress(), **more)


def learners(report: CompareReport) -> set[str]:
    return {row.learner for row in report.rows}


@pytest.fixture
def shapes(built_once: Path, tmp_path: Path) -> Project:
    """Copy the built project; nothing is published, and its colours are quickly learnt."""
    pytest.importorskip("torch", reason="training needs the extra [train]")
    shutil.copytree(built_once, tmp_path / "shapes")
    project = Project(tmp_path / "shapes", Clock())
    set_key(project.settings_file, "train.colour", 'families = ["logistic"]')
    return project


def test_colour_and_the_baseline_are_always_among_the_rows(shapes: Project) -> None:
    report = compared(shapes)
    assert learners(report) == {"transfer", "colour", BASELINE} and len(report.rows) == 3
    runs = sorted(path.name for path in shapes.runs_folder.iterdir())
    second_report = compared(shapes)
    assert sorted(path.name for path in shapes.runs_folder.iterdir()) == runs, "it is made once"
    assert second_report == report
    transfer = next(row for row in report.rows if row.learner == "transfer")
    with shapes.catalog() as catalog:
        finished = catalog.finished("train")
    assert finished and finished.report["run"] == transfer.name, "comparing does not change the current run"
    shutil.rmtree(shapes.runs_folder)
    assert learners(compared(shapes)) == {"colour", BASELINE}


def test_networks_by_validation_stand_beside_cross_validated_runs(tmp_path: Path, pictures: Pictures) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    shapes = make_project(tmp_path / "shapes")
    set_key(shapes.settings_file, "split", "val = 0.45")
    settings, silent = shapes.settings(), SilentProgress()
    source = pictures(tmp_path / "source", per_class=18, side=64)
    add(shapes, settings, source, terms=Terms(licence="own"), progress=silent)
    clean(shapes, settings, progress=silent)
    split(shapes, settings, progress=silent)
    network, colour = trained(shapes, CNN), trained(shapes, COLOUR)
    report = compared(shapes)
    rows = {row.name: row for row in report.rows}
    by_val, crossed = rows[network.run], rows[colour.run]
    with shapes.catalog() as catalog:
        val = sum(split_name == "val" for split_name in catalog.splits().values())
    assert (by_val.held_out, crossed.held_out) == ("validation split", "grouped cross-validation")
    assert by_val.own_pictures == network.measured == val and crossed.own_pictures == colour.images
    assert by_val.own_accuracy == pytest.approx(network.accuracy)
    assert crossed.own_accuracy == pytest.approx(colour.accuracy)
    for row in report.rows:
        assert row.verdict != "too few shared pictures" and row.pictures == val
    assert any(f"scored on the {val} that they have in common" in " ".join(note.split()) for note in report.notes)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Write a file of weights of a backbone that has none embedded."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "weights.pt"
    torch.save(load_backbone("resnet18", "none", 32).module.state_dict(), path)
    return path


def test_other_weights_in_the_same_file_are_learnt_from_anew(shapes: Project, weights: Path) -> None:
    torch = pytest.importorskip("torch")
    changed = {"train.learner": "transfer", "train.backbone": "resnet18", "train.weights": str(weights),
               "train.size": 32, "train.fit": "squash"}  # fmt: skip
    settings, silent = change_settings(shapes.settings(), changed), SilentProgress()
    first = train(shapes, settings, progress=silent)
    assert train(shapes, settings, progress=silent).run == first.run
    state = torch.load(weights, weights_only=True)
    torch.save({name: value * 0.9 for name, value in state.items()}, weights)
    second = train(shapes, settings, progress=silent)
    assert second.run != first.run
    assert evaluate(shapes, settings, progress=silent).run == second.run
    weights.unlink()
    progress = RecordedLines()
    report = compare(shapes, shapes.settings(), progress=progress)
    assert {first.run, second.run}.isdisjoint(row.name for row in report.rows) and len(report.rows) > 2
    assert any(line.startswith(f"{second.run} is left out: there is no file of weights") for line in progress.lines)


@pytest.mark.slow
def test_what_a_search_writes_is_what_won(shapes: Project) -> None:
    set_key(shapes.settings_file, "train.loop", 'imbalance = "weights"')
    only_cnn = {"choices": ["none", "weights"], "only_if": {"learner": "cnn"}}
    changed = {"train.fit": "squash", "train.folds": 2, "train.size": 64, "train.loop.epochs": 1}
    searched = changed | {"tune.trials": 3, "tune.space": {"learner": ["transfer", "cnn"], "loop.imbalance": only_cnn}}
    report = tune(shapes, change_settings(shapes.settings(), searched), progress=SilentProgress())
    assert report.params == {"learner": "transfer"} and report.trials["complete"] == 3
    page = (shapes.root / report.report).read_text(encoding="utf-8")
    assert "grouped cross-validation" in page, "what the value is, for so few pictures"
    assert shapes.settings().train.loop.imbalance == "none", "as the best had it"
    now = change_settings(shapes.settings(), changed)
    assert report.value == pytest.approx(train(shapes, now, progress=SilentProgress()).accuracy[0])
    other_search, progress = searched | {"train.seed": 77, "tune.minutes": 1e-9}, RecordedLines()
    assert tune(shapes, change_settings(shapes.settings(), other_search), progress=progress).others == 1
    assert any("a new search begins" in line for line in progress.lines), "nobody is to wonder where the trials went"


def test_a_search_that_finds_the_model_there_is_says_so(shapes: Project, capsys: pytest.CaptureFixture[str]) -> None:
    current = trained(shapes, {})
    before = shapes.settings_file.read_text(encoding="utf-8")
    space = {"tune.trials": 1, "tune.space": {"learner": ["transfer"]}}
    report = tune(shapes, change_settings(shapes.settings(), space), progress=SilentProgress())
    assert (report.same_as, report.written) == (current.run, False) and report.pictures == current.measured
    assert shapes.settings_file.read_text(encoding="utf-8") == before, "nothing to train anew"
    show("tune", report, as_json=False)
    output = capsys.readouterr().out
    assert f"the same model as the run {current.run}, byte for byte" in output and "left as it was" in output
    assert f"on {report.pictures} pictures" in output
    page = (shapes.root / report.report).read_text(encoding="utf-8")
    assert f"the same model as the run {current.run}" in page and "0 failed" not in page
    other = trained(shapes, {**COLOUR, "train.learner": "colour"})
    report = tune(shapes, change_settings(shapes.settings(), space), progress=SilentProgress())
    assert report.written and report.same_as != other.run, "another run is the current one"
    show("tune", report, as_json=False)
    # a command that ran before in this process may have left its -C for the hints
    assert re.search(rf"next: fieldguide compare (-C \S+ )?--use {report.same_as}", capsys.readouterr().out)


def test_the_sheet_follows_from_the_seed_of_learning(shapes: Project) -> None:
    sheets = []
    for seed in (1, 1, 2):
        settings = change_settings(shapes.settings(), {"train.seed": seed, "train.loop.augment": "strong"})
        sheets.append(Path(preview(shapes, settings, progress=SilentProgress()).path).read_bytes())
    assert sheets[0] == sheets[1] != sheets[2]


@pytest.mark.slow
def test_seeds_give_a_mean_and_a_spread(shapes: Project) -> None:
    runs = [trained(shapes, {**CNN, "train.seed": seed}) for seed in (1, 2, 3)]
    (group,) = compared(shapes).seeds
    shares = [run.accuracy[0] for run in runs]
    assert set(group.names) == {run.run for run in runs} and group.learner == "cnn"
    assert group.mean == pytest.approx(np.mean(shares)) and group.spread == pytest.approx(np.std(shares, ddof=1))


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{**COLOUR, "train.seed": 5}, {**CNN, "train.loop.lr": 0.002}])
def test_a_run_that_is_taken_up_is_evaluated_and_published(shapes: Project, changed: dict[str, Any]) -> None:
    chosen = trained(shapes, changed)
    trained(shapes, {})
    remark = "# why folds is three: they are few\n"
    text = shapes.settings_file.read_text(encoding="utf-8")
    shapes.settings_file.write_text(text.replace("folds = 3", f"folds = 3\n{remark}", 1), encoding="utf-8")
    comments = [line for line in shapes.settings_file.read_text().splitlines() if line.startswith("# ")]
    compared(shapes, use=chosen.run)
    settings, runs = shapes.settings(), sorted(path.name for path in shapes.runs_folder.iterdir())
    for name, value in changed.items():
        actual: Any = settings.model_dump(mode="json")
        for part in name.split("."):
            actual = actual[part]
        assert actual == value, name
    text = shapes.settings_file.read_text(encoding="utf-8")
    assert remark in text and all(line in text for line in comments if " = " not in line)
    stages = {stage.stage: stage.state for stage in status(shapes, settings).stages}
    assert stages["train"] == "done" and stages["evaluate"] == stages["publish"] == "out of date"
    reports = build(shapes, settings, progress=SilentProgress(), done=lambda name, report: None)
    assert reports["train"].run == chosen.run and reports["evaluate"].run == chosen.run
    assert json.loads((shapes.guide_folder / "guide.json").read_text())["run"] == chosen.run
    assert sorted(path.name for path in shapes.runs_folder.iterdir()) == runs, "nothing is trained again"
    assert {stage.state for stage in status(shapes, shapes.settings()).stages} == {"done"}


def test_a_run_that_was_evaluated_is_taken_up_again(shapes: Project, capsys: pytest.CaptureFixture[str]) -> None:
    reports = build(shapes, shapes.settings(), progress=SilentProgress(), done=lambda name, report: None)
    first, second = reports["train"], trained(shapes, COLOUR)
    taken = compared(shapes, use=second.run)
    assert (taken.used, taken.evaluated, taken.guide_run) == (second.run, None, first.run)
    show("compare", taken, as_json=False)
    output = capsys.readouterr().out
    assert f"{second.run} is now the current run" in output and "train.learner = colour" in output
    assert "not evaluated yet" in output and f"guide/ is of {first.run}; next: fieldguide build" in output
    states = {stage.stage: stage.state for stage in status(shapes, shapes.settings()).stages}
    assert (states["evaluate"], states["publish"]) == ("out of date", "out of date")
    evaluate(shapes, shapes.settings(), progress=SilentProgress())
    with shapes.catalog() as catalog:
        looks = catalog.count_looks()
    back = compared(shapes, use=first.run)
    assert back.used == back.guide_run == first.run and back.evaluated and back.evaluated_images
    show("compare", back, as_json=False)
    assert "evaluated before: " in (output := capsys.readouterr().out) and "guide/ is of this run" in output
    assert {stage.state for stage in status(shapes, shapes.settings()).stages} == {"done"}
    build(shapes, shapes.settings(), progress=SilentProgress(), done=lambda name, report: None)
    with shapes.catalog() as catalog:
        assert catalog.count_looks() == looks, "nothing is opened again"


def test_runs_made_from_other_pictures_stand_apart(shapes: Project) -> None:
    old = trained(shapes, {})
    with shapes.catalog() as catalog:
        state = next(state for state in catalog.states() if state.split == "train")
    with closing(sqlite3.connect(shapes.root / "catalog.db")) as database, database:
        database.execute("UPDATE split SET split = 'val' WHERE sha256 = ?", (state.sha256,))
    report = compared(shapes)
    assert old.run in {row.name for row in report.outdated} and len(report.outdated) == 2
    assert learners(report) == {"colour", BASELINE}, "the colours are learnt anew from what is there now"
    with pytest.raises(NotReady, match="other pictures"):
        compared(shapes, use=old.run)


@pytest.mark.parametrize("command", ["tune", "compare", "preview"])
def test_no_test_picture_is_ever_read(shapes: Project, command: str) -> None:
    with shapes.catalog() as catalog:
        test = [state for state in catalog.states() if state.state == "kept" and state.split == "test"]
        looks = catalog.count_looks()
    assert test
    for state in test:
        shapes.image_path(state.sha256, state.format).unlink()
    shutil.rmtree(shapes.features_folder)
    changed = {"tune.trials": 3, "tune.space": {"learner": ["transfer", "colour", "cnn"]}, "train.folds": 2, **CNN,
               "train.learner": "transfer", "train.fit": "squash", "train.colour.grid": "usual"}  # fmt: skip
    settings, silent = change_settings(shapes.settings(), changed), SilentProgress()
    if command == "tune":
        report = tune(shapes, settings, progress=silent)
        assert report.trials["complete"] == 3 and report.trials["failed"] == 0
    elif command == "preview":
        assert preview(shapes, settings, progress=silent)
    else:
        assert isinstance(compare(shapes, settings, progress=silent).rows[0], CompareRow)
    with shapes.catalog() as catalog:
        assert catalog.count_looks() == looks

"""The search: the same trials whoever was killed, several processes at once, pruning, failures, space, report."""

import json
import math
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldguide.cli.show import show
from fieldguide.errors import (
    DiskFailed,
    DiskFull,
    InputUnusable,
    NoPermission,
    NotReady,
    ProjectBusy,
    ProjectDamaged,
    SettingsError,
)
from fieldguide.learners.augment import PRESETS as AUGMENTATIONS
from fieldguide.learners.weights import BACKBONE_NAMES
from fieldguide.progress import SilentProgress
from fieldguide.settings import LoopSettings, Settings, TuneSettings
from fieldguide.stages.tune import Limits, run_trials
from fieldguide.stages.tune.report import best_so_far, param_importances, summarise, write_report
from fieldguide.stages.tune.space import (
    PRESETS,
    Choices,
    Floats,
    Ints,
    Preset,
    Space,
    Value,
    choose_preset,
    parse_space,
)
from fieldguide.stages.tune.study import Plan, RunningTrial, Study, TrialRow, best_row, open_study

optuna = pytest.importorskip("optuna", reason="tuning needs the extra [train]")


LR = Space({"loop.lr": Floats(1e-5, 1e-1, log=True)})
SCRIPT = Path(__file__).parents[1] / "kill_tuning.py"


class RecordedLines(SilentProgress):
    """A progress that remembers its lines, and counts its steps."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps = 0

    def say(self, line: str) -> None:
        self.lines.append(line)

    def advance(self, steps: int = 1, part: str = "") -> None:
        self.steps += steps


def by_lr(trial: RunningTrial) -> float:
    """Return 0 at a rate of 0.001, less elsewhere."""
    return -abs(math.log10(float(trial.params["loop.lr"])) + 3)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with open_study(tmp_path / "tune", Plan(LR, "pictures")) as opened:
        yield opened


def run(study: Study, trials: int, objective: Callable[[RunningTrial], float] = by_lr, **limits: Any) -> list[TrialRow]:
    run_trials(objective, study, Limits(trials, **limits), SilentProgress())
    return study.rows()


# ---- the same whoever was killed


def search(folder: Path, trials: int, children: int, kills: int, hash_seed: str) -> list[dict[str, Any]]:
    """Return the rows that tests/kill_tuning.py leaves."""
    folder.mkdir()
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    arguments = [str(value) for value in (folder, trials, children, kills, 5)]
    subprocess.run([sys.executable, SCRIPT, *arguments], check=True, env=environment)
    rows: list[dict[str, Any]] = json.loads((folder / "rows.json").read_text())
    return rows


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    calm = search(tmp_path / "calm", 28, 1, 0, "1")
    hurt = search(tmp_path / "hurt", 28, 1, 21, "2")
    kills = int((tmp_path / "hurt" / "kills").read_text())
    assert kills >= 20, f"only {kills} kills came in time"
    assert hurt == calm
    states = Counter(row["state"] for row in calm)
    assert states["complete"] and states["pruned"] and states["failed"], "every way to end is among them"
    entries = sorted(path.name for path in (tmp_path / "hurt" / "tune").iterdir())
    assert [name for name in entries if not re.fullmatch(r"[0-9a-f]{12}|study\.db|\.lock|calls", name)] == []
    assert not list((tmp_path / "hurt" / "tune").glob("*/trial-*")), "what trials kept is gone once they have ended"


@pytest.mark.slow
def test_several_processes_lose_and_repeat_nothing(tmp_path: Path) -> None:
    # the script's objective fails where a trial runs twice at once
    rows = search(tmp_path / "many", 24, 3, 6, "1")
    assert [row["number"] for row in rows] == list(range(24))
    assert Counter(row["state"] for row in rows)["running"] == 0
    assert len({json.dumps(row["params"]) for row in rows}) == 24


def test_another_seed_is_another_search(tmp_path: Path) -> None:
    searches = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        with open_study(tmp_path / folder, Plan(LR, "pictures", seed=seed)) as study:
            searches.append([(row.params, row.value) for row in run(study, 13)])
    assert searches[0] == searches[1] != searches[2]


def test_a_search_in_parts_is_the_same(tmp_path: Path, study: Study) -> None:
    whole = run(study, 14)
    for trials in (3, 11, 14, 14):
        with open_study(tmp_path / "parts", Plan(LR, "pictures")) as part:
            parts = run(part, trials)
            assert len(parts) == trials
    assert [(row.params, row.value) for row in whole] == [(row.params, row.value) for row in parts]


def test_it_learns(study: Study) -> None:
    rows = run(study, 40)
    late = [abs(row.value or 0.0) for row in rows[20:]]
    assert sorted(late)[len(late) // 2] < 0.5, "half of a search by chance would be further than 1 from the best"


def test_what_fails_is_kept_away_from(tmp_path: Path) -> None:
    space = Space({"learner": Choices(("a", "b", "c", "d")), "loop.lr": Floats(0.0, 1.0)})

    def only_a(trial: RunningTrial) -> float:
        if trial.params["learner"] != "a":
            raise SettingsError("it cannot be", "take another")
        return float(trial.params["loop.lr"])

    with open_study(tmp_path, Plan(space, "pictures", first=({"learner": "a"},))) as study:
        late = run(study, 30, only_a)[12:]
    assert sum(row.state == "failed" for row in late) < 9, "by chance it would be three of four"


def test_an_interrupt_leaves_the_trial_to_be_gone_on_with(tmp_path: Path, study: Study) -> None:
    calls: list[tuple[int, bool, int]] = []

    def objective(trial: RunningTrial) -> float:
        marks = list(trial.folder.glob("*"))
        calls.append((trial.number, trial.resumed, len(marks)))
        for step in range(1, 4):
            trial.report(step, step / 10)
            trial.folder.mkdir(parents=True, exist_ok=True)
            (trial.folder / str(step)).touch()
            if trial.number == 2 and step == 2 and not trial.resumed:
                os.kill(os.getpid(), signal.SIGINT)
        return by_lr(trial)

    with pytest.raises(KeyboardInterrupt):
        run(study, 4, objective)
    rows = study.rows()
    assert [row.state for row in rows] == ["complete", "complete", "running"]
    assert rows[2].steps == {1: 0.1, 2: 0.2}
    study.close()
    with open_study(tmp_path / "tune", study.plan) as reopened:
        assert not reopened.is_new
        rows = run(reopened, 4, objective)
    assert [row.state for row in rows] == ["complete"] * 4
    assert calls == [(0, False, 0), (1, False, 0), (2, False, 0), (2, True, 2), (3, False, 0)]
    assert rows[2].steps == {1: 0.1, 2: 0.2, 3: 0.3}
    assert not list(tmp_path.rglob("trial-*")), "what trials kept is gone once they have ended"


def test_a_trial_that_kills_its_process_again_and_again_is_given_up(tmp_path: Path) -> None:
    def die(trial: RunningTrial) -> float:
        if trial.number == 1:
            os._exit(9)
        return by_lr(trial)

    plan = Plan(LR, "pictures")
    for death in range(10):
        child = os.fork()
        if child == 0:
            try:
                with open_study(tmp_path / "tune", plan) as study:
                    run(study, 3, die)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, death
    with open_study(tmp_path / "tune", plan) as study:
        rows = run(study, 3)
    assert [row.state for row in rows] == ["complete", "failed", "complete"]
    assert "died 10 times" in rows[1].reason


def test_a_kill_between_the_last_step_and_the_end_prunes_all_the_same(tmp_path: Path) -> None:
    plan = Plan(LR, "pictures")
    with open_study(tmp_path / "tune", plan) as study:
        run(study, 6, stepwise)
        trial = study.begin(7)
        assert isinstance(trial, RunningTrial)
        trial.report(1, -9.0)
        with pytest.raises(optuna.TrialPruned):
            trial.report(2, -9.0)  # it is worse than the median
        trial.release()
        assert run(study, 7, lambda trial: pytest.fail("it was not to be run again"))[6].state == "pruned"


# ---- how trials end


def stepwise(trial: RunningTrial) -> float:
    """Report four steps towards the value."""
    for step in range(1, 5):
        trial.report(step, by_lr(trial) - 4 + step)
    return by_lr(trial)


@pytest.mark.slow
def test_trials_that_fall_behind_end_early(tmp_path: Path) -> None:
    by_pruning = {}
    for pruning in (True, False):
        with open_study(tmp_path / str(pruning), Plan(LR, "pictures", pruning=pruning)) as study:
            by_pruning[pruning] = run(study, 25, stepwise)
    states = Counter(row.state for row in by_pruning[True])
    assert states["pruned"] >= 3 and states["complete"] >= 8
    for row in by_pruning[True]:
        if row.state == "pruned":
            assert 2 <= len(row.steps) < 4, "nobody ends at the first step"
            assert row.value == row.steps[max(row.steps)]
    assert {row.state for row in by_pruning[False]} == {"complete"}
    best = best_row(by_pruning[True])
    assert best and best.value == max(row.value or -9 for row in by_pruning[True] if row.state == "complete")


@pytest.mark.parametrize(("peers_by", "state"), [((), "pruned"), (("learner",), "complete")])
def test_a_trial_is_held_beside_those_like_it(tmp_path: Path, peers_by: tuple[str, ...], state: str) -> None:
    space = Space({"learner": Choices(("quick", "slow")), "loop.lr": Floats(1e-5, 1e-1, log=True)})
    names = ["quick"] * 6 + ["slow"]
    first: list[dict[str, Value]] = [{"learner": name, "loop.lr": 1e-3 + at * 1e-4} for at, name in enumerate(names)]

    def two_steps(trial: RunningTrial) -> float:
        value = 0.9 if trial.params["learner"] == "quick" else 0.1
        for step in (1, 2, 3):
            trial.report(step, value * step / 3)
        return value

    with open_study(tmp_path / "tune", Plan(space, "pictures", first=tuple(first), peers_by=peers_by)) as study:
        rows = run(study, 7, two_steps)
    assert [row.params["learner"] for row in rows] == names
    assert [row.state for row in rows] == ["complete"] * 6 + [state]


def test_the_first_five_complete_trials_prune_nobody(study: Study) -> None:
    assert {row.state for row in run(study, 5, stepwise)} == {"complete"}


def test_a_step_that_is_reported_again_changes_nothing(study: Study, recwarn: pytest.WarningsRecorder) -> None:
    def report_twice(trial: RunningTrial) -> float:
        for value in (1.0, 2.0):
            trial.report(1, value)
        return value

    assert run(study, 1, report_twice)[0].steps == {1: 1.0}
    assert not recwarn.list


def test_what_is_noted_is_kept(study: Study) -> None:
    def noting(trial: RunningTrial) -> float:
        trial.note("interval", [0.1, 0.3])
        trial.note("interval", [0.1, 0.2])
        trial.note("size", "x" * 5000)
        return 0.15

    assert run(study, 1, noting)[0].attrs == {"interval": [0.1, 0.2], "size": "x" * 5000}


def test_a_trial_that_fails_is_the_end_of_that_trial_only(study: Study) -> None:
    def failing(trial: RunningTrial) -> float:
        if trial.number % 3 == 1:
            raise SettingsError("the loss is not a number", "lower lr")
        if trial.number % 3 == 2:
            trial.report(1, math.nan)
        return math.inf if trial.number == 6 else 0.5

    progress = RecordedLines()
    ended = run_trials(failing, study, Limits(7), progress)
    rows = study.rows()
    assert [row.state for row in rows] == ["complete", "failed", "failed"] * 2 + ["failed"]
    assert [rows[place].reason for place in (1, 2, 6)] == [
        "the loss is not a number: lower lr", "the value after step 1 is nan: lower the learning rate",
        "its value is inf",
    ]  # fmt: skip
    assert len({json.dumps(dict(row.params)) for row in rows}) == 7, "what failed is not tried again"
    assert (ended, progress.steps) == ("all trials", 7)
    assert len([line for line in progress.lines if "failed" in line]) == 5


def test_what_would_meet_every_trial_stops_the_search(study: Study) -> None:
    def full(trial: RunningTrial) -> float:
        if trial.number == 1 and not trial.resumed:
            raise DiskFull("no space left", "free some")
        return by_lr(trial)

    with pytest.raises(DiskFull):
        run(study, 3, full)
    assert [row.state for row in study.rows()] == ["complete", "running"]
    assert [row.state for row in run(study, 3, full)] == ["complete"] * 3


def test_a_search_whose_every_trial_fails_stops(study: Study) -> None:
    def bad(trial: RunningTrial) -> float:
        raise InputUnusable(f"nothing for {trial.number}", "add pictures")

    with pytest.raises(NotReady, match="first 10 trials all failed, the last so: nothing for 9") as caught:
        run(study, 100, bad)
    assert caught.value.hint
    assert len(run(study, 12)) == 12, "it goes on once that is mended"


def test_time_that_is_up_leaves_the_trial_for_the_next_call(study: Study) -> None:
    now = [0.0]

    def slow(trial: RunningTrial) -> float:
        for step in range(1, 5):
            now[0] += 10
            trial.report(step, 0.0)
        return by_lr(trial)

    ended = run_trials(slow, study, Limits(5, 1.0, lambda: now[0]), SilentProgress())
    assert (ended, now[0]) == ("time is up", 60.0)
    rows = study.rows()
    assert [(row.state, len(row.steps), row.seconds) for row in rows] == [("complete", 4, 40.0), ("running", 2, 20.0)]
    report = summarise(study, ended)
    assert (report.trials["running"], report.trials["stopped"]) == (0, 1), "the search has ended: nothing is running"
    rows = run(study, 2, slow, clock=lambda: now[0])
    assert [(row.state, len(row.steps), row.seconds) for row in rows] == [("complete", 4, 40.0), ("complete", 4, 60.0)]


# ---- the study


def test_another_space_or_other_pictures_are_another_study_in_the_same_file(tmp_path: Path) -> None:
    plan = Plan(LR, "pictures", {"size": 224})
    others = [
        replace(plan, data="others"), replace(plan, fixed={"size": 256}), replace(plan, seed=1),
        replace(plan, space=Space({"loop.lr": Floats(1e-5, 1e-2, log=True)})), replace(plan, first=({"loop.lr": 0.1},)),
    ]  # fmt: skip
    for count, current_plan in enumerate([plan, *others]):
        with open_study(tmp_path / "tune", current_plan) as opened:
            assert (opened.is_new, opened.others, opened.rows()) == (True, count, [])
            run(opened, 2)
    with open_study(tmp_path / "tune", replace(plan, pruning=False)) as opened:
        assert (opened.is_new, opened.others, len(opened.rows())) == (False, 5, 2)


def test_the_first_trials_are_those_that_are_given(tmp_path: Path) -> None:
    space = PRESETS["usual"].space
    first = ({"learner": "colour"}, {"learner": "transfer", "mode": "frozen"})
    with open_study(tmp_path, Plan(space, "pictures", first=first)) as study:
        rows = run(study, 3, lambda trial: 0.5)
    assert rows[0].params == first[0]
    assert rows[1].params.items() >= first[1].items() and "depth" in rows[1].params


def test_nothing_is_tried_twice_and_a_small_space_comes_to_its_end(tmp_path: Path) -> None:
    space = Space({"learner": Choices(("a", "b")), "depth": Ints(1, 5, step=2, only_if=({"learner": ("b",)},))})
    with open_study(tmp_path, Plan(space, "pictures")) as study:
        ended = run_trials(lambda trial: 0.5, study, Limits(100), SilentProgress())
        rows = study.rows()
    assert ended == "nothing new to try"
    combinations = [(row.params["learner"], row.params.get("depth")) for row in rows]
    assert sorted(combinations, key=str) == [("a", None), ("b", 1), ("b", 3), ("b", 5)]


@pytest.mark.parametrize("name", ["plain", "ü %41{x}? &#1"])
def test_any_folder_will_do_and_nothing_lands_elsewhere(tmp_path: Path, name: str) -> None:
    with open_study(tmp_path / name, Plan(LR, "pictures")) as study:
        run(study, 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with closing(sqlite3.connect(tmp_path / name / "study.db")) as database:
        assert database.execute("SELECT count(*) FROM trials").fetchone() == (1,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("damage", ["no database", "cut", "no trials", "empty"])
def test_a_damaged_file_is_told_in_two_lines(tmp_path: Path, damage: str) -> None:
    plan, file = Plan(LR, "pictures"), tmp_path / "study.db"
    with open_study(tmp_path, plan) as study:
        run(study, 3)
    if damage == "no trials":
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("DROP TABLE trial_params")
    elif damage == "cut":
        data = file.read_bytes()
        file.write_bytes(data[:4096] + bytes(len(data) - 4096))
    else:
        file.write_bytes(b"" if damage == "empty" else b"this is no database at all" * 300)
    if damage == "empty":  # there is nothing in it to lose
        with open_study(tmp_path, plan) as study:
            assert study.is_new
        return
    with pytest.raises(ProjectDamaged) as caught, open_study(tmp_path, plan) as study:
        study.rows()
    assert str(file) in caught.value.message and "\n" not in caught.value.message
    assert caught.value.hint == "move study.db away to begin the search anew"
    shutil.move(file, tmp_path / "away")
    with open_study(tmp_path, plan) as study:
        assert len(run(study, 1)) == 1


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> int:
        raise PermissionError(13, "no", str(path))

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(NoPermission):
        open_study(tmp_path / "tune", Plan(LR, "pictures"))


def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    with open_study(tmp_path, Plan(LR, "pictures")) as study:
        run(study, 1)
        with closing(sqlite3.connect(tmp_path / "study.db")) as database, database:
            database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON trials BEGIN SELECT RAISE(ABORT, 'x'); END"
            )  # stands for any fault of SQLite's in the middle of a search
        with pytest.raises(ProjectDamaged):
            run(study, 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SQLITE_FULL", DiskFull),
        ("SQLITE_IOERR_WRITE", DiskFull),
        ("SQLITE_IOERR_READ", DiskFailed),
        ("SQLITE_READONLY", NoPermission),
        ("SQLITE_BUSY", ProjectBusy),
    ],
)
def test_what_the_disk_refuses_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: type[Exception]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("as SQLite says it")
        error.sqlite_errorname = name
        raise error

    with open_study(tmp_path, Plan(LR, "pictures")) as study:
        monkeypatch.setattr(study.optuna_study, "add_trial", refuse)
        with pytest.raises(expected):
            run(study, 1)


# ---- what is chosen from


def test_a_space_from_a_file() -> None:
    space = parse_space(
        {
            "learner": ["transfer", "colour", "cnn"],
            "loop.lr": {"low": 1e-5, "high": 1e-3, "log": True, "only_if": {"learner": ["cnn", "transfer"]}},
            "loop": {"batch_size": {"low": 8, "high": 64, "step": 8}, "augment": {"choices": ["none", "light"]}},
            "depth": {
                "choices": [1, 2],
                "only_if": [{"learner": "colour"}, {"learner": "cnn", "loop.augment": "none"}],
            },
        }
    )
    assert dict(space.domains) == {
        "learner": Choices(("transfer", "colour", "cnn")),
        "loop.lr": Floats(1e-5, 1e-3, True, ({"learner": ("cnn", "transfer")},)),
        "loop.batch_size": Ints(8, 64, 8),
        "loop.augment": Choices(("none", "light")),
        "depth": Choices((1, 2), ({"learner": ("colour",)}, {"learner": ("cnn",), "loop.augment": ("none",)})),
    }
    assert space.is_active("depth", {"learner": "colour"})
    assert space.is_active("depth", {"learner": "cnn", "loop.augment": "none"})
    assert not space.is_active("depth", {"learner": "cnn", "loop.augment": "light"})
    assert not space.is_active("depth", {"learner": "cnn"})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "holds no setting"),
        ({"learner": []}, "tune.space.learner = [] cannot be chosen from"),
        ({"learner": ["a", "a"]}, "cannot be chosen from"),
        ({"learner": [["a"]]}, "cannot be chosen from"),
        ({"learner": "a"}, "tune.space.learner = 'a' gives nothing to choose from"),
        ({"loop.lr": {"low": 1e-5}}, "is no domain"),
        ({"loop.lr": {"low": 1e-5, "high": True}}, "is no domain"),
        ({"loop.lr": {"low": 1e-5, "higg": 1.0}}, "did you mean 'high'?"),
        ({"loop.lr": {"low": 1.0, "high": 0.1}}, "holds no number"),
        ({"loop.lr": {"low": 0.0, "high": math.inf}}, "holds no number"),
        ({"loop.lr": {"low": 0.0, "high": 0.1, "log": True}}, "cannot be logarithmic"),
        ({"loop.lr": {"low": 0.0, "high": 0.1, "step": 0.01}}, "only whole numbers have a step"),
        ({"depth": {"low": 1, "high": 9, "step": 0}}, "cannot have step = 0"),
        ({"depth": {"low": 1, "high": 9, "choices": [1]}}, "is no domain"),
        ({"depth": {"choices": [1], "only_if": "x"}}, "is no condition"),
        ({"depth": {"choices": [1], "only_if": {"lerner": ["a"]}}, "learner": ["a"]}, "did you mean 'learner'?"),
        ({"depth": {"choices": [1], "only_if": {"learner": ["b"]}}, "learner": ["a"]}, "which it never is"),
        ({"depth": {"choices": [1], "only_if": {"lr": 1}}, "lr": {"low": 1, "high": 2}}, "which has no choices"),
        (
            {"a": {"choices": [1], "only_if": {"b": 1}}, "b": {"choices": [1], "only_if": {"a": 1}}},
            "on each other: a, b",
        ),
    ],
)
def test_a_space_that_cannot_be_is_told_in_two_lines(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_space(raw)
    assert message in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint and "\n" not in caught.value.message


def test_a_condition_may_stand_before_what_it_depends_on(tmp_path: Path) -> None:
    space = parse_space({"depth": {"choices": [1, 2], "only_if": {"learner": "b"}}, "learner": ["a", "b"]})
    assert list(space.domains) == ["learner", "depth"]
    with open_study(tmp_path, Plan(space, "pictures")) as study:
        for row in run(study, 9, lambda trial: 0.5):
            assert ("depth" in row.params) == (row.params["learner"] == "b")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_presets_name_what_there_is(tmp_path: Path, preset: Preset) -> None:
    loop = LoopSettings.model_fields
    fixed = {name: (value,) for name, value in preset.fixed.items()}
    values = fixed | {
        name: domain.values for name, domain in preset.space.domains.items() if isinstance(domain, Choices)
    }
    for name in (*preset.space.domains, *preset.fixed):
        assert not name.startswith("loop.") or name.removeprefix("loop.") in loop, name
    assert set(values["loop.augment"]) <= set(AUGMENTATIONS)
    assert set(values["backbone"]) <= set(BACKBONE_NAMES)
    plan = Plan(preset.space, "pictures", preset.fixed, preset.first)
    with open_study(tmp_path, plan) as study:
        rows = run(study, len(preset.first) + 8, lambda trial: 0.5)
    for row, first in zip(rows, preset.first, strict=False):
        assert row.params == first, "what a preset begins with leaves nothing open and fits its space"
    for row in rows:
        known = {name.removeprefix("loop."): value for name, value in row.params.items() if name.startswith("loop.")}
        LoopSettings(**known)


def test_the_architectures_are_those_of_the_study() -> None:
    preset = PRESETS["architectures"]
    assert preset.trials == 100 and preset.fixed["loop.epochs"] == 5 and preset.fixed["loop.imbalance"] == "oversample"
    assert preset.space.domains["loop.lr"] == Floats(1e-5, 1e-4)
    assert preset.space.domains["loop.batch_size"] == Ints(32, 128)
    assert len(preset.space.describe()["backbone"]["values"]) == 7


def test_what_the_settings_ask_for() -> None:
    assert choose_preset(TuneSettings()) == PRESETS["usual"]
    assert choose_preset(TuneSettings(preset="architectures")).trials == 100
    assert choose_preset(TuneSettings(preset="architectures", trials=7)).trials == 7
    own = choose_preset(TuneSettings(space={"fit": ["pad", "crop"]}))
    assert (dict(own.space.domains), own.first, own.fixed) == ({"fit": Choices(("pad", "crop"))}, (), {})
    assert own.trials == PRESETS["usual"].trials == 40
    assert Settings().tune == TuneSettings()


# ---- what it says


def rows_of(values: list[tuple[dict[str, Any], float | None]]) -> list[TrialRow]:
    return [
        TrialRow(number, "complete" if value is not None else "failed", params, value, {}, 1.0, "", {})
        for number, (params, value) in enumerate(values)
    ]


def test_importances_find_what_matters(tmp_path: Path) -> None:
    space = Space(
        {"a": Floats(0, 1), "b": Floats(0, 1), "c": Choices(("x", "y")), "d": Ints(1, 9, only_if=({"c": ("y",)},))}
    )
    with open_study(tmp_path, Plan(space, "pictures")) as study:
        run(study, 40, lambda trial: float(trial.params["a"]) + 0.1 * float(trial.params["b"]))
        shares = param_importances(study)
        assert param_importances(study) == shares
    assert max(shares, key=lambda name: shares[name]) == "a" and shares["a"] > 0.6
    assert set(shares) <= {"a", "b", "c", "d"} and sum(shares.values()) == pytest.approx(1)


def by_number(values: list[float | None]) -> Callable[[RunningTrial], float]:
    """Return an objective with these values, by the trial's number; None where it fails."""

    def objective(trial: RunningTrial) -> float:
        value = values[trial.number]
        if value is None:
            raise SettingsError("it cannot be", "take another")
        return value

    return objective


@pytest.mark.parametrize(
    "values",
    [[], [0.5], [None, 0.5], [0.5, 0.5, 0.5, 0.5, 0.5], [0.5, 0.6, 0.7]],
    ids=["none", "one", "one and a failure", "all alike", "three"],
)
def test_few_trials_have_no_importances(study: Study, values: list[float | None]) -> None:
    run(study, len(values), by_number(values))
    assert param_importances(study) == {}


def test_a_setting_that_was_always_the_same_is_left_out(tmp_path: Path) -> None:
    space = Space({"a": Choices(("x",)), "b": Floats(0, 1)})
    with open_study(tmp_path, Plan(space, "pictures")) as study:
        run(study, 6, lambda trial: float(trial.params["b"]))
        assert list(param_importances(study)) == ["b"]


def test_the_history_rises() -> None:
    rows = rows_of([({}, 0.3), ({}, None), ({}, 0.2), ({}, 0.5)])
    assert best_so_far(rows) == [(0, 0.3), (2, 0.3), (3, 0.5)]
    assert best_row(rows[1:2]) is None


ABOUT = ("<b>roses</b>", "validation accuracy", {"preset": "<script>usual</script>"})


def test_the_report(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="charts need the extra [train]")

    def objective(trial: RunningTrial) -> float:
        if trial.number == 3:
            raise SettingsError("<i>diverged</i>", "lower lr")
        trial.note("interval", [by_lr(trial) - 0.1, by_lr(trial) + 0.1])
        return stepwise(trial)

    with open_study(tmp_path / "old", Plan(LR, "others")) as study:
        run(study, 1)
    with open_study(tmp_path / "old", Plan(LR, "pictures")) as study:
        ended = run_trials(objective, study, Limits(12), SilentProgress())
        report = summarise(study, ended)
        path = write_report(study, report, *ABOUT)
        rows = study.rows()
    best = best_row(rows)
    assert best and report.value == best.value and report.params == best.params and report.best == best.number
    assert report.interval == tuple(best.attrs["interval"])
    assert sum(report.trials.values()) == 12 and report.trials["failed"] == 1 and report.others == 1
    assert (report.ended, report.report) == ("all trials", str(path))
    page = path.read_text()
    assert page.count("data:image/png;base64,iVBOR") == 3
    assert "<script" not in page and "<b>roses" not in page and "<i>diverged" not in page
    assert "&lt;i&gt;diverged" in page and f"{report.value:.4f}" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "http" not in page.replace("http-equiv", "")
    assert not list((tmp_path / "old").glob(".fieldguide*"))


@pytest.mark.parametrize("trials", [0, 1])
def test_a_report_of_next_to_nothing(study: Study, trials: int) -> None:
    pytest.importorskip("matplotlib", reason="charts need the extra [train]")
    ended = run_trials(by_lr, study, Limits(trials), SilentProgress()) if trials else "time is up"
    report = summarise(study, ended)
    page = write_report(study, report, *ABOUT).read_text()
    assert "too few completed trials" in page
    assert (report.best, report.interval) == (0 if trials else None, None)
    assert ("No trial has finished yet" in page) == (not trials)


def test_searching_does_not_take_the_projects_lock(tmp_path: Path) -> None:
    from fieldguide.project import Project

    project = Project(tmp_path)
    with open_study(project.tune_folder, Plan(LR, "pictures")) as study:

        def objective(trial: RunningTrial) -> float:
            trial.folder.mkdir(parents=True)
            unfinished = trial.folder / ".fieldguide-checkpoint.tmp"
            unfinished.touch()
            with project.lock("collect"):
                pass
            assert unfinished.exists(), "another command does not sweep away what a trial is writing"
            return by_lr(trial)

        assert [row.state for row in run(study, 2, objective)] == ["complete"] * 2


def test_a_trial_of_another_process_is_running(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    trial = study.begin(1)
    assert isinstance(trial, RunningTrial)
    assert summarise(study, "time is up").trials["running"] == 1, "somebody holds it"
    trial.release()
    report = summarise(study, "time is up")
    assert (report.trials["running"], report.trials["stopped"]) == (0, 1)
    show("tune", report, as_json=False)
    output = capsys.readouterr().out
    assert "1 stopped" in output and "running" not in output and "run again" in output


def test_progress_counts_what_was_done_before(study: Study) -> None:
    run(study, 3)
    progress = RecordedLines()
    assert run_trials(by_lr, study, Limits(5), progress) == "all trials"
    assert progress.steps == 5 and len(study.rows()) == 5

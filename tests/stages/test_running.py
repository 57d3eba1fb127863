"""`train` and `tune` ended at any moment: run again, they end as if nobody had interrupted them."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from command import TIMEOUT_S, environment, set_key, start
from conftest import Pictures, make_project
from fieldguide.progress import SilentProgress
from fieldguide.stages.add import Terms, add
from fieldguide.stages.clean import clean
from fieldguide.stages.split import split
from fieldguide.stages.tune.study import TrialRow, read_row

pytest.importorskip("torch", reason="training needs the extra [train]")
pytest.importorskip("optuna", reason="tuning needs the extra [train]")

SCRIPT = Path(__file__).parents[1] / "kill_commands.py"
SPACE = """
[tune.space]
learner = ["transfer", "colour", "cnn"]
"loop.lr" = {low = 1e-3, high = 1e-1, log = true, only_if = {learner = "cnn"}}
"loop.batch_size" = {low = 8, high = 16, step = 4, only_if = {learner = "cnn"}}
head = {choices = ["linear", "mlp-halving"], only_if = {learner = "transfer"}}
"""
TINY = """
[tune.space]
learner = ["cnn"]
"loop.lr" = [0.001, 0.002]
"""


@pytest.fixture(scope="module")
def divided(pictures: Pictures, own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project of 3 classes of 8 pictures, divided, with small learners and many checkpoints."""
    base = tmp_path_factory.mktemp("divided")
    project = make_project(base / "place")
    set_key(project.settings_file, "features", 'runtime = "onnxruntime"')
    for line in ("size = 32", 'fit = "squash"', 'depth = "top"', "folds = 2"):
        set_key(project.settings_file, "train", line)
    for line in ("epochs = 3", "batch_size = 8", "checkpoint_s = 0.001", "threads = 1"):
        set_key(project.settings_file, "train.loop", line)
    for line in ('families = ["logistic"]', 'grid = "usual"'):
        set_key(project.settings_file, "train.colour", line)
    settings = project.settings()
    source = pictures(base / "source", per_class=8, side=64)
    add(project, settings, source, terms=Terms(licence="own"), progress=SilentProgress())
    clean(project, settings, progress=SilentProgress())
    split(project, settings, progress=SilentProgress())
    return project.root


def end_often(base: Path, folder: Path, kills: int, children: int, *arguments: str) -> list[Path]:
    """Return the project that was not killed, then those that were: see tests/kill_commands.py."""
    folder.mkdir()
    script_arguments = [str(value) for value in (base, folder, kills, 1, children)]
    result = subprocess.run(
        [sys.executable, SCRIPT, *script_arguments, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert result.returncode == 0, result.stderr
    assert int((folder / "kills").read_text()) >= kills
    return [folder / "calm", *sorted(folder.glob("killed-*"))]


def outcome(root: Path) -> dict[str, Any]:
    """Return what a training came to, but for names and times."""
    (run,) = [path for path in (root / "runs").iterdir() if (path / "run.json").exists()]
    assert [path.name for path in (root / "runs").iterdir()] == [run.name], "nothing unfinished is left"
    document = json.loads((run / "run.json").read_text())
    report = {name: value for name, value in document.pop("report").items() if name not in ("run", "seconds")}
    document.pop("name")
    with (run / "history.csv").open(newline="") as file:
        history = [
            {name: value for name, value in row.items() if name not in ("images_per_s", "seconds")}
            for row in csv.DictReader(file)
        ]
    files = {name: (run / name).read_bytes() for name in (document["file_name"], "predictions.csv", "balance.csv")}
    assert len(history) == 8 and report["learner"] == "cnn"
    return {"document": document, "report": report, "history": history, "files": files}


@pytest.mark.slow
@pytest.mark.parametrize("cross_validate", ["always", "never"])
def test_twenty_kills_of_train_change_nothing(divided: Path, tmp_path: Path, cross_validate: str) -> None:
    small = "--epochs", "8", "--set", "loop.batch_size=4", "--set", "size=64"
    arguments = "train", "--learner", "cnn", *small, "--set", f"cross_validate={cross_validate}"
    calm, *killed = (outcome(root) for root in end_often(divided, tmp_path / "kills", 20, 1, *arguments))
    assert calm["report"]["measured_by"] == {
        "always": "grouped cross-validation", "never": "validation split"
    }[cross_validate]  # fmt: skip
    for result in killed:
        assert result == calm


def searching(base: Path, root: Path, count: int, space: str) -> Path:
    """Copy a project, and let it search a space of its own."""
    shutil.copytree(base, root)
    set_key(root / "fieldguide.toml", "tune", f"trials = {count}")
    set_key(root / "fieldguide.toml", "train.loop", "epochs = 2")
    with (root / "fieldguide.toml").open("a") as file:
        file.write(space)
    return root


def trials(root: Path) -> list[TrialRow]:
    """Return the trials of the only search that a project has."""
    import optuna

    storage = f"sqlite:///{root / 'tune' / 'study.db'}"
    (name,) = optuna.get_all_study_names(storage)
    return [read_row(trial) for trial in optuna.load_study(study_name=name, storage=storage).get_trials()]


def table(root: Path) -> list[tuple[Any, ...]]:
    """Return the trials but for their times."""
    return [(row.number, row.state, row.params, row.value, row.steps, row.reason) for row in trials(root)]


@pytest.mark.slow
def test_twenty_kills_of_tune_change_nothing(divided: Path, tmp_path: Path) -> None:
    root = searching(divided, tmp_path / "place", 6, SPACE)
    calm, *killed = end_often(root, tmp_path / "kills", 20, 1, "tune")
    expected = table(calm)
    assert len(expected) == 6 and {row[1] for row in expected} <= {"complete", "pruned"}
    assert {row[2]["learner"] for row in expected} == {"transfer", "colour", "cnn"}
    for path in killed:
        assert table(path) == expected
        assert (path / "fieldguide.toml").read_text() == (calm / "fieldguide.toml").read_text()
        assert not list((path / "tune").glob("*/trial-*")), "nothing unfinished is left"


@pytest.mark.slow
def test_two_searches_at_once_share_the_trials(divided: Path, tmp_path: Path) -> None:
    root = searching(divided, tmp_path / "place", 6, SPACE)
    _, *killed = end_often(root, tmp_path / "kills", 6, 2, "tune")
    for path in killed:
        rows = trials(path)
        assert [row.number for row in rows] == list(range(6)), "none twice, none lost"
        assert {row.state for row in rows} <= {"complete", "pruned"}
        assert len({json.dumps(row.params, sort_keys=True) for row in rows}) == 6


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "tune"])
def test_an_interrupt_says_how_to_go_on_and_loses_nothing(divided: Path, tmp_path: Path, command: str) -> None:
    root, log = searching(divided, tmp_path / "place", 2, TINY), tmp_path / "log"
    set_key(root / "fieldguide.toml", "train.loop", "epochs = 12")
    arguments = [command, "-C", str(root)] + (["--learner", "cnn"] if command == "train" else [])
    with log.open("w") as file:
        process = start(*arguments, stderr=file)
    try:
        sign = "epoch 2 of 12"
        while sign not in log.read_text() and process.poll() is None:
            time.sleep(0.01)
            if command == "tune" and len(list(root.glob("tune/*/trial-*/whole/*.json"))) > 1:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    output = log.read_text()
    assert process.returncode == 130, output
    kept = {
        "tune": "it continues where it stopped",
        "train": "the features, checkpoints and folds that are finished are kept",
    }
    assert output.splitlines()[-2:] == ["fieldguide: stopped", f"  run the same command again: {kept[command]}"]
    assert "Traceback" not in output
    assert list(root.glob("runs/unfinished-*/whole/*.json") if command == "train" else root.glob("tune/*/trial-0/*"))
    result = subprocess.run([sys.executable, "-m", "fieldguide", *arguments], env=environment(), capture_output=True,
                          text=True, timeout=TIMEOUT_S)  # fmt: skip
    assert result.returncode == 0, result.stderr
    if command == "train":
        assert "epoch 1 of 12" not in result.stderr.partition("training")[2].partition("training")[0]
    else:
        assert [row.state for row in trials(root)] == ["complete"] * 2

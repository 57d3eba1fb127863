"""Wrong input to learning, as a person gives it: two lines that say what and what to do, no traceback."""

import io
import json
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from command import TIMEOUT_S, check_two_lines, environment, set_key
from conftest import Pictures, make_project
from fieldguide.cli import main
from fieldguide.learners.checkpoint import load_checkpoint
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.stages.add import Terms, add
from fieldguide.stages.clean import clean
from fieldguide.stages.split import split

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

CNN = ("--learner", "cnn", "--epochs", "2", "--set", "size=32", "--set", "loop.threads=1",
       "--set", "cross_validate=never")  # fmt: skip
COLOUR = ("--learner", "colour", "--set", 'colour.families=["logistic"]', "--set", "colour.grid=usual")


def run_here(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process, which has imported what takes so long."""
    command_line, out, err = [*map(str, arguments), "-C", str(root)], io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGINT)
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as caught:
            main(command_line)
    finally:
        signal.signal(signal.SIGINT, before)
    return subprocess.CompletedProcess(command_line, int(caught.value.code or 0), out.getvalue(), err.getvalue())


def divide(project: Project, source: Path) -> Path:
    """Add the pictures, clean and split them; return the folder of the project."""
    settings = project.settings()
    add(project, settings, source, terms=Terms(licence="own"), progress=SilentProgress())
    clean(project, settings, progress=SilentProgress())
    split(project, settings, progress=SilentProgress())
    return project.root


def move(root: Path, pictures: list[str], to: str) -> None:
    """Put the pictures into another split, as another program might."""
    with closing(sqlite3.connect(root / "catalog.db")) as database, database:
        database.executemany("UPDATE split SET split = ? WHERE sha256 = ?", [(to, sha256) for sha256 in pictures])


@pytest.fixture(scope="module")
def divided_once(pictures: Pictures, own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("bad")
    project = make_project(base / "place")
    set_key(project.settings_file, "features", 'runtime = "onnxruntime"')
    return divide(project, pictures(base / "source", per_class=8, side=64))


@pytest.fixture
def place(divided_once: Path, tmp_path: Path) -> Iterator[Path]:
    """Copy a project that is divided: 3 classes of 8 pictures."""
    shutil.copytree(divided_once, tmp_path / "place")
    yield tmp_path / "place"
    assert not list((tmp_path / "place").rglob("*.tmp"))


# ---- options and settings


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--learner", "color"], ["no learner called 'color'", "did you mean 'colour'?"]),
        (
            ["--backbone", "efficientnet_lite"],
            ["efficientnet_lite'", "did you mean efficientnet_lite2"],
        ),
        (["--backbone", "resnet18"], ["no weights for resnet18 are embedded", 'weights = "hub"', "path of a file"]),
        (["--set", "lop.lr=1"], ["train.lop", "did you mean 'loop'"]),
        (["--set", "loop.lrr=1"], ["train.loop.lrr", "did you mean 'lr'"]),
        (["--set", "loop.lr"], ["--set loop.lr", "KEY=VALUE"]),
        (["--set", "=1"], ["KEY=VALUE"]),
        (["--set", "loop.lr=nan"], ["train.loop.lr", "finite"]),
        (["--mode", "thawed"], ["train.mode", "unfreeze"]),
        (["--learner", "cnn", "--set", "loop.augment=wild"], ["train.loop.augment", "perspective-colour"]),
    ],
)
def test_options_that_cannot_be(place: Path, arguments: list[str], messages: list[str]) -> None:
    check_two_lines(run_here(place, "train", *arguments), 78, *messages)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_preview_is_drawn_and_nothing_learnt(place: Path) -> None:
    result = run_here(place, "train", "--preview", "--set", "loop.augment=strong")
    assert result.returncode == 0, result.stderr
    with Image.open(place / "preview.png") as sheet:
        assert sheet.format == "PNG" and min(sheet.size) > 300
    assert "preview.png: how strong changes 8 pictures" in result.stdout.replace("\n", "")
    assert not list(place.glob("runs/*"))


def test_a_gpu_that_is_not_there(place: Path) -> None:
    check_two_lines(run_here(place, "train", *CNN, "--set", "loop.device=cuda"), 78, "device cuda", 'device = "auto"')


def test_batches_of_one_picture(place: Path) -> None:
    check_two_lines(run_here(place, "train", *CNN, "--set", "loop.batch_size=1"), 78, "one picture", "batch_size = 2")


# ---- weights


@pytest.mark.parametrize("mode", ["frozen", "full"])
def test_weights_that_are_none(place: Path, tmp_path: Path, mode: str) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    arguments = "train", "--backbone", "resnet18", "--mode", mode, "--weights"
    check_two_lines(run_here(place, *arguments, tmp_path / "no.pt"), 67, "no.pt", "embedded")
    for name in ("evil.pt", "evil.pkl"):
        torch.save({"conv1.weight": Evil()}, tmp_path / name) if name.endswith("pt") else (tmp_path / name).write_bytes(
            pickle.dumps(Evil())
        )
        check_two_lines(
            run_here(place, *arguments, tmp_path / name), 65, name, "not a file of weights alone", "safetensors"
        )
    assert not (tmp_path / "ran").exists()
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pt")
    check_two_lines(run_here(place, *arguments, tmp_path / "other.pt"), 65, "other.pt", "conv1.weight is not in it")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    check_two_lines(run_here(place, *arguments, tmp_path / "cut.safetensors"), 65, "cut.safetensors")


@pytest.mark.parametrize("backbone", ["resnet18", "alexnet"])
def test_the_hub_offline_names_the_two_ways_on(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str
) -> None:
    import socket

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    result = run_here(place, "train", "--backbone", backbone, "--weights", "hub")
    check_two_lines(result, 68, f"weights of {backbone}", 'weights = "embedded"', "path of a file")


# ---- pictures


def test_one_class_left(tmp_path: Path, pictures: Pictures, own_cache: Path) -> None:
    project = make_project(tmp_path / "place", ["circle", "square"])
    source = pictures(tmp_path / "source", ["circle", "square"], per_class=6, side=64)
    root = divide(project, source)
    with project.catalog() as catalog:
        states = [state for state in catalog.states() if state.class_name == "square" and state.split != "test"]
    move(root, [state.sha256 for state in states], "test")
    for arguments in (COLOUR, CNN, ()):
        check_two_lines(run_here(root, "train", *arguments), 65, "one class", "another class")


def test_fewer_pictures_than_folds(tmp_path: Path, pictures: Pictures, own_cache: Path) -> None:
    """Three pictures of one class are the fewest that can be divided; two of them are learnt from, in 5 folds."""
    project = make_project(tmp_path / "place")
    source = pictures(tmp_path / "source", ["circle", "square"], per_class=8, side=64)
    pictures(tmp_path / "source", ["triangle"], per_class=3, side=64)
    root = divide(project, source)
    for arguments in (
        COLOUR,
        (*CNN[:-2], "--set", "cross_validate=always"),
        ("--set", "fit=squash", "--set", "size=64"),
    ):
        result = run_here(root, "train", *arguments, "--json")
        assert result.returncode == 0, result.stderr
        report = json.loads(result.stdout)
        assert report["measured"] == report["images"]
    result = run_here(root, "evaluate", "--json")
    assert result.returncode == 0, result.stderr
    numbers = json.loads((root / json.loads(result.stdout)["report"]).with_name("metrics.json").read_text())
    assert numbers["folds"] == 3, "those that were made, not those that were asked for"


def test_how_many_trainings_there_will_be_is_said_first(place: Path) -> None:
    result = run_here(place, "train", *CNN[:-2])
    assert result.returncode == 0, result.stderr
    lines = [line.strip() for line in result.stderr.splitlines()]
    (first,) = [line for line in lines if "trainings of 2 epochs" in line]
    (time,) = [line for line in lines if "together: about" in line]
    epoch = next(line for line in lines if line.startswith("epoch 1 of 2"))
    assert lines.index(first) < lines.index(epoch) < lines.index(time) + 2
    count = int(first.split()[0])
    assert count > 2
    assert time.startswith(f"all {count} together: about ")
    titles = [line for line in lines if line.startswith("training, fold")]
    assert [title.partition(":")[0] for title in titles] == [
        f"training, fold {number} of {count - 1}" for number in range(1, count)
    ]


# ---- trainings that go wrong


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(place: Path) -> None:
    diverging = "--epochs", "9", "--set", "loop.optimiser=sgd", "--set", "loop.lr=1000"
    result = run_here(place, "train", *CNN, *diverging, "--set", "loop.batch_size=4")
    check_two_lines(result, 15, "not a number in epoch", "step", "lower lr", "checkpoint is kept")
    (folder,) = place.glob("runs/unfinished-*")
    loaded = load_checkpoint(folder / "whole")
    assert loaded.checkpoint and not loaded.damaged
    assert all(bool(value.isfinite().all()) for part in loaded.checkpoint.tensors.values() for value in part.values())
    assert json.loads(run_here(place, "status", "--json").stdout)["stages"][2]["state"] == "not run"
    assert run_here(place, "train", *CNN).returncode == 0
    assert list(place.glob("runs/unfinished-*")) == [folder], "that of other settings stays"


def test_a_checkpoint_cut_short_gives_way_to_the_one_before(place: Path) -> None:
    diverging = "--epochs", "9", "--set", "loop.optimiser=sgd", "--set", "loop.lr=1000", "--set", "loop.batch_size=4"
    before = run_here(place, "train", *CNN, *diverging)
    newest = max(place.glob("runs/unfinished-*/whole/*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:500])
    after = run_here(place, "train", *CNN, *diverging)
    assert f"{newest.stem}.json is damaged" in after.stderr and "the one before it is used" in after.stderr
    assert after.returncode == 15 and after.stderr.splitlines()[-2] == before.stderr.splitlines()[-2]


def run_small(limit: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; none of its files may grow over a size."""
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); " \
        "from fieldguide.cli import main; main(sys.argv[2:])"  # fmt: skip
    command = [sys.executable, "-c", code, str(limit), *map(str, arguments)]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_S
    )


@pytest.mark.slow
@pytest.mark.parametrize("limit", [400_000, 3_000_000])
def test_no_space_for_a_training_loses_nothing(place: Path, limit: int) -> None:
    """The first limit is too small for a checkpoint, the second for its optimiser too."""
    result = run_small(limit, "train", *CNN, "-C", place)
    check_two_lines(result, 74, "no space", "same command")
    assert run_here(place, "train", *CNN).returncode == 0


# ---- tune


def test_a_search_that_cannot_be(place: Path) -> None:
    check_two_lines(run_here(place, "tune", "--preset", "usua"), 78, "tune.preset", "architectures")
    for space, messages in {
        '"loop.lrr" = [0.1]': ["tune.space.loop.lrr is no setting", "did you mean 'loop.lr'?"],
        '"loop.lr" = [0.1, -1.0]': ["train.loop.lr = -1"],
        'head = ["linear", "linaer"]': ["train.head", "mlp-halving"],
        'learner = ["cnn", "nobody"]': ["no learner called 'nobody'"],
        '"loop.lr" = {low = 0.1, high = 0.01}': ["tune.space.loop.lr", "low being the lower"],
        "mode = []": ["tune.space.mode", "list from 1"],
        '"loop.lr" = {low = 0.1, high = 1.0, only_if = {learner = "cnn"}}': ["'learner'", "not searched"],
    }.items():
        text = (place / "fieldguide.toml").read_text()
        (place / "fieldguide.toml").write_text(f"{text}\n[tune.space]\n{space}\n")
        check_two_lines(run_here(place, "tune"), 78, *messages)
        (place / "fieldguide.toml").write_text(text)
    assert not (place / "tune").exists()


def test_too_early(filled_project: Project) -> None:
    for command in ("tune", "compare", "train"):
        check_two_lines(run_here(filled_project.root, command), 5, "not split", "fieldguide")


# ---- compare


def test_runs_that_cannot_be_used(place: Path) -> None:
    check_two_lines(run_here(place, "compare", "--use", "nobody"), 5, "no run nobody", "fieldguide compare")
    assert run_here(place, "train", *COLOUR).returncode == 0
    (run,) = (place / "runs").iterdir()
    with Project(place).catalog() as catalog:
        state = next(state for state in catalog.states() if state.split == "train")
    move(place, [state.sha256], "val")
    check_two_lines(run_here(place, "compare", "--use", run.name), 5, "other pictures", "fieldguide train")


def test_a_run_damaged_by_hand(place: Path) -> None:
    for seed in ("1", "2", "3", "4", "5"):
        assert run_here(place, "train", *COLOUR, "--seed", seed).returncode == 0
    runs = sorted((place / "runs").iterdir())
    (runs[0] / "run.json").write_text("{")
    (runs[1] / "predictions.csv").write_text("sha256,split\nx,y\n")
    (runs[2] / "learnt.npz").write_bytes(b"PK")
    change(runs[3] / "run.json", "report", {})
    change(runs[4] / "run.json", "settings", {"learner": "nobody"})
    result = run_here(place, "compare", "--json")
    assert result.returncode == 0, result.stderr
    rows = {row["name"] for row in json.loads(result.stdout)["rows"]}
    assert not rows & {run.name for run in runs} and len(rows) == 2
    assert f"{runs[1].name} is left out" in result.stderr and f"{runs[4].name} is left out" in result.stderr
    for index, message in ((0, "not whole"), (2, "not whole"), (3, "not whole")):
        check_two_lines(run_here(place, "compare", "--use", runs[index].name), 5, runs[index].name, message)
    assert run_here(place, "train", *COLOUR, "--seed", "1").returncode == 0
    assert run_here(place, "evaluate").returncode == 0


def change(path: Path, key: str, value: object) -> None:
    """Change the value of a key of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

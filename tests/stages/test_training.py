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


def told(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The finished command, run in this process, which has imported what takes so long."""
    given, out, err = [*map(str, arguments), "-C", str(root)], io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGINT)
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as caught:
            main(given)
    finally:
        signal.signal(signal.SIGINT, before)
    return subprocess.CompletedProcess(given, int(caught.value.code or 0), out.getvalue(), err.getvalue())


def divide(project: Project, source: Path) -> Path:
    """The folder of the project, with these pictures, divided."""
    settings = project.settings()
    add(project, settings, source, terms=Terms(licence="own"), progress=SilentProgress())
    clean(project, settings, progress=SilentProgress())
    split(project, settings, progress=SilentProgress())
    return project.root


def move(root: Path, pictures: list[str], to: str) -> None:
    """Put the pictures into another split, as another program might."""
    with closing(sqlite3.connect(root / "catalog.db")) as database, database:
        database.executemany("UPDATE split SET split = ? WHERE sha256 = ?", [(to, one) for one in pictures])


@pytest.fixture(scope="module")
def once(pictures: Pictures, own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("bad")
    project = make_project(base / "place")
    set_key(project.settings_file, "features", 'runtime = "onnxruntime"')
    return divide(project, pictures(base / "source", per_class=8, side=64))


@pytest.fixture
def place(once: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of a project that is divided: 3 classes of 8 pictures."""
    shutil.copytree(once, tmp_path / "place")
    yield tmp_path / "place"
    assert not list((tmp_path / "place").rglob("*.tmp"))


# ---- options and settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--learner", "color"], ["no learner called 'color'", "did you mean 'colour'?"]),
        (["--backbone", "efficientnet_lite"], ["efficientnet_lite'", "did you mean efficientnet_lite0"]),
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
def test_options_that_cannot_be(place: Path, given: list[str], said: list[str]) -> None:
    check_two_lines(told(place, "train", *given), 78, *said)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_preview_is_drawn_and_nothing_learnt(place: Path) -> None:
    done = told(place, "train", "--preview", "--set", "loop.augment=strong")
    assert done.returncode == 0, done.stderr
    with Image.open(place / "preview.png") as sheet:
        assert sheet.format == "PNG" and min(sheet.size) > 300
    assert "preview.png: how strong changes 8 pictures" in done.stdout.replace("\n", "")
    assert not list(place.glob("runs/*"))


def test_a_gpu_that_is_not_there(place: Path) -> None:
    check_two_lines(told(place, "train", *CNN, "--set", "loop.device=cuda"), 78, "device cuda", 'device = "auto"')


def test_batches_of_one_picture(place: Path) -> None:
    check_two_lines(told(place, "train", *CNN, "--set", "loop.batch_size=1"), 78, "one picture", "batch_size = 2")


# ---- weights


@pytest.mark.parametrize("mode", ["frozen", "full"])
def test_weights_that_are_none(place: Path, tmp_path: Path, mode: str) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    given = "train", "--backbone", "resnet18", "--mode", mode, "--weights"
    check_two_lines(told(place, *given, tmp_path / "no.pt"), 67, "no.pt", "embedded")
    for name in ("evil.pt", "evil.pkl"):
        torch.save({"conv1.weight": Evil()}, tmp_path / name) if name.endswith("pt") else (tmp_path / name).write_bytes(
            pickle.dumps(Evil())
        )
        check_two_lines(told(place, *given, tmp_path / name), 65, name, "not a file of weights alone", "safetensors")
    assert not (tmp_path / "ran").exists()
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pt")
    check_two_lines(told(place, *given, tmp_path / "other.pt"), 65, "other.pt", "conv1.weight is not in it")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    check_two_lines(told(place, *given, tmp_path / "cut.safetensors"), 65, "cut.safetensors")


@pytest.mark.parametrize("backbone", ["resnet18", "alexnet"])
def test_the_hub_offline_names_the_two_ways_on(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str
) -> None:
    import socket

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    done = told(place, "train", "--backbone", backbone, "--weights", "hub")
    check_two_lines(done, 68, f"weights of {backbone}", 'weights = "embedded"', "path of a file")


# ---- pictures


def test_one_class_left(tmp_path: Path, pictures: Pictures, own_cache: Path) -> None:
    project = make_project(tmp_path / "place", ["circle", "square"])
    source = pictures(tmp_path / "source", ["circle", "square"], per_class=6, side=64)
    root = divide(project, source)
    with project.catalog() as catalog:
        gone = [one for one in catalog.states() if one.class_name == "square" and one.split != "test"]
    move(root, [one.sha256 for one in gone], "test")
    for given in (COLOUR, CNN, ()):
        check_two_lines(told(root, "train", *given), 65, "one class", "another class")


def test_fewer_pictures_than_folds(tmp_path: Path, pictures: Pictures, own_cache: Path) -> None:
    """Three pictures of one class are the fewest that can be divided; two of them are learnt from, in 5 folds."""
    project = make_project(tmp_path / "place")
    source = pictures(tmp_path / "source", ["circle", "square"], per_class=8, side=64)
    pictures(tmp_path / "source", ["triangle"], per_class=3, side=64)
    root = divide(project, source)
    for given in (COLOUR, (*CNN[:-2], "--set", "cross_validate=always"), ("--set", "fit=squash", "--set", "size=64")):
        done = told(root, "train", *given, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["measured"] == report["images"]
    done = told(root, "evaluate", "--json")
    assert done.returncode == 0, done.stderr
    numbers = json.loads((root / json.loads(done.stdout)["report"]).with_name("metrics.json").read_text())
    assert numbers["folds"] == 3, "those that were made, not those that were asked for"


# ---- trainings that go wrong


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(place: Path) -> None:
    lost = "--epochs", "9", "--set", "loop.optimiser=sgd", "--set", "loop.lr=1000"
    done = told(place, "train", *CNN, *lost, "--set", "loop.batch_size=4")
    check_two_lines(done, 15, "not a number in epoch", "step", "lower lr", "checkpoint is kept")
    (folder,) = place.glob("runs/unfinished-*")
    found = load_checkpoint(folder / "whole")
    assert found.checkpoint and not found.damaged
    assert all(bool(value.isfinite().all()) for part in found.checkpoint.tensors.values() for value in part.values())
    assert json.loads(told(place, "status", "--json").stdout)["stages"][2]["state"] == "not run"
    assert told(place, "train", *CNN).returncode == 0
    assert list(place.glob("runs/unfinished-*")) == [folder], "that of other settings stays"


def test_a_checkpoint_cut_short_gives_way_to_the_one_before(place: Path) -> None:
    lost = "--epochs", "9", "--set", "loop.optimiser=sgd", "--set", "loop.lr=1000", "--set", "loop.batch_size=4"
    first = told(place, "train", *CNN, *lost)
    newest = max(place.glob("runs/unfinished-*/whole/*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:500])
    again = told(place, "train", *CNN, *lost)
    assert f"{newest.stem}.json is damaged" in again.stderr and "the one before it is used" in again.stderr
    assert again.returncode == 15 and again.stderr.splitlines()[-2] == first.stderr.splitlines()[-2]


def run_small(limit: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The finished program, in which no file may grow over a size."""
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
    done = run_small(limit, "train", *CNN, "-C", place)
    check_two_lines(done, 74, "no space", "same command")
    assert told(place, "train", *CNN).returncode == 0


# ---- tune


def test_a_search_that_cannot_be(place: Path) -> None:
    check_two_lines(told(place, "tune", "--preset", "usua"), 78, "tune.preset", "architectures")
    for space, said in {
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
        check_two_lines(told(place, "tune"), 78, *said)
        (place / "fieldguide.toml").write_text(text)
    assert not (place / "tune").exists()


def test_too_early(filled_project: Project) -> None:
    for command in ("tune", "compare", "train"):
        check_two_lines(told(filled_project.root, command), 5, "not split", "fieldguide")


# ---- compare


def test_runs_that_cannot_be_used(place: Path) -> None:
    check_two_lines(told(place, "compare", "--use", "nobody"), 5, "no run nobody", "fieldguide compare")
    assert told(place, "train", *COLOUR).returncode == 0
    (run,) = (place / "runs").iterdir()
    with Project(place).catalog() as catalog:
        one = next(one for one in catalog.states() if one.split == "train")
    move(place, [one.sha256], "val")
    check_two_lines(told(place, "compare", "--use", run.name), 5, "other pictures", "fieldguide train")


def test_a_run_damaged_by_hand(place: Path) -> None:
    for seed in ("1", "2", "3", "4", "5"):
        assert told(place, "train", *COLOUR, "--seed", seed).returncode == 0
    runs = sorted((place / "runs").iterdir())
    (runs[0] / "run.json").write_text("{")
    (runs[1] / "predictions.csv").write_text("sha256,split\nx,y\n")
    (runs[2] / "learnt.npz").write_bytes(b"PK")
    change(runs[3] / "run.json", "report", {})
    change(runs[4] / "run.json", "settings", {"learner": "nobody"})
    done = told(place, "compare", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"] for row in json.loads(done.stdout)["rows"]}
    assert not rows & {run.name for run in runs} and len(rows) == 2
    assert f"{runs[1].name} is left out" in done.stderr and f"{runs[4].name} is left out" in done.stderr
    for place_of, said in ((0, "not whole"), (2, "not whole"), (3, "not whole")):
        check_two_lines(told(place, "compare", "--use", runs[place_of].name), 5, runs[place_of].name, said)
    assert told(place, "train", *COLOUR, "--seed", "1").returncode == 0
    assert told(place, "evaluate").returncode == 0


def change(path: Path, key: str, value: object) -> None:
    """Change the value of a key of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

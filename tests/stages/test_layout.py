"""Which folders are classes and which are splits: judged by the pictures, refused where it is not clear."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from command import check_two_lines, ran, run
from conftest import make_project, picture_bytes
from fieldguide.errors import InputUnusable
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import AddReport
from fieldguide.stages.add import Terms, add
from fieldguide.stages.add.layout import read_layout
from fieldguide.stages.add.splits import split_word

NAMES = ["rose", "tulip"]


class Heard(SilentProgress):
    """Remember what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Remember the line."""
        self.lines.append(line)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (
            "train",
            ["train", "Training", "train-set", "train_images", "TRAIN", "trainset", "train2017", "training data"],
        ),
        ("val", ["val", "valid", "validation", "dev", "val_images", "val2017", "validation-set"]),
        (
            "test",
            ["test", "testing", "test_images", "holdout", "hold-out", "held_out", "eval", "evaluation", "test set"],
        ),
        ("", ["rose", "trainer", "tests of time", "valley", "develop", "contest", "fold1", "", "evaluated"]),
    ],
)
def test_words_for_splits(split: str, words: list[str]) -> None:
    assert {word: split_word(word) for word in words} == dict.fromkeys(words, split)


@pytest.mark.parametrize(
    ("paths", "places"),
    [
        (["rose/1.jpg", "tulip/1.jpg"], [("rose", ""), ("tulip", "")]),
        (["train-set/rose/1.jpg", "holdout/rose/2.jpg"], [("rose", "train"), ("rose", "test")]),
        (["rose/train/1.jpg", "tulip/test/2.jpg", "rose/3.jpg"], [("rose", "train"), ("tulip", "test"), ("rose", "")]),
        (["rose/train/1.jpg", "rose/test/2.jpg"], [("rose", "train"), ("rose", "test")]),
        (["data/rose/1.jpg", "data/tulip/1.jpg", "LICENCE.txt"], [("rose", ""), ("tulip", "")]),
        (["d/v1/train/rose/1.jpg", "d/v1/test/rose/2.jpg", "d/README"], [("rose", "train"), ("rose", "test")]),
        (["bus/1.jpg", "train/1.jpg", "car/1.jpg"], [("bus", ""), ("train", ""), ("car", "")]),
        (["rose/close/1.jpg", "tulip/far/2.jpg"], [("rose", ""), ("tulip", "")]),
        (["flowers_train/rose/1.jpg", "flowers_test/rose/2.jpg"], [("rose", "train"), ("rose", "test")]),
        (["Train_flowers/rose/1.jpg", "Valid_flowers/rose/2.jpg"], [("rose", "train"), ("rose", "val")]),
        (["FlowersTrain/rose/1.jpg", "FlowersTest/rose/2.jpg"], [("rose", "train"), ("rose", "test")]),
        (["x-train-2019/rose/1.jpg", "x-test-2019/rose/2.jpg"], [("rose", "train"), ("rose", "test")]),
        (["seg_train/seg_train/rose/1.jpg", "seg_test/seg_test/rose/2.jpg"], [("rose", "train"), ("rose", "test")]),
        (["d/fl_train/rose/1.jpg", "d/fl_val/rose/2.jpg"], [("rose", "train"), ("rose", "val")]),
        (
            ["rose/rose_train/1.jpg", "rose/rose_test/2.jpg", "tulip/tulip_train/3.jpg", "tulip/tulip_test/4.jpg"],
            [("rose", "train"), ("rose", "test"), ("tulip", "train"), ("tulip", "test")],
        ),
        (
            ["crash test/1.jpg", "drive/1.jpg", "nuclear test/2.jpg"],
            [("crash test", ""), ("drive", ""), ("nuclear test", "")],
        ),
    ],
)
@pytest.mark.parametrize("names", [NAMES, []])
def test_layouts_that_are_understood(paths: list[str], places: list[tuple[str, str]], names: list[str]) -> None:
    if names and "bus/1.jpg" in paths:
        names = ["bus", "train", "car"]
    if names and "drive/1.jpg" in paths:
        names = ["crash test", "drive", "nuclear test"]
    layout = read_layout(paths, names, "", "auto", {})
    pictures = [path for path in paths if path.endswith(".jpg")]
    assert [layout.place(path) for path in pictures] == places


@pytest.mark.parametrize(
    "paths",
    [
        ["train/rose/1.jpg", "test/rose/2.jpg", "quarantine/rose/3.jpg"],
        ["train/rose/1.jpg", "bonus/rose/3.jpg"],
        ["rose/1.jpg", "tulip/1.jpg", "test/2.jpg"],
        ["fold1/rose/1.jpg", "fold2/rose/2.jpg"],
        ["rose/train/1.jpg", "rose/bonus/2.jpg"],
        ["rose/part1/1.jpg", "tulip/part2/2.jpg"],
        ["flowers_train/rose/1.jpg", "flowers_test/rose/2.jpg", "flowers_more/rose/3.jpg"],
        ["flowers/rose/1.jpg", "new_test/rose/2.jpg"],
    ],
)
def test_what_looks_like_a_split_is_not_guessed(paths: list[str]) -> None:
    with pytest.raises(InputUnusable) as caught:
        read_layout(paths, [], "", "auto", {})
    assert "--split-from" in caught.value.hint and "--layout" in caught.value.hint


def test_the_layout_can_be_said() -> None:
    paths = ["train/rose/1.jpg", "quarantine/rose/3.jpg"]
    layout = read_layout(paths, [], "", "auto", {"quarantine": "test"})
    assert [layout.place(path) for path in paths] == [("rose", "train"), ("rose", "test")]
    layout = read_layout(["rose/1.jpg", "test/2.jpg"], [], "", "class", {})
    assert layout.place("test/2.jpg") == ("test", "")
    with pytest.raises(InputUnusable, match="'quarantine' is not a word for a split"):
        read_layout(paths, [], "", "split/class", {})


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["rose_train/1.jpg", "rose_test/2.jpg", "tulip_train/3.jpg", "tulip_test/4.jpg"], "a class and a split"),
        (["flowers/rose/1.jpg", "flowers_test/rose/2.jpg"], "'flowers_test' looks like a split of 'flowers'"),
    ],
)
def test_names_that_say_a_split_beside_something_else_are_not_guessed(paths: list[str], words: str) -> None:
    with pytest.raises(InputUnusable, match=words):
        read_layout(paths, [], "", "auto", {})
    assert read_layout(paths, [], "", "class", {}).form == "class"


def test_a_folder_around_everything_that_is_called_as_a_split_is_told() -> None:
    paths = ["fl_test/rose/1.jpg", "fl_test/tulip/2.jpg"]
    assert "--split-from fl_test=test" in read_layout(paths, [], "", "auto", {}).describe(paths)[-1]
    layout = read_layout(paths, [], "", "auto", {"fl_test": "test"})
    assert [layout.place(path) for path in paths] == [("rose", "test"), ("tulip", "test")]


def test_thousands_of_pictures_do_not_go_under_the_names_of_data_sets() -> None:
    inside = {"flowers17": ("rose", "tulip"), "handbags": ("gucci", "prada")}
    few = [f"{top}/{name}/{number}.jpg" for top, names in inside.items() for name in names for number in range(3)]
    layout = read_layout(few, [], "", "auto", {})
    assert "'gucci', 'prada', 'rose' and 1 more" in layout.describe(few)[-1]
    many = [path.replace(".jpg", f"-{copy}.jpg") for path in few for copy in range(100)]
    with pytest.raises(InputUnusable, match="'flowers17', 'handbags' would be classes") as caught:
        read_layout(many, [], "", "auto", {})
    assert "--layout class" in caught.value.hint
    assert read_layout(many, [], "", "class", {}).place("flowers17/rose/0-1.jpg") == ("flowers17", "")
    assert read_layout(many, ["rose", "gucci"], "", "auto", {}).place("flowers17/rose/0-1.jpg") == ("rose", "")
    by_year = [f"{name}/{year}/{number}.jpg" for name in NAMES for year in (2020, 2021) for number in range(300)]
    assert read_layout(by_year, [], "", "auto", {}).place("rose/2020/0.jpg") == ("rose", "")


# ---- through the command


def fill(folder: Path, *places: str, first: int = 0) -> Path:
    """Put another picture at each place."""
    for number, place in enumerate(places, first):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture_bytes("circle", number))
    return folder


def put(project: Project, path: Path, progress: SilentProgress | None = None) -> AddReport:
    return add(project, project.settings(), path, terms=Terms(licence="own"), progress=progress or SilentProgress())


def test_held_out_pictures_keep_their_split_and_it_is_told_first(tmp_path: Path) -> None:
    places = [f"{split}/{name}/{split}.jpg" for split in ("train-set", "holdout") for name in NAMES]
    source = fill(tmp_path / "s", *places)
    project, heard = make_project(tmp_path / "p", tuple(NAMES)), Heard()
    report = put(project, source, heard)
    assert report.given_splits == {"train": 2, "test": 2}
    assert heard.lines[0].startswith("read as splits") and "test: holdout" in heard.lines[0]
    assert any("rose: 2, such as holdout/rose/holdout.jpg" in line for line in heard.lines)


def test_the_program_refuses_and_takes_the_answer(tmp_path: Path) -> None:
    source = fill(tmp_path / "s", "train/rose/1.jpg", "train/tulip/2.jpg", "bonus/rose/3.jpg")
    project = make_project(tmp_path / "p", tuple(NAMES))
    check_two_lines(run("add", source, "-C", project.root), 65, "'bonus'", "--split-from bonus=test")
    ran("add", source, "-C", project.root, "--split-from", "bonus=val")
    with project.catalog() as catalog:
        assert sorted(state.given_split for state in catalog.states()) == ["train", "train", "val"]
    check_two_lines(
        run("add", source, "-C", project.root, "--layout", "classes"), 65, "no layout 'classes'", "split/class"
    )
    check_two_lines(run("add", source, "-C", project.root, "--split-from", "bonus"), 65, "'bonus'", "holdout=test")


def test_several_folders_called_as_splits_are_those(tmp_path: Path) -> None:
    source = fill(tmp_path / "s", "fl_train/rose/1.jpg", "fl_train/tulip/2.jpg", "fl_test/rose/3.jpg")
    project, heard = make_project(tmp_path / "p", tuple(NAMES)), Heard()
    paths = (source / "fl_train", source / "fl_test")
    report = add(project, project.settings(), *paths, terms=Terms(licence="own"), progress=heard)
    assert report.given_splits == {"train": 2, "test": 1}
    assert any(line.startswith("read as the split test:") for line in heard.lines)


def test_one_folder_called_as_a_split_is_told_with_how_to_say_it(tmp_path: Path) -> None:
    source = fill(tmp_path / "s", "fl_test/rose/1.jpg", "fl_test/tulip/2.jpg") / "fl_test"
    project, heard = make_project(tmp_path / "p", tuple(NAMES)), Heard()
    assert put(project, source, heard).given_splits == {}
    assert "--split-from fl_test=test" in heard.lines[-1]
    ran("add", "-C", project.root, "--undo")
    ran("add", source, "-C", project.root, "--split-from", "fl_test=test")
    with project.catalog() as catalog:
        assert [state.given_split for state in catalog.states()] == ["test", "test"]


@pytest.mark.parametrize("stray", ["LICENCE.txt", "data/README", "data/labels.csv"])
def test_a_stray_file_hides_no_splits(tmp_path: Path, stray: str) -> None:
    source = fill(tmp_path / "s", "data/train/rose/1.jpg", "data/test/tulip/2.jpg")
    (source / stray).write_text("text")
    report = put(make_project(tmp_path / "p", tuple(NAMES)), source)
    assert report.given_splits == {"train": 1, "test": 1}
    shutil.make_archive(str(tmp_path / "s"), "gztar", source)
    report = put(make_project(tmp_path / "q", tuple(NAMES)), tmp_path / "s.tar.gz")
    assert report.given_splits == {"train": 1, "test": 1}


def test_a_project_among_the_pictures_is_left_out(tmp_path: Path) -> None:
    source = fill(tmp_path / "photos", "rose/1.jpg", "tulip/2.jpg")
    heard, project = Heard(), make_project(source / "guide-of-flowers", tuple(NAMES))
    put(project, source)
    report = put(project, source, heard)
    assert (report.known, report.refused) == (2, {})
    assert any("left out: guide-of-flowers/images" in line for line in heard.lines)


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", "1.jpg", "2.jpg", first=7)
    source = fill(tmp_path / "s", "tulip/3.jpg")
    (source / "rose").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (source / "tulip" / "again").symlink_to(source, target_is_directory=True)
    heard = Heard()
    report = put(make_project(tmp_path / "p", tuple(NAMES)), source, heard)
    assert report.taken == {"rose": 2, "tulip": 1}
    assert any("left out: tulip/again" in line for line in heard.lines)


def test_a_closed_folder_is_counted_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "s", "rose/1.jpg", "tulip/2.jpg")
    real = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path).name == "tulip":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    report = put(make_project(tmp_path / "p", tuple(NAMES)), source)
    assert report.taken == {"rose": 1} and report.refused == {"unreadable": 1}
    assert report.examples["unreadable"] == ("tulip/: Permission denied",)


@pytest.mark.parametrize("leftover", ["@eaDir", "lost+found", "__pycache__", "#recycle", "thumbnails"])
def test_leftovers_are_no_classes(tmp_path: Path, leftover: str) -> None:
    source = fill(tmp_path / "s", "rose/1.jpg", f"{leftover}/2.jpg", f"rose/{leftover}/3.jpg")
    report = put(make_project(tmp_path / "p", ()), source)
    assert report.taken == {"rose": 1}
    shutil.make_archive(str(tmp_path / "s"), "zip", source)
    assert put(make_project(tmp_path / "q", ()), tmp_path / "s.zip").taken == {"rose": 1}


def test_zip_names_in_utf8_without_the_flag(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pivoines-é/1.jpg", picture_bytes("circle", 0))
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(mark) + at
        data[place : place + 2] = (int.from_bytes(data[place : place + 2], "little") & ~0x800).to_bytes(2, "little")
    path.write_bytes(bytes(data))
    assert put(make_project(tmp_path / "p", ()), path).taken == {"pivoines-é": 1}

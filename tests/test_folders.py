"""Walking through folders: leftovers of other programs, projects, links, and what cannot be read."""

import errno
import os
from pathlib import Path

import pytest

from fieldguide.folders import is_leftover, project_keeps, walk
from fieldguide.project import Project


def make(folder: Path, *locations: str) -> Path:
    for location in locations:
        (folder / location).parent.mkdir(parents=True, exist_ok=True)
        (folder / location).write_bytes(b"x")
    return folder


def read(folder: Path, *keep: str) -> tuple[list[str], dict[str, str]]:
    files, skipped = walk(folder, keep)
    return [path.relative_to(folder).as_posix() for path in files], {item.location: item.reason for item in skipped}


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", ".@__thumb", "SYNOPHOTO_THUMB_M.jpg"),
        *("lost+found", "LOST.DIR", "FOUND.000", "$RECYCLE.BIN", "System Volume Information", "RECYCLER", "Icon\r"),
        *("__MACOSX", "._rose.jpg", ".DS_Store", ".AppleDouble", ".Trash-1000", "Network Trash Folder"),
        *("Thumbs.db", "thumbs.db", "ehthumbs.db", "Desktop.ini", ".picasa.ini", "Picasa.ini", "ZbThumbnail.info"),
        *(".thumbnails", "thumbnails", "Thumbs", "GOPR0001.THM", "Catalog Previews.lrdata", "AlbumArtSmall.jpg"),
        *("rose.jpg~", "rose.jpg_original", "#rose.jpg#", "~$list.xlsx", "__pycache__", "node_modules"),
    ],
)
def test_leftovers(name: str) -> None:
    assert is_leftover(name)


@pytest.mark.parametrize(
    "name",
    ["rose", "rose.jpg", "trash", "recycling", "the original", "a~b.jpg", "database", "images", "#1.jpg", "@home"],
)
def test_no_leftovers(name: str) -> None:
    assert not is_leftover(name)


def test_leftovers_are_left_out_of_a_walk_and_folders_of_them_are_told(tmp_path: Path) -> None:
    make(
        tmp_path,
        "rose/1.jpg",
        "rose/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
        "rose/Thumbs.db",
        ".git/x.png",
        "thumbs/1.jpg",
    )
    assert read(tmp_path) == (["rose/1.jpg"], {"rose/@eaDir": "leftover", "thumbs": "leftover"})
    assert read(tmp_path, "Thumbs")[0] == ["rose/1.jpg", "thumbs/1.jpg"], "a class may have such a name"
    assert read(tmp_path / "rose" / "@eaDir")[0] == [], "the files in it are leftovers themselves"
    assert read(tmp_path / "thumbs")[0] == ["1.jpg"], "whoever names such a folder means it"


def test_what_a_project_keeps_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, "rose/1.jpg", "plants/fieldguide.toml", "plants/catalog.db", "plants/images/ab/ab1.jpg")
    make(
        tmp_path, "plants/mine/2.jpg", "images/rose/3.jpg", "copy/guide.json", "copy/model.onnx", "copy/examples/4.jpg"
    )
    files, skipped = read(tmp_path)
    assert files == ["images/rose/3.jpg", "plants/mine/2.jpg", "rose/1.jpg"]
    assert skipped == {"plants/images": "project", "copy/examples": "project"}
    assert read(tmp_path / "plants") == (["mine/2.jpg"], {"images": "project"})


@pytest.mark.parametrize("name", ["clean", "review", "split", "compare", "exports"])
def test_what_other_commands_write_there_is_not_read_either(tmp_path: Path, name: str) -> None:
    make(tmp_path / "plants", "fieldguide.toml", "mine/2.jpg", f"{name}/images/rose/1.jpg")
    assert read(tmp_path / "plants") == (["mine/2.jpg"], {name: "project"})


def test_whatever_a_built_project_holds_is_its_own(built: Project) -> None:
    names = {path.name for path in built.root.iterdir()}
    assert {name for name in names if not project_keeps(name, names) and not name.startswith(".")} == set()
    names = {path.name for path in built.guide_folder.iterdir()}
    assert {name for name in names if not project_keeps(name, names)} == set()


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    inside, outside = tmp_path / "photos", tmp_path / "disk"
    make(outside, "tulip/1.jpg", "tulip/deep/2.jpg")
    make(inside, "rose/3.jpg")
    for name, target in {
        "tulip": outside / "tulip", "again": outside / "tulip", "alias": inside / "rose", "up": tmp_path,
        "rose/loop": inside, "gone": tmp_path / "nowhere", "self": inside / "self",
    }.items():  # fmt: skip
        (inside / name).symlink_to(target)
    (outside / "tulip" / "back").symlink_to(inside)
    (outside / "tulip" / "deep" / "top").symlink_to(outside / "tulip")
    files, skipped = read(inside)
    assert files == ["again/1.jpg", "again/deep/2.jpg", "gone", "rose/3.jpg", "self"]
    assert set(skipped.values()) == {"read_already"}
    assert set(skipped) == {"alias", "again/back", "again/deep/top", "rose/loop", "tulip", "up"}


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "rose/1.jpg", "secret/2.jpg", "tulip/3.jpg")
    scan = os.scandir

    def scan_as_stranger(path: Path) -> "os._ScandirIterator[str]":
        if Path(path).name == "secret":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_as_stranger)
    files, skipped = walk(tmp_path)
    assert [path.name for path in files] == ["1.jpg", "3.jpg"]
    assert [(item.location, item.reason, item.detail) for item in skipped] == [
        ("secret", "unreadable", "Permission denied")
    ]
    with pytest.raises(PermissionError):
        walk(tmp_path / "secret")

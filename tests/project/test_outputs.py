"""Folders that are made to be handed on: never where the project keeps its own, never over files of a person's own."""

from pathlib import Path

import pytest

from fieldguide.errors import InputUnusable, ProjectExists
from fieldguide.project.outputs import check_place, hash_files, is_whole, read_replaceable, write_record

KEYS = ("digest",)


def written(folder: Path, **record: object) -> Path:
    """Write two files and a record of them."""
    (folder / "below").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "below" / "b.txt").write_text("b")
    write_record(folder, {"digest": "x", **(record or {"hashes": hash_files(folder)})})
    return folder


@pytest.mark.parametrize("place", [".", "..", "guide", "runs/x", "images", "scaled"])
def test_the_projects_own_folders_are_refused(tmp_path: Path, place: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    with pytest.raises(InputUnusable, match="keeps its own files") as caught:
        check_place(root, root / place)
    assert "--out" in caught.value.hint


def test_a_link_into_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project" / "guide").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "project" / "guide")
    with pytest.raises(InputUnusable, match="keeps its own files"):
        check_place(tmp_path / "project", tmp_path / "link")


@pytest.mark.parametrize("place", ["exports/x", "site", "../beside"])
def test_other_folders_are_free(tmp_path: Path, place: str) -> None:
    check_place(tmp_path / "project", tmp_path / "project" / place)


def test_nothing_there_and_nothing_in_it_can_be_replaced(tmp_path: Path) -> None:
    assert read_replaceable(tmp_path / "none", KEYS) is None
    (tmp_path / "empty").mkdir()
    assert read_replaceable(tmp_path / "empty", KEYS) is None


@pytest.mark.parametrize("record", [{}, {"files": 2}])
def test_what_an_export_wrote_can_be_replaced(tmp_path: Path, record: dict[str, object]) -> None:
    found = read_replaceable(written(tmp_path / "out", **record), KEYS)
    assert found is not None and found["digest"] == "x"


@pytest.mark.parametrize("record", [{}, {"files": 2}])
def test_a_file_of_a_persons_own_stays(tmp_path: Path, record: dict[str, object]) -> None:
    out = written(tmp_path / "out", **record)
    (out / "below" / "mine.txt").write_text("mine")
    with pytest.raises(ProjectExists, match="did not write"):
        read_replaceable(out, KEYS)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', '{"digest": "x"}', '{"hashes": {}}', '{"digest": 1, "files": "2"}']
)
def test_a_folder_without_a_record_is_not_touched(tmp_path: Path, text: str) -> None:
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(ProjectExists, match="no export wrote"):
        read_replaceable(tmp_path, KEYS)
    with pytest.raises(InputUnusable, match="is a file"):
        read_replaceable(tmp_path / "export.json", KEYS)


def test_an_export_is_whole_as_long_as_no_file_changed(tmp_path: Path) -> None:
    out = written(tmp_path / "out")
    record = read_replaceable(out, KEYS)
    assert record is not None and is_whole(out, record)
    (out / "a.txt").write_text("b")
    assert not is_whole(out, record)
    (out / "a.txt").unlink()
    assert not is_whole(out, record)

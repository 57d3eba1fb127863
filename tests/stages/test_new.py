"""A new project: what it holds, and that nothing is ever overwritten."""

from pathlib import Path

import pytest

from fieldguide.errors import NamesError, NoPermission, ProjectExists
from fieldguide.names import read_names
from fieldguide.project import find_project
from fieldguide.settings import ClassSettings
from fieldguide.stages.new import new


def test_a_project_says_what_it_was_given(tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text('name,about,link\ncat,"It ""purrs"".",https://a.example\nKäfer,,\n')
    folder = tmp_path / "deep" / "Tiere"
    report = new(folder, read_names(str(names)), about="Animals.", changed={"train": {"fit": "pad"}})
    assert report.class_names == ("cat", "Käfer")
    project = find_project(folder)
    settings = project.settings()
    assert (settings.name, settings.about, settings.train.fit) == ("Tiere", "Animals.", "pad")
    assert settings.classes["cat"] == ClassSettings(about='It "purrs".', links=("https://a.example",))
    assert list(settings.classes) == ["cat", "Käfer"]
    with project.catalog() as catalog:
        assert catalog.hashes() == set()


def test_without_names_it_takes_the_labels_that_come(tmp_path: Path) -> None:
    new(tmp_path / "x", {})
    assert find_project(tmp_path / "x").settings().classes == {}


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    new(tmp_path / "x", {"a": {}, "b": {}})
    assert (tmp_path / "x" / "fieldguide.toml").is_file()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    new(tmp_path / "x", {"a": {}, "b": {}})
    before = (tmp_path / "x" / "fieldguide.toml").read_bytes()
    with pytest.raises(ProjectExists, match="a project"):
        new(tmp_path / "x", {"c": {}, "d": {}})
    assert (tmp_path / "x" / "fieldguide.toml").read_bytes() == before
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "letter").write_text("dear")
    with pytest.raises(ProjectExists, match="holds files"):
        new(tmp_path / "y", {"a": {}, "b": {}})
    with pytest.raises(ProjectExists, match="is a file"):
        new(tmp_path / "y" / "letter", {"a": {}, "b": {}})
    assert (tmp_path / "y" / "letter").read_text() == "dear"


def test_what_is_said_of_a_name_has_bounds_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(NamesError, match="about"):
        new(tmp_path / "x", {"a": {"about": "x" * 2001}, "b": {}})
    new(tmp_path / "x", {"a": {}, "b": {}})


def test_a_long_folder_name_is_no_reason_to_fail(tmp_path: Path) -> None:
    new(tmp_path / ("n" * 230), {"a": {}, "b": {}})
    assert find_project(tmp_path / ("n" * 230)).settings().name.startswith("nnn")


def test_a_place_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> None:
        raise PermissionError(13, "no", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(NoPermission):
        new(tmp_path / "x", {"a": {}, "b": {}})

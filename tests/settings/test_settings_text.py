"""Changing fieldguide.toml: comments and order stay, what cannot be is refused and the file untouched."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from fieldguide.errors import NoPermission, ProjectTooNew, SettingsError
from fieldguide.project import Project
from fieldguide.settings import Settings, load_settings, render_settings

MINE = """# what I grow
name = "roses"  # of my garden

[split] # as agreed with Ann
test = 0.3   # not less
# val = a fifth, says Ann

[train]
size = 224
"""


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "fieldguide.toml"
    path.write_bytes(text.encode())
    return path


def test_comments_and_order_stay(tmp_path: Path) -> None:
    path = file(tmp_path, MINE)
    Project(path.parent).write_settings({"train.size": 256, "split.test": 0.25, "train.fit": "pad"})
    expected = MINE.replace("size = 224", 'size = 256\nfit = "pad"').replace("0.3 ", "0.25 ")
    assert path.read_text() == expected
    assert load_settings(path).train.fit == "pad"


def test_a_default_that_stands_as_a_comment_comes_alive_in_its_place(tmp_path: Path) -> None:
    text = render_settings(Settings(name="roses"))
    path = file(tmp_path, text)
    Project(path.parent).write_settings({"train.strengths": (0.5, 1.0), "evaluate.folds": 3})
    before, after = text.splitlines(), path.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.split("  #")[0] for _, new in changed] == ["strengths = [0.5, 1.0]", "folds = 3"]
    assert [old.rpartition("#")[2] for old, _ in changed] == [new.rpartition("#")[2] for _, new in changed]
    assert load_settings(path).train.folds == Settings().train.folds, "a key of the same name elsewhere is another"


def test_a_table_is_made_where_it_is_missing(tmp_path: Path) -> None:
    path = file(tmp_path, MINE)
    Project(path.parent).write_settings({"tune.trials": 7, "tune.space": {"fit": ["pad", "crop"]}, "seed": 3})
    assert path.read_text().startswith("# what I grow\n")
    settings = load_settings(path)
    assert (settings.tune.trials, settings.tune.space, settings.seed) == (7, {"fit": ["pad", "crop"]}, 3)
    assert (settings.name, settings.split.test, settings.train.size) == ("roses", 0.3, 224)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train.fitt": "pad"}, "did you mean 'fit'"),
        ({"trian.fit": "pad"}, "did you mean 'train'"),
        ({"train.size": 1000}, "640"),
        ({"train.fit": "pad", "split.test": 2.0}, "has to be from 0.02 to 0.45"),
        ({"name.first": "x"}, "name is a value, not a table"),
    ],
)
def test_what_cannot_be_is_refused_and_the_file_untouched(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    path = file(tmp_path, MINE)
    with pytest.raises(SettingsError) as caught:
        Project(path.parent).write_settings(changed)
    assert message in f"{caught.value.message} {caught.value.hint}"
    assert path.read_text() == MINE
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("text", "error"), [("name = \n", SettingsError), ("schema_version = 99\n", ProjectTooNew)]
)  # fmt: skip
def test_a_file_that_is_not_sound_is_left_alone(tmp_path: Path, text: str, error: type[Exception]) -> None:
    path = file(tmp_path, text)
    with pytest.raises(error):
        Project(path.parent).write_settings({"seed": 3})
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        'train = {size = 224, fit = "crop"} # short\n',
        "train.size = 224\ntrain.folds = 3\n",
        '[train]\r\n# fit = "auto"  # how\r\nsize = 224\r\n',
        "[train]\n# fit = great, I think\nsize = 224\n",
        '[split]\ntest = 0.3\n[tune.space]\nfit = ["crop"]\n[train]\nsize = 224',
    ],
)
def test_any_way_of_writing(tmp_path: Path, text: str) -> None:
    path = file(tmp_path, text)
    Project(path.parent).write_settings({"train.fit": "pad", "tune.minutes": 1.5})
    expected = tomllib.loads(text)
    expected.setdefault("train", {})["fit"] = "pad"
    expected.setdefault("tune", {})["minutes"] = 1.5
    assert tomllib.loads(path.read_bytes().decode()) == expected
    assert (b"\r\n" in path.read_bytes()) == ("\r\n" in text)
    for remark in ("# short", "great, I think"):
        assert (remark in text) == (remark in path.read_text())


def test_nothing_changed_is_nothing_written(tmp_path: Path) -> None:
    path = file(tmp_path, MINE)
    inode = path.stat().st_ino
    Project(path.parent).write_settings({"train.size": 224})
    Project(path.parent).write_settings({})
    assert path.stat().st_ino == inode


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path, MINE)

    def refuse(**_: object) -> tuple[int, str]:
        raise PermissionError(13, "no", str(tmp_path))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(NoPermission):
        Project(path.parent).write_settings({"seed": 3})
    assert path.read_text() == MINE


def test_an_edit_that_loses_something_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path, MINE)
    monkeypatch.setattr("tomlkit.dumps", lambda _: "seed = 3\n")
    with pytest.raises(SettingsError, match="cannot be edited here") as caught:
        Project(path.parent).write_settings({"seed": 3})
    assert caught.value.hint == "set by hand: seed = 3"
    assert path.read_text() == MINE


def test_a_file_with_a_byte_order_mark_is_edited(tmp_path: Path) -> None:
    path = tmp_path / "fieldguide.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "Birds"  # mine\r\n')
    Project(tmp_path).write_settings({"train.size": 224})
    settings = Project(tmp_path).settings()
    assert (settings.name, settings.train.size) == ("Birds", 224)
    assert b"# mine\r\n" in path.read_bytes()

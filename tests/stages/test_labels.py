"""Labels that change: corrected folders, other labels, names taken out, and additions that are taken back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import make_project, picture_bytes
from fieldguide.errors import NotReady
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import load_dataset
from fieldguide.records import AddReport, ImageRow, Label, Origin
from fieldguide.settings import ClassSettings, Settings, render_settings
from fieldguide.stages.add import Terms, add, undo
from fieldguide.stages.clean import clean
from fieldguide.stages.split import split

ROSE = "circle"  # what is drawn where the folder says rose
TULIP = "square"


def put(project: Project, *paths: Path, settings: Settings | None = None, **terms: object) -> AddReport:
    chosen = replace(Terms(), **terms)  # type: ignore[arg-type]
    return add(project, settings or project.settings(), *paths, terms=chosen, progress=SilentProgress())


def take_back(project: Project, number: int | None = None) -> AddReport:
    return undo(project, project.settings(), number=number, progress=SilentProgress())


def labels(project: Project) -> list[tuple[str, ...]]:
    with project.catalog() as catalog:
        return sorted(tuple(sorted(names)) for names in catalog.labels().values())


def rejected(project: Project) -> dict[str, int]:
    return clean(project, project.settings(), progress=SilentProgress()).rejected


def photos(folder: Path, rose: Sequence[int] = (0, 1, 2), tulip: Sequence[int] = (0, 1, 2)) -> Path:
    for class_name, shape, numbers in (("rose", ROSE, rose), ("tulip", TULIP, tulip)):
        (folder / class_name).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / class_name / f"{shape}{number}.png").write_bytes(picture_bytes(shape, number))
    return folder


def rename_class(project: Project, before: str, after: str | None) -> None:
    names = [after if name == before else name for name in project.settings().classes]
    project.settings_file.write_text(render_settings(Settings(name="x", classes={
        name: ClassSettings() for name in names if name
    })), encoding="utf-8")  # fmt: skip


@pytest.fixture(params=[(), ("rose", "tulip")], ids=["any names", "two names"])
def flowers(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", request.param)


# ---- a source that was corrected


def test_a_picture_moved_to_the_right_folder_has_the_new_label(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    put(flowers, source)
    (source / "rose" / "circle1.png").rename(source / "tulip" / "circle1.png")
    report = put(flowers, source)
    assert (report.taken, report.known, report.relabelled, report.conflicts) == ({}, 5, {"tulip": 1}, 0)
    assert report.examples["relabelled"] == ("tulip/circle1.png: was 'rose'",)
    assert labels(flowers) == [("rose",)] * 2 + [("tulip",)] * 4
    assert rejected(flowers) == {}
    assert put(flowers, source).number == 0, "nothing is left to say"


def test_two_pictures_of_one_name_that_change_places(flowers: Project, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    places = [source / "rose" / "1.png", source / "tulip" / "1.png"]
    contents = [picture_bytes(ROSE, 1), picture_bytes(TULIP, 1)]
    for place, data in zip(places, contents[::-1], strict=True):
        place.parent.mkdir(parents=True)
        place.write_bytes(data)
    put(flowers, source)
    for place, data in zip(places, contents, strict=True):
        place.write_bytes(data)
    report = put(flowers, source)
    assert (report.relabelled, report.conflicts) == ({"rose": 1, "tulip": 1}, 0)
    assert labels(flowers) == [("rose",), ("tulip",)]


def test_a_renamed_class_folder_renames_the_class(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", [])
    source = photos(tmp_path / "photos")
    put(project, source)
    (source / "rose").rename(source / "dog rose")
    assert put(project, source).relabelled == {"dog rose": 3}
    assert labels(project) == [("dog rose",)] * 3 + [("tulip",)] * 3
    assert rejected(project) == {}


def test_a_picture_in_a_folder_around_the_one_that_was_added(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    put(flowers, source)
    (source / "rose" / "circle1.png").rename(source / "tulip" / "circle1.png")
    assert put(flowers, source / "tulip", class_name="tulip").relabelled == {"tulip": 1}


def test_a_picture_copied_into_another_folder_still_stands_in_the_first(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    put(flowers, source)
    (source / "tulip" / "copy.png").write_bytes((source / "rose" / "circle1.png").read_bytes())
    report = put(flowers, source / "tulip", class_name="tulip")
    assert (report.relabelled, report.conflicts) == ({}, 1)


def test_a_class_named_wrongly_for_a_whole_folder(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos") / "rose"
    put(flowers, source, class_name="tulip")
    assert put(flowers, source, class_name="rose").relabelled == {"rose": 3}
    assert labels(flowers) == [("rose",)] * 3


def test_a_corrected_table(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    table = source / "list.csv"
    table.write_text("path,label\nrose/circle0.png,tulip\ntulip/square0.png,tulip\n", encoding="utf-8")
    put(flowers, table)
    table.write_text("path,label\nrose/circle0.png,rose\ntulip/square0.png,tulip\n", encoding="utf-8")
    assert put(flowers, table).relabelled == {"rose": 1}
    assert labels(flowers) == [("rose",), ("tulip",)]


def splits(project: Project) -> dict[str, int]:
    with project.catalog() as catalog:
        return Counter(state.given_split for state in catalog.states())


def test_a_picture_moved_to_another_split_is_in_that_one(flowers: Project, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    photos(source / "train")
    photos(source / "test", rose=(7,), tulip=(7,))
    put(flowers, source, author="me", licence="own")
    assert splits(flowers) == {"train": 6, "test": 2}
    (source / "train" / "rose" / "circle1.png").rename(source / "test" / "rose" / "circle1.png")
    report = put(flowers, source)
    assert (report.known, report.relabelled) == (8, {})
    assert splits(flowers) == {"train": 5, "test": 3}
    with flowers.catalog() as catalog:
        assert {origin.author for origin in catalog.origins() if origin.given_split == "train"} == {"me"}
        moved = [origin for origin in catalog.origins() if origin.location.endswith("rose/circle1.png")]
        assert [(origin.licence, origin.given_split) for origin in moved] == [("", "test"), ("own", "")]


def test_a_corrected_column_of_splits(flowers: Project, tmp_path: Path) -> None:
    table = photos(tmp_path / "photos") / "list.csv"
    for split_name in ("train", "test"):
        table.write_text(f"path,label,split\nrose/circle0.png,rose,{split_name}\n", encoding="utf-8")
        put(flowers, table)
        assert splits(flowers) == {split_name: 1}


# ---- a picture under another label


def test_a_picture_known_under_another_label_is_told_and_left_out(flowers: Project, tmp_path: Path) -> None:
    put(flowers, photos(tmp_path / "photos"))
    other = tmp_path / "other"
    (other / "tulip").mkdir(parents=True)
    (other / "tulip" / "mine.png").write_bytes(picture_bytes(ROSE, 1))
    report = put(flowers, other)
    assert (report.known, report.relabelled, report.conflicts) == (0, {}, 1)
    assert report.examples["other_label"] == ("tulip/mine.png: known as 'rose'",)
    assert rejected(flowers) == {"two_labels": 1}
    assert put(flowers, other, relabel=True).relabelled == {"tulip": 1}
    assert labels(flowers) == [("rose",)] * 2 + [("tulip",)] * 4
    assert rejected(flowers) == {}


def test_one_picture_is_relabelled_from_the_project_itself(flowers: Project, tmp_path: Path) -> None:
    put(flowers, photos(tmp_path / "photos"))
    with flowers.catalog() as catalog:
        sha256 = next(sha256 for sha256, names in sorted(catalog.labels().items()) if names == {"rose"})
        original = flowers.image_path(sha256, catalog.images()[sha256].format)
    assert put(flowers, original, class_name="tulip", relabel=True).relabelled == {"tulip": 1}
    assert labels(flowers) == [("rose",)] * 2 + [("tulip",)] * 4


def test_one_source_that_shows_a_picture_under_two_labels(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    second = source / "tulip" / "circle1.png"
    second.write_bytes(picture_bytes(ROSE, 1))
    for relabel in (False, True):
        assert put(flowers, source, relabel=relabel).conflicts > 0
        assert rejected(flowers) == {"two_labels": 1}, "no label is newer than the other"
    second.unlink()
    assert put(flowers, source).relabelled == {"rose": 1}, "the folder was put in order"
    assert rejected(flowers) == {}


def test_names_taken_out_of_the_settings_do_not_conflict(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ["rose", "tulip", "weed"])
    source = photos(tmp_path / "photos", rose=range(4), tulip=range(4))
    put(project, source)
    other = tmp_path / "other" / "weed"
    other.mkdir(parents=True)
    (other / "x.png").write_bytes(picture_bytes(ROSE, 1))
    assert put(project, other.parent).conflicts == 1
    assert rejected(project) == {"two_labels": 1}
    rename_class(project, "weed", None)
    assert rejected(project) == {}
    split(project, project.settings(), progress=SilentProgress())
    with project.catalog() as catalog:
        assert load_dataset(catalog).class_names == ("rose", "tulip")
        assert len(load_dataset(catalog).images) == 8


def test_a_class_renamed_in_the_settings_and_on_the_disk(tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    project = make_project(tmp_path / "project", ["rose", "tulip"])
    put(project, source)
    rename_class(project, "rose", "dog rose")
    (source / "rose").rename(source / "dog rose")
    report = put(project, source)
    assert (report.relabelled, report.conflicts) == ({"dog rose": 3}, 0)
    assert report.examples["relabelled"][0] == "dog rose/circle0.png: was 'rose'"
    assert rejected(project) == {}


def test_what_a_person_decided_stays(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    put(flowers, source)
    with flowers.catalog() as catalog:
        sha256, image = next(iter(catalog.images().items()))
        (before,) = catalog.labels()[sha256]
        origin = next(origin for origin in catalog.origins() if origin.sha256 == sha256)
        other = {"rose": "tulip", "tulip": "rose"}[before]
        row: tuple[ImageRow, Origin, Label] = (image, origin, Label(sha256, other, "person", replaces=True))
        catalog.add_images([row], flowers.now())
    report = put(flowers, source, relabel=True)
    assert (report.conflicts, report.known) == (1, 5)
    assert f"a person decided that it is '{other}'" in report.examples["other_label"][0]
    with flowers.catalog() as catalog:
        assert catalog.labels()[sha256] == {other}


# ---- taking back


def test_the_last_addition_is_taken_back(flowers: Project, tmp_path: Path) -> None:
    put(flowers, photos(tmp_path / "photos"))
    before = labels(flowers)
    report = put(flowers, photos(tmp_path / "more", rose=(7, 8), tulip=(7,)))
    originals = sorted(path.name for path in flowers.root.glob("images/*/*"))
    undone = take_back(flowers)
    assert (undone.number, undone.path) == (report.number, str(tmp_path / "more"))
    assert (undone.removed, undone.restored) == ({"rose": 2, "tulip": 1}, {})
    assert labels(flowers) == before
    with flowers.catalog() as catalog:
        assert len(catalog.states()) == len(catalog.images()) == len(catalog.hashes()) == len(catalog.origins()) == 6
    assert sorted(path.name for path in flowers.root.glob("images/*/*")) == originals, "no original is deleted"
    assert put(flowers, tmp_path / "more").taken == {"rose": 2, "tulip": 1}, "it can be added again"


def test_what_was_checked_and_split_before_is_as_if_it_had_never_been_added(flowers: Project, tmp_path: Path) -> None:
    put(flowers, photos(tmp_path / "photos", rose=range(4), tulip=range(4)))
    kept = clean(flowers, flowers.settings(), progress=SilentProgress()).kept
    put(flowers, photos(tmp_path / "more", rose=(7, 8), tulip=(7,)))
    assert clean(flowers, flowers.settings(), progress=SilentProgress()).kept != kept
    split(flowers, flowers.settings(), progress=SilentProgress())
    take_back(flowers)
    assert clean(flowers, flowers.settings(), progress=SilentProgress()).kept == kept
    split(flowers, flowers.settings(), progress=SilentProgress())
    with flowers.catalog() as catalog:
        assert len(load_dataset(catalog).images) == 8


def test_what_is_added_again_after_an_undo_has_the_new_terms(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    put(flowers, source, author="somebody", licence="CC0-1.0")
    take_back(flowers)
    put(flowers, source, author="me")
    with flowers.catalog() as catalog:
        assert {(origin.author, origin.licence) for origin in catalog.origins()} == {("me", "")}


def test_an_addition_is_taken_back_by_its_number(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    put(flowers, source)
    put(flowers, photos(tmp_path / "more", rose=(0, 7), tulip=(7,)))
    (source / "rose" / "circle1.png").rename(source / "tulip" / "circle1.png")
    assert put(flowers, source).number == 3
    undone = take_back(flowers, 3)
    assert (undone.removed, undone.restored) == ({"tulip": 1}, {"rose": 1})
    assert take_back(flowers, 1).removed == {"rose": 2, "tulip": 3}, "what another addition brought too stays"
    assert labels(flowers) == [("rose",)] * 2 + [("tulip",)]
    with flowers.catalog() as catalog:
        assert {origin.location for origin in catalog.origins()} == {
            "rose/circle0.png", "rose/circle7.png", "tulip/square7.png",
        }  # fmt: skip


def test_what_cannot_be_taken_back(flowers: Project, tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no addition to undo"):
        take_back(flowers)
    put(flowers, photos(tmp_path / "photos"))
    with pytest.raises(NotReady, match="no addition 2") as caught:
        take_back(flowers, 2)
    assert f"1 ({tmp_path / 'photos'}" in caught.value.hint
    take_back(flowers, 1)
    with pytest.raises(NotReady):
        take_back(flowers, 1)


def test_the_wrong_level_of_a_tree(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", [])
    photos(tmp_path / "garden" / "2021", rose=(0, 1, 2), tulip=(0, 1, 2))
    photos(tmp_path / "garden" / "2022", rose=(3, 4), tulip=(3, 4))
    wrong = put(project, tmp_path / "garden" / "2021" / "rose", tmp_path / "garden" / "2022", class_name="2021")
    assert wrong.taken == {"2021": 7}
    assert take_back(project).removed == {"2021": 7}, "several paths are one addition"
    report = put(project, tmp_path / "garden" / "2021", tmp_path / "garden" / "2022")
    assert (report.taken, report.conflicts, report.known) == ({"rose": 5, "tulip": 5}, 0, 0)


def test_pictures_of_an_older_catalogue_keep_their_labels(flowers: Project, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    put(flowers, source)
    with flowers.catalog() as catalog:  # as a version without additions left it
        catalog.write("UPDATE labelling SET addition = 0, source = '', location = ''", [()])
        catalog.write("DELETE FROM addition", [()])
    report = put(flowers, source)
    assert (report.known, report.conflicts) == (6, 0)
    (source / "rose" / "circle1.png").rename(source / "tulip" / "circle1.png")
    assert put(flowers, source).relabelled == {"tulip": 1}
    assert take_back(flowers).restored == {"rose": 1}


# ---- names that differ by their spelling


@pytest.mark.parametrize("names", [(), ("t-shirt", "rose")])
@pytest.mark.parametrize(
    "spellings", [("t-shirt", "t shirt", "T_Shirt"), ("T-shirt", "t-shirt")], ids=["punctuation", "case"]
)
def test_folders_that_are_read_as_one_class_are_told(
    tmp_path: Path, names: Sequence[str], spellings: Sequence[str]
) -> None:
    project = make_project(tmp_path / "project", names)
    for number, name in enumerate((*spellings, "rose")):
        (tmp_path / "s" / name).mkdir(parents=True)
        (tmp_path / "s" / name / "x.png").write_bytes(picture_bytes("ring", number))
    report = put(project, tmp_path / "s")
    assert list(report.spellings.values()) == [tuple(sorted(spellings))]
    assert "rose" not in report.spellings


def test_unicode_forms_and_columns_of_tables_are_told_too(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", [])
    table = tmp_path / "list.csv"
    spellings = ("K\u00e4fer", "Ka\u0308fer", "x\u00b2", "x2")
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes("ring", number))
    rows = [f"{number}.png,{name}" for number, name in enumerate(spellings)]
    table.write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    assert set(put(project, table).spellings) == {"K\u00e4fer", "x\u00b2"}


def test_a_spelling_that_joins_an_earlier_class_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", [])
    put(project, photos(tmp_path / "photos"))
    (tmp_path / "more" / "Rose").mkdir(parents=True)
    (tmp_path / "more" / "Rose" / "x.png").write_bytes(picture_bytes("ring", 1))
    assert put(project, tmp_path / "more").spellings == {"rose": ("Rose", "rose")}

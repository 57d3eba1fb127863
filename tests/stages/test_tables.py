"""Tables as spreadsheets and other programs write them, single pictures, and several paths at once."""

from pathlib import Path

import pytest

from conftest import Pictures, make_project, picture_bytes
from fieldguide.errors import InputMissing, InputUnusable
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import AddReport
from fieldguide.stages.add import Terms, add
from fieldguide.stages.add.tables import read_table


def put(project: Project, *paths: Path, class_name: str = "") -> AddReport:
    return add(project, project.settings(), *paths, terms=Terms(class_name), progress=SilentProgress())


@pytest.fixture
def shapes(pictures: Pictures, tmp_path: Path) -> Path:
    return pictures(tmp_path / "shapes", ["circle", "square"], per_class=1)


# ---- tables


@pytest.mark.parametrize(
    "text",
    [
        "path;label\ncircle/000.jpg;circle\nsquare/000.jpg;square\n",
        "path\tlabel\ncircle/000.jpg\tcircle\nsquare/000.jpg\tsquare\n",
        "Path,Label\ncircle/000.jpg,circle\nsquare/000.jpg,square\n",
        "path, label\ncircle/000.jpg, circle\nsquare/000.jpg, square\n",
        "\ufeffsep=;\r\nPATH;LABEL\r\ncircle/000.jpg;circle\r\nsquare/000.jpg;square\r\n",
        "file_name,text,label\ncircle/000.jpg,x,circle\nsquare/000.jpg,y,square\n",
        "filename,class\ncircle/000.jpg,circle\nsquare/000.jpg,square\n",
        "image,class_name,label\ncircle/000.jpg,circle,0\nsquare/000.jpg,square,1\n",
        "Image Path,Class Name\n./circle/000.jpg,circle\n./square/000.jpg,square\n",
        'label,"file name"\n"circle","circle/000.jpg"\n"square", "square/000.jpg"\n\n,\n',
        "path,label\ncircle\\000.jpg,circle\n.\\square\\000.jpg,square\n",
    ],
)
def test_tables_in_their_usual_forms(project: Project, shapes: Path, text: str) -> None:
    table = shapes / "list.csv"
    table.write_text(text, encoding="utf-8", newline="")
    report = put(project, table)
    assert report.taken == {"circle": 1, "square": 1}
    with project.catalog() as catalog:
        assert all("\\" not in origin.location for origin in catalog.origins())


def test_a_table_with_tabs_by_its_name(project: Project, shapes: Path) -> None:
    table = shapes / "list.tsv"
    table.write_text("split\tpath\tlabel\ntest\tcircle/000.jpg\tcircle\n", encoding="utf-8")
    assert put(project, table).given_splits == {"test": 1}


@pytest.mark.parametrize("heading", ["Split", "subset", "partition", "Usage"])
def test_the_column_of_splits(project: Project, shapes: Path, heading: str) -> None:
    table = shapes / "list.csv"
    table.write_text(f"path,label,{heading}\ncircle/000.jpg,circle,Test\n", encoding="utf-8")
    assert put(project, table).given_splits == {"test": 1}


@pytest.mark.parametrize(
    ("places", "splits"),
    [
        (("train/circle", "test/square"), {"train": 1, "test": 1}),
        (("a\\fl_train\\circle", "a\\fl_test\\square"), {"train": 1, "test": 1}),
        (("test/v1/Training", "test/v1/valid"), {"train": 1, "val": 1}),
        (("a/1", "b/2"), {}),
        (("circle", "square"), {}),
    ],
)
def test_paths_that_run_through_splits(
    project: Project, shapes: Path, tmp_path: Path, places: tuple[str, str], splits: dict[str, int]
) -> None:
    rows = ""
    for name, place in zip(("circle", "square"), places, strict=True):
        copy = tmp_path / "t" / place.replace("\\", "/") / "1.jpg"
        copy.parent.mkdir(parents=True)
        copy.write_bytes((shapes / name / "000.jpg").read_bytes())
        rows += f"{place}{chr(92) if chr(92) in place else '/'}1.jpg,{name}\n"
    (tmp_path / "t" / "list.csv").write_text(f"path,label\n{rows}", encoding="utf-8")
    assert put(project, tmp_path / "t" / "list.csv").given_splits == splits


def test_paths_that_run_through_a_split_only_at_times_are_not_guessed(
    project: Project, shapes: Path, tmp_path: Path
) -> None:
    table = shapes / "list.csv"
    table.write_text("path,label\ntest/1.jpg,circle\nsquare/000.jpg,square\n", encoding="utf-8")
    with pytest.raises(InputUnusable, match="'test', which looks like a split") as caught:
        put(project, table)
    assert "--split-from test=test" in caught.value.hint
    (shapes / "test").mkdir()
    (shapes / "test" / "1.jpg").write_bytes((shapes / "circle" / "000.jpg").read_bytes())
    terms = Terms(split_from=(("test", "test"),))
    report = add(project, project.settings(), table, terms=terms, progress=SilentProgress())
    assert (report.taken, report.given_splits) == ({"circle": 1, "square": 1}, {"test": 1})


def test_a_class_called_train_is_no_split_in_a_table(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", ("train", "bus"))
    for name in ("train", "bus"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(picture_bytes("circle", len(name)))
    (tmp_path / "list.csv").write_text("path,label\ntrain/1.jpg,train\nbus/1.jpg,bus\n", encoding="utf-8")
    report = put(project, tmp_path / "list.csv")
    assert (report.taken, report.given_splits) == ({"bus": 1, "train": 1}, {})


@pytest.mark.parametrize(
    ("heading", "words"), [("split", ("0", "1")), ("split", ("train", "fold 3")), ("set", ("test", "odd"))]
)
def test_words_that_are_no_splits_are_not_guessed(
    project: Project, shapes: Path, heading: str, words: tuple[str, str]
) -> None:
    table = shapes / "list.csv"
    rows = f"circle/000.jpg,circle,{words[0]}\nsquare/000.jpg,square,{words[1]}\n"
    table.write_text(f"path,label,{heading}\n{rows}", encoding="utf-8")
    with pytest.raises(InputUnusable, match=repr(words[1])) as caught:
        put(project, table)
    assert "train, val or test" in caught.value.hint


def test_a_column_of_sets_that_are_no_splits_is_another_column(project: Project, shapes: Path) -> None:
    table = shapes / "list.csv"
    table.write_text("path,label,set\ncircle/000.jpg,circle,garden\n", encoding="utf-8")
    report = put(project, table)
    assert (report.taken, report.given_splits) == ({"circle": 1}, {})


def test_a_column_of_labels_is_not_needed_beside_a_class(project: Project, shapes: Path) -> None:
    table = shapes / "list.csv"
    table.write_text("file\ncircle/000.jpg\n", encoding="utf-8")
    assert put(project, table, class_name="circle").taken == {"circle": 1}


@pytest.mark.parametrize("text", ["id,breed\n000bec,boxer\n", "photo,size\na.jpg,3\n", "a.jpg,circle\n", ""])
def test_other_columns_are_named(project: Project, tmp_path: Path, text: str) -> None:
    table = tmp_path / "list.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(InputUnusable, match="no column") as caught:
        put(project, table)
    assert "path,label" in caught.value.hint
    assert text.partition("\n")[0].replace(",", ", ") in caught.value.message


@pytest.mark.parametrize("heading", ["url,label", "path,label", "Image URL;Class"])
def test_addresses_are_for_collect_which_reads_the_same_table(project: Project, tmp_path: Path, heading: str) -> None:
    delimiter = ";" if ";" in heading else ","
    table = tmp_path / "list.csv"
    table.write_text(f"{heading}\nhttps://a.example/1.jpg{delimiter}circle\n", encoding="utf-8")
    with pytest.raises(InputUnusable, match="lists addresses, not files") as caught:
        put(project, table)
    hint = caught.value.hint
    for words in ('sources = ["urls"]', "[collect]", f'query = "{table}"', "[collect.options.urls]", "collect"):
        assert words in hint


def test_an_address_among_paths_is_told(project: Project, shapes: Path) -> None:
    table = shapes / "list.csv"
    text = "path,label\ncircle/000.jpg,circle\nhttps://a.example/1.jpg,circle\ngone.jpg,circle\n"
    table.write_text(text, encoding="utf-8")
    report = put(project, table)
    assert (report.taken, report.refused) == ({"circle": 1}, {"unreadable": 2})
    assert "`collect` fetches those" in report.examples["unreadable"][0]
    assert report.examples["unreadable"][1] == "gone.jpg: No such file or directory"


def test_paths_that_lead_nowhere_say_where_they_begin(project: Project, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("path,label\ngone.jpg,circle\n", encoding="utf-8")
    with pytest.raises(InputUnusable) as caught:
        put(project, table)
    assert "relative to the table's folder" in caught.value.hint


def test_a_flat_folder_with_a_table_in_it_names_the_table(project: Project, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "1.png").write_bytes(picture_bytes("circle", 1))
    (tmp_path / "s" / "metadata.csv").write_text("file_name,label\n1.png,circle\n", encoding="utf-8")
    with pytest.raises(InputUnusable, match="no_class") as caught:
        put(project, tmp_path / "s")
    assert f"fieldguide add {tmp_path / 's' / 'metadata.csv'}" in caught.value.hint
    assert put(project, tmp_path / "s" / "metadata.csv").taken == {"circle": 1}


def test_a_parquet_file_of_pictures_is_not_taken_for_paths(project: Project, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the extra [parquet]")
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra [parquet]")
    for value in (b"\xff\xd8", {"bytes": b"\xff\xd8", "path": None}):
        parquet.write_table(arrow.Table.from_pylist([{"image": value, "label": "circle"}]), tmp_path / "t.parquet")
        with pytest.raises(InputUnusable, match=r"the column image .* holds no paths"):
            put(project, tmp_path / "t.parquet")


# ---- single pictures, several paths


def test_a_single_picture_of_a_class(project: Project, tmp_path: Path) -> None:
    picture = tmp_path / "IMG_1.jpg"
    picture.write_bytes(picture_bytes("circle", 1))
    assert put(project, picture, class_name="circle").taken == {"circle": 1}
    with project.catalog() as catalog:
        assert [(origin.source, origin.location) for origin in catalog.origins()] == [("file", "IMG_1.jpg")]


def test_a_single_picture_says_its_class_by_its_name_or_folder(project: Project, tmp_path: Path) -> None:
    (tmp_path / "Square").mkdir()
    by_name, by_folder = tmp_path / "circle_12.jpg", tmp_path / "Square" / "IMG_1.png"
    by_name.write_bytes(picture_bytes("circle", 1))
    by_folder.write_bytes(picture_bytes("square", 1))
    assert put(project, by_name, by_folder).taken == {"circle": 1, "square": 1}


def test_a_single_picture_without_a_class(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", [])
    (tmp_path / "IMG_1.jpg").write_bytes(picture_bytes("circle", 1))
    with pytest.raises(InputUnusable, match="no_class") as caught:
        put(project, tmp_path / "IMG_1.jpg")
    assert "--class" in caught.value.hint


def test_several_paths_at_once(project: Project, shapes: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    (tmp_path / "x.jpg").write_bytes(picture_bytes("triangle", 1))
    table.write_text("path,label\nx.jpg,triangle\n", encoding="utf-8")
    report = put(project, shapes / "circle", shapes / "square", table)
    assert report.taken == {"circle": 1, "square": 1, "triangle": 1}
    assert report.number == 1
    with pytest.raises(InputMissing, match=r"gone\.jpg"):
        put(project, shapes, tmp_path / "gone.jpg")


def test_many_pictures_are_one_addition(project: Project, tmp_path: Path) -> None:
    paths = [tmp_path / f"IMG_{number}.jpg" for number in range(7)]
    for number, path in enumerate(paths):
        path.write_bytes(picture_bytes("circle", number))
    report = put(project, *paths, class_name="circle")
    assert (report.taken, report.number) == ({"circle": 7}, 1)
    assert report.path.endswith("IMG_2.jpg and 4 more")


def test_one_of_several_paths_holds_nothing_usable(project: Project, shapes: Path, tmp_path: Path) -> None:
    broken = tmp_path / "circle.jpg"
    broken.write_bytes(picture_bytes("circle", 1)[:20])
    report = put(project, broken, shapes)
    assert report.taken == {"circle": 1, "square": 1}
    assert sum(report.refused.values()) == 1


def test_a_group_is_read_where_a_column_names_it(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label,Camera-ID\na.jpg,rose,north\nb.jpg,rose,\n")
    assert [file.group for file in read_table(tmp_path / "list.csv", "", None)[0]] == ["north", ""]

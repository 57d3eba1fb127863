"""Adding pictures: folders, tables and archives, what their paths mean, and archives made to do harm."""

import bz2
import csv
import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import CLASS_NAMES, Pictures, make_project, picture_bytes
from fieldguide.errors import DiskFull, InputMissing, InputUnusable, MissingExtra
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import AddReport
from fieldguide.settings import Settings
from fieldguide.stages.add import Terms, add, inputs
from fieldguide.stages.add.inputs import Reading, is_archive, read_archive
from fieldguide.stages.add.layout import read_layout


def put(project: Project, path: Path, **terms: str) -> AddReport:
    chosen = replace(Terms(), **terms)  # type: ignore[arg-type]
    return add(project, project.settings(), path, terms=chosen, progress=SilentProgress())


def labels(project: Project) -> Counter[str]:
    with project.catalog() as catalog:
        return Counter(name for names in catalog.labels().values() for name in names)


def whole_tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def as_zip(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def as_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    packing = {".tar": "w", ".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}[path.suffix]
    with tarfile.open(path, packing) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


# ---- folders


def test_a_folder_for_each_class(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", per_class=3)
    before = whole_tree(source)
    report = put(project, source, author="me", licence="own", licence_url="https://a.example")
    assert report.taken == {"circle": 3, "square": 3, "triangle": 3}
    assert (report.known, report.refused) == (0, {})
    assert whole_tree(source) == before
    with project.catalog() as catalog:
        for origin in catalog.origins():
            data = (source / origin.location).read_bytes()
            image = catalog.images()[origin.sha256]
            assert origin.sha256 == hashlib.sha256(data).hexdigest()
            assert project.read_image(origin.sha256, image.format) == data
            assert (origin.source, origin.author, origin.licence) == ("folder", "me", "own")
            assert catalog.labels()[origin.sha256] == {origin.location.split("/")[0]}


def test_a_licence_is_read_or_refused(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", per_class=1)
    with pytest.raises(InputUnusable, match="not a licence"):
        put(project, source, licence="CC-BY-40")
    put(project, source, licence="cc by 4.0")
    with project.catalog() as catalog:
        assert {(origin.licence, origin.licence_raw) for origin in catalog.origins()} == {("CC-BY-4.0", "cc by 4.0")}


def test_adding_again_is_no_work(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", per_class=2)
    put(project, source)
    with project.catalog() as catalog:
        before = catalog.digest("image", "origin", "label")
    report = put(project, source)
    assert (report.taken, report.known) == ({}, 6)
    with project.catalog() as catalog:
        assert catalog.digest("image", "origin", "label") == before


def test_one_picture_in_two_places_is_one_image_with_two_origins(project: Project, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "s" / "circle").mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / "circle" / name).write_bytes(picture_bytes("circle", 0))
    report = put(project, tmp_path / "s")
    assert (report.taken, report.known) == ({"circle": 1}, 1)
    with project.catalog() as catalog:
        assert [origin.location for origin in catalog.origins()] == ["circle/a.jpg", "circle/b.jpg"]


@pytest.mark.parametrize(
    "splits", [("train", "validation", "test"), ("training", "val", "testing"), ("Train", "VALID", "Test")]
)
@pytest.mark.parametrize("wrap", ["", "shapes-v1/data/"])
def test_trees_of_given_splits(
    project: Project, pictures: Pictures, tmp_path: Path, splits: tuple[str, ...], wrap: str
) -> None:
    for number, split in enumerate(splits):
        pictures(tmp_path / "source" / wrap / split, per_class=2 - (number > 0), first=10 * number)
    report = put(project, tmp_path / "source")
    assert report.taken == {"circle": 4, "square": 4, "triangle": 4}
    assert report.given_splits == {"train": 6, "val": 3, "test": 3}
    with project.catalog() as catalog:
        for state in catalog.states():
            (where,) = (origin.location for origin in catalog.origins() if origin.sha256 == state.sha256)
            assert state.given_split == dict(zip(splits, ("train", "val", "test"), strict=True))[
                where.removeprefix(wrap).split("/")[0]
            ]  # fmt: skip


def test_wrapped_and_nested_folders(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    pictures(tmp_path / "source" / "download" / "shapes", ["circle", "square"], per_class=1)
    deep = tmp_path / "source" / "download" / "shapes" / "triangle" / "2021" / "may"
    deep.mkdir(parents=True)
    (deep / "x.png").write_bytes(picture_bytes("triangle", 1))
    assert put(project, tmp_path / "source").taken == {"circle": 1, "square": 1, "triangle": 1}


def test_a_class_whose_pictures_lie_deeper_is_still_a_class(project: Project, tmp_path: Path) -> None:
    for year in ("2021", "2022"):
        folder = tmp_path / "source" / "circle" / year
        folder.mkdir(parents=True)
        (folder / "x.png").write_bytes(picture_bytes("circle", int(year)))
    assert put(project, tmp_path / "source").taken == {"circle": 2}


def test_a_class_may_be_called_train(tmp_path: Path, pictures: Pictures) -> None:
    project = make_project(tmp_path / "project", ["train", "plane"])
    source = pictures(tmp_path / "source", ["train", "plane"], per_class=2)
    assert put(project, source).taken == {"plane": 2, "train": 2}
    split_folder = pictures(tmp_path / "both" / "train", ["train", "plane"], per_class=1, first=5)
    report = put(project, split_folder.parent)
    assert (report.taken, report.given_splits) == ({"plane": 1, "train": 1}, {"train": 2})


def test_folder_names_are_matched_as_a_person_would(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ["sea lion", "Käfer"])
    for folder, number in (("Sea_Lion", 0), ("SEA-LION", 1), ("Ka\u0308fer", 2)):
        (tmp_path / "s" / folder).mkdir(parents=True)
        (tmp_path / "s" / folder / "x").write_bytes(picture_bytes("ring", number))
    assert put(project, tmp_path / "s").taken == {"Käfer": 1, "sea lion": 2}


def test_flat_with_one_class(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", ["circle"], per_class=3) / "circle"
    assert put(project, source, class_name="Circle").taken == {"circle": 3}


def test_flat_by_the_beginning_of_the_file_name(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ["sea", "sea lion"])
    (tmp_path / "s").mkdir()
    files = ["sea_01.png", "SEA-LION (2).jpg", "sea lion.png", "sealed_3.png", "my_sea.png"]
    for number, name in enumerate(files):
        (tmp_path / "s" / name).write_bytes(picture_bytes("ring", number))
    report = put(project, tmp_path / "s")
    assert report.taken == {"sea": 1, "sea lion": 2}
    assert report.refused == {"no_class": 2}
    assert {line.split(":")[0] for line in report.examples["no_class"]} == {"sealed_3.png", "my_sea.png"}


def test_without_names_folders_make_them(tmp_path: Path, pictures: Pictures) -> None:
    project = make_project(tmp_path / "project", [])
    put(project, pictures(tmp_path / "source", ["sea lion", "seal"], per_class=1))
    report = put(project, pictures(tmp_path / "more", ["Sea_Lion", "x" * 121], per_class=1, first=1))
    assert report.taken == {"sea lion": 1}, "the spelling that came first stays"
    assert report.refused == {"bad_name": 1}


def test_what_is_not_taken_is_counted_with_a_reason(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", ["circle", "sqare"], per_class=1)
    data = picture_bytes("circle", 7)
    for name, content in {
        "empty.jpg": b"", "letter.jpg": b"Dear reader,", "half.jpg": data[:20],
        "page.png": b"<html>404</html>", "image.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }.items():  # fmt: skip
        (source / "circle" / name).write_bytes(content)
    report = put(project, source)
    assert report.taken == {"circle": 1}
    assert sum(report.refused.values()) == 6
    assert report.refused["other_class"] == 1
    assert "did you mean 'square'" in report.examples["other_class"][0]
    assert sum(len(examples) for examples in report.examples.values()) == 6


def test_at_most_three_examples_of_a_reason(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", ["circle"], per_class=1)
    for number in range(5):
        (source / "circle" / f"{number}.jpg").write_bytes(b"")
    report = put(project, source)
    assert (report.refused, len(report.examples["empty"])) == ({"empty": 5}, 3)


def test_hidden_files_are_passed_over(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", ["circle"], per_class=1)
    for name in (".git", "__MACOSX", "circle/.thumbs"):
        (source / name).mkdir()
        (source / name / "x.jpg").write_bytes(picture_bytes("circle", 3))
    for name in ("circle/Thumbs.db", "circle/.DS_Store", "circle/._000.jpg"):
        (source / name).write_bytes(b"x")
    report = put(project, source)
    assert (report.taken, report.refused) == ({"circle": 1}, {})


def test_links_and_pipes_do_not_hang(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", ["circle"], per_class=1)
    (source / "circle" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (source / "circle" / "loop").symlink_to(source)
    os.mkfifo(source / "circle" / "pipe.jpg")
    report = put(project, source)
    assert (report.taken, set(report.refused)) == ({"circle": 1}, {"unreadable"})


def test_names_that_are_no_text(project: Project, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "source" / "circle")
    (tmp_path / "source" / "circle").mkdir(parents=True)
    with open(folder + b"/K\xe4fer.png", "wb") as file:  # noqa: PTH123
        file.write(picture_bytes("circle", 1))
    assert put(project, tmp_path / "source").taken == {"circle": 1}
    with project.catalog() as catalog:
        assert [origin.location for origin in catalog.origins()] == ["circle/K\ufffdfer.png"]


def test_too_many_bytes_are_not_read(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    project.settings_file.write_text("[images]\nmax_bytes = 1000\n[classes]\ncircle = {}\nsquare = {}\n")
    source = pictures(tmp_path / "source", ["circle"], per_class=1)
    with pytest.raises(InputUnusable, match=r"too_many_bytes.*at most 1,000 are allowed"):
        put(project, source)


def test_nothing_of_use(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        put(project, tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputUnusable, match="holds no files"):
        put(project, tmp_path / "empty")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(InputUnusable, match="neither a picture nor a file that holds any"):
        put(project, tmp_path / "file")
    with pytest.raises(InputUnusable, match="2 x other_class") as caught:
        put(project, pictures(tmp_path / "source", ["ring", "cross"], per_class=1))
    assert "[classes]" in caught.value.hint
    with pytest.raises(InputUnusable, match="1 x no_class") as caught:
        put(project, tmp_path / "source" / "ring")
    assert "--class" in caught.value.hint


def test_a_full_disk_keeps_what_was_taken(
    project: Project, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pictures(tmp_path / "source", per_class=33)  # the disk fills up after the first batch of 64
    store = Project.store_image

    def fill(self: Project, data: bytes, suffix: str, *, durable: bool = True) -> str:
        if data == (source / "triangle" / "000.jpg").read_bytes():
            raise OSError(28, "full")
        return store(self, data, suffix, durable=durable)

    monkeypatch.setattr(Project, "store_image", fill)
    with pytest.raises(DiskFull):
        put(project, source)
    assert labels(project) == {"circle": 33, "square": 31}
    monkeypatch.undo()
    report = put(project, source)
    assert (report.taken, report.known) == ({"square": 2, "triangle": 33}, 64)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "train", "x"]), min_size=1, max_size=4), max_size=6))
def test_what_wraps_is_the_beginning_of_everything(paths: list[list[str]]) -> None:
    locations = ["/".join([*folders, f"{number}.jpg"]) for number, folders in enumerate(paths)]
    try:
        layout = read_layout(locations, ["a"], "", "auto", {})
    except InputUnusable as error:
        assert "--split-from" in error.hint
        return
    assert all(location.startswith(layout.prefix) for location in locations)
    assert not {"a", "train"} & set(layout.prefix.split("/"))
    for location in locations:
        assert layout.place(location)[0] in {"a", "b", "train", "x", ""}


# ---- tables


def write_table(file: Path, rows: list[dict[str, str]]) -> Path:
    if file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8-sig") as text:
            table = csv.DictWriter(text, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        arrow = pytest.importorskip("pyarrow", reason="the extra [parquet]")
        parquet = pytest.importorskip("pyarrow.parquet", reason="the extra [parquet]")
        parquet.write_table(arrow.Table.from_pylist(rows), file)
    return file


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table(project: Project, pictures: Pictures, tmp_path: Path, suffix: str) -> None:
    pictures(tmp_path / "s" / "files", per_class=2)
    rows = [
        {"split": "Train", "label": "Circle", "path": "files/circle/000.jpg", "more": "1"},
        {"split": "validation", "label": "square", "path": " files/square/001.png ", "more": "2"},
        {"split": "", "label": "triangle", "path": str(tmp_path / "s/files/triangle/000.jpg"), "more": "3"},
        {"split": "", "label": "hexagon", "path": "files/circle/001.png", "more": ""},
        {"split": "", "label": "", "path": "files/circle/001.png", "more": ""},
        {"split": "", "label": "circle", "path": "files/absent.jpg", "more": ""},
        {"split": "", "label": "circle", "path": "", "more": ""},
        {"split": "", "label": "circle", "path": "a\x00b.jpg", "more": ""},
        {"split": "", "label": "circle", "path": "x" * 300 + ".jpg", "more": ""},
    ]
    report = put(project, write_table(tmp_path / "s" / f"t.{suffix}", rows))
    assert report.taken == {"circle": 1, "square": 1, "triangle": 1}
    assert report.given_splits == {"train": 1, "val": 1}
    assert report.refused == {"unreadable": 4, "other_class": 1, "no_class": 1}
    with project.catalog() as catalog:
        assert {origin.source for origin in catalog.origins()} == {"table"}


def test_one_class_for_a_whole_table(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    pictures(tmp_path / "s", ["circle"], per_class=1)
    table = write_table(tmp_path / "s" / "t.csv", [{"path": "circle/000.jpg", "label": ""}])
    assert put(project, table, class_name="circle").taken == {"circle": 1}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_without_the_columns(project: Project, tmp_path: Path, suffix: str) -> None:
    table = write_table(tmp_path / f"t.{suffix}", [{"content": "x", "label": "circle"}])
    with pytest.raises(InputUnusable, match="no column path") as caught:
        put(project, table)
    assert "path,label" in caught.value.hint


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_that_are_none(project: Project, tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="the extra [parquet]")
    table = tmp_path / f"t.{suffix}"
    for data in (b"", b"\xff\xfe\x00nonsense", b"PAR1" + b"\xff" * 60 + b"PAR1"):
        table.write_bytes(data)
        with pytest.raises(InputUnusable):
            put(project, table)
    if suffix == "csv":
        table.write_bytes(b'path,label\n"' + b"x" * 200_000)
        with pytest.raises(InputUnusable):
            put(project, table)


def test_a_damaged_parquet_file(project: Project, tmp_path: Path) -> None:
    rows = [{"path": f"{number}.jpg", "label": "circle"} for number in range(50)]
    table = write_table(tmp_path / "t.parquet", rows)
    data = table.read_bytes()
    for at in range(4, len(data) - 8, 37):
        table.write_bytes(data[:at] + b"\xff" * 8 + data[at + 8 :])
        with pytest.raises(InputUnusable):
            put(project, table)


def test_parquet_without_pyarrow(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra) as caught:
        put(project, tmp_path / "t.parquet")
    assert "fieldguide[parquet]" in caught.value.hint


# ---- archives


def shapes(per_class: int = 2, prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}{name}/{number}.jpg": picture_bytes(name, number)
        for name in CLASS_NAMES
        for number in range(per_class)
    }


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "named.otherwise"])
@pytest.mark.parametrize("prefix", ["", "shapes-main/"])
def test_an_archive(project: Project, tmp_path: Path, name: str, prefix: str) -> None:
    files = {**shapes(prefix=prefix), "__MACOSX/circle/._0.jpg": b"x", f"{prefix}.hidden": b"x"}
    path = tmp_path / name
    _ = as_tar(path, files) if ".tar" in name else as_zip(path, files, zipfile.ZIP_DEFLATED)
    before = set(tmp_path.iterdir())
    report = put(project, path)
    assert (report.taken, report.refused) == ({"circle": 2, "square": 2, "triangle": 2}, {})
    assert set(tmp_path.iterdir()) == before, "nothing is unpacked"
    with project.catalog() as catalog:
        assert {origin.sha256 for origin in catalog.origins()} == {
            hashlib.sha256(data).hexdigest() for where, data in files.items() if where.endswith("jpg") and len(data) > 1
        }
        assert {origin.source for origin in catalog.origins()} == {"archive"}


def test_an_archive_of_given_splits(project: Project, tmp_path: Path) -> None:
    files = shapes(1, "top/train/") | {"top/test/circle/9.jpg": picture_bytes("circle", 9)}
    assert put(project, as_zip(tmp_path / "a.zip", files)).given_splits == {"train": 3, "test": 1}


def test_one_class_for_a_whole_archive(project: Project, tmp_path: Path) -> None:
    archive = as_tar(tmp_path / "a.tar", {"x.jpg": picture_bytes("circle", 0)})
    assert put(project, archive, class_name="circle").taken == {"circle": 1}


EVIL = [
    "../../evil.jpg",
    "/abs_evil.jpg",
    "circle/../../evil.jpg",
    "circle\\..\\..\\evil.jpg",
    "C:/evil.jpg",
    "//x/e.jpg",
]


@pytest.mark.parametrize("pack", [as_zip, as_tar])
@pytest.mark.parametrize("names", [CLASS_NAMES, ()])
def test_paths_that_lead_outside_are_only_words(tmp_path: Path, pack: object, names: tuple[str, ...]) -> None:
    project = make_project(tmp_path / "deep" / "er" / "project", names)
    files = {"circle/ok.jpg": picture_bytes("circle", 0)}
    files |= {name: picture_bytes("circle", 1 + number) for number, name in enumerate(EVIL)}
    suffix = "zip" if pack is as_zip else "tar"
    path = tmp_path / f"a.{suffix}"
    _ = as_zip(path, files) if pack is as_zip else as_tar(path, files)
    report = put(project, path)
    assert report.taken["circle"] == 1
    outside = {path for path in whole_tree(tmp_path) if not path.startswith("deep/er/project/")}
    assert outside == {f"a.{suffix}"}
    inside = {path for path in whole_tree(project.root) if "evil" in path}
    assert inside == set()
    assert not Path("/abs_evil.jpg").exists()


def test_links_in_an_archive_lead_nowhere(project: Project, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture_bytes("circle", 5))
    link = zipfile.ZipInfo("circle/link.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("circle/ok.jpg", picture_bytes("circle", 0))
        archive.writestr(link, str(secret))
    report = put(project, tmp_path / "a.zip")
    assert (report.taken, report.refused) == ({"circle": 1}, {"not_an_image": 1})
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo("circle/link.jpg")
            member.type, member.linkname = kind, str(secret)
            tar.addfile(member)
        tar.add(secret, "circle/ok.jpg")
    report = put(project, tmp_path / "a.tar")
    assert (report.taken, report.refused) == ({"circle": 1}, {})


def test_an_archive_that_inflates_without_end(project: Project, tmp_path: Path) -> None:
    zeros = bytes(3_000_000)
    with pytest.raises(InputUnusable, match="would inflate to 3,000,000 bytes"):
        put(project, as_zip(tmp_path / "a.zip", {"circle/zeros.bmp": zeros}, zipfile.ZIP_DEFLATED))
    with pytest.raises(InputUnusable, match="would inflate to 3,000,000 bytes"):
        put(project, as_tar(tmp_path / "a.tar.gz", {"circle/zeros.bmp": zeros}))


def test_an_archive_that_says_it_is_huge(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = shapes(2)
    total = sum(len(data) for data in files.values())
    monkeypatch.setattr(inputs, "MAX_TOTAL_BYTES", total - 1)
    for path in (as_zip(tmp_path / "a.zip", files), as_tar(tmp_path / "a.tar", files)):
        with pytest.raises(InputUnusable, match=f"{total:,} bytes"):
            put(project, path)
    monkeypatch.setattr(inputs, "MAX_TOTAL_BYTES", total)
    assert sum(put(project, tmp_path / "a.zip").taken.values()) == 6


def test_an_archive_of_too_many_members(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inputs.MAX_MEMBERS == 200_000
    monkeypatch.setattr(inputs, "MAX_MEMBERS", 5)
    for path in (as_zip(tmp_path / "a.zip", shapes(2)), as_tar(tmp_path / "a.tar", shapes(2))):
        with pytest.raises(InputUnusable, match="holds 6 files; at most 5 are allowed"):
            put(project, path)
    monkeypatch.setattr(inputs, "MAX_MEMBERS", 6)
    assert sum(put(project, tmp_path / "a.zip").taken.values()) == 6


def test_a_member_that_holds_more_than_it_says(project: Project, tmp_path: Path) -> None:
    path = as_zip(tmp_path / "a.zip", {"circle/a.bmp": bytes(100_000), "circle/ok.jpg": picture_bytes("circle", 0)},
                  zipfile.ZIP_DEFLATED)  # fmt: skip
    data = path.read_bytes()
    assert data.count((100_000).to_bytes(4, "little")) == 2
    path.write_bytes(data.replace((100_000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with ExitStack() as opened:
        lying = read_archive(path, Reading(CLASS_NAMES), opened).files[0]
        with pytest.raises(OSError, match="cannot be unpacked"):
            lying.read()
    report = put(project, path)
    assert report.taken == {"circle": 1}


def test_archives_in_archives_are_not_opened(project: Project, tmp_path: Path) -> None:
    inner = as_zip(tmp_path / "inner.zip", shapes(1)).read_bytes()
    report = put(project, as_zip(tmp_path / "a.zip", {"circle/i.zip": inner, **shapes(1)}))
    assert (report.refused, sum(report.taken.values())) == ({"not_an_image": 1}, 3)


def test_an_archive_with_a_password(project: Project, tmp_path: Path) -> None:
    path = as_zip(tmp_path / "a.zip", shapes(1))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 1)
    path.write_bytes(data)
    with pytest.raises(InputUnusable, match=r"3 x unreadable.*encrypted"):
        put(project, path)


def test_an_empty_archive(project: Project, tmp_path: Path) -> None:
    for path in (as_zip(tmp_path / "a.zip", {}), as_tar(tmp_path / "a.tar", {})):
        with pytest.raises(InputUnusable, match="holds no files"):
            put(project, path)


def _packed() -> dict[str, bytes]:
    files = {"circle/a.jpg": picture_bytes("circle", 0, 32), "square/b.jpg": picture_bytes("square", 0, 32)}
    packed = {}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        packed[f"{method}.zip"] = file.getvalue()
    for packing in ("", "gz", "bz2", "xz"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=f"w:{packing}") as tar:  # type: ignore[call-overload]
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        packed[f"{packing}.tar"] = file.getvalue()
    plain = packed[".tar"]
    packed["damaged inside.gz"] = gzip.compress(plain[:1500] + b"\xff" * 300 + plain[1800:])
    packed["damaged inside.bz2"] = bz2.compress(plain[:500] + b"\xff" * 300 + plain[800:])
    return packed


PACKED = _packed()


@settings(max_examples=80)
@given(st.sampled_from(sorted(PACKED)), st.data())
def test_damage_is_an_error_of_ours_or_of_one_member(tmp_path_factory: pytest.TempPathFactory, kind: str,
                                                     draw: st.DataObject) -> None:  # fmt: skip
    data = bytearray(PACKED[kind])
    for _ in range(draw.draw(st.integers(1, 5))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    if draw.draw(st.booleans()):
        del data[draw.draw(st.integers(1, len(data))) :]
    path = tmp_path_factory.mktemp("damage") / "archive"
    path.write_bytes(data)
    with ExitStack() as opened:
        if not is_archive(path):
            return
        try:
            members = read_archive(path, Reading(CLASS_NAMES), opened).files
        except InputUnusable as error:
            assert "archive" in error.message
            return
        for member in members:
            with suppress(OSError):
                member.read()


# ---- the collection beside the checkout


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "taken", "reason"),
    [
        ("arch_bomb_ratio1000.zip", 0, "would inflate to 300,000,000 bytes"),
        ("arch_many_files_20000.zip", 0, "20000 x empty"),
        ("arch_nested.zip", 0, "1 x not_an_image"),
        ("arch_symlink.zip", 1, "not_an_image"),
        ("arch_zipslip.zip", 1, "other_class"),
    ],
)
def test_archives_of_the_collection(shared: Path, tmp_path: Path, name: str, taken: int, reason: str) -> None:
    project = make_project(tmp_path / "deep" / "er" / "project", ["cat", "c"])
    path = shared / "hostile" / "synthetic" / name
    if taken:
        report = put(project, path)
        assert report.taken == {"cat": taken}
        assert reason in report.refused
    else:
        with pytest.raises(InputUnusable, match=reason):
            put(project, path)
    assert {path.split("/")[0] for path in whole_tree(tmp_path)} == {"deep"}
    assert not any("evil" in path for path in whole_tree(tmp_path))


def test_settings_say_what_is_a_picture(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    chosen = Settings.model_validate({"classes": {"circle": {}, "square": {}}, "images": {"formats": ["PNG"]}})
    source = pictures(tmp_path / "source", ["circle"], per_class=2)
    report = add(project, chosen, source, progress=SilentProgress())
    assert (report.taken, report.refused) == ({"circle": 1}, {"unsupported_format": 1})

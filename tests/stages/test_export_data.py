"""Exports: exactly the kept pictures with labels and credits, read back by those they are for; whole or not there."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import unicodedata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from command import check_two_lines, environment, ran, start
from command import run as run_command
from conftest import CLASS_NAMES, Clock, Pictures, draw_picture, encode, make_project, pixels_of
from fieldguide.errors import InputMissing, InputUnusable, NotReady, ProjectExists
from fieldguide.images import Limits
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import ExportDataReport, ImageState, Verdict
from fieldguide.settings import change_settings
from fieldguide.stages.add import Terms, add
from fieldguide.stages.clean import clean
from fieldguide.stages.decide import Wishes, decide
from fieldguide.stages.export_data import FORMS, Target, export_data, packed
from fieldguide.stages.export_data.pictures import class_folders, scale_down
from fieldguide.stages.split import split

QUIET = SilentProgress()


def run(project: Project, to: str, **options: Any) -> tuple[Path, ExportDataReport]:
    report = export_data(project, project.settings(), target=Target(to, **options), progress=QUIET)
    return Path(report.folder), report


def kept(project: Project) -> dict[str, ImageState]:
    with project.catalog() as catalog:
        return {state.sha256: state for state in catalog.states() if state.state == "kept"}


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of an export, what it says of itself apart."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "export.json"
    }


@pytest.fixture(scope="module")
def ready_once(tmp_path_factory: pytest.TempPathFactory, pictures: Pictures) -> Path:
    """Make a project of 18 pictures, one of them rejected, the others split; only to be copied: see `ready`."""
    base = tmp_path_factory.mktemp("ready")
    project = make_project(base / "project")
    terms = Terms(author="the tests", licence="own")
    add(project, project.settings(), pictures(base / "source", per_class=6), terms=terms, progress=QUIET)
    clean(project, project.settings(), progress=QUIET)
    with project.catalog() as catalog:
        rejected = Verdict(catalog.states()[0].sha256, "files", "reject", "truncated: cut short", 0.0)
        catalog.set_verdicts([rejected], "")
    split(project, project.settings(), progress=QUIET)
    return project.root


@pytest.fixture
def ready(ready_once: Path, tmp_path: Path) -> Project:
    """Copy that project."""
    shutil.copytree(ready_once, tmp_path / "project")
    return Project(tmp_path / "project", Clock())


def test_csv_holds_exactly_the_kept_pictures(ready: Project) -> None:
    folder, report = run(ready, "csv")
    states = kept(ready)
    rows = table(folder / "labels.csv")
    assert folder == ready.root / "exports" / "csv" and list(rows[0]) == ["path", "label"] and len(rows) == 17
    assert {hashed(folder / row["path"]): row["label"] for row in rows} == {
        sha256: state.class_name for sha256, state in states.items()
    }
    for row in rows:
        assert Path(row["path"]).parts[:2] == ("images", row["label"])
        with Image.open(folder / row["path"]) as image:
            assert image.format == {".jpg": "JPEG", ".png": "PNG"}[Path(row["path"]).suffix]
    credits = table(folder / "CREDITS.csv")
    assert {line["file"] for line in credits} == {row["path"] for row in rows}
    assert {(line["author"], line["licence"]) for line in credits} == {("the tests", "own")}
    assert [row["class_name"] for row in table(folder / "classes.csv")] == list(CLASS_NAMES)
    assert report.counts == {"images": {name: sum(row["label"] == name for row in rows) for name in CLASS_NAMES}}
    files = contents(folder)
    assert (report.files, report.bytes) == (len(files), sum(map(len, files.values())))


def test_what_a_person_decides_is_exported(ready: Project) -> None:
    run(ready, "csv")
    with ready.catalog() as catalog:
        rejected = catalog.rejected()[0]
    dropped, relabelled, *_ = [name for name, state in kept(ready).items() if state.class_name == "circle"]
    wishes = Wishes(keep=[rejected], drop=[dropped], relabel={"square": [relabelled]})
    decide(ready, ready.settings(), wishes=wishes, progress=QUIET)
    folder, _ = run(ready, "csv")
    labels = {hashed(folder / row["path"]): row["label"] for row in table(folder / "labels.csv")}
    assert len(labels) == 17 and rejected in labels and dropped not in labels and labels[relabelled] == "square"


def test_an_export_can_be_added_to_another_project(ready: Project, tmp_path: Path) -> None:
    folder, _ = run(ready, "csv", split=True)
    other = make_project(tmp_path / "other")
    for part in ("train", "val", "test"):
        add(other, other.settings(), folder / f"{part}.csv", terms=Terms(), progress=QUIET)
    clean(other, other.settings(), progress=QUIET)
    assert {name: state.class_name for name, state in kept(other).items()} == {
        name: state.class_name for name, state in kept(ready).items()
    }


@pytest.mark.parametrize("to", FORMS)
def test_the_three_sides_are_kept_apart(ready: Project, to: str) -> None:
    if to == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra [parquet]")
    _, report = run(ready, to, split=True)
    words = {"validation": "val"}
    counted = {words.get(part, part): sum(classes.values()) for part, classes in report.counts.items()}
    splits = [state.split for state in kept(ready).values()]
    assert counted == {name: splits.count(name) for name in ("train", "val", "test")}


def test_sides_are_not_kept_apart_before_they_are_split(filled_project: Project) -> None:
    with pytest.raises(NotReady) as caught:
        run(filled_project, "csv")
    assert caught.value.hint == "run: fieldguide clean"
    clean(filled_project, filled_project.settings(), progress=QUIET)
    assert run(filled_project, "csv")[1].counts.keys() == {"images"}
    with pytest.raises(NotReady) as caught:
        run(filled_project, "csv", split=True)
    assert caught.value.hint == "run: fieldguide split"


def photograph() -> bytes:
    """Return a large JPEG, lying on its side, that says where and by whom it was taken."""
    image = draw_picture("circle", 7, 700).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees
    exif[0x013B] = "SECRET"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    file = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(file, "JPEG", exif=exif, comment=b"SECRET", xmp=b"<x>SECRET</x>", icc_profile=profile)
    return file.getvalue()


def test_scaled_copies_are_small_upright_and_say_nothing_of_where_they_were_taken() -> None:
    original = photograph()
    with Image.open(io.BytesIO(original)) as image:
        width, height = image.size
    copy = scale_down(original, 256, Limits())
    with Image.open(io.BytesIO(copy)) as image:
        assert image.mode == "RGB" and min(image.size) == 256
        assert image.size[0] / image.size[1] == pytest.approx(height / width, abs=0.01)
        assert not image.getexif() and set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"SECRET" in original and b"SECRET" not in copy


def test_scaled_copies_are_never_larger_and_transparency_is_white() -> None:
    clear = Image.new("RGBA", (60, 40), (200, 30, 30, 0))
    with Image.open(io.BytesIO(scale_down(encode(clear), 256, Limits()))) as image:
        assert image.size == (60, 40) and min(image.getpixel((30, 20))) > 250  # type: ignore[arg-type]
    with Image.open(io.BytesIO(scale_down(encode(Image.new("L", (3, 3000), 80)), 256, Limits()))) as image:
        assert image.size == (3, 3000)


@pytest.mark.shared
def test_scaled_copies_of_odd_files_are_plain_jpegs(shared: Path, project: Project) -> None:
    terms = Terms(class_name="circle")
    for name in ("exif-samples", "exif-orientation", "synthetic", "pngsuite"):
        add(project, project.settings(), shared / "hostile" / name, terms=terms, progress=QUIET)
    clean(project, change_settings(project.settings(), {"clean.min_side": 16}), progress=QUIET)
    folder, report = run(project, "csv", size=64)
    rows = table(folder / "labels.csv")
    assert len(rows) == len(kept(project)) > 40 and not report.left_out
    for row in rows:
        with Image.open(folder / row["path"]) as image:
            image.load()
            assert image.format == "JPEG" and image.mode == "RGB" and min(image.size) <= 64
            assert not image.getexif() and set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_scaled_exports_hold_every_kept_picture(ready: Project) -> None:
    folder, report = run(ready, "csv", size=64, split=True)
    assert folder.name == "csv-64-split" and report.size == 64
    rows = [row for part in ("train", "val", "test") for row in table(folder / f"{part}.csv")]
    assert len(rows) == 17
    for row in rows:
        with Image.open(folder / row["path"]) as image:
            assert image.format == "JPEG" and min(image.size) == 64


NAMES = st.lists(st.text(min_size=1, max_size=130), min_size=1, max_size=20, unique=True)


@given(NAMES)
def test_folders_of_classes_are_safe_and_differ_on_every_system(class_names: list[str]) -> None:
    folders = class_folders(class_names)
    assert list(folders) == class_names
    for folder in folders.values():
        assert folder not in ("", ".", "..") and len(folder.encode()) < 250
        assert not set(folder) & set('/\\:*?"<>|\0\n') and folder[0] not in " .-~" and folder[-1] not in " ."
        assert folder.partition(".")[0].casefold() not in ("con", "nul", "com1", "aux")
    assert len({unicodedata.normalize("NFC", folder).casefold() for folder in folders.values()}) == len(class_names)


def test_a_safe_name_stays_as_it_is() -> None:
    names = ["rose", "Crème brûlée", "牡丹", "C#", "a.b", "x y"]
    assert class_folders(names) == {name: name for name in names}
    assert class_folders(["..", "a/b", "a_b", "Con", "Rose", "rose"]) == {
        "..": "_", "a/b": "a_b", "a_b": "a_b-2", "Con": "Con_", "Rose": "Rose", "rose": "rose-2"
    }  # fmt: skip


def test_names_that_a_spreadsheet_would_run(tmp_path: Path, pictures: Pictures) -> None:
    names = ["=1+1", "@sum", "+x", "con"]
    project = make_project(tmp_path / "project", names)
    terms = Terms(author="=cmd|'/c calc'!A0", licence="own")
    add(project, project.settings(), pictures(tmp_path / "source", names), terms=terms, progress=QUIET)
    clean(project, project.settings(), progress=QUIET)
    folder, report = run(project, "csv")
    assert set(report.counts["images"]) == set(names)
    for path in folder.glob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            assert not any(cell.startswith(("=", "+", "@")) for cell in row)
    assert {Path(row["path"]).parts[1] for row in table(folder / "labels.csv")} == {"=1+1", "@sum", "+x", "con_"}


@pytest.mark.parametrize(("to", "size"), [("csv", None), ("csv", 64), ("webdataset", None), ("webdataset", 64)])
def test_a_picture_that_is_gone_is_named_and_the_rest_goes_on(ready: Project, to: str, size: int | None) -> None:
    gone, changed, *others = list(kept(ready).values())
    originals = {state.sha256: ready.image_path(state.sha256, state.format) for state in (gone, changed)}
    originals[gone.sha256].unlink()
    originals[changed.sha256].write_bytes(b"other bytes")
    folder, report = run(ready, to, size=size)
    assert sum(report.counts["images"].values()) == len(others) == 15
    reasons = {Path(name.partition(" ")[0]).stem: reason for name, reason in report.left_out.items()}
    assert reasons == {gone.sha256: "its file is gone", changed.sha256: "its file was changed"}
    assert {line["sha256"] for line in table(folder / "CREDITS.csv")} == {state.sha256 for state in others}
    assert not any(gone.sha256[:16] in name for name in contents(folder))


def test_a_picture_that_is_back_is_exported_again(ready: Project) -> None:
    state = next(iter(kept(ready).values()))
    path = ready.image_path(state.sha256, state.format)
    data = path.read_bytes()
    path.unlink()
    assert run(ready, "csv")[1].left_out
    path.write_bytes(data)
    assert not run(ready, "csv")[1].left_out


def test_no_original_is_left(ready: Project) -> None:
    shutil.rmtree(ready.root / "images")
    with pytest.raises(InputMissing, match="gone"):
        run(ready, "csv")
    assert not (ready.root / "exports" / "csv").exists()


class Stops(SilentProgress):
    """A progress that is interrupted at a step."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, steps: int = 1, part: str = "") -> None:
        self.left -= steps
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("to", "size", "after"),
    [
        ("csv", None, 0),
        ("imagefolder", None, 16),
        ("webdataset", 64, 5),
        ("webdataset", 64, 25),
        ("croissant", None, 9),
    ],
)
def test_an_interrupted_export_leaves_nothing_that_looks_whole(
    ready: Project, to: str, size: int | None, after: int
) -> None:
    whole, _ = run(ready, to, size=size, out=ready.root.parent / "whole")
    target = Target(to, ready.root.parent / "again", size)
    with pytest.raises(KeyboardInterrupt):
        export_data(ready, ready.settings(), target=target, progress=Stops(after))
    assert not (ready.root.parent / "again").exists()
    folder, _ = run(ready, to, size=size, out=ready.root.parent / "again")
    assert contents(folder) == contents(whole)  # and the same pictures make the same bytes
    assert not list(ready.root.parent.glob("*.unfinished"))


def test_an_interrupted_export_goes_on(ready: Project) -> None:
    with pytest.raises(KeyboardInterrupt):
        export_data(ready, ready.settings(), target=Target("csv"), progress=Stops(10))
    unfinished = ready.root / "exports" / "csv.unfinished"
    copied = {path.name: path.stat().st_ino for path in unfinished.rglob("images/*/*.*")}
    assert len(copied) == 11
    folder, _ = run(ready, "csv")
    now = {path.name: path.stat().st_ino for path in folder.rglob("images/*/*.*")}
    assert len(now) == 17 and copied.items() <= now.items() and not unfinished.exists()


def test_what_another_export_left_is_not_taken(ready: Project) -> None:
    with pytest.raises(KeyboardInterrupt):
        export_data(ready, ready.settings(), target=Target("csv"), progress=Stops(10))
    sha256 = min(kept(ready))  # the first to be copied
    with ready.catalog() as catalog:
        catalog.set_verdicts([Verdict(sha256, "files", "reject", "truncated", 0.0)], "")
    folder, report = run(ready, "csv")
    assert sum(report.counts["images"].values()) == 16
    assert not any(sha256[:16] in name for name in contents(folder))


def test_a_full_disk_is_two_lines_and_the_old_export_stays(ready: Project) -> None:
    folder, _ = run(ready, "croissant")
    before = contents(folder)
    with ready.catalog() as catalog:
        catalog.set_verdicts([Verdict(max(kept(ready)), "files", "reject", "truncated", 0.0)], "")
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); " \
           "sys.argv[1:2] = []; from fieldguide.cli import main; main()"  # fmt: skip
    words = [sys.executable, "-c", code, "60000", "export-data", "--to", "croissant", "-C", str(ready.root)]
    result = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", env=environment(), check=False)
    check_two_lines(result, 74, "no space left", "free some space")
    assert contents(folder) == before
    assert run(ready, "croissant")[1].counts != {} and contents(folder) != before


def test_a_second_run_changes_nothing_and_follows_the_catalogue(ready: Project) -> None:
    folder, before = run(ready, "csv")
    inode = (folder / "labels.csv").stat().st_ino
    assert run(ready, "csv")[1] == before and (folder / "labels.csv").stat().st_ino == inode
    (folder / "labels.csv").unlink()
    assert run(ready, "csv")[1] == before and (folder / "labels.csv").is_file()
    with ready.catalog() as catalog:
        catalog.set_verdicts([Verdict(max(kept(ready)), "files", "reject", "truncated", 0.0)], "")
    assert len(table(run(ready, "csv")[0] / "labels.csv")) == 16


def test_a_folder_of_someone_else_is_left_alone(ready: Project, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    run(ready, "csv", out=own)  # an empty folder is taken
    (own / "notes.txt").write_text("mine")
    with pytest.raises(ProjectExists, match="did not write"):
        run(ready, "csv", out=own, split=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(ProjectExists, match="no export wrote"):
        run(ready, "csv", out=other)
    left = tmp_path / "new.unfinished"
    left.mkdir()
    (left / "notes.txt").write_text("mine")
    with pytest.raises(ProjectExists, match="no export wrote"):
        run(ready, "csv", out=tmp_path / "new")
    for folder in (own, other, left):
        assert (folder / "notes.txt").read_text() == "mine"


def test_what_cannot_be_asked_for(ready: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for options, words in (
        ({"to": "excel"}, "choose one of"),
        ({"to": "csv", "size": 3}, "--size 256"),
        ({"to": "csv", "out": tmp_path / "file"}, "--out"),
        ({"to": "csv", "out": ready.root}, "--out"),
        ({"to": "csv", "out": ready.root / "images" / "new"}, "--out"),
    ):
        with pytest.raises(InputUnusable) as caught:
            run(ready, **options)
        assert words in caught.value.hint


def test_large_exports_are_several_files(ready: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SHARD_PICTURES", 5)
    folder, _ = run(ready, "webdataset")
    shards = sorted(folder.glob("*.tar"))
    assert [shard.name for shard in shards] == [f"images-{number:06}.tar" for number in range(4)]
    sizes = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            assert {member.mtime for member in tar} == {0}
            sizes.append(len(tar.getnames()) // 3)
    assert sizes == [5, 5, 5, 2]


def test_the_command_and_its_json(ready: Project, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    shown = ran("export-data", "--to", "csv", "--split", "--out", out, "-C", ready.root)
    assert f"17 pictures as csv in {out}" in shown and "val" in shown
    report = json.loads(ran("export-data", "--to", "csv", "--split", "--out", out, "--json", "-C", ready.root))
    assert report["folder"] == str(out) and set(report["counts"]) == {"train", "val", "test"}
    result = run_command("export-data", "--to", "excel", "-C", ready.root)
    check_two_lines(result, InputUnusable.exit_code, "excel", "webdataset")
    check_two_lines(run_command("export-data", "-C", ready.root), 2, "--to", "see: fieldguide export-data --help")


def test_a_killed_export_goes_on(ready: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "more", per_class=60, first=20)
    add(ready, ready.settings(), source, terms=Terms(), progress=QUIET)
    clean(ready, ready.settings(), progress=QUIET)
    process = start("export-data", "--to", "webdataset", "--size", "64", "-C", ready.root)
    unfinished = ready.root / "exports" / "webdataset-64.unfinished"
    while process.poll() is None and len(list(unfinished.rglob("*.jpg"))) < 8:
        pass
    process.kill()
    process.communicate()
    killed_early = not (ready.root / "exports" / "webdataset-64").exists()
    folder, report = run(ready, "webdataset", size=64)
    assert killed_early and report.counts == run(ready, "webdataset", size=64, out=tmp_path / "whole")[1].counts
    assert contents(folder) == contents(tmp_path / "whole")


HUGGING_FACE = """
import datasets
loaded = datasets.load_dataset(FOLDER)
for part, rows in loaded.items():
    if isinstance(rows.features["label"], datasets.Value):
        rows = rows.class_encode_column("label")
    names = rows.features["label"].names
    for row in rows:
        put(part, row["sha256"], names[row["label"]], row["image"], row["author"], row["licence"])
"""
WEBDATASET = """
import json, webdataset
for path in sorted(pathlib.Path(FOLDER).glob("*.tar")):
    part = path.name.partition("-")[0]
    for row in webdataset.WebDataset(str(path), shardshuffle=False).decode("pil").to_tuple("jpg;png", "cls", "json"):
        names = [line.split(",")[1] for line in (path.parent / "classes.csv").read_text().splitlines()[1:]]
        assert names[row[1]] == row[2]["label"]
        put(part, row[2]["sha256"], row[2]["label"], row[0], row[2]["author"], row[2]["licence"])
"""
CROISSANT = """
import mlcroissant
data = mlcroissant.Dataset(FOLDER + "/croissant.json")
assert not data.metadata.ctx.issues.errors and not data.metadata.ctx.issues.warnings
names = {row["classes/index"]: row["classes/name"] for row in data.records("classes")}
for row in data.records("records"):
    row = {key.partition("/")[2]: value.decode() if isinstance(value, bytes) else value for key, value in row.items()}
    assert names[row["label_index"]] == row["label"]
    put(row["split"], row["sha256"], row["label"], row["image"], row["author"], row["licence"])
"""
PANDAS = """
import pandas
for path in sorted(pathlib.Path(FOLDER).glob("*.csv")):
    if path.stem in ("train", "val", "test", "labels"):
        for row in pandas.read_csv(path).itertuples():
            data = (path.parent / row.path).read_bytes()
            part = "images" if path.stem == "labels" else path.stem
            put(part, hashlib.sha256(data).hexdigest(), row.label, PIL.Image.open(io.BytesIO(data)), "the tests", "own")
"""
READER = """
import hashlib, io, pathlib, sys, PIL.Image
FOLDER = sys.argv[1]
def put(part, sha256, label, image, author, licence):
    digest = hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()
    print("read", part, sha256, label, digest, author.replace(" ", "_"), licence)
"""
READERS = {
    "csv": ("pandas", PANDAS),
    "imagefolder": ("datasets", HUGGING_FACE),
    "parquet": ("datasets", HUGGING_FACE),
    "webdataset": ("webdataset", WEBDATASET),
    "croissant": ("mlcroissant", CROISSANT),
}


@pytest.mark.parametrize(("to", "split"), [*((form, True) for form in FORMS), ("imagefolder", False)])
def test_those_that_it_is_for_read_it(ready: Project, tmp_path: Path, to: str, split: bool) -> None:
    library, code = READERS[to]
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    folder, _ = run(ready, to, split=split)
    homes = {"HF_HOME": "hf", "CROISSANT_CACHE": "croissant", "HOME": "home"}
    own = {name: str(tmp_path / place) for name, place in homes.items()} | {"HF_HUB_OFFLINE": "1", "USE_TORCH": "0"}
    words = [sys.executable, "-W", "ignore", "-c", READER + code, str(folder)]
    result = subprocess.run(words, capture_output=True, text=True, env=environment() | own, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    rows = [line.split()[1:] for line in result.stdout.splitlines() if line.startswith("read ")]
    expected = []
    for sha256, state in kept(ready).items():
        pixels = pixels_of(ready.read_image(sha256, state.format)).tobytes()
        part = state.split if split else "train" if library == "datasets" else "images"
        part = "validation" if part == "val" and library == "datasets" else part
        expected.append([part, sha256, state.class_name, hashlib.sha256(pixels).hexdigest(), "the_tests", "own"])
    assert sorted(rows) == sorted(expected)

"""Wrong input, as a person gives it: two lines that say what and what to do, an exit code of its own, no traceback."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from command import TIMEOUT_S, check_two_lines, environment, ran, run, set_key, words
from conftest import Pictures, picture_bytes
from fieldguide import errors
from fieldguide.errors import FieldguideError, InputUnusable, NoPermission, translate_os_errors
from fieldguide.project import Project


def test_every_kind_of_error_has_an_exit_code_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FieldguideError)]
    codes = [kind.exit_code for kind in kinds if kind is not FieldguideError]
    assert len(codes) == len(set(codes)) >= 15
    assert not {0, 1, 2, 130} & set(codes)


# ---- paths


@pytest.fixture
def place(project: Project) -> Path:
    return project.root


def test_paths_that_are_not_there(place: Path) -> None:
    missing = place / "nowhere"
    check_two_lines(run("add", missing, "-C", place), 67, "nowhere")
    check_two_lines(run("status", "-C", missing), 67, "nowhere", "check the path")
    check_two_lines(run("predict", "x.png", "-C", place), 5, "fieldguide build")
    check_two_lines(run("predict", place / "fieldguide.toml", "--guide", place), 67, "no guide", "fieldguide publish")
    check_two_lines(run("serve", "--guide", place), 67, "no guide")
    check_two_lines(run("serve", "-C", place), 5, "no guide", "fieldguide build")
    check_two_lines(run("new", place.parent / "other", "--names", missing.with_suffix(".csv")), 67, "nowhere.csv")


def test_paths_of_the_wrong_kind(place: Path, pictures: Pictures) -> None:
    base = place.parent
    text, empty = base / "notes.txt", base / "empty"
    text.write_text("no picture")
    empty.mkdir()
    check_two_lines(run("new", text, "--names", "a,b"), 73, "is a file")
    check_two_lines(run("new", text / "inside", "--names", "a,b"), 65, "cannot be a path")
    check_two_lines(run("new", place, "--names", "a,b"), 73, "already holds a project")
    check_two_lines(run("new", base, "--names", "a,b"), 73, "already holds files")
    check_two_lines(run("status", "-C", text), 66, "fieldguide.toml")
    check_two_lines(run("status", "-C", empty), 66, "fieldguide new")
    check_two_lines(run("add", text, "-C", place), 65, "notes.txt", "folder per class")
    check_two_lines(run("add", empty, "-C", place), 65, "holds no files")
    check_two_lines(run("add", base / ("x" * 300), "-C", place), 65, "cannot be a path")
    assert Project(place).catalog().hashes() == set()


def test_a_folder_without_a_usable_picture(place: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name, data in {"circle/a.jpg": b"<html>404</html>", "circle/b.png": b"", "square/c.png": b"\x89PNG"}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    check_two_lines(run("add", source, "-C", place), 65, "no picture of", "circle/a.jpg")
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "one.png").write_bytes(picture_bytes("circle", 1))
    check_two_lines(run("add", flat, "-C", place), 65, "no_class", "--class")
    (tmp_path / "others" / "circel").mkdir(parents=True)
    (tmp_path / "others" / "circel" / "one.png").write_bytes(picture_bytes("circle", 1))
    check_two_lines(run("add", tmp_path / "others", "-C", place), 65, "did you mean 'circle'")


def test_tables_and_archives_that_cannot_be_used(place: Path, tmp_path: Path) -> None:
    table, archive = tmp_path / "table.csv", tmp_path / "pictures.zip"
    table.write_text("content,class\na.png,circle\n")
    check_two_lines(run("add", table, "-C", place), 65, "no column", "path,label")
    table.write_bytes(b"path,label\n\xff\xfe.png,circle\n")
    check_two_lines(run("add", table, "-C", place), 65, "UTF-8")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("circle/bomb.png", bytes(30_000_000))
    check_two_lines(run("add", archive, "-C", place), 65, "inflate")
    data = bytearray(archive.read_bytes())
    data[-40:-30] = bytes(10)
    archive.write_bytes(data)
    check_two_lines(run("add", archive, "-C", place), 65, "pictures.zip")
    (tmp_path / "table.parquet").write_bytes(b"PAR1 and no more")
    result = run("add", tmp_path / "table.parquet", "-C", place)
    check_two_lines(result, result.returncode if result.returncode == 9 else 65, "arquet")


def test_pipes_and_odd_names_neither_hang_nor_stop_an_add(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source" / "circle"
    folder.mkdir(parents=True)
    (folder / "good.png").write_bytes(picture_bytes("circle", 1))
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png")).write_bytes(picture_bytes("circle", 3))
    (folder / "=cmd|'!A0.png").write_bytes(picture_bytes("circle", 5))
    (folder / "new\nline.png").write_bytes(picture_bytes("circle", 7))
    os.mkfifo(folder / "pipe.png")
    (folder / "dangling.png").symlink_to(tmp_path / "nowhere")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    assert "4 pictures added" in ran("add", tmp_path / "source", "-C", place)
    table = tmp_path / "source" / "table.csv"
    table.write_text("path,label\ncircle/pipe.png,circle\n/dev/zero,circle\ncircle/good.png,circle\ngone.png,square\n")
    assert "0 pictures added, 1 already known, 3 files refused" in ran("add", table, "-C", place)
    with Project(place).catalog() as catalog:
        assert len(catalog.hashes()) == 4
        assert "circle/caf\ufffd.png" in {origin.location for origin in catalog.origins()}


# ---- rights


def run_as_anybody(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; where root runs the tests, without root's right to pass over the modes of files."""
    code = "import ctypes, os, sys; [ctypes.CDLL(None).prctl(24, right, 0, 0, 0) for right in (1, 2)]; " \
        "os.execv(sys.executable, sys.argv[1:])"  # fmt: skip
    command = [sys.executable, "-c", code] if os.geteuid() == 0 else []
    return subprocess.run(
        [*command, *words(*arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
    )


def test_no_permission(filled_project: Project, tmp_path: Path, pictures: Pictures) -> None:
    if os.geteuid() == 0 and not sys.platform.startswith("linux"):
        pytest.skip("root may do anything here")
    place, closed, source = filled_project.root, tmp_path / "closed", tmp_path / "source"
    picture = pictures(tmp_path / "more", ["circle"], per_class=1, first=90) / "circle" / "090.jpg"
    closed.mkdir()
    for path in (closed, source / "circle", place / "images", place):
        path.chmod(0o500)
    (source / "circle").chmod(0)
    picture.chmod(0)
    try:
        check_two_lines(run_as_anybody("new", closed / "another", "--names", "a,b"), 77, "no permission", "another")
        check_two_lines(run_as_anybody("clean", "-C", place), 77, "no permission", "mode")
        check_two_lines(run_as_anybody("add", source, "-C", place), 77, "no permission")
        place.chmod(0o700)
        added = run_as_anybody("add", source, "-C", place)
        assert added.returncode == 0 and "circle/: Permission denied" in added.stdout
        check_two_lines(run_as_anybody("add", tmp_path / "more", "-C", place), 65, "unreadable", "Permission denied")
        (place / "catalog.db").chmod(0)
        check_two_lines(run_as_anybody("status", "-C", place), 77, "catalog.db")
        (place / "fieldguide.toml").chmod(0)
        check_two_lines(run_as_anybody("status", "-C", place), 77, "fieldguide.toml")
    finally:
        for path in (closed, source / "circle", place, place / "images"):
            path.chmod(0o700)


def test_status_where_nothing_may_be_written(filled_project: Project, tmp_path: Path) -> None:
    if os.geteuid() == 0 and not sys.platform.startswith("linux"):
        pytest.skip("root may do anything here")
    old, new, place = tmp_path / "old", tmp_path / "new", filled_project.root
    with zipfile.ZipFile(Path(__file__).parents[1] / "samples" / "project_v1.zip") as archive:
        archive.extractall(old)
    new.mkdir()
    (new / "fieldguide.toml").write_text((place / "fieldguide.toml").read_text(encoding="utf-8"), encoding="utf-8")
    catalog = filled_project.catalog()  # open and written to: part of it is in the write-ahead log
    catalog.finish("clean", "other inputs", {"kept": {"circle": 7}, "rejected": {}}, "2024-01-01T00:00:00+00:00")
    assert (place / "catalog.db-wal").stat().st_size
    folders = [place, new, *(path.parent for path in old.rglob("fieldguide.toml"))]
    before = {folder: sorted(path.name for path in folder.iterdir()) for folder in folders}
    for folder in folders:
        folder.chmod(0o500)
    try:
        results = [run_as_anybody("status", "-C", folder) for folder in folders]
        check_two_lines(run_as_anybody("clean", "-C", place), 77, "no permission")
    finally:
        for folder in folders:
            folder.chmod(0o700)
        catalog.close()
    assert [result.returncode for result in results] == [0, 0, 0], results
    assert "18 pictures" in results[0].stdout and "7 kept" in results[0].stdout
    assert "0 pictures" in results[1].stdout
    assert "publish  " in results[2].stdout
    before[place] = [name for name in before[place] if not name.startswith("catalog.db-")]
    assert {folder: sorted(path.name for path in folder.iterdir()) for folder in folders} == before


def test_a_place_where_nothing_can_be_made() -> None:
    folder = Path("/proc/fieldguide-test")
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    check_two_lines(run("new", folder, "--names", "a,b"), 77, str(folder))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, errors.DiskFull), (errno.EDQUOT, errors.DiskFull), (errno.EFBIG, errors.DiskFull),
        (errno.EACCES, NoPermission), (errno.EPERM, NoPermission), (errno.EROFS, NoPermission),
        (errno.ENAMETOOLONG, InputUnusable), (errno.ENOTDIR, InputUnusable), (errno.ELOOP, InputUnusable),
    ],
)  # fmt: skip
def test_errors_of_the_system_become_ours(number: int, kind: type[FieldguideError]) -> None:
    with pytest.raises(kind) as caught, translate_os_errors("writing"):
        raise OSError(number, "said", "a/path")
    assert caught.value.hint
    with pytest.raises(OSError, match="said"), translate_os_errors("writing"):
        raise OSError(errno.EIO, "said")


# ---- names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("Rose,rose", "would be one class"),
        ("wild rose,Wild_Rose", "would be one class"),
        ("rose", "at least two"),
        ("rose,,tulip", "empty"),
        ("rose,a/b", "slash"),
        ("rose,tu\u202elip", "invisible"),
        ("rose,tulip\x00".replace("\x00", "\x1b"), "invisible"),
        ("rose," + "x" * 121, "120"),
        ("café,cafe\u0301", "would be one class"),
    ],
)
def test_names_that_cannot_work(names: str, message: str, tmp_path: Path) -> None:
    check_two_lines(run("new", tmp_path / "x", "--names", names), 64, message)
    assert not (tmp_path / "x").exists()


def test_names_of_every_script(tmp_path: Path, pictures: Pictures) -> None:
    names = ["Роза дикая", "🌹🏳️‍🌈", "وردة", "玫瑰", "x" * 120, '"><img src=x onerror=alert(1)>', "[bold]=1+1"]
    place = tmp_path / "проект 🌼"
    ran("new", place, "--names", ",".join(names))
    folders = [name for name in names if len(name.encode()) < 250]
    ran("add", pictures(tmp_path / "source", folders, per_class=1), "-C", place)
    project = Project(place)
    assert list(project.settings().classes) == names
    with project.catalog() as catalog:
        assert {name for labels in catalog.labels().values() for name in labels} == set(names)
    output = ran("clean", "-C", place) + ran("status", "-C", place)
    assert "7 kept" in output
    check_two_lines(run("build", "-C", place), 5, "at least 3 different pictures")


def test_a_list_of_names_that_cannot_be_read(tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_bytes("rose\nt\xfclip\n".encode("latin-1"))
    check_two_lines(run("new", tmp_path / "x", "--names", names), 64, "UTF-8")
    names.write_text("")
    check_two_lines(run("new", tmp_path / "x", "--names", names), 64, "empty")
    names.write_text(f"name,about\nrose,{'x' * 3000}\ntulip,\n")
    check_two_lines(run("new", tmp_path / "x", "--names", names), 64)


# ---- settings


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ("train", "strenghts = [0.1]", "did you mean 'strengths'"),
        ("split", "test = 0.9", "0.45"),
        ("train", "size = 641", "640"),
        ("serve", "port = 99999", "65535"),
        ("train", 'fit = "stretch"', "squash"),
        ("features", 'batch_size = "many"', "batch_size"),
        ("images", "max_pixels = nan", "max_pixels"),
        ("publish", "examples = -1", "0"),
        ("pubish", "examples = 1", "did you mean 'publish'"),
    ],
)
def test_settings_that_are_impossible(section: str, line: str, message: str, place: Path) -> None:
    set_key(place / "fieldguide.toml", section, line)
    check_two_lines(run("status", "-C", place), 78, message, "fieldguide.toml")


def test_settings_that_cannot_be_read(place: Path) -> None:
    settings = place / "fieldguide.toml"
    good = settings.read_text()
    settings.write_text(good + "[broken\n")
    check_two_lines(run("status", "-C", place), 78, "not valid TOML", "line")
    settings.write_bytes(good.encode() + b"# \xff\n")
    check_two_lines(run("status", "-C", place), 78, "not valid TOML")
    settings.write_text("")
    assert "next:" in ran("status", "-C", place)
    settings.write_text("classes = 5\n")
    check_two_lines(run("status", "-C", place), 78, "classes")


def test_a_project_of_a_newer_form(place: Path) -> None:
    settings = place / "fieldguide.toml"
    good = settings.read_text()
    settings.write_text(good.replace("schema_version = 2", "schema_version = 3"))
    check_two_lines(run("status", "-C", place), 3, "schema_version 3", "newer Fieldguide")
    settings.write_text(good)
    with closing(sqlite3.connect(place / "catalog.db")) as database:
        database.execute("PRAGMA user_version = 99")
    for command in ("status", "clean", "build"):
        check_two_lines(run(command, "-C", place), 3, "schema version 99", "newer Fieldguide")
    with closing(sqlite3.connect(place / "catalog.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (99,)


# ---- the catalogue


def test_a_catalogue_that_is_none(place: Path, filled_project: Project) -> None:
    path = place / "catalog.db"
    whole = path.read_bytes()
    path.write_text("not a database, but long enough to be taken for one" * 100)
    for command in ("status", "clean", "build"):
        check_two_lines(run(command, "-C", place), 4, "catalog.db", "backup")
    assert path.read_text().startswith("not a database")
    path.write_bytes(whole[: len(whole) // 2])
    check_two_lines(run("clean", "-C", place), 4, "catalog.db")
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE somebody (x)")
        database.execute("PRAGMA user_version = 1")
        database.commit()
    check_two_lines(run("status", "-C", place), 4, "catalog.db")


# ---- too early


def test_stages_that_come_too_early(place: Path, filled_project: Project) -> None:
    check_two_lines(run("split", "-C", place), 5, "fieldguide clean")
    check_two_lines(run("train", "-C", place), 5, "not split")
    check_two_lines(run("evaluate", "-C", place), 5, "fieldguide train")
    check_two_lines(run("publish", "-C", place), 5, "fieldguide train")
    check_two_lines(run("collect", "-C", place), 78, "no source")
    check_two_lines(run("new", place.parent / "x", "--source", "web"), 78, "drawn")


def test_too_little_to_build_from(tmp_path: Path, pictures: Pictures) -> None:
    place = tmp_path / "place"
    ran("new", place)
    check_two_lines(run("build", "-C", place), 5, "no pictures yet", "fieldguide add")
    ran("add", pictures(tmp_path / "one", ["circle"], per_class=4), "-C", place)
    check_two_lines(run("build", "-C", place), 5, "at least two classes", "'circle'")
    ran("add", pictures(tmp_path / "two", ["square"], per_class=2), "-C", place)
    check_two_lines(run("build", "-C", place), 5, "'square' has 2")


# ---- one writer


def test_a_second_writer_is_told_of_the_first(filled_project: Project) -> None:
    place = filled_project.root
    with filled_project.lock("collect"):
        for command in ("clean", "build", "train"):
            check_two_lines(run(command, "-C", place), 75, "fieldguide collect", f"process {os.getpid()}", "wait")
        with filled_project.catalog() as catalog, catalog.transaction():
            assert "18 pictures" in ran("status", "-C", place)
    assert "18 pictures kept" in ran("clean", "-C", place)


def test_a_lock_dies_with_its_holder(filled_project: Project) -> None:
    place = filled_project.root
    code = (
        "import sys, time, pathlib; from fieldguide.project import Project\n"
        "with Project(pathlib.Path(sys.argv[1])).lock('train'):\n print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(place)], env=environment(), stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        check_two_lines(run("clean", "-C", place), 75, "fieldguide train", str(holder.pid))
        holder.send_signal(signal.SIGKILL)
    ran("clean", "-C", place)


# ---- no space


def run_small(limit: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; none of its files may grow over a size."""
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); " \
        "from fieldguide.cli import main; main(sys.argv[2:])"  # fmt: skip
    command = [sys.executable, "-c", code, str(limit), *map(str, arguments)]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_S
    )


def content(project: Project) -> list[tuple[str, str, str, str]]:
    """Return what the catalogue says of each picture, after a check that every original is whole."""
    with project.catalog() as catalog:
        for sha256, row in catalog.images().items():
            assert len(project.read_image(sha256, row.format)) == row.bytes
        return [(state.sha256, state.class_name, state.state, state.split) for state in catalog.states()]


@pytest.mark.parametrize("limit", [3_000, 20_000, 60_000, 110_000])
def test_no_space_for_a_file_loses_nothing(limit: int, project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", per_class=24)
    place = project.root
    result = run_small(limit, "add", source, "-C", place)
    check_two_lines(result, 74, "no space", "same command")
    content(project)
    assert not list(place.rglob("*.tmp"))
    ran("add", source, "-C", place)
    before = content(project)
    assert len(before) == 72
    if limit < 100_000:
        check_two_lines(run_small(limit, "clean", "-C", place), 74, "no space")
    ran("clean", "-C", place)
    assert {row[2] for row in content(project)} == {"kept"}


@pytest.mark.slow
def test_no_space_for_a_guide_leaves_the_old_one(built: Project) -> None:
    before = {path: path.read_bytes() for path in built.guide_folder.rglob("*") if path.is_file()}
    set_key(built.settings_file, "publish", "examples = 1")
    check_two_lines(run_small(5_000_000, "publish", "-C", built.root), 74, "no space", "same command")
    assert {path: path.read_bytes() for path in built.guide_folder.rglob("*") if path.is_file()} == before
    assert not list(built.root.rglob("*.tmp"))
    assert "3 examples" in ran("publish", "-C", built.root)


def test_a_full_disk(tmp_path: Path, pictures: Pictures) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() or not mount:
        pytest.skip("only root can mount a small disk")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        place = disk / "place"
        ran("new", place, "--names", "circle,square,triangle")
        source = pictures(tmp_path / "source", per_class=24)
        check_two_lines(run("add", source, "-C", place), 74, "no space", "same command")
        content(Project(place))
        ran("status", "-C", place)
        subprocess.run([mount, "-o", "remount,size=20m", disk], check=True)
        ran("add", source, "-C", place)
        assert len(content(Project(place))) == 72
    finally:
        subprocess.run(["umount", disk], check=True)

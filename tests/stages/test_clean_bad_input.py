"""Cleaning odd projects: few or equal pictures, one class, hostile files, two at once, a full disk."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import ran, run, set_key
from conftest import Pictures, draw_picture, encode, make_project, picture_bytes
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import CleanReport
from fieldguide.stages.add import add
from fieldguide.stages.clean import clean


def cleaned(project: Project) -> CleanReport:
    report = clean(project, project.settings(), progress=SilentProgress())
    assert clean(project, project.settings(), progress=SilentProgress()) == report, "a second run changes nothing"
    return report


def put(project: Project, files: dict[str, bytes]) -> None:
    folder = project.root.parent / "files"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    add(project, project.settings(), folder, progress=SilentProgress())


def test_an_empty_class_and_a_class_with_one_picture(project: Project) -> None:
    put(project, {"circle/0.png": picture_bytes("circle", 1), "square/0.png": picture_bytes("square", 1)})
    report = cleaned(project)
    assert report.kept == {"circle": 1, "square": 1} and not report.suspicions
    result = run("build", "-C", project.root)
    assert result.returncode != 0 and len(result.stderr.strip().splitlines()) < 12
    assert "Traceback" not in result.stderr


def test_one_class_only(tmp_path: Path, pictures: Pictures) -> None:
    project = make_project(tmp_path / "project", ["circle"])
    add(project, project.settings(), pictures(tmp_path / "source", ["circle"], per_class=11), progress=SilentProgress())
    report = cleaned(project)
    assert report.kept == {"circle": 11} and report.rejected == {}


def test_pictures_that_are_all_the_same(project: Project) -> None:
    picture = draw_picture("circle", 0)
    put(project, {f"circle/{side}.png": encode(picture.resize((side, side))) for side in range(100, 124)})
    report = cleaned(project)
    assert report.kept == {"circle": 1} and report.rejected == {"near_copy": 23}
    assert not report.suspicions


def test_a_file_under_two_classes_alone(project: Project) -> None:
    put(project, {f"{name}/same.png": picture_bytes("ring", 0) for name in ("circle", "square")})
    report = cleaned(project)
    assert report.kept == {} and report.nothing_kept and report.hint


def test_where_a_score_rejects_every_picture_its_key_is_named(project: Project) -> None:
    dark = {f"circle/{number}.png": encode(scene(number).point(lambda level: level // 5)) for number in range(3)}
    put(project, dark)
    assert cleaned(project).suspected == {"dark": 3}
    set_key(project.settings_file, "clean", "quality = 0.5")
    report = cleaned(project)
    assert report.nothing_kept == "all 3 pictures have a score that [clean] quality rejects (dark)"
    assert '"suspect"' in report.hint


@pytest.mark.shared
def test_hostile_files_have_reasons_and_the_rest_goes_on(filled_project: Project, shared: Path) -> None:
    folder = filled_project.root.parent / "hostile" / "circle"
    folder.mkdir(parents=True)
    for path in sorted((shared / "hostile" / "synthetic").iterdir()):
        if path.is_file() and path.stat().st_size < 3_000_000:
            shutil.copyfile(path, folder / path.name)
    ran("add", folder.parent, "-C", filled_project.root)
    report = cleaned(filled_project)
    assert report.kept["square"] == report.kept["triangle"] == 6 and report.kept["circle"] >= 6
    assert all(item.detail or item.copy_of for item in report.rejections)


def test_the_catalogue_is_open_elsewhere(filled_project: Project) -> None:
    """Another program that reads it is no hindrance."""
    with filled_project.catalog() as reader:
        before = reader.states()
        assert "18 pictures kept" in ran("clean", "-C", filled_project.root)
        assert {state.state for state in before} == {"unchecked"}
        assert {state.state for state in reader.states()} == {"kept"}
    with closing(sqlite3.connect(filled_project.root / "catalog.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def scene(number: int) -> Image.Image:
    """Return a picture with fine detail everywhere."""
    grain = np.random.default_rng(number).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    return Image.blend(draw_picture("circle", number).resize((128, 128)), Image.fromarray(grain), 0.4)


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    mount = shutil.which("mount")
    if os.geteuid() or not mount:
        pytest.skip("only root can mount a small disk")
    place.mkdir()
    if subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_two_lines_and_cleaning_goes_on_later(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m"):
        project = make_project(tmp_path / "disk" / "project", ["circle"])
        source = tmp_path / "source" / "circle"
        source.mkdir(parents=True)
        for number in range(60):
            Image.effect_noise((66, 66), 90).convert("RGB").save(source / f"{number}.jpg", quality=40)
        ran("add", source.parent, "-C", project.root)
        filler = tmp_path / "disk" / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        result = run("clean", "-C", project.root)
        assert result.returncode == 74, result.stderr
        assert "no space" in result.stderr and "Traceback" not in result.stderr
        filler.unlink()
        printed = ran("clean", "-C", project.root)
        assert "0 rejected" in printed and "60 pictures kept" in printed

"""The project folder: originals by their hash, one writer at a time, and where a project is looked for."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from fieldguide.errors import InputMissing, NoPermission, ProjectBusy, ProjectMissing, SettingsError
from fieldguide.project import Project, decode_limits, find_project
from fieldguide.settings import Settings


def test_an_original_lies_under_its_hash(project: Project) -> None:
    sha256 = project.store_image(b"bytes", "PNG")
    assert sha256 == hashlib.sha256(b"bytes").hexdigest()
    path = project.image_path(sha256, "PNG")
    assert path == project.root / "images" / sha256[:2] / f"{sha256}.png"
    assert path.read_bytes() == project.read_image(sha256, "png") == b"bytes"


def test_storing_again_changes_nothing_and_mends_what_was_cut(project: Project) -> None:
    sha256 = project.store_image(b"bytes", "PNG")
    path = project.image_path(sha256, "PNG")
    made = path.stat().st_ino
    project.store_image(b"bytes", "PNG")
    assert path.stat().st_ino == made
    path.write_bytes(b"byt")
    project.store_image(b"bytes", "PNG")
    assert path.read_bytes() == b"bytes"


def test_an_original_that_was_taken_away(project: Project) -> None:
    sha256 = project.store_image(b"bytes", "PNG")
    project.image_path(sha256, "PNG").unlink()
    with pytest.raises(InputMissing, match=sha256):
        project.read_image(sha256, "PNG")


def test_one_writer_at_a_time_and_the_message_says_who(project: Project) -> None:
    other = Project(project.root)
    with project.lock("train"):
        with pytest.raises(ProjectBusy, match=f"'fieldguide train' .process {os.getpid()} "), other.lock("add"):
            pass
        assert json.loads((project.root / ".lock").read_text())["command"] == "train"
    with other.lock("add"):
        assert json.loads((project.root / ".lock").read_text())["command"] == "add"


def test_a_lock_ends_with_an_error_inside(project: Project) -> None:
    with pytest.raises(ValueError, match="x"), project.lock("train"):
        raise ValueError("x")
    with project.lock("train"):
        pass


def test_a_lock_ends_with_its_process(project: Project) -> None:
    program = (
        "import os, sys; from pathlib import Path; from fieldguide.project import Project\n"
        "with Project(Path(sys.argv[1])).lock('train'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(project.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ProjectBusy, match=str(process.pid)), project.lock("add"):
            pass
        process.kill()
        process.wait()
    with project.lock("add"):
        pass


def test_a_lock_file_with_nothing_to_say(project: Project) -> None:
    with project.lock("train"):
        (project.root / ".lock").write_text("")
        with pytest.raises(ProjectBusy, match="another command"), Project(project.root).lock("add"):
            pass


def test_where_a_project_is(project: Project, tmp_path: Path) -> None:
    assert find_project(project.root).root == project.root
    with pytest.raises(InputMissing):
        find_project(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProjectMissing) as caught:
        find_project(tmp_path / "empty")
    assert "fieldguide new" in caught.value.hint
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProjectMissing):
        find_project(tmp_path / "file")


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> bool:
        raise PermissionError(13, "no", str(self))

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(NoPermission):
        find_project(tmp_path)


def test_the_settings_are_those_of_the_file(project: Project) -> None:
    project.settings_file.write_text("[images]\nmax_pixels = 5000\nformats = ['PNG']\n")
    limits = decode_limits(project.settings())
    assert (limits.max_pixels, limits.formats, limits.max_bytes) == (5000, ("PNG",), Settings().images.max_bytes)
    project.settings_file.write_text("[imagse]\n")
    with pytest.raises(SettingsError, match="imagse"):
        project.settings()


def test_time_is_told_in_utc(tmp_path: Path) -> None:
    there = timezone(timedelta(hours=9))
    assert Project(tmp_path, lambda: datetime(2024, 1, 1, 3, tzinfo=there)).now() == "2023-12-31T18:00:00+00:00"
    assert Project(tmp_path).clock().tzinfo is UTC

"""Files that are there whole or not at all, whatever fails on the way."""

import ctypes
import errno
import os
from pathlib import Path

import pytest

from fieldguide.errors import DiskFull, NoPermission
from fieldguide.project.atomic import replace_folder, sweep, write_bytes, write_text


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_file_is_made_and_replaced_with_its_folders(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "file.txt"
    write_text(file, "Käfer")
    assert file.read_bytes() == "Käfer".encode()
    write_bytes(file, b"\0\1")
    assert file.read_bytes() == b"\0\1"
    assert listing(tmp_path) == {"a", "a/b", "a/b/file.txt"}
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "full"), DiskFull),
        (PermissionError(errno.EACCES, "no"), NoPermission),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_the_old_file_stays_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException, kind: type[BaseException]
) -> None:
    file = tmp_path / "file"
    write_bytes(file, b"old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(kind):
        write_bytes(file, b"new")
    assert file.read_bytes() == b"old"
    assert listing(tmp_path) == {"file"}


def test_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def seen_fsync(handle: int) -> None:
        order.append("fsync")
        fsync(handle)

    def seen_replace(self: Path, target: Path) -> Path:
        order.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "replace", seen_replace)
    write_bytes(tmp_path / "file", b"x")
    assert order == ["fsync", "replace", "fsync"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "guide"
    for text in ("one", "two"):
        with replace_folder(target) as fresh:
            assert not any(fresh.iterdir())
            (fresh / "deep").mkdir()
            (fresh / "deep" / text).write_text(text)
        assert listing(tmp_path) == {"guide", "guide/deep", f"guide/deep/{text}"}
    assert target.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), ValueError("x")])
def test_the_old_folder_stays_when_filling_fails(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "guide"
    with replace_folder(target) as fresh:
        (fresh / "old").write_text("old")
    with (
        pytest.raises(DiskFull if isinstance(error, OSError) else type(error)),
        replace_folder(target) as fresh,
    ):
        (fresh / "new").write_text("half")
        raise error
    assert listing(tmp_path) == {"guide", "guide/old"}


def test_the_old_folder_comes_back_when_the_last_rename_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "guide"
    with replace_folder(target) as fresh:
        (fresh / "old").write_text("old")
    rename = Path.rename

    def fail(self: Path, to: Path) -> Path:
        if (self / "new").exists():
            raise OSError(errno.EACCES, "no")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **options: object())  # a system that cannot swap two folders
    with pytest.raises(NoPermission), replace_folder(target) as fresh:
        (fresh / "new").write_text("new")
    assert listing(tmp_path) == {"guide", "guide/old"}


def test_a_folder_that_was_never_there_is_not_left_half_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), replace_folder(tmp_path / "guide"):
        raise ValueError("x")
    assert listing(tmp_path) == set()


def test_sweeping_touches_nothing_that_others_made(tmp_path: Path) -> None:
    (tmp_path / ".notes.tmp").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".draft.tmp").mkdir()
    (tmp_path / ".fieldguide-abc.tmp").write_text("half")
    sweep(tmp_path)
    assert listing(tmp_path) == {".notes.tmp", "mine", "mine/.draft.tmp"}


def test_where_others_may_be_writing_only_what_is_old_is_swept(tmp_path: Path) -> None:
    for folder in ("busy", "idle"):
        for age in (10, 1000):
            path = tmp_path / folder / f".fieldguide-{age}.tmp"
            path.parent.mkdir(exist_ok=True)
            path.write_text("half")
            os.utime(path, (1e9 - age, 1e9 - age))
    sweep(tmp_path, (tmp_path / "busy",), 1e9 - 100)
    assert listing(tmp_path) == {"busy", "busy/.fieldguide-10.tmp", "idle"}


def test_sweeping_puts_back_a_folder_that_was_on_its_way(tmp_path: Path) -> None:
    (tmp_path / ".fieldguide-old-guide.tmp").mkdir()
    (tmp_path / ".fieldguide-old-guide.tmp" / "model").write_text("old")
    sweep(tmp_path)
    assert listing(tmp_path) == {"guide", "guide/model"}

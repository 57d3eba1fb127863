"""Files that are there whole or not at all.

Write beside the place, flush to the disk, rename, flush the folder: a kill at any moment leaves the old file
or the new one. Names that begin with ".fieldguide-" and end with ".tmp" are unfinished and never data.
"""

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fieldguide.errors import translate_os_errors

_PREFIX, _SUFFIX = ".fieldguide-", ".tmp"
_OLD = f"{_PREFIX}old-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file, whole or not at all, durably.

    Args:
        path: the file.
        data: its new content.
        durable: False where `flush_disk` is called before anything relies on the file: a kill leaves it whole or not
            there at all either way, a power cut until then may leave it with fewer bytes.
    """
    with translate_os_errors(f"writing {path}"):
        handle, name = _begin(path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(handle, 0o644)
                if durable:
                    file.flush()
                    os.fsync(handle)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if durable:
            _flush_folder(path.parent)


def _begin(folder: Path) -> tuple[int, str]:
    """Open an unfinished file in the folder, which is made where it is missing; return its handle and path."""
    try:
        return tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder)


def flush_disk(folder: Path) -> None:
    """Flush everything written to the folder's file system to the disk: one wait for many files, syncfs(2)."""
    with translate_os_errors(f"writing {folder}"):
        handle = os.open(folder, os.O_RDONLY)
        try:
            sync = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
            if sync is None:  # not every system has it
                os.sync()
            elif sync(handle):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends well it replaces `path`, else the old folder is untouched."""
    with translate_os_errors(f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=path.parent))
        try:
            yield fresh
            fresh.chmod(0o755)
            for file in fresh.rglob("*"):
                _flush(file)
            put_folder(fresh, path)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


def put_folder(fresh: Path, path: Path) -> None:
    """Put a folder whose files are flushed to the disk in the place of another; the other one goes.

    Where it fails, the old folder is untouched, and `fresh` still there.
    """
    old = path.with_name(f"{_OLD}{path.name}{_SUFFIX}")
    try:
        if path.exists() and not _exchange(fresh, path):
            path.rename(old)
        if not path.exists():
            fresh.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    _flush_folder(path.parent)
    for leftover in (old, fresh):  # after an exchange the old folder has the new one's first name
        shutil.rmtree(leftover, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap the names of two folders in a single step, renameat2(2); return False where the system or disk cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0)


def sweep(folder: Path, busy: Sequence[Path] = (), older_than: float = 0.0) -> None:
    """Remove what a kill left unfinished below the folder, and put back what it left in the middle of a swap.

    Only names that this module makes are touched, and only whoever holds the project's lock calls this.

    Args:
        folder: where to look.
        busy: folders in it where others may be writing now.
        older_than: seconds since 1970; in those, only what was written before is touched.
    """
    for path in list(folder.rglob(f"{_PREFIX}*{_SUFFIX}")):
        if any(busy_folder in path.parents for busy_folder in busy) and not _is_older(path, older_than):
            continue
        target = path.with_name(path.name.removeprefix(_OLD).removesuffix(_SUFFIX))
        if path.name.startswith(_OLD) and not target.exists():
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_older(path: Path, than: float) -> bool:
    """Tell whether a file was written before; one that has gone meanwhile was not."""
    try:
        return path.stat().st_mtime < than
    except FileNotFoundError:
        return False


def _flush(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(path: Path) -> None:
    """Flush the renames inside a folder to the disk."""
    _flush(path)

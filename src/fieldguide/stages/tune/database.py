"""The file that holds the trials: Optuna's own tables in SQLite, opened, made whole, its faults told in our words.

Knows nothing about what a trial is. SQLite rather than Optuna's journal: a transaction that a kill or a power cut
interrupts is undone by the next who opens the file, where half a line of a journal has to be mended by hand and its
lock outlives the process that held it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from fieldguide.errors import (
    DiskFull,
    FieldguideError,
    NoPermission,
    ProjectBusy,
    ProjectDamaged,
    ProjectTooNew,
    translate_os_errors,
)
from fieldguide.stages.tune.sampling import import_optuna, keep_quiet

__all__ = ["DATABASE", "close_storage", "hold", "hold_if_free", "open_storage", "translate_database_errors"]

DATABASE = "study.db"
_WAIT_S = 60


def open_storage(path: Path) -> Any:
    """Optuna's storage on this file, which is made whole or not at all. Whoever calls this holds the folder's lock.

    Raises:
        ProjectDamaged: the file is no database of trials.
        ProjectTooNew: a newer Optuna made it.
        NoPermission: it cannot be written.
        DiskFull: no space.
        MissingExtra: Optuna is not installed.
    """
    import_optuna()
    with translate_database_errors(path), keep_quiet():
        if not path.exists() or not path.stat().st_size:
            fresh = path.with_name(f".fieldguide-{path.name}.tmp")
            for beside in ("", "-wal", "-shm", "-journal"):  # of one that a kill left, or that a person moved away
                fresh.with_name(f"{fresh.name}{beside}").unlink(missing_ok=True)
                path.with_name(f"{path.name}{beside}").unlink(missing_ok=True)
            close_storage(_connect(fresh, fresh=True))
            with closing(sqlite3.connect(fresh)) as database:
                database.execute("PRAGMA journal_mode = WAL")  # stays with the file: readers never wait for a writer
            with translate_os_errors(f"writing {path}"):
                fresh.replace(path)
        try:
            return _connect(path)
        except RuntimeError as error:
            if "compatible" not in str(error):
                raise
            hint = "install the Optuna that made it, or move it away to begin anew"
            raise ProjectTooNew(f"{path} was made by another Optuna", hint) from error


def _connect(path: Path, *, fresh: bool = False) -> Any:
    """The storage. Its connections are made here, since not every path can be written as an address.

    Tables are made only in a fresh file: one that lacks some is not to be mended by empty ones.
    """
    optuna = import_optuna()
    make = partial(sqlite3.connect, path.absolute(), timeout=_WAIT_S)
    address, arguments = f"sqlite:///{DATABASE}", {"creator": make}
    return optuna.storages.RDBStorage(address, engine_kwargs=arguments, skip_table_creation=not fresh)


def close_storage(storage: Any) -> None:
    """Nothing; the storage's file is closed."""
    storage.remove_session()
    storage.engine.dispose()


@contextmanager
def translate_database_errors(path: Path) -> Iterator[None]:
    """Nothing; inside the block what SQLite says, through whatever wraps it, becomes one of our errors.

    Raises:
        ProjectDamaged: the file is not sound.
        NoPermission: it cannot be written.
        DiskFull: no space.
        ProjectBusy: others have kept it for a minute.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        raise _translate(path, error) from error


def _translate(path: Path, error: BaseException) -> FieldguideError:
    """The error in our words, by what lies at its bottom."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, sqlite3.Error):
        inner = getattr(inner, "orig", None) or inner.__cause__
    name = getattr(inner, "sqlite_errorname", "")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return DiskFull(f"no space left while writing {path}", "free some space and run the same command again")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return NoPermission(f"cannot write {path}", "check the owner and mode of the file and its folder")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ProjectBusy(f"{path} is in use by another program", "wait until it has ended, then run this again")
    hint = f"move {path.name} away: the search begins anew"
    return ProjectDamaged(f"{path} is damaged: {inner or error}", hint)


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Nothing; inside the block nobody else holds this lock. The kernel frees it when the process dies.

    Raises:
        NoPermission: the file cannot be written.
        DiskFull: no space.
    """
    with _open_lock(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def hold_if_free(path: Path) -> IO[bytes] | None:
    """The lock, held until it is closed; None where another process holds it.

    Raises:
        NoPermission: the file cannot be written.
        DiskFull: no space.
    """
    file = _open_lock(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    return file


def _open_lock(path: Path) -> IO[bytes]:
    with translate_os_errors(f"locking {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "wb")

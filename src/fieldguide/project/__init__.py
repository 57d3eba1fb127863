"""The project folder: what lies where, one writer at a time, originals by their hash.

Knows nothing about what the stages do.
"""

import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from fieldguide.errors import InputMissing, ProjectBusy, ProjectDamaged, ProjectMissing, translate_os_errors
from fieldguide.images import Limits
from fieldguide.project.atomic import flush_disk, sweep, write_bytes, write_text
from fieldguide.project.catalog import Catalog
from fieldguide.settings import Settings, edit_settings, load_settings

__all__ = ["SETTINGS_FILE", "Project", "decode_limits", "find_project"]

SETTINGS_FILE = "fieldguide.toml"
_DAY_S = 86400


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Project:
    """A project folder; `clock` is the only clock that the stages know."""

    root: Path
    clock: Callable[[], datetime] = _utc_now

    @property
    def settings_file(self) -> Path:
        """The one file that a person edits."""
        return self.root / SETTINGS_FILE

    @property
    def features_folder(self) -> Path:
        """Where embeddings are kept."""
        return self.root / "features"

    @property
    def scaled_folder(self) -> Path:
        """Where scaled copies of large originals are kept, from which networks learn; never in place of those."""
        return self.root / "scaled"

    @property
    def runs_folder(self) -> Path:
        """A folder for each training run."""
        return self.root / "runs"

    @property
    def tune_folder(self) -> Path:
        """The search for better settings: its trials, its report."""
        return self.root / "tune"

    @property
    def guide_folder(self) -> Path:
        """What is published."""
        return self.root / "guide"

    def now(self) -> str:
        """Return the time in ISO 8601, UTC, whole seconds."""
        return self.clock().astimezone(UTC).isoformat(timespec="seconds")

    def settings(self) -> Settings:
        """Read `fieldguide.toml`.

        Raises:
            SettingsError: it cannot be read or holds a value that is not allowed.
        """
        return load_settings(self.settings_file)

    def write_settings(self, changed: Mapping[str, Any]) -> None:
        """Write values at dotted names into `fieldguide.toml`; comments and order stay.

        The file is replaced whole, and only by one that holds what it held, those values apart.

        Raises:
            SettingsError: an unknown name, a value out of bounds, or a file that cannot be edited; it is untouched.
        """
        path = self.settings_file
        with translate_os_errors(f"reading {path}"):
            text = path.read_bytes().decode("utf-8-sig")  # with the ends of its lines as they are
        edited = edit_settings(text, changed, path)
        if edited != text:
            write_text(path, edited)

    def catalog(self) -> Catalog:
        """Open the catalogue; close it or use it in a `with`.

        Raises:
            ProjectTooNew: a newer Fieldguide made it.
            ProjectDamaged: not a sound database, or gone while the pictures are still there.
        """
        path = self.root / "catalog.db"
        if not (path.exists() and path.stat().st_size) and next((self.root / "images").glob("??/*"), None):
            hint = f"restore {path.name}, or make a new project and add the pictures of {self.root / 'images'} again"
            raise ProjectDamaged(f"{path} is gone, but its pictures are here", hint)
        return Catalog(path)

    def image_path(self, sha256: str, suffix: str) -> Path:
        """Return the path of the original with that hash; `suffix` is its format."""
        return self.root / f"images/{sha256[:2]}/{sha256}.{suffix.lower()}"

    def store_image(self, data: bytes, suffix: str, *, durable: bool = True) -> str:
        """Store the bytes of an original, unchanged, and return their SHA-256; a second time is no work.

        Args:
            data: the whole file.
            suffix: its format.
            durable: False where `flush_images` is called before anything relies on it.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.image_path(sha256, suffix)
        if not path.exists() or path.stat().st_size != len(data):
            write_bytes(path, data, durable=durable)
        return sha256

    def flush_images(self) -> None:
        """Flush every original that was stored to the disk."""
        flush_disk(self.root)

    def keep_answer(self, source: str, body: bytes) -> Path:
        """Keep an answer of a source that was not understood, as text so that nothing runs it; return its path."""
        path = self.root / "answers" / f"{Path(source).name}.txt"
        write_bytes(path, body)
        return path

    def read_image(self, sha256: str, suffix: str) -> bytes:
        """Read the bytes of an original.

        Raises:
            InputMissing: the file was taken away.
        """
        path = self.image_path(sha256, suffix)
        try:
            with translate_os_errors(f"reading {path}"):
                return path.read_bytes()
        except FileNotFoundError as error:
            raise InputMissing(f"the original {path} is gone", "restore it, or add it again") from error

    @contextmanager
    def lock(self, command: str) -> Iterator[None]:
        """Keep other processes from writing to the project inside the block.

        The kernel frees the lock when the process dies, so it is never stale.

        Raises:
            ProjectBusy: another process is writing; the message says which.
        """
        path = self.root / ".lock"
        with translate_os_errors(f"locking {self.root}"):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(handle, "r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ProjectBusy(
                    f"{self.root} is in use by {_holder(file)}", "wait until it has finished, then run this again"
                ) from error
            with translate_os_errors(f"locking {self.root}"):
                file.truncate(0)
                holder = {"command": command, "pid": os.getpid(), "host": socket.gethostname()}
                file.write(json.dumps(holder))
                file.flush()
            # trials run without this lock: what they write at this moment is not to be taken from them
            busy = self.tune_folder, self.features_folder, self.scaled_folder
            sweep(self.root, busy, path.stat().st_mtime - _DAY_S)
            yield


def _holder(file: IO[str]) -> str:
    """Say which command holds the lock."""
    try:
        held = json.loads(file.read())
        return f"'fieldguide {held['command']}' (process {held['pid']} on {held['host']})"
    except (ValueError, KeyError, TypeError):
        return "another command"


def decode_limits(settings: Settings) -> Limits:
    """Return the limits on pictures that the settings of a project give."""
    images = settings.images
    return Limits(images.formats, images.max_bytes, images.max_pixels, images.max_scans)


def find_project(folder: Path) -> Project:
    """Find the project in a folder.

    Raises:
        ProjectMissing: the folder has no `fieldguide.toml`.
        InputMissing: there is no such folder.
    """
    with translate_os_errors(f"reading {folder}"):
        if not folder.exists():
            raise InputMissing(f"there is no folder {folder}", "check the path of the project")
        if not (folder / SETTINGS_FILE).is_file():
            hint = "give the folder of a project (-C DIR), or make one: fieldguide new DIR --names a,b"
            raise ProjectMissing(f"there is no {SETTINGS_FILE} in {folder.resolve()}", hint)
    return Project(folder)

"""Pictures in folders: which class and which split a path means.

Knows nothing about projects; opens no picture.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from fieldguide.names import match_key
from fieldguide.text import readable

__all__ = ["SPLIT_FOLDERS", "Found", "is_visible", "place", "read_folder", "refuse", "unwrap"]

SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_NOT_PICTURES = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class Found:
    """A file that may be a picture: where it is, what its place says, and how to get its bytes.

    Attributes:
        location: its path inside what was added, with forward slashes.
        label: the class that its place names, or "".
        given_split: "train", "val", "test" or "".
        size_bytes: its size.
        read: gives the bytes; may raise OSError.
    """

    location: str
    label: str
    given_split: str
    size_bytes: int
    read: Callable[[], bytes]


def read_folder(folder: Path, names: Sequence[str], class_name: str) -> list[Found]:
    """Every file under a folder with its class and split, in the order of the paths; hidden ones are passed over.

    Raises:
        OSError: the folder cannot be listed.
    """
    os.scandir(folder).close()
    paths = sorted(
        Path(base, file).relative_to(folder)
        for base, folders, files in os.walk(folder, onerror=_raise)
        for file in _visible(folders, files)
    )
    located = [(readable(path.as_posix()), path) for path in paths]
    tops = unwrap([location for location, _ in located], names)
    if not class_name and all("/" not in location for location, _ in located):
        class_name = _own_class(folder, names)
    found = []
    for location, path in located:
        label, split = place(location[len(tops) :], names, class_name)
        full = folder / path
        if full.is_file():
            found.append(Found(location, label, split, full.stat().st_size, full.read_bytes))
        else:  # a dangling link, a socket, a pipe: reading it must not hang
            found.append(Found(location, label, split, 0, partial(refuse, location)))
    return found


def _own_class(folder: Path, names: Sequence[str]) -> str:
    """The folder's own name where it is one of the names, else ""."""
    return next((name for name in names if match_key(name) == match_key(folder.resolve().name)), "")


def _raise(error: OSError) -> None:
    raise error


def refuse(location: str) -> bytes:
    """Never anything: reads of what is no ordinary file end here.

    Raises:
        OSError: always.
    """
    raise OSError(f"{location} is no ordinary file")


def _visible(folders: list[str], files: list[str]) -> Iterable[str]:
    """The files worth a look; hidden folders are taken out of `folders` so that the walk passes them by."""
    folders[:] = [name for name in folders if is_visible(name)]
    return [name for name in files if is_visible(name)]


def is_visible(name: str) -> bool:
    """Whether a file or folder is one that a person put there."""
    return not name.startswith(".") and name.casefold() not in _NOT_PICTURES


def unwrap(locations: Sequence[str], names: Sequence[str]) -> str:
    """The folder, with its slash, that wraps everything without being a class itself; "" when there is none.

    A folder wraps when it is the only one at its depth and holds folders, as archives and downloads often have.
    """
    kept = {*SPLIT_FOLDERS, *map(match_key, names)}
    prefix = ""
    while True:
        rest = [PurePosixPath(location[len(prefix) :]).parts for location in locations]
        tops = {parts[0] for parts in rest if parts}
        if len(tops) != 1 or any(len(parts) < 3 for parts in rest) or match_key(min(tops)) in kept:
            return prefix
        prefix += min(tops) + "/"


def place(location: str, names: Sequence[str], class_name: str) -> tuple[str, str]:
    """The class and the split that a path means; "" for either when it says none.

    The first folder names the class, after a split folder if there is one; when the project has names, the first
    folder that is one of them. Without folders the file's own name may begin with one of the names.
    """
    folders = list(PurePosixPath(location).parts[:-1])
    keys = {match_key(name) for name in names}
    split = SPLIT_FOLDERS.get(match_key(folders[0]), "") if folders else ""
    if len(folders) == 1 and match_key(folders[0]) in keys:
        split = ""  # a class may be called "train"
    if split:
        folders = folders[1:]
    if class_name:
        return class_name, split
    named = next((folder for folder in folders if match_key(folder) in keys), "")
    if named or folders:
        return named or folders[0], split
    stem = match_key(PurePosixPath(location).stem)
    starts = [name for name in names if stem == match_key(name) or stem.startswith(match_key(name) + " ")]
    return max(starts, key=len, default=""), split

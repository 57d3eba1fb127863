"""Folders that are made for a person to hand on: where they may be, and whether what is there may be replaced.

Such a folder says in `export.json` what wrote it, and only what that names is ever replaced: files of a person's own
stay. Knows nothing about what is exported. The folder itself is made by `atomic`.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fieldguide.errors import InputUnusable, ProjectExists
from fieldguide.hashing import hash_file

RECORD_FILE = "export.json"
_ANOTHER = "choose another folder: --out DIR"
_OWN_FOLDERS = (
    *("images", "features", "scaled", "runs", "tune", "clean", "review", "split", "compare", "guide", "answers"),
)


def check_place(root: Path, out: Path) -> None:
    """Check that a folder is none in which the project at `root` keeps its own files, nor one that holds the project.

    Raises:
        InputUnusable: it is.
    """
    place, root = out.resolve(), root.resolve()
    inside = place.relative_to(root).parts if place.is_relative_to(root) else ()
    if root.is_relative_to(place) or (inside and inside[0] in _OWN_FOLDERS):
        raise InputUnusable(f"{out} is where the project keeps its own files", _ANOTHER)


def read_replaceable(out: Path, keys: Collection[str]) -> dict[str, Any] | None:
    """Return the record of what an earlier export wrote into a folder; None where it is not there, or empty.

    Args:
        out: the folder that is to be made.
        keys: what the record has to have, beside `hashes` or `files`.

    Raises:
        ProjectExists: it holds something that no export wrote.
        InputUnusable: there is a file of that name.
    """
    if not out.exists():
        return None
    if not out.is_dir():
        raise InputUnusable(f"{out} is a file", _ANOTHER)
    if not any(out.iterdir()):
        return None
    record = read_record(out, keys)
    if record is None:
        raise ProjectExists(f"{out} holds files that no export wrote", _ANOTHER)
    if _holds_others(out, record):
        raise ProjectExists(f"{out} holds files that the export in it did not write", _ANOTHER)
    return record


def _holds_others(out: Path, record: Mapping[str, Any]) -> bool:
    """Tell whether there are files that the record does not tell of: by name where it has names, else by number."""
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} - {RECORD_FILE}
    if "hashes" in record:
        return bool(files - set(record["hashes"]))
    return len(files) > int(record["files"])


def is_whole(out: Path, record: Mapping[str, Any]) -> bool:
    """Tell whether each file of an export that keeps `hashes` is still there and what it was."""
    files = {out / name: value for name, value in record["hashes"].items()}
    return all(path.is_file() and hash_file(path) == value for path, value in files.items())


def hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, by its path in it: the `hashes` of a record."""
    return {
        path.relative_to(folder).as_posix(): hash_file(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def read_record(folder: Path, keys: Collection[str]) -> dict[str, Any] | None:
    """Read what an export says of itself; None where no export made the folder."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(record, dict) and set(keys) <= set(record)
    if not known or not (isinstance(record.get("hashes"), dict) or isinstance(record.get("files"), int)):
        return None
    return dict(record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write what an export says of itself."""
    text = json.dumps(record, ensure_ascii=False, indent=1)
    (folder / RECORD_FILE).write_text(f"{text}\n", encoding="utf-8")

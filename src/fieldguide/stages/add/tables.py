"""Pictures named in a table: CSV or Parquet with the columns `path`, `label` and, if given, `split`.

Knows nothing about projects; opens no picture.
"""

import csv
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from fieldguide.errors import InputUnusable
from fieldguide.optional import require
from fieldguide.stages.add.folders import SPLIT_FOLDERS, Found, refuse

__all__ = ["is_table", "read_table"]


def is_table(path: Path) -> bool:
    """Whether the file's name says that it is a table."""
    return path.suffix.lower() in (".csv", ".parquet")


def read_table(path: Path, class_name: str) -> list[Found]:
    """The pictures that a table names, in its order; paths are relative to the table's folder.

    Raises:
        InputUnusable: no column `path` or `label`, not UTF-8, or no Parquet at all.
        MissingExtra: a Parquet file without pyarrow.
        OSError: the table cannot be read.
    """
    rows = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    return [_found(path, row, class_name) for row in rows]


def _csv(path: Path) -> list[Mapping[str, str]]:
    """The rows of a CSV with a heading line.

    Raises:
        InputUnusable: it has not the columns, or is not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or ())
            return [{key: value or "" for key, value in row.items() if key} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputUnusable(f"{path} is not a UTF-8 CSV: {error}", "save it as CSV in UTF-8") from error


def _parquet(path: Path) -> list[Mapping[str, str]]:
    """The rows of a Parquet file.

    Raises:
        InputUnusable: it has not the columns, or is no Parquet file.
        MissingExtra: pyarrow is not installed.
    """
    require("pyarrow.parquet", extra="parquet")
    from pyarrow import ArrowException, parquet

    with path.open("rb") as file:
        try:
            schema = parquet.read_schema(file)
            _check_columns(path, schema.names)
            wanted = [name for name in ("path", "label", "split") if name in schema.names]
            rows = parquet.read_table(file, columns=wanted).to_pylist()
        except (ArrowException, OSError, ValueError) as error:  # which of them depends on where it is damaged
            raise InputUnusable(f"{path} is not a sound Parquet file", "check the file") from error
    return [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    """Nothing; the columns that are needed are there.

    Raises:
        InputUnusable: one is not.
    """
    missing = {"path", "label"} - set(columns)
    if missing:
        raise InputUnusable(
            f"{path} has no column {' and no column '.join(sorted(missing))}", "its first line must be: path,label"
        )


def _found(table: Path, row: Mapping[str, str], class_name: str) -> Found:
    """One row as a picture; a missing file shows when it is read."""
    location = row["path"].strip()
    file = table.parent / location
    try:
        ordinary = file.is_file()
        size = file.stat().st_size if ordinary else 0
        missing = "\0" not in location and not file.exists()
    except OSError:  # a path that no file can have
        ordinary, size, missing = False, 0, False
    split = SPLIT_FOLDERS.get(row.get("split", "").strip().casefold(), "")
    # a pipe or a device may never end; what is missing says so itself when it is read
    read = file.read_bytes if ordinary or missing else partial(refuse, location)
    return Found(location, class_name or row["label"].strip(), split, size, read)

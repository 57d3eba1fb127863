"""What a table of paths and labels holds. Knows nothing about projects; opens no picture."""

import csv
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from fieldguide.errors import InputUnusable
from fieldguide.optional import require
from fieldguide.stages.add.files import SPLIT_FOLDERS, InputFile, refuse_reading


def read_table(path: Path, class_name: str) -> list[InputFile]:
    """Return the pictures that a table names, in its order; paths are relative to the table's folder."""
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)
    return [_from_row(path, row, class_name) for row in rows]


def _csv_rows(path: Path) -> list[Mapping[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or ())
            return [{key: value or "" for key, value in row.items() if key} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputUnusable(f"{path} is not a UTF-8 CSV: {error}", "save it as CSV in UTF-8") from error


def _parquet_rows(path: Path) -> list[Mapping[str, str]]:
    require("pyarrow", extra="parquet")
    from pyarrow import ArrowException, parquet

    with path.open("rb") as file:
        try:
            schema = parquet.read_schema(file)
            _check_columns(path, schema.names)
            columns = [name for name in ("path", "label", "split") if name in schema.names]
            rows = parquet.read_table(file, columns=columns).to_pylist()
        except (ArrowException, OSError, ValueError) as error:  # which of them depends on where it is damaged
            raise InputUnusable(f"{path} is not a valid Parquet file", "check the file") from error
    return [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    missing = {"path", "label"} - set(columns)
    if missing:
        raise InputUnusable(
            f"{path} has no column {' and no column '.join(sorted(missing))}", "its first line must be: path,label"
        )


def _from_row(table: Path, row: Mapping[str, str], class_name: str) -> InputFile:
    """Return one row as a file; that it is missing shows when it is read."""
    location = row["path"].strip()
    file = table.parent / location
    try:
        ordinary = file.is_file()
        size = file.stat().st_size if ordinary else 0
        missing = "\0" not in location and not file.exists()
    except OSError:  # a path that no file can have
        ordinary, size, missing = False, 0, False
    split = SPLIT_FOLDERS.get(row.get("split", "").strip().casefold(), "")
    # a pipe or a device may never end; a missing file says so itself when it is read
    read = file.read_bytes if ordinary or missing else partial(refuse_reading, location)
    return InputFile(location, class_name or row["label"].strip(), split, size, read)

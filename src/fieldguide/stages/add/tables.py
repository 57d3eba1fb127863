"""What a table of paths and labels holds. Knows nothing about projects; opens no picture."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath

from fieldguide.errors import InputUnusable
from fieldguide.names import LABEL_COLUMNS, column_key, match_key
from fieldguide.optional import require
from fieldguide.stages.add.files import InputFile, refuse_reading
from fieldguide.stages.add.splits import describe_unused_split, list_names, read_splits, split_word
from fieldguide.text import one_line

_SUFFIXES = (".csv", ".tsv", ".parquet")
_EXAMPLES = 3
_DELIMITERS = ",;\t|"
# what a column may be called; the first that is there counts
_COLUMNS: Mapping[str, Sequence[str]] = {
    "path": ("path", "file_path", "filepath", "file_name", "filename", "file", "image_path", "image_file", "image_name",
             "image", "img_path", "img", "picture", "photo"),
    "label": LABEL_COLUMNS,
    "split": ("split", "data_split"),
    "subset": ("subset", "partition", "set", "usage"),  # where splits stand in it
    "group": ("group", "group_id", "patient", "patient_id", "subject_id", "camera", "camera_id", "video", "video_id"),
}  # fmt: skip
_ADDRESSES = {"url", "image_url", "uri"}
_HEADING = "its first line must be: path,label"


def is_table(name: str | Path) -> bool:
    """Tell whether a file is a table, by its name."""
    return str(name).lower().endswith(_SUFFIXES)


def read_table(path: Path, class_name: str, split_from: Mapping[str, str] | None) -> tuple[list[InputFile], str]:
    """Return the pictures that a table names, in its order, and what a person should know about how it is read.

    Args:
        path: the table; the paths in it are relative to its folder.
        class_name: what every picture shows, or "".
        split_from: what further names of folders in the paths mean; None where folders say nothing about splits.

    Raises:
        InputUnusable: it is damaged, has no column of paths or, without a class name, of labels, or lists addresses;
            or some of its paths run through folders that look like splits, and others do not.
        MissingExtra: a Parquet file without pyarrow.
    """
    rows = _read_parquet(path, class_name) if path.suffix.lower() == ".parquet" else _read_csv(path, class_name)
    cells = [row["path"] for row in rows if row["path"]]
    if cells and all(map(_is_address, cells)):
        raise _addresses(path)
    splits, note = _read_splits(path, rows), ""
    if split_from is not None and not any(splits):
        splits, note = _read_folders(path, rows, split_from)
    return [_from_row(path, row, class_name, split) for row, split in zip(rows, splits, strict=True)], note


def read_cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the headings of a CSV and the cells of each row; blank rows are left out.

    Raises:
        InputUnusable: it is not a CSV in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = max(_DELIMITERS, key=first.count)
            if first.lower().startswith("sep=") and len(first.strip()) == 5:  # as Excel writes it
                first, delimiter = file.readline(), first[4]
            rows = csv.reader(chain([first], file), delimiter=delimiter, skipinitialspace=True)
            return next(rows, []), [row for row in rows if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputUnusable(f"{path} is not a UTF-8 CSV: {error}", "save it as CSV in UTF-8") from error


def read_parquet_cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns of a Parquet file and the cells of each row, as text.

    Raises:
        InputUnusable: it is damaged.
        MissingExtra: pyarrow is not installed.
    """
    require("pyarrow", extra="parquet")
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError, ValueError) as error:
        raise InputUnusable(f"{path} is not a valid Parquet file", "check the file") from error
    columns = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
    return table.column_names, [list(row) for row in zip(*columns, strict=True)]


def read_headings(path: Path) -> list[str]:
    """Return what the columns of a table are called.

    Raises:
        InputUnusable: it is damaged.
        MissingExtra: a Parquet file without pyarrow.
    """
    if path.suffix.lower() != ".parquet":
        return read_cells(path)[0]
    require("pyarrow", extra="parquet")
    from pyarrow import ArrowException, parquet

    try:
        return list(parquet.read_schema(path).names)
    except (ArrowException, OSError, ValueError) as error:
        raise InputUnusable(f"{path} is not a valid Parquet file", "check the file") from error


def _read_csv(path: Path, class_name: str) -> list[Mapping[str, str]]:
    """Return the cells of each row by our names of the columns."""
    headings, rows = read_cells(path)
    columns = _find_columns(path, headings, class_name)
    return [{ours: row[place].strip() if place < len(row) else "" for ours, place in columns.items()} for row in rows]


def _read_parquet(path: Path, class_name: str) -> list[Mapping[str, str]]:
    """Return the cells of each row by our names of the columns."""
    require("pyarrow", extra="parquet")
    from pyarrow import ArrowException, parquet, types

    with path.open("rb") as file:
        try:
            schema = parquet.read_schema(file)
            places = _find_columns(path, schema.names, class_name)
            columns = {ours: schema.names[place] for ours, place in places.items()}
            kind = schema.field(places["path"]).type
            if types.is_nested(kind) or types.is_binary(kind):
                message = f"the column {columns['path']} of {path} holds no paths"
                raise InputUnusable(message, "write the pictures to files, one folder per class, and add that folder")
            rows = parquet.read_table(file, columns=sorted(set(columns.values()))).to_pylist()
        except (ArrowException, OSError, ValueError) as error:  # which of them depends on where it is damaged
            raise InputUnusable(f"{path} is not a valid Parquet file", "check the file") from error
    return [
        {ours: "" if row[name] is None else str(row[name]).strip() for ours, name in columns.items()} for row in rows
    ]


def _find_columns(path: Path, headings: Iterable[str], class_name: str) -> dict[str, int]:
    """Return the place of each column that is there, by our name of it."""
    there = [column_key(heading) for heading in headings]
    places = {
        ours: next(there.index(name) for name in names if name in there)
        for ours, names in _COLUMNS.items()
        if set(names) & set(there)
    }
    if "path" not in places and _ADDRESSES & set(there):
        raise _addresses(path)
    missing = [name for name in ("label", "path") if name not in places and not (class_name and name == "label")]
    if missing:
        columns = f"; its columns are: {', '.join(there)[:80]}" if any(there) else ""
        raise InputUnusable(f"{path} has no column {' and no column '.join(missing)}{columns}", _HEADING)
    return places


def _addresses(path: Path) -> InputUnusable:
    """Return the error for a table of addresses, with what fetches them."""
    return InputUnusable(
        f"{path} lists addresses, not files",
        'to fetch them, write sources = ["urls"] under [collect] and '
        f'query = "{path.resolve()}" under [collect.options.urls] in fieldguide.toml, then run: fieldguide collect',
    )


def _read_splits(path: Path, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the split of each row, "" where it has none.

    Raises:
        InputUnusable: the column of splits holds other words: what they mean is not guessed.
    """
    column = "split" if rows and "split" in rows[0] else "subset"
    cells = [row.get(column, "") for row in rows]
    splits = [split_word(cell) for cell in cells]
    unknown = sorted({cell for cell, split in zip(cells, splits, strict=True) if cell and not split})
    if unknown and (column == "split" or any(splits)):
        words = ", ".join(map(repr, unknown[:_EXAMPLES])) + (", ..." if len(unknown) > _EXAMPLES else "")
        hint = "write train, val or test there, or give the column another name and let the pictures be split here"
        raise InputUnusable(f"the column of splits in {path} holds what is none: {words}", hint)
    return splits


def _read_folders(
    path: Path, rows: Sequence[Mapping[str, str]], split_from: Mapping[str, str]
) -> tuple[list[str], str]:
    """Return the split of each row by the folders that its path runs through, and what to tell about it.

    Raises:
        InputUnusable: some run through folders that look like splits, and others do not.
    """
    places = [_folders(row["path"]) for row in rows]
    labels = [match_key(row.get("label", "")) for row in rows]
    meant, note = {match_key(name) for name in split_from}, ""
    for depth in range(max(map(len, places), default=0)):
        folders = [parts[depth] if len(parts) > depth else "" for parts in places]
        names = {name for name, label in zip(folders, labels, strict=True) if name and match_key(name) != label}
        splits = read_splits(names, split_from)
        by_row = [splits.get(name, "") for name in folders]
        is_told = any(match_key(name) in meant for name in splits)
        told = "; ".join(f"{split}: {name}" for name, split in sorted(splits.items()))
        if is_told or (all(by_row) and len(set(by_row)) > 1):
            return by_row, f"read with the splits that the paths run through: {told}"
        if splits and all(by_row):
            note = describe_unused_split(*next(iter(splits.items())))
        elif splits:
            what = (
                f"some paths in {path} run through {list_names(sorted(splits))}, which looks like a split, others not"
            )
            name, split = min(splits.items())
            hint = f"say so: --split-from {name}={split}; or --layout class where folders say nothing about splits"
            raise InputUnusable(what, hint)
    return [""] * len(rows), note


def _folders(path: str) -> tuple[str, ...]:
    """Return the folders that a path runs through; /dev is the folder of devices, and says nothing."""
    folders = PurePosixPath(path.replace("\\", "/")).parts[:-1]
    return () if folders[:2] == ("/", "dev") else folders


def _from_row(table: Path, row: Mapping[str, str], class_name: str, split: str) -> InputFile:
    """Return one row as a file; that it is missing shows when it is read."""
    location, group = row["path"], one_line(row.get("group", ""))
    label = class_name or row["label"]
    if _is_address(location):
        return InputFile(location, label, split, 0, partial(_refuse_address, location), group)
    try:
        if "\\" in location and not (table.parent / location).exists():  # written on Windows
            location = location.replace("\\", "/")
        file = table.parent / location
        ordinary = file.is_file()
        size = file.stat().st_size if ordinary else 0
        missing = "\0" not in location and not file.exists()
    except OSError:  # a path that no file can have
        ordinary, size, missing = False, 0, False
    # a pipe or a device may never end; a missing file says so itself when it is read
    read = file.read_bytes if ordinary or missing else partial(refuse_reading, location)
    return InputFile(location, label, split, size, read, group)


def _is_address(cell: str) -> bool:
    return cell.lower().startswith(("http://", "https://", "ftp://", "data:"))


def _refuse_address(location: str) -> bytes:
    raise OSError(f"{location} is an address: `collect` fetches those, with its source urls")

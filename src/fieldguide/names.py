"""Class names: reading them from a list or a file, checking them, and matching folder names.

Knows nothing about projects or pictures.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from fieldguide.errors import InputMissing, NamesError, translate_os_errors

Names = str | Path | Iterable[str] | Mapping[str, str | Mapping[str, object]]

MAX_NAME_CHARS = 120
# what the column of labels may be called in a table of pictures; the first that is there counts, and of a number and
# a name for it the name
LABEL_COLUMNS = (
    "class_name", "classname", "label_name", "category_name", "label", "labels", "class", "category", "target",
    "species", "breed", "variety",
)  # fmt: skip
_NAME_COLUMNS = frozenset((
    "name", "names", "class", "classes", "class_name", "class_names", "classname", "label", "labels", "category",
    "categories", "species", "breed", "variety", "common_name", "scientific_name",
))  # fmt: skip
_ABOUT_COLUMNS = {"about": "about", "description": "about", "link": "link", "links": "link"}
_NAME_IN = re.compile(r"name_([a-z]{2,3}(?:_[a-z0-9]{2,8})*)")  # in a language: name_de, name_pt_br
_LISTS = (".csv", ".tsv", ".txt")
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # Persian and Indic spelling and some emoji need them


def column_key(heading: object) -> str:
    """Return what a column's heading is looked up by: case, spaces and "-" make no difference."""
    return "_".join(str(heading).casefold().replace("-", " ").replace("_", " ").split())


def read_names(names: str) -> dict[str, dict[str, object]]:
    """Read class names in order, each with what the file says about it (`about`, `links`, `names`).

    Args:
        names: names with commas between; or the path of a text file with a name on each line; or that of a CSV or TSV
            whose column `name` (`class`, `species` and the like), or only column, holds them. Columns `about`, `link`
            and those of names in other languages, such as `name_de`, are read.

    Raises:
        InputMissing: it looks like the path of a file and there is none.
        NamesError: as for `check_names`, or the file is not UTF-8, or does not say which column holds the names.
    """
    path = Path(names)
    if path.suffix.lower() not in _LISTS:
        if "," not in names and path.is_file():
            raise NamesError(f"{path} is not a list of names", f"give a file that ends in {', '.join(_LISTS)}")
        return {name: {} for name in check_names(part for part in names.split(","))}
    if not path.is_file():
        raise InputMissing(f"there is no file {path}", "check the path, or give names with commas between")
    try:
        with translate_os_errors(f"reading {path}"):
            text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise NamesError(f"{path} is not UTF-8 text", "save it as UTF-8") from error
    return _parse(path, _rows_of(path, text))


def read_any_names(names: Names | None) -> dict[str, dict[str, object]]:
    """Read class names in any form that Python code gives them in; without names there are none.

    Args:
        names: a list; a mapping of each name to a sentence, or to its `about`, `links`, `queries`; or what `read_names`
            takes.

    Raises:
        InputMissing: as for `read_names`.
        NamesError: as for `read_names`.
    """
    if names is None:
        return {}
    if isinstance(names, str | Path):
        return read_names(str(names))
    checked = check_names(names)
    if not isinstance(names, Mapping):
        return {name: {} for name in checked}
    details: list[dict[str, object]] = [
        {"about": value} if isinstance(value, str) else {**value} for value in names.values()
    ]
    return dict(zip(checked, details, strict=True))


def _rows_of(path: Path, text: str) -> list[list[str]]:
    """Return the cells of each row that is not blank; in a text file a line is one cell, commas and all."""
    if path.suffix.lower() == ".txt":
        rows = [[line.strip()] for line in text.splitlines()]
        rows = [[cell[1:-1] if len(cell) > 2 and cell[0] == cell[-1] == '"' else cell] for (cell,) in rows]
    else:
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        try:
            rows = list(csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True))
        except csv.Error as error:
            raise NamesError(f"{path} is not CSV: {error}", "write one name on each line of a .txt file") from error
    return [row for row in rows if any(cell.strip() for cell in row)]


def _parse(path: Path, rows: list[list[str]]) -> dict[str, dict[str, object]]:
    """Read the names of a table with or without a heading line."""
    if not rows:
        raise NamesError(f"the list of names {path} is empty", "write one name on each line")
    heading = [column_key(cell) for cell in rows[0]]
    column = next((place for place, cell in enumerate(heading) if cell in _NAME_COLUMNS), None)
    if "name" in heading:
        column = heading.index("name")
    if column is None and max(map(len, rows)) > 1:
        hint = "begin it with a line such as: name,about,link; write a name with a comma in quotes"
        raise NamesError(f"{path} has several columns, and its first line does not say which holds the names", hint)
    column, rows, heading = (0, rows, [""]) if column is None else (column, rows[1:], heading)
    longer = next((row for row in rows if any(cell.strip() for cell in row[len(heading) :])), None)
    if longer:
        hint = "write a name or text with a comma in quotes, or give a .txt file with one name on each line"
        raise NamesError(f"{path} has a row with more cells than its heading: {','.join(longer)[:60]}", hint)
    names = check_names(row[column] if column < len(row) else "" for row in rows)
    return {name: _about(heading, row) for name, row in zip(names, rows, strict=True)}


def _about(heading: list[str], row: list[str]) -> dict[str, object]:
    """Return what the further columns of a row say."""
    cells = {
        _ABOUT_COLUMNS[key]: cell.strip() for key, cell in zip(heading, row, strict=False) if key in _ABOUT_COLUMNS
    }
    names = {
        match[1].replace("_", "-"): cell.strip()
        for key, cell in zip(heading, row, strict=False)
        if (match := _NAME_IN.fullmatch(key)) and cell.strip()
    }
    about: dict[str, object] = {"about": cells["about"]} if cells.get("about") else {}
    about |= {"names": names} if names else {}
    return about | ({"links": _links(cells["link"])} if cells.get("link") else {})


def _links(cell: str) -> list[str | dict[str, str]]:
    """Return the addresses in a cell, each with the words before it as its label: `Wikipedia https://... https://...`."""
    links: list[str | dict[str, str]] = []
    label: list[str] = []
    for word in cell.split():
        if re.match("https?://", word):
            links.append({"label": " ".join(label), "url": word} if label else word)
            label = []
        else:
            label.append(word)
    return [*links, *label]


def check_names(names: Iterable[str]) -> list[str]:
    """Return the names, trimmed and in Unicode NFC, in the order given.

    Raises:
        NamesError: fewer than two, an empty one, one over 120 characters, one with control characters or a
            slash, one given twice, or two that differ only by case, spaces, "-" or "_".
    """
    checked: list[str] = []
    seen: dict[str, str] = {}
    for raw in names:
        name = check_name(raw)
        key = match_key(name)
        if key in seen:
            raise NamesError(f"{seen[key]!r} and {name!r} would be one class", "keep one, or make them differ more")
        seen[key] = name
        checked.append(name)
    if len(checked) < 2:
        count = f"only {checked[0]!r}" if checked else "none"
        raise NamesError(f"a classifier needs at least two names; got {count}", "for example: --names cat,dog")
    return checked


def check_name(raw: str) -> str:
    """Return the name, trimmed and in Unicode NFC.

    Raises:
        NamesError: it is empty, over 120 characters, or holds invisible characters or a slash.
    """
    name = unicodedata.normalize("NFC", raw.strip())
    if not name:
        raise NamesError("a name is empty", "remove the extra comma or line")
    if len(name) > MAX_NAME_CHARS:
        message = f"the name {name[:30]!r}... has {len(name)} characters; at most {MAX_NAME_CHARS} are allowed"
        raise NamesError(message, "shorten it")
    if any(unicodedata.category(char) in _INVISIBLE and char not in _JOINERS for char in name):
        raise NamesError(f"the name {name!r} contains invisible characters", "type it again without them")
    if "/" in name or "\\" in name:
        raise NamesError(f"the name {name!r} contains a slash", "write it without the slash")
    return name


def match_key(name: str) -> str:
    """Return what two names share when they mean one class: case, spaces, "-" and "_" make no difference."""
    folded = unicodedata.normalize("NFKC", name).casefold().replace("_", " ").replace("-", " ")
    return " ".join(folded.split())

"""Class names: reading them from a list or a file, checking them, and matching folder names.

Knows nothing about projects or pictures.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from fieldguide.errors import InputMissing, NamesError, translate_os_errors

MAX_NAME_CHARS = 120
_ABOUT_COLUMNS = ("about", "link")
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # Persian and Indic spelling and some emoji need them


def read_names(names: str) -> dict[str, dict[str, object]]:
    """Read class names in order, each with what the file says about it (`about`, `links`).

    Args:
        names: names with commas between, or the path of a CSV whose first column (or the column `name`) holds
            them; further columns `about` and `link` are read.

    Raises:
        InputMissing: it looks like the path of a CSV file and there is none.
        NamesError: as for `check_names`, or the file is not UTF-8.
    """
    path = Path(names)
    if path.suffix.lower() not in (".csv", ".txt"):
        return {name: {} for name in check_names(part for part in names.split(","))}
    if not path.is_file():
        raise InputMissing(f"there is no file {path}", "check the path, or give names with commas between")
    try:
        with translate_os_errors(f"reading {path}"):
            text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise NamesError(f"{path} is not UTF-8 text", "save it as UTF-8") from error
    return _parse(text)


def _parse(text: str) -> dict[str, dict[str, object]]:
    """Read the names of a CSV with or without a heading line."""
    rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    if not rows:
        raise NamesError("the list of names is empty", "write one name on each line")
    heading = [cell.strip().casefold() for cell in rows[0]]
    column = heading.index("name") if "name" in heading else 0
    if "name" in heading:
        rows = rows[1:]
    classes: dict[str, dict[str, object]] = {}
    names = check_names(row[column] if column < len(row) else "" for row in rows)
    for name, row in zip(names, rows, strict=True):
        cells = {key: row[heading.index(key)].strip() for key in _ABOUT_COLUMNS
                 if key in heading and heading.index(key) < len(row)}  # fmt: skip
        about: dict[str, object] = {"about": cells["about"]} if cells.get("about") else {}
        if cells.get("link"):
            about["links"] = cells["link"].split()
        classes[name] = about
    return classes


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

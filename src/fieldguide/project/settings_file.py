"""Changes single values in a project's `fieldguide.toml` and leaves the rest as a person wrote it.

Knows nothing about what the settings mean.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from fieldguide.errors import SettingsError, translate_os_errors
from fieldguide.project.atomic import write_text
from fieldguide.settings import load_settings, parse_settings

__all__ = ["write_settings"]


def write_settings(path: Path, changed: Mapping[str, Any]) -> None:
    """Nothing; the file holds these values below these dotted names; comments and order stay.

    A key whose default stands there as a comment comes to stand in its place. The file is replaced whole, and only by
    one that holds what it held, those values apart.

    Raises:
        SettingsError: the file is not sound, a name is unknown, a value is out of bounds, or the file is written in a
            way that cannot be changed by a program; it is untouched.
        ProjectTooNew: a file of a newer form.
        NamesError: class names that cannot be.
        NoPermission: the file cannot be read, or the folder not written.
        DiskFull: no space.
    """
    load_settings(path)
    with translate_os_errors(f"reading {path}"):
        text = path.read_bytes().decode("utf-8")  # with the ends of its lines as they are
    wanted = tomllib.loads(text)
    for name, value in changed.items():
        _set(wanted, name, _plain(value))
    parse_settings(wanted, path)
    new = _edit(text, changed)
    if new is None or tomllib.loads(new) != wanted:
        lines = "; ".join(f"{name} = {_plain(value)!r}" for name, value in changed.items())
        raise SettingsError(f"{path} is written in a way that cannot be changed here", f"set by hand: {lines}")
    if new != text:
        write_text(path, new)


def _plain(value: Any) -> Any:
    """The value as TOML gives it back."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _set(raw: dict[str, Any], name: str, value: Any) -> None:
    """Nothing; the tables hold the value below its dotted name.

    Raises:
        SettingsError: there is a value where a table has to be.
    """
    *tables, key = name.split(".")
    for part in tables:
        raw = raw.setdefault(part, {})
        if not isinstance(raw, dict):
            raise SettingsError(f"{name} cannot be set: {part} is a value, not a table", f"take {part} out of the file")
    raw[key] = value


def _edit(text: str, changed: Mapping[str, Any]) -> str | None:
    """The text with these values; None where it cannot be done."""
    for name in changed:
        text = _uncomment(text, name)
    try:
        document = tomlkit.parse(text)
        for name, value in changed.items():
            *tables, key = name.split(".")
            table: Any = document
            for part in tables:
                if part not in table:
                    table[part] = tomlkit.table()
                table = table[part]
            table[key] = _plain(value)
        return tomlkit.dumps(document)
    except TOMLKitError:
        return None


def _uncomment(text: str, name: str) -> str:
    """The text, in which a commented line of that key is live, if it is TOML and the key stands nowhere else."""
    section, _, key = name.rpartition(".")
    lines, here = text.split("\n"), ""
    pattern = re.compile(rf"#\s*({re.escape(key)}\s*=.*)")
    for place, line in enumerate(lines):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            here = header[1].strip()
        elif here == section and (found := pattern.fullmatch(line.rstrip("\r"))):
            alive = f"{found[1]}\r" if line.endswith("\r") else found[1]
            live = "\n".join([*lines[:place], alive, *lines[place + 1 :]])
            try:
                tomllib.loads(live)
            except tomllib.TOMLDecodeError:
                continue  # a remark of a person's, or the key is there already
            return live
    return text

"""The text of `fieldguide.toml`: a new one, and changing values in one as a person wrote it.

Knows nothing about where the file lies or what the settings mean.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from fieldguide.errors import SettingsError
from fieldguide.settings.models import SCHEMA_VERSION, Section, Settings
from fieldguide.settings.reading import parse_settings, set_value


def render_settings(settings: Settings, changed: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """Return the text of a new `fieldguide.toml`: classes in full, every other key as a comment with its default.

    Args:
        settings: the name, about and classes to write.
        changed: section to key to value, written as live lines instead of comments.
    """
    lines = [
        "# All settings of this project. Lines that begin with # show the defaults: remove the # to change one.",
        f"schema_version = {SCHEMA_VERSION}",
        f"name = {_to_toml(settings.name)}",
        f"about = {_to_toml(settings.about)}",
        f"seed = {settings.seed}",
        "",
        "[classes]" + ("" if settings.classes else "  # empty: whatever labels are added"),
    ]
    for name, details in settings.classes.items():
        written = {key: value for key, value in details.model_dump().items() if value}
        lines.append(f"{_to_toml(name)} = {_to_toml(written)}")
    for section, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            lines += _section_lines(section, field.default, (changed or {}).get(section, {}))
    return "\n".join(lines) + "\n"


def _section_lines(name: str, section: Section, changed: Mapping[str, Any]) -> list[str]:
    """Return a table's heading and a line per key, with its help behind it; the tables inside it follow."""
    lines, inner = ["", f"[{name}]"], []
    for key, field in type(section).model_fields.items():
        value, mark = (changed[key], "") if key in changed else (getattr(section, key), "# ")
        if isinstance(field.default, Section):
            inner += _section_lines(f"{name}.{key}", field.default, changed.get(key, {}))
        else:
            lines.append(f"{mark}{key} = {_to_toml(value)}  # {field.description}")
    return lines + inner


def _to_toml(value: Any) -> str:
    """Return a value in TOML on one line; its basic strings share JSON's escapes."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_to_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_to_toml(key)} = {_to_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def edit_settings(text: str, changed: Mapping[str, Any], path: Path) -> str:
    """Return the text of a `fieldguide.toml` with other values at dotted names; comments and order stay.

    A key whose default stands there as a comment takes its place. Everything else is as before.

    Args:
        text: what the file holds.
        changed: dotted names to values.
        path: the file, for messages.

    Raises:
        SettingsError: an unknown name, a value out of bounds, or a file written in a way that cannot be edited here.
    """
    try:
        wanted = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", "correct the line it names") from error
    parse_settings(wanted, path)
    values = {name: _plain(value) for name, value in changed.items()}
    for name, value in values.items():
        set_value(wanted, name, value)
    parse_settings(wanted, path)
    edited = _edit(text, values)
    if edited is None or tomllib.loads(edited) != wanted:
        lines = "; ".join(f"{name} = {value!r}" for name, value in values.items())
        raise SettingsError(f"{path} is written in a way that cannot be edited here", f"set by hand: {lines}")
    return edited


def _plain(value: Any) -> Any:
    """Return the value as TOML gives it back."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _edit(text: str, values: Mapping[str, Any]) -> str | None:
    """Return the text with these values; None where tomlkit cannot edit it."""
    for name in values:
        text = _uncomment(text, name)
    try:
        document = tomlkit.parse(text)
        for name, value in values.items():
            *tables, key = name.split(".")
            table: Any = document
            for part in tables:
                if part not in table:
                    table[part] = tomlkit.table()
                table = table[part]
            table[key] = value
        return tomlkit.dumps(document)
    except TOMLKitError:
        return None


def _uncomment(text: str, name: str) -> str:
    """Return the text with the commented default of a key made live, if it is there and the key is not."""
    section, _, key = name.rpartition(".")
    lines, current = text.split("\n"), ""
    pattern = re.compile(rf"#\s*({re.escape(key)}\s*=.*)")
    for number, line in enumerate(lines):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            current = header[1].strip()
        elif current == section and (comment := pattern.fullmatch(line.rstrip("\r"))):
            live_line = f"{comment[1]}\r" if line.endswith("\r") else comment[1]
            live = "\n".join([*lines[:number], live_line, *lines[number + 1 :]])
            try:
                tomllib.loads(live)
            except tomllib.TOMLDecodeError:
                continue  # a person's remark, or the key is there already
            return live
    return text

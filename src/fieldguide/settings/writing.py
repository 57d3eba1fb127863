"""The text of a fieldguide.toml.

Knows nothing about where it lies.
"""

import json
from typing import Any

from fieldguide.settings.section import Section

__all__ = ["section_lines", "to_toml"]


def section_lines(name: str, section: Section, changed: dict[str, Any]) -> list[str]:
    """The table's heading and a line per key: live where changed, else a comment with the default; the help behind it.

    Tables inside it follow it.
    """
    lines, inner = ["", f"[{name}]"], []
    for key, field in type(section).model_fields.items():
        value, mark = (changed[key], "") if key in changed else (getattr(section, key), "# ")
        if isinstance(field.default, Section):
            inner += section_lines(f"{name}.{key}", field.default, changed.get(key, {}))
        else:
            lines.append(f"{mark}{key} = {to_toml(value)}  # {field.description}")
    return lines + inner


def to_toml(value: Any) -> str:
    """A value in TOML; strings as basic strings, which share JSON's escapes."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(to_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_toml(key)} = {to_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

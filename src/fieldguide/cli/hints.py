"""Commands in hints: they name the project as the running command did, so that they can be run as they stand."""

import re
import shlex
from contextvars import ContextVar
from pathlib import Path

from fieldguide.text import readable

_COMMAND = re.compile(r"\bfieldguide (?!new\b|demo\b)[a-z]++(?:-[a-z]++)*+(?! -C| --help)")  # that works on a project
_project: ContextVar[Path] = ContextVar("project")


def remember_project(folder: Path) -> Path:
    """Remember the project folder that the running command was given."""
    _project.set(folder)
    return folder


def complete_commands(text: str) -> str:
    """Return the text with the project behind each command in it, unless the project is the folder one works in."""
    folder = _project.get(Path())
    if folder == Path():
        return text
    option = f"-C {shlex.quote(readable(str(folder)))}"
    return _COMMAND.sub(lambda match: f"{match[0]} {option}", text)

"""Hints in terms of the running command: the project is named as it did, so that commands in them can be run as they
stand; and what is said of running it again is true of it.
"""

import re
import shlex
from contextvars import ContextVar
from pathlib import Path

from fieldguide.text import readable

_COMMAND = re.compile(r"\bfieldguide (?!new\b|demo\b)[a-z]++(?:-[a-z]++)*+(?! -C| --help)")  # that works on a project
_AGAIN = "run the same command again"
# of the commands that keep what they have done; the others begin anew, and leave everything as it was until they end
_CONTINUES = {
    **dict.fromkeys(
        ("add", "build", "clean", "collect", "demo", "export-data", "tune"), "it continues where it stopped"
    ),
    "evaluate": "the features and the folds that are finished are kept",
    "train": "the features, checkpoints and folds that are finished are kept",
}
_project: ContextVar[Path] = ContextVar("project")
_command: ContextVar[str] = ContextVar("command")


def remember_project(folder: Path) -> Path:
    """Remember the project folder that the running command was given."""
    _project.set(folder)
    return folder


def remember_command(name: str) -> None:
    """Remember the command that runs; "" where it keeps nothing of what it has done."""
    _command.set(name)


def run_again() -> str:
    """Return the advice to run the same command again, with what it keeps of its work so far."""
    return f"{_AGAIN}: {_CONTINUES.get(_command.get(''), 'it begins anew')}"


def complete_commands(text: str) -> str:
    """Return the text with the project behind each command in it, unless the project is the folder one works in.

    Where it advises to free some space and run the same command again, it says too what that command has kept.
    """
    if text.endswith(f"space and {_AGAIN}"):
        text = text.removesuffix(_AGAIN) + run_again()
    folder = _project.get(Path())
    if folder == Path():
        return text
    option = f"-C {shlex.quote(readable(str(folder)))}"
    return _COMMAND.sub(lambda match: f"{match[0]} {option}", text)

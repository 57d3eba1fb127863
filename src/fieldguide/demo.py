"""The whole walk on charts drawn on this machine: no network, no account, no pictures needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldguide.build import build
from fieldguide.new import new
from fieldguide.project import SETTINGS_FILE, Project
from fieldguide.records import Progress
from fieldguide.sources.drawn import ABOUT

__all__ = ["demo"]

_ABOUT = "Tells what kind of chart a picture shows. It has only ever seen charts drawn by a program."


def demo(folder: Path, per_class: int, *, progress: Progress, done: Callable[[str, Any], None]) -> dict[str, Any]:
    """The report of every stage of a project of 14 kinds of chart; run again, it goes on where it stopped.

    Args:
        folder: where the project is made, or where an earlier demo left one.
        per_class: charts to draw of each kind.
        progress: told of each stage's work.
        done: told of each stage's name and report as it ends.

    Raises:
        ProjectExists: the folder holds something else.
        FieldguideError: whatever a stage raises.
    """
    if not (folder / SETTINGS_FILE).is_file():
        names: dict[str, dict[str, object]] = {
            name: {"about": about, "links": list(links)} for name, (about, links) in ABOUT.items()
        }
        changed = {
            "collect": {"source": "drawn", "per_class": per_class},
            # thin lines want a larger square, and a cropped chart loses its axes
            "train": {"size": 288, "fit": "squash"},
        }
        done("new", new(folder, names, name="Chart types", about=_ABOUT, changed=changed))
    project = Project(folder)
    with project.lock("demo"):
        return build(project, project.settings(), progress=progress, done=done)

"""The recipe `plots` from its names to a guide, on charts drawn on this machine: no network, no account needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldguide.errors import ProjectExists
from fieldguide.progress import Progress
from fieldguide.project import SETTINGS_FILE, Project
from fieldguide.project.atomic import write_bytes
from fieldguide.settings import read_recipe
from fieldguide.stages.build import build
from fieldguide.stages.new import new_from_recipe
from fieldguide.stages.predict import predict
from fieldguide_charts import CLASS_NAMES, ChartSource, draw

_FRESH_SEED = 1_000_000_007  # far from any that collecting uses


def demo(folder: Path, per_class: int, *, progress: Progress, done: Callable[[str, Any], None]) -> dict[str, Any]:
    """Run every stage on 14 kinds of drawn chart and return their reports, the answers on fresh charts the last.

    Run again, it continues where it stopped.

    Args:
        folder: where the project is made, or where an earlier demo left one.
        per_class: charts to draw of each kind; an earlier demo keeps its own number.
        progress: told of each stage's work.
        done: told of each stage's name and report as it ends.

    Raises:
        ProjectExists: the folder holds something else.
        FieldguideError: whatever a stage raises.
    """
    if not (folder / SETTINGS_FILE).is_file():
        new_from_recipe(folder, read_recipe("plots"), {"collect.per_class": per_class})
    project = Project(folder)
    settings = project.settings()
    if settings.collect.sources != (ChartSource.name,) or set(settings.classes) != set(CLASS_NAMES):
        raise ProjectExists(
            f"{folder} holds another project", "give a new folder, or: fieldguide build -C " + str(folder)
        )
    with project.lock("demo"):
        reports = build(project, settings, progress=progress, done=done)
        fresh = _draw_fresh(folder / "fresh")
    reports["predict"] = predict(project.guide_folder, [fresh], progress=progress)
    done("predict", reports["predict"])
    return reports


def _draw_fresh(folder: Path) -> Path:
    """Draw a chart of each kind that the guide has never seen, named after what it is, and return their folder."""
    for name in CLASS_NAMES:
        if not any(folder.glob(f"{name.replace(' ', '-')}.*")):
            drawing = draw(name, _FRESH_SEED)
            write_bytes(folder / f"{name.replace(' ', '-')}.{drawing.suffix}", drawing.data)
    return folder

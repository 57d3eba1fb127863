"""Where a project stands, and the next command to type. Changes nothing."""

from collections import Counter
from typing import Any

from fieldguide.build import Stage, wanted_stages
from fieldguide.catalog import Catalog
from fieldguide.project import Project
from fieldguide.records import StageStatus, StatusReport
from fieldguide.settings import Settings

__all__ = ["status"]


def status(project: Project, settings: Settings) -> StatusReport:
    """Where the project stands.

    Raises:
        ProjectTooNew: made by a newer Fieldguide.
        ProjectDamaged: the catalogue is not sound.
        NoPermission: it cannot be read.
    """
    with project.catalog() as catalog:
        states = Counter(state.state for state in catalog.states())
        stages = tuple(_look(stage, catalog, settings) for stage in wanted_stages(settings))
    total = states.total()
    unfinished = next((stage.stage for stage in stages if stage.state != "done"), "")
    if not total and settings.collect.source == "none":
        command = "fieldguide add FOLDER"
    else:
        command = "fieldguide build" if unfinished else "fieldguide serve"
    return StatusReport(str(project.root), settings.name, total, states["kept"], stages, command)


def _look(stage: Stage, catalog: Catalog, settings: Settings) -> StageStatus:
    """Whether one stage is done."""
    done = catalog.finished(stage.name)
    if done is None:
        return StageStatus(stage.name, "not run", "")
    current = done.inputs == stage.inputs(catalog, settings)
    return StageStatus(stage.name, "done" if current else "out of date", _summary(stage.name, done.report))


def _summary(name: str, report: dict[str, Any]) -> str:
    """What a stage found, in a few words."""
    if name == "collect":
        return f"{sum(report['found'].values())} pictures from {report['source']}"
    if name == "clean":
        return f"{sum(report['kept'].values())} kept, {sum(report['rejected'].values())} rejected"
    if name == "split":
        return ", ".join(f"{sum(count.values())} {split}" for split, count in report["counts"].items())
    if name == "train":
        return f"{report['learner']}, {report['cv_accuracy'][0]:.1%} in cross-validation"
    if name == "evaluate":
        low, high = report["accuracy"][1:]
        return f"{report['accuracy'][0]:.1%} on the test split ({low:.1%} to {high:.1%})"
    return f"{report['bytes'] / 1e6:.1f} MB, agrees on {report['agreement']:.1%}"

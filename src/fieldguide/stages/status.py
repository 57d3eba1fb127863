"""Where a project stands, and the next command to type. Changes nothing."""

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fieldguide.images.swatches import SWATCH
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.rejections import count_unsettled
from fieldguide.records import StageStatus, StatusReport
from fieldguide.settings import Settings
from fieldguide.stages.build import Stage, stages_of
from fieldguide.text import format_score, plural


def status(project: Project, settings: Settings) -> StatusReport:
    """Report where the project stands and which command comes next."""
    with project.catalog() as catalog:
        images = catalog.states()
        states = Counter(state.state for state in images)
        to_review = count_unsettled(catalog)
        stages = _pass_on([_look(stage, catalog, settings, project) for stage in stages_of(settings)])
    total = states.total()
    unfinished = next((stage.stage for stage in stages if stage.state != "done"), "")
    where = "" if project.root == Path() else f" -C {shlex.quote(str(project.root))}"
    command = f"fieldguide {'build' if unfinished else 'serve'}{where}"
    if not total and not settings.collect.sources:
        command = f"fieldguide add{where} FOLDER"
    return StatusReport(
        str(project.root), settings.name, total, states["kept"], stages, command,
        to_review=to_review,
        vectors=sum(state.format == SWATCH for state in images),
        suggestion=_suggest(to_review, f"fieldguide review{where}"),
    )  # fmt: skip


def _suggest(to_review: Mapping[str, int], command: str) -> str:
    """Return how many pictures are worth a look and how to see them, "" where there are none."""
    words = {"suspected": "suspected", "two_labels": "with two labels", "links_splits": "that link two splits"}
    counts = [f"{to_review[why]} {text}" for why, text in words.items() if why in to_review]
    if not counts:
        return ""
    whole = plural(sum(to_review.values()), "picture")
    return f"{whole} worth a look, if you like ({', '.join(counts)}): {command}"


def _pass_on(stages: list[StageStatus]) -> tuple[StageStatus, ...]:
    """Mark as out of date what comes after a stage that is not done."""
    behind = False
    marked = []
    for stage in stages:
        marked.append(replace(stage, state="out of date") if behind and stage.state == "done" else stage)
        behind = behind or stage.state != "done"
    return tuple(marked)


def _is_there(name: str, report: dict[str, Any], project: Project) -> bool:
    """Tell whether what a stage made still lies in the folder."""
    files = {"train": "runs/{run}/run.json", "evaluate": "{report}", "publish": "{guide}/MANIFEST"}
    file = report.get("page", "") if name == "split" else files.get(name, "")  # an earlier version wrote no page
    return not file or (project.root / file.format(**report)).is_file()


def _look(stage: Stage, catalog: Catalog, settings: Settings, project: Project) -> StageStatus:
    """Return whether one stage is done."""
    done = catalog.finished(stage.name)
    if done is None:
        return StageStatus(stage.name, "not run", "")
    current = done.inputs == stage.inputs(catalog, settings) and _is_there(stage.name, done.report, project)
    return StageStatus(stage.name, "done" if current else "out of date", _summary(stage.name, done.report))


def _summary(name: str, report: dict[str, Any]) -> str:
    """Return what a stage reported, in a few words."""
    if name == "collect":
        return plural(sum(report["found"].values()), "good picture")
    if name == "clean":
        return f"{sum(report['kept'].values())} kept, {sum(report['rejected'].values())} rejected"
    if name == "split":
        return ", ".join(f"{sum(count.values())} {split}" for split, count in report["counts"].items())
    if name == "train":
        score = format_score(report["accuracy"])
        return f"{report['learner']}, {score} by {report['measured_by']}, {report['measured']} pictures"
    if name == "evaluate":
        return f"{format_score(report['accuracy'])} on {report['test_images']} test pictures"
    agreement = f"{report['agreement']:.1%} of {report['compared']} pictures"
    return f"{report['bytes'] / 1e6:.1f} MB, agrees with the trained model on {agreement}"

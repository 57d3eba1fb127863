"""The whole walk, in order. This is the file to read first.

    collect    pictures of each name, where a source is chosen    (or by hand: fieldguide add)
    clean      which are kept, and why the others are not
    split      train, val and test, so that no copy sits on both sides
    train      features once, a head chosen by validation
    evaluate   the test split, opened once; the report
    publish    the guide, with the proof that it answers as trained

Each stage knows what its result was made from and does nothing when that has not changed; so `build` redoes only
what is out of date, and an interrupted build goes on where it stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.settings import Settings
from fieldguide.stages import clean, collect, evaluate, publish, split, train


@dataclass(frozen=True)
class Stage:
    """One step of the walk.

    Attributes:
        name: of the command too.
        run: the stage's function, `run(project, settings, progress=progress)`, giving its report.
        inputs: the digest of everything that its result depends on.
    """

    name: str
    run: Callable[..., Any]
    inputs: Callable[[Catalog, Settings], str]


STAGES: tuple[Stage, ...] = (
    Stage("collect", collect.collect, collect.inputs),
    Stage("clean", clean.clean, clean.inputs),
    Stage("split", split.split, split.inputs),
    Stage("train", train.train, train.inputs),
    Stage("evaluate", evaluate.evaluate, evaluate.inputs),
    Stage("publish", publish.publish, publish.inputs),
)


def build(
    project: Project, settings: Settings, *, progress: Progress, done: Callable[[str, Any], None]
) -> dict[str, Any]:
    """The report of every stage, by its name.

    Args:
        project: what to build.
        settings: what its fieldguide.toml says.
        progress: told of each stage's work.
        done: told of each stage's name and report as it ends.

    Raises:
        FieldguideError: whatever a stage raises; the stages before it stay done.
    """
    reports: dict[str, Any] = {}
    for stage in wanted_stages(settings):
        reports[stage.name] = stage.run(project, settings, progress=progress)
        done(stage.name, reports[stage.name])
    return reports


def wanted_stages(settings: Settings) -> tuple[Stage, ...]:
    """The stages that this project has: without a source there is nothing to collect."""
    return STAGES if settings.collect.sources else STAGES[1:]

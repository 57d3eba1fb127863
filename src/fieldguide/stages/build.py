"""The whole walk, in order. This is the file to read first.

    collect    find pictures of each name, where a source is set   (or by hand: fieldguide add)
    clean      decide which pictures are kept, and why the others are not
    split      divide them into train, val and test, so that no copy sits on both sides
    train      train a classifier, its choices made by validation
    evaluate   open the test split, once, and write the report
    publish    write the guide, with the proof that it answers as trained

Each stage records what its result was made from and does nothing when that has not changed; so `build` redoes only
what is out of date, and an interrupted build continues where it stopped.
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
    """One stage of the walk.

    Attributes:
        name: also that of the command.
        run: the stage's function, `run(project, settings, progress=progress)`, which returns its report.
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
    """Run every stage in order; return their reports by name.

    Args:
        project: what to build.
        settings: what its fieldguide.toml says.
        progress: told of each stage's work.
        done: called with each stage's name and report as it ends.

    Raises:
        FieldguideError: whatever a stage raises; the stages before it stay done.
    """
    reports: dict[str, Any] = {}
    for stage in stages_of(settings):
        reports[stage.name] = stage.run(project, settings, progress=progress)
        done(stage.name, reports[stage.name])
    return reports


def stages_of(settings: Settings) -> tuple[Stage, ...]:
    """Return the stages that a project has: without a source there is nothing to collect."""
    return STAGES if settings.collect.sources else STAGES[1:]

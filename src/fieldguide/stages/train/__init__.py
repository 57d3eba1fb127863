"""The stage that learns: the learner that is asked for, on train and val, measured on what it never learnt from.

The test split is never read here.
"""

from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.records import TrainReport
from fieldguide.settings import Settings
from fieldguide.stages.train.run import digest_inputs, find_run, is_usable, make_run

__all__ = ["inputs", "train"]


def inputs(catalog: Catalog, settings: Settings) -> str:
    """The digest of everything that this stage's result depends on."""
    return digest_inputs(catalog, settings)


def train(project: Project, settings: Settings, *, progress: Progress) -> TrainReport:
    """What was learnt, with its accuracy on held-out pictures.

    A run that was made before with the same settings from the same pictures is taken up again; one that was interrupted
    is gone on with.

    Raises:
        NotReady: the pictures are not split.
        SettingsError: the settings cannot be.
        InputUnusable: there is only one class, or weights that do not fit.
        TrainingDiverged: the loss is no longer a number; the last good checkpoint is kept.
        OutOfMemory: the memory is not enough.
        MissingExtra: something optional is not installed.
        DiskFull: no space; what was computed before stays.
        NoPermission: the project or the cache cannot be written.
    """
    with project.catalog() as catalog:
        wanted = inputs(catalog, settings)
        done = catalog.current("train", wanted, TrainReport)
        if done and is_usable(project, done.run):
            return done
        run = find_run(project, catalog, wanted) or make_run(project, settings, catalog, progress)
        catalog.finish("train", wanted, run.report, project.now())
    return TrainReport(**run.report)

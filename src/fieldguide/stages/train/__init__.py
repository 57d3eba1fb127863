"""The stage that trains: the learner of the settings, on train and val, measured on pictures it never learnt from.

`learners.runs` holds the training itself, from the pictures to a run on disk. The test split is never read here.
"""

from pydantic import ValidationError

from fieldguide.errors import NotReady
from fieldguide.learners import load_model, open_learner
from fieldguide.learners.runs import digest_inputs, make_run
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.runs import Run, load_run
from fieldguide.records import TrainReport
from fieldguide.settings import Settings, TrainSettings


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    return digest_inputs(catalog, settings)


def train(project: Project, settings: Settings, *, progress: Progress) -> TrainReport:
    """Train a model and report its accuracy on held-out pictures.

    A run that was made before with the same settings from the same pictures is used again; one that was interrupted
    is resumed.

    Raises:
        NotReady: the pictures are not split.
        SettingsError: the settings cannot be.
        InputUnusable: there is only one class, or the weights do not fit.
        TrainingDiverged: the loss is no longer a number; the last good checkpoint is kept.
        OutOfMemory: the memory is not enough.
        MissingExtra: an optional library is not installed.
    """
    with project.catalog() as catalog:
        digest = inputs(catalog, settings)
        done = catalog.current("train", digest, TrainReport)
        if done and _is_usable(project, done.run):
            return done
        run = _find_run(project, catalog, digest) or make_run(project, settings, catalog, progress)
        catalog.finish("train", digest, run.report, project.now())
    return TrainReport(**run.report)


def _find_run(project: Project, catalog: Catalog, digest: str) -> Run | None:
    """Return the latest usable run that was made from these inputs."""
    for name in catalog.runs(digest):
        if _is_usable(project, name):
            return load_run(project.runs_folder / name)
    return None


def _is_usable(project: Project, name: str) -> bool:
    """Return whether a run is whole, and what a quick learner made it with has not changed.

    What slow learners keep is all that they need: of those nothing more is looked at.
    """
    try:
        run = load_run(project.runs_folder / name)
        if open_learner(TrainSettings(**run.settings), run.seed).is_quick:
            load_model(run)
    except (NotReady, ValidationError):
        return False
    return True

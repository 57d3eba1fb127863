"""The stage that trains: the learner of the settings, on train and val, measured on pictures it never learnt from.

`learners.runs` holds the training itself, from the pictures to a run on disk. The test split is never read here.
"""

from collections import Counter

import numpy as np
from pydantic import ValidationError

from fieldguide.errors import NotReady
from fieldguide.features import Pictures
from fieldguide.learners import load_model, open_learner
from fieldguide.learners.preview import augment_rows, draw_preview
from fieldguide.learners.runs import digest_inputs, make_run
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.atomic import write_bytes
from fieldguide.project.catalog import Catalog
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.project.runs import Run, load_run, make_current
from fieldguide.records import PreviewReport, TrainReport
from fieldguide.settings import Settings, TrainSettings

_PREVIEW_PICTURES = 8
_PREVIEW_SIDE = 160


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
        make_current(catalog, run, digest, project.now())
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


def preview(project: Project, settings: Settings, *, progress: Progress) -> PreviewReport:
    """Draw `preview.png` in the folder of the project: pictures of train beside what augmentation makes of them.

    Raises:
        NotReady: the pictures are not split.
        MissingExtra: matplotlib is not installed.
    """
    with project.catalog() as catalog:
        data = load_dataset(catalog).where("train")
    data = data.take(_choose_pictures(data))
    pictures = Pictures(project, tuple(data.images.items()), settings, progress)
    preprocessing = settings.train.preprocessing(_PREVIEW_SIDE)
    progress.start("drawing the preview", None)
    squares = np.stack([pictures.square(index, preprocessing) for index in range(len(pictures))])
    names = [data.class_names[label] for label in data.labels]
    path = project.root / "preview.png"
    rows = augment_rows(squares, names, settings.train.loop.augment, settings.learning_seed)
    write_bytes(path, draw_preview(rows))
    return PreviewReport(str(path), settings.train.loop.augment, len(names))


def _choose_pictures(data: Dataset) -> list[int]:
    """Return the indices of pictures to show: the first of each class, then the second, and so on."""
    earlier: Counter[int] = Counter()
    order: list[tuple[int, int, int]] = []
    for index, label in enumerate(data.labels.tolist()):
        order.append((earlier[label], label, index))
        earlier[label] += 1
    return [index for _, _, index in sorted(order)[:_PREVIEW_PICTURES]]

"""A sheet that shows a person how augmentation changes their pictures, before anything is learnt.

Knows nothing about networks. The test split is never read here.
"""

import numpy as np

from fieldguide.features import Pictures
from fieldguide.learners.preview import preview as draw
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.atomic import write_bytes
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.records import Preprocessing, PreviewReport
from fieldguide.settings import Settings

__all__ = ["preview"]

_SHOWN = 8
_SIDE = 160


def preview(project: Project, settings: Settings, *, progress: Progress) -> PreviewReport:
    """Where the sheet is: `preview.png` in the folder of the project, pictures of train beside what becomes of them.

    Raises:
        NotReady: the pictures are not split.
        SettingsError: there is no such preset.
        InputMissing: an original was taken away.
        ProjectDamaged: an original is no longer the picture that it was.
        DiskFull: no space.
        NoPermission: the folder cannot be written.
    """
    with project.catalog() as catalog:
        data = load_dataset(catalog).where("train")
    data = data.take(_choose(data))
    pictures = Pictures(project, tuple(data.images.items()), settings, progress)
    fitted = Preprocessing(size=_SIDE, fit=settings.train.fits()[0], resize_shorter=round(_SIDE / 0.875))
    progress.start("drawing the sheet", None)
    squares = np.stack([pictures.square(index, fitted) for index in range(len(pictures))])
    names = [data.class_names[label] for label in data.labels]
    path = project.root / "preview.png"
    write_bytes(path, draw(squares, names, settings.train.loop.augment, settings.learning_seed))
    return PreviewReport(str(path), settings.train.loop.augment, len(names))


def _choose(data: Dataset) -> list[int]:
    """The places of pictures to show: the first of each class in turn."""
    turns: list[tuple[int, int, int]] = []
    seen: dict[int, int] = {}
    for place, label in enumerate(data.labels.tolist()):
        seen[label] = seen.get(label, 0) + 1
        turns.append((seen[label], label, place))
    return [place for _, _, place in sorted(turns)[:_SHOWN]]

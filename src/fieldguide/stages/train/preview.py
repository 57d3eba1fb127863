"""The sheet that shows how augmentation changes the pictures, before anything is trained.

Knows nothing about networks. The test split is never read here.
"""

from collections import Counter

import numpy as np

from fieldguide.features import Pictures
from fieldguide.learners.preview import augment_rows, draw_preview
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.atomic import write_bytes
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.records import Preprocessing, PreviewReport
from fieldguide.settings import Settings

_SHOWN = 8
_SIDE = 160


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
    fitted = Preprocessing(size=_SIDE, fit=settings.train.fits()[0], resize_shorter=round(_SIDE / 0.875))
    progress.start("drawing the sheet", None)
    squares = np.stack([pictures.square(index, fitted) for index in range(len(pictures))])
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
    return [index for _, _, index in sorted(order)[:_SHOWN]]

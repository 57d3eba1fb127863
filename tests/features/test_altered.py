"""Pictures that are changed before a model sees them: the change counts, and the disk knows nothing of it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from conftest import Pictures as MakePictures
from fieldguide.features import Extractor, Pictures
from fieldguide.features.altered import AlteredPictures
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import Preprocessing
from fieldguide.stages.add import Terms, add

SQUASHED = Preprocessing(size=64, resize_shorter=73, fit="squash")
VIEWS = [SQUASHED, Preprocessing(size=64, resize_shorter=73, fit="crop", mirrored=True)]


def read_pixels(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(batch.reshape(len(batch), -1), dtype=np.float32)


PIXELS = Extractor("pixels-1", "numpy", lambda: read_pixels)


@pytest.fixture
def pictures(project: Project, pictures: MakePictures, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    source = pictures(tmp_path_factory.mktemp("altered"), ["circle", "square"], 3)
    add(project, project.settings(), source, terms=Terms(licence="own"), progress=SilentProgress())
    with project.catalog() as catalog:
        images = tuple((name, row.format) for name, row in catalog.images().items())
    return Pictures(project, images, project.settings(), SilentProgress())


def keep(image: Image.Image) -> Image.Image:
    return image


def test_unchanged_they_are_the_pictures_themselves(pictures: Pictures) -> None:
    altered = AlteredPictures.of(pictures, range(len(pictures)), [keep] * len(pictures))
    for view in VIEWS:
        assert np.array_equal(altered.compute(PIXELS, view), pictures.compute(PIXELS, view))
    assert np.array_equal(altered.square(1, VIEWS[0]), pictures.square(1, VIEWS[0]))


def test_each_is_seen_with_its_own_change_and_nothing_is_kept(pictures: Pictures) -> None:
    places, changes = [2, 2, 0], [keep, ImageOps.invert, ImageOps.invert]
    rows = AlteredPictures.of(pictures, places, changes).compute(PIXELS, SQUASHED)
    assert not list(pictures.project.features_folder.rglob("*.npz"))
    usual = pictures.compute(PIXELS, SQUASHED)
    assert np.array_equal(rows[0], usual[2])
    assert np.abs(rows[1:] - (255 - usual[[2, 0]])).max() <= 1  # resizing rounds
    taken = AlteredPictures.of(pictures, places, changes).take([1])
    assert np.array_equal(taken.compute(PIXELS, SQUASHED)[0], rows[1])

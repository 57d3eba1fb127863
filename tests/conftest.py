"""What tests share: pictures drawn here, small projects, one converted backbone, one built project.

The pictures are coloured shapes on a background of soft blobs: a class is a shape and a colour, so a head learns
it from a dozen, and no two are near-copies of each other.
"""

import hashlib
import io
import os
import shutil
import signal
import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

if os.environ.get("PYTEST_XDIST_WORKER"):  # before numpy reads it: tests that run at once share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fieldguide.features import cache_folder
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.stages.add import Terms, add
from fieldguide.stages.build import build
from fieldguide.stages.new import new

hypothesis_settings.register_profile("fieldguide", deadline=None, max_examples=60)
hypothesis_settings.load_profile("fieldguide")

# a background job and nohup ignore Ctrl-C, and what they start inherits that: tests send it
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(os.environ.get("FIELDGUIDE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
CLASS_NAMES = ("circle", "square", "triangle")
PER_CLASS = 12
_SHAPES = ("circle", "square", "triangle", "cross", "ring", "stripes")
_COLOURS = ((215, 60, 50), (50, 90, 210), (60, 170, 80), (225, 175, 40), (140, 70, 180), (60, 180, 190))


def draw_picture(class_name: str, number: int, side: int = 128) -> Image.Image:
    """Draw a picture of a class, the same for the same number, up to a third wider and taller than `side`."""
    dice = _dice(class_name, number)
    kind = _kind(class_name)
    width, height = side + int(dice.integers(0, side // 3)), side + int(dice.integers(0, side // 3))
    blobs = Image.fromarray(dice.integers(120, 256, (4, 5, 3), dtype=np.uint8))
    image = blobs.resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    radius = int(side * dice.uniform(0.2, 0.36))
    x, y = int(dice.integers(radius, width - radius)), int(dice.integers(radius, height - radius))
    red, green, blue = (int(np.clip(channel + dice.integers(-20, 21), 0, 255)) for channel in _COLOURS[kind])
    _shape(pen, _SHAPES[kind], (x, y), radius, (red, green, blue))
    return image


def _dice(class_name: str, number: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{class_name} {number}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _kind(class_name: str) -> int:
    """Return the place of the shape and colour of a class; names that are no shape get one too."""
    if class_name in _SHAPES:
        return _SHAPES.index(class_name)
    return hashlib.sha256(class_name.encode()).digest()[0] % len(_SHAPES)


def _shape(
    pen: ImageDraw.ImageDraw, shape: str, centre: tuple[int, int], radius: int, colour: tuple[int, int, int]
) -> None:
    (x, y), r = centre, radius
    box = (x - r, y - r, x + r, y + r)
    match shape:
        case "circle":
            pen.ellipse(box, fill=colour)
        case "square":
            pen.rectangle(box, fill=colour)
        case "triangle":
            pen.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=colour)
        case "cross":
            pen.rectangle((x - r, y - r // 3, x + r, y + r // 3), fill=colour)
            pen.rectangle((x - r // 3, y - r, x + r // 3, y + r), fill=colour)
        case "ring":
            pen.ellipse(box, outline=colour, width=max(2, r // 3))
        case _:
            for left in range(x - r, x + r, max(4, r // 3)):
                pen.rectangle((left, y - r, left + max(2, r // 6), y + r), fill=colour)


def encode(image: Image.Image, kind: str = "PNG") -> bytes:
    """Return the bytes of a file that holds the picture."""
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 92} if kind == "JPEG" else {}))
    return file.getvalue()


def flat_jpeg(width: int, height: int) -> bytes:
    """Return a grey JPEG of any size: each 16 x 16 pixels of a flat one, 4:2:0, take the same 32 bits."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (128, 128, 128)).save(file, "JPEG", subsampling=2)
    small = file.getvalue()
    size, scan = small.index(b"\xff\xc0") + 5, small.index(b"\xff\xda") + 14
    blocks = -(-width // 16) * -(-height // 16)
    assert len(small) == scan + 4 + 2
    head = small[:size] + struct.pack(">HH", height, width) + small[size + 4 : scan]
    return head + small[scan : scan + 4] * blocks + b"\xff\xd9"


def picture_bytes(class_name: str, number: int, side: int = 128) -> bytes:
    """Return the file of a picture: even numbers are JPEG, odd ones PNG."""
    return encode(draw_picture(class_name, number, side), "PNG" if number % 2 else "JPEG")


class Pictures(Protocol):
    """Writes drawn pictures; see the fixture `pictures`."""

    def __call__(
        self, folder: Path, names: Sequence[str] = CLASS_NAMES, per_class: int = 4, first: int = 0, side: int = 128
    ) -> Path:
        """Fill the folder with a folder of pictures numbered from `first` for each name, and return it."""


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """Return a function that fills a folder with a folder of drawn pictures for each class."""

    def write(
        folder: Path, names: Sequence[str] = CLASS_NAMES, per_class: int = 4, first: int = 0, side: int = 128
    ) -> Path:
        for name in names:
            (folder / name).mkdir(parents=True, exist_ok=True)
            for number in range(first, first + per_class):
                suffix = "png" if number % 2 else "jpg"
                (folder / name / f"{number:03}.{suffix}").write_bytes(picture_bytes(name, number, side))
        return folder

    return write


class Clock:
    """A clock that is one minute later each time it is asked."""

    def __init__(self, start: datetime = datetime(2024, 1, 1, tzinfo=UTC)) -> None:
        self.at = start

    def __call__(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


@pytest.fixture
def progress() -> SilentProgress:
    """Return a progress that tells nobody."""
    return SilentProgress()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a new, empty project of the classes circle, square and triangle."""
    return make_project(tmp_path / "project")


def make_project(folder: Path, names: Sequence[str] = CLASS_NAMES) -> Project:
    """Make a new, empty project of these classes."""
    new(folder, {name: {} for name in names})
    return Project(folder, Clock())


@pytest.fixture
def filled_project(project: Project, pictures: Pictures, tmp_path: Path) -> Project:
    """Make a project to which six pictures of each class were added, and nothing else was done."""
    terms = Terms(author="the tests", licence="own")
    source = pictures(tmp_path / "source", per_class=6)
    add(project, project.settings(), source, terms=terms, progress=SilentProgress())
    return project


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set the cache folder of this test run; take over the backbones that this machine has converted already."""
    machine = cache_folder()
    folder = tmp_path_factory.mktemp("cache")
    for model in machine.glob("*.onnx"):
        shutil.copy2(model, folder / model.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDGUIDE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def built_once(own_cache: Path, tmp_path_factory: pytest.TempPathFactory, pictures: Pictures) -> Path:
    """Build a small project and return its folder; only to be copied: see `built`."""
    pytest.importorskip("torch", reason="training needs the extra [train]")
    base = tmp_path_factory.mktemp("built")
    changed: dict[str, dict[str, object]] = {
        "features": {"runtime": "onnxruntime"},
        "split": {"features_alike": 1.0},  # drawn shapes are much alike
        "train": {"strengths": [0.001, 0.01, 0.1], "folds": 3},
        "evaluate": {"folds": 3},
    }
    classes: dict[str, dict[str, object]] = {
        name: {"about": f"A {name}.", "links": [f"https://example.org/{name}"]} for name in CLASS_NAMES
    }
    new(base / "shapes", classes, about="Tells shapes apart.", changed=changed)
    built = Project(base / "shapes", Clock())
    settings = built.settings()
    terms = Terms(author="the tests", licence="own", licence_url="https://example.org/terms")
    source = pictures(base / "source", per_class=PER_CLASS)
    add(built, settings, source, terms=terms, progress=SilentProgress())
    build(built, settings, progress=SilentProgress(), done=lambda name, report: None)
    return built.root


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> Project:
    """Copy the built project, to do anything with: 3 classes of 12 pictures, trained and published."""
    root = tmp_path / "shapes"
    shutil.copytree(built_once, root)
    return Project(root, Clock(datetime(2025, 1, 1, tzinfo=UTC)))


@pytest.fixture
def shared() -> Path:
    """Return the folder of real pictures beside the checkout; skip where it is absent."""
    if not (SHARED / "hostile" / "labels.csv").is_file():
        pytest.skip(f"no shared pictures at {SHARED}")
    return SHARED


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    """Return the upright pixels of a file, (h, w, 3) uint8 RGB, as Pillow reads them."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

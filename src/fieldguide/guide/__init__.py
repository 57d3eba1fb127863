"""A published guide: checked, opened and asked. Needs onnxruntime, numpy and Pillow, nothing else.

Knows nothing about projects. Nothing in a guide can run: `check` compares every file with the manifest and refuses a
model that is anything but a plain ONNX file of the shapes that guide.json states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldguide.errors import BadImage, GuideDamaged, InputMissing, InputUnusable, translate_os_errors
from fieldguide.guide.certainty import Ranks
from fieldguide.guide.check import (
    GET_IT_AGAIN,
    SCHEMA_VERSION,
    check_description,
    check_manifest,
    check_model,
    check_shapes,
    check_size,
    check_views,
    keep_edited,
    list_edited,
    read_description,
    write_manifest,
)
from fieldguide.guide.forms import FORMS_FILE, read_forms
from fieldguide.images import Limits, to_upright
from fieldguide.images.preprocess import prepare_image, prepare_views
from fieldguide.records import Prediction, Preprocessing

__all__ = [
    "FORMS_FILE",
    "SCHEMA_VERSION",
    "Guide",
    "is_unaltered",
    "keep_edited",
    "list_edited",
    "open_guide",
    "open_session",
    "read_forms",
    "write_manifest",
]

# what a guide from elsewhere can ask for: twice the usual, about a gigabyte of memory for the worst picture
_MOST = {"max_bytes": 100_000_000, "max_pixels": 100_000_000, "max_scans": 200}

_BATCH = 4  # pictures of a list in one call of the model; of more, what lies between two layers leaves the caches
Picture = str | Path | bytes | Image.Image | NDArray[np.uint8]


@dataclass(frozen=True)
class Guide:
    """An open guide.

    Attributes:
        folder: the guide's folder.
        about: everything in guide.json.
        class_names: in the order of the model's outputs.
        views: how a picture is fitted to the square, once for each view that an answer is averaged over.
        threshold: the familiarity under which it declines.
        formats: the picture formats that it takes.
        session: the onnxruntime session.
        edited: the documents that were changed or taken away since it was published; it answers as before.
        trusted: whether it may ask for more memory for a picture than twice the usual.
        forms: what is known of the forms that it was exported to, by name.
        ranks: what its classes are kinds of.
    """

    folder: Path
    about: Mapping[str, Any]
    class_names: tuple[str, ...]
    views: tuple[Preprocessing, ...]
    threshold: float
    formats: tuple[str, ...]
    session: Any
    edited: tuple[str, ...] = ()
    trusted: bool = False
    forms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ranks: Ranks = field(default_factory=lambda: Ranks({}))

    def describe_edited(self) -> str:
        """Return a sentence on the documents that are not as they were published, "" where there are none."""
        if not self.edited:
            return ""
        verb = "is" if len(self.edited) == 1 else "are"
        return f"note: {' and '.join(self.edited)} {verb} not as published; the model and its answers are"

    @property
    def limits(self) -> Limits:
        """The limits on pictures that its project had, up to what a guide may ask for; older guides have the usual."""
        stated = self.about.get("limits", {})
        if not self.trusted:
            stated = {key: min(number, _MOST[key]) for key, number in stated.items()}
        return Limits(formats=self.formats, **stated)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are fitted to the square first of all."""
        return self.views[0]

    @property
    def load_shape(self) -> tuple[int, ...]:
        """The shape of what `load` returns."""
        square = (self.preprocessing.size, self.preprocessing.size, 3)
        return square if len(self.views) == 1 else (len(self.views), *square)

    def load(self, data: bytes, limits: Limits | None = None) -> NDArray[np.uint8]:
        """Return a file's bytes as the model sees them, (size, size, 3) uint8 RGB; of several views (views, ...).

        Raises:
            BadImage: it is not a picture that can be decoded within the limits.
        """
        return self._stack(prepare_views(data, self.views, limits or self.limits))

    def answer(self, squares: NDArray[np.uint8], paths: Sequence[str]) -> list[Prediction]:
        """Classify n pictures as `load` returns them, stacked; `paths` names them.

        Raises:
            GuideDamaged: the model fails.
        """
        try:
            probs, familiarity = self.session.run(["probs", "familiarity"], {"image": squares})
        except _runtime_errors() as error:
            raise GuideDamaged(f"the model cannot answer: {str(error)[:200]}", GET_IT_AGAIN) from error
        return [self._prediction(*row) for row in zip(paths, probs, familiarity, strict=True)]

    @overload
    def classify(  # type: ignore[overload-overlap]  # a str is one picture, and a sequence of them to mypy
        self, image: Picture, limits: Limits | None = None
    ) -> Prediction: ...
    @overload
    def classify(self, image: Sequence[Picture], limits: Limits | None = None) -> list[Prediction]: ...
    def classify(
        self, image: Picture | Sequence[Picture], limits: Limits | None = None
    ) -> Prediction | list[Prediction]:
        """Classify a picture, or a list of pictures.

        Args:
            image: the path of a file, its bytes, a Pillow image, a (height, width, 3) uint8 RGB array, or a list of any
                of these.
            limits: the formats and sizes of files that are decoded; by default, the guide's formats.

        Raises:
            BadImage: a file that is not a picture, or cannot be decoded within the limits.
            InputMissing: there is no such file.
            InputUnusable: an array of another shape or type.
        """
        if isinstance(image, list | tuple):
            answers: list[Prediction] = []
            for start in range(0, len(image), _BATCH):
                batch = image[start : start + _BATCH]
                squares = np.stack([self._square(item, limits) for item in batch])
                answers += self.answer(squares, [_path_of(item) for item in batch])
            return answers
        return self.answer(self._square(image, limits)[None], [_path_of(image)])[0]

    def _square(self, image: object, limits: Limits | None) -> NDArray[np.uint8]:
        """Return a picture in any form as the square that the model sees."""
        if isinstance(image, str | Path):
            return self.load(_read_file(Path(image), (limits or self.limits).max_bytes), limits)
        if isinstance(image, bytes | bytearray | memoryview):
            return self.load(bytes(image), limits)
        if isinstance(image, Image.Image):
            return self._prepare(to_upright(image))
        if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
            return self._prepare(Image.fromarray(image))
        form = f"an object of type {type(image).__name__}"
        if isinstance(image, np.ndarray):
            form = f"an array {image.shape} of {image.dtype}"
        hint = "give a path, bytes, a Pillow image, a (height, width, 3) uint8 RGB array, or a list of them"
        raise InputUnusable(f"{form} is not a picture", hint)

    def _prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return an upright RGB image as the model sees it."""
        return self._stack(np.stack([prepare_image(image, view) for view in self.views]))

    def _stack(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return squares if len(self.views) > 1 else squares[0]

    def _prediction(self, path: str, probs: NDArray[np.float32], familiarity: float) -> Prediction:
        order = np.argsort(-probs, kind="stable")
        declined = bool(familiarity < self.threshold)
        first = "" if declined else self.class_names[order[0]]
        named = {self.class_names[index]: float(probs[index]) for index in order}
        certainty = self.ranks.certainty(float(probs[order[0]]))
        parent, share = ("", 0.0) if declined else self.ranks.find_parent(named)
        return Prediction(
            path, first, named, float(familiarity), declined, certainty=certainty, parent=parent, parent_prob=share
        )


def _path_of(image: object) -> str:
    return str(image) if isinstance(image, str | Path) else ""


def _read_file(path: Path, max_bytes: int) -> bytes:
    if not path.is_file():  # pipes and devices may never end
        raise InputMissing(f"there is no file {path}", "check the path")
    with translate_os_errors(f"reading {path}"):
        if (size := path.stat().st_size) > max_bytes:
            raise BadImage("too_many_bytes", f"{size:,} bytes; {max_bytes:,} are the most")
        return path.read_bytes()


def open_guide(folder: str | Path, threads: int = 0, *, trusted: bool = False) -> Guide:
    """Open the guide in a folder, checked and ready to classify.

    Args:
        folder: a published guide.
        threads: processor threads for the model; 0 leaves it to onnxruntime.
        trusted: whether its limits on pictures hold as it states them, as for one's own.

    Raises:
        InputMissing: there is no guide in the folder.
        GuideDamaged: a file is missing, altered or unsafe, or the guide needs a newer Fieldguide.
        NoPermission: it cannot be read.
    """
    folder = Path(folder)
    if not (folder / "MANIFEST").is_file():
        hint = "give a folder made by: fieldguide publish"
        raise InputMissing(f"there is no guide in {folder}", hint)
    with translate_os_errors(f"reading {folder}"):
        listed, edited = check_manifest(folder)
        about = read_description(folder / "guide.json")
        check_size((folder / "model.onnx").stat().st_size)
        model = (folder / "model.onnx").read_bytes()
        forms = read_forms(folder) if FORMS_FILE in listed else {}
    check_model(model)
    try:
        names = tuple(str(row["name"]) for row in about["classes"])
        views = tuple(Preprocessing.from_dict(fields) for fields in about.get("views", [about["preprocessing"]]))
        threshold = float(about["decline"]["threshold"])
        formats = tuple(str(name) for name in about["formats"])
        check_description(about, listed)
        check_views(views, threshold)
        ranks = Ranks.of(about, about["classes"])
        session = _open_untrusted(model, threads)
        check_shapes(session, views, len(names))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        message = f"{folder / 'guide.json'} is not a valid description of a guide: {error}"
        raise GuideDamaged(message, GET_IT_AGAIN) from error
    return Guide(folder, about, names, views, threshold, formats, session, edited, trusted, forms, ranks)


def is_unaltered(folder: Path) -> bool:
    """Tell whether the folder holds a guide as it was published, apart from documents that were edited."""
    try:
        return (folder / "MANIFEST").is_file() and all((folder / name).is_file() for name in check_manifest(folder)[0])
    except GuideDamaged:
        return False


def open_session(model: bytes, threads: int) -> Any:
    """Open the bytes of an ONNX file as an `onnxruntime.InferenceSession` on the processor.

    A model from outside goes through `check.check_model` first: it could name other files, which would be read.

    Args:
        model: the file.
        threads: of the processor; 0 leaves it to onnxruntime.

    Raises:
        Exception: onnxruntime refuses the model, in one of its own classes, which have no base in common.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # a thread that waits sleeps: spinning, it takes the core from the one it waits for, wherever others compute too
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _open_untrusted(model: bytes, threads: int) -> Any:
    """Open the very bytes that were checked; whatever onnxruntime raises becomes a `GuideDamaged`."""
    try:
        return open_session(model, threads)
    except _runtime_errors() as error:
        raise GuideDamaged(f"the model cannot be loaded: {str(error)[:200]}", GET_IT_AGAIN) from error


def _runtime_errors() -> tuple[type[Exception], ...]:
    """Return the classes of what onnxruntime raises, which have no base in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return tuple(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))

"""A published guide: checked, loaded and asked. Needs onnxruntime, numpy and Pillow, nothing else.

Knows nothing about projects. Nothing in a guide can run: every file is checked against the manifest, and the model
must be a plain ONNX file whose shapes match what the guide says of itself.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import GuideDamaged, InputMissing, translate_os_errors
from fieldguide.guide.modelscan import check_model, check_size
from fieldguide.images import Limits, decode_image
from fieldguide.images.preprocess import decode_size, prepare_image
from fieldguide.records import Prediction, Preprocessing
from fieldguide.session import open_session

__all__ = ["SCHEMA_VERSION", "Guide", "is_unaltered", "open_guide", "write_manifest"]

SCHEMA_VERSION = 1
_HINT = "get the guide again from whoever made it, or make it anew with: fieldguide publish"
_MAX_JSON_BYTES = 20_000_000


@dataclass(frozen=True)
class Guide:
    """An open guide.

    Attributes:
        folder: where it lies.
        about: everything in guide.json.
        class_names: in the order of the model's outputs.
        preprocessing: how pictures are fitted to the square.
        threshold: the familiarity under which it declines.
        formats: the picture formats that it takes.
        session: the onnxruntime session.
    """

    folder: Path
    about: Mapping[str, Any]
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    threshold: float
    formats: tuple[str, ...]
    session: Any

    def load(self, data: bytes, limits: Limits | None = None) -> NDArray[np.uint8]:
        """A file's bytes as the square that the model sees, (size, size, 3) uint8 RGB.

        Raises:
            BadImage: it is no picture that can be decoded within the limits.
        """
        image = decode_image(data, limits or Limits(formats=self.formats), at_least=decode_size(self.preprocessing))
        return prepare_image(image, self.preprocessing)

    def answer(self, squares: NDArray[np.uint8], paths: Sequence[str]) -> list[Prediction]:
        """An answer for each of (n, size, size, 3) uint8 squares; `paths` names them."""
        probs, familiarity = self.session.run(["probs", "familiarity"], {"image": squares})
        return [self._prediction(*row) for row in zip(paths, probs, familiarity, strict=True)]

    def classify(self, data: bytes, path: str = "", limits: Limits | None = None) -> Prediction:
        """The answer for one file's bytes.

        Raises:
            BadImage: it is no picture that can be decoded within the limits.
        """
        return self.answer(self.load(data, limits)[None], [path])[0]

    def _prediction(self, path: str, probs: NDArray[np.float32], familiarity: float) -> Prediction:
        order = np.argsort(-probs, kind="stable")
        declined = bool(familiarity < self.threshold)
        first = "" if declined else self.class_names[order[0]]
        named = {self.class_names[index]: float(probs[index]) for index in order}
        return Prediction(path, first, named, float(familiarity), declined)


def open_guide(folder: Path, threads: int = 0) -> Guide:
    """The guide in a folder, checked and ready to be asked.

    Args:
        folder: a published guide.
        threads: processor threads for the model; 0 leaves it to onnxruntime.

    Raises:
        InputMissing: there is no guide there.
        GuideDamaged: a file is missing, altered or unsafe, or the guide is of a newer form.
        NoPermission: it cannot be read.
    """
    if not (folder / "MANIFEST").is_file():
        hint = "give a folder made by: fieldguide publish"
        raise InputMissing(f"there is no guide in {folder}", hint)
    with translate_os_errors(f"reading {folder}"):
        listed = _check_manifest(folder)
        about = _read_about(folder / "guide.json")
        check_size((folder / "model.onnx").stat().st_size)
        model = (folder / "model.onnx").read_bytes()
    check_model(model)
    try:
        names = tuple(str(one["name"]) for one in about["classes"])
        fitted = about["preprocessing"]
        preprocessing = Preprocessing(**{**fitted, "mean": tuple(fitted["mean"]), "std": tuple(fitted["std"])})
        threshold = float(about["decline"]["threshold"])
        formats = tuple(str(one) for one in about["formats"])
        _check_said(about, listed)
        _check_preprocessing(preprocessing, threshold)
        session = _session(model, threads)
        _check_shapes(session, preprocessing.size, len(names))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise GuideDamaged(f"{folder / 'guide.json'} is not what a guide says of itself: {error}", _HINT) from error
    return Guide(folder, about, names, preprocessing, threshold, formats, session)


def is_unaltered(folder: Path) -> bool:
    """Whether there is a guide whose every file is as it was published."""
    try:
        return (folder / "MANIFEST").is_file() and bool(_check_manifest(folder))
    except GuideDamaged:
        return False


def _read_about(path: Path) -> dict[str, Any]:
    """What the guide says of itself.

    Raises:
        GuideDamaged: it is no JSON object, too large, or of a newer form.
    """
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise GuideDamaged(f"{path} is too large", _HINT)
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        version = int(about["schema_version"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise GuideDamaged(f"{path} cannot be read: {error}", _HINT) from error
    if version > SCHEMA_VERSION:
        raise GuideDamaged(
            f"{path} has form {version}; this Fieldguide knows {SCHEMA_VERSION}", "install a newer Fieldguide"
        )
    return dict(about)


def _check_said(about: Mapping[str, Any], listed: set[str]) -> None:
    """Nothing; what the page and the API will show is there, and every example is a file of the manifest.

    Raises:
        KeyError: something is missing.
        TypeError: something is of the wrong type.
        ValueError: a name is empty or twice there, or an example is no file of the guide.
    """
    names = [one["name"] for one in about["classes"]]
    texts = [about["name"], about["about"], *names, *(one["about"] for one in about["classes"])]
    texts += [link for one in about["classes"] for link in one["links"]]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name, text or link is no text")
    if not names or len(set(names)) < len(names) or not all(names):
        raise ValueError("a class has no name, or two have the same")
    for example in (example for one in about["classes"] for example in one["examples"]):
        if example["file"] not in listed:
            raise ValueError(f"the example {example['file']!r} is not in the manifest")
    if len([float(part) for part in about["scores"]["accuracy"]]) != 3:
        raise ValueError("the accuracy has no interval")


def _check_preprocessing(fitted: Preprocessing, threshold: float) -> None:
    """Nothing; the numbers are such that a picture can be fitted, and the threshold is one.

    Raises:
        ValueError: they are not.
    """
    sizes = (fitted.size, fitted.resize_shorter)
    if any(type(size) is not int for size in sizes) or not 1 <= fitted.size <= fitted.resize_shorter <= 4096:
        raise ValueError(f"the sizes are {sizes}")
    if fitted.fit not in ("crop", "squash", "pad") or fitted.interpolation != "bicubic":
        raise ValueError(f"pictures cannot be fitted by {fitted.fit!r} and {fitted.interpolation!r}")
    if threshold != threshold:
        raise ValueError("the threshold is no number")


def _session(model: bytes, threads: int) -> Any:
    """The model, from the very bytes that were looked at.

    Raises:
        GuideDamaged: onnxruntime does not take it.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    try:
        return open_session(model, threads)
    except tuple(kinds) as error:
        raise GuideDamaged(f"the model cannot be loaded: {str(error)[:200]}", _HINT) from error


def _check_shapes(session: Any, size: int, classes: int) -> None:
    """Nothing; the model takes and gives what the guide says.

    Raises:
        ValueError: it does not.
    """
    inputs = {one.name: (one.type, list(one.shape)[1:]) for one in session.get_inputs()}
    outputs = {one.name: list(one.shape)[1:] for one in session.get_outputs()}
    if inputs != {"image": ("tensor(uint8)", [size, size, 3])}:
        raise ValueError(f"the model's inputs are {inputs}")
    if outputs.get("probs") != [classes] or "familiarity" not in outputs or "features" not in outputs:
        raise ValueError(f"the model's outputs are {outputs}")


def write_manifest(folder: Path) -> None:
    """Nothing; `MANIFEST` lists the SHA-256 of every other file below the folder, in the order of their paths."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "MANIFEST")
    lines = [f"{_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "MANIFEST").write_text("".join(lines), encoding="utf-8")


def _check_manifest(folder: Path) -> set[str]:
    """The names of the files listed; every one is there, inside the folder, and unaltered.

    Raises:
        GuideDamaged: one is not.
    """
    listed = set()
    for line in (folder / "MANIFEST").read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise GuideDamaged(f"the manifest of {folder} names {name!r}, outside the guide", _HINT)
        path = folder / name
        if not path.is_file():
            raise GuideDamaged(f"{path} is missing", _HINT)
        if _digest(path) != digest:
            raise GuideDamaged(f"{path} has been altered", _HINT)
        listed.add(name)
    missing = {"guide.json", "model.onnx"} - listed
    if missing:
        raise GuideDamaged(f"the manifest of {folder} does not list {min(missing)}", _HINT)
    return listed


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The stage that scores a guide on new labelled pictures: the honest check after publishing.

Who calls it has read a folder, a table or an archive and hands over the files with their labels. A picture of a class
that the guide does not know is a test of "none of these". Each picture counts once, however often it is there, so that
the intervals hold. Knows nothing about projects, and nothing about how labels are read.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.duplicates import Fingerprints, find_copies
from fieldguide.checks.files import DECODE_SIDE
from fieldguide.engine import core_count, map_threads
from fieldguide.errors import BadImage, FieldguideError, InputUnusable, translate_os_errors
from fieldguide.guide import Guide
from fieldguide.images import look
from fieldguide.metrics import (
    MIN_CALIBRATION,
    accuracy,
    calibration_error,
    calibration_interval,
    confusion_matrix,
    macro_f1,
    macro_f1_interval,
    per_class_scores,
    wilson_interval,
)
from fieldguide.names import match_key
from fieldguide.progress import Progress
from fieldguide.project.atomic import write_text
from fieldguide.records import Prediction, Prints, ScoreReport
from fieldguide.text import render, write_csv

_BATCH = 4
_SCORED, _OTHER_CLASS = "scored", "other_class"
_HEADING = ("path", "class_name", "answer", "most_probable", "prob", "prob_of_class", "familiarity", "status", "detail")


class LabelledFile(Protocol):
    """A file that may be a picture, and the class that its place names, or ""."""

    @property
    def location(self) -> str:
        """Its path inside what was read."""

    @property
    def label(self) -> str:
        """The class, or ""."""

    @property
    def size_bytes(self) -> int:
        """Its size."""

    @property
    def read(self) -> Callable[[], bytes]:
        """Returns the bytes; may raise OSError."""


@dataclass(frozen=True)
class KnownPictures:
    """The pictures that a guide may have learnt from.

    Attributes:
        hashes: SHA-256 of all of them.
        prints: what near-copies are recognised by, of those that were looked at.
        distance: as `clean.copy_distance`.
        likeness: as `clean.copy_likeness`.
    """

    hashes: Collection[str] = ()
    prints: Mapping[str, Prints] = field(default_factory=dict)
    distance: int = 0
    likeness: float = 1.0


@dataclass(frozen=True)
class _Picture:
    """A file, the class it is labelled with, and what became of it: a status, with its detail, and an answer."""

    location: str
    class_name: str
    sha256: str = ""
    status: str = ""
    detail: str = ""
    square: NDArray[np.uint8] | None = None
    answer: Prediction | None = None
    prints: Prints | None = None


def score(
    guide: Guide, files: Sequence[LabelledFile], *, known: KnownPictures, out: Path, progress: Progress
) -> ScoreReport:
    """Score a guide on labelled pictures; write predictions.csv and report.html, and return the scores.

    Args:
        guide: an open guide.
        files: labelled with the guide's classes, or with others, which it should decline.
        known: the pictures of the guide's project, which are no test of it: they and their copies are counted apart.
        out: the folder to write into; it is made.
        progress: told of each picture.

    Raises:
        InputUnusable: no picture there is labelled, new and readable.
    """
    names = {match_key(name): name for name in guide.class_names}
    progress.start("scoring", len(files))
    loaded = map_threads(
        partial(_load, guide, bool(known.prints)), _read(files, names, guide), workers=core_count(), ahead=_BATCH * 3
    )
    pictures: list[_Picture] = []
    while batch := list(islice(loaded, _BATCH)):
        pictures += _answer(guide, batch)
        progress.advance(len(batch))
    pictures = _judge(pictures, guide.class_names, known.hashes, _find_near_copies(pictures, known))
    counts = Counter(picture.status for picture in pictures)
    if not counts[_SCORED] and not counts[_OTHER_CLASS]:
        raise _nothing_to_score(pictures, counts)
    progress.start("writing the report", None)
    numbers = _measure(guide.class_names, pictures)
    report = ScoreReport(
        guide=str(guide.folder), pictures=len(files), counts=dict(counts.most_common()),
        report=str(out / "report.html"), predictions=str(out / "predictions.csv"), **numbers,
    )  # fmt: skip
    with translate_os_errors(f"writing {out}"):
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "predictions.csv", write_csv(_HEADING, map(_row, pictures)))
        values = {entry.name: getattr(report, entry.name) for entry in fields(report)}
        about = {"name": guide.about.get("name", ""), "least": MIN_CALIBRATION}
        write_text(out / "report.html", render("score.html", values | about))
    return report


def _read(files: Sequence[LabelledFile], names: dict[str, str], guide: Guide) -> Iterator[tuple[_Picture, bytes]]:
    """Yield each file with its bytes, which are read in one thread: an archive has one place at a time."""
    for file in files:
        picture = _Picture(file.location, names.get(match_key(file.label), file.label))
        if not file.label:
            yield replace(picture, status="no_class", detail="neither a folder nor the file name says which class"), b""
        elif file.size_bytes > guide.limits.max_bytes:
            detail = f"{file.size_bytes:,} bytes; at most {guide.limits.max_bytes:,} are allowed"
            yield replace(picture, status="too_many_bytes", detail=detail), b""
        else:
            try:
                yield picture, file.read()
            except (OSError, FieldguideError) as error:
                detail = getattr(error, "strerror", None) or str(error)
                yield replace(picture, status="unreadable", detail=detail), b""


def _load(guide: Guide, with_prints: bool, item: tuple[_Picture, bytes]) -> _Picture:
    """Return the picture with its hash and the square that the model sees, or the reason why there is none."""
    picture, data = item
    if picture.status:
        return picture
    try:
        square, sha256 = guide.load(data), hashlib.sha256(data).hexdigest()
        prints = look(data, guide.limits, at_least=DECODE_SIDE)[1] if with_prints else None
        return replace(picture, sha256=sha256, square=square, prints=prints)
    except BadImage as error:
        return replace(picture, status=error.reason, detail=error.detail)


def _answer(guide: Guide, batch: Sequence[_Picture]) -> list[_Picture]:
    """Return the batch with an answer for each picture that could be read."""
    squares = [picture.square for picture in batch if picture.square is not None]
    paths = [picture.location for picture in batch if picture.square is not None]
    answers = iter(guide.answer(np.stack(squares), paths) if squares else ())
    return [picture if picture.square is None else replace(picture, square=None, answer=next(answers))
            for picture in batch]  # fmt: skip


def _find_near_copies(pictures: Sequence[_Picture], known: KnownPictures) -> set[str]:
    """Return the SHA-256 of those pictures that are near-copies of a known one, such as one that was saved again."""
    new = {picture.sha256: picture.prints for picture in pictures if picture.prints is not None}
    together = Fingerprints({**new, **known.prints})
    family = {name: name for name in together.sha256}

    def root(name: str) -> str:
        while family[name] != name:
            name = family[name]
        return name

    for first, second in find_copies(together, known.distance, known.likeness) if known.prints else ():
        family[root(together.sha256[first])] = root(together.sha256[second])
    of_project = {root(name) for name in known.prints}
    return {name for name in new if name not in known.prints and root(name) in of_project}


def _judge(
    pictures: Sequence[_Picture], class_names: Sequence[str], known: Collection[str], near: Collection[str]
) -> list[_Picture]:
    """Return the pictures with their status: which are scored, and why the others are not."""
    labels: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        labels[picture.sha256].add(picture.class_name)
    judged: list[_Picture] = []
    first: dict[str, str] = {}
    for picture in pictures:
        status, detail = picture.status, picture.detail
        if not status:
            if picture.sha256 in known:
                status, detail = "in_project", "the guide may have learnt from it"
            elif picture.sha256 in near:
                status, detail = "in_project", "a near-copy of a picture that the guide may have learnt from"
            elif len(labels[picture.sha256]) > 1:
                status, detail = "two_labels", f"also {', '.join(labels[picture.sha256] - {picture.class_name})}"
            elif picture.sha256 in first:
                status, detail = "copy", f"the same bytes as {first[picture.sha256]}"
            else:
                status = _SCORED if picture.class_name in class_names else _OTHER_CLASS
                first[picture.sha256] = picture.location
        judged.append(replace(picture, status=status, detail=detail))
    return judged


def _measure(class_names: Sequence[str], pictures: Sequence[_Picture]) -> dict[str, Any]:
    """Return the figures of a `ScoreReport` for judged pictures."""
    scored = [(picture, picture.answer) for picture in pictures if picture.status == _SCORED and picture.answer]
    others = [(picture, picture.answer) for picture in pictures if picture.status == _OTHER_CLASS and picture.answer]
    labels = np.array([class_names.index(picture.class_name) for picture, _ in scored], dtype=np.int64)
    probs = np.array([[answer.probs[name] for name in class_names] for _, answer in scored]).reshape(
        -1, len(class_names)
    )
    answered = np.array([not answer.declined for _, answer in scored], dtype=np.bool_)
    top = probs.argmax(axis=1)
    confusion = confusion_matrix(labels, top, len(class_names))
    declined = Counter(picture.class_name for picture, answer in scored if answer.declined)
    others_declined = sum(answer.declined for _, answer in others)
    return {
        "scored": len(scored),
        "accuracy": accuracy(labels, top) if scored else None,
        "answered": int(answered.sum()),
        "answered_accuracy": accuracy(labels[answered], top[answered]) if answered.any() else None,
        "declined": _share(len(scored) - int(answered.sum()), len(scored)),
        "others": dict(Counter(picture.class_name for picture, _ in others).most_common()),
        "others_declined": _share(others_declined, len(others)),
        "macro_f1": macro_f1(labels, top, len(class_names)),
        "macro_f1_interval": macro_f1_interval(confusion),
        "log_loss": _log_loss(probs, labels) if scored else None,
        "ece": calibration_error(probs, labels),
        "ece_interval": calibration_interval(probs, labels, [picture.sha256 for picture, _ in scored]),
        "per_class": {
            name: {**row, "declined": float(declined[name])}
            for name, row in zip(class_names, per_class_scores(confusion), strict=True)
        },
        "class_names": tuple(class_names),
        "confusion": confusion.tolist(),
    }


def _share(count: int, total: int) -> tuple[float, float, float] | None:
    """Return a share with its 95 % interval; None of nothing."""
    return (count / total, *wilson_interval(count, total)) if total else None


def _log_loss(probs: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy, nats, clipped like scikit-learn's at the smallest step of a float64."""
    true = probs[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(true, np.finfo(np.float64).eps, 1.0)).mean())


def _row(picture: _Picture) -> list[str]:
    """Return a picture's row in predictions.csv."""
    answer = picture.answer
    if answer is None:
        return [picture.location, picture.class_name, "", "", "", "", "", picture.status, picture.detail]
    most_probable, prob = next(iter(answer.probs.items()))
    of_class = f"{answer.probs[picture.class_name]:.6f}" if picture.class_name in answer.probs else ""
    shown = "none of these" if answer.declined else answer.class_name
    return [picture.location, picture.class_name, shown, most_probable, f"{prob:.6f}", of_class,
            f"{answer.familiarity:.6f}", picture.status, picture.detail]  # fmt: skip


def _nothing_to_score(pictures: Sequence[_Picture], counts: Counter[str]) -> InputUnusable:
    """Return the error for files of which none can be scored: the commonest reason, and what to do."""
    status, count = counts.most_common(1)[0]
    example = next(picture for picture in pictures if picture.status == status)
    hints = {
        "no_class": "put the pictures into one folder per class, or give --class NAME",
        "in_project": "give pictures that were never added to the project",
        "two_labels": "leave each picture in one class only",
    }
    hint = hints.get(status, "check that other programs open them")
    return InputUnusable(f"nothing here can be scored ({count} x {status}): {example.location}: {example.detail}", hint)

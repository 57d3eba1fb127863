"""The stage that classifies pictures with a guide: files and folders in, names and probabilities out."""

import os
import re
from collections.abc import Sequence
from functools import partial
from glob import glob, has_magic
from pathlib import Path

from fieldguide.engine import core_count, map_threads
from fieldguide.errors import BadImage, InputMissing, InputUnusable
from fieldguide.folders import walk
from fieldguide.guide import Guide, open_guide
from fieldguide.progress import Progress
from fieldguide.records import Prediction
from fieldguide.text import readable, write_csv

NONE = "none of these"


def predict(
    guide_folder: Path, paths: Sequence[Path], *, trusted: bool = False, progress: Progress
) -> list[Prediction]:
    """Classify each file, in order; the `error` of a prediction says why a file is not a picture.

    Args:
        guide_folder: a published guide.
        paths: files; folders whose files are all taken but hidden ones and leftovers of other programs; and patterns
            such as `photos/**/*.jpg`, for shells that leave them as they are, and where they are quoted.
        trusted: whether the guide's own limits on pictures hold, however large.
        progress: told of each picture.

    Raises:
        InputMissing: there is no guide in the folder, or nothing at a path.
        InputUnusable: the folders hold no files.
        GuideDamaged: the guide is altered or unsafe.
    """
    # a picture on each core, from file to answer: a batch on all of them takes 1.4 times the processor time, since what
    # lies between two layers no longer fits the caches (benchmarks/bench_predict.py)
    guide = open_guide(guide_folder, threads=1, trusted=trusted)
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise InputUnusable(f"{paths[0]} holds no files", "give pictures, or a folder of them")
    if all(reason.startswith("missing: an address") for _, reason in files):
        raise InputMissing(
            "these are addresses, not files", "save the pictures first, and give the paths of their files"
        )
    if all(reason.startswith("missing:") for _, reason in files):
        raise InputMissing(f"there is nothing at {files[0][0]}", "check the path")
    if guide.edited:
        progress.say(guide.describe_edited())
    progress.start("classifying", len(files))
    predictions = []
    for prediction in map_threads(partial(_classify, guide), files, workers=core_count()):
        predictions.append(prediction)
        progress.advance()
    return predictions


def answer_table(predictions: Sequence[Prediction], top_k: int) -> str:
    """Return the answers as CSV: a row for each file, with the `top_k` most probable classes, most probable first.

    `answer` is the class, or its parent where that is sure and the class is not; NONE where the guide declines, and
    empty where `error` says why the file was not read.
    """
    ranks = range(1, top_k + 1)
    heading = [
        "path",
        "answer",
        *(f"{name}_{rank}" for rank in ranks for name in ("class", "prob")),
        "familiarity",
        "error",
    ]
    rows = []
    for item in predictions:
        cells = [cell for name, prob in list(item.probs.items())[:top_k] for cell in (name, f"{prob:.6f}")]
        cells += [""] * (2 * top_k - len(cells))
        answer = "" if item.error else NONE if item.declined else item.parent or item.class_name
        rows.append([item.path, answer, *cells, "" if item.error else f"{item.familiarity:.6f}", item.error])
    return write_csv(heading, rows)


def _files(path: Path) -> list[tuple[Path, str]]:
    """Return the path, or the files below it in the order of their paths, each with "" or why it cannot be read."""
    if re.match(r"https?:/", str(path)):
        return [(path, "missing: an address; save the picture and give the path of its file")]
    if has_magic(str(path)) and not os.path.lexists(path):
        # pathlib's takes hidden files too, which shells leave out
        matched = [Path(name) for name in sorted(glob(str(path), recursive=True))]  # noqa: PTH207
        files = [item for name in matched if not (name.is_dir() and "**" in path.parts) for item in _files(name)]
        return files or [(path, "missing: nothing matches this pattern")]
    try:
        path.lstat()
        if not path.is_dir():
            return [(path, "")]
        inside, skipped = walk(path)
    except (FileNotFoundError, NotADirectoryError):
        return [(path, "missing: there is no such file")]
    except OSError as error:
        return [(path, f"unreadable: {error.strerror or error}")]
    unread = [(path / item.location, f"unreadable: {item.detail}") for item in skipped if item.reason == "unreadable"]
    return sorted([(file, "") for file in inside] + unread)


def _classify(guide: Guide, file: tuple[Path, str]) -> Prediction:
    """Return the answer for a file, or the reason why there is none."""
    path, reason = file
    name = readable(str(path))
    if not reason:
        try:
            square = guide.load(_read(path, guide.limits.max_bytes))
            return guide.answer(square[None], [name])[0]
        except BadImage as error:
            reason = f"{error.reason}: {error.detail}"
        except OSError as error:
            reason = f"unreadable: {error.strerror or error}"
    return Prediction(name, "", {}, 0.0, True, reason)


def _read(path: Path, most: int) -> bytes:
    """Return the file's bytes; pipes and devices, which may never end, are refused."""
    if not path.is_file():
        raise BadImage("not_an_image", "not an ordinary file")
    size = path.stat().st_size
    if size > most:
        raise BadImage("too_many_bytes", f"{size:,} bytes; at most {most:,} are allowed")
    return path.read_bytes()

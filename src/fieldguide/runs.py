"""A training run on disk: what was learnt, with what, from what. Plain JSON and arrays; nothing that can run.

Knows nothing about how learners work: what they learnt is bytes to this module.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldguide.atomic import replace_folder
from fieldguide.catalog import Catalog
from fieldguide.errors import NotReady
from fieldguide.records import Preprocessing

__all__ = ["Run", "is_whole", "latest_run", "load_run", "save_run"]


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        name: its folder's name.
        learner: which learner made `learnt`.
        backbone: where features come from.
        preprocessing: how pictures are fitted to the square.
        runtime: what computed the features.
        class_names: in the order of the outputs.
        data: the digest of the pictures, classes and splits it was made from.
        model: the SHA-256 of the backbone's ONNX file.
        report: the stage's report.
        learnt: the learner's own bytes.
    """

    name: str
    learner: str
    backbone: str
    preprocessing: Preprocessing
    runtime: str
    class_names: tuple[str, ...]
    data: str
    model: str
    report: dict[str, Any]
    learnt: bytes


def save_run(folder: Path, run: Run, tables: dict[str, str]) -> None:
    """Nothing; the run's folder is there whole, with further text files by name.

    Raises:
        DiskFull: no space.
        NoPermission: the folder cannot be written.
    """
    said = asdict(run)
    said["learnt"] = hashlib.sha256(run.learnt).hexdigest()
    with replace_folder(folder) as fresh:
        (fresh / "head.npz").write_bytes(run.learnt)
        (fresh / "run.json").write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
        for name, text in tables.items():
            (fresh / name).write_text(text, encoding="utf-8")


def load_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        NotReady: it is not there, or not whole.
    """
    try:
        said = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        learnt = (folder / "head.npz").read_bytes()
        if said.pop("learnt") != hashlib.sha256(learnt).hexdigest():
            raise ValueError("head.npz is not the one that was written")
        fitted = said.pop("preprocessing")
        fitted = Preprocessing(**{**fitted, "mean": tuple(fitted["mean"]), "std": tuple(fitted["std"])})
        names = tuple(said.pop("class_names"))
        return Run(**said, preprocessing=fitted, class_names=names, learnt=learnt)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReady(f"the training run {folder.name} is not whole", "run: fieldguide train") from error


def is_whole(folder: Path) -> bool:
    """Whether the run in a folder can be loaded."""
    try:
        load_run(folder)
    except NotReady:
        return False
    return True


def latest_run(catalog: Catalog, runs_folder: Path) -> Run:
    """The last training run, if it was made from the pictures, classes and splits as they are now.

    Raises:
        NotReady: nothing has been trained, the run is not whole, or the pictures have changed since: its test pictures
            may be among those that it learnt from.
    """
    trained = catalog.finished("train")
    if trained is None:
        raise NotReady("nothing has been trained yet", "run: fieldguide train")
    run = load_run(runs_folder / str(trained.report["run"]))
    if run.data != catalog.digest("state"):
        raise NotReady("the pictures or their split have changed since training", "run: fieldguide build")
    return run

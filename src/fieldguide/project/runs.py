"""A training run on disk: what was learnt, with what, from what. Plain JSON and arrays; nothing that can run.

Knows nothing about how learners work: what they learnt is bytes to this module.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldguide.errors import NotReady
from fieldguide.project.atomic import replace_folder
from fieldguide.project.catalog import Catalog
from fieldguide.records import Preprocessing, TrainReport
from fieldguide.settings import migrate_train_settings

__all__ = ["Run", "is_whole", "latest_run", "load_run", "save_run"]


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        name: its folder's name.
        learner: which learner made `learnt`.
        settings: the learner's settings, as [train] would say them.
        seed: what all chance followed from.
        preprocessing: how pictures are fitted to the square.
        class_names: in the order of the outputs.
        data: the digest of the pictures, classes and splits it was made from.
        report: the stage's report.
        file_name: what the file of `learnt` is called.
        learnt: the learner's own bytes.
    """

    name: str
    learner: str
    settings: dict[str, Any]
    seed: int
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    data: str
    report: dict[str, Any]
    file_name: str
    learnt: bytes


def save_run(folder: Path, run: Run, files: Mapping[str, bytes], folders: Mapping[str, Path] | None = None) -> None:
    """Nothing; the run's folder is there whole, with further files by name and copies of folders.

    Raises:
        DiskFull: no space.
        NoPermission: the folder cannot be written.
    """
    said = asdict(run)
    said["learnt"] = hashlib.sha256(run.learnt).hexdigest()
    with replace_folder(folder) as fresh:
        (fresh / run.file_name).write_bytes(run.learnt)
        (fresh / "run.json").write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        for name, place in (folders or {}).items():
            shutil.copytree(place, fresh / name)


def load_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        NotReady: it is not there, or not whole.
    """
    try:
        said = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        learnt = (folder / Path(said["file_name"]).name).read_bytes()
        if said.pop("learnt") != hashlib.sha256(learnt).hexdigest():
            raise ValueError("what was learnt is not what was written")
        fitted = said.pop("preprocessing")
        fitted = Preprocessing(**{**fitted, "mean": tuple(fitted["mean"]), "std": tuple(fitted["std"])})
        names = tuple(said.pop("class_names"))
        TrainReport(**said["report"])  # whoever reads it later finds everything there
        said["settings"] = migrate_train_settings(said["settings"])
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

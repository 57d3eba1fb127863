"""Training runs on disk: the trained model, its settings and its report. Plain JSON and arrays; nothing that can run.

Knows nothing about how learners work: a trained model is bytes to this module.
"""

import csv
import hashlib
import io
import json
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import NotReady
from fieldguide.hashing import hash_text
from fieldguide.project.atomic import replace_folder
from fieldguide.project.catalog import Catalog
from fieldguide.records import Preprocessing, TrainReport
from fieldguide.settings import migrate_train_settings

PREDICTIONS = "predictions.csv"  # the answers for pictures that were held out in training
HELD_OUT = "held-out.npz"  # the logits of those answers
TEST_ANSWERS = "test-predictions.csv"  # of a run that was evaluated: the answers to the test pictures
DECLINING = "declining.npz"  # and what tells known pictures from others
METRICS = "metrics.json"  # and all figures of its evaluation
CALIBRATION = "calibration.json"  # and what made probabilities of its logits: that of the run, tempered if wanted


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        name: its folder's name.
        learner: the name of the learner that made it.
        settings: the learner's settings, as in [train].
        seed: of its training.
        preprocessing: how pictures are fitted to the square.
        class_names: in the order of the outputs.
        data: the digest of the pictures, classes and splits it was made from.
        report: the stage's report.
        file_name: of the trained model in its folder.
        model: the trained model, in the learner's own bytes.
        calibration: what turns its logits, over its temperature, into probabilities, as `Calibration.to_dict` writes
            it, with the `losses` by which it was chosen; nothing for runs of earlier versions.
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
    model: bytes
    calibration: dict[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """A digest of all that decides its answers: the same for runs that would be published as the same model."""
        return identify_model(self.model, self.preprocessing, self.class_names)


def identify_model(model: bytes, preprocessing: Preprocessing, class_names: Sequence[str]) -> str:
    """Return a digest of a trained model's bytes, how pictures are prepared for it, and what its outputs are called."""
    return hash_text(json.dumps([hashlib.sha256(model).hexdigest(), asdict(preprocessing), list(class_names)]))


def save_run(folder: Path, run: Run, files: Mapping[str, bytes], folders: Mapping[str, Path] | None = None) -> None:
    """Write the run's folder whole, with further files by name and copies of folders."""
    values = asdict(run)
    del values["model"]
    values["preprocessing"] = run.preprocessing.to_dict()
    values["learnt"] = hashlib.sha256(run.model).hexdigest()
    with replace_folder(folder) as fresh:
        (fresh / run.file_name).write_bytes(run.model)
        (fresh / "run.json").write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        for name, source in (folders or {}).items():
            shutil.copytree(source, fresh / name)


def load_run(folder: Path) -> Run:
    """Load the run in a folder.

    Raises:
        NotReady: it is not there, or not whole.
    """
    try:
        values = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        model = (folder / Path(values["file_name"]).name).read_bytes()
        if values.pop("learnt") != hashlib.sha256(model).hexdigest():
            raise ValueError("the trained model is not the one that was written")
        preprocessing = Preprocessing.from_dict(values.pop("preprocessing"))
        class_names = tuple(values.pop("class_names"))
        TrainReport(**values["report"])  # whoever reads it later finds everything there
        values["settings"] = migrate_train_settings(values["settings"])
        return Run(**values, preprocessing=preprocessing, class_names=class_names, model=model)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReady(f"the training run {folder.name} is not whole", "run: fieldguide train") from error


def is_whole(folder: Path) -> bool:
    """Return whether the run in a folder can be loaded."""
    try:
        load_run(folder)
    except NotReady:
        return False
    return True


def make_current(catalog: Catalog, run: Run, inputs: str, at: str) -> None:
    """Make a run the project's current one, trained with these inputs; an evaluation that it had before holds again."""
    with catalog.transaction():
        catalog.finish("train", inputs, run.report, at)
        last = catalog.finished("evaluate")
        if last and last.report["run"] != run.name:
            catalog.finish(f"evaluate {last.report['run']}", last.inputs, last.report, at)
            before = catalog.finished(f"evaluate {run.name}")
            if before:
                catalog.finish("evaluate", before.inputs, before.report, at)


def load_test_familiarity(folder: Path) -> dict[str, float]:
    """Load how familiar each test picture is, by its hash; empty where the run in the folder was not evaluated."""
    return {sha256: value for sha256, (value,) in _load_columns(folder / TEST_ANSWERS, "familiarity").items()}


def load_held_out_logits(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Load the logits, (classes,) each, over the temperature, of those pictures, by the hash; of earlier runs, none."""
    try:
        with np.load(folder / HELD_OUT, allow_pickle=False) as file:
            return dict(zip((str(name) for name in file["sha256"]), file["logits"], strict=True))
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error):
        return {}


def _load_columns(path: Path, *names: str) -> dict[str, tuple[float, ...]]:
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        return {row["sha256"]: tuple(float(row[name]) for name in names) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def latest_run(catalog: Catalog, runs_folder: Path) -> Run:
    """Return the last training run, if it was made from the pictures, classes and splits as they are now.

    Raises:
        NotReady: nothing has been trained, the run is not whole, or the pictures have changed since: its test pictures
            may be among those that it was trained on.
    """
    trained = catalog.finished("train")
    if trained is None:
        raise NotReady("nothing has been trained yet", "run: fieldguide train")
    run = load_run(runs_folder / str(trained.report["run"]))
    if run.data != catalog.digest("state"):
        raise NotReady("the pictures or their split have changed since training", "run: fieldguide build")
    return run

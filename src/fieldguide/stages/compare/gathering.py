"""The runs of a project as contenders: what they answered, how large they are, how fast here.

Knows nothing about who is best.
"""

import csv
import hashlib
import io
import json
import platform
import time
from pathlib import Path

import numpy as np

from fieldguide.calibration import Familiarity
from fieldguide.engine import core_count
from fieldguide.errors import InputMissing, InputUnusable, MissingExtra, NetworkDown, NotReady, SettingsError
from fieldguide.features import Pictures
from fieldguide.guide import open_session
from fieldguide.images import decode_image
from fieldguide.images.preprocess import decode_size, prepare_image
from fieldguide.learners import load_model
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.atomic import write_text
from fieldguide.project.catalog import Catalog
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.project.runs import Run, is_whole, load_run
from fieldguide.project.settings_file import write_settings
from fieldguide.records.comparison import Contender, HeldOut
from fieldguide.settings import Settings, change_settings
from fieldguide.stages.compare.latency import measure_latency
from fieldguide.stages.compare.ranking import baseline
from fieldguide.stages.train.run import digest_inputs, make_run

__all__ = ["gather", "use_run"]

# what is wrong with a run alone, not with the project or the disk
_UNUSABLE = NotReady, SettingsError, InputMissing, InputUnusable, NetworkDown, MissingExtra
_QUICK_COLOUR = {"train.learner": "colour", "train.colour.grid": "usual"}


def gather(project: Project, settings: Settings, catalog: Catalog, progress: Progress) -> list[Contender]:
    """Every whole run, and the most frequent class; a quick run of the colour learner is made where there is none.

    Raises:
        NotReady: the pictures are not split.
        MissingExtra: something optional is not installed.
        DiskFull: no space.
        NoPermission: the project cannot be written.
    """
    data = load_dataset(catalog).where("train", "val")
    state = catalog.digest("state")
    pictures = Pictures(project, tuple(data.images.items()), settings, progress)
    runs = [load_run(project.runs_folder / name) for name in catalog.runs() if is_whole(project.runs_folder / name)]
    progress.start("measuring runs", len(runs))
    contenders = []
    for run in runs:
        try:
            contenders.append(_contender(project, run, pictures, current=run.data == state))
        except _UNUSABLE as error:
            progress.say(f"{run.name} is left out: {error.message}")
        progress.advance()
    if not any(one.learner == "colour" and one.current for one in contenders):
        quick = make_run(project, change_settings(settings, _QUICK_COLOUR), catalog, progress)
        contenders.append(_contender(project, quick, pictures, current=True))
    return [*contenders, _baseline(data, contenders)]


def _baseline(data: Dataset, contenders: list[Contender]) -> Contender:
    """The most frequent class of train, answered for every picture that a run answered held out."""
    truth = {name: true for one in contenders if one.current for name, true in one.truth.items()}
    how: HeldOut = next((one.held_out for one in contenders if one.current), "grouped cross-validation")
    learnt = [data.class_names[label] for label in data.where("train").labels]
    return baseline(learnt, truth, how)


def _contender(project: Project, run: Run, pictures: Pictures, *, current: bool) -> Contender:
    """A run as it comes into the comparison; one made from other pictures is not measured.

    Raises:
        NotReady: its answers are not whole, or what it was made with has changed.
        SettingsError: its learner is not here.
    """
    folder = project.runs_folder / run.name
    answers, truth = _read_answers(folder / "predictions.csv")
    size, p50_ms = _measure(folder, run, pictures) if current else (len(run.learnt), None)
    held_out: HeldOut = (
        "validation split" if run.report["measured_by"] == "validation split" else "grouped cross-validation"
    )
    return Contender(
        name=run.name,
        learner=run.learner,
        what=_describe(run),
        seed=run.seed,
        settings_key=hashlib.sha256(json.dumps({**run.settings, "seed": None}, sort_keys=True).encode()).hexdigest(),
        answers=answers,
        truth=truth,
        held_out=held_out,
        parameters=int(run.report["parameters"]),
        bytes=size,
        p50_ms=p50_ms,
        train_s=float(run.report["seconds"]),
        current=current,
    )


def _read_answers(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The class answered and the true one of each held-out picture.

    Raises:
        NotReady: the table is not there, or not whole.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        return {row["sha256"]: row["answer"] for row in rows}, {row["sha256"]: row["class_name"] for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise NotReady(f"{path.name} of the run is not whole", "run: fieldguide train") from error


def _describe(run: Run) -> str:
    """The run's settings in a few words."""
    said, chosen = run.settings, run.report["chosen"]
    if run.learner == "colour":
        return str(chosen["family"])
    if run.learner == "cnn":
        parts = [said["network"], f"{chosen['epochs']} epochs", said["loop"]["augment"]]
    elif run.learner == "transfer":
        parts = [said["backbone"], said["mode"], *([said["head"]] if said["head"] != "linear" else [])]
        more = (chosen["layers read"],) if said["mode"] == "frozen" else (f"{chosen['epochs']} epochs",)
        parts += more
    else:  # of another package
        parts = [f"{name} {value}" for name, value in chosen.items()]
    return ", ".join([*parts, f"{run.preprocessing.fit} {run.preprocessing.size}"])


def _measure(folder: Path, run: Run, pictures: Pictures) -> tuple[int, float]:
    """Bytes of the published model, and the median time from a file's bytes to probabilities here, milliseconds.

    Measured once for each machine and kept with the run.
    """
    path = folder / "speed.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return int(known[_machine()]["bytes"]), float(known[_machine()]["p50_ms"])
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    _, model = load_model(run)
    width = model.predict(pictures.take([0])).features.shape[1]
    data = model.export(Familiarity(np.ones((len(run.class_names), width)) / np.sqrt(width)))
    p50_ms = _time(data, run, pictures)
    write_text(path, json.dumps({_machine(): {"bytes": len(data), "p50_ms": p50_ms}}, indent=1))
    return len(data), p50_ms


def _time(model: bytes, run: Run, pictures: Pictures) -> float:
    """Median milliseconds for one picture of middling size, decoding and fitting included."""
    session = open_session(model, core_count())
    files = sorted((pictures.project.read_image(*image) for image in pictures.images[:101]), key=len)
    data, limits = files[len(files) // 2], decode_limits(pictures.settings)

    def answer() -> object:
        image = decode_image(data, limits, at_least=decode_size(run.preprocessing))
        return session.run(["probs"], {"image": prepare_image(image, run.preprocessing)[None]})

    return measure_latency(answer, clock=time.perf_counter).p50_ms


def _machine() -> str:
    """What a speed depends on, in words."""
    return f"{platform.node()} {platform.machine()} {core_count()} cores"


def use_run(project: Project, settings: Settings, catalog: Catalog, name: str) -> None:
    """Nothing; the run is the current one, and fieldguide.toml says what it was made with.

    Raises:
        NotReady: it is not there, not whole, or was made from other pictures, classes or splits.
        DiskFull: no space.
        NoPermission: the project cannot be written.
    """
    if name not in catalog.runs():
        raise NotReady(f"there is no run {name}", "run: fieldguide compare, and give a name from its first column")
    run = load_run(project.runs_folder / name)
    if run.data != catalog.digest("state"):
        raise NotReady(f"{name} was made from other pictures or another split", "run: fieldguide train")
    was = settings.train.model_dump(mode="json")
    changed = {f"train.{key}": value for key, value in _flatten(run.settings) if dict(_flatten(was)).get(key) != value}
    changed.pop("train.seed", None)
    if run.seed != settings.learning_seed:
        changed["train.seed"] = run.seed
    write_settings(project.settings_file, changed)
    catalog.finish("train", digest_inputs(catalog, project.settings()), run.report, project.now())


def _flatten(said: dict[str, object], above: str = "") -> list[tuple[str, object]]:
    """Dotted names and values."""
    found: list[tuple[str, object]] = []
    for key, value in said.items():
        found += _flatten(value, f"{above}{key}.") if isinstance(value, dict) else [(f"{above}{key}", value)]
    return found

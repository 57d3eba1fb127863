"""The stage that compares all training runs: how good, how large, how fast, and which differ by more than chance.

Only held-out answers of training are compared: the test split is never read here.
"""

import csv
import io
import json
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fieldguide.engine import core_count
from fieldguide.errors import InputMissing, InputUnusable, MissingExtra, NetworkDown, NotReady, SettingsError
from fieldguide.exporters.answers import add_answers
from fieldguide.familiarity import Familiarity
from fieldguide.features import Pictures
from fieldguide.guide import open_session
from fieldguide.hashing import hash_text
from fieldguide.images import decode_image
from fieldguide.images.preprocess import decode_size, prepare_image
from fieldguide.learners import load_calibration, load_model, takes_vectors
from fieldguide.learners.runs import digest_inputs, make_run
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.atomic import write_text
from fieldguide.project.catalog import Catalog
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.project.runs import Run, is_whole, load_run, make_current
from fieldguide.records import CompareReport
from fieldguide.records.reports import HeldOut
from fieldguide.settings import Settings, change_settings, flatten_tables
from fieldguide.stages.compare.ranking import ComparedRun, baseline, compare_runs
from fieldguide.stages.compare.report import write_comparison

# what is wrong with one run alone, not with the project or the disk
_UNUSABLE = NotReady, SettingsError, InputMissing, InputUnusable, NetworkDown, MissingExtra
_QUICK_COLOUR = {"train.learner": "colour", "train.colour.grid": "usual"}
MIN_CALLS = 20
_MAX_CALLS, _WARM_UP_CALLS, _ENOUGH_S = 200, 3, 2.0


def compare(project: Project, settings: Settings, *, progress: Progress, use: str = "") -> CompareReport:
    """Compare every run of the project with each other, the most frequent class and the colour learner.

    Where there is no run of the colour learner, a quick one is made.

    Args:
        project: whose runs are compared.
        settings: of the project.
        progress: told of what is measured.
        use: name of a run to make the current one, whose settings go into fieldguide.toml; "" changes nothing.

    Raises:
        NotReady: the pictures are not split, or the run to use is not there, or was made from other pictures.
        MissingExtra: something optional is not installed.
    """
    with project.catalog() as catalog:
        used = _use_run(project, settings, catalog, use) if use else {}
        runs = _load_runs(project, settings, catalog, progress)
    progress.start("comparing", None)
    return replace(write_comparison(project.root / "compare", settings.name, compare_runs(runs)), **used)


def measure_p50_ms(answer: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the median milliseconds of a call.

    The first calls, which load, allocate and compile, do not count. Then at least `MIN_CALLS` are timed, and more while
    two seconds last.

    Args:
        answer: what is timed.
        clock: seconds from any fixed moment, such as `time.perf_counter`.
    """
    for _ in range(_WARM_UP_CALLS):
        answer()
    times_s: list[float] = []
    started = clock()
    while len(times_s) < MIN_CALLS or (len(times_s) < _MAX_CALLS and clock() - started < _ENOUGH_S):
        before = clock()
        answer()
        times_s.append(clock() - before)
    return 1000 * float(np.median(times_s))


def _load_runs(project: Project, settings: Settings, catalog: Catalog, progress: Progress) -> list[ComparedRun]:
    """Return every whole run, a quick one of the colour learner where there is none, and the most frequent class."""
    data = load_dataset(catalog, with_vectors=takes_vectors(settings.train.learner)).where("train", "val")
    state = catalog.digest("state")
    pictures = Pictures(project, tuple(data.images.items()), settings, progress)
    runs = [load_run(project.runs_folder / name) for name in catalog.runs() if is_whole(project.runs_folder / name)]
    progress.start("measuring runs", len(runs))
    compared = []
    for run in runs:
        try:
            compared.append(_load_run(project, run, pictures, current=run.data == state))
        except _UNUSABLE as error:
            progress.say(f"{run.name} is left out: {error.message}")
        progress.advance()
    if not any(run.learner == "colour" and run.current for run in compared):
        quick = make_run(project, change_settings(settings, _QUICK_COLOUR), catalog, progress)
        compared.append(_load_run(project, quick, pictures, current=True))
    return [*compared, _most_frequent(data, compared)]


def _most_frequent(data: Dataset, runs: list[ComparedRun]) -> ComparedRun:
    """Return the baseline, answered for every picture that a run held out."""
    current = [run for run in runs if run.current]
    truth = {sha256: name for run in current for sha256, name in run.truth.items()}
    train_labels = [data.class_names[label] for label in data.where("train").labels]
    return baseline(train_labels, truth, current[0].held_out if current else "grouped cross-validation")


def _load_run(project: Project, run: Run, pictures: Pictures, *, current: bool) -> ComparedRun:
    """Return a run as it enters the comparison; one made from other pictures is not timed."""
    folder = project.runs_folder / run.name
    answers, truth = _read_answers(folder / "predictions.csv")
    size, p50_ms = _measure(folder, run, pictures) if current else (len(run.model), None)
    by_split = run.report["measured_by"] == "validation split"
    held_out: HeldOut = "validation split" if by_split else "grouped cross-validation"
    return ComparedRun(
        name=run.name,
        learner=run.learner,
        what=_describe(run),
        seed=run.seed,
        settings_key=hash_text(json.dumps({**run.settings, "seed": None}, sort_keys=True)),
        answers=answers,
        truth=truth,
        held_out=held_out,
        parameters=int(run.report["parameters"]),
        bytes=size,
        p50_ms=p50_ms,
        train_s=float(run.report["seconds"]),
        current=current,
        model=run.identity,
    )


def _read_answers(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the class name answered and the true one of each held-out picture, by SHA-256."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        return {row["sha256"]: row["answer"] for row in rows}, {row["sha256"]: row["class_name"] for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise NotReady(f"{path.name} of the run is not whole", "run: fieldguide train") from error


def _describe(run: Run) -> str:
    settings, chosen = run.settings, run.report["chosen"]
    if run.learner == "colour":
        return str(chosen["family"])
    if run.learner == "cnn":
        parts = [settings["network"], f"{chosen['epochs']} epochs", settings["loop"]["augment"]]
    elif run.learner == "transfer":
        parts = [settings["backbone"], settings["mode"]]
        parts += [settings["head"]] if settings["head"] != "linear" else []
        parts += [chosen["layers read"] if settings["mode"] == "frozen" else f"{chosen['epochs']} epochs"]
    else:  # of another package
        parts = [f"{name} {value}" for name, value in chosen.items()]
    return ", ".join([*parts, f"{run.preprocessing.fit} {run.preprocessing.size}"])


def _measure(folder: Path, run: Run, pictures: Pictures) -> tuple[int, float]:
    """Return the bytes of the published model, and the median milliseconds from a file's bytes to probabilities here.

    Measured once for each machine and kept with the run.
    """
    path, machine = folder / "speed.json", f"{platform.node()} {platform.machine()} {core_count()} cores"
    try:
        speeds = json.loads(path.read_text(encoding="utf-8"))
        return int(speeds[machine]["bytes"]), float(speeds[machine]["p50_ms"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    _, model = load_model(run)
    width = model.predict(pictures.take([0])).features.shape[1]
    means = np.ones((len(run.class_names), width)) / np.sqrt(width)  # any do: only their number counts
    onnx = add_answers(model.export(), load_calibration(run), Familiarity(arrays={"means": means}))
    p50_ms = _time(onnx, run, pictures)
    write_text(path, json.dumps({machine: {"bytes": len(onnx), "p50_ms": p50_ms}}, indent=1))
    return len(onnx), p50_ms


def _time(onnx: bytes, run: Run, pictures: Pictures) -> float:
    """Return the median milliseconds for one picture of middling size, decoding and preprocessing included."""
    session = open_session(onnx, core_count())
    files = sorted((pictures.project.read_image(*image) for image in pictures.images[:101]), key=len)
    data, limits = files[len(files) // 2], decode_limits(pictures.settings)

    def answer() -> object:
        image = decode_image(data, limits, at_least=decode_size(run.preprocessing))
        return session.run(["probs"], {"image": prepare_image(image, run.preprocessing)[None]})

    return measure_p50_ms(answer, time.perf_counter)


def _use_run(project: Project, settings: Settings, catalog: Catalog, name: str) -> dict[str, Any]:
    """Make the run the current one, and write its settings into fieldguide.toml; return what to report of that."""
    if name not in catalog.runs():
        raise NotReady(f"there is no run {name}", "run: fieldguide compare, and give a name from its first column")
    run = load_run(project.runs_folder / name)
    if run.data != catalog.digest("state"):
        raise NotReady(f"{name} was made from other pictures or another split", "run: fieldguide train")
    before = flatten_tables(settings.train.model_dump(mode="json"))
    changed = {f"train.{key}": value for key, value in flatten_tables(run.settings).items() if before.get(key) != value}
    changed.pop("train.seed", None)
    if run.seed != settings.learning_seed:
        changed["train.seed"] = run.seed
    project.write_settings(changed)
    make_current(catalog, run, digest_inputs(catalog, project.settings()), project.now())
    used: dict[str, Any] = {"used": name, "written": changed, "guide_run": _read_guide_run(project)}
    evaluated = catalog.finished("evaluate")
    if evaluated and evaluated.report["run"] == name:
        score = tuple(evaluated.report["accuracy"])
        used |= {"evaluated": score, "evaluated_images": evaluated.report["test_images"]}
    return used


def _read_guide_run(project: Project) -> str:
    """Return the name of the run that the guide was made from, or ""."""
    try:
        about = json.loads((project.guide_folder / "guide.json").read_text(encoding="utf-8"))
        return str(about["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""

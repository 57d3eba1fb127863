"""What several views and ridge bring beside one view and logistic regression, with all pictures and with few.

The first table is an outer grouped 5-fold cross-validation: all choices are made anew inside each fold. The second is
what a model of all pictures costs from files, in a process of its own with no features kept. The third is learning
curves: so many pictures of each class, drawn five times, asked about the others. The ways take turns in the same run;
the plain script is frozen EfficientNet-Lite0 at 224 with scikit-learn's logistic regression in the same folds.
`python benchmarks/bench_views.py [SET...] [--plot FILE]`
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, peak_bytes, set_folder
from fieldguide.calibration import softmax
from fieldguide.features import Pictures
from fieldguide.learners import open_learner
from fieldguide.learners.contract import TrainingData, group_folds
from fieldguide.metrics import accuracy, calibration_error
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.settings import Settings, change_settings
from plain_script import fit_frozen_peer, frozen_peer_features
from real_sets import make_project

SETS = ["flowers17", "charts-dev", "handbags", "rooms", "colour-clothes", "cifar10"]
CURVES = ["flowers17", "charts-dev", "cifar10"]
PER_CLASS = 50  # of cifar10, so that the run stays short
BEFORE = {"train.views": 1, "train.head": "logistic"}
WAYS: list[tuple[str, dict[str, Any], int]] = [
    ("1 view, logistic", BEFORE, 1),
    ("defaults, asked by 1 view", {}, 1),
    ("defaults, by 2", {}, 2),
    ("defaults, by 4", {}, 4),
]
Answer = tuple[NDArray[np.float64], NDArray[np.int64], float]


def answer(training: TrainingData, rest: TrainingData, settings: Settings, views: list[int]) -> list[Answer]:
    """Return probabilities of the rest by so many views each, their labels, and the seconds of the fit."""
    start = time.perf_counter()
    model = open_learner(settings.train, settings.seed).fit(training).model
    seconds = time.perf_counter() - start
    answering = [model.answering(count) for count in views]
    probs = [softmax(model.predict(rest.pictures).logits / model.temperature) for model in answering]
    return [(values, rest.labels, seconds) for values in probs]


def compare_ways(training: TrainingData, settings: Settings) -> list[Answer]:
    """Return each way's held-out probabilities over an outer grouped cross-validation."""
    parts: list[list[Answer]] = [[] for _ in WAYS]
    for learn, held_out in group_folds(training.labels, training.groups, 5, settings.seed):
        inner, rest = training.take(learn), training.take(held_out)
        before = answer(inner, rest, change_settings(settings, BEFORE), [1])
        for place, part in enumerate(before + answer(inner, rest, settings, [1, 2, 4])):
            parts[place].append(part)
    return [_join(way) for way in parts]


def ask_plain_script(training: TrainingData, features: NDArray[np.float32], settings: Settings) -> Answer:
    """Return the plain script's held-out probabilities over the same folds."""
    parts = []
    for learn, held_out in group_folds(training.labels, training.groups, 5, settings.seed):
        start = time.perf_counter()
        model = fit_frozen_peer(features[learn], training.labels[learn])
        seconds = time.perf_counter() - start
        parts.append((model.predict_proba(features[held_out]), training.labels[held_out], seconds))
    return _join(parts)


def picture_paths(project: Project, data: Dataset) -> list[Path]:
    return [project.image_path(name, image_format) for name, image_format in data.images.items()]


def fit_from_files(root: Path, way: str) -> None:
    """Print the seconds from files to a fitted model of all pictures, those of the cores, and the peak memory in MB."""
    project = Project(root)
    with project.catalog() as catalog:
        data = load_dataset(catalog)
    settings = change_settings(project.settings(), {"train.learner": "transfer"})
    start, cores = time.perf_counter(), time.process_time()
    if way == "plain script":
        fit_frozen_peer(frozen_peer_features(picture_paths(project, data)), data.labels)
    else:
        settings = change_settings(settings, BEFORE if way == WAYS[0][0] else {})
        pictures = Pictures(project, tuple(data.images.items()), settings, SilentProgress())
        open_learner(settings.train, settings.seed).fit(TrainingData.of(data, pictures, settings))
    seconds, cores = time.perf_counter() - start, time.process_time() - cores
    print(json.dumps([seconds, cores, peak_bytes() / 1e6]))


def measure_cost(root: Path, way: str) -> tuple[float, float, float]:
    """Return what `fit_from_files` prints, with no features kept."""
    shutil.rmtree(root / "features", ignore_errors=True)
    words = [sys.executable, __file__, "--fit", str(root), way]
    return tuple(json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout))


def _join(parts: list[Answer]) -> Answer:
    probs, labels, seconds = zip(*parts, strict=True)
    return np.concatenate(probs), np.concatenate(labels), sum(seconds)


def log_loss(probs: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float(-np.log(np.maximum(probs[np.arange(len(labels)), labels], 1e-15)).mean())


def draws(training: TrainingData, per_class: int, times: int) -> Iterator[tuple[TrainingData, TrainingData]]:
    """Yield random subsets of so many pictures of each class, and the others."""
    for seed in range(times):
        order = np.random.default_rng(seed).permutation(len(training.labels))
        chosen = np.concatenate(
            [order[training.labels[order] == label][:per_class] for label in np.unique(training.labels)]
        )
        yield training.take(chosen), training.take(np.setdiff1d(order, chosen))


def plot_curves(curves: dict[str, dict[str, dict[int, float]]], path: Path) -> None:
    """Draw accuracy over pictures a class, a panel for each set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(curves), figsize=(4 * len(curves), 3.6), sharey=True, squeeze=False)
    for panel, (name, ways) in zip(panels[0], curves.items(), strict=True):
        for way, points in ways.items():
            panel.plot(list(points), [100 * share for share in points.values()], marker="o", label=way)
        panel.set(title=name, xlabel="pictures a class", xscale="log")
        counts = sorted({count for points in ways.values() for count in points})
        panel.set_xticks(counts, [str(count) for count in counts], minor=False)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("right, % of the others")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def open_set(name: str, small: bool, base: Path) -> tuple[TrainingData, Settings, NDArray[np.float32]]:
    """Return a set as training data, the default settings, and the plain script's features."""
    folder = set_folder(name, small, base)
    project, data = make_project(folder / "train" if (folder / "train").is_dir() else folder, base / name)
    if name == "cifar10":
        chosen = [np.flatnonzero(data.labels == label)[:PER_CLASS] for label in range(len(data.class_names))]
        data = data.take(np.sort(np.concatenate(chosen)))
    settings = change_settings(project.settings(), {"train.learner": "transfer"})
    pictures = Pictures(project, tuple(data.images.items()), settings, SilentProgress())
    return TrainingData.of(data, pictures, settings), settings, frozen_peer_features(picture_paths(project, data))


def print_scores(name: str, training: TrainingData, settings: Settings, peer: NDArray[np.float32]) -> None:
    """Print the set's rows of the first table."""
    answers = [ask_plain_script(training, peer, settings), *compare_ways(training, settings)]
    for way, (probs, labels, seconds) in zip(["plain script", *(way for way, *_ in WAYS)], answers, strict=True):
        share, low, high = accuracy(labels, probs.argmax(axis=1))
        scores = f"{share:.3f} ({low:.3f} to {high:.3f}) | {log_loss(probs, labels):.3f}"
        print(f"| {name} | {way} | {scores} | {calibration_error(probs, labels):.3f} | {seconds / 5:.1f} |", flush=True)


def learning_curve(
    name: str, training: TrainingData, settings: Settings, sizes: list[int], times: int
) -> dict[str, dict[int, float]]:
    """Print the set's rows of the third table, and return the accuracy of each way by pictures a class."""
    curve: dict[str, dict[int, float]] = {}
    most = np.bincount(training.labels).min()
    for size in [size for size in sizes if size < most]:
        shares: list[list[float]] = []
        for few, rest in draws(training, size, times):
            ways = answer(few, rest, change_settings(settings, BEFORE), [1]) if size > 1 else []
            ways += answer(few, rest, settings, [1, 4])
            shares.append([float(np.mean(probs.argmax(axis=1) == labels)) for probs, labels, _ in ways])
        means = np.mean(shares, axis=0)
        cells = ["-"] * (3 - len(means)) + [f"{share:.3f}" for share in means]
        print(f"| {name} | {size} | {' | '.join(cells)} |", flush=True)
        for way, share in zip(("1 view, logistic", "by 1 view", "by 4 views")[-len(means) :], means, strict=True):
            curve.setdefault(way, {})[size] = float(share)
    return curve


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", default=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--plot", type=Path, help="where to draw the learning curves, a .png")
    parser.add_argument("--fit", nargs=2, metavar=("PROJECT", "WAY"), help="measure one fit in this process")
    options = parse_options(parser, sets=["flowers17"])
    if options.fit:
        fit_from_files(Path(options.fit[0]), options.fit[1])
        return
    sizes, times = ([1, 3], 1) if options.small else ([1, 3, 5, 10, 20], 5)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        sets = {name: open_set(name, options.small, Path(folder)) for name in options.sets}
        print("\n| set | way | right | log loss | calibration error | seconds of a fit |\n|---|---|---|---|---|---|")
        for name, opened in sets.items():
            print_scores(name, *opened)
        print("\n| set | pictures | way | seconds from files to a model | of the cores | peak MB |")
        print("|---|---|---|---|---|---|")
        for name in sets:
            with Project(Path(folder) / name).catalog() as catalog:
                count = len(load_dataset(catalog).labels)
            for way in ("plain script", WAYS[0][0], "defaults"):
                seconds, cores, peak = measure_cost(Path(folder) / name, way)
                print(f"| {name} | {count} | {way} | {seconds:.1f} | {cores:.1f} | {peak:.0f} |", flush=True)
        print("\n| set | pictures a class | 1 view, logistic | defaults, by 1 view | by 4 |\n|---|---|---|---|---|")
        curves = {name: learning_curve(name, *sets[name][:2], sizes, times) for name in CURVES if name in sets}
    if options.plot and any(curves.values()):
        plot_curves(curves, options.plot)


if __name__ == "__main__":
    main()

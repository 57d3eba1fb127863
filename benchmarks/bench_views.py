"""What several views and ridge bring beside one view and logistic regression, with all pictures and with few.

The first table is an outer grouped 5-fold cross-validation: all choices are made anew inside each fold. The second is
learning curves: so many pictures of each class, drawn five times, asked about the others. Both ways use the same
features and take turns in the same run. `python benchmarks/bench_views.py [SET...] [--plot FILE]`
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, set_folder
from fieldguide.calibration import softmax
from fieldguide.features import Pictures
from fieldguide.learners import open_learner
from fieldguide.learners.contract import TrainingData, group_folds
from fieldguide.metrics import accuracy, calibration_error
from fieldguide.progress import SilentProgress
from fieldguide.settings import Settings, change_settings
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
        panel.set_xticks(list(points), [str(count) for count in points], minor=False)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("right, % of the others")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def open_set(name: str, small: bool, base: Path) -> tuple[TrainingData, Settings]:
    """Return a set as training data, and the default settings."""
    folder = set_folder(name, small, base)
    project, data = make_project(folder / "train" if (folder / "train").is_dir() else folder, base / name)
    if name == "cifar10":
        chosen = [np.flatnonzero(data.labels == label)[:PER_CLASS] for label in range(len(data.class_names))]
        data = data.take(np.sort(np.concatenate(chosen)))
    settings = change_settings(project.settings(), {"train.learner": "transfer"})
    pictures = Pictures(project, tuple(data.images.items()), settings, SilentProgress())
    return TrainingData.of(data, pictures, settings), settings


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", default=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--plot", type=Path, help="where to draw the learning curves, a .png")
    options = parse_options(parser, sets=["flowers17"])
    sizes, times = ([1, 3], 1) if options.small else ([1, 3, 5, 10, 20], 5)
    print(describe_machine())
    curves: dict[str, dict[str, dict[int, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sets = {name: open_set(name, options.small, Path(folder)) for name in options.sets}
        print("\n| set | way | right | log loss | calibration error | seconds of a fit |\n|---|---|---|---|---|---|")
        for name, (training, settings) in sets.items():
            for (way, _, _), (probs, labels, seconds) in zip(WAYS, compare_ways(training, settings), strict=True):
                share, low, high = accuracy(labels, probs.argmax(axis=1))
                scores = f"{share:.3f} ({low:.3f} to {high:.3f}) | {log_loss(probs, labels):.3f}"
                print(
                    f"| {name} | {way} | {scores} | {calibration_error(probs, labels):.3f} | {seconds / 5:.1f} |",
                    flush=True,
                )
        print("\n| set | pictures a class | 1 view, logistic | defaults, by 1 view | by 4 |\n|---|---|---|---|---|")
        for name in [name for name in CURVES if name in sets]:
            training, settings = sets[name]
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
                for way, share in zip(
                    ("1 view, logistic", "by 1 view", "by 4 views")[-len(means) :], means, strict=True
                ):
                    curves.setdefault(name, {}).setdefault(way, {})[size] = float(share)
    if options.plot and curves:
        plot_curves(curves, options.plot)


if __name__ == "__main__":
    main()

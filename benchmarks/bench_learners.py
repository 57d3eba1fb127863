"""Four ways of learning the same pictures: accuracy, and seconds from JPEG files to a fitted model, in one run.

- frozen EfficientNet-Lite0: what `train` does by itself, the way of looking chosen inside each fold.
- the same fine-tuned whole (`mode = "full"`), with the loop's own augmentation.
- a small network from scratch (`learner = "cnn"`), its usual epochs.
- the script in `plain_script`, from the same weights.

Each way learns the same five folds of what `clean` keeps, look-alikes on one side, and answers once about the fifth
that it never saw. Ours keep a sixth of what they learn from for validation, the script learns from all of it. Seconds
are those of one model, the median over the folds: decoding, features, loading weights and fitting, with no features
kept from before; the first fold's stand beside them, when the backbone is also converted and the runtime measured, once
for a machine. Importing libraries counts for nobody.

`python benchmarks/bench_learners.py [SET...] [--folds N] [--epochs N] [--only WAY...]`
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, set_folder
from fieldguide.features import Pictures, open_runner
from fieldguide.learners import open_learner
from fieldguide.learners.contract import Fold, TrainingData, group_folds
from fieldguide.learners.weights import declare_torchvision_operators
from fieldguide.metrics import accuracy, accuracy_difference, mcnemar
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import Dataset
from fieldguide.settings import TrainSettings
from plain_script import run_plain_script
from real_sets import make_project

Answers = tuple[NDArray[np.int64], float]  # classes of the pictures held out, and the seconds of learning
WAYS = ("frozen", "full", "cnn", "script")
FOLDS, INNER = 5, 6
TARGET = 10.0  # times as fast as the script


@dataclass
class Outcome:
    """What one way has answered so far.

    Attributes:
        answers: (n,) classes, -1 where no fold has held the picture out yet.
        seconds: of each fold's learning.
    """

    answers: NDArray[np.int64]
    seconds: list[float] = field(default_factory=list)


def learn(project: Project, data: Dataset, fold: Fold, settings: dict[str, Any]) -> Answers:
    """Train a learner of Fieldguide on the fold's first part, and answer about the second."""
    shutil.rmtree(project.features_folder, ignore_errors=True)
    open_runner.cache_clear()
    all_settings = project.settings()
    pictures = Pictures(project, tuple(data.images.items()), all_settings, SilentProgress())
    train, held = fold
    start = time.perf_counter()
    training = with_val(TrainingData.of(data, pictures, all_settings).take(train))
    learner = open_learner(TrainSettings(cross_validate="never", **settings), all_settings.seed)
    model = learner.fit(training).model
    seconds = time.perf_counter() - start
    return model.predict(pictures.take(held)).logits.argmax(axis=1), seconds


def with_val(training: TrainingData) -> TrainingData:
    """Return the training with a sixth of its groups as val, the rest as train."""
    splits = np.full(len(training.labels), "train")
    splits[group_folds(training.labels, training.groups, INNER, training.seed)[0][1]] = "val"
    return TrainingData(
        training.pictures, training.labels, training.groups, splits, training.class_names, training.seed, training.folds
    )


def run_script(project: Project, data: Dataset, fold: Fold, epochs: int) -> Answers:
    """Run the plain script on the same fold."""
    paths = [project.image_path(image, kind) for image, kind in data.images.items()]
    result = run_plain_script(paths, data.labels, fold, epochs)
    return result.answers, result.seconds


def list_ways(project: Project, data: Dataset, options: argparse.Namespace) -> dict[str, Callable[[Fold], Answers]]:
    """Return each way's name, and what answers a fold."""
    full = {"learner": "transfer", "mode": "full", "fit": "squash", "loop": {"epochs": options.epochs}}
    cnn = {"learner": "cnn", "fit": "squash", **({"loop": {"epochs": options.epochs}} if options.small else {})}
    return {
        "frozen": lambda fold: learn(project, data, fold, {"learner": "transfer"}),
        "full": lambda fold: learn(project, data, fold, full),
        "cnn": lambda fold: learn(project, data, fold, cnn),
        "script": lambda fold: run_script(project, data, fold, options.epochs),
    }


def compare_set(name: str, base: Path, options: argparse.Namespace) -> None:
    """Print the set's table."""
    project, data = make_project(set_folder(name, options.small, base), base / name)
    folds = group_folds(data.labels, data.groups, FOLDS, 0)[: options.folds]
    answered = np.concatenate([held for _, held in folds])
    print(
        f"\n{name}: {len(data.labels)} pictures, {len(data.class_names)} classes, {len(set(data.groups))} groups;",
        end=" ",
    )
    print(f"{len(folds)} folds of {FOLDS}, {options.epochs} epochs of fine-tuning")
    print(f"{'way':<8} {'accuracy, grouped folds':<26} {'seconds':>8} {'first':>7}")
    outcomes: dict[str, Outcome] = {}
    for way, answer in list_ways(project, data, options).items():
        if way not in options.only:
            continue
        outcomes[way] = outcome = Outcome(np.full(len(data.labels), -1))
        for fold in folds:
            outcome.answers[fold[1]], seconds = answer(fold)
            outcome.seconds.append(seconds)
        share, low, high = accuracy(data.labels[answered], outcome.answers[answered])
        shown = f"{share:.3f} ({low:.3f} to {high:.3f})"
        print(f"{way:<8} {shown:<26} {np.median(outcome.seconds):>8.1f} {outcome.seconds[0]:>7.1f}", flush=True)
    if "script" in outcomes:
        compare_to_script(outcomes, data.labels, answered)


def compare_to_script(outcomes: dict[str, Outcome], labels: NDArray[np.int64], answered: NDArray[np.intp]) -> None:
    """Print each learner beside the script, on the same pictures."""
    peer = outcomes["script"]
    peer_right = (peer.answers == labels)[answered]
    for way, outcome in outcomes.items():
        if way == "script":
            continue
        right = (outcome.answers == labels)[answered]
        gain, low, high = accuracy_difference(right, peer_right)
        times = np.median(peer.seconds) / np.median(outcome.seconds)
        target = f" (target: {TARGET:.0f}, and no less accurate)" if way == "frozen" else ""
        print(
            f"{way} : script  {times:.1f} times as fast{target}; "
            f"accuracy {gain:+.3f} ({low:+.3f} to {high:+.3f}), McNemar p = {mcnemar(right, peer_right):.3g}"
        )


def main() -> None:
    parser = make_parser(__doc__)
    sets = "flowers17, rooms, handbags, charts-dev"
    parser.add_argument("sets", nargs="*", default=["flowers17"], metavar="SET", help=sets)
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of the five folds are held out in turn")
    parser.add_argument("--epochs", type=int, default=5, help="of fine-tuning, ours and the script's")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=WAYS, metavar="WAY", help=", ".join(WAYS))
    options = parse_options(parser, folds=1, epochs=1)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        os.environ["FIELDGUIDE_CACHE"] = f"{base}/cache"
        declare_torchvision_operators()
        import timm  # noqa: F401 before any clock runs

        for name in options.sets:
            compare_set(name, Path(base), options)


if __name__ == "__main__":
    main()

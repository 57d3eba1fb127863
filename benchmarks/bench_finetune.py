"""Fine-tuning EfficientNet-Lite0 at 224: images/s and accuracy beside a plain PyTorch script, in one run.

The peer is the script in `plain_script`. All start from the same weights and see the same pictures, augmented as that
script does ("light" are our own); one grouped split, a fifth held out, scored once. Ours takes a fifth of what is left
for validation, so it learns from fewer. After one epoch nothing is right yet: take more where accuracy counts.
`python benchmarks/bench_finetune.py [SET] [EPOCHS]`
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, set_folder
from fieldguide.engine import core_count, map_threads
from fieldguide.features import load_square
from fieldguide.images import Limits
from fieldguide.learners.contract import Fold, group_folds
from fieldguide.learners.heads import attach_head
from fieldguide.learners.loop import Examples, ResolvedLoopSettings, predict, train_network
from fieldguide.learners.weights import load_backbone
from fieldguide.metrics import wilson_interval
from fieldguide.records import Preprocessing
from plain_script import BATCH, SIZE, run_plain_script
from real_sets import make_project

PICTURE = Preprocessing(size=SIZE, fit="squash")
PEER = "plain script"


def score_plain_script(
    paths: list[Path], labels: NDArray[np.int64], fold: Fold, epochs: int
) -> tuple[float, float, int]:
    """Return the images/s of the peer's best epoch, its seconds in all, and its right answers on the held out."""
    result = run_plain_script(paths, labels, fold, epochs)
    return result.images_per_s, result.seconds, int((result.answers == labels[fold[1]]).sum())


def score_loop(
    paths: list[Path], labels: NDArray[np.int64], fold: Fold, inner: Fold, settings: ResolvedLoopSettings
) -> tuple[float, float, int]:
    """Return the same of Fieldguide's loop, which learns from the first part of `inner` and validates on the second."""
    start = time.perf_counter()
    squares = np.stack(
        list(map_threads(lambda path: load_square(path, PICTURE, Limits()), paths, workers=core_count()))
    )
    network = attach_head(load_backbone("efficientnet_lite0", "embedded", SIZE), "linear", int(labels.max()) + 1, 0)
    trained = train_network(network, Examples(squares, labels, *inner), settings)
    seconds = time.perf_counter() - start
    test = fold[1]
    right = int((predict(network, squares, test, BATCH).logits.argmax(1) == labels[test]).sum())
    return max(row.images_per_s for row in trained.history), seconds, right


def list_ways(
    paths: list[Path], labels: NDArray[np.int64], fold: Fold, inner: Fold, epochs: int
) -> dict[str, Callable[[], tuple[float, float, int]]]:
    """Return each row's name, and the function that measures it."""
    full = ResolvedLoopSettings(
        epochs=epochs,
        batch_size=BATCH,
        accumulate=1,
        lr=1e-3,
        layer_decay=1.0,
        warm_up=0.5,
        augment="perspective-colour",
        freeze=0,
        unfreeze=0,
    )
    last = full.model_copy(update={"freeze": 5})
    light = last.model_copy(update={"augment": "light"})
    return {
        PEER: lambda: score_plain_script(paths, labels, fold, epochs),
        "fieldguide, full": lambda: score_loop(paths, labels, fold, inner, full),
        "fieldguide, last stages": lambda: score_loop(paths, labels, fold, inner, last),
        "fieldguide, last stages, light": lambda: score_loop(paths, labels, fold, inner, light),
    }


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("set", nargs="?", default="flowers17", metavar="SET", help="a set of real pictures")
    parser.add_argument("epochs", nargs="?", type=int, default=1, metavar="EPOCHS", help="of every way")
    options = parse_options(parser, set="rooms")
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        pictures = set_folder(options.set, options.small, Path(base))
        project, data = make_project(pictures, Path(base) / options.set)
        paths = [project.image_path(image, kind) for image, kind in data.images.items()]
        labels, groups = data.labels, data.groups
        learn, test = group_folds(labels, groups, 5, 0)[0]
        train, val = group_folds(labels[learn], [groups[index] for index in learn], 5, 0)[0]
        print(f"{options.set}: {len(paths)} pictures, {len(learn)} to learn from, {len(test)} held out, ", end="")
        print(f"{options.epochs} epochs")
        print(f"{'':<34} {'images/s':>9} {'ratio':>6} {'seconds':>8}  accuracy on held-out pictures")
        ways = list_ways(paths, labels, (learn, test), (learn[train], learn[val]), options.epochs)
        speeds: dict[str, float] = {}
        for name, measure in ways.items():
            speeds[name], seconds, right = measure()
            low, high = wilson_interval(right, len(test))
            print(
                f"{name:<34} {speeds[name]:>9.1f} {speeds[name] / speeds[PEER]:>6.2f} {seconds:>8.1f}  "
                f"{right / len(test):.3f} ({low:.3f} to {high:.3f})",
                flush=True,
            )


if __name__ == "__main__":
    main()

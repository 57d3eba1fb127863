"""Fine-tuning EfficientNet-Lite0 at 224: images/s and accuracy beside a plain PyTorch script, in one run.

The peer is the script in `plain_script`. All start from the same weights and see the same pictures, augmented as that
script does ("light" are our own); one grouped split, a fifth held out, scored once. Ours takes a fifth of what is left
for validation, so it learns from fewer. After one epoch nothing is right yet: more are asked for where accuracy counts.
`python benchmarks/bench_finetune.py [SET] [EPOCHS]`
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import describe_machine
from fieldguide.engine import core_count, map_threads
from fieldguide.features import load_square
from fieldguide.images import Limits
from fieldguide.learners.contract import group_folds
from fieldguide.learners.heads import attach_head
from fieldguide.learners.loop import Examples, ResolvedLoopSettings, predict, train_network
from fieldguide.learners.weights import load_backbone
from fieldguide.metrics import wilson_interval
from fieldguide.records import Preprocessing
from plain_script import BATCH, SIZE, run_plain_script
from real_sets import gather_set

PICTURE = Preprocessing(size=SIZE, fit="squash")


def theirs(
    paths: list[Path], labels: NDArray[np.int64], fold: tuple[NDArray[np.intp], NDArray[np.intp]], epochs: int
) -> tuple[float, float, int]:
    """Images/s of the best epoch, seconds in all, right answers on the held-out pictures."""
    found = run_plain_script(paths, labels, fold, epochs)
    return found.images_per_s, found.seconds, int((found.answers == labels[fold[1]]).sum())


def ours(
    paths: list[Path], examples: tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]],
    test: NDArray[np.intp], settings: ResolvedLoopSettings,
) -> tuple[float, float, int]:  # fmt: skip
    """The same of Fieldguide's loop."""
    labels, train, val = examples
    begun = time.perf_counter()
    squares = np.stack(
        list(map_threads(lambda path: load_square(path, PICTURE, Limits()), paths, workers=core_count()))
    )
    network = attach_head(load_backbone("efficientnet_lite0", "embedded", SIZE), "linear", int(labels.max()) + 1, 0)
    trained = train_network(network, Examples(squares, labels, train, val), settings)
    seconds = time.perf_counter() - begun
    right = int((predict(network, squares, test, BATCH).logits.argmax(1) == labels[test]).sum())
    return max(row.images_per_s for row in trained.history), seconds, right


def main(name: str, epochs: int) -> None:
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        project, data = gather_set(name, Path(base))
        paths = [project.image_path(image, kind) for image, kind in data.images.items()]
        labels, groups = data.labels, data.groups
        learn, test = group_folds(labels, groups, 5, 0)[0]
        inner, held = group_folds(labels[learn], [groups[index] for index in learn], 5, 0)[0]
        examples = labels, learn[inner], learn[held]
        print(f"{name}: {len(paths)} pictures, {len(learn)} to learn from, {len(test)} held out, {epochs} epochs")
        print(f"{'':<34} {'images/s':>9} {'ratio':>6} {'seconds':>8}  accuracy on held-out pictures")
        same = ResolvedLoopSettings(
            epochs=epochs,
            batch_size=BATCH,
            lr=1e-3,
            layer_decay=1.0,
            warm_up=0.5,
            augment="perspective-colour",
            freeze=0,
            unfreeze=0,
        )
        ways: dict[str, Any] = {
            "plain script": lambda: theirs(paths, labels, (learn, test), epochs),
            "fieldguide, full": lambda: ours(paths, examples, test, same),
            "fieldguide, last stages": lambda: ours(paths, examples, test, same.model_copy(update={"freeze": 5})),
            "fieldguide, last stages, light": lambda: ours(
                paths, examples, test, same.model_copy(update={"freeze": 5, "augment": "light"})
            ),
        }
        speeds: dict[str, float] = {}
        for way, run in ways.items():
            speed, seconds, right = run()
            speeds[way] = speed
            low, high = wilson_interval(right, len(test))
            print(
                f"{way:<34} {speed:>9.1f} {speed / speeds['plain script']:>6.2f} {seconds:>8.1f}  "
                f"{right / len(test):.3f} ({low:.3f} to {high:.3f})",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "flowers17", int(sys.argv[2]) if len(sys.argv) > 2 else 1)

"""The feature pass from JPEG files, images/s, beside Pillow decode + eager fp32 PyTorch, in one run.

The peer decodes one picture after the other with Pillow, resizes to 224 and runs timm's model in batches of 32, as most
scripts do. Rounds are interleaved and the best of each is taken. Top-1 is that of ImageNet's own classifier on each
pipeline's features: its agreement with the peer's, and the accuracy of a head in 5-fold cross-validation.

Then what the pass is made of, each alone on all cores: decoding and fitting to the square, and the model on squares in
memory. Asked is 0.8 of what the slower of the two allows, as if they had cores of their own; as they share the same
ones, a pass that never waits does 1 / (1 / decode + 1 / model), and the share of that stands beside it.

`python benchmarks/bench_features.py [EVERY]` takes every so-manieth picture only.
"""

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common import describe_machine, shared_data
from fieldguide.engine import core_count, map_threads
from fieldguide.features import Runner, Runtime, cache_folder, extract, load_square, open_runner
from fieldguide.images import Limits
from fieldguide.learners.backbones import BackboneChoice, backbone_model
from fieldguide.learners.headfit import group_folds, held_out_logits
from fieldguide.learners.weights import load_embedded
from fieldguide.records import Preprocessing
from fieldguide.settings import FeaturesSettings

ROUNDS = 4
BATCH = 32  # of the peer
OURS = FeaturesSettings().batch_size
SQUARE = Preprocessing(size=224, fit="squash")
RUNTIMES: tuple[Runtime, ...] = ("onnxruntime", "openvino")
PEER = "Pillow + eager PyTorch fp32"
ASKED_RATIO, ASKED_SHARE = 8.0, 0.8
Features = NDArray[np.float32]


def plain_torch(paths: list[Path], model: Any) -> Features:
    """Features of the peer."""
    import torch

    found = []
    for start in range(0, len(paths), BATCH):
        squares = []
        for path in paths[start : start + BATCH]:
            image = Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
            squares.append(torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1)
        with torch.inference_mode():
            batch = torch.stack(squares)
            found.append(model.forward_head(model.forward_features(batch), pre_logits=True).numpy())
    return np.concatenate(found)


def load(paths: list[Path]) -> NDArray[np.uint8]:
    """All squares, decoded on all cores."""
    squares = map_threads(lambda path: load_square(path, SQUARE, Limits()), paths, workers=core_count())
    return np.stack(list(squares))


def whole_pass(paths: list[Path], run: Runner) -> Features:
    """Features of files, as every stage computes them."""
    return np.concatenate(list(extract(paths, SQUARE, Limits(), run, OURS)))


def in_batches(squares: NDArray[np.uint8], run: Runner) -> Features:
    """Features of squares in memory."""
    return np.concatenate([run(squares[start : start + OURS]) for start in range(0, len(squares), OURS)])


def main(every: int) -> None:
    print(describe_machine())
    paths = sorted(shared_data("flowers17").glob("*/*.jpg"))[::every]
    labels = np.unique([path.parent.name for path in paths], return_inverse=True)[1].astype(np.int64)
    model, squares = load_embedded(), load(paths)
    backbone = backbone_model(BackboneChoice(), SQUARE, cache_folder())
    runs = {runtime: open_runner(backbone, runtime) for runtime in RUNTIMES}
    pipelines: dict[str, Callable[[], Features]] = {PEER: lambda: plain_torch(paths, model)}
    parts: dict[str, Callable[[], NDArray[Any]]] = {"decode": lambda: load(paths)}
    for runtime, run in runs.items():
        pipelines[f"fieldguide, {runtime}"] = partial(whole_pass, paths, run)
        parts[runtime] = partial(in_batches, squares, run)
    best, found = fastest({**pipelines, **parts})
    features = {name: found[name] for name in pipelines}
    show_pipelines(best, features, labels, model)
    show_bounds({one: len(paths) / best[f"fieldguide, {one}"] for one in RUNTIMES}, best, len(paths))


def fastest(ways: Mapping[str, Callable[[], NDArray[Any]]]) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Seconds of each way, the best of interleaved rounds, and what each gave."""
    best: dict[str, float] = {}
    given: dict[str, NDArray[Any]] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            given[name] = way()
            best[name] = min(best.get(name, 1e9), time.perf_counter() - begun)
    return best, given


def show_pipelines(
    best: dict[str, float], features: dict[str, Features], labels: NDArray[np.int64], model: Any
) -> None:
    """Nothing; a row for each pipeline is printed."""
    weights, bias = model.classifier.weight.detach().numpy(), model.classifier.bias.detach().numpy()
    features = {name: found[:, : weights.shape[1]] for name, found in features.items()}  # ours goes on behind the top
    answers = {name: (found @ weights.T + bias).argmax(axis=1) for name, found in features.items()}
    folds = group_folds(labels, None, 5, 0)
    print(f"{len(labels)} JPEGs of about 540 x 500, 224 pixels, batches of {BATCH} and {OURS}, best of {ROUNDS} rounds")
    print(f"{'pipeline':<30} {'images/s':>9} {'ratio':>6} {'ImageNet top-1 as peer':>24} {'head, 5-fold':>13}")
    for name, found in features.items():
        head = float(np.mean(held_out_logits(found, labels, folds, 0.1).argmax(axis=1) == labels))
        agrees = float(np.mean(answers[name] == answers[PEER]))
        print(
            f"{name:<30} {len(labels) / best[name]:>9.1f} {best[PEER] / best[name]:>6.2f} {agrees:>24.3f} {head:>13.3f}"
        )
    print(f"asked: {ASKED_RATIO:.0f} times the peer")


def show_bounds(passes: dict[Runtime, float], alone: dict[str, float], count: int) -> None:
    """Nothing; what each runtime's pass reaches of what its parts allow is printed.

    Args:
        passes: images/s of each runtime's pass.
        alone: seconds of decoding, and of each runtime's model, alone.
        count: pictures.
    """
    decode = count / alone["decode"]
    heads = "decode", "model", "pass", "of the slower", "of both on one set of cores"
    print("{:<12} {:>7} {:>7} {:>7} {:>14} {:>28}".format("images/s", *heads))
    for runtime in RUNTIMES:
        model = count / alone[runtime]
        both = 1 / (1 / decode + 1 / model)
        shares = passes[runtime] / min(decode, model), passes[runtime] / both
        speeds = f"{decode:>7.0f} {model:>7.0f} {passes[runtime]:>7.0f}"
        print(f"{runtime:<12} {speeds} {shares[0]:>14.2f} {shares[1]:>28.2f}")
    print(f"asked: {ASKED_SHARE} of the slower")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)

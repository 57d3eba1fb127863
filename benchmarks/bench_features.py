"""The feature pass from JPEG files, images/s, beside Pillow decode + eager fp32 PyTorch, in one run.

The peer decodes one picture after the other with Pillow, resizes to 224 and runs timm's model in batches of 32, as most
scripts do. Rounds are interleaved and the best of each is taken. Top-1 is that of ImageNet's own classifier on each
pipeline's features: its agreement with the peer's, and the accuracy of a head in 5-fold cross-validation.

Then what the pass is made of, each alone on all cores: decoding and fitting to the square, and the model on squares in
memory. The target is 0.8 of what the slower of the two allows. That is shown in two ways: of the slower with all cores
to itself, which leaves none for the other; and of the slower with half of the cores, one of two here, which is what a
pipeline of two stages can do at best. Beside them stands the share of 1 / (1 / decode + 1 / model), what a pass does
that never waits.

`python benchmarks/bench_features.py [EVERY]` takes only every EVERY-th picture.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common import SMALL_CLASSES, SMALL_PER_CLASS, describe_machine, make_parser, parse_options, shared_data
from fieldguide.engine import core_count, map_threads
from fieldguide.features import Runner, Runtime, cache_folder, extract, load_square, open_runner
from fieldguide.images import Limits
from fieldguide.learners.backbones import BackboneChoice, backbone_model
from fieldguide.learners.contract import group_folds
from fieldguide.learners.linear_head import predict_held_out
from fieldguide.learners.weights import load_embedded
from fieldguide.records import Preprocessing
from fieldguide.settings import FeaturesSettings

BATCH = 32  # of the peer
OURS = FeaturesSettings().batch_size
SQUARE = Preprocessing(size=224, fit="squash")
RUNTIMES: tuple[Runtime, ...] = ("onnxruntime", "openvino")
PEER = "Pillow + eager PyTorch fp32"
TARGET_RATIO, TARGET_SHARE = 8.0, 0.8
Features = NDArray[np.float32]


def plain_torch(paths: list[Path], model: Any) -> Features:
    """Compute the features of files as the peer does."""
    import torch

    batches = []
    for start in range(0, len(paths), BATCH):
        squares = []
        for path in paths[start : start + BATCH]:
            image = Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
            squares.append(torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1)
        with torch.inference_mode():
            batch = torch.stack(squares)
            batches.append(model.forward_head(model.forward_features(batch), pre_logits=True).numpy())
    return np.concatenate(batches)


def load_squares(paths: list[Path]) -> NDArray[np.uint8]:
    """Decode files on all cores and return their squares."""
    squares = map_threads(lambda path: load_square(path, SQUARE, Limits()), paths, workers=core_count())
    return np.stack(list(squares))


def extract_files(paths: list[Path], run: Runner) -> Features:
    """Compute the features of files as every stage does."""
    return np.concatenate(list(extract(paths, [SQUARE], Limits(), run, OURS)))[:, 0]


def extract_squares(squares: NDArray[np.uint8], run: Runner) -> Features:
    """Compute the features of squares in memory."""
    return np.concatenate([run(squares[start : start + OURS]) for start in range(0, len(squares), OURS)])


def list_pictures(every: int, small: bool) -> list[Path]:
    """Return every so many of the set's files; if `small`, the first of its first classes."""
    paths = sorted(shared_data("flowers17").glob("*/*.jpg"))[::every]
    if not small:
        return paths
    by_class: dict[str, list[Path]] = {}
    for path in paths:
        by_class.setdefault(path.parent.name, []).append(path)
    return [path for members in list(by_class.values())[:SMALL_CLASSES] for path in members[:SMALL_PER_CLASS]]


def open_runners() -> dict[Runtime, Runner]:
    backbone = backbone_model(BackboneChoice(), SQUARE, cache_folder())
    return {runtime: open_runner(backbone, runtime) for runtime in RUNTIMES}


def list_parts(
    paths: list[Path], squares: NDArray[np.uint8], runs: Mapping[Runtime, Runner]
) -> dict[str, Callable[[], NDArray[Any]]]:
    """Return what decodes alone, and what runs each runtime's model alone."""
    models = {str(runtime): partial(extract_squares, squares, run) for runtime, run in runs.items()}
    return {"decode": partial(load_squares, paths), **models}


def time_best(
    ways: Mapping[str, Callable[[], NDArray[Any]]], rounds: int
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Return the seconds of each way, the best of interleaved rounds, and what each computes."""
    best: dict[str, float] = {}
    results: dict[str, NDArray[Any]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            results[name] = way()
            best[name] = min(best.get(name, 1e9), time.perf_counter() - start)
    return best, results


def time_parts_on_half(options: argparse.Namespace) -> dict[str, float]:
    """Return the images/s of each part alone on half of the cores, in a process of its own."""
    cores = sorted(os.sched_getaffinity(0))[: max(1, core_count() // 2)]
    command = [sys.executable, __file__, str(options.every), "--parts", "--rounds", str(options.rounds)]
    command += ["--small"] if options.small else []
    finished = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    rates: dict[str, float] = json.loads(finished.stdout)
    return rates


def show_parts(options: argparse.Namespace) -> None:
    """Print the images/s of each part alone, on all cores, as JSON."""
    paths = list_pictures(options.every, options.small)
    best, _ = time_best(list_parts(paths, load_squares(paths), open_runners()), options.rounds)
    print(json.dumps({name: len(paths) / seconds for name, seconds in best.items()}))


def show_pipelines(
    best: dict[str, float], features: dict[str, Features], labels: NDArray[np.int64], model: Any, rounds: int
) -> None:
    """Print a row for each pipeline."""
    weights, bias = model.classifier.weight.detach().numpy(), model.classifier.bias.detach().numpy()
    features = {name: rows[:, : weights.shape[1]] for name, rows in features.items()}  # ours goes on behind the top
    answers = {name: (rows @ weights.T + bias).argmax(axis=1) for name, rows in features.items()}
    folds = group_folds(labels, None, 5, 0)
    print(f"{len(labels)} JPEGs of about 540 x 500, 224 pixels, batches of {BATCH} and {OURS}, best of {rounds} rounds")
    print(f"{'pipeline':<30} {'images/s':>9} {'ratio':>6} {'ImageNet top-1 as peer':>24} {'head, 5-fold':>13}")
    for name, rows in features.items():
        head = float(np.mean(predict_held_out(rows, labels, folds, 0.1).argmax(axis=1) == labels))
        agrees = float(np.mean(answers[name] == answers[PEER]))
        print(
            f"{name:<30} {len(labels) / best[name]:>9.1f} {best[PEER] / best[name]:>6.2f} {agrees:>24.3f} {head:>13.3f}"
        )
    print(f"target: {TARGET_RATIO:.0f} times the peer")


def show_bounds(passes: dict[Runtime, float], alone: dict[str, float], halved: dict[str, float]) -> None:
    """Print what each runtime's pass reaches of what its parts allow, in images/s.

    Args:
        passes: of each runtime's pass.
        alone: of decoding, and of each runtime's model, alone on all cores.
        halved: the same on half of them.
    """
    heads = "decode", "model", "pass", "of the slower", "on half the cores: decode", "model", "of the slower", "of both"
    print("{:<12} {:>7} {:>6} {:>6} {:>14} {:>26} {:>6} {:>14} {:>8}".format("images/s", *heads))
    for runtime in RUNTIMES:
        decode, model, half_decode, half_model = alone["decode"], alone[runtime], halved["decode"], halved[runtime]
        whole, half = min(decode, model), min(half_decode, half_model)
        rate, both = passes[runtime], 1 / (1 / decode + 1 / model)
        print(
            f"{runtime:<12} {decode:>7.0f} {model:>6.0f} {rate:>6.0f} {rate / whole:>14.2f} "
            f"{half_decode:>26.0f} {half_model:>6.0f} {rate / half:>14.2f} {rate / both:>8.2f}"
        )
    print(f"target: {TARGET_SHARE} of the slower")


def show_tables(options: argparse.Namespace) -> None:
    """Print the table of the pipelines, and that of what each reaches of what its parts allow."""
    print(describe_machine())
    paths = list_pictures(options.every, options.small)
    labels = np.unique([path.parent.name for path in paths], return_inverse=True)[1].astype(np.int64)
    model, squares, runs = load_embedded(), load_squares(paths), open_runners()
    pipelines: dict[str, Callable[[], Features]] = {PEER: lambda: plain_torch(paths, model)}
    pipelines |= {f"fieldguide, {runtime}": partial(extract_files, paths, run) for runtime, run in runs.items()}
    best, results = time_best({**pipelines, **list_parts(paths, squares, runs)}, options.rounds)
    show_pipelines(best, {name: results[name] for name in pipelines}, labels, model, options.rounds)
    passes = {runtime: len(paths) / best[f"fieldguide, {runtime}"] for runtime in RUNTIMES}
    alone = {name: len(paths) / best[name] for name in ("decode", *RUNTIMES)}
    show_bounds(passes, alone, time_parts_on_half(options))


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("every", type=int, nargs="?", default=1, metavar="EVERY", help="take only every EVERY-th file")
    parser.add_argument("--rounds", type=int, default=4, help="of each way; the best is shown")
    parser.add_argument("--parts", action="store_true", help="only the parts, as JSON")
    options = parse_options(parser, rounds=1)
    if options.parts:
        show_parts(options)
    else:
        show_tables(options)


if __name__ == "__main__":
    main()

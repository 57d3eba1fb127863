"""The colour learner: its five families on the original system's own hard cases, and features per second beside it.

`families` reads ../shared/data/art-colour-vectors: 3,821 vectors, the support vectors of the original's SVM, so all its
hard cases and none of the easy 12,500. Side by side, at the original's settings or, with `--grid full`, the best of its
grids (the MLP's takes half an hour): its protocol (scaler fitted on everything, a random quarter held out, 5-fold on
the rest, scikit-learn's own answers) and ours (scaler inside, near-copies in one fold, every row held out once, so a
third more to learn from). `features` shows importance and the elimination curve.

`speed` times the features on real pictures against the original's own code path,
OpenCV's conversions and numpy's means and deviations, in interleaved rounds, the best of each; asked is twice as fast.

`python benchmarks/bench_colour.py [--parts PART...] [--families FAMILY...] [--grid usual|full]`, by default the parts
families and speed.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
from numpy.typing import NDArray

from common import describe_machine, shared_data
from fieldguide.calibration import fit_temperature, log_losses, softmax
from fieldguide.engine import core_count, map_threads
from fieldguide.exporters.colour import Family
from fieldguide.features import load_square
from fieldguide.images import Limits, decode
from fieldguide.learners.colour.families import (
    DEFAULTS,
    FAMILIES,
    Candidate,
    Samples,
    fit_classifier,
    fit_quietly,
    hold_out_logits,
    list_candidates,
    make_estimator,
    search_families,
)
from fieldguide.learners.colour.features import FEATURE_NAMES, colour_features
from fieldguide.learners.colour.importance import measure_importance, trace_elimination
from fieldguide.learners.contract import group_folds
from fieldguide.metrics import accuracy, calibration_error
from fieldguide.records import Preprocessing

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
PUBLISHED = {"svm": 0.878, "mlp": 0.874, "logistic": 0.862, "forest": 0.836, "boosting": 0.782}
PARTS = ("families", "features", "speed")
NEAR = 0.02  # standard deviations, in every feature
ROUNDS = 5
PICTURES = 60


# ---- the families


def load_vectors() -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """Features (n, 18), classes (n,) and class names."""
    with (shared_data("art-colour-vectors") / "support_vectors_labelled.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head[1:]) == FEATURE_NAMES
    names = sorted({row[0] for row in rows})
    return np.array([row[1:] for row in rows], np.float32), np.array([names.index(row[0]) for row in rows]), names


def near_copies(features: NDArray[np.float32]) -> list[str]:
    """A group for each row: rows that hardly differ in any feature are together."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(features / features.std(axis=0)).query_pairs(NEAR, p=np.inf, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(features), len(features)))
    return [str(number) for number in connected_components(graph, directed=False)[1]]


def original_protocol(features: NDArray[np.float32], labels: NDArray[np.int64], candidate: Candidate) -> str:
    """Cross-validated accuracy and that of the quarter held out, as the original measures them."""
    from sklearn.model_selection import cross_val_score, train_test_split
    from sklearn.preprocessing import StandardScaler

    rows = StandardScaler().fit_transform(features.astype(np.float64))
    train, test, train_labels, test_labels = train_test_split(
        rows, labels, test_size=0.25, random_state=0, stratify=labels
    )
    model = make_estimator(Samples(train, train_labels, seed=1), candidate)
    with fit_quietly():
        scores = cross_val_score(model, train, train_labels, cv=5)
        return f"{scores.mean():.3f} ({scores.std():.3f}) {model.fit(train, train_labels).score(test, test_labels):.3f}"


def compare_families(wanted: Sequence[Family], grid: bool) -> None:
    features, labels, names = load_vectors()
    groups = near_copies(features)
    samples = Samples(features, labels, seed=1)
    folds = group_folds(labels, groups, 5, 0)
    print(f"{len(labels)} vectors, {len(names)} classes, {len(set(groups))} groups; baseline ", end="")
    print(f"{np.bincount(labels).max() / len(labels):.3f}; published: on 16,311, three quarters, 5-fold")
    print(
        f"{'family':<9} {'published':>9} | {'original: CV (std) quarter':<26} | {'ours: accuracy (interval), std':<34} "
        f"{'log loss':>8} {'ECE':>6} {'fit s':>6}"
    )
    for family in wanted:
        candidate, chosen = DEFAULTS[family], ""
        if grid:
            begun = time.perf_counter()
            found = search_families(samples, folds, list_candidates(family))
            candidate, logits = found.best, found.logits
            chosen = f"  of {len(found.scores)} in {time.perf_counter() - begun:.0f} s"
        else:
            logits = hold_out_logits(samples, folds, candidate)
        theirs = original_protocol(features, labels, candidate)
        share, low, high = accuracy(labels, logits.argmax(axis=1))
        spread = np.std([np.mean(logits[test].argmax(axis=1) == labels[test]) for _, test in folds])
        temperature = fit_temperature(logits, labels)
        begun = time.perf_counter()
        fit_classifier(samples, candidate)
        seconds = time.perf_counter() - begun
        print(
            f"{family:<9} {PUBLISHED[family]:>9.3f} | {theirs:<26} | "
            f"{f'{share:.3f} ({low:.3f} to {high:.3f}), {spread:.3f}':<34} "
            f"{log_losses(logits / temperature, labels).mean():>8.3f} "
            f"{calibration_error(softmax(logits / temperature), labels):>6.3f} {seconds:>6.2f}   {candidate}{chosen}",
            flush=True,
        )


def show_features() -> None:
    """The most important features and the elimination curve of the SVM."""
    features, labels, _ = load_vectors()
    samples, candidate = Samples(features, labels), DEFAULTS["svm"]
    folds = group_folds(labels, near_copies(features), 5, 0)
    fitted = search_families(samples, folds, [candidate]).fitted
    found = measure_importance(samples, folds, fitted)
    order = np.argsort(-found.mean)
    print("importance:", ", ".join(f"{FEATURE_NAMES[one]} {found.mean[one]:.3f}" for one in order))
    curve = trace_elimination(samples, folds, fitted)
    print("accuracy with 1, 2 ... 18 features:", " ".join(f"{one.accuracy:.3f}" for one in curve))


# ---- the features


def original_features(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the original system computes of a BGR picture, in the way that it does."""
    spaces = [image, cv2.cvtColor(image, cv2.COLOR_BGR2HSV), cv2.cvtColor(image, cv2.COLOR_BGR2Lab)]
    means = [np.mean(one, axis=(0, 1)) for one in spaces]
    return np.hstack([*means, *(np.std(one, axis=(0, 1)) for one in spaces)])


def timed(ways: dict[str, Callable[[int], object]], count: int, threads: int) -> dict[str, float]:
    """Pictures per second of each way, the best of interleaved rounds."""
    cv2.setNumThreads(threads)
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            list(map_threads(way, range(count), workers=threads))
            best[name] = min(best[name], time.perf_counter() - begun)
    return {name: count / seconds for name, seconds in best.items()}


def from_file(path: Path, limits: Limits) -> NDArray[np.float32]:
    return colour_features(decode(path.read_bytes(), limits)[None])


def from_square(path: Path, limits: Limits) -> NDArray[np.float32]:
    return colour_features(load_square(path, Preprocessing(fit="squash"), limits)[None])


def original_from_file(path: Path) -> NDArray[np.float64]:
    image = cv2.imread(str(path))
    assert image is not None
    return original_features(np.asarray(image, np.uint8))


def pictures(name: str) -> list[Path]:
    """Up to 60 files of a set, spread over its classes."""
    found = sorted(path for path in shared_data(name).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return found[:: max(1, len(found) // PICTURES)][:PICTURES]


def compare_set(name: str) -> None:
    paths, limits = pictures(name), Limits()
    bgr = [np.asarray(cv2.imread(str(path)), np.uint8) for path in paths]
    rgb = [np.ascontiguousarray(one[None, ..., ::-1]) for one in bgr]
    gaps = [colour_features(ours)[0] - original_features(one) for ours, one in zip(rgb, bgr, strict=True)]
    apart = np.abs(gaps).max()
    size = np.mean([one.shape[0] * one.shape[1] for one in bgr])
    print(f"{name}: {len(paths)} pictures of {size / 1e6:.3f} MP, features at most {apart:.1e} apart")
    pure: dict[str, Callable[[int], object]] = {
        "original": lambda i: original_features(bgr[i]),
        "ours": lambda i: colour_features(rgb[i]),
    }
    whole: dict[str, Callable[[int], object]] = {
        "original": lambda i: original_from_file(paths[i]),
        "ours": lambda i: from_file(paths[i], limits),
        "by way of a 224 square, as a guide does": lambda i: from_square(paths[i], limits),
    }
    for threads in sorted({1, core_count()}):
        for title, ways in (("pixels", pure), ("files", whole)):
            speeds = timed(ways, len(paths), threads)
            said = [f"{way} {speed:.0f} (x{speed / speeds['original']:.1f})" for way, speed in speeds.items()]
            print(f"  from {title}, {threads} thread(s): {', '.join(said)}", flush=True)


def compare_speed() -> None:
    print(f"OpenCV {cv2.__version__}; pictures per second")
    for name in ("flowers17", "rooms", "colour-clothes", "cifar10"):
        compare_set(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["families", "speed"], metavar="PART")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--grid", choices=("usual", "full"), default="usual", help="full: search the original's grids")
    given = parser.parse_args()
    print(describe_machine())
    parts: dict[str, Callable[[], None]] = {
        "families": partial(compare_families, given.families, given.grid == "full"),
        "features": show_features,
        "speed": compare_speed,
    }
    for part in given.parts:
        parts[part]()


if __name__ == "__main__":
    main()

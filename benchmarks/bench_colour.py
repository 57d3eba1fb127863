"""The colour learner: its five families on the original system's own hard cases, and features per second beside it.

`families` reads ../shared/data/art-colour-vectors: 3,821 vectors, the support vectors of the original's SVM, so all its
hard cases and none of the easy 12,500. Side by side, at the original's settings or, with `--grid full`, the best of its
grids (the MLP's takes half an hour): its protocol (scaler fitted on everything, a random quarter held out, 5-fold on
the rest, scikit-learn's own answers) and ours (scaler inside, near-copies in one fold, every row held out once, so a
third more to learn from). `features` shows importance and the elimination curve.

`speed` times the features on real pictures against the original's own code path, OpenCV's conversions and numpy's means
and deviations, in interleaved rounds, the best of each; the target is twice as fast.

`python benchmarks/bench_colour.py [--parts PART...] [--families FAMILY...] [--grid usual|full]`, by default the parts
families and speed.
"""

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

from common import describe_machine, make_parser, parse_options, shared_data
from fieldguide.calibration import fit_temperature, log_losses, softmax
from fieldguide.engine import core_count, map_threads
from fieldguide.exporters.colour import Family
from fieldguide.features import load_square
from fieldguide.images import Limits, decode
from fieldguide.images.colour_features import FEATURE_NAMES, colour_features
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
from fieldguide.learners.colour.importance import measure_importance, trace_elimination
from fieldguide.learners.contract import group_folds
from fieldguide.metrics import accuracy, calibration_error
from fieldguide.records import Preprocessing

PUBLISHED = {"svm": 0.878, "mlp": 0.874, "logistic": 0.862, "forest": 0.836, "boosting": 0.782}
PARTS = ("families", "features", "speed")
NEAR = 0.02  # standard deviations, in every feature
SETS = ("flowers17", "rooms", "colour-clothes", "cifar10")
SMALL_CLASSES, SMALL_ROWS, SMALL_PICTURES = 3, 60, 6


# ---- the families


def load_vectors(small: bool) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """Return features (n, 18), classes (n,) and class names; if `small`, some rows of the first classes."""
    with (shared_data("art-colour-vectors") / "support_vectors_labelled.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head[1:]) == FEATURE_NAMES
    names = sorted({row[0] for row in rows})
    if small:
        names = names[:SMALL_CLASSES]
        rows = [row for name in names for row in [row for row in rows if row[0] == name][:SMALL_ROWS]]
    return np.array([row[1:] for row in rows], np.float32), np.array([names.index(row[0]) for row in rows]), names


def group_near_copies(features: NDArray[np.float32]) -> list[str]:
    """Return a group for each row: rows that hardly differ in any feature are together."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(features / features.std(axis=0)).query_pairs(NEAR, p=np.inf, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(features), len(features)))
    return [str(number) for number in connected_components(graph, directed=False)[1]]


def score_original(features: NDArray[np.float32], labels: NDArray[np.int64], candidate: Candidate) -> str:
    """Return the cross-validated accuracy and that of the quarter held out, as the original measures them."""
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


def compare_families(families: Sequence[Family], grid: bool, small: bool) -> None:
    """Print a row for each family, its best or usual parameters measured in both ways."""
    features, labels, names = load_vectors(small)
    groups = group_near_copies(features)
    samples = Samples(features, labels, seed=1)
    folds = group_folds(labels, groups, 5, 0)
    print(f"{len(labels)} vectors, {len(names)} classes, {len(set(groups))} groups; baseline ", end="")
    print(f"{np.bincount(labels).max() / len(labels):.3f}; published: on 16,311, three quarters, 5-fold")
    print(
        f"{'family':<9} {'published':>9} | {'original: CV (std) quarter':<26} | {'ours: accuracy (interval), std':<34} "
        f"{'log loss':>8} {'ECE':>6} {'fit s':>6}"
    )
    for family in families:
        candidate, chosen = DEFAULTS[family], ""
        if grid:
            start = time.perf_counter()
            search = search_families(samples, folds, list_candidates(family))
            candidate, logits = search.best, search.logits
            chosen = f"  of {len(search.scores)} in {time.perf_counter() - start:.0f} s"
        else:
            logits = hold_out_logits(samples, folds, candidate)
        theirs = score_original(features, labels, candidate)
        share, low, high = accuracy(labels, logits.argmax(axis=1))
        spread = np.std([np.mean(logits[test].argmax(axis=1) == labels[test]) for _, test in folds])
        temperature = fit_temperature(logits, labels)
        start = time.perf_counter()
        fit_classifier(samples, candidate)
        seconds = time.perf_counter() - start
        print(
            f"{family:<9} {PUBLISHED[family]:>9.3f} | {theirs:<26} | "
            f"{f'{share:.3f} ({low:.3f} to {high:.3f}), {spread:.3f}':<34} "
            f"{log_losses(logits / temperature, labels).mean():>8.3f} "
            f"{calibration_error(softmax(logits / temperature), labels):>6.3f} {seconds:>6.2f}   {candidate}{chosen}",
            flush=True,
        )


def show_features(small: bool) -> None:
    """Print the most important features and the elimination curve of the SVM."""
    features, labels, _ = load_vectors(small)
    samples, candidate = Samples(features, labels), DEFAULTS["svm"]
    folds = group_folds(labels, group_near_copies(features), 5, 0)
    fitted = search_families(samples, folds, [candidate]).fitted
    importance = measure_importance(samples, folds, fitted).mean
    order = np.argsort(-importance)
    print("importance:", ", ".join(f"{FEATURE_NAMES[index]} {importance[index]:.3f}" for index in order))
    curve = trace_elimination(samples, folds, fitted)
    print("accuracy with 1, 2 ... 18 features:", " ".join(f"{point.accuracy:.3f}" for point in curve))


# ---- the features


def original_features(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute the features of a BGR picture in the way that the original system does."""
    spaces = [image, cv2.cvtColor(image, cv2.COLOR_BGR2HSV), cv2.cvtColor(image, cv2.COLOR_BGR2Lab)]
    means = [np.mean(space, axis=(0, 1)) for space in spaces]
    return np.hstack([*means, *(np.std(space, axis=(0, 1)) for space in spaces)])


def measure_rates(ways: dict[str, Callable[[int], object]], count: int, threads: int, rounds: int) -> dict[str, float]:
    """Return the pictures per second of each way, the best of interleaved rounds."""
    cv2.setNumThreads(threads)
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            list(map_threads(way, range(count), workers=threads))
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: count / seconds for name, seconds in best.items()}


def from_file(path: Path, limits: Limits) -> NDArray[np.float32]:
    return colour_features(decode(path.read_bytes(), limits)[None])


def from_square(path: Path, limits: Limits) -> NDArray[np.float32]:
    return colour_features(load_square(path, Preprocessing(fit="squash"), limits)[None])


def original_from_file(path: Path) -> NDArray[np.float64]:
    image = cv2.imread(str(path))
    assert image is not None
    return original_features(np.asarray(image, np.uint8))


def list_pictures(name: str, count: int) -> list[Path]:
    """Return up to so many files of a set, spread over its classes."""
    paths = sorted(path for path in shared_data(name).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return paths[:: max(1, len(paths) // count)][:count]


def compare_set(name: str, count: int, rounds: int) -> None:
    """Print the rates of both on pictures of a set, from pixels and from files."""
    paths, limits = list_pictures(name, count), Limits()
    bgr = [np.asarray(cv2.imread(str(path)), np.uint8) for path in paths]
    rgb = [np.ascontiguousarray(image[None, ..., ::-1]) for image in bgr]
    gaps = [colour_features(ours)[0] - original_features(theirs) for ours, theirs in zip(rgb, bgr, strict=True)]
    apart = np.abs(gaps).max()
    size = np.mean([image.shape[0] * image.shape[1] for image in bgr])
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
            rates = measure_rates(ways, len(paths), threads, rounds)
            cells = [f"{way} {rate:.0f} (x{rate / rates['original']:.1f})" for way, rate in rates.items()]
            print(f"  from {title}, {threads} thread(s): {', '.join(cells)}", flush=True)


def compare_speed(small: bool) -> None:
    """Print the rates of both on each set."""
    print(f"OpenCV {cv2.__version__}; pictures per second")
    for name in SETS:
        compare_set(name, SMALL_PICTURES if small else 60, 1 if small else 5)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["families", "speed"], metavar="PART")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--grid", choices=("usual", "full"), default="usual", help="full: search the original's grids")
    options = parse_options(parser)
    print(describe_machine())
    parts: dict[str, Callable[[], None]] = {
        "families": partial(compare_families, options.families, options.grid == "full", options.small),
        "features": partial(show_features, options.small),
        "speed": partial(compare_speed, options.small),
    }
    for part in options.parts:
        parts[part]()


if __name__ == "__main__":
    main()

"""How well `clean` finds pictures of something else: 5 % of another set mixed into every class.

AUROC of the ranking over all pictures, beside cleanlab's OutOfDistribution on the same features, over all of them and
within one class after another (nan where cleanlab is not installed). Then what a limit rejects: the share of what was
mixed in and of the good pictures, and the share of good ones that the report says it costs.
`python benchmarks/bench_outliers.py [SET...]`; every set is mixed into every other, five draws each.
"""

import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, set_folder
from fieldguide.checks.contract import SUSPICIOUS, FeatureRows
from fieldguide.checks.losses import estimate_loss
from fieldguide.checks.outliers import judge_outliers, share_lost
from fieldguide.features import Pictures
from fieldguide.learners.frozen import embed_usual
from fieldguide.progress import SilentProgress
from real_sets import make_project

SETS = ["flowers17", "charts-dev", "rooms", "handbags"]
SHARE = 0.05
LIMITS = (0.5, 0.8, 0.95)
Floats = NDArray[np.float32]


class Table(NamedTuple):
    """The features of a set's kept pictures, and their classes."""

    features: Floats
    labels: NDArray[np.int64]
    top: int


def read_set(name: str, small: bool, base: Path) -> Table:
    project, data = make_project(set_folder(name, small, base), base / name)
    pictures = Pictures(project, tuple(data.images.items()), project.settings(), SilentProgress())
    features, top = embed_usual(pictures)
    return Table(features, data.labels, top)


def mix(table: Table, others: Table, seed: int) -> tuple[FeatureRows, NDArray[np.bool_]]:
    """Return a set with pictures of another in every class, and which those are."""
    dice = np.random.default_rng(seed)
    counts = np.bincount(table.labels)
    labels = np.repeat(np.arange(len(counts)), np.maximum(1, np.rint(counts * SHARE / (1 - SHARE)).astype(int)))
    labels = labels[: len(others.labels)]
    mixed = dice.permutation(len(others.labels))[: len(labels)]
    features = np.concatenate([table.features, others.features[mixed]])
    names = tuple(f"{number:064x}" for number in dice.permutation(len(features)))
    classes = tuple(f"class {number}" for number in range(len(counts)))
    rows = FeatureRows(names, np.concatenate([table.labels, labels]), classes, names, features, table.top)
    return rows, np.arange(len(features)) >= len(table.labels)


def score_ours(rows: FeatureRows) -> NDArray[np.float64]:
    scores = {verdict.sha256: verdict.score for verdict in judge_outliers(rows)}
    return np.array([scores.get(name, 0.0) for name in rows.sha256])


def score_peer(rows: FeatureRows, by_class: bool) -> NDArray[np.float64] | None:
    """Return how odd cleanlab finds each picture, over all or within one class after another; None without cleanlab."""
    try:
        peer = import_module("cleanlab.outlier")
    except ImportError:
        return None
    features = rows.features[:, : rows.top]
    parts = [np.flatnonzero(rows.labels == label) for label in np.unique(rows.labels)]
    scores = np.zeros(len(features))
    for places in parts if by_class else [np.arange(len(features))]:
        detector = peer.OutOfDistribution({"k": min(10, len(places) - 1)})
        scores[places] = 1.0 - detector.fit_score(features=features[places], verbose=False)
    return scores


def auroc(scores: NDArray[np.float64], mixed: NDArray[np.bool_]) -> float:
    """Return how often a mixed-in picture is ranked above a good one; ties count half."""
    above = scores[mixed][:, None] > scores[~mixed]
    equal = scores[mixed][:, None] == scores[~mixed]
    return float((above + 0.5 * equal).mean())


def compare(tables: dict[str, Table], draws: int) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield each set, what was mixed in, and the figures, means over the draws."""
    for name, table in tables.items():
        for other, others in tables.items():
            if other == name:
                continue
            figures: list[dict[str, float]] = []
            for seed in range(draws):
                rows, mixed = mix(table, others, seed)
                ours = score_ours(rows)
                row = {"ours": auroc(ours, mixed)}
                for column, by_class in (("cleanlab", False), ("by class", True)):
                    scores = score_peer(rows, by_class)
                    row[column] = float("nan") if scores is None else auroc(scores, mixed)
                for limit in LIMITS:
                    row[f"found {limit}"] = float((ours[mixed] >= limit).mean())
                    row[f"lost {limit}"] = float((ours[~mixed] >= limit).mean())
                row["neighbours say"] = estimate_loss(rows, ours >= SUSPICIOUS)
                figures.append(row)
            yield name, other, {key: float(np.mean([row[key] for row in figures])) for key in figures[0]}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--draws", type=int, default=5)
    options = parse_options(parser, draws=1, sets=SETS[:2])
    with tempfile.TemporaryDirectory() as folder:
        tables = {name: read_set(name, options.small, Path(folder)) for name in options.sets}
    print(describe_machine())
    print(f"\nAUROC of the ranking, {SHARE:.0%} of another set mixed into each class, means of {options.draws} draws")
    print(f"{'set':12} {'mixed in':12} {'clean':>7} {'cleanlab':>9} {'by class':>9}   found and lost from a score on")
    results = list(compare(tables, options.draws))
    for name, other, row in results:
        limits = "  ".join(f"{limit}: {row[f'found {limit}']:4.0%} {row[f'lost {limit}']:5.1%}" for limit in LIMITS)
        print(f"{name:12} {other:12} {row['ours']:7.4f} {row['cleanlab']:9.4f} {row['by class']:9.4f}   {limits}")
    means = {key: float(np.mean([row[key] for _, _, row in results])) for key in results[0][2]}
    print(f"by the neighbours of what is suspected, the good among it are {means['neighbours say']:.2%} of all good")
    worst = min(row["ours"] for _, _, row in results)
    print(f"mean: clean {means['ours']:.4f} (worst {worst:.4f}), cleanlab {means['cleanlab']:.4f}, "
          f"by class {means['by class']:.4f}; aim 0.95")  # fmt: skip
    for limit in LIMITS:
        found, lost = means[f"found {limit}"], means[f"lost {limit}"]
        told = f"the report says {share_lost(limit):.2%}"
        print(f"rejected from {limit} on: {found:.1%} of what was mixed in, {lost:.2%} of the good; {told}")


if __name__ == "__main__":
    main()

"""Wrong labels found: flipped labels ranked by the check of labels, beside cleanlab, and what a reviewer saves by it.

Labels of real pictures are changed to another class at random. Each way ranks all pictures; the AUROC, and the
precision among as many as were flipped, say how well. cleanlab's way is `CleanLearning()`: scikit-learn's logistic
regression on the same features in five folds, then self-confidence; it is also given Fieldguide's own probabilities.
Then a simulated reviewer starts with one label in five wrong, looks at the worst first and corrects what is wrong;
after every twentieth of the pictures they are ranked anew. Without cleanlab its rows are left out.
`python benchmarks/bench_labels.py [SET...]`
"""

import shutil
import tempfile
import time
import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, set_folder
from fieldguide.checks.contract import SUSPICIOUS, FeatureRows
from fieldguide.checks.labels import score_labels
from fieldguide.features import Pictures
from fieldguide.learners.frozen import embed_usual
from fieldguide.progress import SilentProgress
from fieldguide.stages.clean.labels import predict_left_out
from real_sets import make_project

SETS = ["flowers17", "charts-dev", "cifar10"]
SHARES = (0.05, 0.2)
PER_CLASS = 100  # of cifar10, so that the run stays short
LEFT = 0.02  # of the labels wrong, where the reviewer ends
ROUND = 0.05  # of the pictures, between two rankings
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Ranking(NamedTuple):
    """How doubtful each label is, which ones are said to be wrong, and the seconds that it took."""

    scores: NDArray[np.float64]
    suspects: Flags
    seconds: float


def rank_here(rows: FeatureRows) -> tuple[Ranking, NDArray[np.float64]]:
    """Rank as `clean` does, and return the probabilities that it ranked by."""
    start = time.perf_counter()
    probs = predict_left_out(rows)
    scores = score_labels(probs, rows.labels)
    return Ranking(scores, scores >= SUSPICIOUS, time.perf_counter() - start), probs


def rank_by_cleanlab(rows: FeatureRows) -> Ranking:
    """Rank as cleanlab does when it is told nothing but features and labels."""
    from cleanlab.classification import CleanLearning

    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its regression stops before it has converged, and says so
        issues = CleanLearning(seed=0).find_label_issues(rows.features, rows.labels)
    return Ranking(
        1.0 - issues["label_quality"].to_numpy(), issues["is_label_issue"].to_numpy(), time.perf_counter() - start
    )


def rank_probs_by_cleanlab(rows: FeatureRows, probs: NDArray[np.float64]) -> Ranking:
    """Rank as cleanlab does given out-of-fold probabilities."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    start = time.perf_counter()
    quality = get_label_quality_scores(rows.labels, probs)
    return Ranking(1.0 - quality, find_label_issues(rows.labels, probs), time.perf_counter() - start)


def flip(labels: Integers, share: float, seed: int) -> tuple[Integers, Flags]:
    """Return labels of which a share is changed to another class, and which."""
    dice, classes = np.random.default_rng(seed), int(labels.max()) + 1
    flipped = np.zeros(len(labels), dtype=bool)
    flipped[dice.choice(len(labels), round(share * len(labels)), replace=False)] = True
    return np.where(flipped, (labels + dice.integers(1, classes, len(labels))) % classes, labels), flipped


def measure(ranking: Ranking, flipped: Flags) -> tuple[float, ...]:
    """Return AUROC, precision among as many as were flipped, suspects, their precision and recall, seconds."""
    from sklearn.metrics import roc_auc_score

    count, hits = int(flipped.sum()), int((ranking.suspects & flipped).sum())
    worst = np.argsort(-ranking.scores, kind="stable")[:count]
    suspects = int(ranking.suspects.sum())
    auroc = float(roc_auc_score(flipped, ranking.scores))
    return auroc, flipped[worst].mean(), suspects, hits / max(1, suspects), hits / count, ranking.seconds


def review(rows: FeatureRows, truth: Integers) -> int:
    """Return how many pictures a reviewer looks at, the worst first, until few labels are wrong."""
    allowed, step = round(LEFT * len(truth)), max(1, round(ROUND * len(truth)))
    looked: list[int] = []
    while int((rows.labels != truth).sum()) > allowed:
        order = np.argsort(-rank_here(rows)[0].scores, kind="stable")
        for place in order[~np.isin(order, looked)][:step].tolist():
            looked.append(place)
            rows.labels[place] = truth[place]
            if int((rows.labels != truth).sum()) <= allowed:
                break
        rows = replace(rows, certain=frozenset(rows.sha256[place] for place in looked))
    return len(looked)


def look_at_random(pictures: int) -> float:
    """Return how many pictures a reviewer looks at on average in random order, until as few are wrong."""
    wrong = round(SHARES[-1] * pictures)
    return (wrong - round(LEFT * pictures)) * (pictures + 1) / (wrong + 1)


def copy_some(folder: Path, copy: Path) -> Path:
    """Return a folder with the first pictures of each class."""
    for class_folder in sorted(folder.iterdir()):
        (copy / class_folder.name).mkdir(parents=True)
        for path in sorted(class_folder.iterdir())[:PER_CLASS]:
            shutil.copyfile(path, copy / class_folder.name / path.name)
    return copy


def open_set(name: str, small: bool, base: Path) -> FeatureRows:
    """Return the kept pictures of a set, with the labels that they have."""
    folder = set_folder(name, small, base)
    if name == "cifar10" and not small:
        folder = copy_some(folder / "train", base / "some-cifar10")
    project, data = make_project(folder, base / name)
    pictures = Pictures(project, tuple(data.images.items()), project.settings(), SilentProgress())
    features, top = embed_usual(pictures)
    return FeatureRows(tuple(data.images), data.labels, data.class_names, data.groups, features, top)


def print_rankings(name: str, rows: FeatureRows, seeds: int, with_cleanlab: bool) -> None:
    """Print the set's rows of the first table, means over the seeds."""
    for share in SHARES:
        results: dict[str, list[tuple[float, ...]]] = {}
        for seed in range(seeds):
            labels, flipped = flip(rows.labels, share, seed)
            mislabelled = replace(rows, labels=labels)
            here, probs = rank_here(mislabelled)
            rankings = {"fieldguide": here}
            if with_cleanlab:
                rankings["cleanlab"] = rank_by_cleanlab(mislabelled)
                rankings["cleanlab, our probs"] = rank_probs_by_cleanlab(mislabelled, probs)
            for way, ranking in rankings.items():
                results.setdefault(way, []).append(measure(ranking, flipped))
        for way, numbers in results.items():
            auroc, precision, suspects, right, recall, seconds = np.mean(numbers, axis=0)
            print(
                f"{name:<11} {share:>5.0%} {way:<20} {auroc:>6.3f} {precision:>10.3f} {suspects:>9.1f} {right:>9.2f} "
                f"{recall:>7.2f} {seconds:>8.2f}",
                flush=True,
            )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", default=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", type=int, default=3, help="how often labels are flipped")
    options = parse_options(parser, sets=["flowers17"], seeds=1)
    with_cleanlab = find_spec("cleanlab") is not None
    print(describe_machine())
    if not with_cleanlab:
        print("cleanlab is not installed: its rows are left out")
    with tempfile.TemporaryDirectory() as base:
        sets = {name: open_set(name, options.small, Path(base)) for name in options.sets}
        print(f"\nmeans over {options.seeds} seeds")
        print(f"{'set':<11} {'wrong':>5} {'way':<20} {'AUROC':>6} {'prec. at k':>10} {'suspected':>9} {'precision':>9} "
              f"{'recall':>7} {'seconds':>8}")  # fmt: skip
        for name, rows in sets.items():
            print_rankings(name, rows, options.seeds, with_cleanlab)
        print("\nlooks from 20 % to 2 % of the labels wrong, means over the seeds")
        print(f"{'set':<11} {'pictures':>8} {'worst first':>12} {'random':>8} {'share':>6}")
        for name, rows in sets.items():
            looks = []
            for seed in range(options.seeds):
                labels, _ = flip(rows.labels, SHARES[-1], seed)
                looks.append(review(replace(rows, labels=labels), rows.labels))
            at_random, mean = look_at_random(len(rows.labels)), float(np.mean(looks))
            print(
                f"{name:<11} {len(rows.labels):>8} {mean:>12.1f} {at_random:>8.1f} {mean / at_random:>6.2f}", flush=True
            )


if __name__ == "__main__":
    main()

"""How well pictures of other things are told from known ones: Fieldguide's familiarity beside single scores.

Each class in turn, at most eight of a set, is left out of the learning and asked about, beside held-out pictures of the
classes that were learnt; then pictures of the other sets. A score is judged by its AUROC, and by how many unknown
pictures it accepts where it accepts 95 % of the known. All scores read the same features of frozen EfficientNet-Lite0
and the same ridge head. `python benchmarks/bench_decline.py [SET...]`
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, set_folder
from fieldguide.calibration import fit_familiarity, fit_temperature, softmax, weigh_probability
from fieldguide.features import Pictures, cache_folder
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_widths
from fieldguide.learners.contract import group_folds
from fieldguide.learners.linear_head import Head, root
from fieldguide.learners.ridge import fit_ridge
from fieldguide.metrics import wilson_interval
from fieldguide.progress import SilentProgress
from fieldguide.records import Preprocessing
from real_sets import make_project

SETS = ["flowers17", "charts-dev", "handbags", "rooms", "colour-clothes", "cifar10"]
PER_CLASS, OF_OTHERS, LEFT_OUT, FOLDS = 40, 60, 8, 3
ACCEPTED = 0.95
PENALTY = 1e-3  # usual where features are many and pictures few
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Rows(NamedTuple):
    """Features of pictures, (n, d), their labels and their groups; the first `top` features are the last layer."""

    features: Floats
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    top: int


def load_rows(name: str, small: bool, base: Path) -> Rows:
    """Return the features of a set, at most `PER_CLASS` pictures of a class."""
    folder = set_folder(name, small, base)
    project, data = make_project(folder / "train" if (folder / "train").is_dir() else folder, base / name)
    chosen = np.concatenate([np.flatnonzero(data.labels == label)[:PER_CLASS] for label in np.unique(data.labels)])
    data = data.take(np.sort(chosen))
    pictures = Pictures(project, tuple(data.images.items()), project.settings(), SilentProgress())
    view = Preprocessing(size=256, fit="squash", resize_shorter=293, mean=(0.5,) * 3, std=(0.5,) * 3)
    path = backbone_model(BackboneChoice(), view, cache_folder())
    (features,) = pictures.embed_views(path, (view,), "onnxruntime")
    return Rows(features, data.labels, data.groups, backbone_widths(BackboneChoice(), view.size)["top"])


def score_pictures(learnt: Rows, known: Floats, unknown: Floats) -> dict[str, tuple[Doubles, Doubles]]:
    """Return each score of the held-out known pictures, and of the unknown ones; higher is more familiar."""
    layer, penalty, held_out = fit_ridge(
        learnt.features.copy(), learnt.labels, np.unique(learnt.groups, return_inverse=True)[1], [PENALTY]
    )
    head, temperature = Head((layer,), 1.0, penalty, "ridge"), fit_temperature(held_out, learnt.labels)
    rows = root(learnt.features[:, : learnt.top])
    familiarity = fit_familiarity(rows, learnt.labels)
    inner = np.zeros(len(rows))
    for train, rest in group_folds(learnt.labels, learnt.groups, FOLDS, 0):
        inner[rest] = fit_familiarity(rows[train], learnt.labels[train]).nearness(rows[rest])
    weight = weigh_probability(inner, softmax(held_out / temperature).max(axis=1))
    scores: dict[str, tuple[Doubles, Doubles]] = {}
    asked = [known, unknown]
    logits = [head.logits(features) / temperature for features in asked]
    top = [root(features[:, : learnt.top]) for features in asked]
    probs = [softmax(values).max(axis=1) for values in logits]
    near = [familiarity.nearness(values) for values in top]
    scores["most probable class"] = (probs[0], probs[1])
    energies = [np.logaddexp.reduce(values, axis=1) for values in logits]
    scores["energy"] = (energies[0], energies[1])
    scores["5 nearest pictures, cosine"] = (nearest_pictures(rows, top[0]), nearest_pictures(rows, top[1]))
    distances = mahalanobis(rows, learnt.labels, top)
    scores["Mahalanobis"] = (-distances[0][0], -distances[1][0])
    scores["Mahalanobis, relative"] = (-distances[0][1], -distances[1][1])
    scores["nearest class mean, cosine"] = (near[0], near[1])
    scores["Fieldguide"] = (near[0] + weight * (probs[0] - 1), near[1] + weight * (probs[1] - 1))
    return scores


def nearest_pictures(rows: Floats, asked: Floats) -> Doubles:
    """Return the mean cosine to the five nearest pictures."""
    cosines = unit(asked) @ unit(rows).T
    return np.asarray(np.sort(cosines, axis=1)[:, -5:].mean(axis=1), dtype=np.float64)


def unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def mahalanobis(rows: Floats, labels: NDArray[np.int64], asked: list[Floats]) -> list[tuple[Doubles, Doubles]]:
    """Return the distance to the nearest class mean, and the same less that to the mean of all (Ren et al., 2021).

    One covariance for all classes; beyond its first 200 axes it is taken as round.
    """
    classes = np.unique(labels)
    means = np.stack([rows[labels == label].mean(axis=0) for label in classes])
    within = rows - means[np.searchsorted(classes, labels)]
    everything = rows.mean(axis=0, keepdims=True)
    measures = [distance_measure(within, means), distance_measure(rows - everything, everything)]
    return [(measures[0](values), measures[0](values) - measures[1](values)) for values in asked]


def distance_measure(deviations: Floats, means: Floats) -> Callable[[Floats], Doubles]:
    """Return what gives the squared Mahalanobis distance to the nearest of some means."""
    _, lengths, axes = np.linalg.svd(deviations, full_matrices=False)
    count = min(200, len(lengths) - 1)
    variances, axes = (lengths**2 / len(deviations))[:count], axes[:count]
    round_variance = float((deviations**2).mean())

    def measure(rows: Floats) -> Doubles:
        best = np.full(len(rows), np.inf)
        for mean in means:
            offset = rows - mean
            along = offset @ axes.T
            rest = (offset**2).sum(axis=1) - (along**2).sum(axis=1)
            best = np.minimum(best, (along**2 / (variances + round_variance)).sum(axis=1) + rest / round_variance)
        return best

    return measure


def area_under_curve(known: Doubles, unknown: Doubles) -> float:
    """Return the share of pairs in which the known picture has the higher score, AUROC; ties count half."""
    below = np.searchsorted(np.sort(unknown), known, side="left") + np.searchsorted(np.sort(unknown), known, "right")
    return float(below.mean() / 2 / len(unknown))


def judge_set(rows: Rows, others: Floats) -> dict[tuple[str, str], list[tuple[float, int, int]]]:
    """Return, by score and kind of unknown, the AUROC, the unknown pictures accepted and their number, per draw."""
    results: dict[tuple[str, str], list[tuple[float, int, int]]] = defaultdict(list)
    classes = np.unique(rows.labels)
    left_out = classes[:: max(1, -(-len(classes) // LEFT_OUT))].tolist() if len(classes) > 2 else []
    for label in [*left_out, None]:
        known = np.flatnonzero(rows.labels != label) if label is not None else np.arange(len(rows.labels))
        labels = np.unique(rows.labels[known], return_inverse=True)[1]
        groups = tuple(rows.groups[place] for place in known)
        unknown = others if label is None else rows.features[rows.labels == label]
        train, rest = group_folds(labels, groups, FOLDS, 0)[0]
        learnt = Rows(rows.features[known[train]], labels[train], tuple(groups[place] for place in train), rows.top)
        for name, (familiar, strange) in score_pictures(learnt, rows.features[known[rest]], unknown).items():
            accepted = int(np.sum(strange >= np.quantile(familiar, 1 - ACCEPTED)))
            kind = "other sets" if label is None else "a class left out"
            results[name, kind].append((area_under_curve(familiar, strange), accepted, len(strange)))
    return results


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", default=SETS, metavar="SET", help=", ".join(SETS))
    options = parse_options(parser, sets=["flowers17", "handbags"])
    print(describe_machine())
    print("\n| set | unknown | score | AUROC | accepted where 95 % of the known are |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as base:
        sets = {name: load_rows(name, options.small, Path(base)) for name in options.sets}
        for name, rows in sets.items():
            others = np.concatenate([other.features[:OF_OTHERS] for key, other in sets.items() if key != name])
            for (score, kind), draws in sorted(judge_set(rows, others).items(), key=lambda item: item[0][1]):
                auroc = float(np.mean([draw[0] for draw in draws]))
                accepted, count = sum(draw[1] for draw in draws), sum(draw[2] for draw in draws)
                low, high = wilson_interval(accepted, count)
                share = f"{accepted / count:.3f} ({low:.3f} to {high:.3f}) of {count}"
                print(f"| {name} | {kind} | {score} | {auroc:.3f} | {share} |", flush=True)


if __name__ == "__main__":
    main()

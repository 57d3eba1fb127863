"""How well pictures of other things are told from known ones: the score that Fieldguide chooses beside single scores.

Each class in turn, at most eight of a set, is left out of the learning and asked about, beside held-out pictures of the
classes that were learnt; then pictures of the other sets, and drawn ones. The choice is made anew each time, by what is
learnt from alone. A score is judged by its AUROC, and by how many unknown pictures it accepts where it accepts 95 % of
the known. All scores read the same features of frozen EfficientNet-Lite0 and the same ridge head.
`python benchmarks/bench_decline.py [SET...]`
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common import describe_machine, make_parser, parse_options, set_folder
from fieldguide.calibration import Calibration, fit_temperature, softmax
from fieldguide.familiarity import CANDIDATES, SCORES, USUAL, Candidate, find_basis, fit_familiarity, weigh_probability
from fieldguide.features import Pictures, cache_folder
from fieldguide.features.altered import AlteredPictures, Change
from fieldguide.images.unrelated import KINDS, draw_unrelated
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_widths
from fieldguide.learners.contract import Fold, Outputs, TrainingData, group_folds
from fieldguide.learners.declining import KnownPictures, fit_declining
from fieldguide.learners.linear_head import NEVER, Head, root
from fieldguide.learners.ridge import fit_ridge
from fieldguide.metrics import area_under_curve, wilson_interval
from fieldguide.progress import SilentProgress
from fieldguide.records import Preprocessing
from real_sets import make_project

SETS = ["flowers17", "charts-dev", "handbags", "rooms", "colour-clothes", "cifar10"]
PER_CLASS, OF_OTHERS, LEFT_OUT, FOLDS = 40, 60, 8, 3
TO_CHOOSE, TO_JUDGE = 6, 12  # drawn pictures of each kind
ACCEPTED = 0.95
PENALTY = 1e-3  # usual where features are many and pictures few
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Labels = NDArray[np.int64]


class Rows(NamedTuple):
    """Features of pictures, (n, d), their labels and their groups; the first `top` features are the last layer."""

    features: Floats
    labels: Labels
    groups: tuple[str, ...]
    top: int


class Drawn(NamedTuple):
    """Features of drawn pictures, those that choose by kind, and those that are judged."""

    to_choose: dict[str, Floats]
    to_judge: Floats


def load_rows(name: str, small: bool, base: Path) -> tuple[Rows, Drawn]:
    """Return the features of a set, at most `PER_CLASS` pictures of a class, and of drawn pictures."""
    folder = set_folder(name, small, base)
    project, data = make_project(folder / "train" if (folder / "train").is_dir() else folder, base / name)
    chosen = np.concatenate([np.flatnonzero(data.labels == label)[:PER_CLASS] for label in np.unique(data.labels)])
    data = data.take(np.sort(chosen))
    pictures = Pictures(project, tuple(data.images.items()), project.settings(), SilentProgress())
    view = Preprocessing(size=256, fit="squash", resize_shorter=293, mean=(0.5,) * 3, std=(0.5,) * 3)
    path = backbone_model(BackboneChoice(), view, cache_folder())
    (features,) = pictures.embed_views(path, (view,), "onnxruntime")

    def draw(count: int, seed: int) -> dict[str, Floats]:
        drawings = [draw_unrelated(kind, number, seed) for kind in KINDS for number in range(count)]
        shown = AlteredPictures.of(pictures, [0] * len(drawings), [show(image) for image in drawings])
        (rows,) = shown.embed_views(path, (view,), "onnxruntime")
        return {kind: rows[place * count : (place + 1) * count] for place, kind in enumerate(KINDS)}

    drawn = Drawn(draw(TO_CHOOSE, 1), np.concatenate(list(draw(TO_JUDGE, 2).values())))
    return Rows(features, data.labels, data.groups, backbone_widths(BackboneChoice(), view.size)["top"]), drawn


def show(image: Image.Image) -> Change:
    return lambda _: image


@dataclass(frozen=True)
class RidgeOnRows:
    """A learner whose pictures are rows of features already: as much of one as the choice asks of it."""

    temperature: float
    is_quick = True

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Any) -> Doubles:
        """Return (n, classes) logits; a class that a fold does not learn is never the answer."""
        rows: Any = training.pictures
        logits = np.full((len(training.labels), len(training.class_names)), np.nan)
        for learnt, rest in folds:
            seen, labels = np.unique(training.labels[learnt], return_inverse=True)
            answers = np.full((len(rest), logits.shape[1]), NEVER)
            answers[:, seen] = fit_head(rows.features[learnt], labels, learnt)[0].logits(rows.features[rest])
            logits[rest] = answers
        return logits


@dataclass(frozen=True)
class FeatureRows:
    """Rows of features in the place of pictures."""

    features: Floats

    def take(self, chosen: NDArray[np.intp]) -> "FeatureRows":
        """Return the rows at these places."""
        return replace(self, features=self.features[chosen])


def fit_head(features: Floats, labels: Labels, groups: NDArray[Any]) -> tuple[Head, Doubles]:
    """Return ridge's head, and the logits of each row by one that never saw its group."""
    numbers = np.unique(groups, return_inverse=True)[1]
    layer, penalty, held_out = fit_ridge(features.copy(), labels, numbers, [PENALTY])
    return Head((layer,), 1.0, penalty, "ridge"), held_out


def score_pictures(
    learnt: Rows, drawn: Drawn, known: Floats, unknown: Floats
) -> tuple[str, dict[str, tuple[Doubles, Doubles]]]:
    """Return what Fieldguide chose, and each score of the held-out known pictures, and of the unknown ones."""
    head, held_out = fit_head(learnt.features, learnt.labels, np.array(learnt.groups))
    temperature = fit_temperature(held_out, learnt.labels)

    def answer(features: Floats) -> Outputs:
        return Outputs(head.logits(features), features[:, : learnt.top])

    pictures: Any = FeatureRows(learnt.features)
    names = tuple(str(label) for label in range(int(learnt.labels.max()) + 1))
    training = TrainingData(
        pictures, learnt.labels, learnt.groups, np.full(len(learnt.labels), "train"), names, 0, FOLDS
    )
    learner: Any = RidgeOnRows(temperature)
    pool = KnownPictures(
        learner, learner, Calibration(), training, answer(learnt.features), held_out / temperature
    )  # fmt: skip
    declining = fit_declining(pool, {kind: answer(rows) for kind, rows in drawn.to_choose.items()})
    asked = answer(known), answer(unknown)
    scores = {"Fieldguide": tuple(declining.score(outputs, temperature, Calibration()) for outputs in asked)}
    rows = root(learnt.features[:, : learnt.top])
    basis, logits = find_basis(rows), head.logits(learnt.features) / temperature
    singles = [Candidate(score) for score in SCORES]
    weight = weigh_usual(rows, learnt, softmax(held_out / temperature).max(axis=1))
    for single in [USUAL, *singles]:
        fitted = fit_familiarity(rows, learnt.labels, single.score, logits=logits, basis=basis)
        fitted = replace(fitted, weight=weight) if single == USUAL else fitted
        only = replace(declining, familiarity=fitted)
        scores[str(single)] = tuple(only.score(outputs, temperature, Calibration()) for outputs in asked)
    return declining.chosen, {name: (pair[0], pair[1]) for name, pair in scores.items()}


def weigh_usual(rows: Floats, learnt: Rows, probs: Doubles) -> float:
    """Return the weight of the probability beside the nearest class mean, by pictures held out."""
    measured = np.zeros(len(rows))
    for train, rest in group_folds(learnt.labels, learnt.groups, FOLDS, 0):
        fitted = fit_familiarity(rows[train], learnt.labels[train])
        measured[rest] = fitted.measure(rows[rest], np.zeros((len(rest), 1)))
    return weigh_probability(measured, probs)


def judge_set(rows: Rows, drawn: Drawn, others: Floats) -> tuple[Counter[str], dict[tuple[str, str], list[Any]]]:
    """Return what was chosen how often, and by score and kind of unknown the AUROC and what is accepted, per draw."""
    results: dict[tuple[str, str], list[Any]] = defaultdict(list)
    classes, chosen = np.unique(rows.labels), Counter[str]()
    left_out = classes[:: max(1, -(-len(classes) // LEFT_OUT))].tolist() if len(classes) > 2 else []
    for label in [*left_out, None]:
        known = np.flatnonzero(rows.labels != label) if label is not None else np.arange(len(rows.labels))
        labels = np.unique(rows.labels[known], return_inverse=True)[1]
        groups = tuple(rows.groups[place] for place in known)
        kinds = {"other sets": others, "drawn": drawn.to_judge}
        if label is not None:
            kinds = {"a class left out": rows.features[rows.labels == label]}
        train, rest = group_folds(labels, groups, FOLDS, 0)[0]
        learnt = Rows(rows.features[known[train]], labels[train], tuple(groups[place] for place in train), rows.top)
        for kind, unknown in kinds.items():
            name, scores = score_pictures(learnt, drawn, rows.features[known[rest]], unknown)
            for score, (familiar, strange) in scores.items():
                accepted = int(np.sum(strange >= np.quantile(familiar, 1 - ACCEPTED)))
                results[score, kind].append((area_under_curve(familiar, strange), accepted, len(strange)))
        chosen[name] += 1
    return chosen, results


def describe(draws: Sequence[Any]) -> str:
    """Return the mean AUROC of several draws with its 95 % interval, and the share accepted with its own."""
    areas = np.array([draw[0] for draw in draws])
    mean, count = float(areas[:, 0].mean()), len(areas)
    down, up = (float(np.sqrt(((areas[:, side] - areas[:, 0]) ** 2).sum()) / count) for side in (1, 2))
    accepted, total = sum(draw[1] for draw in draws), sum(draw[2] for draw in draws)
    low, high = wilson_interval(accepted, total)
    share = f"{accepted / total:.3f} ({low:.3f} to {high:.3f}) of {total}"
    return f"{mean:.3f} ({max(0.0, mean - down):.3f} to {min(1.0, mean + up):.3f}) | {share}"


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", default=SETS, metavar="SET", help=", ".join(SETS))
    options = parse_options(parser, sets=["flowers17", "handbags"])
    print(describe_machine())
    print(f"\nScores to choose from: {', '.join(str(candidate) for candidate in CANDIDATES)}.")
    print("\n| set | unknown | score | AUROC | accepted where 95 % of the known are |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as base:
        sets = {name: load_rows(name, options.small, Path(base)) for name in options.sets}
        choices = {}
        for name, (rows, drawn) in sets.items():
            other_sets = [other.features[:OF_OTHERS] for key, (other, _) in sets.items() if key != name]
            others = np.concatenate(other_sets) if other_sets else drawn.to_judge
            choices[name], results = judge_set(rows, drawn, others)
            for (score, kind), draws in sorted(results.items(), key=lambda item: item[0][1]):
                print(f"| {name} | {kind} | {score} | {describe(draws)} |", flush=True)
    print()
    for name, counts in choices.items():
        print(f"chosen for {name}: {', '.join(f'{score} {count} times' for score, count in counts.most_common())}")


if __name__ == "__main__":
    main()

"""Whether probabilities mean what they say: not calibrated, by temperature alone, as chosen, and tempered for shifts.

Everything is cross-validated: the head, its calibration and the tempering are fitted to four fifths of the groups, and
judged on the last. The same held-out pictures are asked about again after each change of `images.shifts`. The error is
debiased; its interval is a bootstrap's over groups. All read frozen EfficientNet-Lite0 and a ridge head.
`python benchmarks/bench_calibration.py [SET...]`
"""

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, set_folder
from fieldguide.calibration import Calibration, choose_calibration, fit_temper, fit_temperature, softmax
from fieldguide.features import Pictures, cache_folder
from fieldguide.features.altered import AlteredPictures
from fieldguide.images.shifts import SHIFTS
from fieldguide.learners.backbones import BackboneChoice, backbone_model
from fieldguide.learners.contract import group_folds
from fieldguide.learners.linear_head import Head
from fieldguide.learners.ridge import PENALTIES, fit_ridge
from fieldguide.metrics import calibration_interval, debiased_calibration_error
from fieldguide.progress import SilentProgress
from fieldguide.records import Preprocessing
from real_sets import make_project

SETS = ["flowers17", "charts-dev", "handbags", "rooms", "colour-clothes", "cifar10"]
MOST, CHANGED, FOLDS = 2000, 100, 5
WAYS = ("before", "temperature", "chosen", "tempered")
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Features of n pictures, their labels and groups, and those of the first of them after each change.

    Attributes:
        features: (n, d).
        labels: (n,).
        groups: n group ids.
        asked: (m,) places of the pictures that were changed.
        changed: (changes, m, d).
    """

    features: Floats
    labels: Labels
    groups: tuple[str, ...]
    asked: NDArray[np.intp]
    changed: Floats


def load_rows(name: str, small: bool, base: Path) -> Rows:
    """Return the features of a set, and of at most `CHANGED` of its pictures after each change."""
    folder = set_folder(name, small, base)
    project, data = make_project(folder / "train" if (folder / "train").is_dir() else folder, base / name)
    data = data.take(np.arange(min(MOST, len(data.labels))))
    pictures = Pictures(project, tuple(data.images.items()), project.settings(), SilentProgress())
    view = Preprocessing(size=256, fit="squash", resize_shorter=293, mean=(0.5,) * 3, std=(0.5,) * 3)
    path = backbone_model(BackboneChoice(), view, cache_folder())
    runtime = pictures.choose_runtime(path, view.size)
    (features,) = pictures.embed_views(path, (view,), runtime)
    asked = np.arange(min(CHANGED, len(features)))  # in the order of their hashes: any
    changed = []
    for change in SHIFTS.values():
        altered = AlteredPictures.of(pictures, asked.tolist(), [change] * len(asked))
        changed += altered.embed_views(path, (view,), runtime)
    return Rows(features, data.labels, data.groups, asked, np.stack(changed))


def answer_rows(rows: Rows, seed: int = 0) -> tuple[dict[str, Doubles], dict[str, Doubles], Counter[str]]:
    """Return by way the probabilities of all pictures, (n, classes), of the changed ones, and what was chosen."""
    classes = int(rows.labels.max()) + 1
    probs = {way: np.zeros((len(rows.labels), classes)) for way in WAYS}
    changed = {way: np.zeros((len(SHIFTS), len(rows.asked), classes)) for way in WAYS}
    chosen, places = Counter[str](), {int(place): number for number, place in enumerate(rows.asked)}
    for learnt, rest in group_folds(rows.labels, rows.groups, FOLDS, seed):
        labels, groups = rows.labels[learnt], [rows.groups[place] for place in learnt]
        numbers = np.unique(groups, return_inverse=True)[1]
        layer, penalty, held_out = fit_ridge(rows.features[learnt].copy(), labels, numbers, PENALTIES)
        head, temperature = Head((layer,), 1.0, penalty, "ridge"), fit_temperature(held_out, labels)
        folds = group_folds(labels, groups, FOLDS, seed)
        calibration = choose_calibration(held_out / temperature, labels, folds, groups).calibration
        chosen[calibration.method] += 1
        temper = choose_temper(rows, learnt, calibration, (penalty, temperature))
        ways = {
            "temperature": Calibration(),
            "chosen": calibration,
            "tempered": replace(calibration, temper=temper),
        }
        mine = np.array([places[int(place)] for place in rest if int(place) in places], dtype=np.intp)

        answered = [(rest, rows.features[rest], probs)]
        answered += [
            (mine, table[mine], {way: tables[number] for way, tables in changed.items()})
            for number, table in enumerate(rows.changed)
        ]
        for at, features, tables in answered:
            logits = head.logits(features)
            tables["before"][at] = softmax(logits)
            for way, ready in ways.items():
                tables[way][at] = ready.probs(logits / temperature)
    return probs, changed, chosen


def choose_temper(rows: Rows, learnt: NDArray[np.intp], calibration: Calibration, fitted: tuple[float, float]) -> float:
    """Return the tempering, by pictures of the learnt ones that are left out once more, changed and unchanged."""
    penalty, temperature = fitted
    groups = [rows.groups[place] for place in learnt]
    train, rest = group_folds(rows.labels[learnt], groups, FOLDS, 1)[0]
    inside = set(learnt[rest].tolist())
    mine = np.array([number for number, place in enumerate(rows.asked) if int(place) in inside], dtype=np.intp)
    if not len(mine):
        return 1.0
    numbers = np.unique([groups[place] for place in train], return_inverse=True)[1]
    seen, labels = np.unique(rows.labels[learnt[train]], return_inverse=True)
    if len(seen) <= int(rows.labels.max()):  # a class is missing: nothing can be said
        return 1.0
    layer, penalty, _ = fit_ridge(rows.features[learnt[train]].copy(), labels, numbers, [penalty])
    head = Head((layer,), 1.0, penalty, "ridge")
    tables = [rows.features[rows.asked[mine]]] * len(SHIFTS) + [table[mine] for table in rows.changed]
    logits = np.concatenate([head.logits(table) / temperature for table in tables])
    return fit_temper(calibration.logits(logits), np.tile(rows.labels[rows.asked[mine]], len(tables)))


def describe(probs: Doubles, labels: Labels, groups: list[str]) -> str:
    """Return the debiased error with its interval."""
    ends = calibration_interval(probs, labels, groups)
    interval = f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    return f"{debiased_calibration_error(probs, labels):.3f}{interval}"


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", default=SETS, metavar="SET", help=", ".join(SETS))
    options = parse_options(parser, sets=["flowers17", "handbags"])
    print(describe_machine())
    print(f"\n| set | pictures | way | {' | '.join(('as they are', 'all changes', *SHIFTS))} |")
    print("|" + "---|" * (len(SHIFTS) + 5))
    lines = []
    with tempfile.TemporaryDirectory() as base:
        for name in options.sets:
            rows = load_rows(name, options.small, Path(base))
            probs, changed, chosen = answer_rows(rows)
            labels, groups = rows.labels[rows.asked], [rows.groups[place] for place in rows.asked]
            for way in WAYS:
                together = changed[way].reshape(-1, changed[way].shape[2])
                cells = [describe(probs[way], rows.labels, list(rows.groups))]
                cells.append(describe(together, np.tile(labels, len(SHIFTS)), groups * len(SHIFTS)))
                cells += [f"{debiased_calibration_error(table, labels):.3f}" for table in changed[way]]
                print(f"| {name} | {len(rows.labels)} | {way} | {' | '.join(cells)} |", flush=True)
            right = (probs["chosen"].argmax(axis=1) == rows.labels).mean()
            held = [(table.argmax(axis=1) == labels).mean() for table in changed["chosen"]]
            methods = ", ".join(f"{method} in {count} folds" for method, count in chosen.most_common())
            lines.append(f"{name}: right {right:.3f}, changed {np.mean(held):.3f}; {len(labels)} changed; {methods}")
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()

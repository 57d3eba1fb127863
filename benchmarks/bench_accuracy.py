"""Accuracy on real pictures, through the public commands only, beside a plain script on the same files.

For each set: `new`, `add`, `build`, then the grouped cross-validation that the report holds. The peer is a frozen
EfficientNet-Lite0 with scikit-learn's logistic regression (C = 0.01, standardised, squashed to 224), shuffled folds,
copies left in. `python benchmarks/bench_accuracy.py [SET...]`
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from common import describe_machine, fieldguide, make_parser, parse_options, set_folder
from fieldguide.metrics import wilson_interval
from plain_script import fit_frozen_peer, frozen_peer_features

TARGETS = {"rooms": 0.98, "handbags": 1.00, "flowers17": 0.93, "charts-dev": 0.90}


def score_plain_script(folder: Path) -> tuple[int, int]:
    """Return how many pictures the peer gets right, and of how many."""
    from sklearn.model_selection import StratifiedKFold

    names = sorted(path.name for path in folder.iterdir())
    paths = [(label, path) for label, name in enumerate(names) for path in sorted((folder / name).iterdir())]
    labels = np.array([label for label, _ in paths])
    features = frozen_peer_features([path for _, path in paths])
    right = 0
    for learn, held_out in StratifiedKFold(5, shuffle=True, random_state=0).split(features, labels):
        model = fit_frozen_peer(features[learn], labels[learn])
        right += int(np.sum(model.predict(features[held_out]) == labels[held_out]))
    return right, len(labels)


def compare_set(name: str, pictures: Path, project: Path) -> None:
    """Print the set's row of the table."""
    start = time.perf_counter()
    fieldguide("new", project)
    fieldguide("add", pictures, "-C", project)
    report = json.loads(fieldguide("build", "-C", project, "--json"))
    seconds = time.perf_counter() - start
    share, low, high = report["evaluate"]["grouped"]
    right, total = score_plain_script(pictures)
    plain_low, plain_high = wilson_interval(right, total)
    choice = f"{report['train']['fit']} {report['train']['chosen']['layers read']}"
    print(
        f"{name:<12} {share:.3f} ({low:.3f} to {high:.3f}), {choice:<12} "
        f"{right / total:.3f} ({plain_low:.3f} to {plain_high:.3f}) {TARGETS[name]:>12.2f} {seconds:>8.1f}",
        flush=True,
    )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", default=list(TARGETS), metavar="SET", help=", ".join(TARGETS))
    options = parse_options(parser, sets=["rooms"])
    print(describe_machine())
    print(f"{'set':<12} {'fieldguide, grouped 5-fold':<38} {'plain script, 5-fold':<30} {'target':>6} {'seconds':>8}")
    with tempfile.TemporaryDirectory() as base:
        for name in options.sets:
            compare_set(name, set_folder(name, options.small, Path(base)), Path(base) / name)


if __name__ == "__main__":
    main()

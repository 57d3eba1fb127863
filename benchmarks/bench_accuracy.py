"""Accuracy on real pictures, through the public commands only, beside a plain script on the same files.

For each set: `new`, `add`, `build`, then the grouped cross-validation that the report holds. The peer is a frozen
EfficientNet-Lite0 with scikit-learn's logistic regression (C = 0.01, standardised, squashed to 224), shuffled folds,
copies left in. `python benchmarks/bench_accuracy.py [SET...]`
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from common import describe_machine, fieldguide, shared_data
from fieldguide.features import cache_folder, open_runner
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_widths
from fieldguide.metrics import wilson_interval
from fieldguide.records import Preprocessing

SETS = {"rooms": 0.98, "handbags": 1.00, "flowers17": 0.93, "charts-dev": 0.90}


def plain_script(folder: Path) -> tuple[int, int]:
    """Right answers and pictures of the peer."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    run = open_runner(backbone_model(BackboneChoice(), Preprocessing(), cache_folder()), "onnxruntime")
    squares, labels = [], []
    for label, name in enumerate(sorted(path.name for path in folder.iterdir())):
        for path in sorted((folder / name).iterdir()):
            image = Image.open(path).convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            white.alpha_composite(image)
            squares.append(np.asarray(white.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)))
            labels.append(label)
    features = np.concatenate([run(np.stack(squares[at : at + 32])) for at in range(0, len(squares), 32)])
    features = features[:, : backbone_widths(BackboneChoice(), 224)["top"]]  # what the network itself ends with
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    predicted = cross_val_predict(model, features, labels, cv=folds)
    return int(np.sum(predicted == np.array(labels))), len(labels)


def main(wanted: list[str]) -> None:
    print(describe_machine())
    print(f"{'set':<12} {'fieldguide, grouped 5-fold':<38} {'plain script, 5-fold':<30} {'asked':>6} {'seconds':>8}")
    with tempfile.TemporaryDirectory() as base:
        for name in wanted:
            folder = Path(base) / name
            begun = time.perf_counter()
            fieldguide("new", folder)
            fieldguide("add", shared_data(name), "-C", folder)
            report = json.loads(fieldguide("build", "-C", folder, "--json"))
            seconds = time.perf_counter() - begun
            share, low, high = report["evaluate"]["grouped"]
            right, total = plain_script(shared_data(name))
            plain_low, plain_high = wilson_interval(right, total)
            way = f"{report['train']['fit']} {report['train']['depth']}"
            print(
                f"{name:<12} {share:.3f} ({low:.3f} to {high:.3f}), {way:<12} "
                f"{right / total:.3f} ({plain_low:.3f} to {plain_high:.3f}) {SETS[name]:>12.2f} {seconds:>8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:] or list(SETS))

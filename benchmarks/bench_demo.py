"""The demo from nothing, wall seconds of each stage, and its guide on real charts that it has never seen.

`python benchmarks/bench_demo.py [CHARTS PER CLASS]`. The real charts are the set `charts-dev`; the peer's figure there,
0.814, is that of the model that the plot classifier we start from shipped (measured once, 220 pictures).
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common import describe_machine, fieldguide, shared_data
from fieldguide.metrics import accuracy, confusion_matrix, per_class_scores
from fieldguide.names import match_key
from fieldguide.progress import SilentProgress
from fieldguide.stages.demo import demo

PEER = 0.814


def timed_demo(folder: Path, per_class: int) -> dict[str, float]:
    """Wall seconds of each stage."""
    seconds: dict[str, float] = {}
    begun = [time.perf_counter()]

    def done(name: str, report: Any) -> None:
        now = time.perf_counter()
        seconds[name] = now - begun[0]
        begun[0] = now

    told: Callable[[str, Any], None] = done
    demo(folder, per_class, progress=SilentProgress(), done=told)
    return seconds


def score(folder: Path) -> None:
    """Prints the guide's answers on the real charts."""
    answers = json.loads(fieldguide("predict", "-C", folder, shared_data("charts-dev"), "--json"))
    names = [one["name"] for one in json.loads((folder / "guide" / "guide.json").read_text("utf-8"))["classes"]]
    by_key = {match_key(name): index for index, name in enumerate(names)}
    labels = np.array([by_key[match_key(Path(one["path"]).parent.name)] for one in answers], dtype=np.int64)
    predicted = np.array([names.index(next(iter(one["probs"]))) for one in answers], dtype=np.int64)
    share, low, high = accuracy(labels, predicted)
    declined = sum(one["declined"] for one in answers)
    print(f"real charts: {share:.3f} ({low:.3f} to {high:.3f}), n = {len(labels)}; peer {PEER}; {declined} declined")
    matrix = confusion_matrix(labels, predicted, len(names))
    print(f"{'':<20}" + "".join(f"{name[:5]:>6}" for name in names) + f"{'recall':>8}{'prec.':>7}")
    for name, row, scores in zip(names, matrix, per_class_scores(matrix), strict=True):
        cells = "".join(f"{count or '.':>6}" for count in row.tolist())
        print(f"{name:<20}{cells}{scores['recall']:>8.2f}{scores['precision']:>7.2f}")


def main(per_class: int) -> None:
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        seconds = timed_demo(Path(base) / "demo", per_class)
        print(
            " ".join(f"{name} {value:.1f}" for name, value in seconds.items()), f"total {sum(seconds.values()):.1f} s"
        )
        report = json.loads(fieldguide("status", "-C", Path(base) / "demo", "--json"))
        print("; ".join(f"{stage['stage']}: {stage['summary']}" for stage in report["stages"]))
        score(Path(base) / "demo")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 250)

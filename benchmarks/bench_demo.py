"""The demo from nothing, wall seconds of each stage, and its guide on real charts that it has never seen.

`python benchmarks/bench_demo.py [PER_CLASS]`. The real charts are the set `charts-dev`; the peer's figure there, 0.814,
is that of the model that the plot classifier we start from shipped (measured once, 220 pictures).
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from common import describe_machine, fieldguide, make_parser, parse_options, set_folder
from fieldguide.metrics import accuracy, confusion_matrix, per_class_scores
from fieldguide.names import match_key
from fieldguide.progress import SilentProgress
from fieldguide.stages.demo import demo

PEER = 0.814


def time_demo(folder: Path, per_class: int) -> dict[str, float]:
    """Run the demo and return the wall seconds of each stage."""
    seconds: dict[str, float] = {}
    start = time.perf_counter()

    def record(stage: str, _: object) -> None:
        seconds[stage] = time.perf_counter() - start - sum(seconds.values())

    demo(folder, per_class, progress=SilentProgress(), done=record)
    return seconds


def score_guide(project: Path, charts: Path) -> None:
    """Print the guide's answers on the real charts."""
    answers = json.loads(fieldguide("predict", "-C", project, charts, "--json"))
    classes = json.loads((project / "guide" / "guide.json").read_text("utf-8"))["classes"]
    names = [entry["name"] for entry in classes]
    by_key = {match_key(name): index for index, name in enumerate(names)}
    labels = np.array([by_key[match_key(Path(answer["path"]).parent.name)] for answer in answers], dtype=np.int64)
    predicted = np.array([names.index(next(iter(answer["probs"]))) for answer in answers], dtype=np.int64)
    share, low, high = accuracy(labels, predicted)
    declined = sum(answer["declined"] for answer in answers)
    print(f"real charts: {share:.3f} ({low:.3f} to {high:.3f}), n = {len(labels)}; peer {PEER}; {declined} declined")
    matrix = confusion_matrix(labels, predicted, len(names))
    print(f"{'':<20}" + "".join(f"{name[:5]:>6}" for name in names) + f"{'recall':>8}{'prec.':>7}")
    for name, row, scores in zip(names, matrix, per_class_scores(matrix), strict=True):
        cells = "".join(f"{count or '.':>6}" for count in row.tolist())
        print(f"{name:<20}{cells}{scores['recall']:>8.2f}{scores['precision']:>7.2f}")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("per_class", nargs="?", type=int, default=250, metavar="PER_CLASS", help="charts of each kind")
    options = parse_options(parser, per_class=5)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        project = Path(base) / "demo"
        charts = set_folder("charts-dev", options.small, Path(base))
        seconds = time_demo(project, options.per_class)
        stages = " ".join(f"{name} {value:.1f}" for name, value in seconds.items())
        print(f"{stages} total {sum(seconds.values()):.1f} s")
        report = json.loads(fieldguide("status", "-C", project, "--json"))
        print("; ".join(f"{stage['stage']}: {stage['summary']}" for stage in report["stages"]))
        score_guide(project, charts)


if __name__ == "__main__":
    main()

"""`predict` on folders of JPEGs: images/s beside a loop of Pillow and eager PyTorch, in one run.

A guide of flowers17 is made by the public commands (or give your own, of one view of EfficientNet-Lite0: `--guide`).
The peer decodes one picture after the other with Pillow, resizes it to the guide's square and runs timm's model of the
same backbone on it, without the head, which costs nothing. `predict` runs as a process does it: opening the guide is
counted. Photographs of 12 megapixels are those of the set, enlarged to 4032 pixels across. The share of them whose top
class is the same when they are decoded whole says what decoding them smaller changes. Last, a program that opens the
guide and classifies one picture, from its first import to its first answer.

`python benchmarks/bench_predict.py [--guide FOLDER] [--large 200] [--rounds 3]`
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench_features import time_best
from common import describe_machine, fieldguide, make_parser, parse_options, set_folder
from fieldguide.guide import Guide, open_guide
from fieldguide.learners.weights import load_embedded
from fieldguide.metrics import wilson_interval
from fieldguide.progress import SilentProgress
from fieldguide.stages.predict import predict

PEER, OURS = "Pillow + eager PyTorch, a loop", "fieldguide predict"
TARGETS = {"as they are": 3, "12 megapixels": 4}
TARGET_AGREEMENT, TARGET_START_S = 0.995, 0.5
LARGE_WIDTH = 4032
_START = """
import time
start = time.perf_counter()
import sys
from fieldguide import open_guide
open_guide(sys.argv[1]).classify(sys.argv[2])
print(time.perf_counter() - start, time.process_time())
"""


def make_guide(pictures: Path, base: Path) -> Path:
    """Make a guide of a folder of classes."""
    project = base / "project"
    fieldguide("new", project)
    fieldguide("add", pictures, "-C", project, "--licence", "own", "--author", "the benchmark")
    for stage in ("clean", "split"):
        fieldguide(stage, "-C", project)
    fieldguide("train", "--learner", "transfer", "-C", project)
    for stage in ("evaluate", "publish"):
        fieldguide(stage, "-C", project)
    return project / "guide"


def enlarge(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Write the pictures at about 12 megapixels, as JPEGs of the quality of cameras."""
    folder.mkdir()
    large = [folder / f"{number:04}.jpg" for number in range(len(paths))]
    for path, target in zip(paths, large, strict=True):
        with Image.open(path) as image:
            size = LARGE_WIDTH, round(LARGE_WIDTH * image.height / image.width)
            image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(target, quality=92)
    return large


def loop(paths: Sequence[Path], model: Any, side: int) -> np.ndarray:
    """Compute the features of each file as the peer does."""
    import torch

    rows = []
    with torch.inference_mode():
        for path in paths:
            image = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
            batch = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
            rows.append(model.forward_head(model.forward_features(batch), pre_logits=True).numpy()[0])
    return np.stack(rows)


def top_classes(guide: Path, folder: Path) -> np.ndarray:
    """Return the most probable class of each file of the folder, in their order, by `predict`."""
    answers = predict(guide, [folder], progress=SilentProgress())
    return np.array([next(iter(answer.probs)) for answer in answers])


def compare(name: str, paths: Sequence[Path], guide: Path, rounds: int) -> np.ndarray:
    """Print the rows of a folder of pictures; return the classes that `predict` gave."""
    model, side = load_embedded().eval(), open_guide(guide).preprocessing.size
    ways = {PEER: lambda: loop(paths, model, side), OURS: lambda: top_classes(guide, paths[0].parent)}
    best, results = time_best(ways, rounds)
    for way in ways:
        rate = len(paths) / best[way]
        print(f"{name:<14} {way:<30} {rate:>9.1f} {best[PEER] / best[way]:>6.2f}", flush=True)
    print(f"target: {TARGETS[name]} times the peer")
    return results[OURS]


def show_agreement(guide: Guide, paths: Sequence[Path], scaled: np.ndarray) -> None:
    """Print for how many pictures decoding them whole gives the same top class."""
    whole = []
    for path in paths:
        with Image.open(path) as image:
            whole.append(next(iter(guide.classify(image).probs)))
    same = int(np.sum(np.array(whole) == scaled))
    low, high = wilson_interval(same, len(paths))
    share = f"{same / len(paths):.1%} ({low:.1%} to {high:.1%})"
    print(f"same top class as decoded whole: {same} of {len(paths)}, {share}; target: {TARGET_AGREEMENT:.1%}")


def show_start(guide: Path, picture: Path, rounds: int) -> None:
    """Print how long a program takes from its first import to its first answer."""
    command = [sys.executable, "-c", _START, str(guide), str(picture)]
    runs = [
        subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split() for _ in range(rounds)
    ]
    wall, cpu = (min(float(run[place]) for run in runs) for place in (0, 1))
    print(f"from import to first answer, best of {rounds}: {wall:.2f} s, {cpu:.2f} s of processor time; "
          f"target: {TARGET_START_S} s")  # fmt: skip


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--guide", type=Path, help="a published guide; else one of flowers17 is made")
    parser.add_argument("--large", type=int, default=200, metavar="N", help="photographs of 12 megapixels")
    parser.add_argument("--rounds", type=int, default=3, help="of each way; the best is shown")
    options = parse_options(parser, large=2, rounds=1)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        pictures = set_folder("flowers17", options.small, base)
        guide = options.guide or make_guide(pictures, base)
        plain = base / "plain"
        plain.mkdir()
        for number, path in enumerate(sorted(pictures.glob("*/*.jpg"))):
            (plain / f"{number:04}.jpg").write_bytes(path.read_bytes())
        paths = sorted(plain.iterdir())
        print(f"{len(paths)} JPEGs of about 540 x 500, squares of {open_guide(guide).preprocessing.size} pixels, "
              f"best of {options.rounds} rounds")  # fmt: skip
        print(f"{'pictures':<14} {'way':<30} {'images/s':>9} {'ratio':>6}")
        compare("as they are", paths, guide, options.rounds)
        large = enlarge(paths[:: max(1, len(paths) // options.large)][: options.large], base / "large")
        classes = compare("12 megapixels", large, guide, 1)
        show_agreement(open_guide(guide, threads=2), large, classes)
        show_start(guide, paths[0], options.rounds * 4)


if __name__ == "__main__":
    main()

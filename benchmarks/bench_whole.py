"""The whole way from a folder of JPEGs to an evaluated guide: wall seconds of each stage, and peak memory.

`new`, `add` and `build` with default settings, each a process of its own as a person would run it. The target for
12,000 pictures in 50 classes is under 300 s on 2 cores, and never more than 2 GB. Memory is what all of a command's
processes hold at once, sampled; pages that two of them share count twice. The backbone is converted anew, as on a first
use.

There is no such set beside the checkout, so the pictures are made: of the 22 classes of flowers17, handbags and rooms,
each as it is and with its colours turned once and twice, the first 50. Each picture is a tilted, perhaps mirrored, crop
of a real one, a little brighter or paler, its longer side 512 pixels; one that looks like another of its class is made
anew, so that `clean` keeps all but a few. Accuracy on them means nothing: crops of one picture sit on both sides.
Making them is not counted; they stay in the folder of `--pictures`, and are not made again.

`python benchmarks/bench_whole.py [--count 12000] [--classes 50] [--side 512] [--pictures FOLDER]`
"""

import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from common import describe_machine, fieldguide, make_parser, parse_options, resident_bytes, shared_data
from fieldguide.checks.duplicates import CopyIndex
from fieldguide.engine import core_count
from fieldguide.images import copy_prints
from fieldguide.settings import CleanSettings

SETS = ("flowers17", "handbags", "rooms")
COLOURINGS = 3
SIDE = 512
TARGET_S, TARGET_BYTES = 300.0, 2_000_000_000
STAGES = ("clean", "split", "train", "evaluate", "publish")


# ---- pictures


def make_pictures(folder: Path, count: int, classes: int, side: int) -> None:
    """Write so many JPEGs below `folder`, in a folder for each class."""
    marker = folder / ".made"
    if marker.exists():
        return
    sources = [path for name in SETS for path in sorted(shared_data(name).iterdir()) if path.is_dir()]
    orders: dict[Path, list[tuple[Path, int, int]]] = {}  # by source: its folders, colourings and counts
    for index in range(classes):
        source, colouring = sources[index % len(sources)], index // len(sources)
        class_count = count // classes + (index < count % classes)
        orders.setdefault(source, []).append((folder / f"{source.name}-{colouring}", colouring, class_count))
    with ProcessPoolExecutor(core_count()) as pool:
        list(pool.map(make_class, orders, orders.values(), [side] * len(orders)))
    marker.touch()


def make_class(source: Path, orders: list[tuple[Path, int, int]], side: int) -> None:
    """Copy the pictures of one real class, no two of which look alike, into folders."""
    chance = random.Random(source.name)
    clean = CleanSettings()
    seen = CopyIndex(clean.copy_distance + 2, clean.alike)
    real = []
    for path in sorted(source.iterdir()):
        image = Image.open(path).convert("RGB")
        image.thumbnail((2 * side, 2 * side))
        real.append(image)
    for folder, colouring, count in orders:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            for _ in range(20):
                image = perturb(real[number % len(real)], colouring, side, chance)
                prints = copy_prints(image)
                if not seen.has(prints):
                    break
            seen.add(prints)
            image.save(folder / f"{number:04}.jpg", "JPEG", quality=88)


def perturb(image: Image.Image, colouring: int, side: int, chance: random.Random) -> Image.Image:
    """Return a tilted, perhaps mirrored crop of a picture with other colours, its longer side so many pixels."""
    share, angle = chance.uniform(0.4, 0.75), chance.uniform(-0.35, 0.35)
    width, height = share * image.width, share * image.height
    left, top = chance.uniform(0, image.width - width), chance.uniform(0, image.height - height)
    scale = max(width, height) / side  # of the picture's pixels to the crop's
    size = max(1, round(width / scale)), max(1, round(height / scale))
    across, down = scale * math.cos(angle), scale * math.sin(angle)
    tilt = (across, -down, left, down, across, top)
    crop = image.transform(size, Image.Transform.AFFINE, tilt, Image.Resampling.BICUBIC)
    if chance.random() < 0.5:
        crop = ImageOps.mirror(crop)
    bands = crop.split()
    crop = Image.merge("RGB", bands[colouring:] + bands[:colouring])
    crop = ImageEnhance.Brightness(crop).enhance(chance.uniform(0.8, 1.2))
    return ImageEnhance.Color(crop).enhance(chance.uniform(0.7, 1.3))


# ---- measuring


@dataclass
class Measured:
    """The time and memory that a command took, and its output.

    Attributes:
        seconds: from start to end.
        peak_bytes: most memory held at once, with its children.
        lines: what it printed, each line with the seconds since the start.
        memory: seconds since the start and bytes held then, many times.
    """

    seconds: float = 0.0
    peak_bytes: int = 0
    lines: list[tuple[float, str]] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)

    def peak_between(self, first: float, last: float) -> int:
        """Return the most bytes held between two times."""
        return max((size for at, size in self.memory if first <= at <= last), default=0)


def run(*arguments: object) -> Measured:
    """Run one of Fieldguide's commands and measure it.

    Raises:
        SystemExit: it failed.
    """
    measured, start = Measured(), time.perf_counter()
    command = [sys.executable, "-u", "-m", "fieldguide", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as child:
        assert child.stdout is not None
        output = child.stdout

        def listen() -> None:
            for line in output:
                measured.lines.append((time.perf_counter() - start, line.rstrip()))

        listener = threading.Thread(target=listen)
        listener.start()
        while child.poll() is None:
            measured.memory.append((time.perf_counter() - start, resident_bytes(child.pid)))
            time.sleep(0.05)
        listener.join()
    if child.returncode:
        raise SystemExit(f"{command}: {child.returncode}")
    measured.seconds = time.perf_counter() - start
    measured.peak_bytes = max((size for _, size in measured.memory), default=0)
    return measured


def split_by_stage(build: Measured) -> list[tuple[str, float, int]]:
    """Return each stage's name, seconds and peak memory: it ends with the line that begins with its name."""
    rows, start = [], 0.0
    for stage in STAGES:
        end = next(at for at, line in build.lines if re.match(rf"{stage}\s", line))
        rows.append((stage, end - start, build.peak_between(start, end)))
        start = end
    return [*rows, ("ending", build.seconds - start, build.peak_between(start, build.seconds))]


# ---- the walk


def walk(pictures: Path, project: Path) -> None:
    """Go the whole way and print the table."""
    rows = []
    for name, arguments in (("new", (project,)), ("add", (pictures, "-C", project))):
        measured = run(name, *arguments)
        rows.append((name, measured.seconds, measured.peak_bytes))
        print(f"{name} ended", file=sys.stderr)
    rows += split_by_stage(run("build", "-C", project))
    seconds, peak = sum(row[1] for row in rows), max(row[2] for row in rows)
    print(f"{'stage':<10} {'seconds':>8} {'peak MB':>8}")
    for stage, stage_s, stage_bytes in [*rows, ("all", seconds, peak)]:
        print(f"{stage:<10} {stage_s:>8.1f} {stage_bytes / 1e6:>8.0f}")
    print(f"{'target':<10} {TARGET_S:>8.0f} {TARGET_BYTES / 1e6:>8.0f}   of 12,000 pictures in 50 classes on 2 cores")
    for line in json.loads(fieldguide("status", "-C", project, "--json"))["stages"]:
        print(f"{line['stage']}: {line['summary']}")
    whole = sum(path.stat().st_size for path in project.rglob("*") if path.is_file())
    features = sum(path.stat().st_size for path in (project / "features").rglob("*.npz"))
    catalogue = (project / "catalog.db").stat().st_size
    print(f"on the disk {whole / 1e6:.0f} MB: features {features / 1e6:.0f}, catalogue {catalogue / 1e6:.0f}")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--count", type=int, default=12_000, help="pictures in all")
    parser.add_argument("--classes", type=int, default=50, help="folders, at most 66")
    parser.add_argument("--side", type=int, default=SIDE, help="longer side of a picture; a shorter one is quicker")
    parser.add_argument("--pictures", type=Path, help="where the pictures are made and stay; else a temporary folder")
    parser.add_argument("--project", type=Path, help="where the project is made and stays; else a temporary folder")
    options = parse_options(parser, count=24, classes=2, side=256)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        pictures = (options.pictures or Path(base)) / f"pictures-{options.count}-{options.classes}-{options.side}"
        start = time.perf_counter()
        make_pictures(pictures, options.count, options.classes, options.side)
        sizes = [path.stat().st_size for path in pictures.glob("*/*.jpg")]
        print(f"{len(sizes)} JPEGs in {options.classes} folders, mean {np.mean(sizes) / 1e3:.0f} kB;", end=" ")
        print(f"making them took {time.perf_counter() - start:.0f} s, not counted", flush=True)
        os.environ["FIELDGUIDE_CACHE"] = f"{base}/cache"
        walk(pictures, options.project or Path(base) / "project")


if __name__ == "__main__":
    main()

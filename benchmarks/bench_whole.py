"""The whole way from a folder of JPEGs to an evaluated guide: wall seconds of each stage, and peak memory.

`new`, `add` and `build` with default settings, each a process of its own as a person would run it. Asked of 12,000
pictures in 50 classes: under 300 s on 2 cores, and never more than 2 GB. Memory is what all of a command's processes
hold at once, sampled; pages that two of them share count twice. The backbone is converted anew, as on a first use.

There is no such set beside the checkout, so the pictures are made: of the 22 classes of flowers17, handbags and rooms,
each as it is and with its colours turned once and twice, the first 50. Each picture is a tilted, perhaps mirrored, crop
of a real one, a little brighter or paler, its longer side 512 pixels; one that looks like another of its class is made
anew, so that `clean` keeps all but a few. Accuracy on them means nothing: crops of one picture sit on both sides.
Making them is not counted; they stay in the folder given, and are not made again.

`python benchmarks/bench_whole.py [--count 12000] [--classes 50] [--side 512] [--pictures FOLDER]`
"""

import argparse
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

from common import describe_machine, family, resident, shared_data
from fieldguide.checks.duplicates import CopyIndex
from fieldguide.checks.files import take_prints
from fieldguide.engine import core_count
from fieldguide.settings import CleanSettings

SETS = ("flowers17", "handbags", "rooms")
COLOURINGS = 3
SIDE = 512
ASKED_S, ASKED_BYTES = 300.0, 2_000_000_000
STAGES = ("clean", "split", "train", "evaluate", "publish")


# ---- pictures


def make_pictures(folder: Path, count: int, classes: int, side: int) -> None:
    """Write so many JPEGs below `folder`, in a folder for each class."""
    marker = folder / ".made"
    if marker.exists():
        return
    sources = [path for name in SETS for path in sorted(shared_data(name).iterdir()) if path.is_dir()]
    asked: dict[Path, list[tuple[Path, int, int]]] = {}  # by source: its folders, colourings and counts
    for place in range(classes):
        source, turned = sources[place % len(sources)], place // len(sources)
        wanted = count // classes + (place < count % classes)
        asked.setdefault(source, []).append((folder / f"{source.name}-{turned}", turned, wanted))
    with ProcessPoolExecutor(core_count()) as pool:
        list(pool.map(make_class, asked, asked.values(), [side] * len(asked)))
    marker.touch()


def make_class(source: Path, asked: list[tuple[Path, int, int]], side: int) -> None:
    """Copy the pictures of one real class, no two of which look alike, into folders."""
    chance = random.Random(source.name)
    clean = CleanSettings()
    seen = CopyIndex(clean.copy_distance + 2, clean.alike)
    real = []
    for path in sorted(source.iterdir()):
        image = Image.open(path).convert("RGB")
        image.thumbnail((2 * side, 2 * side))
        real.append(image)
    for folder, turned, wanted in asked:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(wanted):
            for _ in range(20):
                image = perturbed(real[number % len(real)], turned, side, chance)
                prints = take_prints(np.asarray(image))
                if not seen.has(prints):
                    break
            seen.add(prints)
            image.save(folder / f"{number:04}.jpg", "JPEG", quality=88)


def perturbed(image: Image.Image, turned: int, side: int, chance: random.Random) -> Image.Image:
    """A tilted, perhaps mirrored crop of a picture with other colours, its longer side so many pixels."""
    share, angle = chance.uniform(0.4, 0.75), chance.uniform(-0.35, 0.35)
    width, height = (share * one for one in image.size)
    left, top = chance.uniform(0, image.width - width), chance.uniform(0, image.height - height)
    scale = max(width, height) / side  # of the picture's pixels to the crop's
    size = max(1, round(width / scale)), max(1, round(height / scale))
    across, down = scale * math.cos(angle), scale * math.sin(angle)
    tilt = (across, -down, left, down, across, top)
    crop = image.transform(size, Image.Transform.AFFINE, tilt, Image.Resampling.BICUBIC)
    if chance.random() < 0.5:
        crop = ImageOps.mirror(crop)
    bands = crop.split()
    crop = Image.merge("RGB", bands[turned:] + bands[:turned])
    crop = ImageEnhance.Brightness(crop).enhance(chance.uniform(0.8, 1.2))
    return ImageEnhance.Color(crop).enhance(chance.uniform(0.7, 1.3))


# ---- measuring


@dataclass
class Command:
    """What a command took.

    Attributes:
        seconds: from start to end.
        peak_bytes: most memory held at once, with its children.
        said: what it printed, each line with the seconds since the start.
        held: seconds since the start and bytes held then, many times.
    """

    seconds: float = 0.0
    peak_bytes: int = 0
    said: list[tuple[float, str]] = field(default_factory=list)
    held: list[tuple[float, int]] = field(default_factory=list)

    def peak_between(self, first: float, last: float) -> int:
        """Most bytes held between two times."""
        return max((size for at, size in self.held if first <= at <= last), default=0)


def run(*arguments: object) -> Command:
    """What one of Fieldguide's commands took.

    Raises:
        SystemExit: it failed.
    """
    found, begun = Command(), time.perf_counter()
    line = [sys.executable, "-u", "-m", "fieldguide", *map(str, arguments)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as child:
        assert child.stdout is not None
        lines = child.stdout

        def listen() -> None:
            for said in lines:
                found.said.append((time.perf_counter() - begun, said.rstrip()))

        listener = threading.Thread(target=listen)
        listener.start()
        while child.poll() is None:
            found.held.append((time.perf_counter() - begun, sum(resident(one) for one in family(child.pid))))
            time.sleep(0.05)
        listener.join()
    if child.returncode:
        raise SystemExit(f"{line}: {child.returncode}")
    found.seconds = time.perf_counter() - begun
    found.peak_bytes = max((size for _, size in found.held), default=0)
    return found


def stages_of(built: Command) -> list[tuple[str, float, int]]:
    """Each stage's name, seconds and peak memory: it ends with the line that begins with its name."""
    found, since = [], 0.0
    for stage in STAGES:
        at = next(at for at, said in built.said if re.match(rf"{stage}\s", said))
        found.append((stage, at - since, built.peak_between(since, at)))
        since = at
    return [*found, ("ending", built.seconds - since, built.peak_between(since, built.seconds))]


# ---- the walk


def walk(pictures: Path, project: Path) -> None:
    """Print the table."""
    rows = []
    for name, arguments in (("new", (project,)), ("add", (pictures, "-C", project))):
        done = run(name, *arguments)
        rows.append((name, done.seconds, done.peak_bytes))
        print(f"{name} ended", file=sys.stderr)
    rows += stages_of(run("build", "-C", project))
    seconds, peak = sum(row[1] for row in rows), max(row[2] for row in rows)
    print(f"{'stage':<10} {'seconds':>8} {'peak MB':>8}")
    for stage, took, held in [*rows, ("all", seconds, peak)]:
        print(f"{stage:<10} {took:>8.1f} {held / 1e6:>8.0f}")
    print(f"{'asked':<10} {ASKED_S:>8.0f} {ASKED_BYTES / 1e6:>8.0f}   of 12,000 pictures in 50 classes on 2 cores")
    for line in json.loads(subprocess.check_output(status_of(project), text=True))["stages"]:
        print(f"{line['stage']}: {line['summary']}")
    whole = sum(path.stat().st_size for path in project.rglob("*") if path.is_file())
    features = sum(path.stat().st_size for path in (project / "features").rglob("*.npz"))
    catalogue = (project / "catalog.db").stat().st_size
    print(f"on the disk {whole / 1e6:.0f} MB: features {features / 1e6:.0f}, catalogue {catalogue / 1e6:.0f}")


def status_of(project: Path) -> list[str]:
    return [sys.executable, "-m", "fieldguide", "status", "-C", str(project), "--json"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=12_000, help="pictures in all")
    parser.add_argument("--classes", type=int, default=50, help="folders, at most 66")
    parser.add_argument("--side", type=int, default=SIDE, help="longer side of a picture; a small one to try this out")
    parser.add_argument("--pictures", type=Path, help="where the pictures are made and stay; else a temporary folder")
    parser.add_argument("--project", type=Path, help="where the project is made and stays; else a temporary folder")
    given = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        pictures = (given.pictures or Path(base)) / f"pictures-{given.count}-{given.classes}-{given.side}"
        begun = time.perf_counter()
        make_pictures(pictures, given.count, given.classes, given.side)
        sizes = [path.stat().st_size for path in pictures.glob("*/*.jpg")]
        print(f"{len(sizes)} JPEGs in {given.classes} folders, mean {np.mean(sizes) / 1e3:.0f} kB;", end=" ")
        print(f"making them took {time.perf_counter() - begun:.0f} s, not counted", flush=True)
        os.environ["FIELDGUIDE_CACHE"] = f"{base}/cache"
        walk(pictures, given.project or Path(base) / "project")


if __name__ == "__main__":
    main()

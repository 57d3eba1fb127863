"""How long `clean` takes from JPEG files beside other tools, in processor time, and what memory it needs.

Every way is a process of its own, start and imports included. `clean` makes the checks that the others make: whether a
file is a whole picture and large enough, quality, and copies by hash; then, for information, all of its checks and its
page. imagededup finds copies by hash; cleanvision finds copies of equal hash and judges light, blur, information and
shape; the plain script decodes with Pillow and compares average hashes (ImageHash), one core. The milliseconds of a
picture are those that a picture more takes, the start left out: of all against a tenth. Memory is what all of a
command's processes hold at once, sampled; pages that two of them share count twice.

The pictures: flowers17 as it is and handbags as JPEG, each also as two crops, which makes three different files of each
photograph; and mosaics of 36 of these photographs, in the place of pictures from a camera of 12 megapixels.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from clean_peers import PACKAGES, is_installed
from common import describe_machine, fieldguide, make_parser, parse_options, resident_bytes, shared_data
from fieldguide.engine import core_count
from fieldguide.project import Project

SETS = ("flowers17", "handbags")
CROP, QUALITY = 0.85, 92
TILE, TILES = (667, 500), 6  # of a mosaic: 4002 x 3000 pixels
PEERS = Path(__file__).with_name("clean_peers.py")
SAME = {"clean.labels": "off", "clean.outliers": "off", "clean.copy_reframed": 1.0, "clean.report": False}
OURS, ALL = "clean, the same checks", "clean, all checks"
TARGET = 3.0


@dataclass(frozen=True)
class Cost:
    """What a command took: wall seconds, processor seconds and most bytes of memory, its children included."""

    seconds: float
    cpu_s: float
    peak_bytes: int


# ---- pictures


def make_photographs(folder: Path, per_set: int) -> None:
    """Write three JPEGs of each photograph below `folder`, in a folder for each set."""
    jobs = []
    for name in SETS:
        (folder / name).mkdir(parents=True)
        paths = sorted(path for path in shared_data(name).rglob("*") if path.is_file())
        random.Random(0).shuffle(paths)
        jobs += [(path, folder / name / f"{number:04}") for number, path in enumerate(paths[:per_set])]
    with ProcessPoolExecutor(core_count()) as pool:
        list(pool.map(write_photograph, *zip(*jobs, strict=True)))


def write_photograph(path: Path, target: Path) -> None:
    """Write a photograph and its crops at two corners."""
    with Image.open(path) as image:
        is_jpeg, whole = image.format == "JPEG", image.convert("RGB")
    if is_jpeg:
        target.with_suffix(".jpg").write_bytes(path.read_bytes())
    else:
        whole.save(target.with_suffix(".jpg"), "JPEG", quality=QUALITY)
    width, height = round(CROP * whole.width), round(CROP * whole.height)
    for number, (left, top) in enumerate([(0, 0), (whole.width - width, whole.height - height)]):
        crop = whole.crop((left, top, left + width, top + height))
        crop.save(target.with_name(f"{target.name}-{number}.jpg"), "JPEG", quality=QUALITY)


def make_mosaics(folder: Path, photographs: Path, count: int, tiles: int) -> None:
    """Write so many JPEGs, each of `tiles` x `tiles` photographs."""
    folder.mkdir(parents=True)
    paths = sorted(photographs.rglob("*.jpg"))
    with ProcessPoolExecutor(core_count()) as pool:
        chosen = [random.Random(number).choices(paths, k=tiles * tiles) for number in range(count)]
        list(pool.map(write_mosaic, chosen, [folder / f"{number:04}.jpg" for number in range(count)]))


def write_mosaic(paths: list[Path], target: Path) -> None:
    """Write photographs side by side as one picture."""
    tiles = round(len(paths) ** 0.5)
    whole = Image.new("RGB", (tiles * TILE[0], tiles * TILE[1]))
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            tile = image.convert("RGB").resize(TILE, Image.Resampling.BICUBIC)
        whole.paste(tile, (number % tiles * TILE[0], number // tiles * TILE[1]))
    whole.save(target, "JPEG", quality=QUALITY)


# ---- measuring


def measure(*arguments: object) -> Cost:
    """Run a Python program and return what it took.

    Raises:
        SystemExit: it failed.
    """
    before, start, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    command = [sys.executable, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        while child.poll() is None:
            peak = max(peak, resident_bytes(child.pid))
            time.sleep(0.02)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if child.returncode:
        raise SystemExit(f"{command}: {child.returncode}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu_s, peak)


@contextmanager
def added(folder: Path, settings: dict[str, object]) -> Iterator[tuple[Path, Cost]]:
    """Make a project of a folder of pictures; yield it and what adding them took."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as base:
        root = Path(base) / "project"
        fieldguide("new", root)
        Project(root).write_settings(settings)
        yield root, measure("-m", "fieldguide", "add", folder, "-C", root)


def measure_way(way: str, folder: Path) -> Cost:
    """Return what a way took to check a folder."""
    if way not in (OURS, ALL):
        return measure(PEERS, way, folder)
    with added(folder, SAME if way == OURS else {}) as (root, _):
        return measure("-m", "fieldguide", "clean", "-C", root)


def least(costs: list[Cost]) -> Cost:
    """Return the least of each figure."""
    return Cost(
        min(cost.seconds for cost in costs), min(cost.cpu_s for cost in costs), min(cost.peak_bytes for cost in costs)
    )


def take_tenth(folder: Path) -> Path:
    """Return a folder of links to every tenth picture, two at least."""
    paths = sorted(folder.rglob("*.jpg"))
    few = folder.with_name(f"{folder.name}-few")
    for path in paths[:: max(1, min(10, len(paths) // 2))]:
        link = few / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, link)
    return few


# ---- the table


def compare(title: str, folder: Path, ways: list[str], rounds: int) -> None:
    """Print a row for each way."""
    few = take_tenth(folder)
    counts = [sum(1 for _ in each.rglob("*.jpg")) for each in (few, folder)]
    size = sum(path.stat().st_size for path in folder.rglob("*.jpg"))
    print(f"\n{title}: {counts[1]} JPEGs, mean {size / counts[1] / 1e3:.0f} kB; the best of {rounds} rounds")
    heads = "seconds", "CPU s", "CPU ms each", "MB, a tenth", "MB", "times clean", "times CPU"
    print("{:<23} {:>7} {:>6} {:>11} {:>11} {:>5} {:>11} {:>9}".format("way", *heads))
    ours = None
    for way in ways:
        start, cost = (least([measure_way(way, each) for _ in range(rounds)]) for each in (few, folder))
        ours = ours or cost
        each_ms = 1000 * (cost.cpu_s - start.cpu_s) / max(1, counts[1] - counts[0])
        print(
            f"{way:<23} {cost.seconds:>7.1f} {cost.cpu_s:>6.1f} {each_ms:>11.2f} {start.peak_bytes / 1e6:>11.0f} "
            f"{cost.peak_bytes / 1e6:>5.0f} {cost.seconds / ours.seconds:>11.1f} {cost.cpu_s / ours.cpu_s:>9.1f}",
            flush=True,
        )
    with added(folder, {}) as (_, adding):
        print(f"before clean, add copies the files into the project: {adding.seconds:.1f} s, {adding.cpu_s:.1f} CPU s")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--per-set", type=int, default=400, metavar="N", help="photographs of each set")
    parser.add_argument("--mosaics", type=int, default=100, metavar="N", help="mosaics of photographs")
    parser.add_argument("--rounds", type=int, default=2, help="of each way; the best is shown")
    options = parse_options(parser, per_set=4, mosaics=4, rounds=1)
    print(describe_machine())
    peers = [way for way in PACKAGES if is_installed(way)]
    for way in PACKAGES.keys() - set(peers):
        print(f"{way}: not measured, {PACKAGES[way]} is not installed")
    with tempfile.TemporaryDirectory() as base:
        os.environ["FIELDGUIDE_CACHE"] = f"{base}/cache"
        photographs, mosaics = Path(base) / "photographs", Path(base) / "mosaics"
        make_photographs(photographs, options.per_set)
        make_mosaics(mosaics / "all", photographs, options.mosaics, 2 if options.small else TILES)
        compare("photographs", photographs, [OURS, *peers, *([] if options.small else [ALL])], options.rounds)
        compare("mosaics of 12 megapixels", mosaics, [OURS, *peers], options.rounds)
    print(f"target: every other way takes {TARGET:.0f} times as long, or more, as clean with the same checks")


if __name__ == "__main__":
    main()

"""`clean` of many pictures: processor seconds and memory, of different ones and of copies of one.

Different pictures are crops of real photographs, some with their channels exchanged, in two classes. Copies are one
photograph in other sizes and qualities, all in one class, or half of them in another. Seconds are those of all of its
processes, memory is the most that one of them held; `new` and `add` are not counted.
`python benchmarks/bench_many.py [--rows N ...] [--kinds KIND ...]`
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
from PIL import Image

from common import describe_machine, fieldguide, make_parser, parse_options, shared_data
from fieldguide.images import decode_image

SETS = ("flowers17", "rooms", "handbags", "flowers5-tiny")
SIDE = 128  # pixels, the longer side of a picture
Pictures = Iterator[tuple[str, Image.Image, int]]  # class, picture, quality


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 8000], metavar="N")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS], metavar="KIND", help=", ".join(KINDS))
    options = parse_options(parser, rows=[24])
    sources = [path for name in SETS for path in sorted(shared_data(name).rglob("*.jp*g"))]
    print(describe_machine())
    print(f"{'pictures':<28} {'rows':>7} {'CPU s':>8} {'ms each':>8} {'peak MB':>8} {'embedded':>9} {'kept':>7}")
    for kind in options.kinds:
        for rows in options.rows:
            with tempfile.TemporaryDirectory() as folder:
                print(f"{kind:<28} {rows:>7} {measure(KINDS[kind](sources, rows), Path(folder))}", flush=True)


def measure(pictures: Pictures, folder: Path) -> str:
    """Clean a project of these pictures; return the rest of their line."""
    heap, root = folder / "heap", folder / "project"
    rows = 0
    for rows, (class_name, image, quality) in enumerate(pictures, 1):
        path = heap / class_name / f"{rows}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, "JPEG", quality=quality)
    fieldguide("new", root)
    fieldguide("add", heap, "-C", root)
    child = subprocess.Popen([sys.executable, "-m", "fieldguide", "clean", "-C", root], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"clean failed with code {child.returncode}")
    cpu_s = used.ru_utime + used.ru_stime
    embedded = sum(len(np.load(path)["sha256"]) for path in root.glob("features/*/*.npz"))
    kept = sum(json.loads(fieldguide("clean", "--json", "-C", root))["kept"].values())
    return f"{cpu_s:>8.1f} {1000 * cpu_s / rows:>8.1f} {used.ru_maxrss / 1024:>8.0f} {embedded:>9} {kept:>7}"


def different(sources: list[Path], rows: int) -> Pictures:
    """Yield crops of photographs, each with its channels in another order than the last of the same photograph."""
    orders = [*permutations(range(3))]
    dice = random.Random(0)
    for number in range(rows):
        image = decode_image(sources[number % len(sources)].read_bytes())
        width, height = round(image.width * 0.6), round(image.height * 0.6)
        left, top = dice.randrange(image.width - width), dice.randrange(image.height - height)
        crop = image.crop((left, top, left + width, top + height))
        bands, order = crop.split(), orders[number // len(sources) % len(orders)]
        yield f"class{number % 2}", scaled(Image.merge("RGB", [bands[band] for band in order]), SIDE), 85


def copies(sources: list[Path], rows: int, classes: int = 1) -> Pictures:
    """Yield one photograph in sizes and qualities that are never both the same."""
    image = decode_image(sources[0].read_bytes())
    for number in range(rows):
        yield f"class{number % classes}", scaled(image, 100 + number // 60), 36 + number % 60


def scaled(image: Image.Image, side: int) -> Image.Image:
    """Return the picture with a longer side of so many pixels."""
    scale = side / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)))


KINDS: dict[str, Callable[[list[Path], int], Pictures]] = {
    "different": different,
    "copies": copies,
    "copies in two classes": lambda sources, rows: copies(sources, rows, 2),
}


if __name__ == "__main__":
    main()

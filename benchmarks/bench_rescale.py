"""What scaled copies (`[clean] rescale`) save a training that decodes its pictures again in every epoch, and change.

Processor milliseconds of a picture on one core, from file to the square of 224 pixels that a network learns from: from
the original, which is the peer, from its copy, and to make the copy, once. Then how far apart the two squares are, in
levels of 0..255: the mean over all pixels, and the level that 99 % of them do not exceed. Originals are mosaics of real
photographs, with as many pixels as pictures from the web and from cameras have.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench_clean_speed import TILE, make_mosaics, make_photographs
from common import describe_machine, make_parser, parse_options
from fieldguide.features import load_square
from fieldguide.features.scaled import ScaledCopies
from fieldguide.hashing import hash_file
from fieldguide.images import Limits
from fieldguide.settings import CleanSettings, TrainSettings

SIDE = 224
TILES = (2, 3, 6)


def time_each(function: Callable[[Path], Any], paths: Sequence[Path]) -> tuple[float, list[Any]]:
    """Return processor milliseconds of a call, and what the calls return."""
    start = time.process_time()
    results = [function(path) for path in paths]
    return 1000 * (time.process_time() - start) / len(paths), results


def compare(originals: list[Path], base: Path, side: int, tiles: int) -> None:
    """Print the row of originals of one size."""
    square, limits, copies = TrainSettings().preprocessing(SIDE), Limits(), ScaledCopies(base / "scaled", side)
    names = {path: hash_file(path) for path in originals}
    making, _ = time_each(lambda path: copies.make(names[path], path, limits), originals)
    whole, exact = time_each(lambda path: load_square(path, square, limits), originals)
    copied, near = time_each(lambda path: load_square(copies.path(names[path]), square, limits), originals)
    levels = np.abs(np.stack(exact).astype(np.int16) - np.stack(near))
    size = sum(copies.path(name).stat().st_size for name in names.values()) / len(names) / 1e3
    pixels = f"{tiles * TILE[0]} x {tiles * TILE[1]}"
    print(
        f"{pixels:<12} {whole:>9.1f} {copied:>9.1f} {whole / copied:>6.1f} {making:>8.1f} {size:>8.0f} "
        f"{levels.mean():>11.2f} {np.percentile(levels, 99):>6.0f}",
        flush=True,
    )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--mosaics", type=int, default=40, metavar="N", help="of each size")
    parser.add_argument("--side", type=int, default=CleanSettings().rescale, help="of the copies, pixels")
    options = parse_options(parser, mosaics=2)
    print(describe_machine())
    heads = "original", "copy", "times", "to make", "kB", "levels apart", "99 %"
    print("{:<12} {:>9} {:>9} {:>6} {:>8} {:>8} {:>11} {:>6}".format("pixels", *heads))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        make_photographs(base / "photographs", 4 if options.small else 40)
        for tiles in TILES[:1] if options.small else TILES:
            make_mosaics(base / str(tiles), base / "photographs", options.mosaics, tiles)
            originals = sorted((base / str(tiles)).glob("*.jpg"))
            compare(originals, base, options.side, tiles)


if __name__ == "__main__":
    main()

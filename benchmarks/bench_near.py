"""How long it takes to find all pairs of 64-bit hashes that differ in at most 8 bits, and the memory it needs.

Hashes at random; those of real photographs with 12 to 24 bits changed, and every tenth in few bits like another; and
what would blow up if all pairs were compared: copies of one picture, and pictures with one hash. The peers, in the same
run: every pair in blocks of numpy, as `clean` did before, and faiss's multi-hash index where it is installed
(`pip install faiss-cpu`). Each measurement is a process of its own. `python benchmarks/bench_near.py [--rows N ...]`
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, make_parser, parse_options, peak_bytes, shared_data
from fieldguide.checks.files import DECODE_SIDE
from fieldguide.checks.near_hashes import Families, near_pairs
from fieldguide.images import copy_prints, decode_image

DISTANCE = 8
SETS = ("flowers17", "rooms", "handbags", "flowers5-tiny", "charts-dev")
MOST_OF_PEER = 120_000  # rows that the peers are given: of ten times as many they needed 65 to 160 times as long
Hashes = NDArray[np.uint64]


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="N")
    parser.add_argument("--measure", nargs=3, metavar=("WAY", "KIND", "ROWS"), help="one measurement, as JSON")
    options = parse_options(parser, rows=[2000])
    if options.measure:
        way, kind, rows = options.measure
        print(json.dumps(measure(WAYS[way], HASHES[kind], int(rows))))
        return
    for name in SETS:
        shared_data(name)  # says so where the photographs are absent
    print(describe_machine())
    print(
        f"{'hashes':<24} {'rows':>9}  {'way':<20} {'seconds':>9} {'CPU s':>8} {'x for 10 x':>10} "
        f"{'peak MB':>8} {'pairs':>10}"
    )
    before: dict[tuple[str, str], tuple[int, float]] = {}
    for kind in HASHES:
        for rows in options.rows:
            for way in WAYS if kind not in BLOW_UP else ("families",):
                if way in ("all pairs", "families") or rows <= MOST_OF_PEER:
                    print(row(way, kind, rows, before), flush=True)


def row(way: str, kind: str, rows: int, before: dict[tuple[str, str], tuple[int, float]]) -> str:
    """Measure in a process of its own, and return the line of the table."""
    heading = f"{kind:<24} {rows:>9}  {way:<20}"
    if way.startswith("faiss") and not importlib.util.find_spec("faiss"):
        return f"{heading} not installed"
    command = [sys.executable, __file__, "--measure", way, kind, str(rows)]
    values = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    ratio = ""
    if (way, kind) in before and before[way, kind][0] * 10 == rows:
        ratio = f"{values['cpu_s'] / before[way, kind][1]:.1f}"
    before[way, kind] = rows, values["cpu_s"]
    times = f"{values['seconds']:>9.2f} {values['cpu_s']:>8.2f} {ratio:>10}"
    return f"{heading} {times} {values['peak_mb']:>8.0f} {values['pairs']:>10}"


def measure(way: Callable[[Hashes], int], make: Callable[[int], Hashes], rows: int) -> dict[str, float]:
    """Return the seconds that a way takes, the pairs it finds and the most memory that the process held."""
    hashes = make(rows)
    start, cpu_start = time.perf_counter(), time.process_time()
    pairs = way(hashes)
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "pairs": pairs,
        "peak_mb": peak_bytes() / 1e6,
    }


def all_pairs(hashes: Hashes) -> int:
    """Count all pairs."""
    places = np.arange(len(hashes))
    return sum(len(left) for left, _ in near_pairs(hashes, places, DISTANCE, Families(len(hashes))))


def families(hashes: Hashes) -> int:
    """Count the pairs that link the families of hashes that are near, as `clean` needs them."""
    linked = Families(len(hashes))
    for left, right in near_pairs(hashes, np.arange(len(hashes)), DISTANCE, linked):
        linked.link(left, right)
    return linked.links


def every_pair(hashes: Hashes) -> int:
    count, block = 0, 1024
    for start in range(0, len(hashes), block):
        near = np.bitwise_count(hashes[start : start + block, None] ^ hashes[None, start:]) <= DISTANCE
        count += int(np.count_nonzero(np.triu(near, 1)))
    return count


def faiss_index(hashes: Hashes) -> int:
    faiss = importlib.import_module("faiss")

    rows = hashes.view(np.uint8).reshape(-1, 8)
    index = faiss.IndexBinaryMultiHash(64, 4, 16)  # of 4 x 16 bits, one part differs in 2 at most
    index.nflip = 2
    index.add(rows)
    count = 0
    for start in range(0, len(rows), 4096):
        limits, _, _ = index.range_search(rows[start : start + 4096], DISTANCE + 1)
        count += int(limits[-1])
    return (count - len(rows)) // 2


def random_hashes(rows: int) -> Hashes:
    return np.random.default_rng(0).integers(0, 2**64, rows, dtype=np.uint64)


def photograph_hashes(rows: int) -> Hashes:
    """Return hashes like those of many photographs, among them near-copies."""
    dice, real = np.random.default_rng(0), np.array([*real_hashes()], np.uint64)
    hashes = flipped(real[dice.integers(0, len(real), rows)], 12, 24, dice)
    copies = np.arange(0, rows, 10)
    hashes[copies] = flipped(hashes[dice.integers(0, rows, len(copies))], 0, 8, dice)
    return hashes


def real_hashes() -> Iterator[int]:
    for name in SETS:
        for path in sorted(shared_data(name).rglob("*.jp*g")):
            yield int.from_bytes(copy_prints(decode_image(path.read_bytes(), at_least=DECODE_SIDE)).dhash, "big")


def flipped(hashes: Hashes, least: int, most: int, dice: np.random.Generator) -> Hashes:
    """Return the hashes with so many bits of each changed."""
    changed = hashes.copy()
    counts = dice.integers(least, most + 1, len(hashes))
    order = dice.permuted(np.tile(np.arange(64, dtype=np.uint8), (len(hashes), 1)), axis=1)
    for number in range(most):
        bits = np.uint64(1) << order[:, number].astype(np.uint64)
        changed ^= np.where(number < counts, bits, np.uint64(0))
    return changed


def copies_of_one(rows: int) -> Hashes:
    return flipped(np.full(rows, 0x0F1E2D3C4B5A6978, np.uint64), 0, 4, np.random.default_rng(0))


def equal_hashes(rows: int) -> Hashes:
    return np.zeros(rows, np.uint64)


BLOW_UP = ("copies of one picture", "all equal")
WAYS: dict[str, Callable[[Hashes], int]] = {
    "all pairs": all_pairs,
    "families": families,
    "every pair, numpy": every_pair,
    "faiss multi-hash": faiss_index,
}
HASHES: dict[str, Callable[[int], Hashes]] = {
    "random": random_hashes,
    "of photographs": photograph_hashes,
    "copies of one picture": copies_of_one,
    "all equal": equal_hashes,
}


if __name__ == "__main__":
    main()

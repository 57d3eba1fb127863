"""How soon a served guide answers: milliseconds over connections that are kept, beside the work in each answer.

A guide of flowers17 is made with the learner `colour` (or give your own with `--guide`), served by the real command on
127.0.0.1, and asked by a client in this process, one request after the other. The peer is the work alone: the same file
given to `Guide.classify` here, on one thread. What an answer takes beyond it is the server's.

`python benchmarks/bench_serve.py [--guide FOLDER] [--requests 200]`
"""

import http.client
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from common import describe_machine, fieldguide, make_parser, parse_options, set_folder
from fieldguide.engine import core_count
from fieldguide.guide import open_guide

AT_ONCE = 8
WARM_UP = 5  # calls of each kind that are not counted
WORK = "the work alone, Guide.classify"
TARGET_MS = 5.0  # that the server may add to the work in an answer over a kept connection


def make_guide(pictures: Path, base: Path) -> Path:
    """Make a guide of a folder of classes."""
    project = base / "project"
    fieldguide("new", project)
    fieldguide("add", pictures, "-C", project, "--licence", "own", "--author", "the benchmark")
    for stage in ("clean", "split"):
        fieldguide(stage, "-C", project)
    fieldguide("train", "--learner", "colour", "-C", project)
    for stage in ("evaluate", "publish"):
        fieldguide(stage, "-C", project)
    return project / "guide"


@contextmanager
def serving(guide: Path) -> Iterator[str]:
    """Serve the guide with the real command; yield its host and port."""
    command = [sys.executable, "-m", "fieldguide", "serve", "--guide", str(guide), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            yield urlsplit(server.stderr.readline().split()[0]).netloc
        finally:
            server.terminate()


class Asker:
    """Sends the pictures, one after the other, over one connection that is kept or a new one each time."""

    def __init__(self, address: str, pictures: Sequence[bytes], keep: bool = True) -> None:
        self._pictures = itertools.cycle(pictures)
        self._keep = keep
        self._connection = http.client.HTTPConnection(address)

    def classify(self) -> None:
        """Ask for the classes of the next picture."""
        self._send("POST", "/v1/classify", next(self._pictures))

    def check_health(self) -> None:
        """Ask whether the server is up, which is no work at all."""
        self._send("GET", "/health", None)

    def _send(self, method: str, path: str, body: bytes | None) -> None:
        self._connection.request(method, path, body)
        reply = self._connection.getresponse()
        answer = reply.read()
        if reply.status != 200:
            raise SystemExit(f"{path}: {reply.status} {answer[:200]!r}")
        if not self._keep:
            self._connection.close()


def measure(calls: Mapping[str, Callable[[], object]], count: int) -> dict[str, list[float]]:
    """Return the milliseconds of each call, in turns, so that a busy machine is as busy for each of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-WARM_UP, count):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number >= 0:
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def print_row(name: str, times: list[float], work_ms: float) -> None:
    """Print the median and the 95th percentile, and what the median has beyond the work."""
    middle, late = np.percentile(times, [50, 95])
    print(f"{name:<34} {middle:>9.1f} {late:>9.1f} {middle - work_ms:>13.1f}", flush=True)


def compare(guide_folder: Path, pictures: list[bytes], count: int) -> None:
    """Print the table."""
    guide = open_guide(guide_folder, threads=1)
    own = itertools.cycle(pictures)
    with serving(guide_folder) as address:
        kept, new = Asker(address, pictures), Asker(address, pictures, keep=False)
        times = measure(
            {
                WORK: lambda: guide.classify(next(own)),
                "a picture, kept connection": kept.classify,
                "a picture, new connection": new.classify,
                "/health, kept connection": kept.check_health,
                "/health, new connection": new.check_health,
            },
            count,
        )
        work_ms = float(np.median(times[WORK]))
        print(f"{'answer':<34} {'median ms':>9} {'95 % ms':>9} {'beyond work':>13}")
        for name, row in times.items():
            print_row(name, row, 0.0 if "health" in name else work_ms)
        print(f"{'target, kept connection':<34} {'':>9} {'':>9} {TARGET_MS:>13.1f}")
        start = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            askers = [Asker(address, pictures) for _ in range(AT_ONCE)]
            rows = list(pool.map(lambda asker: measure({"": asker.classify}, count)[""], askers))
        rate = AT_ONCE * (count + WARM_UP) / (time.perf_counter() - start)
        print_row(f"a picture, {AT_ONCE} kept connections", [*itertools.chain(*rows)], work_ms)
        cores = core_count()
        print(f"{AT_ONCE} at once: {rate:.0f} pictures/s; the work alone on {cores} cores {1000 * cores / work_ms:.0f}")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--guide", type=Path, help="a published guide; else one of flowers17 is made")
    parser.add_argument("--requests", type=int, default=200, help="answers to measure in each row")
    options = parse_options(parser, requests=5)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        folder = set_folder("flowers17", options.small, Path(base))
        guide = options.guide or make_guide(folder, Path(base))
        pictures = [path.read_bytes() for path in sorted(folder.glob("*/*.jpg"))[:: 7 if options.small else 60][:20]]
        compare(guide, pictures, options.requests)


if __name__ == "__main__":
    main()

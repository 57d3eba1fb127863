"""Collecting from loopback, images/s, beside img2dataset, a plain loop, and what decoding alone would allow.

The pictures are the real ones beside the checkout, those that are no JPEGs made so; where there are too few, crops of
them, so that no check takes them for copies. Every way is a process of its own: its time runs from its start to its
end, CPU is that of it and its children, memory the most that all of them hold at once. Rounds are interleaved and the
best of each is taken.

CPU of others says how many cores everything else took meanwhile, the server included: where it is not small, the
rates are too low, and CPU per image is what counts.

Four ideals are printed, each cores / CPU time for a picture, so they assume that no core ever waits:
- The plain way: aiohttp gets a picture, Pillow decodes it in full in a thread, and nothing else is done: no robots.txt,
  no guard, no check, no ledger, no file. Measured as a process of its own, side by side with the others. Once as it is
  usually written, with `convert("RGB")`, and once without the copy that this makes of what is RGB already.
- All the work: Fieldguide's own look at a picture (JPEGs through a scaled inverse DCT), and the CPU time of getting the
  bytes in the barest loop, hashing and writing them.
- Decoding alone: that look and nothing else.

img2dataset needs an environment of its own, because of what it pins:
    python3 -m venv /tmp/i2d && /tmp/i2d/bin/pip install img2dataset
    python benchmarks/bench_collect.py --img2dataset /tmp/i2d/bin/python
"""

import argparse
import asyncio
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from common import describe_machine, make_parser, parse_options, resident_bytes
from picture_server import make_pictures, serving

CLASSES = [f"kind {number}" for number in range(10)]
NOTHING_FOUND = 5  # the exit code of an empty list
CONNECTIONS = 32
LATENCY_S = 0.1
IDEALS = {"copy": 'aiohttp, Image.convert("RGB")', "lean": "aiohttp, Image.load"}
PEER = "img2dataset, 2 x 32, resize 256"
KEPT = 0.3  # of the ledger's rows


@dataclass(frozen=True)
class Cost:
    """The time and memory that a process took, and its output.

    Attributes:
        wall_s: from start to end.
        cpu_s: user and system, with its children.
        peak_bytes: most memory held at once, with its children.
        others: cores that everything else on this machine kept busy meanwhile.
        output: what it printed.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    others: float
    output: str


def core_count() -> int:
    return len(os.sched_getaffinity(0))


def measure(command: Sequence[object], **environment: str) -> Cost:
    """Run a command and measure it.

    Raises:
        SystemExit: it failed.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start, busy = time.perf_counter(), _busy_s()
        child = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=errors, env={**_environment(), **environment}
        )
        peak, ended = 0, 0
        while not ended:
            peak = max(peak, resident_bytes(child.pid))
            time.sleep(0.02)
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if child.returncode not in (0, NOTHING_FOUND):
            raise SystemExit(f"{command}: {child.returncode}\n{errors.read()[-3000:]}")
        cpu = usage.ru_utime + usage.ru_stime
        return Cost(wall, cpu, peak, max(0.0, _busy_s() - busy - cpu) / wall, out.read())


def _environment() -> dict[str, str]:
    """Return this process's, with byte code kept as where Fieldguide is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _busy_s() -> float:
    """Return the seconds that all cores of the machine have worked since it started."""
    user, nice, system, _, _, *rest = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(map(int, (user, nice, system, *rest))) / os.sysconf("SC_CLK_TCK")


# ---- Fieldguide


def make_project(folder: Path, urls: Iterable[tuple[str, str]], port: int, per_class: int) -> Path:
    """Make a project that collects those addresses, each with its class, and return its folder."""
    from fieldguide.stages.new import new

    collecting = {
        "sources": ["urls"],
        "per_class": per_class,
        "licences": "any",
        "connections": CONNECTIONS,
        "allow_networks": ["127.0.0.1/32"],
        "ports": [port],
        "hosts": {"127.0.0.1": {"spacing_s": 0.0, "concurrency": CONNECTIONS}},
        "options": {"urls": {"query": "list.csv"}},
    }
    new(folder, {name: {} for name in CLASSES}, changed={"collect": collecting})
    lines = ["url,label", *(f"{url},{name}" for url, name in urls)]
    (folder / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def collect(project: Path) -> tuple[Cost, int]:
    """Run `fieldguide collect`; return its cost, and how many pictures are kept."""
    cost = measure([sys.executable, "-m", "fieldguide", "collect", "-C", project, "--json"])
    return cost, sum(json.loads(cost.output)["found"].values()) if cost.output else 0


def measure_start_up(folder: Path, port: int) -> Cost:
    """Return what collecting nothing takes; the second of two runs, as the first one may have to compile."""
    return [collect(make_project(folder / str(number), [], port, 1))[0] for number in range(2)][1]


def list_addresses(count: int, port: int) -> list[tuple[str, str]]:
    """Return the address and the class of each picture."""
    return [
        (f"http://127.0.0.1:{port}/{number}.jpg", CLASSES[number * len(CLASSES) // count]) for number in range(count)
    ]


def fill_ledger(folder: Path, rows: int) -> None:
    """Fill a project's ledger as if so many candidates had been found and fetched, and some of them kept."""
    from fieldguide.project import Project
    from fieldguide.project.ledger import Fetch, Ledger
    from fieldguide.records import ImageRow, Label, Origin, Prints
    from fieldguide.records.candidates import Answer, Candidate, ResultPage, url_key
    from fieldguide.stages.collect.queries import plan_queries

    project, chance = Project(folder), random.Random(0)
    queries = plan_queries(project.settings(), project.root).queries
    with project.catalog() as catalog:
        ledger = Ledger(catalog)
        for index, (name, (query,)) in enumerate(queries.items()):
            ledger.open_search(query)
            fetches, kept = [], []
            for number in range(rows // len(queries)):
                url = f"http://127.0.0.1:9/{index}/{number}.jpg"
                image = None
                if number < KEPT * rows / len(queries):
                    image = ImageRow(chance.randbytes(32).hex(), "JPEG", 40_000, 500, 500, "RGB", 1)
                    kept.append((image, Origin(image.sha256, "urls", url), Label(image.sha256, name, "query")))
                prints = Prints(*(chance.randbytes(size) for size in (8, 8, 1024, 128))) if image else Prints()
                reason = "" if image else "http_404"
                fetch = Fetch(url_key(url), url, url, 200, reason, "", False, "", 9.0, image, prints)
                fetches.append((fetch, Candidate(url=url), reason or "kept"))
            page = ResultPage(tuple(candidate for _, candidate, _ in fetches), "", Answer("list.csv", 200, {}, b""))
            with catalog.transaction():
                (search,) = ledger.searches(name)
                verdicts = [(fetch.url_key, candidate, reason) for fetch, candidate, reason in fetches]
                ledger.add_page(search, page, verdicts, project.now())
                ledger.add_fetches((fetch for fetch, _, _ in fetches), project.now())
                catalog.add_images(kept, project.now())


# ---- the others: parts of this file, run as processes of their own


def part_decode(folder: Path, first: int, step: int) -> None:
    """Print the CPU ms per picture, of every step-th one: the look, Pillow's full decode, hashing and writing."""
    from fieldguide.images import Limits
    from fieldguide.net import Fetched
    from fieldguide.project import Project
    from fieldguide.stages.collect.downloads import store_picture

    class Nowhere(Project):
        def store_image(self, *_: object, **__: object) -> str:
            return ""

    pictures = [path.read_bytes() for path in sorted(folder.iterdir())[first::step]]

    def look(data: bytes) -> None:
        store_picture("", Fetched("", "", 200, "image/jpeg", data), Nowhere(folder), Limits())

    written = Path(tempfile.mkdtemp(dir=folder.parent))  # stays: making files is slow where many were just taken away
    ways: tuple[Callable[[bytes], object], ...] = (
        look,
        lambda data: Image.open(io.BytesIO(data)).load(),
        lambda data: (written / hashlib.sha256(data).hexdigest()).write_bytes(data),
    )
    for way in ways:
        start = time.process_time()
        for data in pictures:
            way(data)
        print(1000 * (time.process_time() - start) / len(pictures))


def part_sequential(folder: Path, count: int, port: int) -> None:
    """Get, write and open each picture, one after the other."""
    folder.mkdir()
    for url, _ in list_addresses(count, port):
        path = folder / url.rpartition("/")[2]
        with urllib.request.urlopen(url) as answer:
            path.write_bytes(answer.read())
        Image.open(path).load()


def _decode(data: bytes) -> None:
    """Decode the picture in full."""
    image = Image.open(io.BytesIO(data))
    if image.mode == "RGB":
        image.load()
    else:
        image.convert("RGB")


def _decode_and_copy(data: bytes) -> None:
    """Decode the picture in full, as most programs do."""
    Image.open(io.BytesIO(data)).convert("RGB")


async def part_ideal(count: int, port: int, decode: Callable[[bytes], None]) -> None:
    """Print the seconds, of time and of CPU, of getting and fully decoding every picture, start-up left out."""
    import aiohttp

    urls = iter(list_addresses(count, port))
    loop = asyncio.get_running_loop()

    async def work(session: aiohttp.ClientSession, threads: ThreadPoolExecutor) -> None:
        for url, _ in urls:
            async with session.get(url) as answer:
                data = await answer.read()
            await loop.run_in_executor(threads, decode, data)

    start, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(core_count()) as threads:
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(work(session, threads) for _ in range(CONNECTIONS)))
    print(time.perf_counter() - start, time.process_time() - cpu)


async def part_fetch(count: int, port: int) -> None:
    """Print the seconds, of time and of CPU, of getting every picture, with nothing done to them."""
    import aiohttp

    urls = iter(list_addresses(count, port))

    async def work(session: aiohttp.ClientSession) -> None:
        for url, _ in urls:
            async with session.get(url) as answer:
                await answer.read()

    start, cpu = time.perf_counter(), time.process_time()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(work(session) for _ in range(CONNECTIONS)))
    print(time.perf_counter() - start, time.process_time() - cpu)


def measure_part(*arguments: object) -> Cost:
    return measure([sys.executable, __file__, "--part", *arguments])


def measure_fetching(count: int, port: int) -> tuple[float, float]:
    """Return the pictures per second of a loop that only gets them, and its CPU milliseconds for each."""
    wall, cpu = map(float, measure_part("fetch", count, port).output.split())
    return count / wall, 1000 * cpu / count


def measure_decoding(folder: Path, workers: int) -> list[float]:
    """Return the CPU ms per picture while every core does the same: the look, the full decode, hash and write."""
    command = [sys.executable, __file__, "--part", "decode", str(folder)]
    running = [
        subprocess.Popen([*command, str(first), str(workers)], stdout=subprocess.PIPE, text=True)
        for first in range(workers)
    ]
    rows = [[float(word) for word in child.communicate()[0].split()] for child in running]
    return [sum(column) / workers for column in zip(*rows, strict=True)]


def run_img2dataset(python: str, folder: Path, count: int, port: int) -> tuple[Cost, float]:
    """Return its cost, and its own account of the seconds from its first shard's start to its last one's end."""
    folder.mkdir()
    url_list = folder / "list.txt"
    url_list.write_text("\n".join(url for url, _ in list_addresses(count, port)), encoding="utf-8")
    settings = {
        "url_list": url_list, "output_folder": folder / "out", "processes_count": 2, "thread_count": CONNECTIONS,
        "image_size": 256, "output_format": "files", "input_format": "txt",
        "number_sample_per_shard": -(-count // 4),
    }  # fmt: skip
    options = [f"--{key}={value}" for key, value in settings.items()]
    program = "from img2dataset import main; main()"
    cost = measure([python, "-c", program, *options], NO_ALBUMENTATIONS_UPDATE="1")  # else it looks for a newer one
    shards = [json.loads(path.read_text()) for path in (folder / "out").glob("*_stats.json")]
    successes = sum(shard["successes"] for shard in shards)
    if successes != count:
        raise SystemExit(f"img2dataset got {successes} of {count}")
    return cost, max(shard["end_time"] for shard in shards) - min(shard["start_time"] for shard in shards)


# ---- the tables


def measure_rounds(
    here: Path, pictures: Path, options: argparse.Namespace, port: int, start_up_s: float
) -> tuple[dict[str, tuple[Cost, float]], list[float], int]:
    """Return the best of each way, with its seconds less start-up; CPU ms of the parts of decoding; and those kept."""
    count: int = options.images
    best: dict[str, tuple[Cost, float]] = {}
    kept, decoded = 0, [1e9] * 3
    for number in range(options.rounds):
        decoded = [min(pair) for pair in zip(decoded, measure_decoding(pictures, core_count()), strict=True)]
        urls = list_addresses(count, port)
        ours, kept = collect(make_project(here / f"ours-{number}", urls, port, -(-count // len(CLASSES))))
        plain = measure_part("sequential", here / f"plain-{number}", count, port)
        ideals = {name: measure_part("ideal", way, count, port) for way, name in IDEALS.items()}
        ways = {
            "fieldguide collect": (ours, ours.wall_s - start_up_s),
            "plain loop": (plain, plain.wall_s),
            **{name: (cost, float(cost.output.split()[0])) for name, cost in ideals.items()},
        }
        if options.img2dataset:
            ways[PEER] = run_img2dataset(options.img2dataset, here / f"i2d-{number}", count, port)
        for name, pair in ways.items():
            best[name] = min(best.get(name, pair), pair, key=lambda pair: pair[0].wall_s)
    return best, decoded, kept


def show_throughput(here: Path, pictures: Path, options: argparse.Namespace) -> None:
    """Print the table of all ways, and what Fieldguide reaches of each ideal."""
    count: int = options.images
    with serving(pictures, here / "server") as (server, port):
        ceiling, fetch_ms = measure_fetching(count, port)
        start_up = measure_start_up(here / "empty", port)
        best, decoded, kept = measure_rounds(here, pictures, options, port, start_up.wall_s)
    print(f"served by {server}, which gives {ceiling:.0f} images/s to a loop that does nothing with them")
    print(f"{kept} of {count} are kept, the others are near-copies; start-up alone {start_up.wall_s:.2f} s, "
          f"{start_up.peak_bytes / 1e6:.0f} MB; best of {options.rounds} rounds")  # fmt: skip
    print(f"{'way':<40} {'images/s':>8} {'less start-up':>13} {'CPU ms/im':>9} {'peak MB':>8} {'CPU others':>10}")
    for name, (cost, inner_s) in best.items():
        print(
            f"{name:<40} {count / cost.wall_s:>8.0f} {count / inner_s:>13.0f} {1000 * cost.cpu_s / count:>9.2f}"
            f" {cost.peak_bytes / 1e6:>8.0f} {cost.others:>10.1f}"
        )
    if PEER not in best:
        print("img2dataset: not measured, it is not installed; see the top of this file")
    show_ideals(best, count, fetch_ms, decoded)


def show_ideals(best: dict[str, tuple[Cost, float]], count: int, fetch_ms: float, decoded: list[float]) -> None:
    """Print what Fieldguide reaches of each ideal, and its ratios to img2dataset."""
    cores = core_count()
    ours, inner_s = best["fieldguide collect"]
    rate = count / inner_s
    for name in IDEALS.values():
        cost, _ = best[name]
        whole, inner = cores * count / cost.cpu_s, cores * count / float(cost.output.split()[1])
        print(f"ideal of {name}: {whole:.0f} images/s from start to end, {inner:.0f} less start-up; fieldguide gives "
              f"{count / ours.wall_s / whole:.0%} and {rate / inner:.0%} (target: 70 %)")  # fmt: skip
    look_ms, full_ms, write_ms = decoded
    alone, work = 1000 * cores / look_ms, 1000 * cores / (look_ms + fetch_ms + write_ms)
    print(f"CPU ms/image: look {look_ms:.2f} (full decode {full_ms:.2f}), get {fetch_ms:.2f}, "
          f"hash and write {write_ms:.2f}; {cores} cores")  # fmt: skip
    print(f"fieldguide, less start-up: {rate / alone:.0%} of decoding alone ({alone:.0f} images/s), "
          f"{rate / work:.0%} of all the work ({work:.0f} images/s)")  # fmt: skip
    if PEER in best:
        theirs, their_s = best[PEER]
        print(f"fieldguide / img2dataset: {theirs.wall_s / ours.wall_s:.1f} from start to end, "
              f"{their_s / inner_s:.1f} less start-up, {theirs.cpu_s / ours.cpu_s:.1f} in CPU (target: 2)")  # fmt: skip


def show_latency(here: Path, pictures: Path, count: int) -> None:
    """Print the rate where each answer takes its time."""
    with serving(pictures, here / "slow-server", LATENCY_S) as (server, port):
        ideal = CONNECTIONS / LATENCY_S
        ceiling, _ = measure_fetching(count, port)
        start_up = measure_start_up(here / "slow-empty", port)
        urls = list_addresses(count, port)
        ours, _ = collect(make_project(here / "slow", urls, port, -(-count // len(CLASSES))))
    rate = count / (ours.wall_s - start_up.wall_s)
    print(f"{1000 * LATENCY_S:.0f} ms latency ({server}), {CONNECTIONS} connections: {rate:.0f} images/s net, "
          f"{rate / ideal:.0%} of concurrency / latency (target: 90 %); a loop that does nothing with them: "
          f"{ceiling / ideal:.0%}; others {ours.others:.1f} cores")  # fmt: skip


def show_resume(here: Path, ledger_rows: int) -> None:
    """Print how much longer collecting takes to start beside a full ledger."""
    costs = []
    for rows in (0, ledger_rows):
        project = make_project(here / f"ledger-{rows}", [], 80, ledger_rows)
        fill_ledger(project, rows)
        cost, kept = min((collect(project) for _ in range(3)), key=lambda pair: pair[0].wall_s)
        costs.append(cost)
    empty, full = costs
    print(f"{ledger_rows} candidates and as many fetches, {kept} kept, {len(CLASSES)} classes: resuming takes "
          f"{full.wall_s - empty.wall_s:.2f} s more than with none ({empty.wall_s:.2f} s; target: 1 s), "
          f"{full.peak_bytes / 1e6:.0f} MB")  # fmt: skip


def run_part(arguments: list[str]) -> None:
    """Do one of the other ways in this process."""
    match arguments:
        case ["decode", folder, first, step]:
            part_decode(Path(folder), int(first), int(step))
        case ["sequential", folder, count, port]:
            part_sequential(Path(folder), int(count), int(port))
        case ["ideal", "copy" | "lean" as way, count, port]:
            decode = _decode_and_copy if way == "copy" else _decode
            asyncio.run(part_ideal(int(count), int(port), decode))
        case ["fetch", count, port]:
            asyncio.run(part_fetch(int(count), int(port)))
        case _:
            raise SystemExit(f"there is no such part: {arguments}")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--images", type=int, default=2000, help="pictures to collect")
    parser.add_argument("--rounds", type=int, default=2, help="of each way; the best is shown")
    parser.add_argument("--ledger-rows", type=int, default=100_000, metavar="ROWS", help="candidates to resume beside")
    parser.add_argument("--img2dataset", default=os.environ.get("IMG2DATASET_PYTHON", ""), metavar="VENV_PYTHON")
    parser.add_argument("--only", choices=("throughput", "latency", "resume"))
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parse_options(parser, images=60, rounds=1, ledger_rows=1000)
    if options.part:
        return run_part(options.part)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        if options.only != "resume":
            print(make_pictures(here / "pictures", options.images))
        if options.only in (None, "throughput"):
            show_throughput(here, here / "pictures", options)
        if options.only in (None, "latency"):
            show_latency(here, here / "pictures", options.images)
        if options.only in (None, "resume"):
            show_resume(here, options.ledger_rows)


if __name__ == "__main__":
    main()

"""A served guide beside other servers of the same model: answers per second, milliseconds, processor time, memory.

First what an answer over one connection takes beyond the work in it, `Guide.classify` in this process on one thread.
Then the servers (`serve_peers`), all started before, stopped by a signal but for the one that is asked, and asked in an
order that turns round: pictures of 640 x 480 and of 12 megapixels, in the same form, over 1, 8 and 32 connections. What
they answer is checked first: `same` ways to 0.001, the others by the first class of most pictures. Last, three times as
many requests as a server can answer, and one that asks now and then while others send pictures that are slow to decode.
The processor time is that of all of a server's processes, memory what they hold of their own and their share of the
rest. The client is `load_client`, a process of its own.

A small guide is made with the learner of `new` (or give your own, of one view of EfficientNet-Lite0: `--guide`).

`python benchmarks/bench_serve.py [--guide FOLDER] [--requests 100] [--seconds 1.2] [--rounds 2]`
"""

import contextlib
import http.client
import io
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image

from common import describe_machine, fieldguide, make_parser, parse_options, process_tree, set_folder
from fieldguide.guide import open_guide
from serve_peers import PACKAGES, WAYS, is_here

OURS = "fieldguide serve"
CONNECTIONS = (1, 8, 32)
SIZES = {"640 x 480": (640, 480), "12 megapixels": (4032, 3024)}
BOUNDARY = "a-boundary"
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
GOOD_S = 3.0  # an answer that comes later, of too many requests, is of no use
HERE = Path(__file__).parent
WARM_UP = 5  # calls of each kind that are not counted
WORK = "the work alone, Guide.classify"
TARGET_MS = 2.0  # that the server may add to the work in an answer over a kept connection


def make_guide(pictures: Path, base: Path) -> Path:
    """Make a guide of a folder of classes."""
    project = base / "project"
    fieldguide("new", project)
    fieldguide("add", pictures, "-C", project, "--licence", "own", "--author", "the benchmark")
    for stage in ("clean", "split", "train", "evaluate", "publish"):
        fieldguide(stage, "-C", project)
    return project / "guide"


@contextlib.contextmanager
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


# ---- beside other servers


@dataclass
class System:
    """A server that is measured.

    Attributes:
        name: fieldguide's, or one of the peers' ways.
        url: where pictures are sent.
        process: its first process.
        rows: (size, connections) to the milliseconds of its answers, and by each round answers per second.
        cpu_s: (size, connections) to processor time and answers.
    """

    name: str
    url: str
    process: subprocess.Popen[str]
    times: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    rates: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    cpu_s: dict[tuple[str, int], list[tuple[float, int]]] = field(default_factory=dict)
    peak_bytes: int = 0

    @property
    def pids(self) -> list[int]:
        """Its processes, the first one first."""
        return process_tree(self.process.pid)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run inside the block alone: those it started wake first and sleep last, so none is missed."""
        pids = self.pids
        for pid in reversed(pids):
            send(pid, signal.SIGCONT)
        try:
            yield
        finally:
            for pid in self.pids:
                send(pid, signal.SIGSTOP)

    def end(self) -> None:
        """End all of its processes."""
        for pid in self.pids:
            send(pid, signal.SIGKILL)
        self.process.wait()

    def used_s(self) -> float:
        """Return the processor time of its processes until now."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def held_bytes(self) -> int:
        """Return the memory of its processes; what several share is counted once."""
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids]
        return 1024 * sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line[:4] == "Pss:")


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def start(name: str, guide: Path, base: Path) -> System:
    """Start a server; it may still be opening its model."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    if name == OURS:
        words, path = ["-m", "fieldguide", "serve", "--guide", str(guide), "--port", port], "v1/classify"
    else:
        words, path = [str(HERE / "serve_peers.py"), name, str(guide), port], "predict"
    none = subprocess.DEVNULL
    variables = {**os.environ, "PEER_FOLDER": str(base)}
    process = subprocess.Popen([sys.executable, *words], stdout=none, stderr=none, text=True, env=variables)
    return System(name, f"http://127.0.0.1:{port}/{path}", process)


def probs_of(answer: Mapping[str, Any]) -> dict[str, float]:
    """Return the probabilities in an answer of Fieldguide or of a peer."""
    return {row["class_name"]: row["prob"] for row in answer["probs"]} if "probs" in answer else dict(answer)


def check_answers(system: System, pictures: Sequence[bytes], expected: Sequence[Mapping[str, float]]) -> None:
    """Wait until a server answers, and check what.

    Raises:
        SystemExit: it answers something else, or not at all.
    """
    replies: list[dict[str, float]] = []
    deadline = time.monotonic() + 300
    while len(replies) < len(pictures):
        try:
            reply = httpx.post(system.url, files={"file": ("a.jpg", pictures[len(replies)])}, timeout=60)
            reply.raise_for_status()
            replies.append(probs_of(reply.json()))
        except httpx.HTTPError as error:
            if time.monotonic() > deadline or system.process.poll() is not None:
                raise SystemExit(f"{system.name} does not answer: {error}") from error
            time.sleep(0.2)
    if system.name == "eager":  # its head has learnt nothing
        right = len(replies)
    elif system.name == OURS or system.name.endswith("same"):
        right = sum(max(abs(a[name] - b[name]) for name in a) < 1e-3 for a, b in zip(replies, expected, strict=True))
    else:
        right = sum(max(a, key=a.__getitem__) == max(b, key=b.__getitem__)
                    for a, b in zip(replies, expected, strict=True)) + len(replies) // 5  # fmt: skip
    if right < len(replies):
        raise SystemExit(f"{system.name} answers {right} of {len(replies)} pictures as Python does")


def write_pictures(sources: Sequence[bytes], base: Path) -> dict[str, list[Path]]:
    """Write the pictures of each size as the bodies of forms, and return the files."""
    files: dict[str, list[Path]] = {}
    for size, pixels in SIZES.items():
        for number, data in enumerate(sources):
            buffer = io.BytesIO()
            Image.open(io.BytesIO(data)).convert("RGB").resize(pixels, Image.Resampling.BICUBIC).save(buffer, "JPEG")
            files.setdefault(size, []).append(write_form(buffer.getvalue(), base / f"{pixels[0]}-{number}"))
    return files


def write_form(data: bytes, path: Path) -> Path:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    path.write_bytes(head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode())
    return path


def ask(url: str, files: Sequence[Path], **plan: float) -> subprocess.Popen[str]:
    """Start a client."""
    about = {"url": url, "bodies": [str(path) for path in files], "headers": FORM, **plan}
    command = [sys.executable, str(HERE / "load_client.py"), json.dumps(about)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def take(client: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a client saw, when it has ended."""
    text, _ = client.communicate()
    seen: dict[str, Any] = json.loads(text)
    return seen


def measure_systems(
    systems: Sequence[System], files: Mapping[str, Sequence[Path]], seconds: float, rounds: int
) -> float:
    """Ask each of the servers over so many connections, in turns; return the client's milliseconds for a request."""
    client_s, asked = 0.0, 0
    for turn, (size, bodies), connections in itertools.product(range(rounds), files.items(), CONNECTIONS):
        for place in range(len(systems)):
            system = systems[(place + turn * len(systems) // rounds) % len(systems)]
            key = size, connections
            with system.awake():
                before_s = system.used_s()
                seen = take(ask(system.url, bodies, connections=connections, seconds=seconds))
                times = [1000 * took_s for status, took_s in seen["times"] if status == 200]
                if len(times) < len(seen["times"]):
                    print(f"{system.name}, {size}, {connections}: {len(seen['times']) - len(times)} without an answer")
                system.times.setdefault(key, []).extend(times)
                system.rates.setdefault(key, []).append(len(times) / seen["seconds"])
                system.cpu_s.setdefault(key, []).append((system.used_s() - before_s, len(seen["times"])))
                system.peak_bytes = max(system.peak_bytes, system.held_bytes())
            client_s, asked = client_s + seen["cpu_s"], asked + len(seen["times"])
    return 1000 * client_s / asked


def print_systems(systems: Sequence[System], work_ms: Mapping[str, float]) -> None:
    """Print the wide table, and how Fieldguide does beside the best of the others."""
    print(f"{'server':<18} {'pictures':<14} {'at once':>7} {'images/s':>8} {'p50 ms':>7} {'p95':>7} {'p99':>7} "
          f"{'CPU ms':>7} {'MB':>5}")  # fmt: skip
    for size, connections in itertools.product(SIZES, CONNECTIONS):
        for system in systems:
            key = size, connections
            low, late, last = np.percentile(system.times[key] or [float("nan")], [50, 95, 99])
            cpu_s, asked = (sum(column) for column in zip(*system.cpu_s[key], strict=True))
            print(f"{system.name:<18} {size:<14} {connections:>7} {statistics.mean(system.rates[key]):>8.1f} "
                  f"{low:>7.1f} {late:>7.1f} {last:>7.1f} {1000 * cpu_s / max(1, asked):>7.1f} "
                  f"{system.peak_bytes / 1e6:>5.0f}")  # fmt: skip
    ours, *peers = systems
    for size, connections in itertools.product(SIZES, CONNECTIONS):
        key = size, connections
        cpu_s, asked = (sum(column) for column in zip(*ours.cpu_s[key], strict=True))
        parts = [f"CPU beside the work alone {1000 * cpu_s / max(1, asked) / work_ms[size]:.2f}"]
        for text, same in (("as documented", False), ("same preprocessing", True)):
            rates = [statistics.mean(peer.rates[key]) for peer in peers if peer.name.endswith("same") == same]
            if rates:
                parts.append(f"best peer {text} {statistics.mean(ours.rates[key]) / max(rates):.2f} times")
        print(f"{size}, {connections} at once: {'; '.join(parts)}")
    print("targets: 1.25 times the best peer as documented, 1.00 of the same preprocessing, CPU at most 1.25")


def print_overload(systems: Sequence[System], files: Sequence[Path], seconds: float) -> None:
    """Print how many good answers come where three times as many are asked for as can be given."""
    print(
        f"{'3 times too many':<18} {'asked/s':>8} {'good/s':>8} {'of capacity':>11} {'p99 of good':>11} {'refused':>8}"
    )
    for system in systems:
        capacity = statistics.mean(system.rates["640 x 480", 8])
        with system.awake():
            seen = take(ask(system.url, files, rate=3 * capacity, seconds=seconds))
        good = [took_s for status, took_s in seen["times"] if status == 200 and took_s <= GOOD_S]
        refused = sum(status == 503 for status, _ in seen["times"])
        last_ms = 1000 * np.percentile(good or [float("nan")], 99)
        print(f"{system.name:<18} {3 * capacity:>8.0f} {len(good) / seen['seconds']:>8.1f} "
              f"{len(good) / seen['seconds'] / capacity:>11.2f} {last_ms:>11.0f} {refused:>8}")  # fmt: skip
    print("target: good answers at least 0.90 of capacity")


def print_attack(systems: Sequence[System], files: Sequence[Path], slow: Sequence[Path], seconds: float) -> None:
    """Print how long who asks now and then waits, alone and while others send pictures that are slow to decode."""
    print(f"{'slow pictures':<18} {'p50 ms':>8} {'p99 ms':>8} {'p50 attacked':>12} {'p99 attacked':>12} {'times':>6}")
    for system in systems:
        rate = 0.2 * statistics.mean(system.rates["640 x 480", 8])
        with system.awake():
            take(ask(system.url, slow, connections=1, seconds=0.1))  # whatever is started for the first one
            alone = take(ask(system.url, files, rate=rate, seconds=seconds))
            attack = ask(system.url, slow, connections=4, seconds=seconds + 1)
            time.sleep(0.5)
            attacked = take(ask(system.url, files, rate=rate, seconds=seconds))
            take(attack)
        rows = [[1000 * (took_s if status == 200 else GOOD_S) for status, took_s in seen["times"]]
                for seen in (alone, attacked)]  # fmt: skip
        (low, last), (low_then, last_then) = (np.percentile(row or [float("nan")], [50, 99]) for row in rows)
        print(
            f"{system.name:<18} {low:>8.1f} {last:>8.1f} {low_then:>12.1f} {last_then:>12.1f} {last_then / last:>6.2f}"
        )
    print("target: less than 2 times")


def write_slow(base: Path) -> list[Path]:
    """Write pictures of few bytes that take long: 47 megapixels of one colour, and 12 in many passes."""
    flat, passes = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (6900, 6900), "green").save(flat, "PNG")
    Image.effect_noise((4032, 3024), 40).save(passes, "JPEG", progressive=True, quality=60)
    return [write_form(data.getvalue(), base / f"slow-{place}") for place, data in enumerate((flat, passes))]


def compare_servers(guide_folder: Path, sources: Sequence[bytes], base: Path, options: Any) -> None:
    """Print the tables of all servers."""
    files = write_pictures(sources, base)
    names = [OURS, *(way for way in WAYS if is_here(way))]
    for name in WAYS:
        if name not in names:
            print(f"{name}: not measured: pip install {PACKAGES[name.split()[0]]}")
    guide = open_guide(guide_folder, threads=1)
    plain = [path.read_bytes().partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0] for path in files["640 x 480"]]
    expected = [guide.classify(data).probs for data in plain]
    work_ms = {size: measure_work(guide, bodies) for size, bodies in files.items()}
    systems: list[System] = []
    try:
        for name in names:
            system = start(name, guide_folder, base)
            systems.append(system)
            check_answers(system, plain, expected)
            with system.awake():
                pass
        client_ms = measure_systems(systems, files, options.seconds, options.rounds)
        print_systems(systems, work_ms)
        print(f"the client: {client_ms:.2f} ms of processor time for a request")
        print_overload(systems, files["640 x 480"], 3 * options.seconds)
        attacked = [system for system in systems if system.name in (OURS, "onnx same")]
        print_attack(attacked, files["640 x 480"], write_slow(base), 4 * options.seconds)
    finally:
        for system in systems:
            system.end()


def measure_work(guide: Any, bodies: Sequence[Path]) -> float:
    """Return the milliseconds of processor time for a picture, read, decoded and classified here on one thread."""
    pictures = [path.read_bytes().partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0] for path in bodies]
    guide.classify(pictures[0])
    start_s = time.process_time()
    for data in pictures * 2:
        guide.classify(data)
    return 1000 * (time.process_time() - start_s) / (2 * len(pictures))


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--guide", type=Path, help="a published guide; else one of some flowers is made")
    parser.add_argument("--requests", type=int, default=100, help="answers to measure in each row of the first table")
    parser.add_argument("--seconds", type=float, default=1.2, help="for each row of the others, in each round")
    parser.add_argument("--rounds", type=int, default=2)
    options = parse_options(parser, requests=5, seconds=0.1, rounds=1)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        folder = set_folder("flowers17", True, Path(base))
        guide = options.guide or make_guide(folder, Path(base))
        pictures = [path.read_bytes() for path in sorted(folder.glob("*/*.jpg"))[:: 5 if options.small else 2]]
        compare(guide, pictures, options.requests)
        compare_servers(guide, pictures[:10], Path(base), options)


if __name__ == "__main__":
    main()

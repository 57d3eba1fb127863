"""How soon the page of `export --to web` answers in headless Chromium, beside the guide in Python.

A guide of flowers17 is made (or give your own with `--guide`) and exported. Cold is from the start of a new process, or
of an empty browser that is already running, to the answer for a first picture; warm is the median of further ones, the
file's bytes to the square that the model sees, and the model. Python has one thread, as the browser has. At the end
stand the bytes of the first load and the first contentful paint.

`python benchmarks/bench_browser.py [--guide FOLDER] [--pictures 60]`
"""

import gzip
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import describe_machine, fieldguide, make_parser, parse_options, set_folder
from fieldguide.chromium import open_chromium
from fieldguide.errors import MissingExtra
from fieldguide.exporters.contract import Source
from fieldguide.exporters.web import ChromiumRuntime, WebExporter, serve_page
from fieldguide.guide import Guide, open_guide

COLD = """
import sys
from fieldguide.guide import open_guide
open_guide(sys.argv[1], threads=1).classify(sys.argv[2])
"""
RUNTIME_S = 120


def make_guide(pictures: Path, base: Path) -> Path:
    """Make a guide of a folder of classes with the embedded backbone."""
    project = base / "project"
    fieldguide("new", project)
    fieldguide("add", pictures, "-C", project, "--licence", "own", "--author", "the benchmark")
    fieldguide("build", "-C", project)
    return project / "guide"


def measure_python(guide: Guide, paths: Sequence[Path]) -> None:
    """Print the row of Python."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", COLD, str(guide.folder), str(paths[0])], check=True)
    cold_ms = 1000 * (time.perf_counter() - start)
    prepared, asked = [], []
    for path in paths:
        start = time.perf_counter()
        square = guide.load(path.read_bytes())
        between = time.perf_counter()
        guide.answer(square[None], [""])
        prepared.append(1000 * (between - start))
        asked.append(1000 * (time.perf_counter() - between))
    print_row("Python, ONNX Runtime", cold_ms, prepared[1:], asked[1:])


def measure_browser(folder: Path, paths: Sequence[Path]) -> None:
    """Print the rows of Chromium: the first visit, and a second one with what the browser has kept."""
    from selenium.webdriver.support.expected_conditions import presence_of_element_located
    from selenium.webdriver.support.ui import WebDriverWait

    with serve_page(folder) as server, open_chromium(()) as driver:
        driver.set_script_timeout(RUNTIME_S)
        for name in ("Chromium, ONNX Runtime Web", "  the same, kept on the device"):
            start = time.perf_counter()
            driver.get(server.address)
            runtime = ChromiumRuntime(driver, server, folder)
            runtime.classify(paths[0].read_bytes())
            cold_ms = 1000 * (time.perf_counter() - start)
            answers = [runtime.measure(path.read_bytes()) for path in paths[1:]]
            print_row(name, cold_ms, [row[0] for row in answers], [row[1] for row in answers])
            kept = presence_of_element_located(("css selector", ".kept[data-kept=true]"))
            WebDriverWait(driver, RUNTIME_S, 0.05).until(kept)
            driver.get("about:blank")


FIRST_LOAD = """
const [paint] = performance.getEntriesByName("first-contentful-paint");
if (!paint) return null;
const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
const shown = entries.filter((entry) => !/[.](onnx|wasm)$/.test(entry.name));
return [paint.startTime, shown.length, shown.reduce((sum, entry) => sum + entry.transferSize, 0)];
"""


def measure_first_load(folder: Path) -> None:
    """Print what an empty browser gets to show the page, and when it shows something; the host compresses nothing."""
    from selenium.webdriver.support.ui import WebDriverWait

    with serve_page(folder) as server, open_chromium(()) as driver:
        driver.get(server.address)
        wait = WebDriverWait(driver, RUNTIME_S, 0.05)
        paint_ms, files, size_bytes = wait.until(lambda driver: driver.execute_script(FIRST_LOAD))
    print(f"first load: {size_bytes / 1000:,.0f} kB uncompressed, in {files} files")
    print(f"first contentful paint: {paint_ms:.0f} ms")


def print_row(name: str, cold_ms: float, prepared: Sequence[float], asked: Sequence[float]) -> None:
    both = np.add(prepared, asked)
    medians = " ".join(f"{np.median(row):>13.1f}" for row in (prepared, asked, both))
    print(f"{name:<32} {cold_ms:>8.0f} {medians}", flush=True)


def print_sizes(folder: Path) -> None:
    """Print what a first visit downloads, in kB, compressed as most hosts do."""
    kinds = {
        "the page": (".html", ".js", ".css", ".json"),
        "the runtime": (".wasm",),
        "the model": (".onnx",),
    }
    for kind, suffixes in kinds.items():
        paths = [path for path in folder.rglob("*") if path.suffix in suffixes]
        packed = sum(len(gzip.compress(path.read_bytes())) for path in paths) / 1000
        print(f"{kind:<32} {packed:>8,.0f} kB compressed, {sum(path.stat().st_size for path in paths) / 1000:,.0f} kB")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--guide", type=Path, help="a published guide; else one of flowers17 is made")
    parser.add_argument("--pictures", type=int, default=60, help="pictures to ask about")
    options = parse_options(parser, pictures=4)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        folder = set_folder("flowers17", options.small, Path(base))
        guide = open_guide(options.guide or make_guide(folder, Path(base)), threads=1)
        paths = sorted(folder.glob("*/*.jpg"))
        paths = paths[:: max(1, len(paths) // options.pictures)][: options.pictures + 1]
        page = Path(base) / "page"
        page.mkdir()
        WebExporter().export(Source(guide, "transfer", b"", lambda count: np.zeros((0, 1, 1, 3), np.uint8)), page)
        print(f"{'answers come from':<32} {'cold ms':>8} {'file to square':>13} {'model':>13} {'together':>13}")
        measure_python(guide, paths)
        try:
            measure_browser(page, paths)
            measure_first_load(page)
        except MissingExtra as error:
            print(f"Chromium: not measured: {error}")
        print_sizes(page)


if __name__ == "__main__":
    main()

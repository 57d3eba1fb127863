"""What a reviewer waits for: opening, the first page, a jump, filters, a decision and an undo, as rows grow.

The rows are made, the pictures are not: a catalogue as `clean` leaves it, a tenth of it suspected or rejected, ten
classes, two sources. Answers of the server itself, in this process, without the network; median and slowest of several.
The peer is the plain query: the view of states, sorted by its verdicts, for one page.

Then the page in a Chromium without a window, where there is one, and the program that it talks to: from the link to
the first labels, frames while the grid scrolls by 120 pixels in each, jumps of the scroll bar and the key End until
the labels there are shown, and the most memory that the program held. The pictures themselves are missing there too.
"""

import hashlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from common import describe_machine, make_parser, parse_options
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.review_list import ReviewList
from fieldguide.records import ImageRow, Label, Origin, Prints, Verdict
from fieldguide.stages.new import new
from fieldguide.stages.review.access import Access
from fieldguide.stages.review.app import make_app, page_folder

CLASSES = [f"class-{number}" for number in range(10)]
CHUNK = 20_000
PLAIN = """SELECT sha256, class_name, state FROM state ORDER BY
    (SELECT min(CASE WHEN reason LIKE 'two_labels%' THEN 0 WHEN "check" = 'outliers' THEN 1 ELSE 2 END)
     FROM verdict v WHERE v.sha256 = state.sha256 AND v.verdict <> 'keep') IS NULL, 1 LIMIT 100"""

# in the page: when the first labels were there
WATCH = """new MutationObserver(() => {
    if (window.firstGrid || !document.querySelector(".class-name")) return;
    if (document.querySelector(".class-name").textContent !== "…") window.firstGrid = performance.now();
}).observe(document, {childList: true, subtree: true, characterData: true});"""
FIRST = """const [done] = arguments;
const look = () => window.firstGrid ? done(window.firstGrid) : setTimeout(look, 10);
look();"""
# milliseconds of each frame while the grid scrolls
SCROLL = """const [frames, done] = arguments, grid = document.querySelector(".grid"), taken = [];
let last = 0;
const frame = (now) => {
    taken.push(now - last);
    last = now;
    if (taken.length > frames) done(taken.slice(1));
    else { grid.scrollTop += 120; requestAnimationFrame(frame); }
};
requestAnimationFrame(frame);"""
# milliseconds from a jump, to a share of the bar or by a key, until what is in sight is near there and has its labels
JUMP = """const [share, number, near, done] = arguments, grid = document.querySelector(".grid");
const start = performance.now();
if (share === null) grid.dispatchEvent(new KeyboardEvent("keydown", {key: "End", bubbles: true}));
else grid.scrollTop = share * grid.scrollHeight;
const look = () => {
    const cells = [...document.querySelectorAll(".cell")];
    const isNear = cells.some((cell) => Math.abs(Number(cell.dataset.number) - number) <= near);
    const isFilled = cells.every((cell) => cell.querySelector(".class-name").textContent !== "…");
    if (isNear && isFilled) done(performance.now() - start);
    else requestAnimationFrame(look);
};
requestAnimationFrame(look);"""


def make_rows(rows: int) -> Iterator[tuple[ImageRow, Origin, Label]]:
    """Yield what `add` would write."""
    for number in range(rows):
        name = hashlib.sha256(str(number).encode()).hexdigest()
        source = "folder" if number % 2 else "openverse"
        yield (
            ImageRow(name, "JPEG", 50_000, 640, 480, "RGB", 1),
            Origin(name, source, f"photos/{number}.jpg", "Ann", "CC0-1.0"),
            Label(name, CLASSES[number % len(CLASSES)], "folder"),
        )


def judge(names: list[str], dice: random.Random) -> Iterator[Verdict]:
    """Yield what `clean` would write about pictures."""
    for place, name in enumerate(names):
        yield Verdict(name, "files", "keep", "", 480.0)
        yield Verdict(name, "names", "keep", "", 0.0)
        draw = dice.random()
        if draw < 0.005:
            yield Verdict(name, "duplicates", "reject", "two_labels: class-1, class-2", 1.0, names[place - 1])
        elif draw < 0.05:
            yield Verdict(name, "duplicates", "reject", "near_copy: of another", 1.0, names[place - 1])
        else:
            yield Verdict(name, "duplicates", "keep", "", 0.0)
        if dice.random() < 0.05:
            yield Verdict(name, "outliers", "suspect", "outlier: unlike its class", dice.random())


def fill(catalog: Catalog, rows: int) -> None:
    """Fill a catalogue as `add`, `clean` and `split` leave it."""
    dice, made = random.Random(0), make_rows(rows)
    splits: dict[str, str] = {}
    for pragma in ("cache_size = -2000000", "synchronous = OFF"):  # filling is not what is measured
        catalog.rows(f"PRAGMA {pragma}")
    catalog.set_class_names(CLASSES)
    while part := list(islice(made, CHUNK)):
        names = [image.sha256 for image, _, _ in part]
        with catalog.transaction():
            catalog.add_images(part, "2026-01-01")
            catalog.set_fingerprints(dict.fromkeys(names, Prints(bytes(8), bytes(8), bytes(1024), bytes(128))))
            catalog.set_verdicts(judge(names, dice), "s")
        splits |= {name: ("train", "test")[place % 5 == 0] for place, name in enumerate(names)}
    catalog.replace_splits(splits)
    catalog.finish("clean", "inputs", {}, "2026-01-01")


def measure(call: Callable[[], Any], times: int) -> str:
    """Return the median and the slowest of several calls, milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(taken):9.1f} {max(taken):9.1f}"


def review(project: Project, rows: int, times: int) -> None:
    """Measure what the page asks for."""
    app = make_app(project, project.settings(), Access(("testserver",), 80, "token"))
    with TestClient(app, headers={"Authorization": "Bearer token"}) as client, project.catalog():

        def get(**query: object) -> Any:
            reply = client.get("/api/pictures", params={key: str(value) for key, value in query.items()})
            return reply.raise_for_status().json()

        def show(name: str, call: Callable[[], Any], count: int = times) -> None:
            print(f"{rows:>8} {name:<30} {measure(call, count)}", flush=True)

        show("opening", lambda: client.get("/api/state").raise_for_status(), 1)
        show("frame", lambda: client.get("/api/state").raise_for_status())
        show("first page", get)
        show("jump to the middle", lambda: get(offset=rows // 2))
        after = get(offset=rows // 2)["next"]
        show("next page there", lambda: get(**({"after": after} if after else {})))
        show("one reason", lambda: get(reason="outlier"))
        show("class and reason", lambda: get(class_name=CLASSES[3], reason="near_copy"))
        show(
            "class, split, state, middle",
            lambda: get(class_name=CLASSES[3], split="train", state="kept", offset=rows // 40),
        )
        show("random order", lambda: get(order="audit"))
        names = [picture["sha256"] for picture in get(limit=min(500, rows))["pictures"]]
        revisions = dict.fromkeys(names, 0)

        def decide(chosen: list[str]) -> None:
            body = [{"sha256": name, "decision": "drop", "revision": revisions[name]} for name in chosen]
            reply = client.post("/api/decisions", json={"by": "bench", "decisions": body}).raise_for_status()
            revisions.update({item["sha256"]: item["revision"] for item in reply.json()["saved"]})

        waiting = iter(names * times)
        show("a decision, on the disk", lambda: decide([next(waiting)]))
        show("100 decisions at once", lambda: decide(names[:100]))
        show("an undo", lambda: client.post("/api/undo", json={"by": "bench"}).raise_for_status())


@contextmanager
def serving(root: Path) -> Iterator[tuple[int, str]]:
    """Run the command and yield its process id and the link that it shows."""
    command = [sys.executable, "-m", "fieldguide", "review", "-C", str(root), "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            links = (re.search(r"http://\S+token=\S+", line) for line in server.stderr)
            yield server.pid, next(link[0] for link in links if link)
        finally:
            server.terminate()


@contextmanager
def browsing() -> Iterator[Any]:
    """Run a Chromium without a window and yield its driver."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1280,900"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        driver.set_script_timeout(600)
        yield driver
    finally:
        driver.quit()


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process ever held."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def look(root: Path, rows: int, times: int) -> None:
    """Measure what the page itself does."""
    if not shutil.which("chromium") or not page_folder().joinpath("index.html").is_file():
        print(f"{rows:>8} in Chromium: not measured, there is none, or the page is not built")
        return

    def show(name: str, taken: list[float]) -> None:
        taken = sorted(taken)
        late = taken[int(0.95 * len(taken))]
        print(f"{rows:>8} {name:<30} {statistics.median(taken):9.1f} {taken[-1]:9.1f} {late:9.1f}", flush=True)

    with serving(root) as (server, link), browsing() as driver:
        first = []
        for _ in range(times):
            driver.get(link)
            first.append(driver.execute_async_script(FIRST))
        show("page: first labels", first)
        show("page: frame while scrolling", driver.execute_async_script(SCROLL, 60 * times))
        jumps = [(share, rows * share, rows // 5) for share in (0.9, 0.2, 0.7, 0.4)] * (times // 4)
        show("page: jump of the bar", [driver.execute_async_script(JUMP, *jump) for jump in jumps])
        show("page: the key End", [driver.execute_async_script(JUMP, None, rows - 1, 0)])
        print(f"{rows:>8} {'program: most memory, MB':<30} {peak_bytes(server) / 1e6:9.0f}", flush=True)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("rows", nargs="*", type=int, default=[1_000, 100_000, 1_000_000], metavar="ROWS")
    parser.add_argument(
        "--times", type=int, default=20, metavar="N", help="of each; the median and the slowest are shown"
    )
    options = parse_options(parser, rows=[300], times=4)
    print(describe_machine())
    print(f"{'rows':>8} {'what':<30} {'median ms':>9} {'slowest':>9} {'95 %':>9}")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "project"
            new(root, {name: {} for name in CLASSES})
            project = Project(root)
            with project.catalog() as catalog:
                fill(catalog, rows)
            with project.catalog() as catalog:
                made = measure(ReviewList(catalog).update, 1)
                print(f"{rows:>8} {'the list, at the end of clean':<30} {made}", flush=True)
                print(f"{rows:>8} {'peer: the view, sorted':<30} {measure(lambda: catalog.rows(PLAIN), 1)}", flush=True)
            review(project, rows, options.times)
            look(root, rows, options.times)


if __name__ == "__main__":
    main()

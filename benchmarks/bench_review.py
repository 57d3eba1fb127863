"""What a reviewer waits for: opening, the first page, a jump, filters, a decision and an undo, as rows grow.

The rows are made, the pictures are not: a catalogue as `clean` leaves it, a tenth of it suspected or rejected, ten
classes, two sources. Answers of the server itself, in this process, without the network; median and slowest of several.
The peer is the plain query: the view of states, sorted by its verdicts, for one page.
"""

import hashlib
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
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
from fieldguide.stages.review.app import make_app

CLASSES = [f"class-{number}" for number in range(10)]
CHUNK = 20_000
PLAIN = """SELECT sha256, class_name, state FROM state ORDER BY
    (SELECT min(CASE WHEN reason LIKE 'two_labels%' THEN 0 WHEN "check" = 'outliers' THEN 1 ELSE 2 END)
     FROM verdict v WHERE v.sha256 = state.sha256 AND v.verdict <> 'keep') IS NULL, 1 LIMIT 100"""


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
    catalog.set_class_names(CLASSES)
    while part := [row for row, _ in zip(made, range(CHUNK), strict=False)]:
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


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("rows", nargs="*", type=int, default=[1_000, 100_000, 1_000_000], metavar="ROWS")
    parser.add_argument(
        "--times", type=int, default=20, metavar="N", help="of each; the median and the slowest are shown"
    )
    options = parse_options(parser, rows=[300], times=2)
    print(describe_machine())
    print(f"{'rows':>8} {'what':<30} {'median ms':>9} {'slowest':>9}")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "project"
            new(root, {name: {} for name in CLASSES})
            project = Project(root)
            with project.catalog() as catalog:
                fill(catalog, rows)
                made = measure(ReviewList(catalog).update, 1)
                print(f"{rows:>8} {'the list, at the end of clean':<30} {made}", flush=True)
                print(f"{rows:>8} {'peer: the view, sorted':<30} {measure(lambda: catalog.rows(PLAIN), 1)}", flush=True)
            review(project, rows, options.times)


if __name__ == "__main__":
    main()

"""A guide to colours that has seen painted pictures, colour features or both, on photographs of one plain colour.

The recipe `colours` is built by the public commands from what it paints, from ../shared/data/art-colour-vectors (3,821
vectors, without pictures), and from both; each guide is asked about parts of photographs that a person has named.
`plain_colours.csv` has the files in ../shared/data, the part in shares of the sides, and the colour. The list was made
while the painting was worked on, so it is no test of that: what counts is a set that nobody here has seen.

`python benchmarks/bench_paint.py [PER_CLASS]`, by default 200 painted pictures of each colour.
"""

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from common import describe_machine, fieldguide, make_parser, parse_options, shared_data
from fieldguide import open_guide
from fieldguide.metrics import wilson_interval

PHOTOGRAPHS = Path(__file__).with_name("plain_colours.csv")
QUICK = {"growth": "false", "cross_validate": '"never"', "robustness": "0", "saliency": "0"}


def photographs() -> Iterator[tuple[bytes, str]]:
    """Yield a PNG file and the colour of each part of a photograph that is there."""
    with PHOTOGRAPHS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        path = shared_data("art-colour-vectors").parent / row["path"]
        if not path.is_file():
            continue
        with Image.open(path) as image:
            width, height = image.size
            box = [int(float(row[name]) * side) for name, side in
                   (("left", width), ("top", height), ("right", width), ("bottom", height))]  # fmt: skip
            buffer = io.BytesIO()
            image.convert("RGB").crop((box[0], box[1], box[2], box[3])).save(buffer, "PNG")
        yield buffer.getvalue(), row["colour"]


def build(root: Path, per_class: int, vectors: Path | None) -> Path:
    """Build the recipe and return its guide; no pictures are painted where `per_class` is 0."""
    fieldguide("new", root, "--recipe", "colours")
    settings = root / "fieldguide.toml"
    text = settings.read_text(encoding="utf-8").replace("per_class = 200", f"per_class = {max(1, per_class)}")
    if not per_class:
        text = text.replace('sources = ["painted"]', "sources = []")
    evaluate = "\n".join(f"{name} = {value}" for name, value in QUICK.items())
    settings.write_text(f"{text}\n[evaluate]\n{evaluate}\n", encoding="utf-8")
    if vectors:
        fieldguide("add", vectors, "-C", root)
    fieldguide("build", "-C", root)
    return root / "guide"


def score(name: str, guide_folder: Path) -> None:
    """Print how many photographs a guide names rightly, and how many it declines."""
    guide, right, declined, wrong = open_guide(guide_folder), 0, 0, list[str]()
    answers = [(guide.classify(data), colour) for data, colour in photographs()]
    for answer, colour in answers:
        first = next(iter(answer.probs))
        right += first == colour
        declined += answer.declined
        wrong += [] if first == colour else [f"{colour} for {first}"]
    count, scores = max(1, len(answers)), _scores(guide.about["scores"])
    low, high = wilson_interval(right, count)
    print(f"{name:20} {right / count:.3f} ({low:.3f} to {high:.3f}), {right} of {len(answers)} {declined:8} {scores}")
    print(f"{'':20} took {', '.join(wrong)[:200]}")


def _scores(scores: Mapping[str, object]) -> str:
    share = scores["accuracy"]
    assert isinstance(share, list)
    return f"{share[0]:.3f} ({share[1]:.3f} to {share[2]:.3f}) of {scores['test_images']}"


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument(
        "per_class", nargs="?", type=int, default=200, metavar="PER_CLASS", help="paintings of each colour"
    )
    options = parse_options(parser, per_class=12)
    table = shared_data("art-colour-vectors") / "support_vectors_labelled.csv"
    print(describe_machine())
    print(f"{'learnt from':20} photographs right {'declined':>33} its own test")
    with tempfile.TemporaryDirectory() as base:
        ways: dict[str, tuple[int, Path | None]] = {"painted pictures": (options.per_class, None)}
        if not options.small:  # the small table has other names
            ways |= {"vectors": (0, table), "both": (options.per_class, table)}
        for number, (name, (per_class, vectors)) in enumerate(ways.items()):
            score(name, build(Path(base) / str(number), per_class, vectors))

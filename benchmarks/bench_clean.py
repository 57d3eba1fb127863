"""What `clean` takes for copies: real pictures after usual changes, in other colours, and pairs of real pictures.

The peers compare grey thumbnails alone, and colours by how far they differ but not by their hue, as `clean` did before.
Of the other colours it is counted, too, how many pictures they change visibly (on average by 2.3 or more, CIE76), and
which of those are taken for copies. The pairs of real pictures are listed, to be judged by eye: how many of them show
different things?
"""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageEnhance, ImageOps

from common import describe_machine, make_parser, parse_options, shared_data
from fieldguide.checks import duplicates
from fieldguide.checks.duplicates import Fingerprints, find_copies
from fieldguide.checks.files import DECODE_SIDE
from fieldguide.images import copy_prints, decode_image
from fieldguide.records import Prints
from fieldguide.settings import CleanSettings

SETS = ("charts-dev", "cifar10", "colour-clothes", "flowers17", "flowers5-tiny", "handbags", "rooms")
SIDE = 400  # of the pictures that are changed, pixels
COLOURFUL = 30  # levels of Cb and Cr that the most colourful cell must have for a change of hue to be one
VISIBLE = 2.3  # mean difference by CIE76: one that is just noticed (Mahy and others, 1994)
TO_LAB = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
WAYS = ("grey alone", "by distance", "with hue")

Change = Callable[[Image.Image], Image.Image]


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--per-set", type=int, default=50, metavar="N", help="pictures of each set that are changed")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pictures; 0 and 1 were looked at")
    options = parse_options(parser, per_set=2)
    print(describe_machine())
    chance = random.Random(options.seed)
    counts: dict[str, Counter[str]] = {}
    real: dict[str, dict[str, Prints]] = {}
    for name in SETS:
        paths = [path for path in sorted(shared_data(name).rglob("*")) if path.is_file()]
        paths = chance.sample(paths, min(20, len(paths))) if options.small else paths
        real[name] = {str(path): prints for path, prints in different_files(paths).items()}
        if name != "cifar10":  # too small to be halved
            for path in chance.sample(paths, min(options.per_set, len(paths))):
                count_changes(path, counts)
    print(f"{'change':<34} pictures  {'  '.join(WAYS)}  visible  with hue, and visible")
    for change, count in counts.items():
        shares = "  ".join(f"{count[way] / count['pictures']:>{len(way)}.1%}" for way in WAYS)
        seen = f"  {count['visible']:>7}  {count['missed'] / max(1, count['visible']):>21.1%}"
        print(f"{change:<34} {count['pictures']:>8}  {shares}{seen if change in OTHER_COLOURS else ''}")
    print(f"\n{'pairs of real pictures':<34} pictures  {'  '.join(WAYS)}")
    for name, prints in real.items():
        found = {way: pairs_of(prints, way) for way in WAYS}
        print(f"{name:<34} {len(prints):>8}  {'  '.join(f'{len(found[way]):>{len(way)}}' for way in WAYS)}")
        for pair in sorted(set().union(*found.values())):
            last = [way for way in WAYS if pair in found[way]][-1]
            print(f"  {last}: {' and '.join(Path(path).name for path in pair)}")


def different_files(paths: list[Path]) -> dict[Path, Prints]:
    """Return what copies are recognised by, of every file whose bytes no other has."""
    by_bytes = {sha256(data := path.read_bytes()).digest(): (path, data) for path in paths}
    return {path: copy_prints(decode_image(data, at_least=DECODE_SIDE)) for path, data in by_bytes.values()}


def pairs_of(prints: dict[str, Prints], way: str) -> set[tuple[str, str]]:
    """Return the pairs that `clean` takes for copies, or would if it did not look at colours, or not at hues."""
    limits, names = CleanSettings(), list(prints)
    classes = np.zeros(len(names), dtype=np.intp) if way == "grey alone" else None
    with patch.object(duplicates, "is_other_hue", ignore_hue) if way == "by distance" else nullcontext():
        pairs = find_copies(Fingerprints(prints), limits.copy_distance, limits.copy_likeness, classes)
    return {(names[first], names[second]) for first, second in pairs}


def ignore_hue(left: NDArray[np.float32], *_: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell of no pair that its hue is another."""
    return np.zeros(len(left), np.bool_)


def count_changes(path: Path, counts: dict[str, Counter[str]]) -> None:
    """Count for every change whether the changed picture is taken for a copy."""
    image = decode_image(path.read_bytes(), at_least=SIDE)
    image.thumbnail((SIDE, SIDE))
    original = copy_prints(image)
    cells = np.frombuffer(original.colour, dtype=np.uint8).reshape(-1, 2) - 128.0
    colourful = np.linalg.norm(cells, axis=1).max() >= COLOURFUL
    for name, change in {**COPIES, **(OTHER_COLOURS if colourful else {})}.items():
        changed = change(image)
        prints = {"original": original, "changed": copy_prints(changed)}
        count = counts.setdefault(name, Counter())
        count["pictures"] += 1
        count.update(way for way in WAYS if pairs_of(prints, way))
        if name in OTHER_COLOURS and np.linalg.norm(lab(changed) - lab(image), axis=2).mean() >= VISIBLE:
            count["visible"] += 1
            count["missed"] += bool(pairs_of(prints, "with hue"))


def lab(image: Image.Image) -> NDArray[np.float64]:
    """Return a smaller copy of a picture in CIELAB, (128, 128, 3)."""
    transformed = ImageCms.applyTransform(image.resize((128, 128), Image.Resampling.BOX), TO_LAB)
    cells = np.asarray(transformed)
    return np.concatenate([cells[..., :1] / 2.55, cells[..., 1:].copy().view(np.int8)], axis=2)


def saved(image: Image.Image, quality: int) -> Image.Image:
    """Return the picture as JPEG makes it."""
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def halved(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BICUBIC)


def lit(*gains: float) -> Change:
    """Return a change of the colour of the light."""
    return lambda image: Image.fromarray((np.asarray(image) * gains).clip(0, 255).astype(np.uint8))


def curved(gamma: float) -> Change:
    return lambda image: image.point([round(255 * (value / 255) ** gamma) for value in range(256)] * 3)


def turned(degrees: int) -> Change:
    """Return a change of every hue."""

    def change(image: Image.Image) -> Image.Image:
        hue, *others = image.convert("HSV").split()
        hue = hue.point([(value + round(degrees * 256 / 360)) % 256 for value in range(256)])
        return Image.merge("HSV", (hue, *others)).convert("RGB")

    return change


COPIES: dict[str, Change] = {
    "JPEG, quality 60": lambda image: saved(image, 60),
    "half the size": halved,
    "half the size, JPEG 60": lambda image: saved(halved(image), 60),
    "mirrored": ImageOps.mirror,
    "brightness x 0.8": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "brightness x 1.2 (clips)": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "contrast x 0.8": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "contrast x 1.2": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "gamma 0.8": curved(0.8),
    "gamma 1.25": curved(1.25),
    "red + 4 %, blue - 4 %": lit(1.04, 1, 0.96),
    "red + 8 %, blue - 8 %": lit(1.08, 1, 0.92),
    "saturation x 0.8": lambda image: ImageEnhance.Color(image).enhance(0.8),
}
OTHER_COLOURS: dict[str, Change] = {
    "another hue: turned by 30 degrees": turned(30),
    "another hue: turned by 60 degrees": turned(60),
    "another hue: turned by 120 degrees": turned(120),
    "red and blue exchanged": lambda image: Image.merge("RGB", image.split()[::-1]),
    "grey": lambda image: ImageEnhance.Color(image).enhance(0),
}


if __name__ == "__main__":
    main()

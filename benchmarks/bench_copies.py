"""Copies planted among real photographs: how many `clean` finds, kind by kind, and what else it takes for a copy.

For each kind of change a project holds photographs and a changed copy of each; the share of copies that are found is
beside that of average, perceptual and difference hashes (ImageHash, where it is installed) at a distance of 8. Then the
photographs alone: each pair that is taken for copies is listed, to be judged by eye. Features need the extra [train].
"""

import importlib
import importlib.util
import json
import random
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from common import describe_machine, fieldguide, make_parser, parse_options, shared_data
from fieldguide.hashing import hash_file
from fieldguide.images import decode_image

SETS = ("flowers17", "rooms", "handbags")
SIDE = 400  # of the photographs, pixels
DISTANCE = 8
PEERS = {"ahash": "average_hash", "phash": "phash", "dhash": "dhash"}
Change = Callable[[Image.Image, random.Random], Image.Image]


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--per-set", type=int, default=100, metavar="N", help="photographs of each set")
    options = parse_options(parser, per_set=4)
    print(describe_machine())
    imagehash = importlib.import_module("imagehash") if importlib.util.find_spec("imagehash") else None
    if imagehash is None:
        print("ImageHash: not measured, it is not installed (pip install ImageHash)")
    peers = PEERS if imagehash else {}
    originals = load_originals(options.per_set)
    print(f"{'change':<22} {'pictures':>8} {'clean':>7} " + " ".join(f"{name:>7}" for name in peers))
    for kind, change in KINDS.items():
        dice = random.Random(kind)
        changed = {name: saved(change(image, dice), 60 if kind == "JPEG, quality 60" else 85)
                   for name, image in originals.items()}  # fmt: skip
        pairs = clean_pairs(originals, changed)
        found = sum((name, f"{name}-changed") in pairs for name in originals)
        shares = [found / len(originals)]
        for function in peers.values():
            near = sum(bits(imagehash, function, originals[name], changed[name]) <= DISTANCE for name in originals)
            shares.append(near / len(originals))
        print(f"{kind:<22} {len(originals):>8} " + " ".join(f"{share:>7.1%}" for share in shares), flush=True)
    twins = clean_pairs(originals, {})
    alone = {name for pair in twins for name in pair}
    print(f"\n{'photographs alone':<22} {len(originals):>8}: in a pair that is taken for copies")
    print(f"{'clean':<22} {len(alone) / len(originals):>8.1%}")
    for name, function in peers.items():
        print(f"{name:<22} {twin_share(imagehash, function, originals):>8.1%}")
    for first, second in sorted(twins):
        print(f"  {first} and {second}")


def load_originals(per_set: int) -> dict[str, Image.Image]:
    """Return photographs, different files all, by the set and their name."""
    images: dict[str, Image.Image] = {}
    for name in SETS:
        paths = sorted(path for path in shared_data(name).rglob("*") if path.is_file())
        random.Random(0).shuffle(paths)
        for path in [*{hash_file(path): path for path in paths}.values()][:per_set]:
            image = decode_image(path.read_bytes(), at_least=SIDE)
            image.thumbnail((SIDE, SIDE))
            images[f"{name}/{path.stem}"] = image
    return images


def clean_pairs(originals: dict[str, Image.Image], changed: dict[str, Image.Image]) -> set[tuple[str, str]]:
    """Return the pairs that `clean` takes for copies, in a project of a class for each set."""
    with tempfile.TemporaryDirectory() as folder:
        heap, root = Path(folder) / "heap", Path(folder) / "project"
        for name, image in [*originals.items(), *((f"{name}-changed", image) for name, image in changed.items())]:
            path = heap / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, "JPEG", quality=92)
        fieldguide("new", root)
        fieldguide("add", heap, "-C", root)
        rejections: list[dict[str, Any]] = json.loads(fieldguide("clean", "--json", "-C", root))["rejections"]
    pairs = set()
    for item in rejections:
        if item["location_of_copy"]:
            ends = [item[key].removesuffix(".jpg") for key in ("location", "location_of_copy")]
            pairs.add((min(ends), max(ends)))
    return pairs


def bits(imagehash: Any, function: str, first: Image.Image, second: Image.Image) -> int:
    """Return in how many bits two hashes differ."""
    return int(getattr(imagehash, function)(first) - getattr(imagehash, function)(second))


def twin_share(imagehash: Any, function: str, images: dict[str, Image.Image]) -> float:
    """Return the share of pictures whose hash is near that of another."""
    hashes = [getattr(imagehash, function)(image) for image in images.values()]
    near = [
        any(first - second <= DISTANCE for other, second in enumerate(hashes) if other != place)
        for place, first in enumerate(hashes)
    ]
    return sum(near) / len(near)


def saved(image: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def cropped(share: float) -> Change:
    """Return a crop that cuts off so much of width and height, on one side or both."""

    def change(image: Image.Image, dice: random.Random) -> Image.Image:
        (width, height), x, y = image.size, dice.choice([0, 0.5, 1]), dice.choice([0, 0.5, 1])
        left, top = round(x * share * width), round(y * share * height)
        return image.crop((left, top, left + round((1 - share) * width), top + round((1 - share) * height)))

    return change


def marked(image: Image.Image, dice: random.Random) -> Image.Image:
    image = image.copy()
    place = (image.width * 0.5, image.height * 0.85)
    ImageDraw.Draw(image).text(place, "(c) example.org", fill=(250, 250, 250), font_size=image.width // 16)
    return image


KINDS: dict[str, Change] = {
    "JPEG, quality 60": lambda image, dice: image,
    "half the size": lambda image, dice: image.resize((image.width // 2, image.height // 2)),
    "cropped by 5 %": cropped(0.05),
    "cropped by 10 %": cropped(0.10),
    "watermark": marked,
    "mirrored": lambda image, dice: ImageOps.mirror(image),
    "turned by 2 degrees": lambda image, dice: image.rotate(dice.choice([-2, 2]), Image.Resampling.BICUBIC),
    "turned by 3 degrees": lambda image, dice: image.rotate(dice.choice([-3, 3]), Image.Resampling.BICUBIC),
    "white border of 6 %": lambda image, dice: ImageOps.expand(image, image.width * 6 // 100, "white"),
    "brightness x 0.8": lambda image, dice: ImageEnhance.Brightness(image).enhance(0.8),
}


if __name__ == "__main__":
    main()

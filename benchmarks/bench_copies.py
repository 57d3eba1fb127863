"""Copies planted among real photographs: how many `clean` finds, kind by kind, and what else it takes for a copy.

For each kind of change a project holds photographs and a changed copy of each; the share of copies that are found is
beside that of average, perceptual and difference hashes (ImageHash, where it is installed) at a distance of 8, and of
the CNN of imagededup (where that is installed) at its usual cosine of 0.9, with its way of looking at a picture and the
weights of EfficientNet-Lite0 that come with the extra [train]: its own are fetched from a hub. Then the photographs
alone: each pair that is taken for copies is listed, to be judged by eye. Features need the extra [train].
"""

import importlib
import importlib.util
import json
import random
import tempfile
from collections.abc import Callable
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from common import describe_machine, fieldguide, make_parser, parse_options, shared_data
from fieldguide.hashing import hash_file
from fieldguide.images import decode_image
from fieldguide.learners.weights import declare_torchvision_operators, load_backbone

SETS = ("flowers17", "rooms", "handbags")
SIDE = 400  # of the photographs, pixels
DISTANCE = 8
HASHES = {"ahash": "average_hash", "phash": "phash", "dhash": "dhash"}
Pairs = set[tuple[str, str]]
Change = Callable[[Image.Image, random.Random], Image.Image]


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--per-set", type=int, default=100, metavar="N", help="photographs of each set")
    options = parse_options(parser, per_set=4)
    print(describe_machine())
    imagehash = importlib.import_module("imagehash") if importlib.util.find_spec("imagehash") else None
    if imagehash is None:
        print("ImageHash: not measured, it is not installed (pip install ImageHash)")
    hashes = HASHES if imagehash else {}
    cnn = open_cnn()
    columns = ["clean", *(["cnn"] if cnn else []), *hashes]
    originals = load_originals(options.per_set)
    print(f"{'change':<22} {'pictures':>8} " + " ".join(f"{name:>7}" for name in columns))
    for kind, change in KINDS.items():
        dice = random.Random(kind)
        changed = {name: saved(change(image, dice), 60 if kind == "JPEG, quality 60" else 85)
                   for name, image in originals.items()}  # fmt: skip
        counts = []
        for pairs in file_pairs({**originals, **{f"{name}-changed": image for name, image in changed.items()}}, cnn):
            counts.append(sum((name, f"{name}-changed") in pairs for name in originals))
        for function in hashes.values():
            counts.append(sum(is_near(imagehash, function, originals[name], changed[name]) for name in originals))
        shares = " ".join(f"{count / len(originals):>7.1%}" for count in counts)
        print(f"{kind:<22} {len(originals):>8} {shares}", flush=True)
    found = file_pairs(originals, cnn)
    found += [hash_pairs(imagehash, function, originals) for function in hashes.values()]
    print(f"\n{'photographs alone':<22} {len(originals):>8}: in a pair that is taken for copies")
    for name, pairs in zip(columns, found, strict=True):
        print(f"{name:<22} {len({end for pair in pairs for end in pair}) / len(originals):>8.1%}")
    for first, second in sorted(found[0]):
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


def open_cnn() -> Any:
    """Return imagededup's CNN over the weights of the extra [train]; None where imagededup is not installed."""
    if not importlib.util.find_spec("imagededup"):
        print("imagededup: not measured, it is not installed (pip install imagededup)")
        return None
    declare_torchvision_operators()
    methods, models = (importlib.import_module(f"imagededup.{name}") for name in ("methods", "utils.models"))
    transforms = importlib.import_module("torchvision.transforms")
    backbone = load_backbone("efficientnet_lite0", "embedded", 224)
    steps = [*models.MobilenetV3.transform.transforms[:-1], transforms.Normalize(backbone.mean, backbone.std)]
    custom = models.CustomModel("efficientnet_lite0", backbone.module.eval(), transforms.Compose(steps))
    print("cnn: imagededup's CNN at its usual cosine of 0.9, with the weights of EfficientNet-Lite0")
    return methods.CNN(verbose=False, model_config=custom)


def file_pairs(images: dict[str, Image.Image], cnn: Any) -> list[Pairs]:
    """Save pictures as files; return the pairs that `clean` takes for copies, then those that the CNN does."""
    with tempfile.TemporaryDirectory() as folder:
        heap, root = Path(folder) / "heap", Path(folder) / "project"
        for name, image in images.items():
            path = heap / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, "JPEG", quality=92)
        return [clean_pairs(heap, root), *([cnn_pairs(cnn, heap)] if cnn else [])]


def clean_pairs(heap: Path, root: Path) -> Pairs:
    """Return the pairs that `clean` takes for copies, in a project of a class for each set."""
    fieldguide("new", root)
    fieldguide("add", heap, "-C", root)
    rejections: list[dict[str, Any]] = json.loads(fieldguide("clean", "--json", "-C", root))["rejections"]
    return {ordered(item["location"], item["location_of_copy"]) for item in rejections if item["location_of_copy"]}


def cnn_pairs(cnn: Any, heap: Path) -> Pairs:
    """Return the pairs that imagededup takes for copies."""
    found = cnn.find_duplicates(image_dir=heap, recursive=True)
    return {ordered(name, other) for name, others in found.items() for other in others}


def ordered(first: str, second: str) -> tuple[str, str]:
    """Return the names of two files as a pair."""
    names = sorted(name.removesuffix(".jpg") for name in (first, second))
    return names[0], names[1]


def is_near(imagehash: Any, function: str, first: Image.Image, second: Image.Image) -> bool:
    """Tell whether two pictures' hashes are near each other."""
    return bool(getattr(imagehash, function)(first) - getattr(imagehash, function)(second) <= DISTANCE)


def hash_pairs(imagehash: Any, function: str, images: dict[str, Image.Image]) -> Pairs:
    """Return the pairs of pictures whose hashes are near each other."""
    hashes = {name: getattr(imagehash, function)(image) for name, image in images.items()}
    return {(a, b) for a, b in combinations(sorted(hashes), 2) if hashes[a] - hashes[b] <= DISTANCE}


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

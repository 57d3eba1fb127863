"""The peers of `clean`: other tools that check a folder of pictures, each in a process of its own.

`python benchmarks/clean_peers.py WAY FOLDER`; `bench_clean_speed` measures them.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from fieldguide.engine import core_count
from fieldguide.learners.weights import declare_torchvision_operators

MIN_SIDE, BITS = 256, 8
PACKAGES = {"plain script": "imagehash", "imagededup": "imagededup", "cleanvision": "cleanvision"}


def plain_script(folder: Path) -> None:
    """Check as the script of a plants project did: decodes, large enough, RGB, average hash unlike the one before."""
    average_hash = import_module("imagehash").average_hash
    hashes = []
    for path in sorted(folder.rglob("*.jpg")):
        try:
            with Image.open(path) as image:
                image.load()
                if min(image.size) >= MIN_SIDE and image.mode == "RGB":
                    hashes.append(average_hash(image))
        except OSError:
            continue
    hashes.sort(key=str)
    kept = hashes[:1]
    for number in hashes[1:]:
        if number - kept[-1] > BITS:
            kept.append(number)


def imagededup(folder: Path) -> None:
    """Find near copies by the perceptual hash, with the default distance."""
    declare_torchvision_operators()  # it imports torchvision
    cores = core_count()
    finder = import_module("imagededup.methods").PHash(verbose=False)
    finder.find_duplicates(image_dir=folder, recursive=True, num_enc_workers=cores, num_dist_workers=cores)


def cleanvision(folder: Path) -> None:
    """Look for all the issues that are looked for by default."""
    import_module("cleanvision").Imagelab(data_path=str(folder), verbose=False).find_issues(
        n_jobs=core_count(), verbose=False
    )


WAYS: dict[str, Callable[[Path], None]] = {
    "plain script": plain_script,
    "imagededup": imagededup,
    "cleanvision": cleanvision,
}


def is_installed(way: str) -> bool:
    """Tell whether the package that a way needs is installed."""
    return find_spec(PACKAGES[way]) is not None


if __name__ == "__main__":
    WAYS[sys.argv[1]](Path(sys.argv[2]))

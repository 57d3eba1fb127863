"""The check that a file is a picture: the one that was added, decodes in full and is large enough.

Knows nothing about other images or the catalogue. Runs in a process of its own, under limits.
"""

from dataclasses import dataclass
from pathlib import Path

from fieldguide.checks.quality import Fault, find_fault
from fieldguide.errors import BadImage
from fieldguide.hashing import hash_bytes
from fieldguide.images import Limits, copy_prints, decode_photo, squash
from fieldguide.images.colour_features import measure_colours
from fieldguide.records import NO_CAPTURE, NO_PRINTS, Capture, Prints

# A scaled decode reads every byte of a JPEG, and hashes need no more than this: an eighth of 960, a quarter of 480.
DECODE_SIDE = 120


@dataclass(frozen=True)
class FileLook:
    """The result of looking at one file.

    Attributes:
        sha256: its hash.
        reason: "" when it is a picture that is large enough.
        detail: the reason as a sentence.
        shorter: its shorter side, pixels; 0 when it does not decode.
        prints: what its copies are recognised by; empty when it does not decode.
        colours: its colour features as `measure_colours` gives them; empty when it does not decode.
        fault: the worst fault of its quality; None when it does not decode.
        capture: when and with what it was taken; empty when it does not decode or say.
    """

    sha256: str
    reason: str
    detail: str
    shorter: int
    prints: Prints = NO_PRINTS
    colours: bytes = b""
    fault: Fault | None = None
    capture: Capture = NO_CAPTURE


def look_at_file(item: tuple[str, str, tuple[int, int]], *, limits: Limits, min_side: int) -> FileLook:
    """Decode a file and measure it; trouble with it becomes a reason, never an exception.

    Args:
        item: the image's hash, its path, and its width and height according to the header, pixels.
        limits: what may be decoded.
        min_side: the shortest side that is large enough, pixels.
    """
    sha256, path, size = item
    shorter = min(size)
    try:
        data = Path(path).read_bytes()
        if hash_bytes(data) != sha256:
            return FileLook(sha256, "changed", "the original is no longer the file that was added", 0)
        image, capture = decode_photo(data, limits, at_least=DECODE_SIDE)
    except BadImage as error:
        return FileLook(sha256, error.reason, error.detail, 0)
    except OSError as error:
        return FileLook(sha256, "unreadable", f"the original cannot be read: {error.strerror}", 0)
    small, squashed = shorter < min_side, squash(image)
    return FileLook(
        sha256,
        "too_small" if small else "",
        f"its shorter side has {shorter} pixels; at least {min_side} are needed" if small else "",
        shorter,
        copy_prints(image, squashed),
        measure_colours(squashed),
        find_fault(image, size),
        capture,
    )

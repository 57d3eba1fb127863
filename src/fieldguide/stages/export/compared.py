"""The pictures by which a form is compared with the guide: those that the guide has not learnt, and as they were taken.

A guide is surer of pictures that it has learnt than of new ones, so that a form in int8 changes fewer of its answers
for them than its users will see. A quick learner learns from val too; of such a guide, corners of pictures stand for
new ones: crops that no training has seen. The test split stays closed. Knows nothing about forms.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice

from PIL import Image

from fieldguide.images import Limits, decode

ENOUGH_UNLEARNT = 300
MAX_ORIGINALS = 200
_CORNERS = ((0, 0), (1, 1), (1, 0), (0, 1))  # share of the space that is left beside a crop, across and down
_SHARE = 0.7  # of each side that a crop keeps
_SIDE = 640  # pixels of a large picture's shorter side that are kept: no guide sees more
Read = Callable[[], bytes]


@dataclass(frozen=True)
class ComparedFile:
    """A picture's file.

    Attributes:
        read: returns its bytes.
        is_learnt: whether the guide was trained on this very picture.
        is_crop: whether it was made for the comparison.
    """

    read: Read
    is_learnt: bool = False
    is_crop: bool = False


def choose_files(val: list[Read], train: list[Read], limits: Limits, *, learns_val: bool) -> list[ComparedFile]:
    """Return the files to compare with: pictures of val, and crops where too few of those are new to the guide.

    Args:
        val: reads the pictures of val, in random order.
        train: reads those of train.
        limits: on pictures.
        learns_val: whether the guide was trained on val too.
    """
    learnt = learns_val or not val
    originals = [ComparedFile(read, is_learnt=learnt) for read in (val or train)[:MAX_ORIGINALS]]
    missing = ENOUGH_UNLEARNT - (0 if learnt else len(originals))
    crops = (
        ComparedFile(partial(_crop, read, corner, limits), is_crop=True)
        for reads, corners in ((val, 4), (train, 2))
        for corner in _CORNERS[:corners]
        for read in reads
    )
    return [*originals, *islice(crops, max(0, missing))]


def _crop(read: Read, corner: tuple[int, int], limits: Limits) -> bytes:
    """Return a corner of a picture, as a file without loss.

    Raises:
        BadImage: it is no picture.
        InputMissing: the file was taken away.
    """
    image = Image.fromarray(decode(read(), limits, at_least=_SIDE))
    width, height = (max(1, round(_SHARE * side)) for side in image.size)
    across, down = corner
    left, top = across * (image.width - width), down * (image.height - height)
    file = io.BytesIO()
    kind = "PNG" if "PNG" in limits.formats else limits.formats[0]
    image.crop((left, top, left + width, top + height)).save(file, kind, **({"quality": 95} if kind != "PNG" else {}))
    return file.getvalue()

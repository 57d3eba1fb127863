"""Pictures after a change to their pixels, such as a blur or a patch: what a model makes of them, and nothing is kept.

Knows nothing about why they are changed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldguide.engine import core_count, map_threads
from fieldguide.features import Extractor, Pictures
from fieldguide.images import decode_image
from fieldguide.images.preprocess import decode_size, prepare_image
from fieldguide.project import decode_limits
from fieldguide.records import Preprocessing

Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class AlteredPictures(Pictures):
    """Pictures of a project, each changed; a model predicts them like any others.

    Attributes:
        changes: for each of `images`, a function from the upright RGB picture, of any size, to another such. A large
            JPEG may have been decoded smaller: lengths are best told as shares of the sides.
    """

    changes: tuple[Change, ...]

    @classmethod
    def of(cls, pictures: Pictures, places: Sequence[int], changes: Sequence[Change]) -> "AlteredPictures":
        """Return the pictures at these places, repeats allowed, each with its change."""
        images = tuple(pictures.images[place] for place in places)
        return cls(pictures.project, images, pictures.settings, pictures.progress, tuple(changes))

    def take(self, chosen: Sequence[int] | NDArray[np.intp]) -> "AlteredPictures":
        """Return the pictures at these places, in that order, with their changes."""
        images = tuple(self.images[index] for index in chosen)
        return replace(self, images=images, changes=tuple(self.changes[index] for index in chosen))

    def square(self, index: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        """Return one picture, changed and fitted to the square, (size, size, 3) uint8 RGB."""
        square: NDArray[np.uint8] = self._see(range(index, index + 1), [preprocessing])[0, 0]
        return square

    def _compute_views(
        self, extractor: Extractor, views: Sequence[Preprocessing], width: int | None = None
    ) -> list[NDArray[np.float32]]:
        """Compute the rows of each view, (n, d) float32; they are neither looked up nor kept."""
        run, size = extractor.open(), self.settings.features.batch_size
        seen = map_threads(partial(self._see, views=views), self._batches(size), workers=core_count())
        parts = []
        for squares in seen:
            # view by view, as it is done for pictures that are kept: rounding follows the batch
            rows = [run(np.ascontiguousarray(squares[:, place]))[:, :width] for place in range(len(views))]
            parts.append(np.stack(rows, axis=1))
            self.progress.advance(len(squares))
        everything = np.concatenate(parts)
        return [np.ascontiguousarray(everything[:, place]) for place in range(len(views))]

    def _batches(self, size: int) -> Iterator[range]:
        for start in range(0, len(self.images), size):
            yield range(start, min(start + size, len(self.images)))

    def _see(self, places: range, views: Sequence[Preprocessing]) -> NDArray[np.uint8]:
        """Return the pictures at these places, changed, in each view, (n, views, size, size, 3) uint8 RGB.

        One that comes several times in a row is decoded once.
        """
        limits, rows, decoded, last = decode_limits(self.settings), [], {}, -1
        for place in places:
            if last < 0 or self.images[place] != self.images[last]:
                with self._explained():
                    data = self.project.image_path(*self.images[place]).read_bytes()
                    sizes = sorted({decode_size(view) for view in views})
                    decoded = {size: decode_image(data, limits, at_least=size) for size in sizes}
                last = place
            changed = {size: self.changes[place](image) for size, image in decoded.items()}
            rows.append(np.stack([prepare_image(changed[decode_size(view)], view) for view in views]))
        return np.stack(rows)

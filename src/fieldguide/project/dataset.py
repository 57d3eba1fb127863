"""The labelled pictures of a project as arrays that line up: hashes, classes, groups, splits.

Knows nothing about pixels or models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import NotReady
from fieldguide.images.swatches import SWATCH
from fieldguide.project.catalog import Catalog
from fieldguide.project.rejections import check_some_kept


@dataclass(frozen=True)
class Dataset:
    """n kept pictures.

    Attributes:
        images: hash to format, in the order of the hashes.
        labels: (n,) int64 places in `class_names`.
        groups: n group ids.
        splits: (n,) of "train", "val", "test".
        class_names: in the order of `class_to_idx`: sorted by name.
    """

    images: dict[str, str]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    splits: NDArray[np.str_]
    class_names: tuple[str, ...]

    def take(self, chosen: Sequence[int] | NDArray[np.intp]) -> "Dataset":
        """Return the pictures at these places, in that order."""
        items = list(self.images.items())
        return Dataset(
            dict(items[index] for index in chosen),
            self.labels[chosen],
            tuple(self.groups[index] for index in chosen),
            self.splits[chosen],
            self.class_names,
        )

    def learnt_per_class(self) -> tuple[int, int]:
        """Return the fewest and the most pictures of train and val that a class has."""
        learnt = np.bincount(self.labels[self.splits != "test"], minlength=len(self.class_names))
        return int(learnt.min()), int(learnt.max())

    def where(self, *splits: str) -> "Dataset":
        """Return the pictures of these splits."""
        return self.take(np.flatnonzero(np.isin(self.splits, splits)))


def load_dataset(catalog: Catalog, *, with_vectors: bool = False) -> Dataset:
    """Load every kept picture with its class, group and split.

    Args:
        catalog: open.
        with_vectors: whether swatches come too, which only their colour features can be learnt from.

    Raises:
        NotReady: nothing is split yet, no picture is kept, or pictures were added since.
    """
    kept = [state for state in catalog.states() if state.state == "kept"]
    if not kept:
        check_some_kept(catalog)
    rows = [state for state in kept if with_vectors or state.format != SWATCH]
    if kept and not rows:
        message = "there are colour features and no pictures, from which only the learner colour can learn"
        raise NotReady(message, 'set learner = "colour" under [train] in fieldguide.toml, or add pictures')
    if not rows or any(not state.split for state in rows):
        raise NotReady("the pictures are not split yet", "run: fieldguide build")
    class_names = tuple(sorted({state.class_name for state in rows}))
    class_to_idx = {name: index for index, name in enumerate(class_names)}
    return Dataset(
        {state.sha256: state.format for state in rows},
        np.array([class_to_idx[state.class_name] for state in rows], dtype=np.int64),
        tuple(state.group_id for state in rows),
        np.array([state.split for state in rows]),
        class_names,
    )


def load_copies(catalog: Catalog, class_names: Sequence[str]) -> tuple[dict[str, str], NDArray[np.int64]]:
    """Load the near-copies that were rejected only for being copies: hash to format, and their classes.

    A careless script would have kept them.
    """
    reasons = catalog.verdicts("duplicates")
    rows = [
        state
        for state in catalog.states()
        if state.sha256 in reasons
        and reasons[state.sha256][0].reason.startswith("near_copy")
        and state.class_name in class_names
    ]
    labels = np.array([list(class_names).index(state.class_name) for state in rows], dtype=np.int64)
    return {state.sha256: state.format for state in rows}, labels

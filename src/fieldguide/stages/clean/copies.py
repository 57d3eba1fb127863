"""Copies among the pictures of a project: which of them is kept, and which share a split.

By hashes and thumbnails always; by features, which cropped and turned copies need, where there are any.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.duplicates import Fingerprints, find_copies, group_alike, judge_copies, surplus_copies
from fieldguide.checks.near_hashes import Families, Places
from fieldguide.checks.reframed import SIDE, Closeness, compare_squares, like_features, roughly_alike
from fieldguide.engine import core_count, map_threads
from fieldguide.errors import BadImage
from fieldguide.images import decode_image
from fieldguide.images.preprocess import prepare_image
from fieldguide.licences import count_conditions, read_licence
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.records import Preprocessing, Prints
from fieldguide.settings import Settings
from fieldguide.stages.clean.by_features import Embedded

_WIDER = 2
_ALIKE = 0.9  # likeness of squares from which pictures share a split: shots of one scene
_BLOCK = 512  # pairs of thumbnails at once
_SQUARES = 128  # pairs of squares at once: each takes 1.6 MB while it is laid over the other
_LAST_RANK = 10**9  # of a picture that was not searched for
# Copies of one picture that get features: more tell nothing, and would fill each other's lists of neighbours.
_PER_FAMILY = 4

Merits = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class HashCopies:
    """What hashes and thumbnails tell of the pictures that passed the check "files" and have one of the names.

    Attributes:
        prints: the pictures.
        labels: class names by hash.
        merits: by hash what makes a picture better than its copies.
        classes: (n,), equal for pictures with equal labels.
        judged: places of those that no other check rejects, in order.
        pairs: copies among these, as places.
        alike: look-alikes among all.
    """

    prints: Fingerprints
    labels: Mapping[str, set[str]]
    merits: Merits
    classes: NDArray[np.intp]
    judged: Places
    pairs: list[tuple[int, int]]
    alike: list[tuple[int, int]]

    def surplus(self) -> set[str]:
        """Return the copies that need no features: a better copy of the same picture has them, and is kept."""
        return surplus_copies(self.pairs, self.prints.sha256, self.merits, _PER_FAMILY)


def find_by_hashes(settings: Settings, catalog: Catalog, progress: Progress) -> HashCopies:
    """Find the copies that hashes and thumbnails tell of, once the other checks of single pictures are made."""
    progress.start("looking for copies", None)
    labels = catalog.labels(settings.classes)
    passed = labels.keys() & {name for name, (it, _) in catalog.verdicts("files").items() if it.verdict == "keep"}
    prints = Fingerprints(_StoredPrints(catalog, passed))
    limits = settings.clean
    # in one class, a picture in other colours (grey, tinted, another model's) may tell the test what was trained on
    numbers = {names: number for number, names in enumerate({frozenset(names) for names in labels.values()})}
    classes = np.array([numbers[frozenset(labels[name])] for name in prints.sha256], dtype=np.intp)
    alike = find_copies(prints, limits.copy_distance + _WIDER, limits.alike, classes)
    others = [catalog.verdicts(check) for check in ("licence", "unsafe", "quality")]
    barred = {name for known in others for name, (verdict, _) in known.items() if verdict.verdict == "reject"}
    judged = np.flatnonzero([name not in barred for name in prints.sha256])
    found = find_copies(prints.take(judged), limits.copy_distance, limits.copy_likeness)
    pairs = [(int(judged[first]), int(judged[second])) for first, second in found]
    return HashCopies(prints, labels, _merits(catalog), classes, judged, pairs, alike)


def judge_all_copies(
    project: Project, settings: Settings, catalog: Catalog, known: HashCopies, embedded: Embedded, progress: Progress
) -> None:
    """Give every image that passed the check "files", and has one of the names, a verdict of the check "duplicates".

    Copies are judged among the pictures that no other check rejects.
    """
    prints, limits = known.prints, settings.clean
    pairs, alike = list(known.pairs), list(known.alike)
    if limits.copy_reframed < 1 and len(embedded.sha256):
        looks = _look_closer(project, settings, _candidates(prints, pairs, embedded), prints.sha256, progress)
        for first, second, closeness in looks:
            copies, near = closeness.are_copies(limits.copy_reframed), closeness.likeness >= _ALIKE
            copies &= np.isin(first, known.judged) & np.isin(second, known.judged)
            near &= ~closeness.plain & (closeness.same_colour | (known.classes[first] == known.classes[second]))
            pairs += zip(first[copies].tolist(), second[copies].tolist(), strict=True)
            alike += zip(first[near].tolist(), second[near].tolist(), strict=True)
    dropped = {name for name, decision in catalog.decided().items() if decision == "drop"}
    verdicts = judge_copies(pairs, prints.sha256, known.labels, known.merits, dropped)
    groups = group_alike({*alike, *pairs}, prints.sha256)
    catalog.replace_copies(verdicts, groups, settings.clean.model_dump_json())


class _StoredPrints(Mapping[str, Prints]):
    """The prints of some pictures, read from the catalogue whenever they are asked for: each takes 2 kB."""

    def __init__(self, catalog: Catalog, names: Collection[str]) -> None:
        self._catalog = catalog
        self._names = {name: None for name in catalog.measured() if name in names}

    def __getitem__(self, name: str) -> Prints:
        return self._catalog.prints(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _candidates(prints: Fingerprints, pairs: Sequence[tuple[int, int]], embedded: Embedded) -> Places:
    """Return pairs, (n, 2), that may be reframed copies and are not known as copies, by features and thumbnails."""
    place = {name: index for index, name in enumerate(prints.sha256)}
    rows = [row for row, name in enumerate(embedded.sha256) if name in place]
    places = np.array([place[embedded.sha256[row]] for row in rows], dtype=np.intp)
    families = Families(len(prints.sha256))
    families.link(*np.array(pairs, dtype=np.intp).reshape(-1, 2).T)
    top = embedded.features[:, : embedded.top]
    like = like_features(top if len(rows) == len(top) else top[rows])
    near = places[np.array(like, dtype=np.intp).reshape(-1, 2)]
    near = near[families.of(near[:, 0]) != families.of(near[:, 1])]
    alike = np.zeros(len(near), np.bool_)
    for start in range(0, len(near), _BLOCK):
        block = slice(start, start + _BLOCK)
        first, second = (prints.thumbnails(near[block, side]).grey for side in (0, 1))
        alike[block] = roughly_alike(first, second)
    return np.sort(near[alike], axis=1)


def _look_closer(
    project: Project, settings: Settings, pairs: Places, sha256: Sequence[str], progress: Progress
) -> Iterator[tuple[Places, Places, Closeness]]:
    """Yield the pairs, some at a time, with what the originals show when they are laid over each other."""
    square, limits = Preprocessing(size=SIDE), decode_limits(settings)
    with project.catalog() as catalog:
        formats = {name: row.format for name, row in catalog.images().items()}

    def load(place: int) -> NDArray[np.uint8]:
        name = sha256[place]
        try:
            image = decode_image(project.image_path(name, formats[name]).read_bytes(), limits, at_least=SIDE)
        except (BadImage, OSError):  # it has changed or gone since its own check; a blank square is like no other
            return np.zeros((SIDE, SIDE, 3), np.uint8)
        return prepare_image(image, square)

    progress.start("comparing look-alikes", len(pairs))
    for start in range(0, len(pairs), _SQUARES):
        block = pairs[start : start + _SQUARES]
        places, numbers = np.unique(block, return_inverse=True)
        squares = np.stack(list(map_threads(load, places.tolist(), workers=core_count())))
        first, second = numbers.reshape(-1, 2).T
        yield block[:, 0], block[:, 1], compare_squares(squares[first], squares[second])
        progress.advance(len(block))


def _merits(catalog: Catalog) -> Merits:
    """Return what makes an image better than its copies: size, a licence that asks for less, its rank in a search."""
    conditions: dict[str, int] = {}
    for origin in catalog.origins():
        count = count_conditions(read_licence(origin.licence, origin.licence_url))
        conditions[origin.sha256] = min(count, conditions.get(origin.sha256, count))
    ranks = catalog.ranks()
    return {
        name: (row.width * row.height, -conditions.get(name, 0), -ranks.get(name, _LAST_RANK))
        for name, row in catalog.images().items()
    }

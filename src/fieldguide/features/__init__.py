"""Features: one pass of a backbone over the pictures, kept on disk and reused by every stage.

Knows nothing about classes or splits, and nothing of how a backbone was made: it is an ONNX file whose input
`image` is (n, size, size, 3) uint8 RGB and whose output `features` is (n, d) float32. onnxruntime runs it
everywhere; OpenVINO where it is installed and measures faster.
"""

import io
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count, map_threads
from fieldguide.errors import BadImage, InputMissing, ProjectDamaged
from fieldguide.features.runtimes import Runner, Runtime, cache_folder, choose_runtime, open_runner
from fieldguide.features.scaled import LARGE, ScaledCopies
from fieldguide.hashing import hash_text
from fieldguide.images import Limits, decode_image
from fieldguide.images.preprocess import decode_size, prepare_image, prepare_views
from fieldguide.images.swatches import SWATCH
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.atomic import write_bytes
from fieldguide.records import Preprocessing
from fieldguide.settings import Settings

__all__ = [
    "Extractor", "FeatureStore", "Pictures", "Runner", "Runtime", "Squares", "cache_folder", "choose_runtime",
    "extract", "load_square", "open_runner",
]  # fmt: skip

Squares = NDArray[np.uint8] | Callable[[int], NDArray[np.uint8]]
SHARD_PICTURES = 512  # computed between two writes: what an interrupt may lose
MAX_HELD_BYTES = 600_000_000  # squares that need more memory are loaded one by one


def load_square(path: Path, preprocessing: Preprocessing, limits: Limits) -> NDArray[np.uint8]:
    """Read a file as the backbone sees it, (size, size, 3) uint8 RGB."""
    image = decode_image(path.read_bytes(), limits, at_least=decode_size(preprocessing))
    return prepare_image(image, preprocessing)


def load_views(path: Path, views: Sequence[Preprocessing], limits: Limits) -> NDArray[np.uint8]:
    """Read a file as a backbone sees it in several views of one size, (views, size, size, 3) uint8 RGB."""
    return prepare_views(path.read_bytes(), views, limits)


def extract(
    paths: Sequence[Path], views: Sequence[Preprocessing], limits: Limits, run: Runner, batch_size: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the embeddings of the files, in order, as batches (up to batch_size, views, d) float32.

    Decoding and resizing run in threads while the backbone works; a file is decoded once for views alike.
    """
    load = partial(load_views, views=views, limits=limits)
    loaded = map_threads(load, paths, workers=core_count(), ahead=batch_size * 3)
    while batch := list(islice(loaded, batch_size)):
        squares = np.stack(batch)
        # view by view: rounding follows the batch, and must not depend on which other views are missing
        yield np.stack([run(np.ascontiguousarray(squares[:, place])) for place in range(len(views))], axis=1)


@dataclass(frozen=True)
class Extractor:
    """A computation of one row of numbers per square, the same each time.

    Attributes:
        name: identifies all that the numbers depend on, except preprocessing and runtime; up to its first hyphen a
            word for people.
        runtime: the library that computes them.
        open: returns the function that computes them.
        read: returns the row, (d,) float32, that is kept in place of a picture, given the bytes of a swatch; None
            where the numbers are of another kind.
    """

    name: str
    runtime: str
    open: Callable[[], Runner]
    read: Callable[[bytes], NDArray[np.float32]] | None = None


@dataclass(frozen=True)
class FeatureStore:
    """What was computed from squares under one preprocessing, by the hash of the image.

    Shards are written whole; a pass that is interrupted loses at most one.
    """

    folder: Path

    @classmethod
    def at(cls, base: Path, extractor: Extractor, preprocessing: Preprocessing) -> "FeatureStore":
        """Return the store below `base` for an extractor and a preprocessing, each pair having its own."""
        key = json.dumps([extractor.name, preprocessing.to_dict(), extractor.runtime], sort_keys=True)
        kind = extractor.name.partition("-")[0]
        fit = f"{preprocessing.fit}-mirrored" if preprocessing.mirrored else preprocessing.fit
        return cls(base / f"{kind}-{fit}-{hash_text(key)[:12]}")

    def read(self) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """Yield the images and rows, (m, d) float32, of one shard after another: all at once may be 300 MB.

        A damaged shard counts as missing and is computed again.
        """
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as shard:
                    names, features = [str(name) for name in shard["sha256"]], shard["features"]
                    fits = features.ndim == 2 and len(names) == len(features)
            except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, BadZipFile, zlib.error):
                continue
            if fits:
                yield names, features

    def write(self, names: Sequence[str], features: NDArray[np.float32]) -> None:
        """Write one more shard, named after what it holds."""
        buffer = io.BytesIO()
        np.savez(buffer, sha256=np.array(names), features=features)
        name = hash_text("".join(names))[:16]
        write_bytes(self.folder / f"{name}.npz", buffer.getvalue())


@dataclass(frozen=True)
class Pictures:
    """Pictures of a project as learners see them: squares, and what is computed from squares once and then kept.

    Attributes:
        project: whose pictures they are.
        images: hash and format of each, in order; repeats are allowed.
        settings: what may be decoded, and by what features are computed.
        progress: told of each picture that is computed.
    """

    project: Project
    images: tuple[tuple[str, str], ...]
    settings: Settings
    progress: Progress

    def __len__(self) -> int:
        return len(self.images)

    def take(self, chosen: Sequence[int] | NDArray[np.intp]) -> "Pictures":
        """Return the pictures at these places, in that order."""
        return replace(self, images=tuple(self.images[index] for index in chosen))

    def square(self, index: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        """Load one picture fitted to the square, (size, size, 3) uint8 RGB."""
        with self._explained():
            path = self.project.image_path(*self.images[index])
            return load_square(path, preprocessing, decode_limits(self.settings))

    def squares(self, preprocessing: Preprocessing, learnt: Sequence[int] | NDArray[np.intp] = ()) -> Squares:
        """Load all squares, (n, size, size, 3) uint8 RGB, where memory holds them; else return a loader.

        Args:
            preprocessing: how pictures are fitted to the square.
            learnt: places of pictures that nothing is measured on. A loader takes theirs from scaled copies where
                these are quicker to decode, and has the others in memory where it holds those.
        """
        load = partial(self.square, preprocessing=preprocessing)
        if self._can_hold(len(self), preprocessing):
            return np.stack(self._load_all(load, range(len(self))))
        measured = sorted({*range(len(self))} - {int(place) for place in learnt})
        held: dict[int, NDArray[np.uint8]] = {}
        if self._can_hold(len(measured), preprocessing):
            held = dict(zip(measured, self._load_all(load, measured), strict=True))
        copies = self._make_copies(preprocessing, learnt)

        def square(place: int) -> NDArray[np.uint8]:
            if place in held:
                return held[place]
            if place in copies:
                with suppress(BadImage, OSError):  # somebody else's hands; the original is still there
                    return load_square(copies[place], preprocessing, Limits())
            return load(place)

        return square

    def _can_hold(self, count: int, preprocessing: Preprocessing) -> bool:
        return count * preprocessing.size**2 * 3 <= MAX_HELD_BYTES

    def _load_all(self, load: Callable[[int], NDArray[np.uint8]], places: Sequence[int]) -> list[NDArray[np.uint8]]:
        self.progress.start("decoding", len(places))
        rows = []
        for square in map_threads(load, places, workers=core_count()):
            rows.append(square)
            self.progress.advance()
        return rows

    def _make_copies(self, preprocessing: Preprocessing, places: Sequence[int] | NDArray[np.intp]) -> dict[int, Path]:
        """Return by place the scaled copies of the large ones among these pictures, made where they are missing."""
        copies = ScaledCopies(self.project.scaled_folder, self.settings.clean.rescale)
        if not copies.suit(preprocessing) or not len(places):
            return {}
        with self.project.catalog() as catalog:
            shorter = {name: min(row.width, row.height) for name, row in catalog.images().items()}
        large = [int(place) for place in places if shorter.get(self.images[place][0], 0) >= LARGE * copies.side]

        def make(place: int) -> None:
            with self._explained():
                copies.make(self.images[place][0], self.project.image_path(*self.images[place]), limits)

        limits = decode_limits(self.settings)
        self.progress.start("scaling pictures", len(large))
        for _ in map_threads(make, large, workers=core_count()):
            self.progress.advance()
        return {place: copies.path(self.images[place][0]) for place in large}

    def choose_runtime(self, model: Path, size: int) -> Runtime:
        """Choose the runtime that computes features fastest here, or the one that the settings name."""
        return choose_runtime(model, size, self.settings.features.runtime)

    def embed(
        self, model: Path, preprocessing: Preprocessing, runtime: Runtime, width: int | None = None
    ) -> NDArray[np.float32]:
        """Compute the embeddings, (n, d) float32, by a backbone that is an ONNX file, as `compute` does.

        All numbers are kept; of each row the first `width` are returned, where that is given.
        """
        extractor = Extractor(model.name, runtime, lambda: open_runner(model, runtime))
        return self._compute_views(extractor, [preprocessing], width)[0]

    def embed_views(self, model: Path, views: Sequence[Preprocessing], runtime: Runtime) -> list[NDArray[np.float32]]:
        """Compute the embeddings of each view, (n, d) float32, by a backbone that is an ONNX file."""
        return self._compute_views(Extractor(model.name, runtime, lambda: open_runner(model, runtime)), views)

    def compute(self, extractor: Extractor, preprocessing: Preprocessing) -> NDArray[np.float32]:
        """Return rows, (n, d) float32: from the store where they are known, else computed and kept."""
        return self._compute_views(extractor, [preprocessing])[0]

    def _compute_views(
        self, extractor: Extractor, views: Sequence[Preprocessing], width: int | None = None
    ) -> list[NDArray[np.float32]]:
        stores = [FeatureStore.at(self.project.features_folder, extractor, view) for view in views]
        tables = [_Table([name for name, _ in self.images], width) for _ in views]
        for table, store in zip(tables, stores, strict=True):
            for names, features in store.read():
                table.fill(names, features)
        self._read_rows(extractor, tables)
        work: dict[tuple[int, ...], list[tuple[str, str]]] = defaultdict(list)  # by the places of the views they lack
        for image in dict.fromkeys(self.images):
            if lacks := tuple(place for place, table in enumerate(tables) if image[0] in table.missing):
                work[lacks].append(image)
        if not work:
            return [table.rows for table in tables]
        self.progress.start("computing features", sum(map(len, work.values())))
        run = extractor.open()
        for places, images in work.items():
            for start in range(0, len(images), SHARD_PICTURES):
                shard = images[start : start + SHARD_PICTURES]
                names = [name for name, _ in shard]
                features = self._run(run, shard, [views[place] for place in places])
                for column, place in enumerate(places):
                    rows = np.ascontiguousarray(features[:, column])
                    stores[place].write(names, rows)
                    tables[place].fill(names, rows)
        return [table.rows for table in tables]

    def _read_rows(self, extractor: Extractor, tables: Sequence["_Table"]) -> None:
        """Fill in the rows of swatches, which hold them."""
        names = sorted({name for name, suffix in self.images if suffix == SWATCH}) if extractor.read else []
        if not names or extractor.read is None:
            return
        with self._explained():
            rows = [extractor.read(self.project.image_path(name, SWATCH).read_bytes()) for name in names]
        for table in tables:
            table.fill(names, np.stack(rows))

    def _run(self, run: Runner, shard: list[tuple[str, str]], views: Sequence[Preprocessing]) -> NDArray[np.float32]:
        paths = [self.project.image_path(name, suffix) for name, suffix in shard]
        limits, batches = decode_limits(self.settings), []
        with self._explained():
            for batch in extract(paths, views, limits, run, self.settings.features.batch_size):
                batches.append(batch)
                self.progress.advance(len(batch))
        return np.concatenate(batches)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the errors of an original that is gone or has changed into ours."""
        again = "put the originals back or add them again, then run: fieldguide build"
        try:
            yield
        except FileNotFoundError as error:
            raise InputMissing(f"the original {error.filename} is gone", again) from error
        except BadImage as error:
            images = self.project.root / "images"
            raise ProjectDamaged(f"an original in {images} has changed: {error}", again) from error


class _Table:
    """Rows in the order of their images, filled part by part, so that they are held only once."""

    def __init__(self, names: Sequence[str], width: int | None = None) -> None:
        self._width = width
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, name in enumerate(names):
            self._places[name].append(place)
        self._count = len(names)
        self.missing = set(self._places)
        self.rows = np.empty((0, 0), np.float32)

    def fill(self, names: Sequence[str], features: NDArray[np.float32]) -> None:
        """Fill in the rows, (m, d), of these images; others than those of the table are ignored."""
        if not self.rows.size:
            self.rows = np.empty((self._count, features[:, : self._width].shape[1]), np.float32)
        for name, row in zip(names, features[:, : self._width], strict=True):
            if name in self._places:
                self.rows[self._places[name]] = row
                self.missing.discard(name)

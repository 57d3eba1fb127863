"""Pictures packed into large files: Parquet as Hugging Face's `datasets` reads it, and the tar files of WebDataset."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from fieldguide.optional import require
from fieldguide.progress import Progress
from fieldguide.stages.export_data.card import write_card
from fieldguide.stages.export_data.folders import write_classes
from fieldguide.stages.export_data.pictures import Export, Picture, credit_values, place_pictures, read_pictures

SHARD_BYTES, SHARD_PICTURES = 500_000_000, 10_000
_ROWS = 100  # of a row group: whoever wants one picture reads so many
CREDIT_COLUMNS = ("sha256", "title", "author", "licence", "licence_url", "source", "page")
Put = Callable[[Picture, bytes], None]


def write_parquet(export: Export, folder: Path, progress: Progress) -> None:
    """Write `data/PART-00000.parquet` and so on, with pictures, labels and credits as columns.

    Raises:
        MissingExtra: the extra [parquet] is not installed.
    """
    schema = _schema(export)

    @contextmanager
    def open_shard(part: str, number: int) -> Iterator[Put]:
        with _ParquetShard(folder / "data" / f"{part}-{number:05}.parquet", schema) as shard:
            yield shard.put

    (folder / "data").mkdir(exist_ok=True)
    _write_shards(export, folder, open_shard, progress)
    write_card(export, folder, "data/{part}-*.parquet", _columns(export))


def _schema(export: Export) -> Any:
    """Return the columns, with what `datasets` has to know to make pictures and class names of them."""
    pyarrow = require("pyarrow", extra="parquet")
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    columns = [("image", image), ("label", pyarrow.int64()), *((name, pyarrow.string()) for name in CREDIT_COLUMNS)]
    described = json.dumps({"info": {"features": _features(export)}}, ensure_ascii=False)
    return pyarrow.schema(columns, metadata={"huggingface": described})


def _columns(export: Export) -> dict[str, Any]:
    """Return the columns as a data card describes them."""
    names = {str(label): name for label, name in enumerate(export.class_names)}
    features = [
        {"name": "image", "dtype": "image"},
        {"name": "label", "dtype": {"class_label": {"names": names}}},
        *({"name": name, "dtype": "string"} for name in CREDIT_COLUMNS),
    ]
    return {"dataset_info": {"features": features}}


def _features(export: Export) -> dict[str, Any]:
    """Return the columns as `datasets` keeps them in a file: a picture, the place of its class, and texts."""
    text = {"dtype": "string", "_type": "Value"}
    return {
        "image": {"_type": "Image"},
        "label": {"names": list(export.class_names), "_type": "ClassLabel"},
        **dict.fromkeys(CREDIT_COLUMNS, text),
    }


class _ParquetShard:
    """An open Parquet file; a context manager."""

    def __init__(self, path: Path, schema: Any) -> None:
        parquet = require("pyarrow.parquet", extra="parquet")
        # statistics of the pictures would be two of them for each row group
        texts = ["label", *CREDIT_COLUMNS]
        self._file = parquet.ParquetWriter(path, schema, write_statistics=texts, use_dictionary=texts)
        self._schema = schema
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "_ParquetShard":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()

    def put(self, picture: Picture, data: bytes) -> None:
        image = {"bytes": data, "path": f"{picture.key}{picture.suffix}"}
        row = {"image": image, "label": picture.label, "sha256": picture.sha256, **credit_values(picture)}
        self._rows.append(row)
        if len(self._rows) == _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(require("pyarrow", extra="parquet").Table.from_pylist(self._rows, self._schema))
        self._rows = []


def write_webdataset(export: Export, folder: Path, progress: Progress) -> None:
    """Write `PART-000000.tar` and so on: of each picture the file, its label (.cls) and what is known of it (.json)."""

    @contextmanager
    def open_shard(part: str, number: int) -> Iterator[Put]:
        with tarfile.open(folder / f"{part}-{number:06}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            yield lambda picture, data: _put_sample(tar, picture, data)

    _write_shards(export, folder, open_shard, progress)
    write_classes(export, folder)


def _put_sample(tar: tarfile.TarFile, picture: Picture, data: bytes) -> None:
    """Add the files of a picture; they have no time and no owner, so that the same pictures make the same file."""
    about = {"label": picture.class_name, "sha256": picture.sha256, **credit_values(picture)}
    files = {
        picture.suffix: data,
        ".cls": str(picture.label).encode(),
        ".json": json.dumps(about, ensure_ascii=False).encode(),
    }
    for suffix, content in files.items():
        member = tarfile.TarInfo(f"{picture.key}{suffix}")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def _write_shards(export: Export, folder: Path, open_shard: Callable[[str, int], Any], progress: Progress) -> None:
    """Write the pictures of each part into files of limited size, one after the other."""
    scaled = folder / ".scaled" if export.size else None
    if scaled:
        place_pictures(export, scaled, progress)
    with ExitStack() as shard:
        place, number, pictures, size_bytes = "", 0, 0, 0
        put: Put
        for picture, data in read_pictures(export, scaled, progress):
            full = pictures == SHARD_PICTURES or size_bytes + len(data) > SHARD_BYTES
            if picture.part != place or (full and pictures):
                number = 0 if picture.part != place else number + 1
                shard.close()
                put = shard.enter_context(open_shard(picture.part, number))
                place, pictures, size_bytes = picture.part, 0, 0
            put(picture, data)
            pictures, size_bytes = pictures + 1, size_bytes + len(data)

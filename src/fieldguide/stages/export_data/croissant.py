"""Pictures in a zip file, described by Croissant 1.0: what the files are, and how they make records.

The form: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, as mlcroissant reads it. The pictures are
zipped, since it takes every picture of a plain folder into memory at once, and reads none but JPEG and PNG there.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fieldguide.progress import Progress
from fieldguide.stages.export_data.pictures import (
    MEDIA_TYPES,
    Export,
    Picture,
    credit_values,
    place_pictures,
    read_pictures,
)
from fieldguide.text import write_csv

_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file knows
_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet",
    "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "samplingRate": "cr:samplingRate", "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source",
    "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
_COLUMNS: dict[str, tuple[str | list[str], str]] = {
    "label": (["sc:Text", "cr:Label"], "the name of its class"),
    "label_index": ("sc:Integer", "the place of its class among the classes, as models count"),
    "split": (["sc:Text", "cr:Split"], "train, val or test; images where it is none of these"),
    "sha256": ("sc:Text", "the hash of the original"),
    "title": ("sc:Text", "what its author calls it"),
    "author": ("sc:Text", "who made it"),
    "licence": ("sc:Text", "its SPDX identifier, or the words of the source"),
    "licence_url": ("sc:Text", "where the licence can be read"),
    "source": ("sc:Text", "where it was found"),
    "page": ("sc:Text", "a page that shows it"),
}


def write_croissant(export: Export, folder: Path, progress: Progress) -> None:
    """Write a zip file of the pictures, labels.csv, and croissant.json, which says how they belong together.

    The zip file's name holds its hash: mlcroissant keeps what it unpacks by the name alone, and would take the pictures
    of another export for these.
    """
    scaled = folder / ".scaled" if export.size else None
    if scaled:
        place_pictures(export, scaled, progress)
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_STORED) as archive:
        for picture, data in read_pictures(export, scaled, progress):
            archive.writestr(zipfile.ZipInfo(picture.file, _NO_TIME), data)
    archive_path = (folder / "images.zip").rename(folder / f"images-{_hash(folder / 'images.zip')[:16]}.zip")
    pictures = [picture for pictures in export.parts().values() for picture in pictures]
    rows = [list(_cells(picture).values()) for picture in pictures]
    (folder / "labels.csv").write_text(write_csv(("file_name", *_COLUMNS), rows), encoding="utf-8")
    text = json.dumps(_describe(export, [archive_path, folder / "labels.csv"]), ensure_ascii=False, indent=1)
    (folder / "croissant.json").write_text(f"{text}\n", encoding="utf-8")


def _cells(picture: Picture) -> dict[str, str]:
    """Return a row of labels.csv."""
    return {
        "file_name": f"{picture.key}{picture.suffix}",
        "label": picture.class_name,
        "label_index": str(picture.label),
        "split": picture.part,
        "sha256": picture.sha256,
        **credit_values(picture),
    }


def _describe(export: Export, files: Sequence[Path]) -> dict[str, Any]:
    """Return the metadata of the zip file and the table."""
    licences = sorted({licence for licence in map(_licence, export.pictures) if licence})
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": export.name,
        "description": export.about or f"Pictures of {len(export.class_names)} classes.",
        "license": licences or ["other"],
        "url": "./",
        "version": "1.0.0",
        "citeAs": f"{export.name}. The authors of the pictures are named in labels.csv.",
        "datePublished": export.date,
        "creator": {"@type": "sc:Organization", "name": export.name},
        "distribution": [
            _file(files[0], "application/zip"),
            _file(files[1], "text/csv"),
            {
                "@type": "cr:FileSet",
                "@id": "pictures",
                "name": "pictures",
                "containedIn": {"@id": files[0].name},
                "encodingFormat": sorted({MEDIA_TYPES[picture.suffix] for picture in export.pictures}),
                "includes": sorted({f"**/*{picture.suffix}" for picture in export.pictures}),
            },
        ],
        "recordSet": [_classes(export), _records()],
    }


def _licence(picture: Picture) -> str:
    values = credit_values(picture)
    return values["licence_url"] or values["licence"]


def _file(path: Path, media_type: str) -> dict[str, Any]:
    """Return the description of a file that lies beside croissant.json."""
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": media_type,
        "sha256": _hash(path),
    }


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _classes(export: Export) -> dict[str, Any]:
    """Return the classes, whose names no reader of a table can take for numbers or for nothing."""
    fields = {"index": "sc:Integer", "name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "key": {"@id": "classes/index"},
        "field": [
            {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind}
            for name, kind in fields.items()
        ],
        "data": [{"classes/index": index, "classes/name": name} for index, name in enumerate(export.class_names)],
    }


def _records() -> dict[str, Any]:
    """Return how a picture and its row in the table make a record."""
    image = {
        "@type": "cr:Field",
        "@id": "records/image",
        "name": "image",
        "description": "the picture",
        "dataType": "sc:ImageObject",
        "source": {"fileSet": {"@id": "pictures"}, "extract": {"fileProperty": "content"}},
    }
    # the pictures come first: of columns that both sides have, mlcroissant keeps those of the first
    file_name = {
        "@type": "cr:Field",
        "@id": "records/file_name",
        "name": "file_name",
        "description": "the name of its file in the zip file",
        "dataType": "sc:Text",
        "source": {"fileSet": {"@id": "pictures"}, "extract": {"fileProperty": "filename"}},
        "references": {"fileObject": {"@id": "labels.csv"}, "extract": {"column": "file_name"}},
    }
    others = [_field(name, kind, text) for name, (kind, text) in _COLUMNS.items()]
    return {
        "@type": "cr:RecordSet",
        "@id": "records",
        "name": "records",
        "description": "the pictures with their labels and credits",
        "key": {"@id": "records/file_name"},
        "field": [file_name, image, *others],
    }


def _field(name: str, kind: str | list[str], description: str) -> dict[str, Any]:
    """Return the description of a column of the table."""
    return {
        "@type": "cr:Field",
        "@id": f"records/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
        "source": {"fileObject": {"@id": "labels.csv"}, "extract": {"column": name}},
    }

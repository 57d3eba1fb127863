"""Pictures in a folder per class, with tables beside them: `path,label` in CSV, or as Hugging Face's imagefolder."""

import json
from collections.abc import Sequence
from pathlib import Path

from fieldguide.progress import Progress
from fieldguide.stages.export_data.card import write_card
from fieldguide.stages.export_data.pictures import Export, Picture, credit_values, place_pictures
from fieldguide.text import write_csv


def write_csv_folders(export: Export, folder: Path, progress: Progress) -> None:
    """Write a table `path,label` for each part, and the pictures in a folder per class."""
    place_pictures(export, folder, progress)
    for part, pictures in export.parts().items():
        rows = [(picture.file, picture.class_name) for picture in _sorted(pictures)]
        (folder / f"{_table_name(part)}.csv").write_text(write_csv(("path", "label"), rows), encoding="utf-8")
    write_classes(export, folder)


def _table_name(part: str) -> str:
    return "labels" if part == "images" else part


def _sorted(pictures: Sequence[Picture]) -> list[Picture]:
    return sorted(pictures, key=lambda picture: picture.file)


def write_classes(export: Export, folder: Path) -> None:
    """Write classes.csv: the place of each class, as models count, its name, and how many pictures it has."""
    pictures = [picture for pictures in export.parts().values() for picture in pictures]
    counts = [sum(picture.label == label for picture in pictures) for label in range(len(export.class_names))]
    rows = [
        (str(label), class_name, str(count))
        for label, (class_name, count) in enumerate(zip(export.class_names, counts, strict=True))
    ]
    text = write_csv(("index", "class_name", "pictures"), rows)
    (folder / "classes.csv").write_text(text, encoding="utf-8")


def write_imagefolder(export: Export, folder: Path, progress: Progress) -> None:
    """Write the pictures in a folder per class, and a metadata.jsonl for each part, as `datasets` reads them.

    It reads metadata.csv too, but guesses the type of each column anew for each part: a column that is empty in one of
    them then has two types, and a class called "None" has no name. It takes labels as texts here.
    """
    place_pictures(export, folder, progress)
    for part, pictures in export.parts().items():
        lines = [json.dumps(_metadata(picture), ensure_ascii=False) + "\n" for picture in _sorted(pictures)]
        (folder / part / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    write_card(export, folder, "{part}/**", {})


def _metadata(picture: Picture) -> dict[str, str]:
    """Return a line of metadata.jsonl; the file's name is relative to it."""
    file = Path(picture.file).relative_to(picture.part).as_posix()
    return {"file_name": file, "label": picture.class_name, "sha256": picture.sha256, **credit_values(picture)}

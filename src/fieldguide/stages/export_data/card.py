"""The card of a data set, README.md in the form of the Hugging Face Hub: its parts, its columns, its licence."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fieldguide.stages.export_data.pictures import Export
from fieldguide.text import one_line, render

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(export: Export, folder: Path, pattern: str, columns: Mapping[str, Any]) -> None:
    """Write README.md.

    Args:
        export: what is exported.
        folder: where.
        pattern: which files are of a part, with "{part}" for its name.
        columns: what the head of the card says of them.
    """
    parts = export.parts()
    files = [{"split": "train" if part == "images" else part, "path": pattern.format(part=part)} for part in parts]
    count = sum(len(pictures) for pictures in parts.values())
    head = {
        "pretty_name": one_line(export.name),
        "license": licence_of(export),
        "task_categories": ["image-classification"],
        "size_categories": [next((size for most, size in _SIZES if count < most), "n>1M")],
        "configs": [{"config_name": "default", "data_files": files}],
        **columns,
    }
    # JSON is YAML, and quotes whatever a name holds
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    counts = {part: len(pictures) for part, pictures in parts.items()}
    text = render("dataset.md", {"export": export, "head": lines, "counts": counts})
    (folder / "README.md").write_text(f"{text}\n", encoding="utf-8")


def licence_of(export: Export) -> str:
    """Return the one licence of all the pictures by the Hub's name for it, else "other"."""
    names = {picture.credits[0].licence.spdx for picture in export.pictures if picture.credits}
    return names.pop().lower() if len(names) == 1 and names <= {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0"} else "other"

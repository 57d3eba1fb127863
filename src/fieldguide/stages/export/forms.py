"""The table of forms in a published guide: `forms.json`, and the same in its card.

Each change replaces the guide's folder in a single step, so that its MANIFEST always fits. Knows nothing about how
forms are made.
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fieldguide.guide import FORMS_FILE, list_edited, read_forms, write_manifest
from fieldguide.guide.forms import without_forms
from fieldguide.project.atomic import replace_folder
from fieldguide.records import ExportReport
from fieldguide.text import render

CARD = "README.md"
_HOW_TO_USE = "## How to use it\n"  # the heading in the card before which they stand


def record_form(guide_folder: Path, report: ExportReport) -> None:
    """Write what was measured of a form into the guide; nothing changes where it says that already."""
    row = {key: value for key, value in asdict(report).items() if key != "folder" and value is not None}
    known: dict[str, Any] = read_forms(guide_folder)
    row = json.loads(json.dumps(row))
    if known.get(report.form) == row:
        return
    forms = dict(sorted({**known, report.form: row}.items()))
    with replace_folder(guide_folder) as folder:
        _copy(guide_folder, folder)
        text = json.dumps({"schema_version": 1, "forms": forms}, indent=1, ensure_ascii=False)
        (folder / FORMS_FILE).unlink(missing_ok=True)
        (folder / FORMS_FILE).write_text(f"{text}\n", encoding="utf-8")
        _write_card(guide_folder, folder, forms)
        write_manifest(folder, copied_from=guide_folder)


def _write_card(guide_folder: Path, folder: Path, forms: dict[str, Any]) -> None:
    """Show the forms in the card, unless its owner has edited it or taken it away."""
    card = folder / CARD
    if not card.is_file() or CARD in list_edited(guide_folder):
        return
    text = without_forms(card.read_text(encoding="utf-8"))
    before, heading, after = text.rpartition(_HOW_TO_USE)
    shown = f"{render('forms.md', {'forms': forms}).strip()}\n\n"
    card.unlink()
    card.write_text(f"{before}{shown}{heading}{after}" if heading else f"{text}\n{shown}", encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    """Copy a folder; a file that stays as it is takes no room twice where the disk can link."""
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

"""Make a project: a folder with its settings and an empty catalogue."""

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fieldguide.errors import NamesError, NoPermission, ProjectExists, translate_os_errors
from fieldguide.project import SETTINGS_FILE, Project
from fieldguide.project.atomic import write_text
from fieldguide.records import NewReport
from fieldguide.settings import ClassSettings, Recipe, Settings, edit_settings, render_settings
from fieldguide.sources import needs_contact
from fieldguide.text import readable


def new(
    folder: Path,
    names: dict[str, dict[str, object]],
    *,
    name: str = "",
    about: str = "",
    changed: dict[str, dict[str, Any]] | None = None,
) -> NewReport:
    """Make a project: a folder with `fieldguide.toml` and an empty catalogue.

    Args:
        folder: the folder to make; it may exist if it is empty.
        names: class names, each with its `about` and `links`; empty accepts whatever labels are added.
        name: what the guide is called; else the folder's name.
        about: a sentence on what the guide tells apart.
        changed: settings that differ from their defaults, section to key to value.

    Raises:
        ProjectExists: the folder holds something, or is a file.
        NamesError: the `about` or `links` of a name cannot be stored.
        InputUnusable: no folder can have that path.
    """
    _make_folder(folder)
    try:
        classes = {class_name: ClassSettings.model_validate(about) for class_name, about in names.items()}
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        message = f"the column {place!r} beside a name cannot be used: {fault['msg'].removeprefix('Value error, ')}"
        raise NamesError(message, "correct that column of the list") from error
    called = name or readable(folder.resolve().name)[:200] or "guide"
    settings = Settings(name=called, about=about, classes=classes)
    _fill(folder, render_settings(settings, changed))
    return NewReport(readable(str(folder)), tuple(names), tuple((changed or {}).get("collect", {}).get("sources", ())))


def new_from_recipe(folder: Path, recipe: Recipe, changed: dict[str, Any]) -> NewReport:
    """Make a project whose `fieldguide.toml` is that of a recipe.

    Args:
        folder: as for `new`.
        recipe: what to copy.
        changed: other values at dotted names, such as `collect.contact`; without that, the sources that have to be told
            it are left out, so that pictures which are added can be built from at once.

    Raises:
        ProjectExists: as for `new`.
        SettingsError: a value that is not allowed; no folder is made.
        InputUnusable: as for `new`.
    """
    path = folder / SETTINGS_FILE
    collect = recipe.settings.collect
    sources = changed.get("collect.sources", collect.sources)
    waiting = [] if changed.get("collect.contact", collect.contact) else [*filter(needs_contact, sources)]
    if waiting:
        changed = {**changed, "collect.sources": [name for name in sources if name not in waiting]}
    text = edit_settings(recipe.text, changed, path) if changed else recipe.text
    if waiting:
        text = re.sub(
            r"^(sources = \[.*?\])", rf"\1  # and, once contact is set: {', '.join(waiting)}", text, count=1, flags=re.M
        )
    _make_folder(folder)
    _fill(folder, text)
    settings = Project(folder).settings()
    classes = tuple(settings.classes)
    return NewReport(readable(str(folder)), classes, settings.collect.sources, recipe.name, tuple(waiting))


def _make_folder(folder: Path) -> None:
    """Make the folder, or take one that is empty."""
    with translate_os_errors(f"making {folder}"):
        if folder.is_file() or (folder.exists() and not folder.is_dir()):
            raise ProjectExists(f"{folder} is a file", "give the name of a folder to make")
        if folder.is_dir() and any(folder.iterdir()):
            contents = "a project" if (folder / SETTINGS_FILE).exists() else "files"
            raise ProjectExists(f"{folder} already holds {contents}", "give a new folder, or an empty one")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # file systems that belong to the kernel answer so
            raise NoPermission(f"{folder} cannot be made there", "choose another place") from error


def _fill(folder: Path, text: str) -> None:
    """Write the settings and an empty catalogue into a folder."""
    project = Project(folder)
    write_text(project.settings_file, text)
    with project.catalog():
        pass

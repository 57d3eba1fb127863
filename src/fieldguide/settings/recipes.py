"""Ready settings: the recipes that come with the program, and those in a folder of one's own.

A recipe is a folder with a `fieldguide.toml` and a page that tells about it. Knows nothing about projects.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path

from fieldguide.errors import InputMissing
from fieldguide.settings.models import Settings
from fieldguide.settings.reading import load_settings

SETTINGS_FILE = "fieldguide.toml"
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Recipe:
    """The settings of a kind of project.

    Attributes:
        name: the name of its folder.
        text: its `fieldguide.toml`, comments and all.
        settings: what that says.
    """

    name: str
    text: str
    settings: Settings


def list_recipes() -> dict[str, str]:
    """Return what each recipe that comes with the program makes, by its name: the first sentence of its `about`."""
    recipes = (read_recipe(path.parent.name) for path in sorted(_shipped().glob(f"*/{SETTINGS_FILE}")))
    return {recipe.name: recipe.settings.about.partition(". ")[0].rstrip(".") for recipe in recipes}


def read_recipe(name: str) -> Recipe:
    """Return a recipe by its name, or by the path of a folder of one's own.

    Raises:
        InputMissing: there is none of that name.
        SettingsError: its settings are not valid.
    """
    is_path = Path(name).name != name
    folder = Path(name) if is_path else _shipped() / name
    path = folder / SETTINGS_FILE
    if not name or not path.is_file():
        raise InputMissing(*_explain_missing(name, is_path))
    settings = load_settings(path)
    return Recipe(folder.resolve().name, path.read_text(encoding="utf-8-sig"), settings)


def _explain_missing(name: str, is_path: bool) -> tuple[str, str]:
    if is_path:
        return f"{name} is not a recipe: there is no {SETTINGS_FILE} in it", "give the folder that holds one"
    known = [path.parent.name for path in sorted(_shipped().glob(f"*/{SETTINGS_FILE}"))]
    nearest = difflib.get_close_matches(name, known, n=1)
    advice = f"perhaps you mean {nearest[0]}" if nearest else "list them with: fieldguide new --recipe"
    return (
        f"there is no recipe {name!r}; there are {', '.join(known)}",
        f"{advice}; give a folder of your own as ./{name}",
    )


def _shipped() -> Path:
    """Return the folder of recipes: within an installed package, or beside the sources of a checkout."""
    installed = _PACKAGE / "recipes"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "recipes"

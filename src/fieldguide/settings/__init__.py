"""Settings: a model per stage, reading `fieldguide.toml` into them, writing its text, and ready ones: recipes.

Knows nothing about what the stages do with their settings.
"""

from fieldguide.settings.models import (
    SCHEMA_VERSION,
    BrandingSettings,
    ClassSettings,
    CleanSettings,
    CollectSettings,
    ColourSettings,
    EvaluateSettings,
    FeaturesSettings,
    HostSettings,
    ImagesSettings,
    LoopSettings,
    PublishSettings,
    ReviewSettings,
    Section,
    ServeSettings,
    Settings,
    SplitSettings,
    TrainSettings,
    TuneSettings,
)
from fieldguide.settings.reading import (
    change_settings,
    digest_json,
    flatten_tables,
    load_settings,
    migrate_train_settings,
    parse_settings,
)
from fieldguide.settings.recipes import Recipe, list_recipes, read_recipe
from fieldguide.settings.text import edit_settings, render_settings

__all__ = [
    "SCHEMA_VERSION",
    "BrandingSettings",
    "ClassSettings",
    "CleanSettings",
    "CollectSettings",
    "ColourSettings",
    "EvaluateSettings",
    "FeaturesSettings",
    "HostSettings",
    "ImagesSettings",
    "LoopSettings",
    "PublishSettings",
    "Recipe",
    "ReviewSettings",
    "Section",
    "ServeSettings",
    "Settings",
    "SplitSettings",
    "TrainSettings",
    "TuneSettings",
    "change_settings",
    "digest_json",
    "edit_settings",
    "flatten_tables",
    "list_recipes",
    "load_settings",
    "migrate_train_settings",
    "parse_settings",
    "read_recipe",
    "render_settings",
]

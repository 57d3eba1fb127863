"""One settings model per stage: type, default, bounds, help; and `fieldguide.toml`, where a person sets them.

Knows nothing about what the stages do with their settings.
"""

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fieldguide.errors import ProjectTooNew, SettingsError, translate_os_errors
from fieldguide.names import check_name, check_names
from fieldguide.settings.section import Section
from fieldguide.settings.training import ColourSection, CrossValidate, LoopSection, TrainSettings, TuneSettings
from fieldguide.settings.writing import section_lines, to_toml

__all__ = [
    "SCHEMA_VERSION",
    "ClassSettings",
    "CleanSettings",
    "CollectSettings",
    "ColourSection",
    "CrossValidate",
    "EvaluateSettings",
    "FeaturesSettings",
    "HostSettings",
    "ImagesSettings",
    "LoopSection",
    "PublishSettings",
    "ServeSettings",
    "Settings",
    "SplitSettings",
    "TrainSettings",
    "TuneSettings",
    "change_settings",
    "load_settings",
    "render_settings",
]

SCHEMA_VERSION = 1
ImageFormat = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]


class ClassSettings(Section):
    """What the guide says about one class, and what else to search for."""

    about: str = Field("", max_length=2000, description="a sentence or two, shown with an answer")
    links: tuple[str, ...] = Field((), max_length=20, description="https addresses to read more")
    queries: tuple[str, ...] = Field(
        (), max_length=50, description="what to search for in place of the name: synonyms, other languages"
    )
    at: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="what to search for at one source, such as a taxon's name"
    )


class ImagesSettings(Section):
    """What counts as a picture."""

    formats: tuple[ImageFormat, ...] = Field(
        ("JPEG", "PNG", "WEBP", "GIF", "BMP"), min_length=1, description="formats taken; others are refused"
    )
    max_bytes: int = Field(50_000_000, ge=1_000, le=1_000_000_000, description="largest file, bytes")
    max_pixels: int = Field(50_000_000, ge=1_000, le=500_000_000, description="largest picture, width x height")
    max_scans: int = Field(100, ge=1, le=10_000, description="most scans in a progressive JPEG")


class HostSettings(Section):
    """What a person has decided about one host."""

    spacing_s: float | None = Field(
        None, ge=0.0, le=3600.0, description="shortest time between two requests, seconds; else the source's, or 1"
    )
    concurrency: int | None = Field(None, ge=1, le=64, description="most requests at once; else the source's, or 2")
    robots: Literal["obey", "ignore"] = Field(
        "obey", description="ignore: only with the leave of whoever runs the host"
    )
    browser: Literal["no", "yes"] = Field("no", description="yes: a browser may be driven over its pages")
    private: Literal["no", "yes"] = Field("no", description="yes: it may be on this machine or in a private network")
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field((), description="more ports, at this host alone")


class CollectSettings(Section):
    """Where pictures come from when they are not added by hand."""

    sources: tuple[str, ...] = Field((), max_length=40, description="where to look, in order; see docs/sources.md")
    per_class: int = Field(300, ge=1, le=100_000, description="good pictures of each class")
    queries: tuple[str, ...] = Field(
        ("{name}",), min_length=1, max_length=50, description='what to search for, such as "{name} chart"'
    )
    licences: Literal["open", "commercial", "modify", "any"] = Field(
        "open", description="open: CC0, public domain, BY, BY-SA; commercial: no NC; modify: no ND; any: all"
    )
    contact: str = Field("", max_length=200, description="an address at which whoever is asked can reach you")
    per_query: int = Field(0, ge=0, le=100_000, description="most pictures to look at for one query; 0: no end")
    similar_seeds: int = Field(
        0, ge=0, le=1000, description="look for pictures like the first so many of a class; 0: no"
    )
    similar_each: int = Field(40, ge=1, le=1000, description="most pictures like one of them")
    similar_share: float = Field(0.5, gt=0.0, le=1.0, description="largest share of a class found that way")
    connections: int = Field(32, ge=1, le=256, description="most downloads at once, all hosts together")
    max_wait_s: float = Field(600.0, ge=0.0, le=86400.0, description="longest wait that a source may ask for, seconds")
    allow_networks: tuple[str, ...] = Field(
        (), max_length=20, description='private networks that may be asked, such as "192.168.7.0/24"'
    )
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field((), description="more ports than 80 and 443")
    hosts: dict[str, HostSettings] = Field(default_factory=dict, description="what is decided about single hosts")
    options: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="what else a source understands; query: its own search in place of the others"
    )


class CleanSettings(Section):
    """Which pictures are kept."""

    min_side: int = Field(64, ge=1, le=10_000, description="shortest side a picture may have, pixels")
    copy_distance: int = Field(8, ge=0, le=16, description="bits by which the dHash of near-copies may differ, of 64")
    copy_likeness: float = Field(
        0.98, ge=0.5, le=1.0, description="correlation of the grey thumbnails that confirms a near-copy"
    )
    alike: float = Field(
        0.95, ge=0.5, le=1.0, description="correlation from which pictures are kept, but on one side of every split"
    )


class SplitSettings(Section):
    """How pictures are divided; the rest is for training."""

    val: float = Field(0.15, ge=0.02, le=0.45, description="share for validation: chooses settings")
    test: float = Field(0.2, ge=0.02, le=0.45, description="share for the test: looked at once, chooses nothing")


class FeaturesSettings(Section):
    """How the backbone is run."""

    runtime: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto", description="auto: the faster of those installed, measured once on this machine"
    )
    batch_size: int = Field(8, ge=1, le=1024, description="pictures per call of the backbone; more take more memory")


class EvaluateSettings(Section):
    """What the report holds."""

    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation over everything kept")
    cross_validate: CrossValidate = Field(
        "auto", description="of networks, a training for each fold; auto: only where features are cached"
    )
    mistakes: int = Field(24, ge=0, le=500, description="most confident mistakes to show")


class PublishSettings(Section):
    """What the guide holds and promises."""

    examples: int = Field(4, ge=0, le=50, description="example pictures per class")
    example_licences: tuple[str, ...] = Field(
        ("CC0-1.0", "CC-BY-4.0", "CC-BY-3.0", "CC-BY-2.0", "CC-BY-SA-4.0", "CC-BY-SA-3.0", "CC-PDM-1.0", "own"),
        description="licences under which a picture may be shown as an example",
    )
    true_accept: float = Field(0.95, gt=0.5, le=1.0, description="share of known pictures that must not be declined")
    tolerance: float = Field(
        0.001, gt=0.0, le=0.5, description="largest difference of a probability between trained model and guide"
    )


class ServeSettings(Section):
    """How a guide is served."""

    host: str = Field("127.0.0.1", description="address to listen on; anything else is open to the network")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    max_bytes: int = Field(10_000_000, ge=1_000, le=100_000_000, description="largest upload, bytes")
    max_pixels: int = Field(25_000_000, ge=1_000, le=100_000_000, description="largest picture, width x height")


class Settings(Section):
    """Everything that `fieldguide.toml` can say."""

    schema_version: int = Field(SCHEMA_VERSION, ge=1, description="form of this file")
    name: str = Field("guide", min_length=1, max_length=200, description="what the guide is called")
    about: str = Field("", max_length=2000, description="one paragraph on what it tells apart")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="the one source of all randomness")
    classes: dict[str, ClassSettings] = Field(
        default_factory=dict, description="the names; empty: whatever labels are added"
    )
    images: ImagesSettings = ImagesSettings()
    collect: CollectSettings = CollectSettings()
    clean: CleanSettings = CleanSettings()
    split: SplitSettings = SplitSettings()
    features: FeaturesSettings = FeaturesSettings()
    train: TrainSettings = TrainSettings()
    tune: TuneSettings = TuneSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    publish: PublishSettings = PublishSettings()
    serve: ServeSettings = ServeSettings()

    @property
    def learning_seed(self) -> int:
        """What chance in learning follows from; another one leaves the pictures divided as they are."""
        return self.seed if self.train.seed < 0 else self.train.seed

    @field_validator("classes", mode="before")
    @classmethod
    def _check_names(cls, value: object) -> object:
        """The classes; their names are held to the same rules as those given to `new`."""
        if isinstance(value, dict) and len(value) > 1:
            check_names(str(name) for name in value)
        elif isinstance(value, dict):
            [check_name(str(name)) for name in value]
        return value


def load_settings(path: Path) -> Settings:
    """The settings in a `fieldguide.toml`.

    Raises:
        SettingsError: not TOML, an unknown key (the nearest is named), a value out of bounds (the bounds are
            named).
        ProjectTooNew: a file of a newer form.
        NamesError: two names that would be one class, or one that cannot be.
        NoPermission: the file cannot be read.
    """
    try:
        with translate_os_errors(f"reading {path}"):
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", "mend the line it names") from error
    version = raw.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        message = f"{path} has schema_version {version}; this Fieldguide knows {SCHEMA_VERSION}"
        raise ProjectTooNew(message, "install a newer Fieldguide to work on this project")
    return parse_settings(raw, path)


def parse_settings(raw: dict[str, Any], path: Path) -> Settings:
    """Settings from parsed TOML; every fault is named at once.

    Raises:
        SettingsError: as for `load_settings`.
    """
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors(include_url=False)]
        raise SettingsError(f"{path}: {'; '.join(faults)}", f"mend {path.name} and run again") from error


def _explain(fault: ErrorDetails) -> str:
    """One fault as a person would say it."""
    location = [str(part) for part in fault["loc"]]
    where = ".".join(location)
    if fault["type"] == "extra_forbidden":
        known = _keys_at(location[:-1])
        nearest = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.4)
        advice = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(sorted(known))}"
        return f"unknown key {where!r}, {advice}"
    got = fault["input"]
    shown = json.dumps(got, default=str)
    return f"{where} = {shown if len(shown) < 60 else shown[:57] + '...'}: {_bounds(fault)}"


def _bounds(fault: ErrorDetails) -> str:
    """What the value must be, with both bounds where there are two."""
    field = None
    for step in _walk([str(part) for part in fault["loc"]]):
        field = step
    limits = [repr(rule).partition("(")[2].rstrip(")") for rule in (field.metadata if field else [])]
    extra = f" (allowed: {', '.join(limits)})" if limits else ""
    return fault["msg"][:1].lower() + fault["msg"][1:] + extra


def _keys_at(location: Sequence[str]) -> list[str]:
    """The keys that the model at that place knows."""
    model: Any = Settings
    for field in _walk(location):
        model = _model_of(field) or model
    return list(model.model_fields)


def _walk(location: Sequence[str]) -> Iterator[FieldInfo]:
    """The fields on the way to a place, as far as they are known; a table's own keys are stepped over."""
    model: Any = Settings
    for part in location:
        field = model.model_fields.get(part)
        if field is not None:
            yield field
            model = _model_of(field) or model


def _model_of(field: FieldInfo) -> Any:
    """The section that a field holds, by itself or as the values of a table; None where it holds none."""
    held = (field.annotation, *get_args(field.annotation))
    return next((one for one in held if isinstance(one, type) and issubclass(one, Section)), None)


def change_settings(settings: Settings, changed: Mapping[str, Any]) -> Settings:
    """The settings with other values below dotted names, such as `train.loop.lr`.

    Raises:
        SettingsError: an unknown name (the nearest is named), or a value out of bounds (the bounds are named).
    """
    raw = settings.model_dump(exclude_unset=True)
    for name, value in changed.items():
        *tables, key = name.split(".")
        place = raw
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise SettingsError(f"{name} is not a setting", f"{table} is a value, not a table")
        place[key] = value
    return parse_settings(raw, Path("the settings"))


def render_settings(settings: Settings, changed: dict[str, dict[str, Any]] | None = None) -> str:
    """The text of a `fieldguide.toml`: classes in full, every other key as a comment with its default.

    Args:
        settings: the name, about and classes to write.
        changed: section to key to value, written as live lines instead of comments.
    """
    lines = [
        "# Everything a person edits is here. A line with # before it shows the default.",
        f"schema_version = {SCHEMA_VERSION}",
        f"name = {to_toml(settings.name)}",
        f"about = {to_toml(settings.about)}",
        f"seed = {settings.seed}",
        "",
        "[classes]" + ("" if settings.classes else "  # empty: whatever labels are added"),
    ]
    for name, about in settings.classes.items():
        said = {key: value for key, value in about.model_dump().items() if value}
        lines.append(f"{to_toml(name)} = {to_toml(said)}")
    for section, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            lines += section_lines(section, field.default, (changed or {}).get(section, {}))
    return "\n".join(lines) + "\n"

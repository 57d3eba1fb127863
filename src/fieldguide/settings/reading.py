"""Reading settings: older files are migrated, and every fault is named with what would be allowed.

Knows nothing about what the settings mean.
"""

import copy
import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_json

from fieldguide.errors import ProjectTooNew, SettingsError, translate_os_errors
from fieldguide.settings.models import SCHEMA_VERSION, Section, Settings

_ADDED: Mapping[str, Sequence[str]] = {
    "clean": ("copy_reframed", "quality", "unsafe", "labels", "outliers", "rescale", "report"),
    "split": ("group_pattern", "features_alike", "burst_s"),
    "train": ("views", "mirror"),
    "publish": ("views", "unsure_below"),
}  # since version 2
# what "auto" stands for in digests: the default before there was "auto"
_FORMER_DEFAULTS: Mapping[str, Mapping[str, int]] = {"train.loop": {"batch_size": 32, "accumulate": 1}}
_YES_NO: Mapping[Any, Any] = {"no": False, "yes": True}
# Dotted key to old value to new value; `*` stands for any key of a table. No new value may be read as another old one.
RENAMED_VALUES: Mapping[str, Mapping[Any, Any]] = {
    "collect.hosts.*.browser": _YES_NO,
    "collect.hosts.*.private": _YES_NO,
    "train.size": {0: "auto"},
    "train.seed": {-1: "auto"},
    "train.loop.epochs": {0: "auto"},
    "train.loop.lr": {0.0: "auto"},
    "train.loop.layer_decay": {0.0: "auto"},
    "train.loop.freeze": {-1: "auto"},
    "train.loop.compile": _YES_NO,
    "train.loop.threads": {0: "auto"},
    "tune.trials": {0: "auto"},
    "tune.pruning": _YES_NO,
    "train.head": {"seed000": "mlp-1024", "seed003": "mlp-halving"},
    "train.network": {"seed004": "vgg-small"},
    "train.loop.augment": {"seed003": "perspective-colour", "seed004": "shear-zoom"},
    "tune.preset": {"seed003": "architectures"},
}


def load_settings(path: Path) -> Settings:
    """Return the settings in a `fieldguide.toml`, also one that an older version wrote.

    Raises:
        SettingsError: not TOML, an unknown key, or a value out of bounds; the nearest key and the bounds are named.
        ProjectTooNew: a file of a newer version.
        NamesError: two names that would be one class, or one that cannot be used.
    """
    try:
        with translate_os_errors(f"reading {path}"):
            raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: it is not UTF-8 text", "save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", "correct the line it names") from error
    return parse_settings(raw, path)


def parse_settings(raw: Mapping[str, Any], path: Path) -> Settings:
    """Return settings from parsed TOML; all faults are named at once.

    Raises:
        SettingsError: as for `load_settings`.
        ProjectTooNew: a newer `schema_version`.
    """
    version = raw.get("schema_version", 1)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        message = f"{path} has schema_version {version}; this version of Fieldguide reads up to {SCHEMA_VERSION}"
        raise ProjectTooNew(message, "install a newer Fieldguide to work on this project")
    try:
        if version == 1:
            written = "schema_version" in raw
            raw = _migrate(raw) | {"schema_version": SCHEMA_VERSION}
            if written and isinstance(table := raw.setdefault("train", {}), dict):
                table.setdefault("learner", "transfer")  # the default of then, with which its runs were made
        return Settings.model_validate(raw)
    except ValidationError as error:
        faults = _describe_faults(error.errors(include_url=False))
        raise SettingsError(f"{path}: {'; '.join(faults)}", f"correct {path.name} and run again") from error


def migrate_train_settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings kept with a run in the words of this version."""
    migrated: dict[str, Any] = _migrate({"train": dict(raw)})["train"]
    loop, formerly = migrated.get("loop", {}), _FORMER_DEFAULTS["train.loop"]
    if migrated.get("mode", "frozen") == "frozen" and formerly.items() <= loop.items():
        loop.update(dict.fromkeys(formerly, "auto"))  # which comes to the same, but where a backbone is trained
    return migrated


def change_settings(settings: Settings, changed: Mapping[str, Any]) -> Settings:
    """Return the settings with other values at dotted names, such as `train.loop.lr`.

    Raises:
        SettingsError: an unknown name, or a value out of bounds; the nearest name and the bounds are named.
    """
    raw = settings.model_dump(exclude_unset=True)
    for name, value in changed.items():
        set_value(raw, name, value)
    return parse_settings({**raw, "schema_version": SCHEMA_VERSION}, Path("the settings"))


def set_value(raw: dict[str, Any], name: str, value: Any) -> None:
    """Set the value at a dotted name of nested tables, which are made where they are missing.

    Raises:
        SettingsError: there is a value where a table has to be.
    """
    *tables, key = name.split(".")
    for part in tables:
        raw = raw.setdefault(part, {})
        if not isinstance(raw, dict):
            raise SettingsError(f"{name} cannot be set: {part} is a value, not a table", f"remove {part} from the file")
    raw[key] = value


def flatten_tables(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested tables by dotted name, such as `loop.lr`."""
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        flat |= flatten_tables(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def digest_json(settings: Settings, section: str, exclude: set[str] | None = None) -> str:
    """Return a table's values as JSON in the words of version 1, for digests.

    So what a project made before a value was renamed, or a key was added that has its default, is still up to date.
    """
    values, fields = getattr(settings, section), type(getattr(settings, section)).model_fields
    usual = {key for key in _ADDED.get(section, ()) if getattr(values, key) == fields[key].default}
    raw = {section: values.model_dump(mode="json", exclude=(exclude or set()) | usual)}
    for table, key, words in _renamed_places(raw):
        old = {new: old for old, new in words.items()}
        table[key] = old.get(table[key], table[key])
    for name, formerly in _FORMER_DEFAULTS.items():
        for table in _tables_at(raw, name.split(".")):
            table.update({key: value for key, value in formerly.items() if table[key] == "auto"})
    return to_json(raw[section]).decode()


def _migrate(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the tables in which old values are new ones."""
    migrated: dict[str, Any] = copy.deepcopy(dict(raw))
    for table, key, words in _renamed_places(migrated):
        value = table[key]
        if isinstance(value, list):
            table[key] = [words.get(item, item) for item in value]
        elif isinstance(value, str | int | float):
            table[key] = words.get(value, value)
    return migrated


def _renamed_places(raw: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, Mapping[Any, Any]]]:
    """Yield the table, the key and the words of each value that was renamed, in [tune.space] too."""
    for name, words in RENAMED_VALUES.items():
        *tables, key = name.split(".")
        places = [(tables, key)]
        if tables[0] == "train":
            places += [(["tune", "space", *tables[1:]], key), (["tune", "space"], name.removeprefix("train."))]
        for above, last in places:
            for table in _tables_at(raw, above):
                if last in table:
                    yield table, last, words


def _tables_at(raw: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    tables = [raw]
    for name in names:
        inner = [list(table.values()) if name == "*" else [table.get(name)] for table in tables]
        tables = [table for group in inner for table in group if isinstance(table, dict)]
    return tables


def _describe_faults(faults: Sequence[ErrorDetails]) -> list[str]:
    """Return each fault in words; where a number or "auto" is allowed, pydantic tells of both and one is enough."""
    number = ("int", "float", "constrained-int", "constrained-float")
    described: list[str] = []
    numbers: set[tuple[int | str, ...]] = set()
    for fault in faults:
        *above, last = fault["loc"]
        if any(other["loc"][:-1] == fault["loc"] for other in faults):
            continue  # a list is too short where none of its values is valid
        if last in number:
            if tuple(above) not in numbers:  # a share or a whole number
                described.append(_describe_fault({**fault, "loc": tuple(above)}))
            numbers.add(tuple(above))
        elif last != "literal['auto']":
            described.append(_describe_fault(fault))
    return described


_KINDS = {
    "float": "a number", "int": "a whole number", "string": "text in quotes", "bool": "true or false",
    "tuple": "a list in brackets", "dict": "a table", "model": "a table",
}  # fmt: skip


def _describe_fault(fault: ErrorDetails) -> str:
    location = [str(part) for part in fault["loc"]]
    where = ".".join(location)
    if fault["type"] == "extra_forbidden":
        known = _keys_at(location[:-1])
        nearest = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.4)
        advice = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(sorted(known))}"
        return f"unknown key {where!r}, {advice}"
    value = json.dumps(fault["input"], default=str)
    bounds = allowed_values(fields[-1]) if (fields := list(_fields_at(location))) else ""
    return f"{where} = {value if len(value) < 60 else value[:57] + '...'}: {_describe_problem(fault, bounds)}"


def _describe_problem(fault: ErrorDetails, bounds: str) -> str:
    """Return what a value has to be in the words of TOML, where pydantic speaks of Python's."""
    kind, _, problem = fault["type"].partition("_")
    span = f"of {bounds}" if bounds.startswith("length") else f"from {bounds}" if " to " in bounds else bounds
    if kind == "literal":
        return f"has to be {fault['ctx']['expected']}"
    if kind in _KINDS and problem in ("type", "parsing", "from_float"):
        return f"has to be {_KINDS[kind]}" + (f" {span}" if bounds and kind in ("int", "float") else "")
    if bounds and fault["type"].startswith(("greater_", "less_", "too_", "string_too_")):
        return f"has to be {span}"
    text = fault["msg"].removeprefix("Value error, ")
    return text[:1].lower() + text[1:] + (f" (allowed: {bounds})" if bounds else "")


def allowed_values(field: FieldInfo) -> str:
    """Return what a key may hold in words, such as "0.02 to 0.45"; "" where there is no limit."""
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(json.dumps(word) for word in get_args(annotation))
    if annotation is bool:
        return "true, false"
    inner = [part for part in get_args(annotation) if get_origin(annotation) is not tuple]
    parts = [[rule for info in getattr(part, "__metadata__", ()) for rule in info.metadata] for part in inner]
    bounds = [text for rules in [field.metadata, *parts] if (text := _describe_bounds(rules))]
    words = [json.dumps(word) for part in inner if get_origin(part) is Literal for word in get_args(part)]
    return " or ".join([*bounds, *words]) if bounds else ""


def _describe_bounds(rules: Sequence[Any]) -> str:
    limits = {
        name: getattr(rule, name)
        for rule in rules
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length")
        if getattr(rule, name, None) is not None
    }
    if "min_length" in limits or "max_length" in limits:
        low, high = limits.get("min_length", 0), limits.get("max_length")
        return f"length at least {low}" if high is None else f"length {low} to {high}"
    if "ge" in limits and "le" in limits:
        return f"{limits['ge']:.15g} to {limits['le']:.15g}"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    return ", ".join(f"{words[name]} {limits[name]:.15g}" for name in words if name in limits)


def _keys_at(location: Sequence[str]) -> list[str]:
    """Return the keys that the model at that place knows."""
    model: Any = Settings
    for field in _fields_at(location):
        model = _model_of(field) or model
    return list(model.model_fields)


def _fields_at(location: Sequence[str]) -> Iterator[FieldInfo]:
    """Yield the fields on the way to a place, as far as they are known; a table's own keys are stepped over."""
    model: Any = Settings
    for part in location:
        field = model.model_fields.get(part)
        if field is not None:
            yield field
            model = _model_of(field) or model


def _model_of(field: FieldInfo) -> Any:
    """Return the section that a field holds, by itself or as the values of a table; None where it holds none."""
    types = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in types if isinstance(kind, type) and issubclass(kind, Section)), None)

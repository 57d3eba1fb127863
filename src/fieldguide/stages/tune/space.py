"""What a search may choose from: settings, their domains, when each is active; and the presets, searches with a name.

Knows nothing about Optuna, learners or trials. A name is that of a setting below [train], with dots: "loop.lr".
"""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from fieldguide.errors import SettingsError
from fieldguide.settings import TuneSettings

Value = str | int | float | bool
Condition = Mapping[str, tuple[Value, ...]]
_TABLE_KEYS = {"choices", "low", "high", "log", "step", "only_if"}
_MAX_CHOICES = 1000
_OWN_TRIALS = 40
_FORMS = 'such as ["a", "b"], {low = 1e-5, high = 1e-3, log = true} or {low = 8, high = 64, step = 8}'


@dataclass(frozen=True)
class Choices:
    """One of several values.

    Attributes:
        values: none twice.
        only_if: when the setting is active: where one of these conditions holds, or always where there is none. A
            condition holds when each setting that it names is active itself and has one of the values.
    """

    values: tuple[Value, ...]
    only_if: tuple[Condition, ...] = ()

    def choices(self) -> Sequence[Value]:
        """Return all its values."""
        return self.values


@dataclass(frozen=True)
class Floats:
    """A number between two bounds, both included; `only_if` as for `Choices`."""

    low: float
    high: float
    log: bool = False
    only_if: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Ints:
    """A whole number from `low` to `high`, both included, in steps; `only_if` as for `Choices`."""

    low: int
    high: int
    step: int = 1
    log: bool = False
    only_if: tuple[Condition, ...] = ()

    def choices(self) -> Sequence[Value]:
        """Return all its values."""
        return range(self.low, self.high + 1, self.step)


Domain = Choices | Floats | Ints


@dataclass(frozen=True)
class Space:
    """Domains by name, ordered so that whatever a domain depends on stands before it."""

    domains: Mapping[str, Domain]

    def __post_init__(self) -> None:
        """Check the domains, and order them."""
        for name, domain in self.domains.items():
            _check_domain(name, domain)
            for condition in domain.only_if:
                for other, values in condition.items():
                    _check_condition(name, other, values, self.domains)
        object.__setattr__(self, "domains", MappingProxyType(_in_order(dict(self.domains))))

    def is_active(self, name: str, params: Mapping[str, Value]) -> bool:
        """Return whether a setting has an effect beside the values of the other active ones."""
        conditions = self.domains[name].only_if
        return not conditions or any(
            all(other in params and params[other] in values for other, values in condition.items())
            for condition in conditions
        )

    def describe(self) -> dict[str, Any]:
        """Return the space as JSON values, the same for the same space."""
        kinds = {name: {"kind": type(domain).__name__} for name, domain in self.domains.items()}
        return {name: kinds[name] | asdict(domain) for name, domain in self.domains.items()}


def parse_space(raw: Mapping[str, Any]) -> Space:
    """Return the space that a table [tune.space] describes: a list of choices, or a table with `low` and `high`.

    A name with a dot may be written with or without quotation marks.
    """
    flat = _flatten(raw, "")
    if not flat:
        raise SettingsError("[tune.space] holds no setting", f"give each setting what to choose from, {_FORMS}")
    return Space({name: _parse_domain(name, value) for name, value in flat.items()})


def _flatten(raw: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return domains by dotted name: `loop.lr = …` without quotation marks is a table in a table to TOML."""
    flat: dict[str, Any] = {}
    for key, value in raw.items():
        if isinstance(value, Mapping) and value and not _TABLE_KEYS & set(value):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _parse_domain(name: str, raw: Any) -> Domain:
    if isinstance(raw, list | tuple):
        return Choices(tuple(raw))
    if not isinstance(raw, Mapping):
        raise SettingsError(f"tune.space.{name} = {raw!r} gives nothing to choose from", f"give {_FORMS}")
    for key in raw:
        if key not in _TABLE_KEYS:
            raise SettingsError(f"tune.space.{name} has an unknown key {key!r}", _suggest_name(key, _TABLE_KEYS))
    only_if = _parse_conditions(name, raw.get("only_if", ()))
    keys = set(raw) - {"only_if"}
    if keys == {"choices"} and isinstance(raw["choices"], list | tuple):
        return Choices(tuple(raw["choices"]), only_if)
    low, high, log, step = raw.get("low"), raw.get("high"), raw.get("log", False), raw.get("step", 1)
    numbers = _is_number(low) and _is_number(high) and isinstance(log, bool)
    if "choices" in keys or low is None or high is None or not numbers:
        raise SettingsError(f"tune.space.{name} = {dict(raw)!r} is no domain", f"give {_FORMS}")
    if isinstance(low, int) and isinstance(high, int) and isinstance(step, int):
        return Ints(low, high, step, log, only_if)
    if "step" in keys:
        hint = "write low, high and step without a decimal point, or leave step out"
        raise SettingsError(f"tune.space.{name}: only whole numbers have a step", hint)
    return Floats(float(low), float(high), log, only_if)


def _parse_conditions(name: str, raw: Any) -> tuple[Condition, ...]:
    """Return what `only_if` says: a table, or a list of tables of which one must hold; a value is a list of one."""
    tables = [raw] if isinstance(raw, Mapping) else raw
    if not isinstance(tables, list | tuple) or not all(isinstance(table, Mapping) and table for table in tables):
        hint = 'write it as {learner = ["cnn", "transfer"]}'
        raise SettingsError(f"tune.space.{name}: only_if = {raw!r} is no condition", hint)
    return tuple(
        {other: tuple(values) if isinstance(values, list | tuple) else (values,) for other, values in table.items()}
        for table in tables
    )


def _suggest_name(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_domain(name: str, domain: Domain) -> None:
    """Check that there is something to choose from, and only what a setting can be."""
    if isinstance(domain, Choices):
        values = domain.values
        plain = all(isinstance(value, str | bool) or (_is_number(value) and math.isfinite(value)) for value in values)
        if not values or len(values) > _MAX_CHOICES or not plain or len(set(values)) < len(values):
            hint = f"list from 1 to {_MAX_CHOICES} different words, numbers, true or false"
            raise SettingsError(f"tune.space.{name} = {list(values)!r} cannot be chosen from", hint)
        return
    what = f"tune.space.{name} from {domain.low!r} to {domain.high!r}"
    if not (math.isfinite(domain.low) and math.isfinite(domain.high) and domain.low <= domain.high):
        raise SettingsError(f"{what} holds no number", "give low and high, low being the lower")
    if domain.log and domain.low <= 0:
        raise SettingsError(f"{what} cannot be logarithmic", "give a low above 0, or leave log out")
    if isinstance(domain, Ints) and (domain.step < 1 or (domain.log and domain.step > 1)):
        raise SettingsError(f"{what} cannot have step = {domain.step}", "give a step of at least 1, and none with log")


def _check_condition(name: str, other: str, values: tuple[Value, ...], domains: Mapping[str, Domain]) -> None:
    """Check that the other setting is searched, and can have the values."""
    if other not in domains:
        raise SettingsError(
            f"tune.space.{name} depends on {other!r}, which is not searched", _suggest_name(other, domains)
        )
    domain = domains[other]
    if not isinstance(domain, Choices):
        hint = "a condition names a setting with a list of choices"
        raise SettingsError(f"tune.space.{name} depends on {other!r}, which has no choices", hint)
    never = [value for value in values if value not in domain.values]
    if never or not values:
        hint = f"give some of {', '.join(str(value) for value in domain.values)}"
        raise SettingsError(f"tune.space.{name} depends on {other} = {list(never)!r}, which it never is", hint)


def _in_order(domains: dict[str, Domain]) -> dict[str, Domain]:
    """Return the domains, each behind those that it depends on, else as they stood."""
    ordered: dict[str, Domain] = {}
    while len(ordered) < len(domains):
        ready = [
            name
            for name, domain in domains.items()
            if name not in ordered and all(other in ordered for condition in domain.only_if for other in condition)
        ]
        if not ready:
            circle = ", ".join(name for name in domains if name not in ordered)
            raise SettingsError(f"in [tune.space] these depend on each other: {circle}", "remove one only_if")
        ordered |= {name: domains[name] for name in ready}
    return ordered


@dataclass(frozen=True)
class Preset:
    """A search with a name.

    Attributes:
        about: what it is for, in a sentence.
        space: what is chosen from.
        trials: the default number of trials.
        first: settings to begin with, in order; whatever they leave open is sampled.
        fixed: settings that all trials share.
    """

    about: str
    space: Space
    trials: int
    first: tuple[Mapping[str, Value], ...] = ()
    fixed: Mapping[str, Value] = field(default_factory=dict)


_FROZEN: Condition = {"learner": ("transfer",), "mode": ("frozen",)}
_UNFREEZE: Condition = {"learner": ("transfer",), "mode": ("unfreeze",)}
_TRAINED: tuple[Condition, ...] = ({"learner": ("cnn",)}, {"learner": ("transfer",), "mode": ("unfreeze", "full")})

_USUAL = Preset(
    about="for a laptop, offline: what is cheap first, then networks from scratch and the whole backbone",
    space=Space(
        {
            "learner": Choices(("transfer", "colour", "cnn")),
            "mode": Choices(("frozen", "unfreeze", "full"), only_if=({"learner": ("transfer",)},)),
            "depth": Choices(("top", "deep"), only_if=(_FROZEN,)),
            "loop.lr": Floats(1e-4, 1e-2, log=True, only_if=_TRAINED),
            "loop.batch_size": Choices((8, 16, 32), only_if=_TRAINED),
            "loop.augment": Choices(("none", "light", "strong"), only_if=_TRAINED),
            "loop.weight_decay": Floats(1e-4, 0.2, log=True, only_if=_TRAINED),
            "loop.freeze": Choices(("auto", 2, 4), only_if=(_UNFREEZE,)),
        }
    ),
    trials=40,
    first=(
        {"learner": "transfer", "mode": "frozen", "depth": "top"},
        {"learner": "transfer", "mode": "frozen", "depth": "deep"},
        {"learner": "colour"},
        {"learner": "transfer", "mode": "full", "loop.lr": 1e-3, "loop.batch_size": 16, "loop.augment": "light",
         "loop.weight_decay": 0.05},
        {"learner": "cnn", "loop.lr": 1e-3, "loop.batch_size": 32, "loop.augment": "light", "loop.weight_decay": 0.05},
    ),
    fixed={"backbone": "efficientnet_lite0", "weights": "embedded", "weights_sha256": ""},
)  # fmt: skip

# as in a study of Crimean plants: 100 trials of 5 epochs, each class shown as often as the largest
_ARCHITECTURES = Preset(
    about="seven ImageNet architectures, fine-tuned for five epochs each",
    space=Space(
        {
            "backbone": Choices(
                ("alexnet", "convnext_tiny", "densenet121", "densenet201", "resnet18", "mobilenet_v3_small",
                 "mobilenet_v3_large")
            ),
            "loop.lr": Floats(1e-5, 1e-4),
            "loop.batch_size": Ints(32, 128),
        }
    ),
    trials=100,
    fixed={"learner": "transfer", "mode": "full", "weights": "hub", "weights_sha256": "", "loop.epochs": 5,
           "loop.imbalance": "oversample", "loop.augment": "perspective-colour", "loop.optimiser": "adam"},
)  # fmt: skip

PRESETS: Mapping[str, Preset] = MappingProxyType({"usual": _USUAL, "architectures": _ARCHITECTURES})


def choose_preset(settings: TuneSettings) -> Preset:
    """Return the search that [tune] describes: the own space where there is one, else the preset."""
    if settings.space:
        preset = Preset("your own space", parse_space(settings.space), _OWN_TRIALS)
    else:
        preset = PRESETS[settings.preset]
    return replace(preset, trials=preset.trials if settings.trials == "auto" else settings.trials)


def format_value(value: Value) -> str:
    """Return a value as text, a fraction with three figures."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def format_params(params: Mapping[str, Value]) -> str:
    """Return settings as text, such as `learner cnn, loop.lr 0.001`."""
    return ", ".join(f"{name} {format_value(value)}" for name, value in params.items())

"""What a search may choose from: names of settings, their domains, and when each of them matters.

Knows nothing about Optuna, learners or trials. A name is that of a setting below [train], with dots: "loop.lr".
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from fieldguide.errors import SettingsError

__all__ = ["Choices", "Condition", "Domain", "Floats", "Ints", "Space", "Value", "parse_space"]

Value = str | int | float | bool
Condition = Mapping[str, tuple[Value, ...]]
_TABLE_KEYS = {"choices", "low", "high", "log", "step", "only_if"}
_MAX_CHOICES = 1000
_FORMS = 'such as ["a", "b"], {low = 1e-5, high = 1e-3, log = true} or {low = 8, high = 64, step = 8}'


@dataclass(frozen=True)
class Choices:
    """One of several values.

    Attributes:
        values: none twice.
        only_if: when the setting matters: where one of these conditions holds, or always where there is none. A
            condition holds when each setting that it names matters itself and has one of the values.
    """

    values: tuple[Value, ...]
    only_if: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Floats:
    """A number between two bounds, which it may have; `only_if` as for `Choices`."""

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


Domain = Choices | Floats | Ints


@dataclass(frozen=True)
class Space:
    """Domains by name, ordered so that whatever a domain depends on stands before it.

    Raises:
        SettingsError: a domain that holds nothing, or a condition that can never hold.
    """

    domains: Mapping[str, Domain]

    def __post_init__(self) -> None:
        """Nothing.

        Raises:
            SettingsError: as for the class.
        """
        for name, domain in self.domains.items():
            _check_domain(name, domain)
            for condition in domain.only_if:
                for other, values in condition.items():
                    _check_condition(name, other, values, self.domains)
        object.__setattr__(self, "domains", MappingProxyType(_in_order(dict(self.domains))))

    def matters(self, name: str, params: Mapping[str, Value]) -> bool:
        """Whether a setting matters beside the others' values; those that do not matter are not among them."""
        conditions = self.domains[name].only_if
        return not conditions or any(
            all(other in params and params[other] in values for other, values in condition.items())
            for condition in conditions
        )

    def describe(self) -> dict[str, Any]:
        """The space in JSON's terms, the same for the same space."""
        kinds = {name: {"kind": type(domain).__name__} for name, domain in self.domains.items()}
        return {name: kinds[name] | asdict(domain) for name, domain in self.domains.items()}


def parse_space(raw: Mapping[str, Any]) -> Space:
    """The space that a table [tune.space] gives: a list is choices, a table with `low` and `high` is numbers.

    A name with a dot may be written with or without quotation marks.

    Raises:
        SettingsError: something in it is not a domain; the name and the forms are told.
    """
    flat = _flatten(raw, "")
    if not flat:
        raise SettingsError("[tune.space] holds no setting", f"give each setting what to choose from, {_FORMS}")
    return Space({name: _parse_domain(name, said) for name, said in flat.items()})


def _flatten(raw: Mapping[str, Any], before: str) -> dict[str, Any]:
    """Domains by their whole name: `loop.lr = …` without quotation marks is a table in a table to TOML."""
    found: dict[str, Any] = {}
    for key, said in raw.items():
        name = f"{before}{key}"
        if isinstance(said, Mapping) and said and not _TABLE_KEYS & set(said):
            found |= _flatten(said, f"{name}.")
        else:
            found[name] = said
    return found


def _parse_domain(name: str, said: Any) -> Domain:
    """One domain.

    Raises:
        SettingsError: it is none.
    """
    if isinstance(said, list | tuple):
        return Choices(tuple(said))
    if not isinstance(said, Mapping):
        raise SettingsError(f"tune.space.{name} = {said!r} gives nothing to choose from", f"give {_FORMS}")
    for key in said:
        if key not in _TABLE_KEYS:
            near = difflib.get_close_matches(key, sorted(_TABLE_KEYS), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(_TABLE_KEYS))}"
            raise SettingsError(f"tune.space.{name} has an unknown key {key!r}", hint)
    only_if = _parse_conditions(name, said.get("only_if", ()))
    given = set(said) - {"only_if"}
    if given == {"choices"} and isinstance(said["choices"], list | tuple):
        return Choices(tuple(said["choices"]), only_if)
    low, high, log, step = said.get("low"), said.get("high"), said.get("log", False), said.get("step", 1)
    bounds = _is_number(low) and _is_number(high) and isinstance(log, bool)
    if "choices" in given or low is None or high is None or not bounds:
        raise SettingsError(f"tune.space.{name} = {dict(said)!r} is no domain", f"give {_FORMS}")
    if isinstance(low, int) and isinstance(high, int) and isinstance(step, int):
        return Ints(low, high, step, log, only_if)
    if "step" in given:
        hint = "write low, high and step without a decimal point, or leave step out"
        raise SettingsError(f"tune.space.{name}: only whole numbers have a step", hint)
    return Floats(float(low), float(high), log, only_if)


def _parse_conditions(name: str, said: Any) -> tuple[Condition, ...]:
    """What `only_if` says: a table, or a list of tables of which one must hold; a value may stand for a list of one.

    Raises:
        SettingsError: it says something else.
    """
    tables = [said] if isinstance(said, Mapping) else said
    if not isinstance(tables, list | tuple) or not all(isinstance(table, Mapping) and table for table in tables):
        raise SettingsError(
            f"tune.space.{name}: only_if = {said!r} is no condition", 'write it as {learner = ["cnn", "transfer"]}'
        )
    return tuple(
        {other: tuple(values) if isinstance(values, list | tuple) else (values,) for other, values in table.items()}
        for table in tables
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_domain(name: str, domain: Domain) -> None:
    """Nothing.

    Raises:
        SettingsError: there is nothing in it, or something that no setting can have.
    """
    if isinstance(domain, Choices):
        values = domain.values
        plain = all(isinstance(value, str | bool) or (_is_number(value) and math.isfinite(value)) for value in values)
        if not values or len(values) > _MAX_CHOICES or not plain or len(set(values)) < len(values):
            hint = f"list from 1 to {_MAX_CHOICES} different words, numbers or truths"
            raise SettingsError(f"tune.space.{name} = {list(values)!r} cannot be chosen from", hint)
        return
    said = f"tune.space.{name} from {domain.low!r} to {domain.high!r}"
    if not (math.isfinite(domain.low) and math.isfinite(domain.high) and domain.low <= domain.high):
        raise SettingsError(f"{said} holds no number", "give low and high, low being the lower")
    if domain.log and domain.low <= 0:
        raise SettingsError(f"{said} cannot be logarithmic", "give a low above 0, or leave log out")
    if isinstance(domain, Ints) and (domain.step < 1 or (domain.log and domain.step > 1)):
        raise SettingsError(f"{said} cannot have step = {domain.step}", "give a step of at least 1, and none with log")


def _check_condition(name: str, other: str, values: tuple[Value, ...], domains: Mapping[str, Domain]) -> None:
    """Nothing.

    Raises:
        SettingsError: the other setting is not searched, or never has one of the values.
    """
    if other not in domains:
        near = difflib.get_close_matches(other, list(domains), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(domains)}"
        raise SettingsError(f"tune.space.{name} depends on {other!r}, which is not searched", hint)
    domain = domains[other]
    if not isinstance(domain, Choices):
        hint = "a condition names a setting with a list of choices"
        raise SettingsError(f"tune.space.{name} depends on {other!r}, which has no choices", hint)
    never = [value for value in values if value not in domain.values]
    if never or not values:
        hint = f"give some of {', '.join(str(value) for value in domain.values)}"
        raise SettingsError(f"tune.space.{name} depends on {other} = {list(never)!r}, which it never is", hint)


def _in_order(domains: dict[str, Domain]) -> dict[str, Domain]:
    """The domains, each behind those that it depends on, else as they stood.

    Raises:
        SettingsError: two depend on each other.
    """
    ordered: dict[str, Domain] = {}
    while len(ordered) < len(domains):
        ready = [
            name
            for name, domain in domains.items()
            if name not in ordered and all(other in ordered for condition in domain.only_if for other in condition)
        ]
        if not ready:
            circle = ", ".join(name for name in domains if name not in ordered)
            raise SettingsError(f"in [tune.space] these depend on each other: {circle}", "take out one only_if")
        ordered |= {name: domains[name] for name in ready}
    return ordered

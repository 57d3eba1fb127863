"""How a search page is read, as data: a spec in TOML says where results stand and what a refusal looks like.

Five specs come with the tool, all off: google, google_wml, bing, yandex, google_arts. One's own is given by its
path. Knows nothing about browsers or files of pages: `extraction` reads a page by a spec, `browser` drives one.

Where a value stands is written in one of two ways. With an "@" it is in the page: `CSS@attribute`, `@attribute` of
the item itself, `CSS@text`, and `@style:background-image` for the address in an inline style. Without, it is a path
in the decoded record: keys and indexes with dots between, "*" for each one.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from fieldguide.errors import BadQuery, translate_os_errors
from fieldguide.sources.inputs import clean_text, host_of

_MAX_SPEC_BYTES = 100_000
MAX_MATCHED_CHARS = 2000  # a pattern of a person's own spec sees no more: it may be slow


def _check_selector(text: str) -> str:
    try:
        LexborHTMLParser("").css(text)
    except SelectolaxError:
        raise ValueError(f"{text!r} is not a CSS selector") from None
    return text


def _check_place(text: str) -> str:
    selector, at, name = text.rpartition("@")
    if at and not name:
        raise ValueError(f"{text!r} has no attribute name after its @")
    if selector:
        _check_selector(selector)
    return text


def _check_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from None
    return text


Selector = Annotated[str, AfterValidator(_check_selector)]
Place = Annotated[str, AfterValidator(_check_place)]
Pattern = Annotated[str, AfterValidator(_check_pattern)]


class _Strict(BaseModel):
    """A part of a spec, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Largest(_Strict):
    """The value `get` of the largest entry: of all entries of these lists, the one whose number `by` is the largest."""

    largest: tuple[Place, ...]
    by: str
    get: str


class Picked(_Strict):
    """A part of a value: the first group of the regular expression `match` in it."""

    get: Place
    match: Pattern


Value = Place | Largest | Picked | tuple[Place | Largest | Picked, ...]


class Fields(_Strict):
    """Where each part of a result stands; of several places, the first that holds something counts."""

    url: Value
    thumb: Value = ()
    page: Value = ()
    title: Value = ()
    author: Value = ()
    item_id: Value = ()
    width: Value = ()
    height: Value = ()


class Find(_Strict):
    """A rule that finds results.

    Attributes:
        select: the elements that hold results.
        record: where in each the data lies; "" where the element itself is the result.
        decode: how the data is read: as JSON, or as the parameters of an address.
        path: where in decoded JSON the results are, "*" for each one; "" for the whole.
        fields: where the parts of a result are.
    """

    select: Selector
    record: Place | Literal[""] = ""
    decode: Literal["", "json", "query"] = ""
    path: str = ""
    fields: Fields

    @model_validator(mode="after")
    def _fits(self) -> "Find":
        if self.decode and not self.record:
            raise ValueError("decode needs a record to decode")
        if self.path and self.decode != "json":
            raise ValueError("path needs decode = 'json'")
        return self


class Markers(_Strict):
    """How to tell what a page is: one selector of a list is enough."""

    ok: tuple[Selector, ...] = Field(min_length=1)
    empty: tuple[Selector, ...] = ()
    blocked: tuple[Selector, ...] = ()


class Drive(_Strict):
    """What a browser does on the page.

    Attributes:
        scroll: whether the page loads more when it is scrolled.
        lazy: elements whose picture has not been loaded yet.
        more_button: what is clicked at the bottom for more.
        click: what is clicked to show each original.
        reveal: where the original then appears: an `img`.
        keep_as: the attribute of the clicked element into which the original's address is written.
    """

    scroll: bool = False
    lazy: Selector | Literal[""] = ""
    more_button: Selector | Literal[""] = ""
    click: Selector | Literal[""] = ""
    reveal: Selector | Literal[""] = ""
    keep_as: str = Field(default="data-fieldguide-original", pattern=r"^data-[a-z][a-z-]*$")

    @model_validator(mode="after")
    def _pair(self) -> "Drive":
        if bool(self.click) != bool(self.reveal):
            raise ValueError("click and reveal need each other")
        return self


class PageSpec(_Strict):
    """All that is known of one engine's result page; see docs for each key.

    Attributes:
        about: a line for a person.
        terms_url: where the engine says what it allows.
        enabled: whether a browser may be driven over it without a person's explicit permission.
        hosts: where it may lead, as patterns; elsewhere the browser does not follow.
        url: of the first page; `{q}` is the search text.
        page_url: of a later page; `{q}`, `{offset}` = `first_offset` + results so far, `{page}` counts from
            `first_page`.
        page_size: results a page.
        most: results after which no further page is asked for.
        similar: of the page of pictures similar to the one at `{image_url}`.
        find: rules that find results; the first that gives any counts.
        thumb_hosts: patterns of hosts that only hold small versions.
        rewrite: pairs of a regular expression and its replacement, applied to each picture's address.
    """

    name: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    about: str = ""
    terms_url: str = ""
    enabled: bool = False
    hosts: tuple[str, ...] = Field(min_length=1)
    url: str
    page_url: str = ""
    page_size: int = Field(default=30, ge=1, le=1000)
    first_offset: int = Field(default=0, ge=0)
    first_page: int = Field(default=0, ge=0)
    most: int = Field(default=1000, ge=1, le=10_000)
    similar: str = ""
    find: tuple[Find, ...] = Field(min_length=1)
    markers: Markers
    drive: Drive = Drive()
    thumb_hosts: tuple[str, ...] = ()
    rewrite: tuple[tuple[Pattern, str], ...] = ()

    @field_validator("url", "page_url", "similar")
    @classmethod
    def _template(cls, text: str) -> str:
        if text and not text.startswith(("https://", "http://")):
            raise ValueError("an address must begin with https:// or http://")
        try:
            names = {name for _, name, *_ in Formatter().parse(text) if name is not None}
        except ValueError as error:
            raise ValueError(f"a brace is missing or left over: {error}") from None
        unknown = names - {"q", "offset", "page", "image_url"}
        if unknown:
            raise ValueError(f"unknown {{{sorted(unknown)[0]}}}: known are q, offset, page and image_url")
        return text

    @field_validator("rewrite")
    @classmethod
    def _replacements(cls, rules: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for pattern, replacement in rules:
            try:
                re.sub(f"(?:{pattern})|", replacement, "", count=1)
            except (re.error, IndexError) as error:
                raise ValueError(f"{replacement!r} cannot replace {pattern!r}: {error}") from None
        return rules

    @model_validator(mode="after")
    def _at_home(self) -> "PageSpec":
        for url in (self.url, self.page_url, self.similar):
            host = host_of(url)
            if url and not any(fnmatchcase(host, pattern) for pattern in self.hosts):
                raise ValueError(f"{host or url!r} is not one of its hosts")
        return self


def shipped_specs() -> list[str]:
    """Return the names of the specs that come with the tool."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def load_spec(name_or_path: str) -> PageSpec:
    """Return a spec that comes with the tool, by its name, or a person's own, by the path of its .toml file."""
    if not name_or_path.endswith(".toml"):
        names = shipped_specs()
        if name_or_path not in names:
            near = difflib.get_close_matches(name_or_path, names, 1, 0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise BadQuery(
                f"there is no page spec {name_or_path[:80]!r}",
                f"{hint}known: {', '.join(names)}; one of your own is named by its path, ending in .toml",
            )
        return parse_spec((_folder() / f"{name_or_path}.toml").read_text(encoding="utf-8"), name_or_path)
    path = Path(name_or_path)
    try:
        with translate_os_errors(f"reading {path}"):
            if not path.is_file():
                raise BadQuery(
                    f"there is no page spec {path}", f"check the path, or use one of {', '.join(shipped_specs())}"
                )
            if path.stat().st_size > _MAX_SPEC_BYTES:
                raise BadQuery(f"{path} is too large for a page spec", f"at most {_MAX_SPEC_BYTES} bytes")
            text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadQuery(f"{path} is not UTF-8 text", "save it as UTF-8") from error
    return parse_spec(text, path.name)


def parse_spec(text: str, file_name: str) -> PageSpec:
    """Return the spec in a TOML text; all its faults are named at once."""
    try:
        return PageSpec.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadQuery(f"{file_name} is not valid TOML: {error}", "correct the line it names") from error
    except ValidationError as error:
        faults = "; ".join(
            dict.fromkeys(_explain(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors())
        )
        raise BadQuery(f"{file_name}: {faults[:600]}", "correct the spec and run again") from error


def fill(template: str, **values: str | int) -> str:
    """Return the address that a template makes; texts are percent-encoded as UTF-8."""
    return template.format_map({name: quote(str(value), safe="") for name, value in values.items()})


def _folder() -> Any:
    return files("fieldguide.sources.web") / "engines"


def _explain(location: tuple[int | str, ...], kind: str, message: str) -> str:
    where = ".".join(str(part) for part in location if not str(part).startswith(("function-", "tuple[", "constrained")))
    if kind != "extra_forbidden":
        return f"{where}: {message.removeprefix('Value error, ')}"
    models = (PageSpec, Find, Fields, Markers, Drive, Largest, Picked)
    known = sorted(key for model in models for key in model.model_fields)
    near = difflib.get_close_matches(str(location[-1]), known, 1, 0.5)
    return f"unknown key {where!r}" + (f", did you mean {near[0]!r}?" if near else f", known: {', '.join(known)}")


# A value of a result, read where a spec says


@dataclass(frozen=True)
class Result:
    """A result: its element, and its decoded record or None where the element itself is the record."""

    node: LexborNode
    record: Any

    def read(self, value: Value) -> str:
        """Return the first thing that holds something, as one line of text, "" where nothing does."""
        if isinstance(value, tuple):
            return next((text for text in map(self.read, value) if text), "")
        if isinstance(value, Picked):
            match = re.search(value.match, next(self._texts(value.get), "")[:MAX_MATCHED_CHARS])
            return (match[1] if match and match.re.groups else match[0] if match else "") or ""
        if isinstance(value, Largest):
            holders = (holder for place in value.largest for holder in json_values(self.record, place))
            entries = [entry for holder in holders for entry in (holder if isinstance(holder, list) else (holder,))]
            objects = [entry for entry in entries if isinstance(entry, dict)]
            largest = max(objects, key=lambda entry: _size(entry.get(value.by)), default={})
            return clean_text(largest.get(value.get), MAX_MATCHED_CHARS * 2)
        return next((text for text in self._texts(value) if text), "")

    def _texts(self, place: str) -> Iterator[str]:
        if "@" in place:
            yield clean_text(node_value(self.node, place), MAX_MATCHED_CHARS * 2)
        elif self.record is not None:
            yield from (clean_text(value, MAX_MATCHED_CHARS * 2) for value in json_values(self.record, place))


def json_values(value: Any, path: str) -> Iterator[Any]:
    """Yield all that stands at a path of keys and indexes, "*" for each one."""
    head, _, rest = path.partition(".")
    if not path:
        yield value
    elif head == "*":
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for item in inner:
            yield from json_values(item, rest)
    elif isinstance(value, dict) and head in value:
        yield from json_values(value[head], rest)
    elif isinstance(value, list) and head.isdecimal() and int(head) < len(value):
        yield from json_values(value[int(head)], rest)


def node_value(node: LexborNode, place: str) -> str:
    """Return what stands at `CSS@name` below an element, "" where nothing does."""
    selector, _, name = place.rpartition("@")
    target = node.css_first(selector) if selector else node
    if target is None:
        return ""
    if name == "text":
        return target.text()
    if name.startswith("style:"):
        style = target.attributes.get("style") or ""
        match = re.search(
            rf"""(?:^|[;\s]){re.escape(name[6:])}\s*:[^;]*?url\(\s*(?:"([^"]*)"|'([^']*)'|([^)\s]*))""",
            style[: 2 * MAX_MATCHED_CHARS],
        )
        return next((part for part in match.groups() if part), "") if match else ""
    return target.attributes.get(name) or ""


def parse_pixels(text: str) -> int:
    """Return a length in whole pixels, 0 where the text is none."""
    try:
        number = float(text)
    except ValueError:
        return 0
    return int(number) if 0 < number < 1_000_000 else 0


def _size(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else 0.0

"""Where a spec says that a value stands: read from a result's element or from its decoded record.

Knows nothing about candidates. Whatever stands there comes back as one line of text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborNode

from fieldguide.sources.inputs import clean_text
from fieldguide.sources.web.specs import Largest, Picked, Value

__all__ = ["MAX_MATCHED_CHARS", "Result", "at", "in_page", "pixels"]

MAX_MATCHED_CHARS = 2000  # a pattern of a person's own spec sees no more: it may be a slow one


@dataclass(frozen=True)
class Result:
    """A result: its element, and its decoded record or None where the element itself is the record."""

    node: LexborNode
    record: Any

    def texts(self, place: str) -> Iterator[str]:
        """What stands at a place, as text."""
        if "@" in place:
            yield clean_text(in_page(self.node, place), MAX_MATCHED_CHARS * 2)
        elif self.record is not None:
            yield from (clean_text(one, MAX_MATCHED_CHARS * 2) for one in at(self.record, place))

    def value(self, wanted: Value) -> str:
        """The first thing that holds something, "" where none does."""
        if isinstance(wanted, tuple):
            return next((text for text in map(self.value, wanted) if text), "")
        if isinstance(wanted, Picked):
            match = re.search(wanted.match, next(self.texts(wanted.get), "")[:MAX_MATCHED_CHARS])
            return (match[1] if match and match.re.groups else match[0] if match else "") or ""
        if isinstance(wanted, Largest):
            entries = [one for place in wanted.largest for entry in at(self.record, place) for one in _each(entry)]
            best = max(entries, key=lambda one: _number(one.get(wanted.by)), default={})
            return clean_text(best.get(wanted.get), MAX_MATCHED_CHARS * 2)
        return next((text for text in self.texts(wanted) if text), "")


def at(value: Any, path: str) -> Iterator[Any]:
    """All that stands at a path of keys and indexes, "*" for each one."""
    head, _, rest = path.partition(".")
    if not path:
        yield value
    elif head == "*":
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for one in inner:
            yield from at(one, rest)
    elif isinstance(value, dict) and head in value:
        yield from at(value[head], rest)
    elif isinstance(value, list) and head.isdecimal() and int(head) < len(value):
        yield from at(value[int(head)], rest)


def _each(entry: Any) -> Iterator[dict[str, Any]]:
    """The objects in an entry: itself, or those of a list."""
    for one in entry if isinstance(entry, list) else (entry,):
        if isinstance(one, dict):
            yield one


def in_page(node: LexborNode, place: str) -> str:
    """What stands at `CSS@name` below an element, "" where nothing does."""
    selector, _, name = place.rpartition("@")
    found = node.css_first(selector) if selector else node
    if found is None:
        return ""
    if name == "text":
        return found.text()
    if name.startswith("style:"):
        style = found.attributes.get("style") or ""
        match = re.search(
            rf"""(?:^|[;\s]){re.escape(name[6:])}\s*:[^;]*?url\(\s*(?:"([^"]*)"|'([^']*)'|([^)\s]*))""",
            style[: 2 * MAX_MATCHED_CHARS],
        )
        return next((part for part in match.groups() if part), "") if match else ""
    return found.attributes.get(name) or ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else 0.0


def pixels(text: str) -> int:
    """A length in whole pixels, 0 where the text is none."""
    try:
        number = float(text)
    except ValueError:
        return 0
    return int(number) if 0 < number < 1_000_000 else 0

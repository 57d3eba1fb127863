"""Text that is stored or shown: cleaned, as CSV, and as pages made from templates.

Everything that comes from outside is taken to be hostile: a page escapes it, a spreadsheet never runs it. Knows
nothing about projects or how the numbers were computed.
"""

import csv
import io
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

_BIDI = dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_UNSEEN = ("Cc", "Cs", "Zl", "Zp")
_MARKDOWN = re.compile(r"[\\`*_\[\]|~$:]")  # of CommonMark 0.31 and GFM; dollars and colons make formulas and emoji
_NEGATIVE = re.compile(r"-\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII)


def one_line(text: str) -> str:
    """Return the text in one line, without control characters and marks that change the direction of writing."""
    kept = (" " if unicodedata.category(char) in _UNSEEN else char for char in text.translate(_BIDI))
    return " ".join("".join(kept).split())


def visible(text: str) -> str:
    """Return the text as it can be shown in one line: control characters and marks of direction become escapes."""
    return "".join(
        char.encode("unicode_escape").decode() if ord(char) in _BIDI or unicodedata.category(char) in _UNSEEN else char
        for char in text
    )


def break_at_words(text: str, width: int) -> list[str]:
    """Return the text as `visible` gives it, in lines of `width` characters; a longer word is a line of its own."""
    lines = textwrap.wrap(visible(text), max(20, width), break_long_words=False, break_on_hyphens=False)
    return lines or [""]


def plural(count: int, noun: str) -> str:
    """Return a number of things in words, such as "1 picture" and "20 classes"."""
    if count == 1:
        return f"1 {noun}"
    many = f"{noun[:-1]}ies" if re.search("[^aeiou]y$", noun) else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {many}"


def web_address(text: str) -> str:
    """Return the text where it is an http or https address, else ""."""
    address = text.strip()
    return address if re.fullmatch(r"https?://[^\s\"'<>\\^`{|}]+", address, re.IGNORECASE) else ""


def link_label(address: str) -> str:
    """Return what to call a link that has no label: its host and the last part of its path, in words."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    host = (parts.hostname or address).removeprefix("www.")
    last = re.sub(r"\.\w{1,5}$", "", unquote(parts.path).rstrip("/").rpartition("/")[2])
    words = " ".join(re.split(r"[\s_+-]+", one_line(last))).strip()
    return f"{host}: {words}" if 0 < len(words) <= 60 else host


def readable(path: str) -> str:
    """Return the path as text that can be stored and shown: bytes that are not UTF-8 become U+FFFD."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def format_score(score: Sequence[float]) -> str:
    """Return a share with the low and high end of its interval: `91.7% (95 %: 64.6% to 98.5%)`."""
    return f"{score[0]:.1%} (95 %: {score[1]:.1%} to {score[2]:.1%})"


def write_csv(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as CSV; a quote marks a cell as text where a spreadsheet would take it for a formula.

    A plain negative number is not a formula.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(heading)
    table.writerows([_as_text(cell) for cell in row] for row in rows)
    return text.getvalue()


def _as_text(cell: str) -> str:
    # the writer does not quote a lone carriage return, which readers take for the end of a row
    plain = cell.replace("\r", " ")
    formula = cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NEGATIVE.fullmatch(cell)
    return f"'{plain}" if formula else plain


def escape_markdown(text: str) -> str:
    """Return the text on one line, so that Markdown shows it as it is, in a cell of a table too.

    Angle brackets and ampersands are left to the escaping of HTML, which Markdown understands.
    """
    return _MARKDOWN.sub(r"\\\g<0>", one_line(text))


def render(template: str, values: Mapping[str, Any]) -> str:
    """Render one of the package's templates; whatever is put into it is escaped, and the page needs no network.

    Raises:
        jinja2.UndefinedError: the template uses a value that is missing.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # pages are rare, and it is slow to import

    loader = PackageLoader("fieldguide", "templates")
    # a model card is Markdown, which Hugging Face and others show as HTML: it is escaped as well
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"markdown": escape_markdown, "plural": plural, "web_address": web_address}
    return environment.get_template(template).render(values)

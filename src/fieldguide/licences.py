"""What a licence text means, what a policy allows, and whom to credit: the lines of CREDITS.csv.

Knows nothing about sources, projects or guides. What is not understood is unknown, never open: a text that says
too little, contradicts itself or limits what it grants gets no identifier. One identifier is not of the SPDX list:
"own", a person's own pictures. A ported licence has the identifier of its family and version; its country stands
beside it, since the list (https://spdx.org/licenses/) names only some of them.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from fieldguide.records import Origin
from fieldguide.text import one_line, web_address, write_csv

Policy = Literal["open", "commercial", "modify", "any"]

_CC = "https://creativecommons.org"
_LONGEST = 2000  # of a text, characters; a licence is named in its first lines
_VERSIONS = ("1.0", "2.0", "2.1", "2.5", "3.0", "4.0")
_NO_VERSION = "4.0"  # iNaturalist names none and means this one, as do most who write today
_FLICKR_VERSION = "2.0"  # "Attribution License" and the like are Flickr's names for its older licences

# What says nothing. It is not the public domain.
_NOTHING_SAID = frozenset(
    ("", "-", "?", "n/a", "na", "nan", "nil", "none", "null", "unknown", "undefined", "unspecified", "not specified")
)
_RESERVED = re.compile(
    r"all rights? reserved|alle rechte vorbehalten|tous droits r[ée]serv[ée]s|todos los derechos reservados"
    r"|rightsstatements\.org/(?:vocab|page|data)/(?:inc|noc-(?:nc|cr|oklr))\b"
)
_RESERVED_WHOLE = frozenset(("©", "(c)", "copyright", "copyrighted", "arr", "in copyright"))

# A text that is a short name as a whole, after the long words are made short.
_SHORTER = tuple(
    (re.compile(pattern), short)
    for pattern, short in (
        (r"creative[ -]?commons", "cc"), (r"\bnon[ -]?comm\w*", "nc"), (r"\bshare[ -]?alike\b", "sa"),
        (r"\bno[ -]?deriv\w*(?: works?)?", "nd"), (r"\battribution\b", "by"), (r"\bzero\b", "0"),
    )
)  # fmt: skip
_NOISE = re.compile(r"[ ,-]*\b(?:the|public license|license|international|unported|generic|universal|version)\b")
_NAME = re.compile(
    r"(?:cc)?[ -]*by(?P<parts>(?:[ -]*(?:nc|nd|sa))*)"
    r"(?:[ -]*v?(?P<major>[0-9])(?:[.-](?P<minor>[0-9]))?(?:[ -](?P<country>[a-z]{2}|igo|scotland))?)?"
)
_FLICKR_NAME = re.compile(r"attribution[a-z-]* license")
_WHOLE = tuple(
    (re.compile(pattern), spdx)
    for pattern, spdx in (
        (r"own", "own"),
        (r"cc[ -]*0(?:[ -]*1(?:[.-]0)?)?", "CC0-1.0"),  # a bare "0" is Flickr's "All Rights Reserved"
        (r"(?:cc[ -]*)?pdm?(?:[ -]*1(?:[.-]0)?)?|pd-(?:self|old|art)|public domain(?: mark(?:[ -]*1(?:\.0)?)?)?"
         r"|gemeinfrei|domaine public|dominio p[úu]blico", "CC-PDM-1.0"),
        (r"cc[ -]*pddc", "CC-PDDC"),
        (r"cc[ -]*sa(?:[ -]*1(?:[.-]0)?)?", "CC-SA-1.0"),
        (r"(?:gnu )?(?:gfdl|free documentation)", "GFDL-1.2-or-later"),  # as Wikimedia Commons means it
        (r"(?:gnu )?(?:gfdl|free documentation)[ -]*v?(1\.[123])(?:-only)?", r"GFDL-\1-only"),
        (r"(?:gnu )?(?:gfdl|free documentation)[ -]*v?(1\.[123])(?:[ -]?or[ -]later|\+)", r"GFDL-\1-or-later"),
        (r"(?:fal|lal|free art|art libre)(?:[ -]*v?1\.3)?", "LAL-1.3"),
        (r"(?:fal|lal|free art|art libre)[ -]*v?1\.2", "LAL-1.2"),
        (r"(?:uk )?(?:ogl|open government)(?:[ -]uk)?[ -]*v?([123])(?:\.0)?", r"OGL-UK-\1.0"),
        (r"(?:etalab|ouverte(?: / open)?)[ -]*v?2\.0", "etalab-2.0"),
        (r"mit|expat", "MIT"),
        (r"apache[ ,-]*v?2(?:\.0)?", "Apache-2.0"),
    )
)  # fmt: skip

# Names and addresses inside a longer text: only those that cannot be mistaken.
_INSIDE = (
    (
        re.compile(
            r"\b(?:cc[ -]?by|by(?=-))(?P<parts>(?:-(?:nc|nd|sa))*)[ -](?P<major>[0-9])\.(?P<minor>[0-9])(?![0-9])"
        ),
        "",
    ),
    (re.compile(r"(?<![\w-])cc[ -]?0(?!\w)"), "CC0-1.0"),
)
_LIMITS = re.compile(r"\b(?:nc|nd|not|no longer|except|unless|without|nicht|sauf)\b")
_ADDRESSES = tuple(
    (re.compile(rf"(?<![\w-]){pattern}[^\s)]*"), spdx)
    for pattern, spdx in (
        (r"creativecommons\.org/(?:publicdomain|licenses|p)/zero\b", "CC0-1.0"),
        (r"creativecommons\.org/(?:share-your-work/)?public-domain/cc0\b", "CC0-1.0"),
        (r"creativecommons\.org/(?:publicdomain|p)/mark\b", "CC-PDM-1.0"),
        (r"creativecommons\.org/(?:share-your-work/)?public-domain/pdm\b", "CC-PDM-1.0"),
        (r"creativecommons\.org/licenses/publicdomain\b", "CC-PDDC"),
        (r"creativecommons\.org/licenses/sa/1\.0\b", "CC-SA-1.0"),
        (r"creativecommons\.org/(?:licenses?|l)/by(?P<parts>[a-z+-]*)(?:/(?P<major>[0-9])\.(?P<minor>[0-9])"
         r"(?:/(?P<country>[a-z]{2}|igo|scotland)(?=[/?#\s)]|$))?|(?=/?(?:\s|$)))", ""),
        (r"gnu\.org/(?:copyleft|licenses)/fdl(?:\.[a-z]|$)", "GFDL-1.2-or-later"),
        (r"artlibre\.org/license\b", "LAL-1.3"),
        (r"nationalarchives\.gov\.uk/doc/open-government-license/version/3\b", "OGL-UK-3.0"),
    )
)  # fmt: skip

# Free licences of other families: their terms, and what they ask for in the words of Creative Commons.
_OTHERS: dict[str, tuple[str, frozenset[str]]] = {
    "own": ("", frozenset()),
    "CC0-1.0": (f"{_CC}/publicdomain/zero/1.0/", frozenset()),
    "CC-PDM-1.0": (f"{_CC}/publicdomain/mark/1.0/", frozenset()),
    "CC-PDDC": (f"{_CC}/licenses/publicdomain/", frozenset()),
    "CC-SA-1.0": (f"{_CC}/licenses/sa/1.0/", frozenset({"sa"})),
    **{f"GFDL-1.{minor}-{which}": (f"https://www.gnu.org/licenses/old-licenses/fdl-1.{minor}.html",
                                   frozenset({"by", "sa"}))
       for minor in "12" for which in ("only", "or-later")},
    **{f"GFDL-1.3-{which}": ("https://www.gnu.org/licenses/fdl-1.3.html", frozenset({"by", "sa"}))
       for which in ("only", "or-later")},
    "LAL-1.2": ("https://artlibre.org/licence/lal/licence-art-libre-12/", frozenset({"by", "sa"})),
    "LAL-1.3": ("https://artlibre.org/licence/lal/en/", frozenset({"by", "sa"})),
    **{f"OGL-UK-{version}.0": (
        f"https://www.nationalarchives.gov.uk/doc/open-government-licence/version/{version}/", frozenset({"by"}))
       for version in "123"},
    "etalab-2.0": ("https://www.etalab.gouv.fr/licence-ouverte-open-licence/", frozenset({"by"})),
    "MIT": ("https://opensource.org/license/mit", frozenset({"by"})),
    "Apache-2.0": ("https://www.apache.org/licenses/LICENSE-2.0", frozenset({"by"})),
}  # fmt: skip
_CC_ID = re.compile(r"CC-BY((?:-(?:NC|ND|SA))*)-([0-9]\.[0-9])")


@dataclass(frozen=True)
class Licence:
    """The terms of a picture, in the words given and as understood.

    Attributes:
        raw: the words of whoever gave them.
        spdx: SPDX identifier, "own", or "" when unknown.
        url: where the terms can be read: the deed where the licence is known, else the address given.
        jurisdiction: of a ported licence, its country in lower case ("de", "jp"), "igo" or "scotland".
    """

    raw: str
    spdx: str
    url: str
    jurisdiction: str = ""


class _Reading(NamedTuple):
    """What a text states: a licence, or with `spdx` "" that all rights are reserved."""

    spdx: str
    stated: bool = True
    country: str = ""


@lru_cache(maxsize=1024)  # a source has the same few licences for most of its pictures
def read_licence(raw: str, url: str = "") -> Licence:
    """Read the licence that a text and the address beside it name; never raises, whatever they contain.

    Where the two differ the one that asks for more counts; where neither asks for all that the other does, or
    either reserves all rights, the licence is unknown. A Creative Commons licence without a version is taken as 4.0.
    """
    stated, linked = _read(raw), _read(url)
    reading = _both(stated, linked) if stated and linked and stated.spdx != "own" else stated or linked
    if reading is None or not reading.spdx:
        return Licence(raw, "", web_address(url) or web_address(raw))
    address = licence_url(reading.spdx, reading.country) or web_address(url)
    return Licence(raw, reading.spdx, address, reading.country)


def most_specific(*licences: Licence) -> Licence:
    """Return the first licence that states anything, from the most specific (the picture's) to the least.

    Words that are not understood state something: a picture under terms of its own is not under its record's.
    """
    return next((licence for licence in licences if not _is_silent(licence)), Licence("", "", ""))


def allowed(licence: Licence, policy: Policy) -> bool:
    """Tell whether a policy admits a picture under this licence.

    `commercial` admits every known licence that is not NC, `modify` every known one that is not ND, `open` what both
    admit, `any` everything. Free licences made for texts or programs (GFDL, Free Art, OGL, Etalab, MIT, Apache)
    count as open. A person's own pictures are always admitted.
    """
    if policy == "any":
        return True
    asks = _asks(licence.spdx)
    if asks is None:
        return False
    barred = {"commercial": {"nc"}, "modify": {"nd"}, "open": {"nc", "nd"}}[policy]
    return not asks & barred


def count_conditions(licence: Licence) -> int:
    """Count what a licence asks for (by, nc, nd, sa); one that is unknown asks for more than any other."""
    asks = _asks(licence.spdx)
    return 5 if asks is None else len(asks)


def licence_url(spdx: str, jurisdiction: str = "") -> str:
    """Return where the terms of a known licence can be read, for Creative Commons the deed; "" for others."""
    if spdx in _OTHERS:
        return _OTHERS[spdx][0]
    match = _CC_ID.fullmatch(spdx)
    if not match:
        return ""
    parts, version = match[1].lower(), match[2]
    if parts == "-nc-nd" and (version == "1.0" or (version, jurisdiction) == ("2.0", "jp")):
        parts = "-nd-nc"  # as these were called; their deeds still are
    return f"{_CC}/licenses/by{parts}/{version}/" + (f"{jurisdiction}/" if jurisdiction else "")


def licence_name(licence: Licence) -> str:
    """Return the licence as a person writes it, such as "CC BY-SA 3.0 DE"; the raw words where it is unknown."""
    if licence.spdx == "own":
        return "own picture"
    if licence.spdx == "CC-PDM-1.0":
        return "Public Domain Mark 1.0"
    match = _CC_ID.fullmatch(licence.spdx)
    if match:
        return f"CC BY{match[1]} {match[2]} {licence.jurisdiction.upper()}".strip()
    if licence.spdx:
        return licence.spdx.replace("CC0-1.0", "CC0 1.0")
    return "licence unknown" if _plain(licence.raw) in _NOTHING_SAID else one_line(licence.raw)


def _plain(text: str) -> str:
    """Return the text in one spelling: NFKC, lower case, plain hyphens and spaces, "license"."""
    folded = unicodedata.normalize("NFKC", text[:_LONGEST]).casefold().replace("licence", "license")
    return " ".join(re.sub(r"[_\u2010-\u2015\u2212]", "-", folded).split()).strip(" .;,:\"'`")


def _is_silent(licence: Licence) -> bool:
    """Tell whether neither words nor address state anything."""
    return not licence.spdx and _plain(licence.raw) in _NOTHING_SAID and not licence.url


def _asks(spdx: str) -> frozenset[str] | None:
    """Return what a known licence asks for, of by, nc, nd and sa; None for an unknown one."""
    if spdx in _OTHERS:
        return _OTHERS[spdx][1]
    return frozenset(spdx.lower().split("-")[1:-1]) if _CC_ID.fullmatch(spdx) else None


def _both(first: _Reading, second: _Reading) -> _Reading:
    """Combine two readings of the same terms; see `read_licence`."""
    asks, others = _asks(first.spdx), _asks(second.spdx)
    if asks is None or others is None:
        return _Reading("")
    if asks == others:
        chosen, rest = (second, first) if second.stated else (first, second)
        same = chosen.spdx == rest.spdx
        return chosen._replace(country=chosen.country or (rest.country if same else ""))
    if asks > others:
        return first
    return second if others > asks else _Reading("")


def _read(text: str) -> _Reading | None:
    """Read a text; None where it states nothing that is understood."""
    plain = _plain(text)
    if _RESERVED.search(plain) or plain in _RESERVED_WHOLE:
        return _Reading("")
    if plain in _NOTHING_SAID or plain == "attribution":  # on Commons the latter is no Creative Commons licence
        return None
    return _read_whole(plain) or _read_inside(plain)


def _shorten(text: str) -> str:
    """Shorten the long words of Creative Commons."""
    for pattern, short in _SHORTER:
        text = pattern.sub(short, text)
    return text


def _read_whole(plain: str) -> _Reading | None:
    """Read a text that is nothing but the name of a licence."""
    short = _NOISE.sub("", _shorten(plain)).strip(" -,")
    for pattern, spdx in _WHOLE:
        match = pattern.fullmatch(short)
        if match:
            return _Reading(match.expand(spdx))
    match = _NAME.fullmatch(short)
    return _creative_commons(match, _FLICKR_NAME.fullmatch(plain) is not None) if match else None


def _read_inside(plain: str) -> _Reading | None:
    """Read the licence that a longer text or an address names; of several the one that asks for most."""
    addresses, rest = _take(plain, _ADDRESSES)
    names, rest = _take(_shorten(rest), _INSIDE)
    readings = addresses + names
    if not readings or _LIMITS.search(rest):
        return None
    total = readings[0]
    for reading in readings[1:]:
        total = _both(total, reading) if total and reading else None
    return total if total and total.spdx else None


def _take(text: str, patterns: tuple[tuple[re.Pattern[str], str], ...]) -> tuple[list[_Reading | None], str]:
    """Return the licences that patterns match, None for one that does not exist, and the text without them."""
    readings: list[_Reading | None] = []
    for pattern, spdx in patterns:
        readings += [_Reading(spdx) if spdx else _creative_commons(match) for match in pattern.finditer(text)]
        text = pattern.sub(" ", text)
    return readings, text


def _creative_commons(match: re.Match[str], flickr: bool = False) -> _Reading | None:
    """Return the licence of the parts and version matched; None where Creative Commons never made it."""
    parts = set(re.findall(r"nc|nd|sa", match["parts"]))
    version = f"{match['major']}.{match['minor'] or 0}" if match["major"] else ""
    if (version and version not in _VERSIONS) or parts >= {"nd", "sa"}:
        return None
    if re.sub(r"nc|nd|sa|[ -]", "", match["parts"]):
        return None
    chosen = version or (_FLICKR_VERSION if flickr else _NO_VERSION)
    named = "-".join(("CC-BY", *(part.upper() for part in ("nc", "nd", "sa") if part in parts), chosen))
    country = match.groupdict().get("country") or ""
    return _Reading(named, bool(version), "" if chosen == "4.0" else country)  # 4.0 was never ported


_CREDIT_COLUMNS = (
    "sha256", "file", "class_name", "title", "author", "licence", "licence_url", "licence_raw", "source", "page",
    "location",
)  # fmt: skip


@dataclass(frozen=True)
class CreditLine:
    """One origin of one picture, as it is credited.

    Attributes:
        file: the picture's path relative to the folder of CREDITS.csv; "" where it is not there.
        licence_raw: the licence in the source's own words; "" where it stated none.
        page: a web address where a person finds the picture, or "".
        location: where in the source the picture was.
    """

    sha256: str
    file: str
    class_name: str
    title: str
    author: str
    author_url: str
    licence: Licence
    licence_raw: str
    source: str
    page: str
    location: str

    def record(self) -> dict[str, str]:
        """Return the cells of its row in CREDITS.csv; a licence that is not understood is given in its own words."""
        licence = self.licence.spdx or one_line(self.licence.raw) or "unknown"
        cells = (
            self.sha256, self.file, self.class_name, self.title, self.author, licence, self.licence.url,
            self.licence_raw, self.source, self.page, self.location,
        )  # fmt: skip
        return dict(zip(_CREDIT_COLUMNS, cells, strict=True))


def credit_lines(sha256: str, file: str, class_name: str, origins: Iterable[Origin]) -> list[CreditLine]:
    """Return a line for each origin that names an author or terms, those with a known licence and author first.

    Where none does, the first origin still has a line: a picture without credits is not left out.
    """
    lines = [_credit_line(sha256, file, class_name, origin) for origin in origins]
    credited = [line for line in lines if line.author or line.licence.raw or line.licence.url]
    credited.sort(key=lambda line: (not line.licence.spdx, not line.author, not line.page))
    return credited or lines[:1]


def _credit_line(sha256: str, file: str, class_name: str, origin: Origin) -> CreditLine:
    return CreditLine(
        sha256=sha256,
        file=file,
        class_name=class_name,
        title=one_line(origin.title),
        author=one_line(origin.author),
        author_url=web_address(origin.author_url),
        licence=read_licence(origin.licence or origin.licence_raw, origin.licence_url),
        licence_raw=one_line(origin.licence_raw),
        source=origin.source,
        page=web_address(origin.page) or web_address(origin.location),
        location=origin.location,
    )


def credit_table(lines: Iterable[CreditLine]) -> str:
    """Return the text of CREDITS.csv."""
    return write_csv(_CREDIT_COLUMNS, (list(line.record().values()) for line in lines))

"""What licence texts mean: by value, for any text at all, and for every value that the recorded answers hold."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fieldguide.licences import (
    Licence,
    Policy,
    allowed,
    count_conditions,
    licence_name,
    licence_url,
    most_specific,
    read_licence,
)

UNDERSTOOD = {
    # identifiers, in any case and with any joints
    "CC0-1.0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0",
    "CC0_1_0": "CC0-1.0",
    "CC-BY-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "CC_BY_4_0": "CC-BY-4.0",
    "CC_BY_NC_4_0": "CC-BY-NC-4.0",
    "CC-BY-NC-ND-2.0": "CC-BY-NC-ND-2.0",
    "CC-BY-NC-ND-1.0": "CC-BY-NC-ND-1.0",
    "Cc-By-Nd-2.5": "CC-BY-ND-2.5",
    "CC\u2011BY\u2013SA 4.0": "CC-BY-SA-4.0",
    "\uff23\uff23 \uff22\uff39 4.0": "CC-BY-4.0",
    "CC-PDM-1.0": "CC-PDM-1.0",
    "PDM-1.0": "CC-PDM-1.0",
    "CC-SA-1.0": "CC-SA-1.0",
    "CC-PDDC": "CC-PDDC",
    # short names
    "cc0": "CC0-1.0",
    "CC0": "CC0-1.0",
    "CC Zero": "CC0-1.0",
    "pdm": "CC-PDM-1.0",
    "pd": "CC-PDM-1.0",
    "Public domain": "CC-PDM-1.0",
    "Public Domain Mark 1.0": "CC-PDM-1.0",
    "gemeinfrei": "CC-PDM-1.0",
    "by": "CC-BY-4.0",
    "by 2.0": "CC-BY-2.0",
    "by-sa 2.0": "CC-BY-SA-2.0",
    "by-nc-sa 2.0": "CC-BY-NC-SA-2.0",
    "by-nd-nc 2.0": "CC-BY-NC-ND-2.0",
    "by-nc-nd": "CC-BY-NC-ND-4.0",
    "cc-by": "CC-BY-4.0",
    "CC-BY": "CC-BY-4.0",
    "cc-by-nc": "CC-BY-NC-4.0",
    "cc-by-nc-sa": "CC-BY-NC-SA-4.0",
    "ccbyncsa 3.0": "CC-BY-NC-SA-3.0",
    "CC BY 3": "CC-BY-3.0",
    "CC BY-SA v2.5": "CC-BY-SA-2.5",
    "CC BY 3.0 IGO": "CC-BY-3.0",
    "CC BY-SA 3.0 de": "CC-BY-SA-3.0",
    "cc-by-sa-3.0-es": "CC-BY-SA-3.0",
    "cc-by-sa-3.0-migrated": "CC-BY-SA-3.0",
    "CC BY-SA 3.0,2.5,2.0,1.0": "CC-BY-SA-3.0",
    # long names
    "Creative Commons Attribution 4.0": "CC-BY-4.0",
    "Creative Commons Attribution License": "CC-BY-4.0",
    "Creative Commons Attribution-Share Alike 4.0": "CC-BY-SA-4.0",
    "Creative Commons Attribution-ShareAlike 4.0 International License": "CC-BY-SA-4.0",
    "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0": "CC-BY-NC-ND-4.0",
    "Creative Commons Attribution-Noncommercial-No Derivative Works 2.0 Generic": "CC-BY-NC-ND-2.0",
    "Attribution-NonCommercial 4.0 International (CC BY-NC 4.0)": "CC-BY-NC-4.0",
    "Attribution 3.0 Unported": "CC-BY-3.0",
    "Creative Commons Zero, Public Domain Dedication": "CC0-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Attribution License": "CC-BY-2.0",
    "Attribution-NonCommercial-ShareAlike License": "CC-BY-NC-SA-2.0",
    "Attribution-NoDerivs License": "CC-BY-ND-2.0",
    "Public Domain Dedication (CC0)": "CC0-1.0",
    # inside a sentence
    "This picture (CC BY 4.0) was taken in Oslo.": "CC-BY-4.0",
    "dual licensed, CC BY-NC-SA 3.0 or CC BY-SA 3.0": "CC-BY-NC-SA-3.0",
    '<a href="https://creativecommons.org/licenses/by/3.0/">see here</a>': "CC-BY-3.0",
    # addresses
    "http://creativecommons.org/licenses/by/4.0/legalcode": "CC-BY-4.0",
    "https://creativecommons.org/licenses/by/4.0": "CC-BY-4.0",
    "HTTPS://WWW.CREATIVECOMMONS.ORG/licenses/by-nc/2.0/": "CC-BY-NC-2.0",
    "https://creativecommons.org/licenses/by-sa/3.0/de/deed.en": "CC-BY-SA-3.0",
    "https://creativecommons.org/licenses/by/4.0/deed.fi": "CC-BY-4.0",
    "https://creativecommons.org/licenses/by-nd-nc/2.0/jp/": "CC-BY-NC-ND-2.0",
    "https://creativecommons.org/licenses/by-nc/4.0/?ref=openverse": "CC-BY-NC-4.0",
    "https://creativecommons.org/licenses/by/": "CC-BY-4.0",
    "https://creativecommons.org/licenses/sa/1.0/": "CC-SA-1.0",
    "https://i.creativecommons.org/l/by-sa/3.0/88x31.png": "CC-BY-SA-3.0",
    "https://creativecommons.org/publicdomain/zero/1.0/": "CC0-1.0",
    "http://creativecommons.org/publicdomain/zero/1.0/deed.en": "CC0-1.0",
    "https://creativecommons.org/publicdomain/mark/1.0/": "CC-PDM-1.0",
    "https://creativecommons.org/share-your-work/public-domain/cc0/": "CC0-1.0",
    "https://creativecommons.org/share-your-work/public-domain/pdm/": "CC-PDM-1.0",
    "https://spdx.org/licenses/CC-BY-NC-4.0.html": "CC-BY-NC-4.0",
    "http://www.gnu.org/copyleft/fdl.html": "GFDL-1.2-or-later",
    "http://artlibre.org/licence/lal/en": "LAL-1.3",
    # free licences of other families
    "GFDL": "GFDL-1.2-or-later",
    "GNU Free Documentation License": "GFDL-1.2-or-later",
    "GFDL 1.2": "GFDL-1.2-only",
    "GFDL-1.3-or-later": "GFDL-1.3-or-later",
    "GFDL 1.2+": "GFDL-1.2-or-later",
    "FAL": "LAL-1.3",
    "Free Art License": "LAL-1.3",
    "Licence Art Libre": "LAL-1.3",
    "LAL-1.2": "LAL-1.2",
    "Open Government Licence v3.0": "OGL-UK-3.0",
    "OGL 2": "OGL-UK-2.0",
    "Licence Ouverte 2.0": "etalab-2.0",
    "MIT License": "MIT",
    "Apache License, Version 2.0": "Apache-2.0",
    "own": "own",
}
UNKNOWN = (
    # nothing is said
    "", " ", "None", "null", "N/A", "unknown", "-",
    # rights are kept
    "All rights reserved", "© 2020 Someone. All Rights Reserved.", "©", "copyright", "Alle Rechte vorbehalten",
    "CC BY 4.0, all rights reserved", "http://rightsstatements.org/vocab/InC/1.0/",
    "https://rightsstatements.org/page/InC-EDU/1.0/?language=en", "http://rightsstatements.org/vocab/NoC-NC/1.0/",
    # a status, not a licence
    "http://rightsstatements.org/vocab/NoC-US/1.0/", "http://rightsstatements.org/vocab/CNE/1.0/",
    "No known copyright restrictions", "No restrictions", "https://www.flickr.com/commons/usage/",
    "United States Government Work", "Copyrighted free use", "not in the public domain",
    # numbers mean one thing on Flickr and another on iNaturalist, where 0 is all rights reserved
    "0", "1", "4", "9", "1.0",
    # limits, in words that would be lost
    "CC BY 4.0, not for commercial use", "CC BY 4.0 for non-commercial use", "anything but CC0 unless asked",
    "Creative Commons Attribution - Pas d'Utilisation Commerciale 3.0", "cc by-ncx", "CC-BY-NC-EU",
    # what was never made
    "CC BY-ND-SA 4.0", "CC BY 9.9", "CC", "Creative Commons", "Attribution", "attribution required",
    "by John", "sampling+", "https://creativecommons.org/licenses/sampling+/1.0/",
    "https://creativecommons.org/licenses/nc-sa/2.0/jp", "https://creativecommons.org/licenses/",
    "https://mycreativecommons.org/licenses/by/4.0/", "https://creativecommons.org.example/licenses/by/4.0/",
)  # fmt: skip
CC_PARTS = ("", "-SA", "-NC", "-ND", "-NC-SA", "-NC-ND")
CC_IDS = tuple(f"CC-BY{parts}-{version}" for parts in CC_PARTS for version in ("1.0", "2.0", "2.5", "3.0", "4.0"))
FREE = ("CC0-1.0", "CC-PDM-1.0", "CC-PDDC", "CC-SA-1.0", "GFDL-1.2-or-later", "GFDL-1.3-only", "LAL-1.3", "OGL-UK-3.0",
        "etalab-2.0", "MIT", "Apache-2.0", "own")  # fmt: skip
POLICIES: tuple[Policy, ...] = ("open", "commercial", "modify", "any")

# texts of the pieces that licences are written with, joined any way: far more of them are near misses than in noise
pieces = st.lists(
    st.sampled_from(
        ["cc", "CC0", "by", "-by", "nc", "-nd", "sa", " ", "-", "_", "/", "4.0", "2.0", "1", "0", "de", "legalcode",
         "creativecommons.org/licenses/", "https://", "creativecommons.org/publicdomain/zero/1.0/", "Attribution",
         "NonCommercial", "public domain", "License", "GFDL", "all rights reserved", "not ", "(", ")", "©", "jp/"]
    ),
    max_size=9,
).map("".join)  # fmt: skip
anything = st.text(max_size=60) | pieces


@pytest.mark.parametrize(("raw", "spdx"), UNDERSTOOD.items())
def test_a_text_that_names_a_licence(raw: str, spdx: str) -> None:
    licence = read_licence(raw)
    assert (licence.raw, licence.spdx) == (raw, spdx)
    assert read_licence(f"  {raw}\n.").spdx == spdx
    assert licence.url == licence_url(spdx, licence.jurisdiction)
    if not raw.startswith(("<", "dual", "This")):
        assert read_licence("", raw).spdx == spdx, "the same words where an address is expected"


@pytest.mark.parametrize("raw", UNKNOWN)
def test_a_text_that_names_none(raw: str) -> None:
    licence = read_licence(raw)
    assert licence == Licence(raw, "", raw if raw.startswith("http") else "")
    assert not allowed(licence, "open") and not allowed(licence, "commercial") and not allowed(licence, "modify")
    assert allowed(licence, "any")


@pytest.mark.parametrize(
    ("raw", "country", "url"),
    [
        ("https://creativecommons.org/licenses/by-nd-nc/2.0/jp/", "jp", "licenses/by-nd-nc/2.0/jp/"),
        ("CC BY-SA 3.0 de", "de", "licenses/by-sa/3.0/de/"),
        ("https://creativecommons.org/licenses/by-sa/3.0/es/legalcode.es", "es", "licenses/by-sa/3.0/es/"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "", "licenses/by/4.0/"),
        ("https://creativecommons.org/licenses/by/3.0/legalcode", "", "licenses/by/3.0/"),
        ("https://creativecommons.org/licenses/by/2.5/scotland/", "scotland", "licenses/by/2.5/scotland/"),
        ("CC BY 3.0 IGO", "igo", "licenses/by/3.0/igo/"),
        ("CC BY 4.0 de", "", "licenses/by/4.0/"),
        ("CC-BY-NC-ND-1.0", "", "licenses/by-nd-nc/1.0/"),
    ],
)
def test_the_country_of_a_ported_licence(raw: str, country: str, url: str) -> None:
    licence = read_licence(raw)
    assert (licence.jurisdiction, licence.url) == (country, f"https://creativecommons.org/{url}")


@pytest.mark.parametrize(
    ("raw", "url", "spdx", "country"),
    [
        # the address adds the version and the country
        ("by-nc-nd", "https://creativecommons.org/licenses/by-nd-nc/2.0/jp/", "CC-BY-NC-ND-2.0", "jp"),
        ("cc-by", "https://creativecommons.org/licenses/by/3.0/", "CC-BY-3.0", ""),
        ("CC BY-SA 3.0 de", "https://creativecommons.org/licenses/by-sa/3.0/", "CC-BY-SA-3.0", "de"),
        ("CC BY 3.0 de", "https://creativecommons.org/licenses/by/2.0/", "CC-BY-2.0", ""),
        ("by 2.0", "https://creativecommons.org/licenses/by/", "CC-BY-2.0", ""),
        # one of them is not understood
        ("4", "http://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0", ""),
        ("© Board of Trustees", "https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0", ""),
        ("pd", "https://example.org/terms", "CC-PDM-1.0", ""),
        # they differ: the one that asks for more
        ("CC BY 4.0", "https://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-NC-4.0", ""),
        ("CC BY-ND 2.0", "https://creativecommons.org/publicdomain/zero/1.0/", "CC-BY-ND-2.0", ""),
        ("CC0", "https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0", ""),
        # neither asks for all that the other does, or rights are kept
        ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-nd/4.0/", "", ""),
        ("All rights reserved", "https://creativecommons.org/licenses/by/4.0/", "", ""),
        ("CC0", "http://rightsstatements.org/vocab/InC/1.0/", "", ""),
        ("own", "https://creativecommons.org/licenses/by-nc/4.0/", "own", ""),
    ],
)
def test_words_and_address_together(raw: str, url: str, spdx: str, country: str) -> None:
    licence = read_licence(raw, url)
    assert (licence.spdx, licence.jurisdiction) == (spdx, country)


def test_the_address_is_one_that_can_be_linked() -> None:
    assert read_licence("own", "https://example.org/terms").url == "https://example.org/terms"
    assert read_licence("see there", "https://example.org/terms").url == "https://example.org/terms"
    for bad in ("javascript:alert(1)", "data:text/html,x", "//example.org", "https://a b", 'https://x/"onclick="y'):
        assert read_licence("see there", bad).url == "" and read_licence(bad).url == ""


def test_the_most_specific_licence_wins() -> None:
    record, reserved = read_licence("CC BY 4.0"), read_licence("All rights reserved")
    assert most_specific(read_licence("CC BY-NC 4.0"), record).spdx == "CC-BY-NC-4.0"
    assert most_specific(read_licence("CC0"), read_licence("CC BY-NC 4.0")).spdx == "CC0-1.0"
    assert most_specific(reserved, record) == reserved
    assert most_specific(read_licence(""), read_licence("null"), record) == record
    assert most_specific(read_licence("ask the curator"), record).spdx == ""
    assert most_specific(read_licence("", "http://rightsstatements.org/vocab/InC/1.0/"), record).spdx == ""
    assert most_specific() == most_specific(read_licence("")) == Licence("", "", "")


@pytest.mark.parametrize("spdx", [*CC_IDS, *FREE])
def test_what_a_policy_allows(spdx: str) -> None:
    licence = Licence("", spdx, "")
    commercial, modify = "-NC" not in spdx, "-ND" not in spdx
    admitted = tuple(allowed(licence, policy) for policy in POLICIES)
    assert admitted == (commercial and modify, commercial, modify, True)


@pytest.mark.parametrize("spdx", ["CC-BY-NC", "cc0", "Foo-1.0", "CC-BY-4.0 ", "CC-BY-XX-4.0", "all rights reserved"])
def test_what_is_no_identifier_is_unknown(spdx: str) -> None:
    assert [allowed(Licence("", spdx, ""), policy) for policy in POLICIES] == [False, False, False, True]
    assert licence_url(spdx) == ""


@given(anything, anything)
@example("\ud800", "\x00")
@example("by" + "-" * 5000, "," * 5000)
def test_any_two_texts_make_a_licence(raw: str, url: str) -> None:
    licence = read_licence(raw, url)
    assert licence.raw == raw
    reread = read_licence(licence.spdx)
    assert reread.spdx == licence.spdx
    assert read_licence(licence.spdx, licence.url).spdx == licence.spdx
    assert licence.spdx == "" or licence.spdx == "own" or licence.url.startswith("https://")
    assert most_specific(licence, read_licence("")) in (licence, Licence("", "", ""))


@given(anything, anything)
def test_policies_include_each_other(raw: str, url: str) -> None:
    licence = read_licence(raw, url)
    open_, commercial, modify, anyone = (allowed(licence, policy) for policy in POLICIES)
    assert anyone and (commercial or not open_) and (modify or not open_)
    assert not commercial or licence.spdx


@given(st.sampled_from(CC_IDS + FREE), st.sampled_from(CC_IDS + FREE), st.sampled_from(POLICIES))
def test_two_licences_together_allow_no_more_than_each(first: str, second: str, policy: Policy) -> None:
    if "own" in (first, second):
        return
    combined = read_licence(first, second)
    if allowed(combined, policy) and policy != "any":
        assert allowed(read_licence(first), policy) and allowed(read_licence(second), policy)


def test_names_of_licences_for_people() -> None:
    names = {raw: licence_name(read_licence(raw)) for raw in ("CC0", "pd", "CC BY 3.0 de", "GFDL", "ask\tme", "null")}
    assert list(names.values()) == [
        "CC0 1.0", "Public Domain Mark 1.0", "CC BY 3.0 DE", "GFDL-1.2-or-later", "ask me", "licence unknown",
    ]  # fmt: skip


# ---- every value of the recorded answers

SOURCES = ("openverse", "wikimedia_commons", "flickr", "gbif", "inaturalist", "smk", "clevelandmuseum", "met",
           "europeana", "finna", "rawpixel", "nypl", "sciencemuseum", "smithsonian")  # fmt: skip
FIELDS = frozenset(
    ("license", "license_url", "license_code", "license_name", "licenseurl", "licenseshortname", "usageterms", "rights",
     "share_license_status", "usage_terms", "rightsstatementuri", "http://purl.org/dc/terms/license", "access",
     "copyright")
)  # fmt: skip
KNOWN_UNKNOWNS = frozenset(
    (
        "", "All rights reserved", "No restrictions", "No known copyright restrictions",
        "https://www.flickr.com/commons/usage/",
        "1", "3", "4",  # numbers: their source knows what they stand for
    )
)  # fmt: skip


def licence_values(answer: Any, name: str = "") -> Iterator[str]:
    """Yield each value of a field that is called as licences are."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            # Commons has {"License": {"value": ...}}, NYPL {"rightsStatementURI": {"$": ...}}
            yield from licence_values(value, name if key in ("value", "$") else key.casefold())
    elif isinstance(answer, list):
        for value in answer:
            yield from licence_values(value, name)
    elif name in FIELDS:
        yield "" if answer is None else str(answer)


def answers(shared: Path, source: str) -> list[Any]:
    """Return the recorded answers of a source."""
    return [json.loads(path.read_text()) for path in sorted((shared / "fixtures" / source).glob("*.json"))]


@pytest.mark.shared
@pytest.mark.parametrize("source", SOURCES)
def test_every_recorded_value_is_understood_or_known_not_to_be(shared: Path, source: str) -> None:
    values = {value for answer in answers(shared, source) for value in licence_values(answer)}
    assert values - {""}, "the fields have other names"
    not_read = {value for value in values if not read_licence(value).spdx}
    assert not_read <= KNOWN_UNKNOWNS
    assert not {value for value in values & KNOWN_UNKNOWNS if read_licence(value).spdx}


@pytest.mark.shared
def test_recorded_media_keep_what_their_record_gives_away(shared: Path) -> None:
    kept = dropped = 0
    for answer in answers(shared, "gbif"):
        for record in answer.get("results", []) if isinstance(answer, dict) else []:
            for media in record.get("media", []):
                licence = most_specific(read_licence(media.get("license") or ""), read_licence(record["license"]))
                kept, dropped = kept + allowed(licence, "open"), dropped + (not allowed(licence, "open"))
    assert (kept, dropped) == (46, 3)


@pytest.mark.shared
def test_recorded_words_and_addresses_agree(shared: Path) -> None:
    count = 0
    for answer in answers(shared, "openverse"):
        for item in answer.get("results", []) if isinstance(answer, dict) else []:
            raw, url = f"{item['license']} {item['license_version']}", item["license_url"]
            count += 1
            assert read_licence(raw, url).spdx == read_licence(raw).spdx == read_licence(url).spdx != ""
    assert count >= 40


def test_the_tables_here_are_long_enough_and_without_repeats() -> None:
    assert len(UNDERSTOOD) >= 80 and len(set(UNKNOWN)) == len(UNKNOWN)
    assert all(first != second for first, second in pairwise(sorted(UNKNOWN)))


def test_what_asks_for_less_has_fewer_conditions() -> None:
    raw = ["cc0", "by", "by-sa", "by-nc-nd", "all rights reserved"]
    counts = [count_conditions(read_licence(words)) for words in raw]
    assert counts == sorted(counts) and len(set(counts)) == len(counts)
    assert count_conditions(read_licence("")) == counts[-1], "what is not said is not free"

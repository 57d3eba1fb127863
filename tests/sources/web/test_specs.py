"""Page specs: those that come with the tool, a person's own, and what is said of a wrong one."""

from pathlib import Path

import pytest

from fieldguide.errors import BadQuery
from fieldguide.sources.web.specs import PageSpec, fill, load_spec, parse_spec, shipped_specs

OWN = """
name = "own"
hosts = ["*.example"]
url = "https://search.example/?q={q}"

[[find]]
select = "li"
record = "@data-record"
decode = "json"
fields = { url = ["big", { largest = ["all"], by = "w", get = "url" }], title = { get = "b@text", match = "(.*)!" } }

[markers]
ok = ["ul"]
"""


@pytest.mark.parametrize("name", shipped_specs())
def test_what_ships_is_off_and_says_where_its_terms_are(name: str) -> None:
    spec = load_spec(name)
    assert spec.name == name
    assert not spec.enabled
    assert spec.about
    assert spec.terms_url.startswith("https://")
    assert spec.markers.blocked
    assert "{q}" in spec.url


def test_the_four_engines_are_there() -> None:
    assert shipped_specs() == ["bing", "google", "google_arts", "google_wml", "yandex"]
    assert load_spec("yandex").similar


def test_a_persons_own_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    spec = load_spec(str(tmp_path / "own.toml"))
    assert isinstance(spec, PageSpec)
    assert (spec.name, spec.page_size, spec.drive.scroll) == ("own", 30, False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hosts", "host", "unknown key 'host', did you mean 'hosts'"),
        ("[markers]\nok", "[markers]\nokay", "did you mean 'ok'"),
        ("select", "selects", "did you mean 'select'"),
        ('"li"', '"li["', "not a CSS selector"),
        ('"@data-record"', '"@"', "has no attribute name"),
        ("(.*)!", "(.*", "not a regular expression"),
        ("{q}", "{query}", "unknown {query}"),
        ("{q}", "{q", "brace"),
        ("https://search.example", "file:///etc", "must begin with https"),
        ("https://search.example", "https://search.test", "not one of its hosts"),
        ('decode = "json"', 'decode = "xml"', "decode"),
        ('record = "@data-record"', "", "decode needs a record"),
        ('ok = ["ul"]', "ok = []", "markers.ok"),
        ('name = "own"', 'name = "My Own"', "name"),
        ("[markers]", "[markers", "not valid TOML"),
        ("[[find]]", 'rewrite = [["a", "\\\\2"]]\n[[find]]', "cannot replace"),
        ("[markers]", '[drive]\nclick = "li"\n[markers]', "need each other"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, message: str) -> None:
    assert parse_spec(OWN, "own.toml")
    assert old in OWN
    with pytest.raises(BadQuery) as caught:
        parse_spec(OWN.replace(old, new, 1), "own.toml")
    assert "own.toml" in caught.value.message
    assert message in caught.value.message


def test_specs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadQuery) as caught:
        load_spec("binge")
    assert "did you mean 'bing'" in caught.value.hint
    with pytest.raises(BadQuery, match="there is no page spec"):
        load_spec(str(tmp_path / "gone.toml"))
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(BadQuery, match="UTF-8"):
        load_spec(str(tmp_path / "latin.toml"))
    (tmp_path / "huge.toml").write_bytes(b"#" * 200_000)
    with pytest.raises(BadQuery, match="too large"):
        load_spec(str(tmp_path / "huge.toml"))


def test_addresses_are_percent_encoded() -> None:
    assert fill("https://a.example/?q={q}&n={offset}", q="цапля & {co}", offset=7) == (
        "https://a.example/?q=%D1%86%D0%B0%D0%BF%D0%BB%D1%8F%20%26%20%7Bco%7D&n=7"
    )

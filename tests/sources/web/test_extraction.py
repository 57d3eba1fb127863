"""Reading result pages by their specs: own samples, modelled pages beside the checkout, and pages gone wrong."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fieldguide.errors import Blocked, LayoutChanged, SourceError
from fieldguide.records.candidates import Candidate
from fieldguide.sources.web.extraction import PageResults, classify_page, decode_html, extract
from fieldguide.sources.web.specs import load_spec, parse_spec, shipped_specs
from nested import nested

PAGES = Path(__file__).parents[2] / "samples" / "pages"
SPECS = {name: load_spec(name) for name in shipped_specs()}


def extract_sample(spec: str, name: str) -> PageResults:
    return extract((PAGES / f"{name}.html").read_bytes(), SPECS[spec], SPECS[spec].url)


class TestOwnSamples:
    def test_bing(self) -> None:
        results = extract_sample("bing", "bing")
        assert [candidate.url for candidate in results.candidates] == [
            f"https://pictures.example/{i}.jpg" for i in (1, 2, 3)
        ]
        assert results.candidates[1] == Candidate(
            url="https://pictures.example/2.jpg", item_id="M2", page_url="https://site.example/2",
            thumb_url="https://ts2.mm.bing.net/th?id=2", title='a "heron" 2', width=802, height=602,
        )  # fmt: skip
        assert results.skipped == {"no_record": 1}
        assert extract_sample("bing", "bing_empty") == PageResults(())

    def test_google(self) -> None:
        with pytest.raises(LayoutChanged, match="5 x data_uri") as caught:
            extract_sample("google", "google")
        assert "click" in caught.value.hint
        page = (PAGES / "google.html").read_text(encoding="utf-8")
        clicked = page.replace('data-i="2"', 'data-fieldguide-original="https://pictures.example/2.jpg"')
        clicked = clicked.replace('data-i="3"', 'data-fieldguide-original="https://encrypted-tbn0.gstatic.com/x"')
        results = extract(clicked, SPECS["google"], "https://www.google.com/search")
        assert [(candidate.url, candidate.is_thumb, candidate.title) for candidate in results.candidates] == [
            ("https://pictures.example/2.jpg", False, "heron 2"),
            ("https://encrypted-tbn0.gstatic.com/x", True, "heron 3"),
        ]
        assert results.skipped == {"data_uri": 3}
        assert not any(candidate.thumb_url for candidate in results.candidates)
        wml = extract_sample("google_wml", "google_wml").candidates
        assert (wml[0].url, wml[0].page_url, wml[0].width) == (
            "https://pictures.example/1.jpg", "https://site.example/1", 801,
        )  # fmt: skip
        with pytest.raises(Blocked):
            extract_sample("google", "google_consent")

    def test_yandex(self) -> None:
        candidates = extract_sample("yandex", "yandex").candidates
        assert [(candidate.url.rpartition("/")[2], candidate.width, candidate.height) for candidate in candidates] == [
            ("1.jpg", 1200, 900), ("2-big.jpg", 2400, 1800), ("3.jpg", 1200, 900),
        ]  # fmt: skip
        assert candidates[0].title == "цапля 1"
        assert candidates[0].similar_url.endswith("&url=https%3A%2F%2Fpictures.example%2F1.jpg")
        older = extract_sample("yandex", "yandex_bem").candidates
        assert [(candidate.url.rpartition("/")[2], candidate.width) for candidate in older] == [
            ("1-big.jpg", 640), ("2.jpg", 0), ("3.jpg", 0),
        ]  # fmt: skip
        assert older[0].thumb_url == "https://small.example/1"

    def test_arts(self) -> None:
        results = extract_sample("google_arts", "google_arts_saved")
        assert [candidate.url for candidate in results.candidates] == [
            "https://lh3.example/ci/AA=s1024",
            "https://lh3.example/ci/BB=s1024",
        ]
        assert results.candidates[0].page_url == "https://artsandculture.google.com/asset/one"
        assert results.skipped == {"no_address": 1}


@pytest.mark.shared
class TestModelledPages:
    @pytest.mark.parametrize(
        ("spec", "name", "count", "first_name"),
        [
            ("bing", "bing_images/modelled_async_page1", 35, "orig-1.jpg"),
            ("bing", "bing_images/modelled_async_page2", 35, "orig-36.jpeg?w=1200&h=900"),
            ("bing", "bing_images/modelled_async_page3", 12, "orig-71.jpg"),
            ("bing", "bing_images/modelled_async_page4", 0, ""),
            ("bing", "bing_images/modelled_search", 35, "orig-1.jpg"),
            ("google_wml", "google_images/modelled_wml_2026", 20, "orig-0.jpg"),
            ("yandex", "yandex_images/modelled_datastate_2025", 30, "orig-0.jpg"),
            ("yandex", "yandex_images/modelled_databem_2023", 30, "orig-1000.jpg"),
        ],
    )
    def test_golden(self, shared: Path, spec: str, name: str, count: int, first_name: str) -> None:
        results = extract((shared / "fixtures" / f"{name}.html").read_bytes(), SPECS[spec], SPECS[spec].url)
        assert len(results.candidates) == count
        assert not results.skipped
        if count:
            assert results.candidates[0].url.rpartition("/")[2] == first_name
            assert all(candidate.page_url.startswith("https://site") for candidate in results.candidates)
            assert all(candidate.thumb_url.startswith("https://") for candidate in results.candidates)
            assert all(candidate.width > candidate.height > 0 for candidate in results.candidates)
            assert not any(candidate.is_thumb for candidate in results.candidates)

    @pytest.mark.parametrize(
        ("spec", "name", "error"),
        [
            ("google", "google_images/modelled_consent", Blocked),
            ("google", "google_images/modelled_sorry", Blocked),
            ("google", "google_images/modelled_enablejs", Blocked),
            ("bing", "antibot/modelled_cloudflare_challenge", Blocked),
            ("yandex", "antibot/recorded_incapsula_met_issue18", Blocked),
            ("google", "google_images/modelled_udm2_js", LayoutChanged),  # nothing was clicked: 40 small versions
            ("google_arts", "google_arts/modelled_color", LayoutChanged),  # no script ran
            ("google", "bing_images/modelled_search", LayoutChanged),
        ],
    )
    def test_walls_and_strangers(self, shared: Path, spec: str, name: str, error: type[SourceError]) -> None:
        with pytest.raises(error) as caught:
            extract((shared / "fixtures" / f"{name}.html").read_bytes(), SPECS[spec], SPECS[spec].url)
        assert caught.value.hint


class TestRules:
    SPEC = """
    name = "own"
    hosts = ["s.example"]
    url = "https://s.example/{q}"
    thumb_hosts = ["small*.example"]
    find = [{ select = "i", fields = { url = "@u", title = "b@text" } }]
    markers = { ok = ["ul"], empty = ["p"], blocked = ["form"] }
    """

    @pytest.mark.parametrize(
        ("html", "verdict"),
        [
            ("<ul><i u=/a.jpg></i></ul>", "ok"),
            ("<p>none", "empty"),
            ("<form><ul><i u=/a.jpg>", "blocked"),
            ("<div class=g-recaptcha>", "blocked"),
            ("<ul><div class=g-recaptcha>", "ok"),
            ("<h1>hello", "unknown"),
            ("", "unknown"),
        ],
    )
    def test_markers(self, html: str, verdict: str) -> None:
        assert classify_page(html, parse_spec(self.SPEC, "own")) == verdict

    def test_results_without_an_address_are_never_no_results(self) -> None:
        spec = parse_spec(self.SPEC, "own")
        for html in ("<ul>", "<ul><i>", "<ul><i u=data:x>", "<ul><p><i u=ftp://a/b>"):
            with pytest.raises(LayoutChanged):
                extract(html, spec, spec.url)
        assert extract("<ul><p>none", spec, spec.url) == PageResults(())

    def test_what_becomes_a_candidate(self) -> None:
        spec = parse_spec(self.SPEC, "own")
        html = """<ul><i u="/a b.jpg?x=&#1094;"><b> A \u0000 title
            of two lines</b></i><i u="//other.example/c.jpg"></i><i u="/a b.jpg?x=&#1094;"></i>
            <i u="DATA:image/gif;x"></i><i u="javascript:x"></i><i u="http://small7.example/d.jpg"></i><i u=" "></i>
            <i u="/{}"></i>""".replace("{}", "x" * 5000)
        results = extract(html, spec, "https://s.example/deep/page")
        assert [(candidate.url, candidate.title, candidate.is_thumb) for candidate in results.candidates] == [
            ("https://s.example/a%20b.jpg?x=%D1%86", "A title of two lines", False),
            ("https://other.example/c.jpg", "", False),
            ("http://small7.example/d.jpg", "", True),
        ]
        assert results.skipped == {"same_address": 1, "data_uri": 1, "scheme": 1, "no_address": 1, "too_long": 1}

    def test_records_hold_texts_that_are_none(self) -> None:
        page = (PAGES / "yandex_bem.html").read_text(encoding="utf-8")
        results = extract(page.replace("heron 2", "her\\ud800on\\u0007"), SPECS["yandex"], "https://yandex.com/")
        assert results.candidates[1].title == "her on"

    @pytest.mark.parametrize("coding", ["utf-8", "windows-1251", "koi8-r", "utf-16"])
    def test_pages_say_their_coding(self, coding: str) -> None:
        page = f'<meta charset="{coding}"><title>цапля</title>'
        assert "цапля" in decode_html(page.encode(coding))

    @pytest.mark.parametrize("coding", ["utf-16", "hex", "rot13", "unicode_escape", "idna", "undefined", "no", "ä"])
    def test_codings_that_are_none(self, coding: str) -> None:
        assert "plain" in decode_html(f"<meta charset={coding}>plain".encode())


SAMPLES = sorted(PAGES.glob("*.html"))
HOSTILE = (
    "<",
    ">",
    '"',
    "'",
    "&quot;",
    "&#0;",
    "\x00",
    "null",
    "[]",
    "{}",
    "-1",
    "1e999",
    "\ud800",
    "http://[",
    "\\ud800",
)


@given(st.data())
def test_a_changed_page_gives_candidates_or_a_source_error(data: st.DataObject) -> None:
    """Pieces are cut out, doubled or replaced: nothing but the tree of source errors may come of it."""
    path = data.draw(st.sampled_from(SAMPLES))
    name = data.draw(
        st.sampled_from([spec for spec in SPECS if path.name.startswith(spec.partition("_")[0])] or ["bing"])
    )
    text = path.read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 200)))
        put = data.draw(st.sampled_from((*HOSTILE, text[start:end] * 2)))
        text = text[:start] + put + text[end:]
    check_total(text, name)


@given(st.one_of(st.binary(max_size=400), st.text(max_size=400)), st.sampled_from(sorted(SPECS)))
@example("<div>" * 20_000, "bing")
@example('<div class="Root" id="ImagesApp-" data-state="' + "[" * 100_000 + '">', "yandex")
@example('<div class="Root" id="ImagesApp-" data-state="{&quot;initialState&quot;:' + "9" * 5000 + '}">', "yandex")
def test_any_page_gives_candidates_or_a_source_error(page: bytes | str, name: str) -> None:
    check_total(page, name)


JSON = nested(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("https://a.example/1.jpg"),
    st.sampled_from(["url", "w", "h", "thumb"]),
)


@given(st.dictionaries(st.sampled_from(["dups", "preview", "thumb", "snippet", "img_href", "id"]), JSON))
def test_any_record_gives_candidates_or_a_source_error(record: dict[str, object]) -> None:
    page = (PAGES / "yandex_bem.html").read_text(encoding="utf-8")
    text = json.dumps({"serp-item": record}).replace("&", "&amp;").replace("'", "&#39;").replace("\\", "\\\\")
    check_total(re.sub("data-bem='[^']*'", f"data-bem='{text}'", page, count=1), "yandex")


def check_total(page: bytes | str, name: str) -> None:
    try:
        results = extract(page, SPECS[name], SPECS[name].url)
    except SourceError as error:
        assert isinstance(error, LayoutChanged | Blocked)
        return
    for candidate in results.candidates:
        assert candidate.url.startswith(("http://", "https://"))
        assert json.dumps(candidate.url + candidate.title + candidate.page_url).encode("utf-8")
        (candidate.url + candidate.title + candidate.page_url + candidate.thumb_url).encode("utf-8")

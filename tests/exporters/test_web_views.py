"""The views of the guide's page in a real Chromium: gallery, classes, pairs, about and privacy, in three languages."""

import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from test_web_form import AXE, LISTENER, Page, check_accessible, export, serving, show

from conftest import picture_bytes
from fieldguide.chromium import open_chromium
from fieldguide.exporters.web import WebExporter
from fieldguide.guide import open_guide, write_manifest

HOSTILE = '"><img src=x onerror=alert(1)>'
BRANDING = {
    "title": f"Shapes {HOSTILE}", "logo": "logo.png", "colour": "#ffe100", "footer": "By us: https://us.example/a?b=1.",
    "about": "We drew it.\n\nSee javascript:alert(1)",
}  # fmt: skip
Address = Callable[[str], str]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def exporter() -> WebExporter:
    """Return the exporter; skip where there is no Chromium or the pages are not built."""
    exporter = WebExporter()
    reason = exporter.cannot_run()
    if reason or not (Path(__file__).resolve().parents[2] / "src" / "fieldguide" / "web" / "guide" / "sw.js").is_file():
        pytest.skip(reason or "the pages are not built: make pages")
    return exporter


@pytest.fixture(scope="module")
def driver(exporter: WebExporter) -> Iterator[Any]:
    with open_chromium(()) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTENER})
        show(driver, 1440, "light")
        yield driver


@pytest.fixture
def page(driver: Any, site: str) -> Iterator[Page]:
    """Return the page at its start, in the browser's own language, nothing kept from before."""
    driver.get(site)
    driver.execute_script("localStorage.clear()")
    yield Page(driver, site)
    assert driver.execute_script("return window.violations") == []


@pytest.fixture(scope="module")
def site(built_once: Path, exporter: WebExporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve, below a path, the page of a guide with names in German, a brand, and a class whose name is HTML."""

    def change(about: dict[str, Any]) -> None:
        about["branding"] = BRANDING
        for row, german in zip(about["classes"], ("Kreis", "Quadrat", "Dreieck"), strict=True):
            row |= {"names": {"de": german}, "about": f"What it looks like: {german}. {HOSTILE}"}
            row["links"] = ["javascript:alert(1)", {"label": HOSTILE, "url": "https://example.org/about"}]
        rename(about, "circle", f"circle {HOSTILE}")

    yield from serve(built_once, exporter, tmp_path_factory.mktemp("views"), change)


def rename(about: dict[str, Any], name: str, to: str) -> None:
    """Give a class another name wherever the guide speaks of it."""
    for row in about["classes"]:
        row["name"] = to if row["name"] == name else row["name"]
        for other in row["neighbours"]:
            other["name"] = to if other["name"] == name else other["name"]
    scores = about["scores"]["per_class"]
    scores[to] = scores.pop(name)


def serve(built: Path, exporter: WebExporter, folder: Path, change: Callable[[dict[str, Any]], None]) -> Iterator[str]:
    """Change a guide, export it and serve its page; yield the page's address."""
    shutil.copytree(built / "guide", folder / "guide")
    logo = io.BytesIO()
    Image.new("RGB", (60, 40), "blue").save(logo, "PNG")
    (folder / "guide" / "logo.png").write_bytes(logo.getvalue())
    about = json.loads((folder / "guide" / "guide.json").read_text(encoding="utf-8"))
    change(about)
    (folder / "guide" / "guide.json").write_text(json.dumps(about), encoding="utf-8")
    write_manifest(folder / "guide")
    export(open_guide(folder / "guide"), exporter, folder / "site" / "below" / "a path")
    with serving(folder / "site") as address:
        yield address


def go(page: Page, site: str, view: str, heading: str) -> None:
    """Open an address that someone was sent, and wait for its heading."""
    page.driver.get("about:blank")
    page.driver.get(site + view)
    page.wait(lambda: page.all("main h1") and page.text("main h1") == heading)


def names(page: Page) -> list[str]:
    return [element.text for element in page.all(".class-name")]


def class_of(name: str, beside: str = "") -> str:
    return f"#/class/{quote(name, safe='')}" + (f"?beside={quote(beside)}" if beside else "")


def test_the_gallery_finds_names_in_any_language_and_its_address_can_be_sent(page: Page, site: str) -> None:
    page.driver.find_element("link text", "Gallery").click()
    page.wait(lambda: len(names(page)) == 3)
    assert page.driver.switch_to.active_element.text == "What it knows", "what is read out first"
    assert names(page) == [f"circle {HOSTILE}", "square", "triangle"]
    assert all(element.text.endswith(" recognised") for element in page.all(".tile-score"))
    page.all("input[type=search]")[0].send_keys("QUADR")
    page.wait(lambda: names(page) == ["square"])
    assert page.text(".gallery-head [role=status]") == "1 of 3 classes"
    sent = page.driver.current_url
    assert sent == site + "#/gallery?q=QUADR"
    page.all("input[type=search]")[0].send_keys(HOSTILE)
    page.wait(lambda: page.all(".nothing"))
    assert HOSTILE in page.text(".nothing")
    go(page, sent, "", "What it knows")
    page.wait(lambda: names(page) == ["square"])
    page.all(".tile")[0].send_keys(Keys.ENTER)
    page.wait(lambda: page.text("main h1") == "square")
    page.driver.back()
    page.wait(lambda: page.all(".tile") and names(page) == ["square"])


def test_a_class_whose_name_is_html_has_a_page_of_text(page: Page, site: str) -> None:
    name = f"circle {HOSTILE}"
    go(page, site, class_of(name), name)
    assert page.driver.title == f"{name} · Shapes {HOSTILE}"
    assert page.text("article .lead") == f"What it looks like: Kreis. {HOSTILE}"
    assert page.text(".other-names") == "Kreis"
    links = [(link.get_attribute("href"), link.text) for link in page.all(".further a")]
    assert links == [("https://example.org/about", HOSTILE)]
    assert page.all(".specimens figure") and all("own" in credit.text for credit in page.all(".specimens figcaption"))
    shares = [element.text for element in page.all(".share dd")]
    assert len(shares) == 2 and all("%" in text and " to " in text for text in shares)
    assert page.text(".scores").endswith(f"Learnt from {learnt(page)}.")
    assert not page.all("img[src=x]")


def learnt(page: Page) -> int:
    about = page.driver.execute_async_script(
        "const done = arguments[0]; fetch('./guide.json').then((it) => it.json()).then(done)"
    )
    images = about["classes"][0]["images"]
    return int(images["train"] + images["val"])


def test_a_class_stands_beside_what_it_is_confused_with(page: Page, site: str) -> None:
    go(page, site, class_of("square"), "square")
    beside = page.all(".beside")[0]
    sides = [element.text for element in beside.find_elements("css selector", ".beside-name")]
    assert sides[0] == "square" and len(sides) == 2
    texts = [element.text for element in beside.find_elements("css selector", ".beside-sides p:not(.beside-name)")]
    assert texts[0].startswith("What it looks like: Quadrat.") and len(texts) == 2
    assert "taken for" in beside.text and "cross-validation" in beside.text
    beside.find_element("css selector", ".compare-link").click()
    page.wait(lambda: page.text("main h1") == f"square or {sides[1]}?")
    assert [element.text for element in page.all(".pair h2")] == sides
    go(page, page.driver.current_url, "", f"square or {sides[1]}?")
    go(page, site, class_of("square", "moon"), "There is no such page")
    assert page.text("article p") == "This guide has no class called “moon”."
    go(page, site, "#/nowhere", "There is no such page")


def test_german_is_chosen_kept_and_told_to_readers_of_screens(page: Page, site: str) -> None:
    language = "return document.documentElement.lang"
    assert page.driver.execute_script(language) == "en"
    go(page, site, "#/gallery", "What it knows")
    Select(page.all(".language")[0]).select_by_visible_text("Deutsch")
    page.wait(lambda: page.text("main h1") == "Was sie kennt")
    assert page.driver.execute_script(language) == "de"
    assert names(page) == ["Dreieck", "Kreis", "Quadrat"]
    go(page, site, class_of("square"), "Quadrat")
    assert page.text(".other-names") == "square"
    assert page.driver.title == f"Quadrat · Shapes {HOSTILE}"
    go(page, site, "#/privacy", "Datenschutz")
    Select(page.all(".language")[0]).select_by_visible_text("Español")
    page.wait(lambda: page.text("main h1") == "Privacidad")
    go(page, site, class_of("square"), "square")


def test_an_answer_is_given_in_the_language_of_the_page(page: Page, site: str, tmp_path: Path) -> None:
    picture = tmp_path / "square.jpg"
    picture.write_bytes(picture_bytes("square", 40))
    Select(page.all(".language")[0]).select_by_visible_text("Deutsch")
    page.choose(picture)
    assert page.text(".answer-name") == "Quadrat"
    assert page.text(".bar-name") == "Quadrat"
    page.all(".answer .links a[href^='#/class']")[0].click()
    page.wait(lambda: page.text("article h1") == "Quadrat")
    assert page.text(".other-names") == "square"


def test_the_browser_s_language_is_the_first(page: Page, site: str) -> None:
    agent = {"userAgent": "Mozilla/5.0", "acceptLanguage": "de-CH,en"}
    page.driver.execute_cdp_cmd("Emulation.setUserAgentOverride", agent)
    try:
        go(page, site, "#/about", f"Über Shapes {HOSTILE}")
    finally:
        page.driver.execute_cdp_cmd("Emulation.setUserAgentOverride", {**agent, "acceptLanguage": "en-US"})


def test_the_page_has_the_guide_s_brand_and_its_colour_can_be_read(page: Page, site: str) -> None:
    assert page.text(".brand") == f"Shapes {HOSTILE}"
    shown = "const logo = document.querySelector('.brand img'); return [logo.src.split('/').at(-1), logo.naturalWidth]"
    page.wait(lambda: page.driver.execute_script(shown) == ["logo.png", 60])
    assert page.driver.execute_script("return document.querySelector('link[rel=icon]').href") == f"{site}logo.png"
    assert [link.get_attribute("href") for link in page.all(".foot-own a")] == ["https://us.example/a?b=1"]
    go(page, site, "#/about", f"About Shapes {HOSTILE}")
    assert "We drew it." in page.text("main") and "See javascript:alert(1)" in page.text("main")
    assert not page.all("main a[href^='javascript']")
    accent = "return getComputedStyle(document.documentElement).getPropertyValue('--accent')"
    for scheme, colour in (("light", "#"), ("dark", "#ffe100")):
        show(page.driver, 1440, scheme)
        value = page.driver.execute_script(accent)
        assert value.startswith(colour) and (value == "#ffe100") == (scheme == "dark"), "yellow on white is not read"
    show(page.driver, 1440, "light")


def test_about_and_privacy_say_what_is_so_here(page: Page, site: str) -> None:
    go(page, site, "#/about", f"About Shapes {HOSTILE}")
    text = page.text("main")
    for words in (
        "Right on the test pictures",
        "What it is for",
        "Its limits",
        "has to decide",
        "Fingerprint of its data",
    ):
        assert words in text
    page.all("summary")[0].click()
    rows = [element.text for element in page.all("tbody tr")]
    assert len(rows) == 3 and all("%" in row for row in rows)
    go(page, site, "#/privacy", "Privacy")
    assert "never leaves this device" in page.text("main") and "server" not in page.text("main").split("Others")[0]


def test_a_guide_of_an_earlier_version_is_shown_as_far_as_it_goes(
    driver: Any, built_once: Path, exporter: WebExporter, tmp_path: Path
) -> None:
    def make_old(about: dict[str, Any]) -> None:
        about["scores"] = {"accuracy": about["scores"]["accuracy"]}
        about["decline"] = {"threshold": about["decline"]["threshold"]}
        for key in ("data", "intended_use", "limitations", "limits", "learner", "backbone", "tool_version"):
            del about[key]
        for row in about["classes"]:
            row["links"] = ["https://example.org/about"]
            del row["images"], row["neighbours"]

    for site in serve(built_once, exporter, tmp_path, make_old):
        page = Page(driver, site)
        go(page, site, "#/gallery", "What it knows")
        assert len(names(page)) == 3 and not page.all(".tile-score")
        go(page, site, class_of("square"), "square")
        assert [link.text for link in page.all(".further a")] == ["example.org"] and not page.all(
            ".neighbours, .scores"
        )
        name = json.loads((built_once / "guide" / "guide.json").read_text(encoding="utf-8"))["name"]
        go(page, site, "#/about", f"About {name}")
        assert driver.execute_script("return window.violations") == []


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (375, "light"), (1440, "dark"), (1440, "light")])
def test_axe_finds_nothing_in_any_view_and_nothing_is_too_wide(page: Page, site: str, width: int, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make check")
    views: Mapping[str, str] = {
        "#/gallery": "What it knows", "#/gallery?q=zzz": "What it knows", class_of("square"): "square",
        class_of("square", "triangle"): "square or triangle?", "#/about": f"About Shapes {HOSTILE}",
        "#/privacy": "Privacy", "#/nowhere": "There is no such page",
    }  # fmt: skip
    show(page.driver, width, scheme)
    try:
        for view, heading in views.items():
            go(page, site, view, heading)
            check_accessible(page.driver)
            assert page.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth"), view
    finally:
        show(page.driver, 1440, "light")

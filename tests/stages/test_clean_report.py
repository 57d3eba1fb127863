"""The page of clean: every reason with its pictures, right numbers, nothing that runs, seen by a real browser."""

import base64
import io
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from command import ran
from conftest import CLASS_NAMES, draw_picture, encode, make_project, picture_bytes
from fieldguide.checks.files import DECODE_SIDE
from fieldguide.images import decode_image, squash
from fieldguide.images.colour_features import FEATURE_NAMES, colour_features, read_colours
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import CleanReport, Verdict
from fieldguide.settings import change_settings
from fieldguide.stages.add import add
from fieldguide.stages.clean import clean
from fieldguide.stages.clean.statistics import correlate, count_shapes, count_sizes, measure_boxes, measure_channels
from fieldguide.stages.decide import Wishes, decide

QUIET = SilentProgress()
EVIL = '"><img src=x onerror=alert(1)><script>alert(2)<script>'


class ParsedPage(HTMLParser):
    """The sections of a page, the pictures in them, its text, and everything that it could load or run."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.sections: dict[str, list[str]] = {}
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: set[str] = set()
        self.text = ""
        self._heading = self._name = ""
        self.source = (project.root / "clean" / "report.html").read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        self.attributes |= values.keys()
        self.addresses |= {value or "" for name, value in attrs if name in ("src", "href", "data", "action")}
        self._heading = tag
        if tag == "h2":
            self._name = ""
        if tag == "img":
            self.sections.setdefault(self._name, []).append(values["src"] or "")

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "
        if self._heading == "h2" and data.strip():
            self._name = data.strip()
            self.sections.setdefault(self._name, [])
            self._heading = ""


def run(project: Project) -> CleanReport:
    return clean(project, project.settings(), progress=QUIET)


def put(project: Project, files: dict[str, bytes]) -> None:
    folder = project.root.parent / "files"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    add(project, project.settings(), folder, progress=QUIET)


def opened(address: str) -> Image.Image:
    """Return a picture of the page."""
    assert address.startswith("data:image/jpeg;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert max(image.size) <= 180 and not image.getexif()
    return image


@pytest.fixture
def dirty(project: Project) -> Project:
    """Make a project with a copy, a small, a broken and a doubly labelled picture among others."""
    mirrored = ImageOps.mirror(draw_picture("circle", 0)).resize((120, 120))
    files = {f"{name}/{number}.jpg": picture_bytes(name, number) for name in CLASS_NAMES for number in range(6)}
    files |= {
        "circle/copy.png": encode(mirrored),
        "square/small.png": encode(draw_picture("square", 20).resize((20, 20))),
        "triangle/cut.jpg": picture_bytes("triangle", 30)[:1500],
        "square/both.jpg": picture_bytes("triangle", 2),
    }
    put(project, files)
    return project


def test_every_reason_has_its_pictures(dirty: Project) -> None:
    report = run(dirty)
    page = ParsedPage(dirty)
    assert report.report == "clean/report.html"
    assert report.rejected == {"near_copy": 1, "too_small": 1, "truncated": 1, "two_labels": 1}
    titles = {"Near copy": 2, "Too small": 1, "Truncated": 0, "Two labels": 1}
    assert {name: len(page.sections[name]) for name in titles} == titles
    assert "cannot be shown" in page.text
    for addresses in page.sections.values():
        for address in addresses:
            opened(address)
    words = " ".join(page.text.split())
    assert "Kept 17" in words and "Set aside 4" in words
    for item in report.rejections:
        assert item.location in page.text
    shown = ran("clean", "-C", dirty.root)
    assert "clean/report.html" in shown and "no picture is kept" not in shown


def test_what_was_never_decoded_under_limits_is_not_decoded_here(dirty: Project) -> None:
    run(dirty)
    (dirty.root / "clean" / "report.html").unlink()
    with closing(sqlite3.connect(dirty.root / "catalog.db")) as database, database:
        database.execute("DELETE FROM colours")  # as of a file that a process died of
    run(dirty)
    assert not any(ParsedPage(dirty).sections.values())


def test_a_copy_stands_beside_the_one_that_is_kept(dirty: Project) -> None:
    (item,) = [item for item in run(dirty).rejections if item.reason == "near_copy"]
    images = {}
    with dirty.catalog() as catalog:
        formats = {name: row.format for name, row in catalog.images().items()}
    for name in (item.sha256, item.copy_of):
        images[name] = np.asarray(Image.open(dirty.image_path(name, formats[name])).resize((24, 24)), dtype=float)
    shown = [np.asarray(opened(address).resize((24, 24)), float) for address in ParsedPage(dirty).sections["Near copy"]]
    for picture, name in zip(shown, images, strict=True):
        distances = {other: np.abs(picture - pixels).mean() for other, pixels in images.items()}
        assert min(distances, key=distances.__getitem__) == name


def test_counts_by_class_and_reason(dirty: Project) -> None:
    run(dirty)
    source = ParsedPage(dirty).source
    table = source[source.index("<h2>Classes") : source.index("</table>")]
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in table.split("<tr>")[1:]]
    assert rows[0] == ["class", "kept", "near", "copy", "too", "small", "truncated", "two", "labels"]
    assert {row[0]: row[1:] for row in rows[1:4]} == {
        "circle": ["6", "1"], "square": ["6", "1"], "triangle": ["5", "1"]
    }  # fmt: skip


def test_nothing_on_the_page_runs_or_is_loaded(tmp_path: Path) -> None:
    names = [f"a{EVIL.replace('/', '')}", "b"]
    project = make_project(tmp_path / "project", names)
    put(project, {f"{name}/{EVIL.replace('/', '')}{number}.png": picture_bytes(name, number, 30) for name in names
                  for number in (1, 3)})  # fmt: skip
    run(project)
    page = ParsedPage(project)
    assert not page.tags & {"script", "iframe", "object", "link", "a", "form"}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert "default-src 'none'; img-src data:" in page.source
    assert "onerror=alert(1)" in page.text


def test_a_setting_leaves_it_out(project: Project) -> None:
    put(project, {f"{name}/1.png": picture_bytes(name, 1) for name in CLASS_NAMES})
    settings = change_settings(project.settings(), {"clean.report": False})
    assert clean(project, settings, progress=QUIET).report == ""
    assert (project.root / "clean" / "rejected.csv").is_file() and not (project.root / "clean" / "report.html").exists()


def test_a_second_run_leaves_the_page_and_a_change_writes_it_anew(dirty: Project) -> None:
    run(dirty)
    path = dirty.root / "clean" / "report.html"
    before = path.stat().st_ino, path.read_bytes()
    run(dirty)
    assert (path.stat().st_ino, path.read_bytes()) == before
    path.unlink()
    run(dirty)
    assert path.read_bytes() == before[1]
    put(dirty, {"circle/new.png": encode(draw_picture("circle", 50).resize((20, 20)))})
    run(dirty)
    assert len(ParsedPage(dirty).sections["Too small"]) == 2


def test_few_pictures_stand_for_many(project: Project) -> None:
    files = {f"circle/{number}.jpg": encode(draw_picture("circle", number).resize((30, 30))) for number in range(40)}
    put(project, files | {"square/1.jpg": picture_bytes("square", 1)})
    run(project)
    page = ParsedPage(project)
    assert len(page.sections["Too small"]) == 24 and "40 pictures, 24 of them here" in page.text


def test_what_not_everybody_should_see_is_hidden(dirty: Project) -> None:
    run(dirty)
    (copy,) = [item for item in run(dirty).rejections if item.reason == "near_copy"]
    with dirty.catalog() as catalog:
        for name in (copy.sha256, copy.copy_of):
            catalog.set_verdicts([Verdict(name, "unsafe", "suspect", "unsafe: not for everybody", 1.0)], "")
    run(dirty)
    page = ParsedPage(dirty)
    assert "score 1.00" in page.text
    hidden = page.sections["Unsafe"] + page.sections["Near copy"]  # for whatever reason they are shown
    assert len(hidden) == 3 and all(max(opened(address).size) <= 12 for address in hidden)


def test_what_a_person_decides_is_shown(dirty: Project) -> None:
    (copy,) = [item for item in run(dirty).rejections if item.reason == "near_copy"]
    with dirty.catalog() as catalog:
        dropped = next(state.sha256 for state in catalog.states() if state.state == "kept")
    wishes = Wishes(keep=[copy.sha256], drop=[dropped])
    decide(dirty, dirty.settings(), wishes=wishes, progress=QUIET)
    run(dirty)
    page = ParsedPage(dirty)
    assert len(page.sections["Dropped"]) == 1 and "Near copy" not in page.sections
    assert "left out by a person" in page.text


def test_a_picture_that_is_gone_leaves_a_gap(dirty: Project) -> None:
    run(dirty)
    (dirty.root / "clean" / "report.html").unlink()
    shutil.rmtree(dirty.root / "images")
    run(dirty)
    page = ParsedPage(dirty)
    assert not any(page.sections.values()) and page.text.count("cannot be shown") >= 4


def test_a_project_of_which_nothing_is_kept(project: Project) -> None:
    put(project, {"circle/1.png": encode(draw_picture("circle", 1).resize((20, 20)))})
    assert run(project).nothing_kept
    page = ParsedPage(project)
    assert len(page.sections["Too small"]) == 1 and "Colours" not in page.text


def test_the_colours_are_those_of_the_pictures(dirty: Project) -> None:
    run(dirty)
    with dirty.catalog() as catalog:
        images = catalog.images()
        colours = catalog.colours(images)
        broken = {name for name, (verdict, _) in catalog.verdicts("files").items() if "truncated" in verdict.reason}
    assert colours.keys() == images.keys() - broken
    for name, measured in colours.items():
        image = decode_image(dirty.read_image(name, images[name].format), at_least=DECODE_SIDE)
        np.testing.assert_array_equal(read_colours(measured), colour_features(squash(image)[None])[0])


def test_numbers_equal_those_of_numpy() -> None:
    dice = np.random.default_rng(0)
    pictures = dice.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8) // dice.integers(
        1, 5, (30, 1, 1, 1), dtype=np.uint8
    )
    features, labels = colour_features(pictures), np.arange(30) % 2
    channels, pixels = measure_channels(features), pictures.reshape(-1, 3) / 255
    np.testing.assert_allclose(channels.mean, pixels.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(channels.std, pixels.std(axis=0), atol=1e-4)
    np.testing.assert_allclose(correlate(features), np.corrcoef(features.T), atol=1e-6)
    for place, boxes in enumerate(measure_boxes(features, labels, ["a", "b", "none"])):
        assert boxes.feature == FEATURE_NAMES[place] and set(boxes.quantiles) == {"a", "b"}
        for label, name in enumerate("ab"):
            expected = np.percentile(features[labels == label, place], [5, 25, 50, 75, 95])
            np.testing.assert_allclose(boxes.quantiles[name], expected, rtol=1e-5)


def test_features_that_do_not_vary_go_with_nothing() -> None:
    grey = colour_features(np.full((5, 4, 4, 3), 90, dtype=np.uint8))
    assert not correlate(grey).any()
    assert measure_boxes(grey, np.zeros(5, dtype=np.int64), ["grey"])[0].quantiles == {"grey": (90.0,) * 5}


def test_sizes_and_shapes() -> None:
    width, height = np.array([100, 300, 500, 64]), np.array([100, 200, 5000, 63])
    assert count_sizes(width, height) == {
        "under 64": 1, "64 to 127": 1, "128 to 255": 1, "256 to 511": 1
    }  # fmt: skip
    assert count_shapes(width, height) == {"landscape": 1, "portrait": 1, "square": 2}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless Chromium."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("no Chromium with its driver here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", f"--user-data-dir={tmp_path / 'chromium'}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.mark.browser
def test_a_browser_shows_it_on_a_phone_and_on_a_screen(dirty: Project, browser: Any) -> None:
    run(dirty)
    for width in (375, 1280):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get((dirty.root / "clean" / "report.html").as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
        assert len(widths) == 4 and all(widths)
        charts = browser.execute_script(
            "return [...document.querySelectorAll('svg')].map(chart => chart.getBoundingClientRect().height)"
        )
        assert len(charts) == len(FEATURE_NAMES) and all(height > 40 for height in charts)
    assert not browser.get_log("browser")

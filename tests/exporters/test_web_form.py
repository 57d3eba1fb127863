"""The guide's page in a real Chromium: from a plain static host, below a path, with the network cut after one visit."""

import io
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from spoiling import PREPARING_MISTAKES

import fieldguide as fg
from conftest import draw_picture, picture_bytes
from fieldguide.chromium import open_chromium
from fieldguide.errors import BadImage, MissingExtra
from fieldguide.exporters.contract import Source
from fieldguide.exporters.web import WebExporter
from fieldguide.guide import Guide, open_guide, write_manifest
from fieldguide.project import Project
from fieldguide.stages.export.compared import ComparedFile
from fieldguide.stages.export.parity import GuideRuntime, measure_parity

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
HOSTILE = '<img src="x" onerror="alert(1)"> & co'
LISTENER = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
WAIT_S = 120

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def exporter() -> WebExporter:
    """Return the exporter; skip where there is no Chromium or the pages are not built."""
    exporter = WebExporter()
    if reason := exporter.cannot_run():
        pytest.skip(reason)
    if not (ROOT / "src" / "fieldguide" / "web" / "guide" / "index.html").is_file():
        pytest.skip("the pages are not built: make pages")
    return exporter


@pytest.fixture(scope="module")
def guide(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Guide:
    """Return a guide whose names, texts and links are meant to harm, and whose pictures lie in three views."""
    folder = tmp_path_factory.mktemp("guide") / "guide"
    shutil.copytree(built_once / "guide", folder)
    return change(folder, {"name": HOSTILE})


def change(folder: Path, changed: Mapping[str, Any]) -> Guide:
    """Change a guide's description and open it."""
    about = json.loads((folder / "guide.json").read_text(encoding="utf-8"))
    about |= changed
    for row in about["classes"]:
        row["name"] = row["name"].removesuffix(HOSTILE) + HOSTILE
        row["links"] = ["javascript:alert(1)", "https://example.org/about"]
        for example in row["examples"]:
            example |= {"author": HOSTILE, "source": "javascript:alert(1)", "licence_url": "data:text/html,x"}
    (folder / "guide.json").write_text(json.dumps(about), encoding="utf-8")
    write_manifest(folder)
    return open_guide(folder)


@pytest.fixture(scope="module")
def site(guide: Guide, exporter: WebExporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a static host's folder with the page below a path."""
    root = tmp_path_factory.mktemp("site")
    export(guide, exporter, root / "below" / "a path")
    return root


def export(guide: Guide, exporter: WebExporter, folder: Path) -> None:
    folder.mkdir(parents=True)
    source = Source(guide, "transfer", b"", lambda count: np.zeros((count, 1, 1, 3), np.uint8))
    assert exporter.unsuitable(source) == ""
    exporter.export(source, folder)


class PlainHost(SimpleHTTPRequestHandler):
    """What comes with Python: no headers but the file's type."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(root: Path, port: int = 0) -> Iterator[str]:
    """Serve a folder and yield the address of the page."""
    with ThreadingHTTPServer(("127.0.0.1", port), partial(PlainHost, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/below/a%20path/"
        server.shutdown()


@pytest.fixture(scope="module")
def driver(exporter: WebExporter) -> Iterator[Any]:
    with open_chromium(()) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTENER})
        show(driver, 1440, "light")
        yield driver


def show(driver: Any, width: int, scheme: str) -> None:
    """Give the window a width and a colour scheme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)


class Page:
    """The page as a person has it."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        driver.get(address)
        self.wait(lambda: self.all("h1"))

    def all(self, css: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", css))

    def wait(self, true: Callable[[], object]) -> None:
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        ignored = (StaleElementReferenceException,)
        WebDriverWait(self.driver, WAIT_S, 0.05, ignored_exceptions=ignored).until(lambda driver: true())

    def choose(self, path: Path, shown: str = ".answer") -> None:
        """Choose a picture and wait for what is said of it."""
        before = self.all(".result > *")
        self.all("#choose")[0].send_keys(str(path))
        self.wait(lambda: self.all(shown) and self.all(".result > *") != before)

    def text(self, css: str) -> str:
        return str(self.all(css)[0].text)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "circle.jpg"
    path.write_bytes(picture_bytes("circle", 40))
    return path


def test_it_answers_from_a_static_host_and_with_the_network_cut(
    driver: Any, site: Path, guide: Guide, exporter: WebExporter, picture: Path, tmp_path: Path
) -> None:
    expected = guide.classify(picture)
    with serving(site) as address:
        page = Page(driver, address)
        assert page.text("h1") == HOSTILE == driver.title
        page.wait(lambda: page.all(".kept[data-kept=true]"))  # nothing was asked: the first visit alone is enough
        port = int(address.split(":")[2].split("/")[0])
    page.choose(picture)
    check_answer(page, expected.class_name, guide)
    page = Page(driver, address)
    page.choose(picture)
    check_answer(page, expected.class_name, guide)
    assert page.text(".kept") == "Works without a network"
    elsewhere = driver.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
        ".filter((name) => !name.startsWith(arguments[0]) && !name.startsWith('blob:'))",
        address,
    )
    assert elsewhere == []
    assert driver.execute_script("return window.violations") == []
    check_new_version(page, tmp_path, guide, exporter, port)


def check_answer(page: Page, class_name: str, guide: Guide) -> None:
    """Check that the page shows the name as text, its bars, and an example that loads."""
    assert class_name.endswith(HOSTILE)
    assert page.text(".answer-name") == class_name
    assert len(page.all(".bar")) == len(guide.class_names)
    shown = "const image = document.querySelector('.compare img'); return image.complete && image.naturalWidth > 0"
    page.driver.execute_script("document.querySelector('.compare').scrollIntoView()")
    page.wait(lambda: page.driver.execute_script(shown))
    assert page.text(".compare figcaption") == f"{HOSTILE} · own"
    links = [link.get_attribute("href") for link in page.all(".answer a")]
    assert [link for link in links if "/#/class/" not in link] == ["https://example.org/about"]
    assert re.fullmatch(r"Answered in this browser in [\d.]+\ss\.", page.text(".took"))
    assert not page.all(".switch") and not page.all(".feedback"), "there is no server to choose or to write to"


def check_new_version(page: Page, tmp_path: Path, guide: Guide, exporter: WebExporter, port: int) -> None:
    """Check that what is exported anew is shown from the next start on, and that the old one is gone then."""
    shutil.copytree(guide.folder, tmp_path / "guide")
    export(change(tmp_path / "guide", {"name": "Newer"}), exporter, tmp_path / "site" / "below" / "a path")
    with serving(tmp_path / "site", port) as address:
        page = Page(page.driver, address)
        assert page.text("h1") == HOSTILE
        page.wait(
            lambda: page.driver.execute_async_script(
                "const done = arguments[0]; navigator.serviceWorker.getRegistration()"
                ".then((registration) => done(Boolean(registration?.waiting)))"
            )
        )

        def starts_anew() -> bool:
            """Leave the page, which the browser may hold a moment longer, and come back."""
            page.driver.get("about:blank")
            return Page(page.driver, address).text("h1") == "Newer"

        page.wait(starts_anew)
        count = "const done = arguments[0]; caches.keys().then((names) => done(names.length))"
        page.wait(lambda: page.driver.execute_async_script(count) == 1)


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1440, "light")])
def test_axe_finds_nothing_and_keys_do(driver: Any, site: Path, width: int, scheme: str, picture: Path) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make check")
    no_picture = picture.with_name("text.jpg")
    no_picture.write_text(HOSTILE, encoding="utf-8")
    other = picture.with_name("other.png")
    Image.effect_noise((200, 150), 90).save(other)
    show(driver, width, scheme)
    try:
        with serving(site) as address:
            page = Page(driver, address)
            check_accessible(driver)
            for key, focused in (("\ue004", "Skip to the content"), ("\ue007", ""), ("\ue004", "Choose pictures")):
                driver.switch_to.active_element.send_keys(key)
                assert focused in driver.switch_to.active_element.text
            for path, shown in (
                (picture, ".answer[data-declined=false]"),
                (other, ".answer"),
                (no_picture, ".trouble"),
            ):
                page.choose(path, shown)
                check_accessible(driver)
                assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
            assert "This picture cannot be used\nThis is not a picture" in page.text(".trouble")
            page.choose(picture)
    finally:
        show(driver, 1440, "light")


def check_accessible(driver: Any) -> None:
    driver.execute_script(AXE.read_text(encoding="utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run().then((result) => done(result.violations.map("
        "(rule) => `${rule.id}: ${rule.nodes[0].html} ${rule.nodes[0].failureSummary}`)))"
    )
    assert found == []


# ---- pixels


def save(image: Image.Image, kind: str, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def clear(image: Image.Image) -> Image.Image:
    """Return a picture that is more and more transparent from left to right."""
    image.putalpha(Image.linear_gradient("L").rotate(90).resize(image.size))
    return image


def turned(image: Image.Image, orientation: int) -> Image.Exif:
    exif = image.getexif()
    exif[0x0112] = orientation
    return exif


def files() -> dict[str, tuple[bytes, int]]:
    """Return files of every kind that is taken, and by how many levels a browser may differ from Python."""
    image = draw_picture("triangle", 3, 150)
    large = draw_picture("stripes", 1, 2500)
    grey = np.asarray(image.convert("L"), np.uint16) * 257
    made = {
        "PNG": (save(image, "PNG"), 0),
        "JPEG": (save(image, "JPEG", quality=90), 0),
        "progressive JPEG": (save(image, "JPEG", progressive=True), 0),
        "JPEG 4:4:4": (save(image, "JPEG", subsampling=0), 0),
        "grey JPEG": (save(image.convert("L"), "JPEG"), 0),
        "WebP": (save(image, "WEBP"), 0),
        "lossless WebP": (save(image, "WEBP", lossless=True), 0),
        "GIF": (save(image.quantize(64), "GIF"), 0),
        "BMP": (save(image, "BMP"), 0),
        "palette PNG": (save(image.quantize(64), "PNG"), 0),
        "grey PNG": (save(image.convert("L"), "PNG"), 0),
        "16-bit PNG": (save(Image.fromarray(grey), "PNG"), 1),
        "PNG with alpha": (save(clear(image.copy()), "PNG"), 1),
        "grey PNG with alpha": (save(clear(image.convert("L")), "PNG"), 1),
        "WebP with alpha": (save(clear(image.copy()), "WEBP", lossless=True, exact=True), 1),
        "GIF with a clear colour": (save(image.quantize(64), "GIF", transparency=5), 0),
        "CMYK JPEG": (save(image.convert("CMYK"), "JPEG"), 1),
        "animated PNG": (save(image, "PNG", save_all=True, append_images=[image.rotate(90)]), 0),
        "JPEG, decoded at half its size": (save(draw_picture("ring", 1, 1300), "JPEG", quality=90), 6),
        "JPEG, decoded at a quarter, turned": (save(large, "JPEG", quality=90, exif=turned(large, 6)), 6),
        "sRGB profile": (save(image, "JPEG", icc_profile=srgb_profile()), 1),
    }
    for kind in ("JPEG", "PNG", "WEBP"):
        for orientation in range(2, 9) if kind == "JPEG" else (6,):
            made[f"{kind}, orientation {orientation}"] = save(image, kind, exif=turned(image, orientation)), 0
    return made


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_every_kind_of_file_is_the_same_pixels(guide: Guide, exporter: WebExporter, tmp_path: Path) -> None:
    export(guide, exporter, tmp_path / "page")
    differences = {}
    with exporter.open(tmp_path / "page") as runtime:
        for name, (data, most) in files().items():
            answer = runtime.classify(data)
            assert answer.square is not None
            difference = spread(answer.square, guide.load(data))
            if difference > most:
                differences[name] = difference
            expected = guide.classify(data)
            assert answer.declined == expected.declined or difference > 0, name
        for data, reason in ((b"", "empty"), (b"GIF89a", "truncated"), (picture_bytes("circle", 1)[:300], "damaged")):
            with pytest.raises(BadImage) as refused:
                runtime.classify(data)
            assert refused.value.reason == reason
    assert differences == {}


@pytest.mark.parametrize("mistake", ["orientation ignored"])
def test_a_page_with_a_mistake_is_found_out(
    mistake: str, guide: Guide, exporter: WebExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(guide, exporter, tmp_path / "page")
    PREPARING_MISTAKES[mistake](tmp_path / "page", monkeypatch)
    with exporter.open(tmp_path / "page") as runtime:
        measured = measure_parity(
            GuideRuntime(guide), runtime, [ComparedFile(lambda: picture_bytes("circle", 41))], lambda: None
        )
    assert measured.doubts(exporter.facts) == ("it reads a turned photograph otherwise",)


def test_without_chromium_it_is_written_only_when_told_to(
    built: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not (ROOT / "src" / "fieldguide" / "web" / "guide" / "index.html").is_file():
        pytest.skip("the pages are not built: make pages")
    monkeypatch.setenv("PATH", str(tmp_path))
    project = fg.open_project(built.root)
    with pytest.raises(MissingExtra, match="web cannot be proved here: driving a browser needs Chromium") as refused:
        project.export("web", progress=None)
    assert "apt-get install chromium" in refused.value.hint and "--allow-disagreement" in refused.value.hint
    assert not (built.root / "exports" / "web").exists()
    report = project.export("web", allow_disagreement=True, progress=None)
    assert "needs Chromium" in report.unproved and report.compared == 0
    assert (built.root / "exports" / "web" / "index.html").is_file()


def spread(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())

"""The page that `serve` gives, in a real Chromium: whichever way a picture comes, wherever it is answered."""

import base64
import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from command import environment, start
from conftest import draw_picture
from fieldguide.chromium import open_chromium
from fieldguide.errors import MissingExtra
from fieldguide.guide import Guide, open_guide, write_manifest
from fieldguide.guide.page import find_page

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
HOSTILE = '"><img src=x onerror=alert(1)>'
KEY = "0123456789abcdef-the-key"
LISTENER = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
# a picture as another program puts it on the clipboard, or a person drags it in
GIVE = """
const [kind, data] = arguments;
const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], "given.png", { type: "image/png" }));
const how = { bubbles: true, cancelable: true, clipboardData: transfer, dataTransfer: transfer };
document.body.dispatchEvent(kind === "paste" ? new ClipboardEvent("paste", how) : new DragEvent(kind, how));
"""
REQUESTED = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
WAIT_S = 120
TAB, ENTER, ESCAPE, RIGHT = "\ue004", "\ue007", "\ue00c", "\ue014"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_page() is None, reason="the pages are not built: make pages"),
]


@pytest.fixture(scope="module")
def guide(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Guide:
    """Return a guide whose names and texts are meant to harm."""
    folder = tmp_path_factory.mktemp("page") / "guide"
    shutil.copytree(built_once / "guide", folder)
    about = json.loads((folder / "guide.json").read_text(encoding="utf-8"))
    for row in about["classes"]:
        row["name"] += HOSTILE
        row["about"] = f"About {row['name']}"
        row["links"] = ["javascript:alert(1)", {"url": "https://example.org/about", "label": f"Read {HOSTILE}"}]
        for each in row.get("neighbours", []):
            each["name"] += HOSTILE
    about["scores"]["per_class"] = {f"{name}{HOSTILE}": row for name, row in about["scores"]["per_class"].items()}
    (folder / "guide.json").write_text(json.dumps(about), encoding="utf-8")
    write_manifest(folder)
    return open_guide(folder)


@contextmanager
def serving(guide: Guide, *more: str | Path, key: str = "") -> Iterator[str]:
    """Start a server and yield its address."""
    variables = {**environment(), **({"FIELDGUIDE_API_KEY": key} if key else {})}
    server = start("serve", "--guide", guide.folder, "--port", "0", "--workers", "0", *more, env=variables)
    try:
        assert server.stderr
        match = re.match(r"(http://\S+)  ", server.stderr.readline())
        assert match
        yield match[1]
    finally:
        server.kill()
        server.communicate()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def address(guide: Guide, kept: Path) -> Iterator[str]:
    with serving(guide, "--feedback", kept) as address:
        yield address


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Run a browser with a camera that films a moving drawing, and may be used without asking."""
    try:
        with open_chromium(("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")) as driver:
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTENER})
            yield driver
    except MissingExtra as error:
        pytest.skip(str(error))


@pytest.fixture
def shapes(tmp_path: Path) -> list[Path]:
    """Save a picture of each class, and one of none."""
    paths = []
    for name in ("circle", "square", "triangle"):
        draw_picture(name, 80).save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    return paths


class Page:
    """The page as a person has it."""

    def __init__(self, driver: Any, address: str, width: int = 1440, scheme: str = "light") -> None:
        self.driver = driver
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
        driver.get("about:blank")
        driver.get(address)
        self.wait(lambda: self.all("h1"))
        driver.execute_script("localStorage.clear()")

    def all(self, css: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", css))

    def text(self, css: str) -> str:
        return str(self.all(css)[0].text)

    def texts(self, css: str) -> list[str]:
        return [element.text for element in self.all(css)]

    def wait(self, true: Callable[[], object]) -> None:
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        ignored = (StaleElementReferenceException,)
        WebDriverWait(self.driver, WAIT_S, 0.05, ignored_exceptions=ignored).until(lambda driver: true())

    def click(self, label: str) -> None:
        """Click the button or radio with this label when it is there."""
        path = f"//button[contains(., '{label}') or @aria-label='{label}'] | //label[contains(., '{label}')]"
        self.wait(lambda: self.driver.find_elements("xpath", path))
        self.driver.find_elements("xpath", path)[0].click()

    def choose(self, paths: Sequence[Path]) -> None:
        """Choose files and wait until each has its answer."""
        count = max(1, len(self.all(".strip li"))) if self.all(".stage") else 0
        self.all("#choose")[0].send_keys("\n".join(map(str, paths)))
        self.wait_answered(count + len(paths))

    def wait_answered(self, count: int) -> None:
        def is_answered() -> bool:
            shown = self.all(".strip li") or self.all(".stage")
            waiting = [text for text in self.texts(".strip-name") if "Looking" in text]
            return len(shown) == count and not waiting and bool(self.all(".answer, .result .trouble"))

        self.wait(is_answered)

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def shows(self, name: str) -> bool:
        """Tell whether the answer is of this name."""
        return self.text(".answer-name") == name

    def check_accessible(self) -> None:
        """Check with axe, and that nothing is wider than the window."""
        if not AXE.is_file():
            pytest.skip("axe-core is not installed: make check")
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then((result) => done(result.violations.map("
            "(rule) => `${rule.id}: ${rule.nodes[0].html} ${rule.nodes[0].failureSummary}`)))"
        )
        assert found == []
        assert self.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def expected(guide: Guide, path: Path) -> str:
    answer = guide.classify(path)
    assert not answer.declined
    return answer.class_name


def test_pictures_are_answered_as_python_does_and_names_are_only_text(
    driver: Any, address: str, guide: Guide, shapes: list[Path]
) -> None:
    page = Page(driver, address)
    page.choose(shapes[:1])
    answer = guide.classify(shapes[0])
    assert page.text(".answer-name") == answer.class_name and answer.class_name.endswith(HOSTILE)
    shown = [text.replace("\u00a0", " ") for text in page.texts(".bar .number")]
    assert shown[0] == page.text(".answer-prob").replace("\u00a0", " ")
    assert re.fullmatch(r"Of 100? answers as sure as this, about \d+ are right\.", page.text(".odds"))
    assert page.text(".took p").startswith("Answered by the server in ")
    links = [(link.text.strip(), link.get_attribute("href")) for link in page.all(".links a[target]")]
    assert links == [(f"Read {HOSTILE}", "https://example.org/about")]
    assert len(page.all(".examples figcaption")) == len(page.all(".examples img")) > 0
    requested = driver.execute_script(REQUESTED)
    assert not [name for name in requested if name.endswith((".wasm", ".onnx")) or "worker" in name]
    assert all(name.startswith((address, "blob:")) for name in requested)

    page.choose(shapes[1:])
    names = [name.splitlines()[0].rsplit(" ", 2)[0] for name in page.texts(".strip-name")]
    assert [name.partition(HOSTILE)[0] for name in names] == [
        expected(guide, path).removesuffix(HOSTILE) for path in shapes
    ]
    page.all(".strip-picture[aria-current]")[0].send_keys(RIGHT)
    page.wait(lambda: page.text(".answer-name") == expected(guide, shapes[2]))
    page.click("Remove this picture")
    page.wait(lambda: len(page.all(".strip li")) == 2)
    page.click("Remove all")
    page.wait(lambda: page.all(".welcome"))
    assert driver.execute_script("return window.violations") == []


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped_anywhere(
    kind: str, driver: Any, address: str, guide: Guide, shapes: list[Path]
) -> None:
    page = Page(driver, f"{address}#/about")
    driver.execute_script(GIVE, kind, base64.b64encode(shapes[1].read_bytes()).decode())
    page.wait_answered(1)
    assert page.text(".answer-name") == expected(guide, shapes[1])


def test_the_camera_is_looked_through_used_and_refused(driver: Any, address: str) -> None:
    page = Page(driver, address)
    page.click("Use the camera")
    page.wait(lambda: page.all(".viewfinder[data-state=live] video"))
    page.wait(lambda: driver.execute_script("return document.querySelector('video').videoWidth > 0"))
    page.all(".shutter")[0].click()
    page.click("Take another")
    page.wait(lambda: page.all(".shutter:enabled"))
    page.all(".shutter")[0].click()
    page.click("Use this picture")
    page.wait_answered(1)
    assert not page.all(".camera-dialog")
    refuse = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', arguments[0]))"
    for reason, words in (
        ("NotAllowedError", "It was not allowed"),
        ("NotFoundError", "no camera"),
        ("Odd", "not start"),
    ):
        driver.execute_script(refuse, reason)
        page.click("Use the camera")
        page.wait(lambda: page.all(".camera-dialog .trouble"))
        assert words in page.text(".camera-dialog .trouble")
        page.press(ESCAPE)
        page.wait(lambda: not page.all(".camera-dialog"))


def test_in_this_browser_the_answer_is_the_same_and_nothing_leaves_it(
    driver: Any, address: str, guide: Guide, shapes: list[Path]
) -> None:
    page = Page(driver, address)
    page.choose(shapes[:1])
    on_server = page.texts(".bar")
    page.click("Ask in this browser too")
    page.wait(lambda: page.all(".answer[data-place=browser]"))
    assert page.texts(".bar") == on_server
    assert page.text(".took p").startswith("Answered in this browser in ")
    page.click("In this browser")
    page.wait(lambda: page.all(".model-ready"))
    assert "The picture never leaves this device." in page.text(".place-note")
    driver.execute_script("performance.clearResourceTimings()")
    driver.execute_cdp_cmd("Network.enable", {})
    cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", cut)
    try:
        page.choose(shapes[1:])
        for name in [expected(guide, path) for path in shapes[1:]]:
            page.wait(partial(page.shows, name))
            page.all(".strip-picture[aria-current]")[0].send_keys(RIGHT)
        sent = [name for name in driver.execute_script(REQUESTED) if not name.startswith("blob:")]
        assert not [name for name in sent if "/v1/" in name]
        page.click("On the server")
        page.all("#choose")[0].send_keys(str(shapes[0]))
        page.wait(lambda: page.all(".result .trouble"))
    finally:
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**cut, "offline": False, "downloadThroughput": -1,
                                                                    "uploadThroughput": -1})  # fmt: skip
    assert driver.execute_script("return window.violations") == []


def test_a_visitor_says_what_it_really_is(driver: Any, address: str, guide: Guide, kept: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera's name"
    photo = draw_picture("circle", 81, 300)
    photo.save(tmp_path / "photo.jpg", exif=exif)
    page = Page(driver, address)
    page.choose([tmp_path / "photo.jpg"])
    assert not list(kept.iterdir()), "nothing is kept unless it is sent"
    page.click("Wrong? Say what it is")
    assert "kept to make it better" in page.text(".feedback")
    name = guide.class_names[1]
    for option in page.all(".feedback option"):
        if option.text == name:
            option.click()
    page.click("Send")
    page.wait(lambda: page.all(".feedback.sent"))
    with (kept / "feedback.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["label"] == name
    picture = (kept / row["path"]).read_bytes()
    assert b"A camera" not in picture and Image.open(io.BytesIO(picture)).size == photo.size


def test_the_page_asks_for_the_key_below_a_path(driver: Any, guide: Guide, shapes: list[Path]) -> None:
    with serving(guide, "--root-path", "/shapes", key=KEY) as address:
        page = Page(driver, f"{address}shapes/")
        assert page.text("h1") == "This guide wants a key" and "shapes" not in driver.title
        page.all("#key")[0].send_keys("not the key", ENTER)
        page.wait(lambda: page.text("#key-trouble") == "This is not the key.")
        page.all("#key")[0].clear()
        page.all("#key")[0].send_keys(KEY, ENTER)
        page.wait(lambda: page.all(".welcome"))
        page.choose(shapes[:1])
        assert page.text(".answer-name") == expected(guide, shapes[0])
        loaded = (
            "const image = document.querySelector('.examples img'); image.scrollIntoView(); return image.naturalWidth"
        )
        page.wait(lambda: driver.execute_script(loaded) > 0)
        page.click("Ask in this browser too")
        page.wait(lambda: page.all(".answer[data-place=browser]"))
        assert not page.all(".feedback"), "it is off unless set"
        assert driver.execute_script("return window.violations") == []


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(375, "dark"), pytest.param(375, "light", marks=pytest.mark.slow),
     pytest.param(1440, "dark", marks=pytest.mark.slow), (1440, "light")],
)  # fmt: skip
def test_axe_finds_nothing(
    width: int, scheme: str, driver: Any, address: str, shapes: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text(HOSTILE, encoding="utf-8")
    Image.effect_noise((200, 150), 90).save(tmp_path / "noise.png")
    page = Page(driver, address, width, scheme)
    page.check_accessible()
    page.choose(shapes[:1])
    page.click("Wrong? Say what it is")
    page.check_accessible()
    page.choose([tmp_path / "noise.png", tmp_path / "text.jpg"])
    page.check_accessible()
    page.all(".strip-picture[aria-current]")[0].send_keys(RIGHT)
    page.wait(lambda: page.all(".result .trouble"))
    assert "This picture cannot be used" in page.text(".result .trouble")
    page.check_accessible()
    page.click("Use the camera")
    page.wait(lambda: page.all(".viewfinder[data-state=live]"))
    page.check_accessible()
    page.press(ESCAPE)


def test_keys_do_everything(driver: Any, address: str, shapes: list[Path]) -> None:
    page = Page(driver, address)

    def focus(label: str) -> None:
        """Go on with the tab key until something of this label has the focus."""
        for _ in range(40):
            page.press(TAB)
            active = driver.switch_to.active_element
            if label in (active.text, active.get_attribute("value"), active.get_attribute("aria-label")):
                return
        raise AssertionError(f"{label} cannot be reached")

    focus("Use the camera")
    page.press(ENTER)
    page.wait(lambda: page.all(".shutter:enabled"))
    focus("Take the picture")
    page.press(ENTER)
    page.wait(lambda: driver.switch_to.active_element.text == "Use this picture")
    page.press(ENTER)
    page.wait_answered(1)
    focus("server")
    page.press(RIGHT)
    page.wait(lambda: page.all(".model-ready"))
    focus("Ask in this browser too")
    page.press(ENTER)
    page.wait(lambda: page.all(".answer[data-place=browser]"))
    focus("Wrong? Say what it is")
    page.press(ENTER)
    page.wait(lambda: driver.switch_to.active_element.tag_name == "select")

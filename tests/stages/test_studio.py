"""The studio in a real Chromium, by the keyboard: what it shows, what is saved, and that outside text is only text."""

import hashlib
import re
import resource
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import pytest

import fieldguide as fg
from command import start
from conftest import CLASS_NAMES, Pictures, make_project
from fieldguide.records import ImageRow, Label, Origin

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
def reviewed_once(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cleaned project of 37 pictures, one under two labels, by an author of a hostile name."""
    folder = tmp_path_factory.mktemp("studio")
    photos = pictures(folder / "photos", per_class=12)
    shutil.copy(photos / "circle" / "000.jpg", photos / "square" / "again.jpg")
    project = fg.new(folder / "project", CLASS_NAMES)
    project.add(photos, author=HOSTILE, licence="own", progress=None)
    project.clean(progress=None)
    return project.folder


@pytest.fixture
def folder(reviewed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reviewed_once, tmp_path / "project"))


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[tuple[Popen[str], str]]:
    """Start the command and yield its process and the link that it shows."""
    with start("review", "-C", folder, "--no-browser", "--port", str(port)) as server:
        try:
            assert server.stderr
            text = ""
            for line in iter(server.stderr.readline, ""):
                text += line
                if match := re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line):
                    yield server, match[0]
                    return
            raise AssertionError(text)
        finally:
            server.kill()


@pytest.fixture
def link(folder: Path) -> Iterator[str]:
    with serving(folder) as (_, link):
        yield link


class Studio:
    """The page as a person has it: looked at and pressed keys in."""

    def __init__(self, driver: Any, link: str) -> None:
        self.driver = driver
        self.address = link.partition("?")[0]
        driver.get(link)
        self.wait_for(".cell img")

    def all(self, css: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", css))

    def wait(self, true: Callable[[], object]) -> None:
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        ignored = (StaleElementReferenceException,)
        WebDriverWait(self.driver, WAIT_S, 0.05, ignored_exceptions=ignored).until(lambda driver: true())

    def wait_for(self, css: str, count: int = 1) -> list[Any]:
        self.wait(lambda: len(self.all(css)) >= count)
        return self.all(css)

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def press_shift(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        ActionChains(self.driver).key_down(Keys.SHIFT).send_keys(*keys).key_up(Keys.SHIFT).perform()

    def wait_saved(self, badge: str, number: int = 0) -> None:
        """Wait until a picture of the grid has this badge and everything is saved."""

        def is_so() -> bool:
            badges = [element.text for element in self.all(f'[data-number="{number}"] .badge')]
            return badges == ([badge] if badge else []) and self.all(".saved")[0].text == "Saved"

        self.wait(is_so)


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Run a Chromium; skip where there is none or the pages are not built."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("no Chromium with its driver here")
    if not (ROOT / "src" / "fieldguide" / "web" / "studio" / "index.html").is_file():
        pytest.skip("the pages are not built: make pages")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run"):
        options.add_argument(f"--{flag}")
    options.add_argument("--disable-background-networking")
    browser = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTENER})
    show(browser, 1280, "light")
    yield browser
    browser.quit()


def show(driver: Any, width: int, scheme: str) -> None:
    """Give the window a width and a colour scheme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )


@pytest.fixture
def studio(driver: Any, link: str) -> Studio:
    return Studio(driver, link)


def states(folder: Path) -> dict[str, str]:
    return {image.sha256: image.state for image in fg.open_project(folder).images()}


def sha256_at(studio: Studio, number: int) -> str:
    source = studio.all(f'[data-number="{number}"] img')[0].get_attribute("src")
    return str(source).split("/")[-2]


def test_keys_alone_decide_undo_and_redo(studio: Studio, folder: Path) -> None:
    second = sha256_at(studio, 1)
    studio.press("n", "d")
    studio.wait_saved("dropped", 1)
    assert states(folder)[second] == "rejected"
    studio.press("p", "r")
    studio.wait_for("[cmdk-input]")
    studio.press("tri", "\ue007")
    studio.wait_saved("triangle", 1)
    relabelled = {image.sha256: image for image in fg.open_project(folder).images()}[second]
    assert (relabelled.class_name, relabelled.state) == ("triangle", "kept")
    studio.press("u")
    studio.wait_saved("dropped", 1)
    studio.press("u")
    studio.wait_saved("", 1)
    studio.press_shift("u")
    studio.wait_saved("dropped", 1)
    assert states(folder)[second] == "rejected"
    studio.press("?")
    assert "Keep" in studio.wait_for(".help dd")[0].text


def test_what_has_two_labels_comes_first_and_asks_for_one(studio: Studio, folder: Path) -> None:
    assert "two labels" in studio.all('[data-number="0"]')[0].text
    studio.press("k")
    studio.wait_for("[cmdk-item]")
    assert {item.text.split("\n")[0] for item in studio.all("[cmdk-item]")[:2]} == {"circle", "square"}
    studio.press("squ", "\ue007")
    studio.wait_saved("square")


def test_many_at_once_are_one_undo(studio: Studio, folder: Path) -> None:
    before = states(folder)
    first, last = studio.all('[data-number="2"]')[0], studio.all('[data-number="6"]')[0]
    from selenium.webdriver.common.action_chains import ActionChains

    studio.press("n", "n")
    studio.press_shift("\ue014", "\ue014")
    studio.wait(lambda: len(studio.all('[aria-selected="true"]')) == 3)
    studio.press("\ue00c")
    studio.wait(lambda: not studio.all('[aria-selected="true"]'))
    ActionChains(studio.driver).move_to_element(first).click_and_hold().move_to_element(last).release().perform()
    studio.wait(lambda: len(studio.all('[aria-selected="true"]')) >= 2)
    count = len(studio.all('[aria-selected="true"]'))
    studio.press("d")
    studio.wait(lambda: len(studio.all(".badge.drop:not(.saving)")) == count)
    assert sum(state == "rejected" for state in states(folder).values()) > sum(s == "rejected" for s in before.values())
    studio.press("u")
    studio.wait(lambda: not studio.all(".badge"))
    assert states(folder) == before


def test_a_picture_decided_elsewhere_meanwhile(studio: Studio, link: str, folder: Path) -> None:
    sha256 = sha256_at(studio, 1)
    choice = {"sha256": sha256, "decision": "keep", "revision": 0}
    with httpx.Client(base_url=studio.address, headers={"Origin": studio.address.rstrip("/")}) as other:
        other.get(link)
        assert other.post("/api/decisions", json={"by": "other", "decisions": [choice]}).status_code == 200
    studio.press("n", "d")
    studio.wait_saved("kept", 1)
    assert "decided elsewhere meanwhile" in studio.all(".notice.warn")[0].text
    assert states(folder)[sha256] == "kept"
    next(button for button in studio.all(".notice button") if button.text == "Decide all the same").click()
    studio.wait_saved("dropped", 1)
    assert states(folder)[sha256] == "rejected"


def test_what_the_server_did_not_acknowledge_is_not_called_saved(driver: Any, folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with serving(folder, port) as (server, link):
        studio = Studio(driver, link)
        sha256 = sha256_at(studio, 1)
        server.kill()
        server.wait()
        studio.press("n", "d")
        studio.wait(lambda: studio.all(".saved.trouble"))
        assert studio.all('[data-number="1"] .badge.saving')
        assert "Not saved yet" in studio.all(".notice")[0].text
    with serving(folder, port) as (_, link):
        page = driver.current_window_handle
        driver.switch_to.new_window("tab")
        driver.get(link)  # the new start has a new token
        driver.close()
        driver.switch_to.window(page)
        studio.wait_saved("dropped", 1)
        assert states(folder)[sha256] == "rejected"


def test_every_view_has_an_address(studio: Studio, driver: Any) -> None:
    from selenium.webdriver.support.ui import Select

    selects = [select for select in studio.all(".select") if select.text.startswith("Class")]
    Select(selects[0].find_element("css selector", "select")).select_by_value("circle")
    studio.wait(lambda: "class_name=circle" in driver.current_url)
    studio.wait(lambda: {cell.text for cell in studio.all(".class-name")} == {"circle"})
    studio.press("\ue00c")
    studio.all(".grid")[0].click()
    studio.press("o")
    studio.wait(lambda: "picture=" in driver.current_url)
    address = driver.current_url
    driver.get("about:blank")
    driver.get(address)
    assert studio.wait_for(".facts h2")[0].text == "circle"
    studio.press("\ue00c")
    studio.wait(lambda: "picture=" not in driver.current_url)
    studio.wait(lambda: {cell.text for cell in studio.all(".class-name")} == {"circle"})


def test_one_picture_large_and_more_like_it(studio: Studio, driver: Any) -> None:
    studio.press("n", "\ue007")
    studio.wait_for(".facts .strip img", 4)
    facts = studio.all(".facts")[0].text
    assert HOSTILE in facts
    assert "own" in facts and "Nobody has decided on it yet." in facts
    studio.press("d")
    studio.wait(lambda: "picture=" in driver.current_url and studio.all(".viewer"))
    studio.press("p")
    studio.wait(lambda: "dropped" in studio.all(".history")[0].text if studio.all(".history") else False)
    studio.press("m")
    studio.wait(lambda: "like=" in driver.current_url and len(studio.all('[aria-selected="true"]')) == 12)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="another program's limits are set on Linux alone")
def test_a_full_disk_is_said_and_what_waits_is_saved_when_there_is_space(driver: Any, folder: Path) -> None:
    with serving(folder) as (server, link):
        studio = Studio(driver, link)
        sha256 = sha256_at(studio, 1)
        limits = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, limits[1]))  # nothing it writes has a place
        studio.press("n", "d")
        studio.wait(lambda: studio.all(".saved.trouble"))
        notice = studio.all(".notice.bad")[0].text
        assert notice.startswith("Not saved yet. No space left") and "free some space" in notice
        assert studio.all('[data-number="1"] .badge.saving') and not studio.all(".badge:not(.saving)")
        assert states(folder)[sha256] == "kept"
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, limits)
        studio.wait_saved("dropped", 1)
        assert states(folder)[sha256] == "rejected" and not studio.all(".notice.bad")


def is_near(studio: Studio, number: int, most: float) -> bool:
    """Tell whether the pictures in sight are about those of this number."""
    return abs(int(studio.all(".cell")[-1].get_attribute("data-number")) - number) < most


def first_in_sight(studio: Studio) -> int:
    script = """const top = arguments[0].getBoundingClientRect().top;
        return Math.min(...[...arguments[0].querySelectorAll(".cell")]
            .filter((cell) => cell.getBoundingClientRect().bottom > top).map((cell) => Number(cell.dataset.number)))"""
    return int(studio.driver.execute_script(script, studio.all(".grid")[0]))


@pytest.mark.parametrize(
    ("rows", "width"), [(1000, 1280), pytest.param(130_000, 375, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_any_place_of_a_list_is_reached_also_where_a_browser_cannot_draw_it_whole(
    rows: int, width: int, driver: Any, tmp_path: Path
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    project = make_project(tmp_path / "project")
    added = []
    for number in range(rows):  # the rows alone: their pictures cannot be shown, their labels can
        name = hashlib.sha256(str(number).encode()).hexdigest()
        image = ImageRow(name, "JPEG", 50_000, 640, 480, "RGB", 1)
        origin = Origin(name, "folder", f"photos/{number}.jpg", "Ann", "own")
        added.append((image, origin, Label(name, CLASS_NAMES[number % 3], "folder")))
    with project.catalog() as catalog, catalog.transaction():
        catalog.add_images(added, "2026-01-01")
    show(driver, width, "light")
    try:
        with serving(project.root) as (_, link):
            studio = Studio(driver, link)
            grid = studio.all(".grid")[0]
            for share in (0.9, 0.3, 0.6):
                driver.execute_script("arguments[0].scrollTop = arguments[0].scrollHeight * arguments[1]", grid, share)
                studio.wait(partial(is_near, studio, int(rows * share), max(60, rows / 10)))
                studio.wait(lambda: {cell.text for cell in studio.all(".class-name")} == set(CLASS_NAMES))
            assert studio.all(".rows")[0].size["height"] < 11_000_000, "a phone with 3 pixels to one draws 11.2 million"
            before = first_in_sight(studio)
            ActionChains(driver).scroll_from_origin(ScrollOrigin.from_element(grid), 0, 300).perform()
            studio.wait(lambda: first_in_sight(studio) > before)
            assert first_in_sight(studio) - before <= 20, "a wheel goes row by row"
            for key, number in (("\ue010", rows - 1), ("\ue011", 0), ("\ue010", rows - 1)):
                studio.press(key)
                studio.wait(partial(studio.all, f'[data-number="{number}"].active'))
            studio.press("p", "p", "d")
            studio.wait_saved("dropped", rows - 3)
    finally:
        show(driver, 1280, "light")


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1280, "light"), (2560, "dark")])
def test_axe_finds_nothing_and_the_policy_holds(driver: Any, link: str, width: int, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make check")
    show(driver, width, scheme)
    try:
        studio = Studio(driver, link)
        check_accessible(driver)
        for keys, css in ((("?",), ".help"), (("r",), "[cmdk-item]"), (("n", "\ue007"), ".facts .strip img")):
            studio.press(*keys)
            studio.wait_for(css)
            check_accessible(driver)
            studio.press("\ue00c")
            studio.wait(lambda: not studio.all(".dialog"))
            studio.wait(lambda: driver.switch_to.active_element == studio.all(".grid")[0])
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert driver.execute_script("return window.violations") == []
    finally:
        show(driver, 1280, "light")


def check_accessible(driver: Any) -> None:
    driver.execute_script(AXE.read_text(encoding="utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run().then((result) => done(result.violations.map("
        "(rule) => `${rule.id}: ${rule.nodes[0].html} ${rule.nodes[0].failureSummary}`)))"
    )
    assert found == []

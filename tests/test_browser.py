"""The plain page in a real browser: a picture goes in, an answer comes out, and nothing else runs."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Pictures
from fieldguide.project import Project

pytestmark = pytest.mark.browser


@pytest.fixture
def address(built: Project) -> Iterator[str]:
    """The address of the built guide, served by the real command."""
    command = [sys.executable, "-m", "fieldguide", "serve", "-C", str(built.root), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        yield process.stderr.readline().split()[0]
        process.terminate()


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
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--window-size=1000,900",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def send(browser: Any, picture: Path) -> None:
    """Chooses a picture and waits for the answer or the problem."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser.find_element("id", "file").send_keys(str(picture))
    done = "return !document.getElementById('result').hidden || !document.getElementById('problem').hidden"
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(done))


def test_a_picture_gets_its_name_and_examples(browser: Any, address: str, pictures: Pictures, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "fresh", per_class=1, first=100)
    browser.get(address)
    send(browser, folder / "circle" / "100.jpg")
    assert browser.find_element("id", "answer").text in ("circle", "None of these")
    bars = browser.find_elements("css selector", "#bars .bar")
    assert len(bars) == 3
    assert bars[0].text.startswith("circle")
    severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE" and "favicon" not in str(line)]
    assert severe == []


def test_a_file_that_is_no_picture_is_explained(browser: Any, address: str, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html><script>document.title = 'ran'</script></html>", encoding="utf-8")
    browser.get(address)
    send(browser, tmp_path / "page.jpg")
    assert browser.find_element("id", "problem").text
    assert not browser.find_element("id", "result").is_displayed()
    assert browser.title != "ran"

"""The system's own Chromium, headless, driven through Selenium: found, started with an empty profile, and ended.

Knows nothing about what is shown in it. It says what it is: nothing is disguised.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fieldguide.errors import MissingExtra
from fieldguide.optional import require

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-sync",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--no-pings",
    "--homepage=about:blank",
    "--disable-dev-shm-usage",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
)


def find_chromium() -> tuple[str, str]:
    """Return the paths of the system's Chromium and of its driver.

    Raises:
        MissingExtra: one of them is not there, or Selenium is not installed.
    """
    require("selenium", extra="browser")
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        missing = "Chromium" if not browser else "chromedriver"
        raise MissingExtra(
            f"driving a browser needs {missing}, which is not on the path",
            "install the system's chromium and its driver, on Debian: apt-get install chromium chromium-driver",
        )
    return browser, driver


@contextmanager
def open_chromium(flags: Sequence[str]) -> Iterator[Any]:
    """Run a browser with an empty profile of its own, as a `selenium.webdriver.Chrome`; both are gone after the block.

    Args:
        flags: further flags of its command line.

    Raises:
        MissingExtra: it is not there, or does not start.
    """
    browser, chromedriver = find_chromium()
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service

    # ignore_cleanup_errors: the browser's last helper may still be writing into it
    with tempfile.TemporaryDirectory(prefix="fieldguide-", ignore_cleanup_errors=True) as folder:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        options.page_load_strategy = "eager"
        for flag in (*_FLAGS, f"--user-data-dir={Path(folder) / 'profile'}", *flags):
            options.add_argument(flag)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # Chromium does not start otherwise for root, as in a container
        options.add_experimental_option("prefs", {"download_restrictions": 3})
        # its own session: Ctrl-C is for us, who then end it in order
        service = Service(chromedriver, popen_kw={"start_new_session": True})
        try:
            driver = webdriver.Chrome(options=options, service=service)
        except WebDriverException as error:
            message = (error.msg or "").splitlines()[0][:200]
            hint = "check that chromium and its driver match"
            raise MissingExtra(f"Chromium does not start: {message}", hint) from error
        try:
            yield driver
        finally:
            with suppress(WebDriverException, OSError):
                driver.quit()
            service.stop()

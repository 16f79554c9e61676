"""Use web pages in headless Chromium, if it and its driver are installed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PAGE_TIMEOUT = 30
NOT_YET = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
SWITCHES = (
    "--headless=new",
    "--window-size=1280,1800",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--hide-scrollbars",
    # No request leaves this machine, not even for an address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_chromium() -> str | None:
    """Return the path of Chromium under one of its names; None if it is not installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def find_missing() -> str | None:
    """Return which program of the browser is not installed, as a message; None if all are."""
    if not find_chromium():
        return "Chromium is not installed"
    return None if shutil.which("chromedriver") else "ChromeDriver is not installed"


class Browser:
    """Open pages, click and type; each step waits until the page is ready for it.

    :param folder: Folder for the browser's profile and the screenshots.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._screenshots = 0
        options = ChromeOptions()
        options.binary_location = find_chromium()
        for switch in (*SWITCHES, f"--user-data-dir={folder / 'profile'}", *["--no-sandbox"] * (os.geteuid() == 0)):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        self._driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))

    def close(self) -> None:
        """End the browser and its driver."""
        self._driver.quit()

    def open(self, url: str) -> None:
        """Load a page."""
        self._driver.get(url)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the window."""
        self._driver.set_window_size(width, height)

    def set_item(self, key: str, value: str) -> None:
        """Set an item of the local storage of the page's origin."""
        self._driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", key, value)

    def set_cookie(self, name: str, value: str) -> None:
        """Set a cookie for the page's host."""
        self._driver.add_cookie({"name": name, "value": value})

    def enter_frame(self) -> None:
        """Wait for the frame in the page and go on in it."""
        self._driver.switch_to.frame(self.find("//iframe"))

    def leave_frame(self) -> None:
        """Go on in the page around the frame."""
        self._driver.switch_to.default_content()

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        return self._driver.execute_script(f"return {expression}")

    def execute(self, script: str) -> None:
        """Run JavaScript statements."""
        self._driver.execute_script(script)

    @property
    def errors(self) -> list[str]:
        """The errors in the browser's console since they were read last."""
        return [each["message"] for each in self._driver.get_log("browser") if each["level"] == "SEVERE"]

    def requested_hosts(self) -> set[str]:
        """Return the hosts, with their ports, that the pages have sent requests to since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")]
        sent = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return {address.netloc for address in map(urlsplit, sent) if address.scheme in ("http", "https", "ws", "wss")}

    def find(self, xpath: str) -> WebElement:
        """Wait until an element is visible, and return it."""

        def visible() -> WebElement | None:
            element = self._driver.find_element(By.XPATH, xpath)
            return element if element.is_displayed() else None

        return self.wait(visible, xpath)

    def texts(self, *selectors: str) -> list[str]:
        """Wait until each CSS selector matches an element with text, and return the texts."""
        script = "return arguments[0].map(selector => document.querySelector(selector)?.innerText)"

        def found() -> list[str] | None:
            texts: list[str] = self._driver.execute_script(script, selectors)
            return texts if all(texts) else None

        read: list[str] = self.wait(found, f"text under {selectors}")
        return read

    def click(self, xpath: str) -> None:
        """Click an element as soon as no other element covers it."""

        def clicked() -> bool:
            self._driver.find_element(By.XPATH, xpath).click()
            return True

        self.wait(clicked, f"click on {xpath}")

    def type(self, xpath: str, text: str) -> None:
        """Type into an element and wait until it contains the text."""
        self.find(xpath).send_keys(text)
        self.wait(lambda: self.find(xpath).get_attribute("value") == text, f"text in {xpath}")

    def press(self, *keys: str) -> None:
        """Press keys by their names, such as ``ARROW_DOWN``, or characters, wherever the focus is."""
        ActionChains(self._driver).send_keys(*(getattr(Keys, key, key) for key in keys)).perform()

    def wait_gone(self, xpath: str) -> None:
        """Wait until no element matches."""
        self.wait(lambda: not self._driver.find_elements(By.XPATH, xpath), f"end of {xpath}")

    def wait_still(self) -> None:
        """Wait until every finite animation has ended."""
        script = """
            const moving = each => each.playState === 'running' && each.effect.getComputedTiming().endTime !== Infinity
            return !document.getAnimations().some(moving)
        """
        self.wait(lambda: self._driver.execute_script(script), "end of all animations")

    def wait(self, predicate: Callable[[], Any], what: str) -> Any:
        """Call the predicate until it returns a true value, and return that value.

        :raises AssertionError: if it stays false; the message names a screenshot
        """
        try:
            return WebDriverWait(self._driver, PAGE_TIMEOUT, 0.05, NOT_YET).until(lambda driver: predicate())
        except TimeoutException:
            raise AssertionError(f"no {what} after {PAGE_TIMEOUT} s; see {self.screenshot('failed')}") from None

    def save_picture(self, path: Path) -> None:
        """Save a picture of the window."""
        assert self._driver.save_screenshot(str(path))

    def screenshot(self, name: str) -> Path:
        """Save a picture of the page as a numbered PNG file."""
        self._screenshots += 1
        path = self._folder / f"{self._screenshots}-{name}.png"
        self.save_picture(path)
        return path


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Run a browser for the `with` block."""
    browser = Browser(folder)
    try:
        yield browser
    finally:
        browser.close()

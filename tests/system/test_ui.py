"""The page *Polytomic* in Airflow's UI, as a person sees it in a browser."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .browser import Browser, browsing, find_missing
from .cluster import AIRFLOW_VERSION, API_ROOT, Cluster

VERSION = tuple(map(int, AIRFLOW_VERSION.split(".")[:2]))
COLUMNS = ("name", "kind", "state", "ended", "seconds", "records", "errors", "next", "executions", "tasks")
KEYBOARD = [f"Keyboard {each}" for each in "abc"]
PASSWORDS = {"reader": "password-of-the-reader", "viewer": "password-of-the-viewer"}

needs_pages = pytest.mark.skipif(VERSION < (3, 1), reason="this Airflow has no pages of plugins")
on_newest = pytest.mark.skipif(VERSION < (3, 3), reason="tested on Airflow 3.3 only")


class PolytomicPage:
    """Use the page in Airflow's UI."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(self) -> None:
        self.browser.open(f"{self.url}/plugin/polytomic")
        self.browser.enter_frame()

    def search(self, words: str) -> None:
        self.browser.find("//input[@type='search']").clear()
        self.browser.type("//input[@type='search']", words)

    def rows(self) -> list[dict[str, str]]:
        """Return the visible rows by the names of the columns."""
        cells = self.browser.evaluate(
            "[...document.querySelectorAll('tr.sync')].filter(row => !row.hidden)"
            ".map(row => [...row.children].map(cell => cell.innerText.trim()))"
        )
        return [dict(zip(COLUMNS, row)) for row in cells]

    def wait_for_row(self, **texts: str) -> dict[str, str]:
        """Wait for a row whose cells contain these texts."""

        def found() -> dict[str, str] | None:
            rows = self.rows()
            return next((row for row in rows if all(text in row[name] for name, text in texts.items())), None)

        row: dict[str, str] = self.browser.wait(found, f"row with {texts}")
        return row

    def names(self) -> list[str]:
        return [row["name"] for row in self.rows()]

    def sort_by(self, column: str) -> None:
        self.browser.click(f"//th[@data-sort='{column}']/button")


@pytest.fixture(scope="module", autouse=True)
def syncs(page_emulator: Any) -> dict[str, Any]:
    """Add the syncs before the page lists them for the first time."""
    names = ("Followed from Polytomic", "Themed", "For readers only", *KEYBOARD)
    return {name: page_emulator.add_model_sync(name=name, duration=math.inf) for name in names}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if missing := find_missing():
        pytest.skip(missing)
    with browsing(tmp_path) as browser:
        yield browser


@pytest.fixture
def page(cluster: Cluster, browser: Browser) -> PolytomicPage:
    """The page for somebody who is logged in: before 3.3, Airflow does not return to a page after its login."""
    browser.open(f"{cluster.url}{API_ROOT}/version")
    token = httpx.get(f"{cluster.url}/auth/token", trust_env=False).json()["access_token"]
    browser.set_cookie("_token", token)
    return PolytomicPage(browser, cluster.url)


@pytest.mark.skipif(VERSION < (3, 0), reason="Airflow 2 lists its plugins elsewhere")
def test_the_plugin_is_loaded_without_an_error(cluster):
    plugins = {each["name"]: each for each in cluster.rest("GET", "plugins?limit=100")["plugins"]}
    shown = plugins["polytomic_ui"]
    assert [each["name"] for each in shown["fastapi_apps"]] == ["Polytomic page"] * (VERSION >= (3, 1))
    assert [each["name"] for each in shown.get("external_views", [])] == ["Polytomic"] * (VERSION >= (3, 1))
    if VERSION >= (3, 1):
        assert cluster.rest("GET", "plugins/importErrors")["import_errors"] == []


@needs_pages
def test_the_page_shows_sorts_and_searches_the_syncs(page_emulator, page):
    script = "<script>document.title = 'injected'</script>"
    group = "Sorted"
    for name, records in ((f"{group} b", 7), (f"{group} a {script}", 300), (f"{group} c", 20)):
        sync = page_emulator.add_model_sync(name=name, counts={"total": records})
        page_emulator.finish(page_emulator.start(sync.id).id)
    failing = page_emulator.add_bulk_sync(name=f"{group} d")
    page_emulator.finish(page_emulator.start(failing.id).id, "failed")
    page.open()
    page.search(group)
    for name in ("a", "b", "c", "d"):
        page.wait_for_row(name=f"{group} {name}", state="failed" if name == "d" else "success")
    page.browser.screenshot("table")
    assert page.names()[0] == f"{group} d"
    page.wait_for_row(name=script, kind="model", records="300")
    page.sort_by("name")
    assert [name[: len(group) + 2] for name in page.names()] == [f"{group} {each}" for each in "abcd"]
    page.sort_by("records")
    page.browser.wait(lambda: [row["records"] for row in page.rows()][:3] == ["300", "20", "7"], "rows by records")
    assert page.browser.evaluate("document.querySelector('[aria-sort]').dataset.sort") == "records"
    page.search(f"{group} bulk")
    assert page.names() == [f"{group} d"]
    page.search("no such sync")
    assert page.browser.find("//p[@id='empty']").text == "No sync matches the search."
    assert page.browser.evaluate("document.title") == "Polytomic"
    assert [each for each in page.browser.errors if "polytomic-ui" in each] == []


@on_newest
def test_a_sync_is_seen_to_start_run_and_fail_with_its_dag_and_the_cause(run_dag, page_emulator, cluster, page, syncs):
    idle = syncs["Followed from Polytomic"]
    page.open()
    page.search("Followed")
    page.wait_for_row(name=idle.name, state="never run")
    execution = page_emulator.start(idle.id)
    page.wait_for_row(name=idle.name, state="running")
    page_emulator.finish(execution.id, "failed", errors=["The session has expired"])
    page.wait_for_row(name=idle.name, state="failed")
    page.browser.click(f"//button[contains(., '{idle.name}')]")
    report = page.browser.find("//tr[@class='details']//pre[contains(., 'Next:')]").text
    assert "Polytomic says: The session has expired" in report
    assert "re-authorize the sync's source or target in Polytomic" in report
    page.browser.screenshot("details")

    run = run_dag("model_worker_plain")
    run.wait_until_waiting()
    page_emulator.add_model_sync(id=run.sync_id, name="Started by a DAG", duration=math.inf)
    page_emulator.start(run.sync_id)
    page.open()
    page.search(run.sync_id)
    page.wait_for_row(name="Started by a DAG", state="running", tasks="model_worker_plain.sync")
    page.browser.click("//a[contains(., 'model_worker_plain.sync')]")
    page.browser.leave_frame()
    task_page = f"{cluster.url}/dags/model_worker_plain/runs/{run.run_id}/tasks/sync"
    page.browser.wait(
        lambda: page.browser.evaluate("location.pathname").endswith("/tasks/sync"), f"Airflow's page {task_page}"
    )
    run.finish()
    run.wait_for_state("success")


@on_newest
def test_the_page_can_be_used_with_the_keyboard(page):
    page.open()
    page.wait_for_row(name=KEYBOARD[-1], state="never run")
    press = page.browser.press
    press("/", *"keyboard")
    page.browser.wait(lambda: page.names() == KEYBOARD, "rows that match the search")
    press("TAB", "ENTER")
    assert page.browser.evaluate("document.querySelector('[aria-sort]').dataset.sort") == "name"
    press("ENTER")
    assert page.names() == KEYBOARD[::-1]
    press("TAB", *["TAB"] * (len(COLUMNS) - 2), "ARROW_DOWN", "ARROW_DOWN", "ARROW_UP", "ENTER")
    opened = "document.querySelector('tr.sync.open .name')"
    assert page.browser.evaluate(f"{opened}.innerText") == "Keyboard b"
    assert page.browser.evaluate(f"{opened} === document.activeElement && {opened}.ariaExpanded") == "true"
    page.browser.find("//tr[@class='details']//li[.='It has never run.']")
    press("SPACE")
    page.browser.wait_gone("//tr[@class='details']")


@on_newest
def test_the_page_follows_the_theme_of_airflow_and_fits_a_narrow_window(page):
    page.open()
    page.wait_for_row(name="Themed")
    background = "getComputedStyle(document.body).backgroundColor"
    colors = {}
    for theme in ("light", "dark"):
        page.browser.leave_frame()
        page.browser.set_item("theme", theme)
        page.open()
        page.wait_for_row(name="Themed")
        colors[theme] = page.browser.evaluate(background)
        page.browser.screenshot(theme)
    assert colors == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 17, 19)"}
    page.browser.resize(480, 900)
    assert page.browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.browser.screenshot("narrow")
    names = page.browser.evaluate("[...document.querySelectorAll('tr.sync button')].every(each => each.ariaLabel)")
    assert names


@on_newest
def test_the_page_is_for_people_who_may_read_connections(cluster, browser):
    passwords = cluster.home / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS))
    url = cluster.start_api_server(
        "api-server-with-users",
        {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "reader:op,viewer:viewer",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        },
    )
    assert httpx.get(f"{url}/polytomic-ui/", trust_env=False).status_code == 401
    assert httpx.get(f"{url}/polytomic-ui/connections/polytomic_page/syncs", trust_env=False).status_code == 401
    page = PolytomicPage(browser, url)
    log_in(browser, url, "reader")
    page.open()
    page.wait_for_row(name="For readers only")
    browser.leave_frame()
    token = httpx.post(f"{url}/auth/token", json=login("viewer"), trust_env=False).json()["access_token"]
    browser.set_cookie("_token", token)
    page.open()
    assert "You may not read this Airflow connection" in browser.find("//*[@class='problem']").text
    assert page.rows() == []


def login(user: str) -> dict[str, Any]:
    return {"username": user, "password": PASSWORDS[user]}


def log_in(browser: Browser, url: str, user: str) -> None:
    """Log in with the form of the simple auth manager."""
    browser.open(f"{url}/auth/login/")
    for name, value in login(user).items():
        browser.type(f"//input[@name='{name}']", value)
    browser.click("//button[@type='submit']")
    browser.wait(lambda: "/auth/login" not in browser.evaluate("location.pathname"), "end of the login")

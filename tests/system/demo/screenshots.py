"""Make the pictures of Airflow's UI for the docs: the page *Polytomic*, a form, the grid and a failure report."""

from __future__ import annotations

import tempfile
from pathlib import Path

from airflow_provider_polytomic.emulator import Emulator
from airflow_provider_polytomic.emulator.samples import FAILING_MODEL_SYNC_ID, MODEL_SYNC_ID
from tests.system.browser import Browser, browsing, find_missing
from tests.system.cluster import Cluster
from tests.system.connection_form import ConnectionsPage

from .screen import Screen

DAG_ID = "example_polytomic_sync"
SYNCS = (MODEL_SYNC_ID, FAILING_MODEL_SYNC_ID)
RUN_TIMEOUT = 120
WIDTH, HEIGHT, LOG_HEIGHT = 1280, 800, 720


def make_screenshots(screen: Screen, cluster: Cluster, emulator: Emulator, folder: Path) -> None:
    """Run a DAG a few times, and save pictures of Airflow's UI as PNG files.

    :raises RuntimeError: if there is no browser
    """
    if missing := find_missing():
        raise RuntimeError(missing)
    screen.say(f"Running the DAG {DAG_ID} for {len(SYNCS)} syncs")
    for sync_id in SYNCS:
        run_id = _run(cluster, sync_id)
    with tempfile.TemporaryDirectory() as profile, browsing(Path(profile)) as browser:
        browser.resize(WIDTH, HEIGHT)
        browser.open(cluster.url)
        for theme, suffix in (("dark", "-dark"), ("light", "")):
            browser.set_item("theme", theme)
            _open_page(browser, cluster)
            browser.leave_frame()
            _save_when_drawn(browser, folder / f"ui{suffix}.png")
        _save_details(browser, cluster, folder / "ui-details.png")
        _save_form(browser, cluster, folder / "connection-form.png")
        _save_grid(browser, cluster, folder / "grid.png")
        _save_report(browser, f"{cluster.url}/dags/{DAG_ID}/runs/{run_id}/tasks/sync", folder / "failure-report.png")
    screen.say(f"Saved the pictures in {folder}")


def _run(cluster: Cluster, sync_id: str) -> str:
    """Run the DAG for a sync, and return the id of the run when it has ended."""
    run_id = cluster.trigger(DAG_ID, conf={"sync_id": sync_id})
    cluster.wait_for(lambda: cluster.run_state(DAG_ID, run_id) in ("success", "failed"), RUN_TIMEOUT, run_id)
    return run_id


def _open_page(browser: Browser, cluster: Cluster) -> None:
    """Open the page and wait until it shows every sync with its DAGs."""
    browser.open(f"{cluster.url}/plugin/polytomic")
    browser.enter_frame()
    browser.find(f"//div[@class='tasks']/a[contains(., '{DAG_ID}')]")
    unread = "[...document.querySelectorAll('.state')].some(each => each.textContent === '…')"
    browser.wait(lambda: not browser.evaluate(unread), "the state of every sync")


def _save_details(browser: Browser, cluster: Cluster, picture: Path) -> None:
    _open_page(browser, cluster)
    browser.click("//button[contains(., 'Orders to CRM')]")
    browser.find("//tr[@class='details']//pre")
    browser.leave_frame()
    _save_when_drawn(browser, picture)


def _save_form(browser: Browser, cluster: Cluster, picture: Path) -> None:
    form = ConnectionsPage(browser, f"{cluster.url}/connections")
    form.open_form("polytomic_eu")
    form.fill_in(password="the API key")
    _save_when_drawn(browser, picture)


def _save_grid(browser: Browser, cluster: Cluster, picture: Path) -> None:
    browser.open(f"{cluster.url}/dags/{DAG_ID}")
    squares = 'document.querySelectorAll(\'a[href*="/runs/"][href*="/tasks/"]\').length'
    browser.wait(lambda: browser.evaluate(squares) >= 2 * len(SYNCS), "the task instances of each DAG run")
    browser.find("//*[.='Failed Run']")
    _save_when_drawn(browser, picture)


def _save_report(browser: Browser, task_page: str, picture: Path) -> None:
    """Save the report on a failed execution in the task's log, without the traceback below it."""
    browser.resize(WIDTH, LOG_HEIGHT)
    browser.open(task_page)
    browser.click("//summary[contains(., 'Polytomic says')]")
    browser.execute(
        "const report = document.querySelector('summary');"
        "report.scrollIntoView({ block: 'center' });"
        "for (let each = report; each; each = each.parentElement) each.scrollLeft = 0;"
    )
    _save_when_drawn(browser, picture)


def _save_when_drawn(browser: Browser, picture: Path) -> None:
    browser.wait(lambda: browser.evaluate("[...document.images].every(each => each.complete)"), "every image")
    browser.wait_still()
    browser.save_picture(picture)

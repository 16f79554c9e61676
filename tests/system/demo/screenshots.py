"""Make the pictures of the page in Airflow's UI for the docs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from airflow_provider_polytomic.emulator import Emulator
from airflow_provider_polytomic.emulator.samples import FAILING_MODEL_SYNC_ID, MODEL_SYNC_ID
from tests.system.browser import Browser, browsing, find_missing
from tests.system.cluster import Cluster

from .screen import Screen

DAG_ID = "example_polytomic_sync"
RUN_TIMEOUT = 120
WIDTH, HEIGHT = 1440, 900


def make_screenshots(screen: Screen, cluster: Cluster, emulator: Emulator, folder: Path) -> None:
    """Run a DAG for two syncs, and save pictures of the page as PNG files.

    :raises RuntimeError: if there is no browser
    """
    if missing := find_missing():
        raise RuntimeError(missing)
    screen.say(f"Running the DAG {DAG_ID} for two syncs")
    for sync_id in (MODEL_SYNC_ID, FAILING_MODEL_SYNC_ID):
        run_id = cluster.trigger(DAG_ID, conf={"sync_id": sync_id})
        cluster.wait_for(
            lambda run_id=run_id: cluster.run_state(DAG_ID, run_id) in ("success", "failed"), RUN_TIMEOUT, run_id
        )
    with tempfile.TemporaryDirectory() as profile, browsing(Path(profile)) as browser:
        browser.resize(WIDTH, HEIGHT)
        browser.open(cluster.url)
        for theme, names in (("dark", ("ui-dark",)), ("light", ("ui", "ui-details"))):
            browser.set_item("theme", theme)
            _open(browser, cluster)
            browser.save_picture(folder / f"{names[0]}.png")
            if "ui-details" in names:
                browser.click("//button[contains(., 'Orders to CRM')]")
                browser.find("//tr[@class='details']//pre")
                browser.wait_still()
                browser.save_picture(folder / "ui-details.png")
            browser.leave_frame()
            screen.say(f"Saved pictures of the page with the {theme} theme in {folder}")


def _open(browser: Browser, cluster: Cluster) -> None:
    """Open the page and wait until it shows every sync with its DAGs."""
    browser.open(f"{cluster.url}/plugin/polytomic")
    browser.enter_frame()
    browser.find(f"//div[@class='tasks']/a[contains(., '{DAG_ID}')]")
    unread = "[...document.querySelectorAll('.state')].some(each => each.textContent === '…')"
    browser.wait(lambda: not browser.evaluate(unread), "the state of every sync")

"""Read the form that Airflow 2 or 3 shows for a Polytomic connection, and use it in the browser."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx

from airflow_provider_polytomic.provider_info import CONNECTION_FIELDS

from .browser import Browser
from .cluster import IS_AIRFLOW_2, Cluster

STANDARD_FIELDS = {"host": "host", "login": "login", "password": "password", "port": "port", "url_schema": "schema"}
PREFIX = "extra__polytomic__"
DIALOG = "//*[@role='dialog']"
TOAST = "[data-scope=toast][data-part=root]"


@dataclass
class Form:
    """Hold the labels, placeholders and help texts of the form by the names of its fields.

    `secret` has the names of the password fields in the connection's extra.
    """

    hidden: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    placeholders: dict[str, str] = field(default_factory=dict)
    helps: dict[str, str] = field(default_factory=dict)
    secret: set[str] = field(default_factory=set)


def read_form(cluster: Cluster) -> Form | None:
    """Read the form from Airflow's web server; return None if it has no provider's fields."""
    return _read_page(cluster) if IS_AIRFLOW_2 else _read_metadata(cluster)


def _read_metadata(cluster: Cluster) -> Form | None:
    """Read the metadata of the form in Airflow 3 with ``GET /ui/connections/hook_meta``."""
    with httpx.Client(base_url=cluster.url, timeout=60, trust_env=False) as http:
        token = http.get("/auth/token").raise_for_status().json()["access_token"]
        response = http.get("/ui/connections/hook_meta", headers={"Authorization": f"Bearer {token}"})
    types = {each["connection_type"]: each for each in response.raise_for_status().json()}
    if not any(each["extra_fields"] for each in types.values()):
        return None
    form = Form()
    for shown, name in STANDARD_FIELDS.items():
        behavior: dict[str, Any] = types["polytomic"]["standard_fields"][shown] or {}
        form.hidden |= {name} if behavior.get("hidden") else set()
        form.labels |= {name: behavior["title"]} if behavior.get("title") else {}
        form.placeholders |= {name: behavior["placeholder"]} if behavior.get("placeholder") else {}
    for name, shown in types["polytomic"]["extra_fields"].items():
        form.labels[name], form.helps[name] = shown["schema"]["title"], shown["description"]
        form.secret |= {name} if shown["schema"].get("format") == "password" else set()
    return form


def _read_page(cluster: Cluster) -> Form:
    """Read the page for a new connection in Airflow 2."""
    page = _Page()
    page.feed(httpx.get(f"{cluster.url}/connection/add", timeout=60, trust_env=False).raise_for_status().text)
    behavior = json.loads(unescape(page.texts["field_behaviours"]))["polytomic"]
    standard = set(STANDARD_FIELDS.values())
    form = Form(hidden=standard & set(behavior["hidden_fields"]), labels=behavior["relabeling"], secret=page.secret)
    form.placeholders = {name: text for name, text in behavior["placeholders"].items() if name in standard}
    form.labels |= {name: text.strip() for name, text in page.labels.items()}
    form.helps = {name: text.strip() for name, text in page.helps.items()}
    return form


class _Page(HTMLParser):
    """Collect the fields of the Polytomic connection, and the texts of scripts by id, from a page."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: dict[str, str] = {}
        self.helps: dict[str, str] = {}
        self.secret: set[str] = set()
        self.texts: dict[str, str] = {}
        self._name = ""
        self._target: tuple[dict[str, str], str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self._target = None
        if tag == "script" and "id" in attributes:
            self._target = (self.texts, attributes["id"])
        elif tag == "label":
            self._name = attributes.get("for", "")
            self._collect(self.labels)
        elif tag == "input" and attributes.get("type") == "password" and self._is_polytomic_field():
            self.secret.add(self._name.removeprefix(PREFIX))
        elif tag == "span" and attributes.get("class") == "help-block":
            self._collect(self.helps)

    def handle_endtag(self, tag: str) -> None:
        self._target = None

    def handle_data(self, data: str) -> None:
        if self._target:
            texts, name = self._target
            texts[name] = texts.get(name, "") + data

    def _is_polytomic_field(self) -> bool:
        return self._name.startswith(PREFIX)

    def _collect(self, texts: dict[str, str]) -> None:
        if self._is_polytomic_field():
            self._target = (texts, self._name.removeprefix(PREFIX))


class ConnectionsPage:
    """Use the page of Airflow 3 that lists the connections."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self._url = url

    def open_form(self, connection_id: str) -> None:
        """Open the form for a new connection of type Polytomic."""
        self.browser.open(self._url)
        self.browser.click("//button[normalize-space()='Add Connection']")
        self.browser.type(f"{DIALOG}//input[@name='connection_id']", connection_id)
        self.browser.find(f"{DIALOG}//input[@role='combobox']").send_keys("Polytomic")
        self.browser.click("//*[@role='option'][normalize-space()='Polytomic']")

    def fill_in(self, **fields: str) -> None:
        for name, text in fields.items():
            self.browser.type(f"{DIALOG}//input[@name='{name}']", text)

    def show_extra_fields(self) -> None:
        self.browser.click(f"{DIALOG}//button[normalize-space()='Extra Fields']")
        self.browser.find(f"{DIALOG}//input[@name='element_{next(iter(CONNECTION_FIELDS))}']")
        self.browser.wait_still()

    def save(self) -> None:
        self.browser.click(f"{DIALOG}//button[normalize-space()='Save']")
        self.browser.wait_gone(DIALOG)

    def test(self, connection_id: str) -> tuple[str, str]:
        """Press *Test* and return the heading and the text of the message."""
        self.browser.open(self._url)
        self.browser.click(f"//tr[contains(., '{connection_id}')]//button[@aria-label='Test Connection']")
        heading, text = self.browser.texts(*(f"{TOAST} [data-part={part}]" for part in ("title", "description")))
        self.browser.wait_still()
        self.browser.screenshot(f"tested-{connection_id}")
        return heading, text

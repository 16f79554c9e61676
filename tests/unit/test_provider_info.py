"""The provider metadata: valid for the installed Airflow, and in step with the package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from inspect import getmembers, isclass
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import jsonschema
import pytest

import airflow_provider_polytomic
from airflow_provider_polytomic.provider_info import CONNECTION_FIELDS, FIELD_BEHAVIOUR, get_provider_info

INFO = get_provider_info()
PACKAGE = Path(airflow_provider_polytomic.__file__).parent
AREAS = ("hooks", "operators", "sensors", "triggers")


def schema(name: str) -> dict[str, Any]:
    [folder] = find_spec("airflow").submodule_search_locations
    return json.loads((Path(folder) / name).read_text())


def modules_of(area: str) -> set[str]:
    return {module for entry in INFO[area] for module in entry["python-modules"]}


def test_the_entry_point_module_imports_nothing_but_the_package():
    code = (
        "import sys; before = set(sys.modules)\n"
        "from airflow_provider_polytomic.provider_info import get_provider_info\n"
        "get_provider_info(); print(*sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    foreign = [name for name in ran.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert foreign == [
        "airflow_provider_polytomic",
        "airflow_provider_polytomic.provider_info",
    ]


def test_airflow_finds_the_metadata_by_its_entry_point():
    found = [point for point in entry_points(group="apache_airflow_provider") if point.name == "provider_info"]
    assert get_provider_info in [point.load() for point in found if "polytomic" in point.value]


def test_the_metadata_is_valid_for_the_installed_airflow():
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


def test_every_module_belongs_to_a_listed_integration():
    names = {integration["integration-name"] for integration in INFO["integrations"]}
    assert {entry["integration-name"] for area in AREAS for entry in INFO[area]} == names


@pytest.mark.parametrize("area", AREAS)
def test_every_module_with_public_classes_is_listed_and_no_other(area):
    package = import_module(f"{PACKAGE.name}.{area}")
    found = set()
    for module in iter_modules(package.__path__, f"{package.__name__}."):
        if module.name.rpartition(".")[2].startswith("_"):
            continue
        members = getmembers(import_module(module.name), isclass)
        if any(name.startswith("Polytomic") and kind.__module__ == module.name for name, kind in members):
            found.add(module.name)
    assert modules_of(area) == found


def test_the_connection_type_agrees_with_its_hook():
    [connection] = INFO["connection-types"]
    module, _, name = connection["hook-class-name"].rpartition(".")
    hook = getattr(import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (connection["connection-type"], connection["hook-name"])
    assert (hook.conn_name_attr, hook.default_conn_name) == ("polytomic_conn_id", "polytomic_default")


def test_the_version_is_that_of_the_package_and_stands_in_one_place():
    version = airflow_provider_polytomic.__version__
    assert INFO["versions"] == [version]
    literal = re.compile(rf"""["']{re.escape(version)}["']""")
    assert [path.name for path in PACKAGE.rglob("*.py") if literal.search(path.read_text())] == ["__init__.py"]


def test_the_form_is_valid_for_airflow_versions_that_read_it_from_the_metadata():
    items = schema("provider.yaml.schema.json")["properties"]["connection-types"]["items"]
    if "conn-fields" not in items["properties"]:
        pytest.skip("this Airflow reads the form from the hook")
    [connection] = INFO["connection-types"]
    jsonschema.validate(connection, items)


def test_the_form_has_a_help_text_for_every_field_and_placeholders_only_for_its_fields():
    assert all(field["label"] and field["description"] for field in CONNECTION_FIELDS.values())
    assert set(FIELD_BEHAVIOUR["placeholders"]) <= {"password", "login", "host", "port", *CONNECTION_FIELDS}
    assert set(FIELD_BEHAVIOUR["relabeling"]) == {"password", "login", "host"}


def test_the_hook_gives_older_airflow_the_same_labels():
    from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

    behavior = PolytomicHook.get_ui_field_behaviour()
    assert {name.replace("_", "-"): value for name, value in behavior.items()} == FIELD_BEHAVIOUR
    jsonschema.validate(behavior, schema("customized_form_field_behaviours.schema.json"))


def test_the_hook_gives_older_airflow_the_same_fields():
    pytest.importorskip("flask_appbuilder", reason="only Airflow 2 builds the form with Flask-AppBuilder")
    from flask import Flask
    from flask_babel import Babel
    from wtforms import Form

    from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

    widgets = PolytomicHook.get_connection_form_widgets()
    assert list(widgets) == list(CONNECTION_FIELDS)
    app = Flask("test")
    Babel(app)
    with app.test_request_context():
        form = type("ConnectionForm", (Form,), widgets)()
        for name, declared in CONNECTION_FIELDS.items():
            field = form[name]
            assert (str(field.label.text), field.description) == (declared["label"], declared["description"])
            assert (field.type == "PasswordField") == (declared["schema"].get("format") == "password")
            assert (field.type == "BooleanField") == (declared["schema"]["type"][0] == "boolean")


def test_the_form_of_airflow_3_shows_every_field():
    if find_spec("airflow.sdk") is None:
        pytest.skip("Airflow 2 has another form")
    # In its own process, as in the API server: some versions show no fields after hooks have been used.
    code = (
        "from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService\n"
        "shown = {one.connection_type: one.model_dump(mode='json') for one in HookMetaService.hook_meta_data()}\n"
        "import json; print('\\n' + json.dumps(shown))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown = json.loads(ran.stdout.splitlines()[-1])
    meta = shown.pop("polytomic")
    if not any(other["extra_fields"] for other in shown.values()):
        pytest.skip("this Airflow shows no provider's fields without Flask-AppBuilder")
    assert meta["hook_name"] == "Polytomic"
    standard = meta["standard_fields"]
    assert (standard["password"]["title"], standard["login"]["title"]) == ("API key", "Organization id")
    assert standard["host"]["placeholder"] == "https://app.polytomic.com"
    assert list(meta["extra_fields"]) == list(CONNECTION_FIELDS)
    for name, declared in CONNECTION_FIELDS.items():
        assert declared["description"] in json.dumps(meta["extra_fields"][name])


@pytest.mark.parametrize("method", ["get_ui_field_behaviour", "get_connection_form_widgets"])
def test_the_class_of_the_hook_has_the_methods_of_the_form_itself(method):
    assert method in vars(import_module("airflow_provider_polytomic.hooks.polytomic").PolytomicHook)

"""Run the code on the pages of the documentation against the emulator."""

from __future__ import annotations

import ast
import asyncio
import configparser
import inspect
import json
import re
import subprocess
from importlib.util import find_spec

import pytest

from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicClient
from airflow_provider_polytomic.emulator.samples import BULK_SYNC_ID
from airflow_provider_polytomic.provider_info import get_provider_info
from tests.support.pages import ROOT, Block, blocks

from .conftest import FOLDERS

BLOCKS = list(blocks("python"))
DAG_FILES = [block for block in BLOCKS if block.is_dag_file]
TEST_FILES = "tests/"
"""Begin of the titles of test files; tests/integration/test_testing_page.py and `make test-readme` run those."""

WITHOUT_A_DAG = {"gateway.md", "ui.md"}
"""How-to pages about a program that needs no Airflow, and about Airflow's UI."""


def each(of: list[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", of, ids=lambda block: block.name)


def how_to_pages() -> list[str]:
    text = (ROOT / "mkdocs.yml").read_text()
    section = re.search(r"^  - How to:\n((?:      .*\n)+)", text, re.MULTILINE)
    assert section
    return [page for page in re.findall(r"([\w/]+\.md)$", section[1], re.MULTILINE) if page not in WITHOUT_A_DAG]


@pytest.mark.parametrize("page", how_to_pages())
def test_a_how_to_page_begins_with_a_whole_dag_file(page):
    first = next(block for block in BLOCKS if block.page == page)
    assert first.is_dag_file
    assert first.title.startswith("dags/")


@each(DAG_FILES)
def test_a_dag_file_on_a_page_runs_against_the_emulator(block, dags, run_dag, emulator):
    if not block.can_run:
        pytest.skip(f"needs {', '.join(block.needs)}")
    emulator.add_samples()
    if "a running execution" in block.needs:
        emulator.start(BULK_SYNC_ID)
    if "an execution that has ended" in block.needs:
        emulator.start(BULK_SYNC_ID)
        emulator.clock.advance(60)
    ran = [run_dag(dag_id) for dag_id, dag in dags.items() if dag.fileloc == str(FOLDERS["pages"] / f"{block.name}.py")]
    assert ran
    assert [(run.state, set(run.tasks.values())) for run in ran] == [("success", {"success"})] * len(ran)


@each([block for block in BLOCKS if not block.is_dag_file and not block.title.startswith(TEST_FILES)])
def test_a_python_block_on_a_page_runs(block, emulator, no_waiting, monkeypatch):
    from airflow.models.dag import DAG

    if not block.can_run:
        pytest.skip(f"needs {', '.join(block.needs)}")
    emulator.add_samples()
    monkeypatch.setenv("POLYTOMIC_API_KEY", json.loads(emulator.airflow_connection)["password"])
    for client in (PolytomicClient, AsyncPolytomicClient):
        monkeypatch.setitem(client.__init__.__kwdefaults__, "base_url", emulator.url)
    earlier = [one for one in BLOCKS if one.page == block.page and one.number < block.number]
    names: dict[str, object] = {"__file__": str(ROOT / "example_dags" / "example_polytomic_snapshot.py")}
    with DAG(block.name):
        for one in [*(earlier if "the blocks above" in block.needs else []), block]:
            ran = eval(compile(one.code_here, one.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
            if inspect.iscoroutine(ran):
                asyncio.run(ran)


@each(list(blocks("json")))
def test_a_json_block_on_a_page_is_json(block):
    json.loads(block.code)


@each(list(blocks("bash")))
def test_the_commands_on_a_page_are_valid(block):
    assert not re.search(r"^\$ ", block.code, re.MULTILINE), "a prompt would be copied with the command"
    subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
    for module in re.findall(r"python -m ([\w.]+)", block.code):
        assert find_spec(module), module
    for command in re.findall(r"\bmake ([a-z-]+)", block.code):
        assert f"\n{command}:" in (ROOT / "Makefile").read_text(), command


@each(list(blocks("ini")))
def test_the_options_on_a_page_exist(block):
    parser = configparser.ConfigParser()
    parser.read_string(block.code)
    known = {name: set(section["options"]) for name, section in get_provider_info()["config"].items()}
    for name in parser.sections():
        if name in known:
            assert set(parser.options(name)) <= known[name]

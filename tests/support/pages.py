"""The code blocks of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"(?:^ *<!-- needs: (.+?) -->\n)?^( *)```(\w+)([^\n]*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r'^--8<-- "([^":]+):(\w+)"$', re.MULTILINE)
INCLUDED_FILE = re.compile(r'^--8<-- "([^":]+)"$', re.MULTILINE)
MARKER = re.compile(r"^ *# --8<-- \[.*\n", re.MULTILINE)

ON_AIRFLOW_2 = re.compile(r"from airflow\.sdk import(?= task$)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with the sections of the example DAGs that it includes."""

    page: str
    number: int
    language: str
    title: str
    needs: tuple[str, ...]
    """What the comment ``<!-- needs: … -->`` above the block lists: modules, or states of the emulator."""
    code: str

    @property
    def name(self) -> str:
        return f"{self.page.replace('/', '_').removesuffix('.md')}_{self.number}"

    @property
    def is_dag_file(self) -> bool:
        return self.language == "python" and bool(re.search(r"^ *with DAG\(", self.code, re.MULTILINE))

    @property
    def can_run(self) -> bool:
        """Return True if the modules exist that the block needs."""
        return all(module_exists(need) for need in self.needs if " " not in need)

    @property
    def code_here(self) -> str:
        """The code, with the imports that docs/quickstart.md gives for Airflow 2.11 if this is Airflow 2."""
        return (
            self.code if module_exists("airflow.sdk") else ON_AIRFLOW_2.sub("from airflow.decorators import", self.code)
        )


def module_exists(name: str) -> bool:
    """Return True if a module can be imported."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def blocks(*languages: str) -> Iterator[Block]:
    """List the blocks of all pages, each with its number on its page."""
    for page in PAGES:
        name = "README.md" if page.parent == ROOT else str(page.relative_to(ROOT / "docs"))
        for number, (needs, _, language, options, code) in enumerate(FENCE.findall(page.read_text()), 1):
            if language in languages:
                title = re.search(r'title="([^"]+)"', options) or re.match(r"# ([\w/]+\.py)\n", code)
                text = with_examples(dedent(code))
                yield Block(
                    name, number, language, title[1] if title else "", tuple(filter(None, needs.split(", "))), text
                )


def with_examples(text: str) -> str:
    """Insert the example DAGs, and the sections of them, that a block includes."""
    whole = INCLUDED_FILE.sub(lambda found: MARKER.sub("", (ROOT / found[1]).read_text().rstrip()), text)
    return SECTION.sub(lambda found: section(found[1], found[2]), whole)


def section(file: str, name: str) -> str:
    """Return a section of an example DAG."""
    between = rf"--8<-- \[start:{name}\]\n(.*?)\n *# --8<-- \[end:{name}\]"
    [found] = re.findall(between, (ROOT / file).read_text(), re.DOTALL)
    return dedent(found)


def write_dag_files(folder: Path) -> None:
    """Write the DAG files of all pages into a folder, with the names of the blocks in the ids of the DAGs."""
    folder.mkdir(exist_ok=True)
    for block in blocks("python"):
        if block.is_dag_file and block.can_run:
            code = re.sub(r'(with DAG\(\s*(?:dag_id=)?")', rf"\g<1>{block.name}_", block.code_here)
            (folder / f"{block.name}.py").write_text(code)

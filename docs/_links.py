"""Add links between how-to pages and classes, and lead links out of the documentation to the repository."""

from __future__ import annotations

import ast
import posixpath
import re
from functools import cache
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PACKAGE = "airflow_provider_polytomic"
LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]+)")
HOW_TO = re.compile(r"``docs/([\w/]+\.md)``")
DOCUMENTED = re.compile(r"^::: (\S+)$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Append the links to the classes that name this page, and complete the links to files of the repository."""
    source = page.file.src_uri
    folder = posixpath.dirname(posixpath.join("docs", source))

    def completed(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        if target.startswith("docs/"):
            return link[1]
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{config['extra']['source']}/{kind}/main/{target}"

    text = LINK.sub(completed, markdown)
    links = [
        f"[`{name.rpartition('.')[2]}`]({posixpath.relpath(reference, posixpath.dirname(source) or '.')}#{name})"
        for name, reference in classes_of_pages().get(source, [])
    ]
    return f"{text.rstrip()}\n\n## Reference\n\n{', '.join(links)}\n" if links else text


@cache
def classes_of_pages() -> dict[str, list[tuple[str, str]]]:
    """Return the names of the classes and functions that name a how-to page, with their page in the reference."""
    found: dict[str, list[tuple[str, str]]] = {}
    for reference in sorted((DOCS / "reference").glob("*.md")):
        for name in DOCUMENTED.findall(reference.read_text()):
            for page in HOW_TO.findall(docstring(name)):
                if not page.startswith("reference/"):
                    found.setdefault(page, []).append((name, f"reference/{reference.name}"))
    return found


def docstring(name: str) -> str:
    """Return the docstring of a class or function of the package, without importing it."""
    module, _, attribute = name.rpartition(".")
    path = ROOT / module.replace(".", "/")
    for file in sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == attribute:
                return ast.get_docstring(node) or ""
    return ""

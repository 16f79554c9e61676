"""Render the docstrings of the API reference as Markdown, for mkdocstrings."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from griffe import Extension, Module, Object

DOCS = Path(__file__).parent
ROLE = re.compile(r":(?:attr|class|func|meth|mod):`~?\.?([^`<]+?)(?: <[^>]+>)?`")
BLOCK = re.compile(r"^( *)\.\. (code-block|seealso)::[ ]*(\w*)\n((?:\1 +\S.*(?:\n|\Z)|[ ]*\n)+)", re.MULTILINE)
DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
FIELD = re.compile(r"^:\w+", re.MULTILINE)
PAGE = re.compile(r"``docs/([\w/]+\.md)``")
HEADING = re.compile(r"^# (.+)$", re.MULTILINE)


class MarkdownDocstrings(Extension):
    """Convert each docstring of the package from reST to Markdown."""

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        """Convert the docstrings of a loaded package."""
        self._convert(pkg)

    def _convert(self, item: Object) -> None:
        if item.docstring:
            item.docstring.value = as_markdown(item.docstring.value)
        for member in item.members.values():
            if not member.is_alias:
                self._convert(member)  # type: ignore[arg-type]


def as_markdown(text: str) -> str:
    """Return a docstring with its references as code, and its examples and links as Markdown before the fields."""
    blocks = [_block(kind, language, dedent(body).strip()) for _, kind, language, body in BLOCK.findall(text)]
    rest = DOCTEST.sub(r"```pycon\n\g<0>\n```", ROLE.sub(r"`\1`", BLOCK.sub("\n", text)))
    field = FIELD.search(rest)
    end = field.start() if field else len(rest)
    return "\n\n".join(filter(None, (rest[:end].strip(), *blocks, rest[end:].strip())))


def _block(kind: str, language: str, body: str) -> str:
    if kind == "code-block":
        return f"```{language}\n{body}\n```"
    return f"**See also:** {PAGE.sub(_link, body)}"


def _link(page: re.Match[str]) -> str:
    """Return a link from a page in ``docs/reference/`` to another page, named by its title."""
    title = HEADING.search((DOCS / page[1]).read_text())
    return f"[{title[1].strip('`') if title else page[1]}](../{page[1]})"

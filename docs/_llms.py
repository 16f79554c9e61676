"""Write ``llms.txt``: the list of all pages of the site for language models, in the order of the navigation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_pages: dict[str, str] = {}
"""First sentence of each page by its URL."""


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> None:
    """Keep the first sentence of a page."""
    text = re.sub(r"```[\s\S]*?```|^[#|>*!:-].*$|\[([^\]]*)\]\([^)]*\)", r"\1", markdown, flags=re.MULTILINE)
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    _pages[page.url] = re.split(r"(?<=[.:])\s", paragraph)[0].rstrip(":")


def on_env(env: Any, config: Any, files: Any) -> None:
    """Write the file when all pages are known."""
    lines = [f"# {config['site_name']}", "", f"> {config['site_description']}"]
    links = [
        f"- [{file.page.title}]({file.page.url or '.'}): {_pages[file.page.url]}".rstrip(": ")
        for file in files.documentation_pages()
        if file.page
    ]
    Path(config["site_dir"]).mkdir(parents=True, exist_ok=True)
    (Path(config["site_dir"]) / "llms.txt").write_text("\n".join([*lines, "", "## Pages", "", *links]) + "\n")

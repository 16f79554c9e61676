"""Check a built documentation site: every link has a target, and no page loads anything from other servers.

`python .ci/site.py FOLDER`. Links into the repository are checked against the files of this checkout.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

ROOT = Path(__file__).parents[1]
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
EXTERNAL = re.compile(r"(https?:)?//|mailto:")
STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")
INTO_THE_CODE = re.compile(r"/(?:blob|tree)/main/(.*)")


class _Page(HTMLParser):
    """Collect the addresses that a page loads, its links and its anchors."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values.get("id") or "", values.get("name") or ""}
        if values.get(LOADING.get(tag, "")):
            self.loaded.append(values[LOADING[tag]] or "")
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")


def main() -> int:
    """Print each problem, and return 1 if there are any."""
    site = Path(sys.argv[1]).resolve()
    pages = {file: _Page(file) for file in sorted(site.rglob("*.html"))}
    problems = [] if pages else ["the site has no pages"]
    for file, page in pages.items():
        where = file.relative_to(site)
        problems += [f"{where} loads {address}" for address in page.loaded if EXTERNAL.match(address)]
        problems += [f"{where} has the broken link {link}" for link in _broken(site, file, pages)]
    listed = (site / "llms.txt").read_text() if (site / "llms.txt").exists() else ""
    problems += [
        f"llms.txt lacks {page.relative_to(site)}"
        for page in pages
        if page.name == "index.html" and page.parent != site and f"({page.parent.relative_to(site)}/)" not in listed
    ]
    for style in sorted(site.rglob("*.css")):
        problems += [f"{style.relative_to(site)} loads {found}" for found in STYLE.findall(style.read_text())]
    number = sum(len(page.links) for page in pages.values())
    print("\n".join(problems) or f"{site}: {len(pages)} pages without other servers, {number} links with a target")
    return int(bool(problems))


def _broken(site: Path, file: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    """List the links of a page whose file, anchor or file in the repository does not exist."""
    repository = re.findall(r'^Source = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
    for link in pages[file].links + pages[file].loaded:
        address, anchor = urldefrag(link)
        if link.startswith(repository):
            target = INTO_THE_CODE.match(address.removeprefix(repository))
            if target and not (ROOT / target[1]).exists():
                yield link
        elif not EXTERNAL.match(link):
            base = site if address.startswith("/") else file.parent
            found = (base / unquote(address).lstrip("/")).resolve() if address else file
            found = found / "index.html" if found.is_dir() else found
            anchored = found not in pages or unquote(anchor) in pages[found].anchors
            if file.name != "404.html" and not (found.exists() and anchored):
                yield link


if __name__ == "__main__":
    sys.exit(main())

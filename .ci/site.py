"""Check that a built documentation site loads nothing from other servers.

`python .ci/site.py FOLDER`. The strict build checks the links between pages.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
EXTERNAL = re.compile(r"(https?:)?//")
STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


class _Loaded(HTMLParser):
    """Collect the external addresses that a page loads by itself, not those of its links."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(LOADING.get(tag, "")) or ""
        if EXTERNAL.match(address):
            self.addresses.append(address)


def main() -> int:
    """Print each problem, and return 1 if there are any."""
    site = Path(sys.argv[1])
    pages = sorted(site.rglob("*.html"))
    problems = [] if pages else ["the site has no pages"]
    for page in pages:
        parser = _Loaded()
        parser.feed(page.read_text())
        problems += [f"{page.relative_to(site)} loads {address}" for address in parser.addresses]
    listed = (site / "llms.txt").read_text() if (site / "llms.txt").exists() else ""
    problems += [
        f"llms.txt lacks {page.relative_to(site)}"
        for page in pages
        if page.name == "index.html" and page.parent != site and f"({page.parent.relative_to(site)}/)" not in listed
    ]
    for style in sorted(site.rglob("*.css")):
        problems += [f"{style.relative_to(site)} loads {found}" for found in STYLE.findall(style.read_text())]
    print("\n".join(problems) or f"{site}: {len(pages)} pages, which load nothing from other servers")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

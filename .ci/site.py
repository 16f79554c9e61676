"""Check a built documentation site: it loads nothing from elsewhere.

`python .ci/site.py FOLDER`; links between pages are checked by the strict build itself.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
ELSEWHERE = re.compile(r"(https?:)?//")
STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


class _Loaded(HTMLParser):
    """Collect what a page loads by itself; links to be followed by a person are not among it."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(LOADING.get(tag, "")) or ""
        if ELSEWHERE.match(address):
            self.addresses.append(address)


def main() -> int:
    """Print what is wrong, and return 1 if anything is."""
    site = Path(sys.argv[1])
    pages = sorted(site.rglob("*.html"))
    problems = [] if pages else ["there are no pages"]
    for page in pages:
        parser = _Loaded()
        parser.feed(page.read_text())
        problems += [f"{page.relative_to(site)} loads {address}" for address in parser.addresses]
    for style in sorted(site.rglob("*.css")):
        problems += [f"{style.relative_to(site)} loads {found}" for found in STYLE.findall(style.read_text())]
    print("\n".join(problems) or f"{site}: {len(pages)} pages, which load nothing from elsewhere")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

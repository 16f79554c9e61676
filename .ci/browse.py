"""Open a built documentation site in Chromium: no page requests another host, and the search finds classes.

`python .ci/browse.py FOLDER`. Without Chromium it checks nothing and says so.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.system.browser import Browser, find_missing  # noqa: E402

SEARCHES = {
    "PolytomicStartSyncOperator": "PolytomicStartSyncOperator",
    "FreshnessSensor": "PolytomicFreshnessSensor",
    "wait_for_execution": "wait_for_execution",
    "HttpOperator": "Migrate from HttpOperator or the SDK",
    "dbt": "Start a sync after dbt",
}
"""What a person types into the search, and a text that the first results have."""


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def main() -> int:
    """Print each problem, and return 1 if there are any."""
    if missing := find_missing():
        print(f"{missing}: the site was not opened in a browser")
        return 0
    folder = Path(sys.argv[1])
    pages = sorted(page.parent.relative_to(folder) for page in folder.rglob("index.html"))
    problems = []
    with serve(folder) as url, tempfile.TemporaryDirectory() as profile, closing(Browser(Path(profile))) as browser:
        for page in pages:
            browser.open(f"{url}/{page}/")
        others = browser.requested_hosts() - {urlsplit(url).netloc}
        problems += [f"a page requests {host}" for host in sorted(others)]
        for text, wanted in SEARCHES.items():
            browser.open(f"{url}/?q={text}")
            [found] = browser.texts(".md-search-result__list")
            if wanted not in found:
                problems.append(f"the search for {text!r} finds {' '.join(found.split())[:200]}")
    print(
        "\n".join(problems)
        or f"{len(pages)} pages request no other host, and {len(SEARCHES)} searches find their target"
    )
    return int(bool(problems))


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback, and yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())

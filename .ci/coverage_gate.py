"""Hold what the tests reach against what they must reach.

`python .ci/coverage_gate.py REPORT`, with the report that coverage writes as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

PACKAGE = "airflow_provider_polytomic"
OVERALL = 90.0
BRANCHES = {"api": 95.0, "runs": 95.0}


def main() -> int:
    """Print each share, and return 1 if one is too small."""
    report = json.loads(Path(sys.argv[1]).read_text())
    shares = [("everything", report["totals"]["percent_covered"], OVERALL)]
    for folder, least in BRANCHES.items():
        files = [each["summary"] for name, each in report["files"].items() if name.startswith(f"{PACKAGE}/{folder}/")]
        reached, all_there_are = (sum(each[key] for each in files) for key in ("covered_branches", "num_branches"))
        shares.append((f"branches of {folder}/", 100 * reached / all_there_are, least))
    for what, share, least in shares:
        print(f"{what}: {share:.1f} %, of which {least:.0f} % are asked for")
    return int(any(share < least for _, share, least in shares))


if __name__ == "__main__":
    sys.exit(main())

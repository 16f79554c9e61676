"""Compare the coverage of the tests with the required coverage.

`python .ci/coverage_gate.py REPORT`, with coverage's JSON report.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

PACKAGE = "airflow_provider_polytomic"
OVERALL = 90.0
BRANCHES = {"api": 95.0, "executions": 95.0}


def main() -> int:
    """Print each percentage, and return 1 if one is too small."""
    report = json.loads(Path(sys.argv[1]).read_text())
    shares = [("everything", report["totals"]["percent_covered"], OVERALL)]
    for folder, required in BRANCHES.items():
        files = [each["summary"] for name, each in report["files"].items() if name.startswith(f"{PACKAGE}/{folder}/")]
        covered, total = (sum(each[key] for each in files) for key in ("covered_branches", "num_branches"))
        shares.append((f"branches of {folder}/", 100 * covered / total, required))
    for what, share, required in shares:
        print(f"{what}: {share:.1f} %, required are {required:.0f} %")
    return int(any(share < required for _, share, required in shares))


if __name__ == "__main__":
    sys.exit(main())

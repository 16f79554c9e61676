"""Follow docs/testing.md as written, with Airflow's home outside of the project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text()


@pytest.mark.timeout(400)
def test_the_recipe_works_as_written(tmp_path):
    project = tmp_path / "project"
    files = re.findall(r'```python title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL)
    assert [name for name, _ in files[:2]] == ["dags/crm.py", "tests/test_crm.py"]
    for name, content in files:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    [commands] = re.findall(r"```bash\n(export AIRFLOW_HOME.*?)```", PAGE, re.DOTALL)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**clean, "PATH": path, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    script = f"set -e\n{commands}"
    ended = subprocess.run(["bash", "-c", script], cwd=project, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "5 passed" in ended.stdout

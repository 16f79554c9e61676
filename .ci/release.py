"""Check a release: reproducible, without unexpected files, and with metadata that is valid for every supported Airflow.

`python .ci/release.py DIST REBUILD VERSION...`, with the folders of two builds and the versions of Airflow.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from typing import Any

import jsonschema
from wheel import PACKAGE, unexpected_files

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / ".cache" / "schemas"
SCHEMA = "airflow/provider_info.schema.json"
URLS = {"Documentation", "Source", "Changelog", "Issues"}
IN_SDIST = {"airflow_provider_polytomic", "docs", "example_dags", "tests", "mkdocs.yml", "pyproject.toml", "PKG-INFO"}


def main() -> int:
    """Print the result of each check, and return 1 at the first one that fails."""
    dist, rebuild, *versions = sys.argv[1:]
    try:
        for result in check(Path(dist), Path(rebuild), versions):
            print(result)
    except (AssertionError, jsonschema.ValidationError) as error:
        print(f"NOT TO BE RELEASED: {error}")
        return 1
    return 0


def check(dist: Path, rebuild: Path, versions: list[str]) -> Iterator[str]:
    """Run one check after another, and yield a line about each result."""
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    for built in (wheel, sdist):
        first, second = digest(built), digest(rebuild / built.name)
        assert first == second, f"{built.name} is not reproducible: {first}, then {second}"
        yield f"{built.name}: sha256 {first} in both builds"
    names = zipfile.ZipFile(wheel).namelist()
    assert not unexpected_files(names), f"the wheel has {unexpected_files(names)}"
    yield f"the wheel has {len(names)} files, all of {PACKAGE}"
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames()}
    unexpected = {top for top in tops - IN_SDIST if not top.endswith(".md") and top not in ("LICENSE", ".gitignore")}
    assert not unexpected, f"the sdist has {sorted(unexpected)}"
    yield f"the sdist has {', '.join(sorted(tops))}"
    version = str(metadata(wheel)["Version"])
    assert wheel.name.split("-")[1] == version
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(), f"the changelog has no section about {version}"
    yield f"the changelog has a section about {version}"
    urls = {entry.split(", ")[0] for entry in metadata(wheel).get_all("Project-URL")}
    assert urls >= URLS, f"the metadata has no URL of {sorted(URLS - urls)}"
    yield f"the metadata has the URLs of {', '.join(sorted(URLS))}; Airflow shows that of the documentation"
    links = re.findall(r"\]\((?!https://)[^)]*\)", metadata(wheel).get_payload())
    assert not links, f"an index that shows the README cannot follow {links}"
    yield "the README has no links that an index cannot follow"
    info = provider_info(wheel)
    assert info["versions"][0] == version, f"the provider metadata has {info['versions']}, the wheel {version}"
    for airflow in versions:
        jsonschema.validate(info, schema_of(airflow))
        yield f"the provider metadata is valid for Airflow {airflow}"


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def metadata(wheel: Path) -> Any:
    """Read the wheel's METADATA."""
    archive = zipfile.ZipFile(wheel)
    [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(archive.read(name).decode())


def provider_info(wheel: Path) -> dict[str, Any]:
    """Return the provider metadata of the wheel, read in a process that can import nothing else."""
    code = (
        f"import json, sys; sys.path.insert(0, {str(wheel.absolute())!r})\n"
        f"from {PACKAGE}.provider_info import get_provider_info; print(json.dumps(get_provider_info()))"
    )
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    info: dict[str, Any] = json.loads(ran.stdout)
    return info


def schema_of(airflow: str) -> dict[str, Any]:
    """Return the schema of provider metadata from a release of Airflow; download it once."""
    cached = SCHEMAS / f"{airflow}.json"
    if not cached.exists():
        SCHEMAS.mkdir(parents=True, exist_ok=True)
        name = "apache-airflow" if airflow.startswith("2.") else "apache-airflow-core"
        options = ("--quiet", "--no-deps", "--ignore-requires-python", "--only-binary", ":all:", "--dest", str(SCHEMAS))
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options]
        subprocess.run([*command, f"{name}=={airflow}"], check=True)
        [release] = SCHEMAS.glob(f"*-{airflow}-*.whl")
        cached.write_bytes(zipfile.ZipFile(release).read(SCHEMA))
        release.unlink()
    schema: dict[str, Any] = json.loads(cached.read_text())
    return schema


if __name__ == "__main__":
    sys.exit(main())

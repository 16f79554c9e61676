"""Draw the pictures of the documentation.

`python .ci/pictures.py` makes `docs/images/<name>.svg` from each `docs/pictures/<name>.mmd`, without a browser. With
`--check` it writes nothing, and returns 1 if a picture does not agree with its source.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from mmdr import render

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "docs" / "pictures"
IMAGES = ROOT / "docs" / "images"

COLORS = {
    "background": ("#ffffff", "#1e2129"),
    "box": ("#ede7f6", "#3a3357"),
    "border": ("#7e57c2", "#b39ddb"),
    "text": ("#1c1b22", "#f2f0f7"),
    "line": ("#5e5a6b", "#c3bfd0"),
    "group": ("#f7f5fb", "#272a35"),
    "note": ("#fff3cd", "#5c4a13"),
}
"""The colors of a picture, for a light and for a dark page."""

ROLES = {
    "box": ("primaryColor", "mainBkg", "actorBkg", "labelBoxBkgColor"),
    "border": ("primaryBorderColor", "nodeBorder", "clusterBorder", "actorBorder", "labelBoxBorderColor"),
    "text": (
        "primaryTextColor",
        "textColor",
        "titleColor",
        "nodeTextColor",
        "actorTextColor",
        "signalTextColor",
        "labelTextColor",
        "loopTextColor",
        "noteTextColor",
    ),
    "line": ("lineColor", "defaultLinkColor", "signalColor", "actorLineColor", "noteBorderColor"),
    "group": ("clusterBkg", "edgeLabelBackground", "tertiaryColor"),
    "note": ("noteBkgColor",),
}
"""The variables of a Mermaid theme that each color sets."""


def main() -> int:
    """Draw or check each picture, and return 1 if one is not up to date."""
    outdated = []
    for source in sorted(SOURCES.glob("*.mmd")):
        image = IMAGES / f"{source.stem}.svg"
        drawn = draw(source.read_text())
        if "--check" not in sys.argv:
            image.write_text(drawn)
        elif not image.exists() or image.read_text() != drawn:
            outdated.append(image.relative_to(ROOT))
    for image in outdated:
        print(f"{image} does not agree with its source: run make pictures")
    return int(bool(outdated))


def draw(source: str) -> str:
    """Return the SVG of a Mermaid diagram, with colors that follow the scheme of the page."""
    placeholders = {color: f"#{0xABCD00 + number:06x}" for number, color in enumerate(COLORS)}
    variables = {name: placeholders[color] for color, names in ROLES.items() for name in names}
    theme = {"theme": "base", "themeVariables": variables}
    svg = render(f"%%{{init: {json.dumps(theme)}}}%%\n{source}").svg()
    for color, placeholder in placeholders.items():
        svg = svg.replace(placeholder, f"var(--{color})")
    svg = re.sub(r' filter="url\(#[^)]*\)"', "", svg)
    style = ";".join(f"--{color}:{light}" for color, (light, _) in COLORS.items())
    dark = ";".join(f"--{color}:{dark}" for color, (_, dark) in COLORS.items())
    x, y, width, height = re.search(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', svg).groups()  # type: ignore[union-attr]
    head = (
        f"<style>:root{{{style}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="var(--background)"/>'
    )
    return re.sub(r"(<svg[^>]*>)", lambda found: found[1] + head, svg, count=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())

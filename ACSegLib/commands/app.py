"""Open the whole workflow in a browser: label, fill, predict, measure and save, without Slicer.

The page is served to this computer alone. The printed address holds a random token; nobody can open the page without
it. The page opens and writes files below one folder: that of the image, or --root. Without an image it shows a
simulated tomogram. All work is saved automatically, and found again when the image is opened the next time. Ctrl-C ends
the server.

Examples:
  acseg app
  acseg app tomogram.nrrd
  acseg app tomogram.nrrd --labels labelled.seg.nrrd
  acseg app data --no-browser --port 8700
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.jobs import Progress

SUMMARY = "open the whole workflow in a browser"
#: The run report names the files, but does not read all of them again.
CHECKSUMS = False


@dataclass
class Options:
    """Options of ``acseg app``."""

    image: str | None = option(
        path="in",
        default=None,
        help="image to open, or folder of images; a simulated tomogram if none",
        positional=True,
    )
    labels: str | None = option(path="in", default=None, help="labels of the image to go on with")
    port: int = option(default=0, minimum=0, maximum=65535, help="port of the server; 0 for a free one")
    browser: bool = option(default=True, help="open the page in the default browser")
    root: str | None = option(
        default=None,
        metavar="DIR",
        help="folder whose files the page may open and write; that of the image if left out",
    )
    allow_host: list[str] = option(
        default=[],
        metavar="NAME",
        help="host names of a reverse proxy through which the page is reached",
        advanced=True,
    )


@dataclass
class Results(BaseResults):
    """Where the page worked."""

    root: str


def run(options: Options, progress: Progress) -> Results:
    """Serve the page until Ctrl-C."""
    from ACSegLib.app.start import Start, serve

    start = Start(
        image=options.image or "",
        labels=options.labels or "",
        root=options.root or "",
        port=options.port,
        browser=options.browser,
        hosts=tuple(options.allow_host),
    )
    return Results(str(serve(start, _tell, progress.is_cancelled)))


def describe(results: Results) -> str:
    """How to go on."""
    return f"The page is closed. Your work is in {results.root}; open the same image to go on with it."


def _tell(address: str) -> None:
    """Print the address at once: the command goes on until it is stopped."""
    sys.stdout.write(f"ACSeg is at {address}\nPress Ctrl-C to end it.\n")
    sys.stdout.flush()

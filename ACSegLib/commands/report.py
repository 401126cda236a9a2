"""Write a study as one self-contained HTML page: tables, plots, statistics, pictures and a methods paragraph.

Give the tables of acseg compare (one per method), of acseg measure and of acseg learning-curve, as .csv, .xlsx or
.json. The page compares methods with the truth and with each other, groups of cells (tables, or the folders of one
table), and kinds of labels. Numbered segments (nucleus 1, nucleus 2, ...) count as cells. Specks do not. Tests are
shown if there are enough volumes for them: cells of one volume are not independent. With the folders of images,
results and truth, the best, median and worst cells are shown as outlines on slices and as difference surfaces. The
page needs no network and prints to PDF from any browser.

Examples:
  acseg report -o study.html --scores network=scores.csv --images tomograms/ --results results/ --truth truth/
  acseg report -o study.html --scores otsu=otsu.csv filled=filled.csv --cells cells.csv --tables study.xlsx
  acseg report -o study.html --cells control=a.csv drug=b.csv --rows volume --figures figures/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ACSegLib.commands.inputs import find_files
from ACSegLib.commands.matching import match_files
from ACSegLib.commands.opening import (
    ImageDatasetOption,
    LabelsDatasetOption,
    VoxelSizeOptions,
    check_opening,
    open_image,
    open_labels,
)
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.jobs import Progress

if TYPE_CHECKING:
    from ACSegLib.study.pictures import PicturedCell
    from ACSegLib.study.report import ReportSettings
    from ACSegLib.study.tables import Study
    from ACSegLib.volume import Segmentation, Volume

SUMMARY = "write a study as one HTML page with tables, plots, statistics and pictures"


@dataclass
class Options(LabelsDatasetOption, ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg report``."""

    output: str = option(path="out", endings=(".html", ".htm"), help="page to write (.html)", short="o", metavar="HTML")
    scores: list[str] = option(
        path="in",
        default=[],
        help="tables of acseg compare, NAME=TABLE or TABLE; the first is shown in pictures",
        metavar="TABLE",
    )
    cells: list[str] = option(
        path="in", default=[], help="tables of acseg measure, NAME=TABLE or TABLE", metavar="TABLE"
    )
    learning_curve: str | None = option(path="in", default=None, help="table of acseg learning-curve", metavar="TABLE")
    target: float = option(default=0.98, help="Dice at which the learning curve is read", minimum=0.01, maximum=0.9999)
    images: str | None = option(
        path="in", default=None, help="tomogram or folder of tomograms, for the pictures", metavar="PATH"
    )
    results: str | None = option(
        path="in", default=None, help="segmentation or folder of them, for the pictures", metavar="PATH"
    )
    truth: str | None = option(
        path="in", default=None, help="reference segmentation or folder of them, for the pictures", metavar="PATH"
    )
    segment: str = option(default="", help="segment that plots and pictures show; default: the first")
    rows: str = option(
        default="segment",
        help="what counts as one in the tables of acseg measure: a segment of a volume, each connected cell, or a "
        "volume, whose cells are averaged",
        choices=("segment", "cell", "volume"),
    )
    tables: str | None = option(
        path="out", endings=(".xlsx",), default=None, help="also write all tables of the report (.xlsx)", metavar="XLSX"
    )
    figures: str | None = option(
        path="folder",
        default=None,
        help="also write all figures here, as SVG and PDF with their data as CSV",
        metavar="FOLDER",
    )
    title: str = option(default="Segmentation study", help="title of the page")


@dataclass
class Results(BaseResults):
    """What the page holds: titles of its sections, number of figures, its size, and what could not be shown."""

    optional: ClassVar[tuple[str, ...]] = ("exit_code",)

    sections: list[str]
    figures: int
    bytes: int
    failures: dict[str, str]


def run(options: Options, progress: Progress) -> Results:
    """Gather the tables, make the page and write it."""
    from ACSegLib.files.atomic import atomic_output
    from ACSegLib.study.export import write_figures, write_sheets
    from ACSegLib.study.page import render
    from ACSegLib.study.reading import read_study
    from ACSegLib.study.report import build_report

    check_opening(options)
    stages = progress.stages(read=2, figures=17, page=1)
    stages.read(0.0, "reading tables")
    study = read_study(options.scores, options.cells, options.learning_curve, options.segment)
    stages.figures(0.0, "making figures")
    report, sheets = build_report(study, _settings(options, study), stages.figures)
    stages.page(0.0, "writing the page")
    page = render(report)
    with atomic_output(options.output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    outputs = {"report": options.output}
    if options.tables:
        write_sheets(sheets, options.tables)
        outputs["tables"] = options.tables
    if options.figures:
        write_figures(report, options.figures)
        outputs["figures"] = options.figures
    return Results(
        sections=[section.title for section in report.sections],
        figures=sum(len(section.figures) for section in report.sections),
        bytes=len(page.encode("utf-8")),
        failures=report.failures,
        outputs=outputs,
        exit_code=2 if report.failures else 0,
    )


def describe(results: Results) -> str:
    """What the page holds."""
    from ACSegLib.commands.batch import failure_lines

    head = f"{results.outputs['report']}: {', '.join(results.sections)} ({results.figures} figures)"
    return "\n".join([head, *failure_lines(results.failures)])


def _settings(options: Options, study: Study) -> ReportSettings:
    from ACSegLib.commands.run_report import versions
    from ACSegLib.study.report import ReportSettings

    settings = ReportSettings(options.title, options.rows, options.target, versions())
    if not (options.images and options.results and options.truth and study.scores):
        return settings
    rows = next(iter(study.scores.values()))
    names = [str(row["source_volume"]) for row in rows if row["segment"] == study.segment]
    roles = {"image": options.images, "result": options.results, "truth": options.truth}
    cells, missing = find_pictured_cells(dict.fromkeys(names), roles, options)
    return replace(settings, cells=cells, missing=missing)


def find_pictured_cells(
    names: Iterable[str], folders: Mapping[str, str], options: Options
) -> tuple[dict[str, PicturedCell], dict[str, str]]:
    """Files of the cells that a table names, from the folders of images, results and truth.

    Returns
    -------
    cells : dict of str to PicturedCell
    missing : dict of str to str
        Why a cell has none.
    """
    from ACSegLib.files.names import SEGMENTATION_ENDING
    from ACSegLib.study.pictures import PicturedCell

    # Names of the tables are those of files without their ending: they are matched as if they were files.
    named = {name: f"{name}{SEGMENTATION_ENDING}" for name in names}
    files: dict[str, dict[str, str]] = {name: {} for name in named}
    missing: dict[str, str] = {}
    for role, folder in folders.items():
        partners, without = match_files(named, find_files([folder]), role, folder)
        for name, path in partners.items():
            files[name][role] = path
        missing = {n: reason.removeprefix(f"{named[n]}: ") for n, reason in without.items()} | missing
    cells = {
        name: PicturedCell(name, partial(open_cell, found["image"], found["result"], found["truth"], options))
        for name, found in files.items()
        if len(found) == len(folders)
    }
    return cells, missing


def open_cell(image: str, result: str, truth: str, options: Options) -> tuple[Volume, Segmentation, Segmentation]:
    """The image of a cell, with its result and its truth on the image's grid."""
    from ACSegLib.placement import place_labels

    volume = open_image(image, options)
    sides = [place_labels(open_labels(path, options), volume, resample=True) for path in (result, truth)]
    return volume, sides[0], sides[1]

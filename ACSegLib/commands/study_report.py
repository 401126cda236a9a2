"""Write a study as one self-contained HTML page: tables, plots, statistics, pictures and a methods paragraph.

Give the tables of acseg compare (one a method), of acseg measure and of acseg learning-curve, whichever there are, as
.csv, .xlsx or .json. With the folders of images, results and truth, the best, median and worst cells are shown as
outlines on slices and as difference surfaces. The page needs no network and prints to PDF from any browser.

Examples:
  acseg report -o study.html --scores network=scores.csv --images tomograms/ --results results/ --truth truth/
  acseg report -o study.html --scores otsu=otsu.csv filled=filled.csv --cells cells.csv --tables study.xlsx
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ACSegLib.commands.options import option
from ACSegLib.errors import FileError, InputError
from ACSegLib.jobs import Progress

if TYPE_CHECKING:
    from ACSegLib.measure.report import Figure, Section, StudyReport

SUMMARY = "write a study as one HTML page with tables, plots, statistics and pictures"

Rows = list[dict[str, Any]]


@dataclass
class Options:
    """Options of ``acseg report``."""

    output: str = option(help="page to write (.html)", short="o", metavar="HTML")
    scores: list[str] = option(
        default=[], help="tables of acseg compare, NAME=TABLE or TABLE; the first is shown in pictures", metavar="TABLE"
    )
    cells: list[str] = option(default=[], help="tables of acseg measure, NAME=TABLE or TABLE", metavar="TABLE")
    learning_curve: str | None = option(default=None, help="table of acseg learning-curve", metavar="TABLE")
    target: float = option(default=0.98, help="Dice that the learning curve is read at", minimum=0.01, maximum=0.9999)
    images: str | None = option(default=None, help="tomogram or folder of tomograms, for the pictures")
    results: str | None = option(default=None, help="segmentation or folder of them, for the pictures")
    truth: str | None = option(default=None, help="true segmentation or folder of them, for the pictures")
    segment: str = option(default="", help="segment that the plots and pictures are of; the first when left out")
    tables: str | None = option(default=None, help="also write all tables of the report (.xlsx)", metavar="XLSX")
    title: str = option(default="Segmentation study", help="title of the page")


def run(options: Options, progress: Progress) -> dict[str, Any]:
    """Gather the tables, make the page and write it."""
    from ACSegLib.files.atomic import atomic_output
    from ACSegLib.files.tables import write_workbook
    from ACSegLib.measure.report import render

    if Path(options.output).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"the report {options.output} must end in .html.")
    if options.tables and Path(options.tables).suffix.lower() != ".xlsx":
        raise InputError(f"--tables {options.tables} must end in .xlsx.")
    progress(0.0, "reading tables")
    study = Study.read(options)
    progress(0.1, "making figures")
    report, sheets = build(study, options, progress.part(0.1, 0.95))
    progress(0.95, "writing the page")
    page = render(report)
    with atomic_output(options.output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    outputs = {"report": options.output}
    if options.tables:
        write_workbook(sheets, options.tables)
        outputs["tables"] = options.tables
    results: dict[str, Any] = {
        "sections": [section.title for section in report.sections],
        "figures": sum(len(section.figures) for section in report.sections),
        "bytes": len(page.encode("utf-8")),
        "failures": report.failures,
        "outputs": outputs,
    }
    if report.failures:
        results["exit_code"] = 2
    return results


def describe(results: Mapping[str, Any]) -> str:
    """What the page holds."""
    from ACSegLib.commands.summaries import failure_lines

    head = f"{results['outputs']['report']}: {', '.join(results['sections'])} ({results['figures']} figures)"
    return "\n".join([head, *failure_lines(results["failures"])])


@dataclass
class Study:
    """The tables of a study, by the name of their method."""

    scores: dict[str, Rows]
    cells: dict[str, Rows]
    curve: Rows
    segment: str

    @classmethod
    def read(cls, options: Options) -> Study:
        """Read the tables; an InputError if there is none, or the segment is in none."""
        from ACSegLib.files.tables import read_table

        scores = {name: _table(path, ("dice",)) for name, path in named_paths(options.scores).items()}
        cells = {name: _table(path, ("volume", "kind")) for name, path in named_paths(options.cells).items()}
        curve = read_table(options.learning_curve) if options.learning_curve else []
        if not (scores or cells or curve):
            raise InputError("there is nothing to report: give --scores, --cells or --learning-curve.")
        names = [row["segment"] for rows in [*scores.values(), *cells.values()] for row in rows]
        segment = options.segment or (str(names[0]) if names else "")
        if names and segment not in names:
            raise InputError(f"no table has a segment {segment!r}; there are: {', '.join(sorted(set(names)))}.")
        return cls(scores, cells, curve, segment)


def named_paths(entries: Sequence[str]) -> dict[str, str]:
    """Names and paths of NAME=TABLE entries; the name is the file's where it is left out."""
    found: dict[str, str] = {}
    for entry in entries:
        name, separator, path = entry.partition("=")
        if not separator:
            name, path = Path(entry).stem, entry
        if name in found:
            raise InputError(f"two tables are named {name!r}; name them apart with NAME=TABLE.")
        found[name] = path
    return found


def _table(path: str, needed: Sequence[str]) -> Rows:
    from ACSegLib.files.tables import read_table

    rows = read_table(path)
    if not rows:
        raise FileError(f"{path}: the table has no rows.")
    missing = [c for c in (*needed, "segment", "volume_name") if c not in rows[0]]
    if missing:
        raise FileError(f"{path}: the table has no column {missing[0]!r}; give a table of acseg compare or measure.")
    return rows


def build(study: Study, options: Options, progress: Progress) -> tuple[StudyReport, dict[str, Rows]]:
    """Put the report together; gives it and its tables for the workbook."""
    from datetime import date

    from ACSegLib.commands import study_sections as sections
    from ACSegLib.measure.report import StudyReport

    report = StudyReport(options.title)
    sheets: dict[str, Rows] = {}
    if study.scores:
        report.sections.append(sections.agreement(study, sheets))
        report.facts += sections.facts(study)
        progress(0.2, "comparing morphology")
        report.sections += sections.morphology_against_truth(study, sheets)
    if study.cells:
        progress(0.3, "comparing groups")
        report.sections.append(sections.morphology(study, sheets))
    if study.curve:
        report.sections.append(sections.learning_curve(study.curve, options.target, sheets))
    if options.images and options.results and options.truth and study.scores:
        section, failures = _pictures(study, options, progress.part(0.4, 0.95))
        report.sections.append(section)
        report.failures.update(failures)
    if study.scores:
        report.sections.append(sections.every_cell(study, sheets))
    report.sections.append(sections.methods(study, options))
    report.subtitle = f"{date.today().isoformat()} · segment: {study.segment}" if study.segment else ""
    return report, sheets


def _pictures(study: Study, options: Options, progress: Progress) -> tuple[Section, dict[str, str]]:
    """Outlines on slices and difference surfaces of the best, median and worst cell of the first method."""
    from ACSegLib.commands.batch import find_files, match_file
    from ACSegLib.measure.report import Section

    method, rows = next(iter(study.scores.items()))
    ranked = sorted(
        (r for r in rows if r["segment"] == study.segment and r.get("dice") is not None), key=lambda r: -r["dice"]
    )
    places = {"worst": len(ranked) - 1, "median": len(ranked) // 2, "best": 0} if ranked else {}
    picks = {place: kind for kind, place in places.items()}  # of few cells, one is named by the better of its places
    section = Section(
        "Best, median and worst cell",
        [
            f"By the Dice coefficient of {study.segment}, method {method}. In the surface pictures grey is agreement, "
            "red is what was segmented beyond the truth, and blue is what was missed."
        ],
    )
    folders = {
        role: (str(path), find_files([str(path)]))
        for role, path in (("image", options.images), ("result", options.results), ("truth", options.truth))
    }
    failures: dict[str, str] = {}
    for n, place in enumerate(sorted(picks)):
        name = str(ranked[place]["volume_name"])
        progress(n / 3, f"picture of {name}")
        caption = f"{picks[place].capitalize()}: {name}, Dice {ranked[place]['dice']:.4f}"
        try:
            files = {
                role: paths[0]
                if paths == [path] and len(ranked) == 1  # the only pair need not be of one name
                else match_file(name.rsplit("/", 1)[-1], paths, role, path)
                for role, (path, paths) in folders.items()
            }
            section.figures += cell_figures(files, study.segment, method, caption)
        except (InputError, OSError) as error:
            failures[name] = f"not pictured: {error}"
    return section, failures


def cell_figures(files: Mapping[str, str], segment: str, method: str, caption: str) -> list[Figure]:
    """Contact sheet of outlines, and difference surface, of one cell."""
    import tempfile

    import numpy as np

    from ACSegLib.commands.grids import brought_onto
    from ACSegLib.files import open_segmentation, open_volume
    from ACSegLib.measure.overlap import ALL_CELLS, pair_segments
    from ACSegLib.measure.report import png_figure
    from ACSegLib.pictures import comparison_sheet, surface_picture
    from ACSegLib.volume import Segment, Segmentation

    volume = open_volume(files["image"])
    result, truth = (
        brought_onto(open_segmentation(files[side]), volume, resample=True) for side in ("result", "truth")
    )
    if segment == ALL_CELLS:
        masks = [result.occupied(), truth.occupied()]
    else:
        pairs = {name: rows for name, *rows in pair_segments(result, truth)}
        rows = pairs.get(segment, [None, None])
        masks = [side.mask(row) for side, row in zip((result, truth), rows, strict=True) if row is not None]
    if len(masks) < 2:
        raise InputError(f"{segment} is absent from one side.")
    sides = [Segmentation((m.astype(np.uint8),), [Segment(segment, 1)], volume.geometry) for m in masks]
    ours, true = (side.labels for side in sides)
    difference = Segmentation.from_labels(
        ours + 2 * true,
        volume.geometry,
        {3: "agreement", 1: "segmented beyond the truth", 2: "missed"},
    )
    colours = {
        "agreement": (0.78, 0.79, 0.81),
        "segmented beyond the truth": (0.84, 0.15, 0.12),
        "missed": (0.12, 0.35, 0.80),
    }
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        sheet, surface = Path(folder) / "sheet.png", Path(folder) / "surface.png"
        comparison_sheet(volume, sheet, {"truth": sides[1], method: sides[0]}, title=caption)
        figures.append(png_figure(sheet.read_bytes(), f"{caption}; outlines of {segment}."))
        surface_picture(difference, surface, title=caption, colours=colours)
        figures.append(png_figure(surface.read_bytes(), f"{caption}; difference surface."))
    return figures

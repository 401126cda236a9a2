"""Write a study as one self-contained HTML page: tables, plots, statistics, pictures and a methods paragraph.

Give the tables of acseg compare (one a method), of acseg measure and of acseg learning-curve, whichever there are, as
.csv, .xlsx or .json. Methods are compared with the truth and with one another, groups of cells (tables, or folders of
one) and kinds of labels too. With the folders of images, results and truth, the best, median and worst cells are shown
as outlines on slices and as difference surfaces. The page needs no network and prints to PDF from any browser.

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
    from ACSegLib.study.page import StudyReport

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
    rows: str = option(
        default="segment",
        help="what counts as one in the tables of acseg measure: a segment of a volume, or each connected cell",
        choices=("segment", "cell"),
    )
    tables: str | None = option(default=None, help="also write all tables of the report (.xlsx)", metavar="XLSX")
    title: str = option(default="Segmentation study", help="title of the page")


def run(options: Options, progress: Progress) -> dict[str, Any]:
    """Gather the tables, make the page and write it."""
    from ACSegLib.files.atomic import atomic_output
    from ACSegLib.files.tables import write_workbook
    from ACSegLib.study.page import render

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
    """The tables of a study, by the name of their method; scores are in one unit, and so are cells."""

    scores: dict[str, Rows]
    cells: dict[str, Rows]
    curve: Rows
    segment: str

    @classmethod
    def read(cls, options: Options) -> Study:
        """Read the tables; an InputError if there is none, or the segment is in none."""
        from ACSegLib.files.tables import read_table
        from ACSegLib.study.units import in_unit_of_the_first

        scores = {name: _table(path, ("dice",)) for name, path in named_paths(options.scores).items()}
        cells = {name: _table(path, ("volume", "kind")) for name, path in named_paths(options.cells).items()}
        scores, cells = in_unit_of_the_first(scores), in_unit_of_the_first(cells)
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

    from ACSegLib.study import sections
    from ACSegLib.study.groups import morphology
    from ACSegLib.study.methods import methods
    from ACSegLib.study.page import StudyReport
    from ACSegLib.study.pictures import pictures

    report = StudyReport(options.title)
    sheets: dict[str, Rows] = {}
    if study.scores:
        report.sections.append(sections.agreement(study, sheets))
        report.facts += sections.facts(study)
        report.sections += sections.methods_in_pairs(study, sheets)
        progress(0.2, "comparing morphology")
        report.sections += sections.morphology_against_truth(study, sheets)
    if study.cells:
        progress(0.3, "comparing groups")
        report.sections.append(morphology(study, options.rows, sheets))
    if study.curve:
        report.sections.append(sections.learning_curve(study.curve, options.target, sheets))
    if options.images and options.results and options.truth and study.scores:
        section, failures = pictures(study, options, progress.part(0.4, 0.95))
        report.sections.append(section)
        report.failures.update(failures)
    if study.scores:
        report.sections.append(sections.every_cell(study, sheets))
    report.sections.append(methods(study, options, sheets))
    report.subtitle = f"{date.today().isoformat()} · segment: {study.segment}" if study.segment else ""
    return report, sheets

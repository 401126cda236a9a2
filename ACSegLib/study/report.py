"""The report of a study, put together from its sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from ACSegLib.jobs import Progress
from ACSegLib.study import agreement
from ACSegLib.study.groups import morphology
from ACSegLib.study.learning import learning_curve
from ACSegLib.study.methods import methods
from ACSegLib.study.page import StudyReport
from ACSegLib.study.pictures import PicturedCell, pictures
from ACSegLib.study.tables import Sheets, Study


@dataclass(frozen=True)
class ReportSettings:
    """What a report shows.

    Parameters
    ----------
    title : str
    rows : {"segment", "cell", "volume"}
        What counts as one in the tables of ``acseg measure``.
    target : float
        Dice at which the learning curve is read.
    versions : mapping of str to str
        Versions of the packages, that of "acseg" among them.
    cells : mapping of str to PicturedCell, optional
        Files for the pictures, by the names in the tables; without them there are no pictures.
    missing : mapping of str to str
        Why a cell has no files.
    """

    title: str = "Segmentation study"
    rows: str = "segment"
    target: float = 0.98
    versions: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[str, PicturedCell] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


def build_report(study: Study, settings: ReportSettings, progress: Progress) -> tuple[StudyReport, Sheets]:
    """Put the report together; gives it and its tables for the workbook."""
    report = StudyReport(settings.title)
    sheets: Sheets = {}
    stages = progress.stages(agreement=2, morphology=1, groups=1, pictures=6)
    if study.scores:
        report.sections.append(agreement.agreement(study, sheets))
        report.facts += agreement.facts(study)
        report.sections += agreement.methods_in_pairs(study, sheets)
        stages.morphology(0.0, "comparing morphology")
        report.sections += agreement.morphology_against_truth(study, sheets)
    if study.cells:
        stages.groups(0.0, "comparing groups")
        report.sections.append(morphology(study, settings.rows, sheets))
    if study.curve:
        report.sections.append(learning_curve(study.curve, settings.target, sheets))
    if study.scores and settings.cells is not None:
        section, failures = pictures(study, settings.cells, settings.missing, stages.pictures)
        report.sections.append(section)
        report.failures.update(failures)
    if study.scores:
        report.sections.append(agreement.every_score(study, sheets))
    report.sections.append(methods(study, settings.rows, settings.target, settings.versions, sheets))
    report.subtitle = f"{date.today().isoformat()} · segment: {study.segment}" if study.segment else ""
    return report, sheets

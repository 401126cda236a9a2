"""Scores of methods: agreement with the reference, methods against one another, and shape against the reference."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from ACSegLib.errors import InputError
from ACSegLib.json_values import Row
from ACSegLib.measure.comparison import correct_p_values
from ACSegLib.measure.overlap import ABSENT, ALL_CELLS
from ACSegLib.study import figures
from ACSegLib.study.columns import label_of, unit_power, unit_text
from ACSegLib.study.evidence import MIN_FOR_PLOT, MIN_FOR_SD, MIN_PAIRS_FOR_PLOT, withhold_tests, worth_plotting
from ACSegLib.study.numbers import plus_minus, summary_of
from ACSegLib.study.page import Figure, Section, table_of, table_of_tests
from ACSegLib.study.tables import Rows, Sheets, Study
from ACSegLib.study.units import ON_VOLUMES, are_clustered, compare_pairs, volume_of
from ACSegLib.wording import counted

_SCORES = (
    "dice",
    "jaccard",
    "average_surface_distance",
    "surface_distance_95",
    "surface_dice",
    "relative_volume_error",
    "panoptic_quality",
    "recognition_quality",
    "segmentation_quality",
)
#: Scores by which methods are compared with one another.
_COMPARED = ("dice", "average_surface_distance", "surface_distance_95", "surface_dice")
#: Measures that are compared with the truth; the tables have them as result_NAME and truth_NAME.
_MORPHOLOGY = ("volume", "surface_to_volume")
PAIRED_COLUMNS = ("mean_first", "mean_second", "difference", "interval", "cohen_d", "t_p", "wilcoxon_p", "p_corrected")


def facts(study: Study) -> list[tuple[str, str]]:
    """The first figures that a reader wants."""
    listed = []
    for method, rows in study.scores.items():
        qualities = [r["panoptic_quality"] for r in rows if r.get("panoptic_quality") is not None]
        if study.segment in study.kinds and qualities:
            listed.append((plus_minus(qualities), f"panoptic quality, {method} ({counted(len(qualities), 'volumes')})"))
        mine = [r for r in rows if r["segment"] == study.segment]
        what = f"Dice of {study.segment}, {method} ({counted(len(mine), study.counted)})"
        listed.append((plus_minus([r["dice"] for r in mine], 100, " %"), what))
    return listed


def agreement(study: Study, sheets: Sheets) -> Section:
    """Overlap and distances per method and segment, and Dice per cell."""
    summary, numbers = [], []
    absences: list[str] = []
    for method, rows in study.scores.items():
        for segment in dict.fromkeys(str(r["segment"]) for r in rows):
            mine = [r for r in rows if r["segment"] == segment]
            texts, means = summary_of(mine, _SCORES)
            name = "all cells (foreground)" if segment == ALL_CELLS else segment
            head = {"method": method, "segment": name, "cells": len(mine), "unit": mine[0].get("unit")}
            summary.append(head | texts)
            if absent := sum(row.get("status") == ABSENT for row in mine):
                absences.append(
                    f"{method}: in {absent} of {len(mine)} {study.counted}, neither side has {name}, which counts as a "
                    "Dice of 100 %."
                )
            numbers.append({**head, **means})
    sheets["agreement"] = numbers
    columns = ["method", "segment", "cells", *_SCORES]
    text = (
        f"Mean ± standard deviation over {study.counted} (from {MIN_FOR_SD} on); undefined values are left out and "
        "counted."
    )
    section = Section("Agreement with the reference", [text, *absences, *_on_instances(study)])
    section.tables.append(table_of(summary, columns))
    groups = {m: _values(rows, study.segment, "dice", 100) for m, rows in study.scores.items()}
    if worth_plotting(groups):
        plot = figures.strip_plot(groups, "Dice, %")
        dots = f"one dot per {study.counted[:-1]}."
        section.figures.append(Figure(f"Dice of {study.segment}, {dots}{figures.boxes_text(groups)}", plot))
    distances = {m: _values(rows, study.segment, "average_surface_distance") for m, rows in study.scores.items()}
    if worth_plotting(distances):
        label = f"average surface distance, {unit_text(_unit(study), 1)}"
        caption = f"Average surface distance of {study.segment}.{figures.boxes_text(distances)}"
        section.figures.append(Figure(caption, figures.strip_plot(distances, label)))
    return section


def _on_instances(study: Study) -> list[str]:
    """Sentences where numbered segments count as cells."""
    texts = []
    for kind in sorted(study.kinds & {str(row["segment"]) for rows in study.scores.values() for row in rows}):
        mine = [row for rows in study.scores.values() for row in rows if row["segment"] == kind]
        volumes = len({row["source_volume"] for row in mine})
        texts.append(
            f"The segments {kind} are instances: each of the {len({r['volume_name'] for r in mine})} counts as a cell, "
            f"from {counted(volumes, 'volumes')}. {ON_VOLUMES}"
        )
        for method, rows in study.false_positives.items():
            missed = sum(row.get("status") == "absent from result" for row in study.scores[method])
            if rows or missed:
                texts.append(
                    f"{method}: {counted(missed, 'cells')} of the reference missed, with a Dice of 0; "
                    f"{counted(len(rows), 'cells')} of the result match none of the reference (false positives). They "
                    "lower the panoptic quality, and have no Dice."
                )
        if not any(row.get("panoptic_quality") is not None for rows in study.scores.values() for row in rows):
            texts.append(
                "They were paired by their names. acseg compare --cells matches them by overlap and gives panoptic "
                "quality, splits and merges."
            )
    return texts


def morphology_against_truth(study: Study, sheets: Sheets) -> list[Section]:
    """Volume and surface-to-volume ratio, method against reference: paired tests, Bland-Altman; [] without columns."""
    section = Section(
        "Morphology against the reference",
        [
            f"Segment {study.segment}, over the same {study.counted}. p values of the paired t-test are corrected for "
            "the number of measures of a method (Holm). Differences are method minus reference. Limits of agreement "
            "hold 95 % of the differences."
        ],
    )
    every = {method: _by_cell(rows, study.segment) for method, rows in study.scores.items()}
    tables = {method: {n: row for n, row in rows.items() if _on_both_sides(row)} for method, rows in every.items()}
    for method, cells in every.items():
        if absent := len(cells) - len(tables[method]):
            section.texts.append(
                f"{method}: {absent} of {len(cells)} {study.counted} are on one side only and left out here."
            )
    units = {name: unit_text(_unit(study), unit_power(name)) for name in _MORPHOLOGY}
    for name, unit in units.items():
        section.figures += _beside_reference(tables, name, unit, study)
    rows: Rows = []
    for method, cells in tables.items():
        pairs = {n: _known_pairs(cells.values(), f"result_{n}", f"truth_{n}") for n in units}
        compared = [compare_pairs(*pair, name) for name, pair in pairs.items() if pair[0]]
        mine = [{"method": method, "unit": units[row["measure"]], **row} for row in compared]
        if (text := withhold_tests(mine)) and text not in section.texts:
            section.texts.append(text)
        correct_rows(mine)
        rows += mine
        for name, pair in pairs.items():
            if len(pair[0]) >= MIN_PAIRS_FOR_PLOT:
                independent = not are_clustered(list(cells.values()))
                plot = figures.bland_altman_plot(*pair[:2], units[name], f"{method}: {label_of(name)}", independent)
                caption = (
                    f"Difference of {label_of(name)}, {method} minus reference, over their mean (Bland-Altman plot)."
                )
                section.figures.append(Figure(caption, plot))
    if not rows:
        return []
    sheets["morphology tests"] = rows
    columns = ["method", "measure", "pairs", "mean_first", "mean_second", "relative_difference", *PAIRED_COLUMNS[2:]]
    labels = {"mean_first": "mean", "mean_second": "mean of reference"}
    section.tables.append(table_of_tests(rows, columns, labels=labels))
    return [section]


def _on_both_sides(row: Row) -> bool:
    """Whether a cell is in result and reference: a cell that was missed has no shape to compare."""
    return row.get("status") in (None, "both")


def _beside_reference(tables: Mapping[str, Mapping[str, Row]], name: str, unit: str, study: Study) -> list[Figure]:
    """One plot of a measure in the reference and in each method, of the cells alone that all of them have."""
    shared = [
        cell
        for cell, row in next(iter(tables.values())).items()
        if row.get(f"truth_{name}") is not None
        and all(cell in cells and cells[cell].get(f"result_{name}") is not None for cells in tables.values())
    ]
    if len(shared) < MIN_FOR_PLOT:
        return []
    first = next(iter(tables.values()))
    groups = {figures.REFERENCE: [first[cell][f"truth_{name}"] for cell in shared]}
    groups |= {method: [cells[cell][f"result_{name}"] for cell in shared] for method, cells in tables.items()}
    plot = figures.strip_plot(groups, f"{label_of(name)}, {unit}")
    every = len({cell for cells in tables.values() for cell in cells})
    which = f"the {len(shared)}" if len(shared) == every else f"the {len(shared)} of {every}"
    text = f"{_title(name)} of {which} {study.counted} that the reference and all methods have."
    return [Figure(text + figures.boxes_text(groups), plot)]


def _known_pairs(rows: Iterable[Row], first: str, second: str) -> tuple[list[float], list[float], list[str]]:
    """Values of two columns, of the rows that have both, and the volumes of these rows."""
    both = [row for row in rows if row.get(first) is not None and row.get(second) is not None]
    return [row[first] for row in both], [row[second] for row in both], [volume_of(row) for row in both]


def methods_in_pairs(study: Study, sheets: Sheets) -> list[Section]:
    """Scores of each two methods compared, paired by cell; [] of a single method."""
    if len(study.scores) < 2:
        return []
    section = Section(
        "Methods against one another",
        [
            f"Segment {study.segment}, over the {study.counted} that both tables name, first method minus second. "
            "p values of the paired t-test are corrected for all pairs of methods and measures (Holm)."
        ],
    )
    rows: Rows = []
    tables = {method: _by_cell(table, study.segment) for method, table in study.scores.items()}
    if not any(set(first) & set(second) for first, second in itertools.combinations(tables.values(), 2)):
        section.texts = [f"The tables have no {study.counted} in common, so the methods are not compared."]
        return [section]
    for first, second in itertools.combinations(tables, 2):
        mine, theirs, both = tables[first], tables[second], f"{first} - {second}"
        shared = [name for name in mine if name in theirs]
        if alone := len(mine.keys() ^ theirs.keys()):
            section.texts.append(f"{both}: {len(shared)} {study.counted}; {alone} are not in both tables.")
        for measure in _COMPARED:
            values, others = ([side[name].get(measure) for name in shared] for side in (mine, theirs))
            compared = compare_pairs(values, others, [volume_of(mine[name]) for name in shared], measure)
            if compared["pairs"]:
                unit = unit_text(_unit(study), unit_power(measure))
                rows.append({"comparison": both, "unit": unit, **compared})
    if rows:
        if text := withhold_tests(rows):
            section.texts.append(text)
        correct_rows(rows)
        sheets["method tests"] = rows
        columns = ["comparison", "measure", "pairs", *(["left_out"] if any(r["left_out"] for r in rows) else [])]
        section.tables.append(table_of_tests(rows, [*columns, *PAIRED_COLUMNS]))
    return [section]


def _by_cell(rows: Rows, segment: str) -> dict[str, Row]:
    """Rows of the segment by cell; an InputError if two are of one cell, so that pairs would be arbitrary."""
    by_cell: dict[str, Row] = {}
    for row in rows:
        name = str(row["volume_name"])
        if row["segment"] == segment and by_cell.setdefault(name, row) is not row:
            raise InputError(
                f"a table of scores has two rows of {segment} in {name!r}; give the cells different names."
            )
    return by_cell


def correct_rows(rows: Rows) -> None:
    """Correct the p values of the t-tests for their number, in the rows' "p_corrected"."""
    for row, p in zip(rows, correct_p_values([row["t_p"] for row in rows]), strict=True):
        row["p_corrected"] = p


def every_score(study: Study, sheets: Sheets) -> Section:
    """All rows of the score tables."""
    rows = [{"method": m, **r} for m, table in study.scores.items() for r in table]
    sheets["scores"] = rows
    sheets["false positives"] = [{"method": m, **r} for m, table in study.false_positives.items() for r in table]
    columns = ["volume_name", "method", "segment", "dice", "average_surface_distance", "surface_distance_95"]
    columns += ["surface_dice", "truth_volume", "result_volume", "relative_volume_error", "truth_surface_to_volume"]
    columns += ["result_surface_to_volume", "touches_border"]
    return Section("All scores", tables=[table_of(rows, columns)])


def _values(rows: Rows, segment: str, column: str, scale: float = 1.0) -> list[float]:
    return [r[column] * scale for r in rows if r["segment"] == segment and r.get(column) is not None]


def _title(name: str) -> str:
    label = label_of(name)
    return label[:1].upper() + label[1:]


def _unit(study: Study) -> str:
    row: Row = next(iter(study.scores.values()))[0]
    return str(row.get("unit") or "")

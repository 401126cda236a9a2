"""The section of a study report on the size and shape of cells, with their groups compared."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from ACSegLib.json_values import Row
from ACSegLib.measure.comparison import compare_group_measures
from ACSegLib.measure.volume_intervals import interval_of
from ACSegLib.segment_estimates import coverage_text
from ACSegLib.study import figures
from ACSegLib.study.cells import kind_of_instance, without_specks
from ACSegLib.study.columns import intensity_texts, label_of, thin_text, unit_power, unit_text
from ACSegLib.study.evidence import MIN_CELLS_FOR_TEST, worth_plotting
from ACSegLib.study.numbers import format_value, summary_of, with_interval
from ACSegLib.study.page import Figure, Section, table_of, table_of_tests
from ACSegLib.study.tables import Rows, Sheets, Study
from ACSegLib.study.units import are_clustered, means_of_volumes

#: Measures that are plotted and tested.
_COMPARED = ("volume", "surface_to_volume", "sphericity", "thin_parts", "thin_part_length", "lac_mean")
_SUMMARISED = (
    *("volume", "surface_area", "surface_to_volume", "sphericity", "axis_1", "axis_2", "axis_3"),
    *("thin_parts", "thin_part_length", "lac_mean"),
)
#: Measures that are averaged over the cells of a volume.
_AVERAGED = (*_SUMMARISED, "lac_sd")
_ROWS = {
    "segment": "The segment {segment}, one row per volume; groups are tables or folders.",
    "cell": "Each row is a connected cell of {segment}, so that cells that touch count as one; groups are tables or "
    "folders.",
    "instance": "Each row is an instance of {segment}, a numbered segment of a volume; groups are tables or folders.",
    "volume": "Each row is the mean of the cells of {segment} in one volume; groups are tables or folders.",
}
#: What tests count where a volume has several cells.
_CLUSTERED = (
    "Cells of one volume are not independent, so tests compare means of volumes (Lord et al., J. Cell Biol. 219, "
    "e202001064, 2020)."
)


def morphology(study: Study, kind: str, sheets: Sheets) -> Section:
    """Measures per cell of the tables of acseg measure, with their groups compared.

    Parameters
    ----------
    kind : {"segment", "cell", "volume"}
        Rows that count: those of segments, of their connected cells, or of the volumes, whose cells are averaged.
    """
    segment = study.measured_segment
    instances = kind == "segment" and segment in study.kinds
    section = Section("Morphology", [_ROWS["instance" if instances else kind].format(segment=segment)])
    if segment != study.segment:
        section.texts.append(f"The tables of acseg measure have no segment {study.segment}.")
    # The cells of a volume are its numbered segments, where there are some, or else its connected components.
    counted = kind if kind != "volume" else "segment" if segment in study.kinds else "cell"
    grouped = _grouped(study, counted)
    if not grouped:
        what = "segment" if counted == "segment" else "connected cell of the segment"
        section.texts.append(f"No table has a {what} {segment} with voxels.")
        return section
    if counted == "cell" or segment in study.kinds:
        grouped, text = _cells_alone(grouped)
        section.texts += [text] if text else []
    if kind == "volume":
        grouped = {group: means_of_volumes(rows, _AVERAGED) for group, rows in grouped.items()}
    several_radii = _thin_radii(grouped)
    section.texts += [several_radii] if several_radii else []
    summarised = tuple(name for name in _SUMMARISED if not (several_radii and name.startswith("thin_")))
    texts, numbers = [], []
    for group, rows in grouped.items():
        shown, plain = summary_of(rows, summarised)
        head = {"group": group, "cells": len(rows), "unit": rows[0].get("unit")}
        head["intensity_unit"] = rows[0].get("intensity_unit")
        if radius := next((row["thin_radius"] for row in rows if row.get("thin_radius")), None):
            head["thin_radius"] = radius  # by it the headings say "filopodia" or "thin structures"
        texts.append(head | shown)
        numbers.append({**head, **plain})
    sheets["morphology summary"] = numbers
    caption = "Mean ± standard deviation per group"
    section.tables.append(table_of(texts, ["group", "cells", *summarised], caption))
    if grouped:
        _compare(grouped, section, sheets)
    every = [{**r, "group": g} for g, rows in grouped.items() for r in rows]
    section.texts += _doubtful_shapes(every)
    sheets["morphology"] = [_without_contacts(row, study.kinds) for row in every]
    columns = ["volume_name", *(["cell"] if kind == "cell" else []), "group", *_SUMMARISED, "lac_sd", "touches_border"]
    columns[2:2] = ["cells"] if kind == "volume" else []
    columns[-2:-2] = ["thin_radius"] if several_radii else []
    section.texts += _about_intervals(every)
    listed = [row | _volume_text(row) for row in every]
    section.tables.append(table_of(listed, columns, "Every cell" if kind == "cell" or instances else "Every volume"))
    return section


def _doubtful_shapes(rows: Rows) -> list[str]:
    """Sentences on rows whose surface is not that of a cell."""
    texts = []
    if small := sum((row.get("sphericity") or 0) > 1 for row in rows):
        texts.append(
            f"{small} of the {len(rows)} rows have a sphericity above 1: they have too few voxels for their surface "
            "to be known."
        )
    if cut := sum(bool(row.get("touches_border")) for row in rows):
        texts.append(
            f"{cut} of the {len(rows)} rows are cut by the border of the volume: part of them is missing, and the cut "
            "counts as surface. acseg measure --exclude-border leaves such cells out."
        )
    return texts


def _volume_text(row: Row) -> Row:
    """The volume with its 90 % interval as text, "412 ± 9" or "570 (340 to 1220)", where it has one."""
    ends = interval_of(row)
    return {} if ends is None else {"volume": with_interval(float(row["volume"]), *ends)}


def _about_intervals(rows: Rows) -> list[str]:
    """What ± and brackets mean in the table, and how often such intervals held the truth; nothing if no row has one."""
    sources = sorted({str(row["volume_interval"]) for row in rows if interval_of(row) is not None})
    if not sources:
        return []
    texts = [
        "± and brackets after volumes are their 90 % intervals.",
        *(coverage_text(source) for source in sources),
    ]
    return [" ".join(filter(None, texts))]


def _without_contacts(row: Row, kinds: set[str]) -> Row:
    """A row without its contacts with instances, of which each would be a column."""
    prefix = "contact: "
    return {n: v for n, v in row.items() if not (n.startswith(prefix) and kind_of_instance(n[len(prefix) :]) in kinds)}


def _cells_alone(grouped: dict[str, Rows]) -> tuple[dict[str, Rows], str]:
    """The groups without specks, and a sentence on them. Specks are recognised in all groups together."""
    cells, text = without_specks([row for rows in grouped.values() for row in rows])
    kept = {id(row) for row in cells}
    found = {group: [row for row in rows if id(row) in kept] for group, rows in grouped.items()}
    return {group: rows for group, rows in found.items() if rows}, text


def _thin_radii(grouped: dict[str, Rows]) -> str:
    """A sentence if thin structures were measured with several radii, so that they cannot be compared; else ""."""
    rows = [row for rows in grouped.values() for row in rows if row.get("thin_radius")]
    radii = sorted({float(row["thin_radius"]) for row in rows})
    if len(radii) < 2 or math.isclose(radii[0], radii[-1], rel_tol=1e-6):
        return ""
    unit = str(rows[0].get("unit") or "")
    what = thin_text("filopodia", rows).capitalize()
    return (
        f"{what} were measured with radii of {format_value(radii[0])} to {format_value(radii[-1])} "
        f"{unit_text(unit, 1)}, since the voxels differ in size. They are listed, but neither averaged nor compared; "
        f"measure all volumes with one radius: acseg measure --thin-radius {format_value(radii[-1])} --unit {unit}."
    )


def _grouped(study: Study, kind: str) -> dict[str, Rows]:
    """Rows of the segment by group: the table, or its folders; of several tables both, since they may share folders."""
    grouped: dict[str, Rows] = {}
    for name, rows in study.cells.items():
        mine = [r for r in rows if r["segment"] == study.measured_segment and r["kind"] == kind and r["voxels"]]
        several = len({r.get("group") for r in mine}) > 1
        for row in mine:
            folder = f"{name}: {row.get('group')}" if len(study.cells) > 1 else str(row.get("group"))
            grouped.setdefault(folder if several else name, []).append(row)
    return grouped


def _compare(grouped: dict[str, Rows], section: Section, sheets: Sheets) -> None:
    """Add to the section the plots of the groups and the tests between them."""
    measures, units = _measures(grouped)
    clustered = any(are_clustered(rows) for rows in grouped.values())
    tested = {group: means_of_volumes(rows, _AVERAGED) if clustered else rows for group, rows in grouped.items()}
    means = _measures(tested)[0]
    tests: Rows = []
    if len(grouped) > 1:
        section.texts += [_CLUSTERED] if clustered else []
        tests, left_out = compare_group_measures(means, minimum=MIN_CELLS_FOR_TEST, counted="volumes")
        section.texts += _not_compared(left_out)
    for label, values in measures.items():
        axis = ", ".join(text for text in (label, units[label]) if text)
        brackets = _brackets([row for row in tests if row["measure"] == label], list(grouped))
        if not worth_plotting(values):
            continue
        plot = figures.strip_plot(values, axis, brackets=brackets, means=means.get(label) if clustered else None)
        marks = " Diamonds: means of volumes." if clustered else ""
        marks += figures.boxes_text(values) + (" Brackets: corrected p of Welch's test." if brackets else "")
        section.figures.append(Figure(f"{label[:1].upper()}{label[1:]} per group.{marks}", plot))
    if not tests:
        return
    names = {group: {row["volume_name"] for row in rows} for group, rows in grouped.items()}
    same = [f"{a} and {b}" for a, b in itertools.combinations(grouped, 2) if names[a] & names[b]]
    if same:
        section.texts.append(
            f"Cells of one name are in several groups ({', '.join(same)}). The tests take them for different cells, "
            "since many series are numbered from 1. If they are the same cells, these tests do not apply, and their p "
            "values are mostly too large. Methods are compared on the same cells where the tables of acseg compare "
            "are given as --scores."
        )
    section.texts.append("Welch's tests; p values are corrected for all pairs of groups and measures (Holm).")
    sheets["group tests"] = [{**row, "unit": units[row["measure"]]} for row in tests]
    columns = ["measure", "comparison", "cells", "mean_first", "mean_second", "difference", "interval"]
    columns += ["hedges_g", "p", "rank_p", "p_corrected"]
    numbers = [{**row, "cells": _numbers(row)} for row in sheets["group tests"]]
    section.tables.append(table_of_tests(numbers, columns, "Comparison of groups"))


def _numbers(row: Row) -> str:
    """Numbers of both groups: "6 + 8"; of all groups their sum."""
    return f"{row['cells_first']} + {row['cells_second']}" if "cells_first" in row else str(row["cells"])


def _measures(grouped: dict[str, Rows]) -> tuple[dict[str, dict[str, list[float]]], dict[str, str]]:
    """Values of each measure by group, and the measures' units, by the measures' names on the page."""
    unit = str(next(iter(grouped.values()))[0].get("unit") or "")
    comparable = not _thin_radii(grouped)
    measures: dict[str, dict[str, list[float]]] = {}
    units: dict[str, str] = {}
    for name in _COMPARED:
        if name.startswith("thin_") and not comparable:
            continue
        values = {g: [v for r in rows if (v := r.get(name)) is not None] for g, rows in grouped.items()}
        if not any(any(known) for known in values.values()):
            continue  # no values, or no cell has a filopodium
        rows = [row for rows in grouped.values() for row in rows]
        label, text = thin_text(label_of(name), rows), unit_text(unit, unit_power(name))
        if name.startswith("lac_"):
            what, text = intensity_texts(rows)
            label = label.replace("intensity", what)
        measures[label], units[label] = values, text
    return measures, units


def _not_compared(left_out: Mapping[str, str]) -> list[str]:
    """Sentences on what is not compared and why; measures with the same reason share one."""
    measures: dict[str, list[str]] = {}
    for measure, reason in left_out.items():
        measures.setdefault(reason.replace(measure, "\0", 1), []).append(measure)
    return [f"Not compared: {reason}".replace("\0", ", ".join(names), 1) for reason, names in measures.items()]


def _brackets(tests: Rows, groups: list[str]) -> list[figures.Bracket]:
    """Marks of the pairs of groups that were tested."""
    pairs = {f"{a} - {b}": (a, b) for a, b in itertools.combinations(groups, 2)}
    compared = [row for row in tests if row["comparison"] in pairs and math.isfinite(row["p_corrected"])]
    return [figures.Bracket(*pairs[row["comparison"]], row["p_corrected"]) for row in compared]

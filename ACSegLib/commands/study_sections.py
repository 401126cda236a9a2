"""The sections of a study report, each made from the study's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ACSegLib.errors import InputError
from ACSegLib.measure.report import Figure, Section, format_value, plus_minus, table_of, unit_text

if TYPE_CHECKING:
    from ACSegLib.commands.study_report import Options, Rows, Study

_SCORES = (
    "dice",
    "jaccard",
    "average_surface_distance",
    "surface_distance_95",
    "surface_dice",
    "relative_volume_error",
    "panoptic_quality",
)
#: Measures that are compared with the truth: name, result's and truth's column, power of the unit.
_MORPHOLOGY = (
    ("volume", "result_volume", "truth_volume", 3),
    ("surface_to_volume", "result_surface_to_volume", "truth_surface_to_volume", -1),
)
_PERCENT = ("dice", "jaccard", "surface_dice", "relative_volume_error", "panoptic_quality")

_OVERLAP_METHODS = """
    Segmentations were compared with the reference by the Dice and Jaccard coefficients, the average symmetric and
    the 95th percentile surface distance over area-weighted surface elements (Nikolov et al.,
    arXiv:1809.04430){surface_dice}. Empty and absent segments were scored as in Metrics reloaded (Maier-Hein et
    al., Nat. Methods 21, 195, 2024). Surface area was estimated by the Cauchy-Crofton formula over 13 directions,
    weighted for the voxel's aspect (Ohser and Schladitz, 2009). Volume and surface-to-volume ratio were compared
    with the reference by paired t-tests and Wilcoxon signed-rank tests, two-sided, with Holm's correction, and by
    Bland-Altman analysis."""
_MORPHOLOGY_METHODS = """
    Volume, surface area, sphericity and principal axes were measured per segment and connected cell."""
_THIN_METHODS = """
    Thin parts (filopodia) are what no ball of radius {radius} inside the cell covers; they were measured along their
    skeletons."""
_BEAD_METHODS = """
    The LAC of each volume was scaled such that the median of the polystyrene beads' interior is {reference}."""
_GROUP_METHODS = """
    Groups were compared by Welch's test and by ranks (Mann-Whitney, Kruskal-Wallis), with Holm's correction and
    Hedges' g."""
_CURVE_METHODS = """
    The learning curve 1 - b exp(-a x) was fitted by least squares weighted by the inverse variance of the scores;
    its band and the number of volumes for {target} are by the delta method."""


def facts(study: Study) -> list[tuple[str, str]]:
    """The first figures that a reader wants."""
    found = []
    for method, rows in study.scores.items():
        mine = [r for r in rows if r["segment"] == study.segment]
        found.append((f"{plus_minus([r['dice'] for r in mine], 100)} %", f"Dice, {method} (n = {len(mine)})"))
    return found


def agreement(study: Study, sheets: dict[str, Rows]) -> Section:
    """Overlap and distances per method and segment, and Dice per cell."""
    summary, numbers = [], []
    for method, rows in study.scores.items():
        for segment in dict.fromkeys(str(r["segment"]) for r in rows):
            mine = [r for r in rows if r["segment"] == segment]
            row: dict[str, Any] = {"method": method, "segment": segment, "cells": len(mine), "unit": mine[0]["unit"]}
            plain = dict(row)
            for name in _SCORES:
                values = [r.get(name) for r in mine]
                if any(v is not None for v in values):
                    text = plus_minus(values, 100 if name in _PERCENT else 1)
                    row[name] = text + (" %" if name in _PERCENT and text != "–" else "")
                    plain[name] = _mean(values)
            summary.append(row)
            numbers.append(plain)
    sheets["agreement"] = numbers
    columns = ["method", "segment", "cells", *_SCORES]
    section = Section("Agreement with the truth", ["Mean ± standard deviation over cells."])
    section.tables.append(table_of(summary, columns))
    figures = _figures()
    groups = {m: _values(rows, study.segment, "dice", 100) for m, rows in study.scores.items()}
    section.figures.append(Figure(f"Dice of {study.segment}, a dot a cell.", figures.strip_plot(groups, "Dice, %")))
    distances = {m: _values(rows, study.segment, "average_surface_distance") for m, rows in study.scores.items()}
    if any(distances.values()):
        label = f"average surface distance, {unit_text(_unit(study), 1)}"
        section.figures.append(Figure(f"Surface distance of {study.segment}.", figures.strip_plot(distances, label)))
    return section


def morphology_against_truth(study: Study, sheets: dict[str, Rows]) -> list[Section]:
    """Volume and surface-to-volume ratio, method against truth: paired tests and Bland-Altman; [] without columns."""
    from ACSegLib.measure.comparison import compare_measures

    section = Section(
        "Morphology against the truth",
        [
            "Paired tests over the same cells. p values of the t-test are corrected for the number of measures of a "
            "method (Holm). Differences are method minus truth; the limits hold 95 % of differences."
        ],
    )
    rows: Rows = []
    figures = _figures()
    for name, _, column, power in _MORPHOLOGY:
        groups = {"truth": _values(next(iter(study.scores.values())), study.segment, column)}
        mine = {m: _values(r, study.segment, f"result_{name}") for m, r in study.scores.items()}
        if not any(groups["truth"]):
            continue
        label = f"{_label(name)}, {unit_text(_unit(study), power)}"
        section.figures.append(Figure(f"{_title(name)} per cell.", figures.strip_plot(groups | mine, label)))
    for method, table in study.scores.items():
        cells = [r for r in table if r["segment"] == study.segment]
        pairs = {n: ([r.get(a) for r in cells], [r.get(b) for r in cells]) for n, a, b, _ in _MORPHOLOGY}
        pairs = {n: (a, b) for n, (a, b) in pairs.items() if any(v is not None for v in b)}
        rows += [{"method": method, **c.as_row()} for c in compare_measures(pairs)]
        for name, _, _, power in _MORPHOLOGY:
            if name in pairs:
                label = unit_text(_unit(study), power)
                svg = figures.bland_altman_plot(*_known(pairs[name]), label, f"{method}: {_label(name)}")
                section.figures.append(Figure(f"Bland-Altman, {method} against truth.", svg))
    if not rows:
        return []
    columns = ["method", "measure", "pairs", "mean_first", "mean_second", "relative_difference", "difference"]
    columns += ["interval", "cohen_d", "t_p", "wilcoxon_p", "p_corrected"]
    sheets["morphology tests"] = rows
    shown = [{**r, "measure": _label(r["measure"]), "interval": _interval(r)} for r in rows]
    section.tables.append(table_of(shown, columns))
    return [section]


def morphology(study: Study, sheets: dict[str, Rows]) -> Section:
    """Measures per cell of the tables of acseg measure, with their groups compared."""
    from ACSegLib.measure.comparison import compare_group_measures

    section = Section("Morphology", ["Each row is a segment of one volume; groups are tables or folders."])
    grouped: dict[str, Rows] = {}
    for name, rows in study.cells.items():
        mine = [r for r in rows if r["segment"] == study.segment and r["kind"] == "segment" and r["voxels"]]
        several = len({r.get("group") for r in mine}) > 1
        for row in mine:
            grouped.setdefault(str(row.get("group")) if several else name, []).append(row)
    if not grouped:
        section.texts.append(f"No volume has voxels of {study.segment}.")
        return section
    unit = str(next(iter(grouped.values()))[0]["unit"])
    figures = _figures()
    measures: dict[str, dict[str, list[float]]] = {}
    for name, power in (("volume", 3), ("surface_to_volume", -1), ("sphericity", None), ("lac_mean", None)):
        values = {g: [v for r in rows if (v := r.get(name)) is not None] for g, rows in grouped.items()}
        if not any(values.values()):
            continue
        label = ", ".join(t for t in (_label(name), unit_text(unit, power)) if t)
        section.figures.append(Figure(f"{_title(name)} per group.", figures.strip_plot(values, label)))
        measures[_label(name)] = values
    tests, left_out = compare_group_measures(measures) if len(grouped) > 1 else ([], {})
    section.texts += [f"Not compared: {reason}" for reason in left_out.values()]
    if tests:
        sheets["group tests"] = tests
        columns = ["measure", "comparison", "cells", "mean_first", "mean_second", "difference", "interval"]
        columns += ["hedges_g", "p", "rank_p", "p_corrected"]
        shown = [{**r, "interval": _interval(r)} for r in tests]
        section.texts.append("Welch's tests; p values are corrected for all pairs of groups and measures (Holm).")
        section.tables.append(table_of(shown, columns, "Comparison of groups"))
    every = [{**r, "group": g} for g, rows in grouped.items() for r in rows]
    cut = sum(bool(r.get("touches_border")) for r in every)
    if cut:
        section.texts.append(
            f"{cut} of {len(every)} are cut by the border of the volume: part of them is missing, and the cut counts "
            "as surface. acseg measure --exclude-border leaves such cells out."
        )
    sheets["morphology"] = every
    columns = ["volume_name", "group", "volume", "surface_area", "surface_to_volume", "sphericity", "axis_1", "axis_2"]
    columns += ["axis_3", "thin_parts", "thin_part_length", "lac_mean", "lac_sd", "touches_border"]
    section.tables.append(table_of(every, columns, "Every cell"))
    return section


def learning_curve(rows: Rows, target: float, sheets: dict[str, Rows]) -> Section:
    """Fitted learning curves, and how many volumes they ask for."""
    from ACSegLib.measure.learning_curve import fit_learning_curve

    points: dict[str, tuple[list[float], list[float], list[float]]] = {}
    for row in summarised_runs(rows):
        volumes, scores, spreads = points.setdefault(row["labels"], ([], [], []))
        volumes.append(row["volumes"])
        scores.append(row["dice"])
        spreads.append(row["dice_sd"])
    curves, answers = {}, []
    for name, (volumes, scores, spreads) in points.items():
        try:
            curve = fit_learning_curve(volumes, scores, spreads if all(s > 0 for s in spreads) else None)
        except InputError as error:
            answers.append(f"{name}: {error}")
            continue
        curves[name] = curve
        answers.append(f"{name}: Dice = {curve.answer(target, int(max(volumes)))}.")
    section = Section("Learning curve", answers)
    section.figures.append(
        Figure(
            "Dice against the number of training volumes; bars are standard deviations, bands 95 % confidence.",
            _figures().learning_curve_plot(points, curves, target),
        )
    )
    sheets["learning curve"] = rows
    return section


def summarised_runs(rows: Rows) -> Rows:
    """Mean and SD of Dice over runs and test cells, per kind of labels and number of training volumes."""
    found: dict[tuple[str, int], list[float]] = {}
    given: dict[tuple[str, int], float] = {}
    for row in rows:
        missing = [c for c in ("volumes", "dice") if row.get(c) is None]
        if missing:
            raise InputError(f"the learning-curve table has a row without {missing[0]!r}; give volumes and dice.")
        if not 0 <= float(row["dice"]) <= 1:
            raise InputError(f"the learning-curve table has the Dice {row['dice']:g}; divide percentages by 100.")
        key = (str(row.get("labels") or "labels"), int(row["volumes"]))
        found.setdefault(key, []).append(float(row["dice"]))
        if row.get("dice_sd") is not None:
            given[key] = float(row["dice_sd"])
    table = []
    for key, values in sorted(found.items()):
        mean = sum(values) / len(values)
        spread = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5 if len(values) > 1 else 0.0
        table.append({"labels": key[0], "volumes": key[1], "dice": mean, "dice_sd": given.get(key, spread)})
    return table


def every_cell(study: Study, sheets: dict[str, Rows]) -> Section:
    """All rows of the score tables."""
    rows = [{"method": m, **r} for m, table in study.scores.items() for r in table]
    sheets["cells"] = rows
    columns = ["volume_name", "method", "segment", "dice", "average_surface_distance", "surface_distance_95"]
    columns += ["surface_dice", "truth_volume", "result_volume", "relative_volume_error", "truth_surface_to_volume"]
    columns += ["result_surface_to_volume", "touches_border"]
    return Section("Every cell", tables=[table_of(rows, columns)])


def methods(study: Study, options: Options) -> Section:
    """A paragraph for a paper, with versions."""
    from ACSegLib.commands.report import versions

    found = versions()
    texts = []
    if study.scores:
        first = next(iter(study.scores.values()))[0]
        tolerance = first.get("tolerance")
        at = f", and the surface Dice at a tolerance of {format_value(tolerance)} {first['unit']}" if tolerance else ""
        texts.append(_flat(_OVERLAP_METHODS).format(surface_dice=at))
    if study.cells:
        texts.append(_morphology_methods(study))
    if study.curve:
        texts.append(_flat(_CURVE_METHODS).format(target=f"{100 * options.target:g} %"))
    software = ", ".join(f"{k} {v}" for k, v in found.items() if k not in ("acseg", "system"))
    texts.append(f"Computed with ACSeg {found['acseg']} ({software}).")
    return Section("Methods", texts)


def _morphology_methods(study: Study) -> str:
    """What was done to the cells, with the parameters that the tables tell."""
    rows = [row for table in study.cells.values() for row in table]
    texts = [_MORPHOLOGY_METHODS]
    radii = sorted({row["thin_radius"] for row in rows if row.get("thin_radius")})
    if radii:  # they differ where the voxels are too coarse for the usual one
        ends = " to ".join(dict.fromkeys(format_value(float(r)) for r in (radii[0], radii[-1])))
        texts.append(_THIN_METHODS.format(radius=f"{ends} {unit_text(str(rows[0]['unit']), 1)}"))
    scaled = [row for row in rows if row.get("bead_lac") and row.get("lac_factor") not in (None, 1.0)]
    if scaled:
        reference = format_value(float(scaled[0]["bead_lac"] * scaled[0]["lac_factor"]))
        texts.append(_BEAD_METHODS.format(reference=reference))
    if len({(name, row.get("group")) for name, table in study.cells.items() for row in table}) > 1:
        texts.append(_GROUP_METHODS)
    return _flat(" ".join(texts))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _figures() -> Any:
    from ACSegLib.measure import figures

    return figures


def _values(rows: Rows, segment: str, column: str, scale: float = 1.0) -> list[float]:
    return [r[column] * scale for r in rows if r["segment"] == segment and r.get(column) is not None]


def _interval(row: Mapping[str, Any]) -> str:
    """Interval of a difference, "0.2 to 0.4"; an en dash where there is none."""
    low, high = (format_value(row.get(f"interval_{end}")) for end in ("low", "high"))
    return "–" if low == "–" else f"{low} to {high}"


def _known(pair: tuple[list[Any], list[Any]]) -> tuple[list[float], list[float]]:
    both = [(a, b) for a, b in zip(*pair, strict=True) if a is not None and b is not None]
    return [a for a, _ in both], [b for _, b in both]


def _mean(values: list[Any]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _label(name: str) -> str:
    return {"surface_to_volume": "surface / volume", "lac_mean": "LAC mean"}.get(name, name.replace("_", " "))


def _title(name: str) -> str:
    label = _label(name)
    return label[:1].upper() + label[1:]


def _unit(study: Study) -> str:
    row: Mapping[str, Any] = next(iter(study.scores.values()))[0]
    return str(row.get("unit") or "")

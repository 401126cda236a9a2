"""The sections of a study report, each made from the study's tables."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ACSegLib.errors import InputError
from ACSegLib.study.page import (
    Figure,
    Section,
    label_of,
    plus_minus,
    summary_of,
    table_of,
    table_of_tests,
    unit_power,
    unit_text,
)

if TYPE_CHECKING:
    from ACSegLib.commands.study_report import Rows, Study

_SCORES = (
    "dice",
    "jaccard",
    "average_surface_distance",
    "surface_distance_95",
    "surface_dice",
    "relative_volume_error",
    "panoptic_quality",
)
#: Scores by which methods are compared with one another.
_COMPARED = ("dice", "average_surface_distance", "surface_distance_95", "surface_dice")
#: Measures that are compared with the truth; the tables have them as result_NAME and truth_NAME.
_MORPHOLOGY = ("volume", "surface_to_volume")
_TESTS = ("mean_first", "mean_second", "difference", "interval", "cohen_d", "t_p", "wilcoxon_p", "p_corrected")


def facts(study: Study) -> list[tuple[str, str]]:
    """The first figures that a reader wants."""
    found = []
    for method, rows in study.scores.items():
        mine = [r for r in rows if r["segment"] == study.segment]
        found.append((plus_minus([r["dice"] for r in mine], 100, " %"), f"Dice, {method} (n = {len(mine)})"))
    return found


def agreement(study: Study, sheets: dict[str, Rows]) -> Section:
    """Overlap and distances per method and segment, and Dice per cell."""
    summary, numbers = [], []
    for method, rows in study.scores.items():
        for segment in dict.fromkeys(str(r["segment"]) for r in rows):
            mine = [r for r in rows if r["segment"] == segment]
            texts, means = summary_of(mine, _SCORES)
            head = {"method": method, "segment": segment, "cells": len(mine), "unit": mine[0].get("unit")}
            summary.append(head | texts)
            numbers.append(head | means)
    sheets["agreement"] = numbers
    columns = ["method", "segment", "cells", *_SCORES]
    text = "Mean ± standard deviation over cells; undefined values are left out and counted."
    section = Section("Agreement with the truth", [text])
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
    units = {name: unit_text(_unit(study), unit_power(name)) for name in _MORPHOLOGY}
    for name, unit in units.items():
        groups = {"truth": _values(next(iter(study.scores.values())), study.segment, f"truth_{name}")}
        mine = {m: _values(r, study.segment, f"result_{name}") for m, r in study.scores.items()}
        if any(groups["truth"]):
            plot = figures.strip_plot(groups | mine, f"{label_of(name)}, {unit}")
            section.figures.append(Figure(f"{_title(name)} per cell.", plot))
    for method, table in study.scores.items():
        cells = [r for r in table if r["segment"] == study.segment]
        pairs = {n: ([r.get(f"result_{n}") for r in cells], [r.get(f"truth_{n}") for r in cells]) for n in units}
        pairs = {n: (a, b) for n, (a, b) in pairs.items() if any(v is not None for v in b)}
        rows += [{"method": method, "unit": units[c.measure], **c.as_row()} for c in compare_measures(pairs)]
        for name, pair in pairs.items():
            svg = figures.bland_altman_plot(*_known(pair), units[name], f"{method}: {label_of(name)}")
            section.figures.append(Figure(f"Bland-Altman, {method} against truth.", svg))
    if not rows:
        return []
    sheets["morphology tests"] = rows
    columns = ["method", "measure", "pairs", "mean_first", "mean_second", "relative_difference", *_TESTS[2:]]
    labels = {"mean_first": "mean", "mean_second": "mean of truth"}
    section.tables.append(table_of_tests(rows, columns, labels=labels))
    return [section]


def methods_in_pairs(study: Study, sheets: dict[str, Rows]) -> list[Section]:
    """Scores of each two methods compared, paired by cell; [] of a single method."""
    from ACSegLib.measure.comparison import compare_paired

    if len(study.scores) < 2:
        return []
    section = Section(
        "Methods against one another",
        [
            "Paired tests over the cells that both tables name, first method minus second. p values of the t-test are "
            "corrected for all pairs of methods and measures (Holm)."
        ],
    )
    rows: Rows = []
    tables = {method: _by_cell(table, study.segment) for method, table in study.scores.items()}
    for first, second in itertools.combinations(tables, 2):
        mine, theirs, both = tables[first], tables[second], f"{first} - {second}"
        shared = [name for name in mine if name in theirs]
        if others := len(mine.keys() ^ theirs.keys()):
            section.texts.append(f"{both}: {len(shared)} cells; {others} are not in both tables.")
        for measure in _COMPARED:
            found = compare_paired(
                [mine[name].get(measure) for name in shared], [theirs[name].get(measure) for name in shared], measure
            )
            if found.pairs:
                unit = unit_text(_unit(study), unit_power(measure))
                rows.append({"comparison": both, "unit": unit, **found.as_row()})
    if rows:
        _correct(rows)
        sheets["method tests"] = rows
        columns = ["comparison", "measure", "pairs", *(["left_out"] if any(r["left_out"] for r in rows) else [])]
        section.tables.append(table_of_tests(rows, [*columns, *_TESTS]))
    return [section]


def _by_cell(rows: Rows, segment: str) -> dict[str, Mapping[str, Any]]:
    """Rows of the segment by cell; an InputError if two are of one cell, so that pairs would be of chance."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        name = str(row["volume_name"])
        if row["segment"] == segment and found.setdefault(name, row) is not row:
            raise InputError(f"a table of scores has two rows of {segment} in {name!r}; name the cells apart.")
    return found


def _correct(rows: Rows) -> None:
    """Correct the p values of the t-tests for their number."""
    from ACSegLib.measure.comparison import correct_p_values

    for row, p in zip(rows, correct_p_values([row["t_p"] for row in rows]), strict=True):
        row["p_corrected"] = p


def learning_curve(rows: Rows, target: float, sheets: dict[str, Rows]) -> Section:
    """Fitted learning curves, and how many volumes they ask for."""
    from ACSegLib.measure.learning_curve import fit_learning_curve

    points: dict[str, tuple[list[float], list[float], list[float]]] = {}
    for row in summarised_runs(rows):
        volumes, scores, spreads = points.setdefault(row["labels"], ([], [], []))
        volumes.append(row["volumes"])
        scores.append(row["dice"])
        spreads.append(row["dice_sd"])
    curves, answers, fits = {}, [], []
    for name, (volumes, scores, spreads) in points.items():
        weighted = all(s > 0 for s in spreads)
        try:
            curve = fit_learning_curve(volumes, scores, spreads if weighted else None)
        except InputError as error:
            answers.append(f"{name}: {error}")
            continue
        curves[name] = curve
        fits.append({"labels": name, "a": curve.a, "b": curve.b, "weighted": weighted})
        answers.append(f"{name}: Dice = {curve.answer(target, int(max(volumes)))}.")
    section = Section("Learning curve", answers)
    section.figures.append(
        Figure(
            "Dice against the number of training volumes; bars are standard deviations, bands 95 % confidence.",
            _figures().learning_curve_plot(points, curves, target),
        )
    )
    sheets["learning curve"] = rows
    if fits:
        sheets["learning curve fits"] = fits
    _kinds_of_labels(rows, section, sheets)
    return section


def _kinds_of_labels(rows: Rows, section: Section, sheets: dict[str, Rows]) -> None:
    """Add the table of kinds of labels by numbers of volumes, and its paired tests."""
    scores: dict[str, dict[str, str]] = {}
    for row in summarised_runs(rows):
        texts = scores.setdefault(row["labels"], {"labels": row["labels"]})
        spread = f" ± {100 * row['dice_sd']:.2f}" if row["dice_sd"] else ""
        texts[f"{row['volumes']} volumes"] = f"{100 * row['dice']:.2f}{spread} %"
    caption = "Dice by number of training volumes, mean ± standard deviation over runs and test cells"
    columns = [f"{count} volumes" for count in sorted({int(row["volumes"]) for row in rows})]
    section.tables.append(table_of(list(scores.values()), ["labels", *columns], caption))
    tests = _paired_kinds(rows)
    if tests:
        sheets["learning curve tests"] = tests
        caption = "Kinds of labels on the same volumes: Dice paired by test cell, averaged over runs"
        section.tables.append(table_of_tests(tests, ["volumes", "comparison", "pairs", *_TESTS], caption))


def _paired_kinds(rows: Rows) -> Rows:
    """Paired tests of each two kinds of labels at each number of volumes, p values corrected for their number (Holm).

    A pair is a test cell, its Dice averaged over the repeats (subsets of the training volumes) that both kinds have;
    rows that name no test cell are of means, which do not pair up.
    """
    from statistics import fmean

    from ACSegLib.measure.comparison import compare_paired

    scores: dict[int, dict[str, dict[str, dict[Any, list[float]]]]] = {}
    for row in rows:
        if row.get("volume_name") is not None:
            kinds = scores.setdefault(int(row["volumes"]), {})
            cell = kinds.setdefault(str(row.get("labels") or "labels"), {}).setdefault(str(row["volume_name"]), {})
            cell.setdefault(row.get("repeat"), []).append(float(row["dice"]))
    tests: Rows = []
    for volumes, kinds in sorted(scores.items()):
        for first, second in itertools.combinations(kinds, 2):
            values: tuple[list[float], list[float]] = ([], [])
            for name, mine in kinds[first].items():
                sides = mine, kinds[second].get(name, {})
                if both := sides[0].keys() & sides[1].keys():
                    for found, side in zip(values, sides, strict=True):
                        found.append(fmean(fmean(side[repeat]) for repeat in both))
            if values[0]:
                row = compare_paired(*values, "dice").as_row()
                tests.append({"volumes": volumes, "comparison": f"{first} - {second}", **row})
    _correct(tests)
    return tests


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


def _figures() -> Any:
    from ACSegLib.study import figures

    return figures


def _values(rows: Rows, segment: str, column: str, scale: float = 1.0) -> list[float]:
    return [r[column] * scale for r in rows if r["segment"] == segment and r.get(column) is not None]


def _known(pair: tuple[list[Any], list[Any]]) -> tuple[list[float], list[float]]:
    both = [(a, b) for a, b in zip(*pair, strict=True) if a is not None and b is not None]
    return [a for a, _ in both], [b for _, b in both]


def _title(name: str) -> str:
    label = label_of(name)
    return label[:1].upper() + label[1:]


def _unit(study: Study) -> str:
    row: Mapping[str, Any] = next(iter(study.scores.values()))[0]
    return str(row.get("unit") or "")

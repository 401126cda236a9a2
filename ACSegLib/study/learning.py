"""The learning curve of a study: fits, kinds of labels, and their paired tests."""

from __future__ import annotations

import itertools
from statistics import fmean
from typing import Any

from ACSegLib.errors import InputError
from ACSegLib.measure.comparison import compare_paired
from ACSegLib.measure.learning_curve import fit_learning_curve
from ACSegLib.study import figures
from ACSegLib.study.agreement import PAIRED_COLUMNS, correct_rows
from ACSegLib.study.evidence import withhold_tests
from ACSegLib.study.numbers import rounded
from ACSegLib.study.page import Figure, Section, table_of, table_of_tests
from ACSegLib.study.tables import Rows, Sheets


def learning_curve(rows: Rows, target: float, sheets: Sheets) -> Section:
    """Fitted learning curves, and how many volumes they ask for."""
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
            figures.learning_curve_plot(points, curves, target),
        )
    )
    sheets["learning curve"] = rows
    if fits:
        sheets["learning curve fits"] = fits
    _kinds_of_labels(rows, section, sheets)
    return section


def _kinds_of_labels(rows: Rows, section: Section, sheets: Sheets) -> None:
    """Add the table of kinds of labels by numbers of volumes, and its paired tests."""
    scores: dict[str, dict[str, str]] = {}
    for row in summarised_runs(rows):
        texts = scores.setdefault(row["labels"], {"labels": row["labels"]})
        mean, spread = 100 * row["dice"], 100 * row["dice_sd"]
        texts[f"{row['volumes']} volumes"] = f"{rounded(mean, spread) if spread else f'{mean:.2f}'} %"
    caption = "Dice by number of training volumes, mean ± standard deviation over runs and test cells"
    columns = [f"{count} volumes" for count in sorted({int(row["volumes"]) for row in rows})]
    section.tables.append(table_of(list(scores.values()), ["labels", *columns], caption))
    tests, text = _paired_kinds(rows)
    if text:
        section.texts.append(text)
    if tests:
        sheets["learning curve tests"] = tests
        caption = "Kinds of labels on the same volumes: Dice paired by test cell, averaged over runs"
        section.tables.append(table_of_tests(tests, ["volumes", "comparison", "pairs", *PAIRED_COLUMNS], caption))


def _paired_kinds(rows: Rows) -> tuple[Rows, str]:
    """Paired tests of each two kinds of labels at each number of volumes, p values corrected for their number (Holm).

    A pair is a test cell, its Dice averaged over the repeats (subsets of the training volumes) that both kinds have;
    rows that name no test cell are of means, which do not pair up.
    """
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
    text = withhold_tests(tests)
    correct_rows(tests)
    return tests, text


def summarised_runs(rows: Rows) -> Rows:
    """Mean and SD of Dice over runs and test cells, per kind of labels and number of training volumes."""
    scores_of: dict[tuple[str, int], list[float]] = {}
    given: dict[tuple[str, int], float] = {}
    for row in rows:
        missing = [c for c in ("volumes", "dice") if row.get(c) is None]
        if missing:
            raise InputError(f"the learning-curve table has a row without {missing[0]!r}; give volumes and dice.")
        if not 0 <= float(row["dice"]) <= 1:
            raise InputError(f"the learning-curve table has the Dice {row['dice']:g}; divide percentages by 100.")
        key = (str(row.get("labels") or "labels"), int(row["volumes"]))
        scores_of.setdefault(key, []).append(float(row["dice"]))
        if row.get("dice_sd") is not None:
            given[key] = float(row["dice_sd"])
    table = []
    for key, values in sorted(scores_of.items()):
        mean = sum(values) / len(values)
        spread = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5 if len(values) > 1 else 0.0
        table.append({"labels": key[0], "volumes": key[1], "dice": mean, "dice_sd": given.get(key, spread)})
    return table

"""Figures and tables of a report as files: every figure with its data, every column with its unit."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from openpyxl import load_workbook

from ACSegLib.errors import FileError
from ACSegLib.files.tables import read_table
from ACSegLib.pictures import comparison_sheet
from ACSegLib.study.export import write_figures, write_sheets
from ACSegLib.study.figures import MAX_BRACKETS, Bracket, strip_plot
from ACSegLib.study.page import Figure, Section, StudyReport
from ACSegLib.volume import Segment, Segmentation, Volume

VALUES = {"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0]}
SVG = "{http://www.w3.org/2000/svg}"


def test_every_figure_is_written_with_its_data(tmp_path):
    plot = strip_plot(VALUES, "volume, µm³")
    sections = [Section("One", figures=[Figure("Volume per group. More.", plot)]), Section("Two")]
    sections[1].figures.append(Figure("A picture: c1/x", png=b"\x89PNG"))
    assert write_figures(StudyReport("t", sections=sections), tmp_path / "new" / "figures") == 2
    written = {path.name for path in (tmp_path / "new" / "figures").iterdir()}
    assert written == {f"01-volume-per-group.{ending}" for ending in ("svg", "pdf", "csv")} | {"02-a-picture-c1-x.png"}
    folder = tmp_path / "new" / "figures"
    assert ET.parse(folder / "01-volume-per-group.svg").getroot().tag == f"{SVG}svg"
    assert (folder / "01-volume-per-group.pdf").read_bytes().startswith(b"%PDF")
    rows = read_table(folder / "01-volume-per-group.csv")
    assert [(r["group"], r["volume, µm³"]) for r in rows] == [(g, v) for g, vs in VALUES.items() for v in vs]
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="choose another folder for --figures"):
        write_figures(StudyReport("t"), tmp_path / "file" / "figures")


def test_the_same_figure_gives_the_same_svg():
    assert strip_plot(VALUES, "volume").svg() == strip_plot(VALUES, "volume").svg()


def test_names_that_look_like_formulas_are_shown_as_they_are(tmp_path):
    name = r"$\frac{1}$"  # as a formula, it is an error
    plot = strip_plot({name: [1.0, 2.0], "b": [1.0]}, "volume")
    assert name in plot.svg()
    cell = Segmentation((np.ones((4, 5, 5), np.uint8),), [Segment(name, 1)])
    volume = Volume(np.random.default_rng(0).normal(size=(4, 5, 5)).astype(np.float32))
    comparison_sheet(volume, tmp_path / "s.png", {name: cell}, title=name)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_many_dots_do_not_make_a_large_file():
    rng = np.random.default_rng(0)
    assert len(strip_plot({"a": rng.normal(size=20_000)}, "volume").svg()) < 200_000
    assert strip_plot({"a": rng.normal(size=50)}, "volume").svg().count("<use") >= 50  # few are vectors


def test_brackets_show_the_smallest_p_values():
    names = ["a", "b", "c", "d"]
    groups = {name: np.arange(4.0) + n for n, name in enumerate(names)}
    pairs = [Bracket(x, y, 0.01 * (n + 1)) for n, (x, y) in enumerate([("a", "b"), ("a", "c"), ("a", "d"), ("b", "c")])]
    axes = strip_plot(groups, "volume", brackets=[*pairs, Bracket("c", "d", float("nan"))]).figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert sorted(texts) == ["p = 0.010", "p = 0.020", "p = 0.030"]
    assert len(texts) == MAX_BRACKETS
    heights = [text.xy[1] for text in axes.texts]
    assert len(set(heights)) == len(heights)
    assert min(heights) > max(float(v.max()) for v in groups.values())


def test_the_workbook_names_units_and_lists_its_sheets(tmp_path):
    rows = [
        {
            "group": "T",
            "unit": "um",
            "volume": 2.5,
            "volume_sd": 0.1,
            "source_volume": "v",
            "lac_mean": 0.3,
            "lac_factor": 1.1,
            "intensity_unit": "1/um",
        }
    ]
    mixed = [{"unit": "um", "volume": 1.0}, {"unit": "nm", "volume": 1e9}]
    write_sheets({"morphology summary": rows, "cells": mixed, "agreement": []}, tmp_path / "t.xlsx")
    book = load_workbook(tmp_path / "t.xlsx")
    assert book.sheetnames == ["README", "morphology summary", "cells"]
    assert [cell.value for cell in book["README"]["A"]] == ["sheet", "morphology summary", "cells"]
    heads = [cell.value for cell in book["morphology summary"][1]]
    assert heads[:5] == ["group", "unit", "volume (µm³)", "volume_sd (µm³)", "lac_mean (1/µm)"]
    assert heads[5:] == ["lac_factor", "intensity_unit"]
    assert [cell.value for cell in book["cells"][1]] == ["unit", "volume"]
    widths = {book["README"].column_dimensions[letter].width for letter in "AB"}
    assert min(widths) > len("sheet")

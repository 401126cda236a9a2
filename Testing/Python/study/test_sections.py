"""Sections of the study report: what its tables and tests say, of tables made here, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ACSegLib.commands.run_report import versions
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.pictures import comparison_sheet, style
from ACSegLib.segment_estimates import coverage_text
from ACSegLib.study import agreement, groups, learning, pictures
from ACSegLib.study.report import ReportSettings, build_report
from ACSegLib.study.tables import Study, in_readable_unit, in_unit_of_the_first
from ACSegLib.volume import Segment, Segmentation, Volume


def cell(name, volume, group="T", kind="segment", **more):
    """A row of acseg measure."""
    row = {"volume_name": name, "group": group, "segment": "cell", "kind": kind, "unit": "um", "voxels": 900}
    return {**row, "volume": volume, "surface_to_volume": 3 / volume, "touches_border": False, **more}


def score(name, dice, distance=None, **more):
    """A row of acseg compare."""
    row = {"volume_name": name, "segment": "cell", "unit": "um", "dice": dice, "average_surface_distance": distance}
    return {**row, **more}


def study(scores=None, cells=None, curve=()):
    return Study(scores or {}, cells or {}, list(curve), "cell")


def column(table, label):
    place = [c.label for c in table.columns].index(label)
    return [row[place] for row in table.cells]


def test_each_folder_of_each_table_is_a_group():
    tables = {
        method: [cell(f"{group}{n}", n + shift, group) for group in "TB" for n in (1, 2, 4, 7)]
        for method, shift in (("filled", 0.0), ("network", 0.5))
    }
    sheets = {}
    section = groups.morphology(study(cells=tables), "segment", sheets)
    names = ["filled: T", "filled: B", "network: T", "network: B"]
    assert [(r["group"], r["cells"]) for r in sheets["morphology summary"]] == [(g, 4) for g in names]
    assert any("filled: T and network: T" in text for text in section.texts)  # cells of one name, not independent
    one_table = groups._grouped(study(cells={"filled": tables["filled"]}), "segment")
    assert list(one_table) == ["T", "B"]


def test_summary_and_tests_have_unit_mean_and_spread():
    volumes = {"control": [1.0, 2.0, 4.0, 6.0], "drug": [2.0, 5.0, 6.5, 7.5]}
    tables = {group: [cell(f"{group}{n}", v, lac_mean=None) for n, v in enumerate(vs)] for group, vs in volumes.items()}
    tables["drug"][0]["sphericity"] = 0.8
    sheets = {}
    section = groups.morphology(study(cells=tables), "segment", sheets)
    summary = {t.caption: t for t in section.tables}["Mean ± standard deviation per group"]
    assert column(summary, "volume") == [f"{np.mean(v):.1f} ± {np.std(v, ddof=1):.1f}" for v in volumes.values()]
    assert column(summary, "n") == ["4", "4"]
    assert column(summary, "sphericity") == ["–", "0.8 (3 undefined)"]
    tests = {t.caption: t for t in section.tables}["Comparison of groups"]
    assert column(tests, "measure") == ["volume, µm³", "surface / volume, 1/µm"]
    assert column(tests, "mean, second")[0] == "5.2"
    assert not any("truth" in c.label for c in tests.columns)
    assert sheets["group tests"][0]["p"] == pytest.approx(stats.ttest_ind(*volumes.values(), equal_var=False).pvalue)


def test_connected_cells_count_without_specks():
    rows = [cell("a", 5.0), cell("a", 3.0, kind="cell", cell=1), cell("a", 2.0, kind="cell", cell=2)]
    rows.append(cell("a", 0.1, kind="cell", cell=3))  # a speck
    sheets = {}
    section = groups.morphology(study(cells={"t": rows}), "cell", sheets)
    assert [(r["cells"], r["volume"]) for r in sheets["morphology summary"]] == [(2, 2.5)]
    assert column(section.tables[-1], "number") == ["1", "2"]
    assert section.texts[1].startswith("1 of 3 components are specks")
    assert [r["volume"] for r in groups._grouped(study(cells={"t": rows}), "segment")["t"]] == [5.0]


def test_tables_are_converted_to_one_unit():
    um = [cell("a", 2.0)]
    nm = [
        cell("b", 2e9, unit="nm", thin_radius=250.0, lac_mean=0.4) | {"contact: bead": 1e6, "surface_to_volume": 1e-3}
    ]
    found = in_unit_of_the_first({"one": um, "two": nm})
    assert found["one"] == um
    expected = {"unit": "um", "volume": 2.0, "surface_to_volume": 1.0, "thin_radius": 0.25, "contact: bead": 1.0}
    expected |= {"lac_mean": 0.4, "voxels": 900}
    assert {name: found["two"][0][name] for name in expected} == pytest.approx(expected)
    with pytest.raises(InputError, match=r"um: one; px: three"):
        in_unit_of_the_first({"one": um, "three": [cell("c", 900.0, unit="px")]})


@pytest.mark.parametrize(("volume", "unit"), [(2e12, "mm"), (300.0, "um"), (0.2, "um"), (1e-6, "nm")])
def test_lengths_are_shown_in_a_unit_that_can_be_read(volume, unit):
    (rows,), (scores,) = (
        t.values() for t in in_readable_unit({"a": [cell("a", volume)]}, {"b": [score("a", 0.9, 2.0)]})
    )
    factor = {"um": 1.0, "mm": 1e-3, "nm": 1e3}[unit]
    assert rows[0]["unit"] == scores[0]["unit"] == unit
    assert rows[0]["volume"] == pytest.approx(volume * factor**3)
    assert scores[0]["average_surface_distance"] == pytest.approx(2.0 * factor)
    pixels = {"a": [cell("a", 1e9, unit="px")]}
    assert in_readable_unit(pixels, {})[0] == pixels


def test_undefined_distances_are_left_out_and_counted():
    rows = [score("a", 0.9, 0.2), score("b", 0.8, 0.4), score("c", 0.0, None)]
    sheets = {}
    section = agreement.agreement(study(scores={"network": rows}), sheets)
    assert column(section.tables[0], "average surface distance") == ["0.3 (1 undefined)"]  # no SD of two values
    assert sheets["agreement"][0]["average_surface_distance_undefined"] == 1
    assert column(section.tables[0], "Dice") == ["57 ± 49"]


def test_methods_are_paired_by_cell():
    values = {
        "network": [0.97, 0.95, 0.99, 0.96, 0.98, 0.94, 0.97],
        "otsu": [0.90, 0.93, 0.91, 0.80, 0.95, 0.85, 0.88],
    }
    scores = {m: [score(f"c{n}", d, 1 - d) for n, d in enumerate(found)] for m, found in values.items()}
    scores["otsu"].reverse()  # the order of rows must not matter
    scores["otsu"].append(score("alone", 0.1, 0.9))
    scores["otsu"][0]["average_surface_distance"] = None
    sheets = {}
    (section,) = agreement.methods_in_pairs(study(scores=scores), sheets)
    dice, distance = sheets["method tests"]
    assert dice["t_p"] == pytest.approx(stats.ttest_rel(*values.values()).pvalue)
    assert (dice["pairs"], distance["pairs"], distance["left_out"]) == (7, 6, 1)
    small, large = sorted([dice["t_p"], distance["t_p"]])
    assert sorted([dice["p_corrected"], distance["p_corrected"]]) == pytest.approx([2 * small, max(2 * small, large)])
    assert column(section.tables[0], "comparison") == ["network - otsu"] * 2
    assert column(section.tables[0], "measure") == ["Dice, %", "average surface distance, µm"]
    assert "1 are not in both" in section.texts[1]
    assert agreement.methods_in_pairs(study(scores={"otsu": scores["otsu"]}), {}) == []
    scores["otsu"].append(score("alone", 0.2))
    with pytest.raises(InputError, match="two rows of cell in 'alone'"):
        agreement.methods_in_pairs(study(scores=scores), {})


def test_cells_that_neither_side_has_are_told_beside_their_score():
    rows = [score("a", 1.0) | {"status": "absent from both"}, score("b", 0.8) | {"status": "both"}]
    section = agreement.agreement(study(scores={"otsu": rows}), {})
    told = [text for text in section.texts if "neither side" in text]
    assert len(told) == 1
    assert told[0].startswith("otsu: in 1 of 2 volumes, neither side has cell")


def test_kinds_of_labels_are_paired_by_subset_and_cell():
    rng = np.random.default_rng(3)
    rows, dice = [], {}
    for kind, gain in (("filled", 0.03), ("hand", 0.0)):
        for volumes in (5, 10):
            for repeat in (0, 1):
                for n in range(6):
                    found = 0.8 + 0.01 * volumes + gain + rng.normal(0, 0.01)
                    dice.setdefault((kind, volumes), {}).setdefault(n, []).append(found)
                    row = {"labels": kind, "volumes": volumes, "repeat": repeat, "volume_name": f"c{n}", "dice": found}
                    rows.append(row)
    rows.append(
        {"labels": "filled", "volumes": 10, "repeat": 9, "volume_name": "c0", "dice": 0.0}
    )  # of no other subset
    sheets = {}
    section = learning.learning_curve(rows, 0.98, sheets)
    kinds, tests = section.tables
    every = [v for found in dice["hand", 5].values() for v in found]
    assert column(kinds, "5 volumes")[1] == f"{100 * np.mean(every):.2f} ± {100 * np.std(every, ddof=1):.2f} %"
    assert column(tests, "training volumes") == ["5", "10"]
    for row in sheets["learning curve tests"]:
        means = [[np.mean(v) for v in dice[kind, row["volumes"]].values()] for kind in ("filled", "hand")]
        assert row["t_p"] == pytest.approx(stats.ttest_rel(*means).pvalue)
        assert row["pairs"] == 6
    means_alone = [{"labels": k, "volumes": n, "dice": 0.8 + n / 100} for k in ("a", "b") for n in (5, 10)]
    sheets = {}
    assert len(learning.learning_curve(means_alone, 0.98, sheets).tables) == 1
    assert "learning curve tests" not in sheets


def test_the_methods_section_names_only_what_was_done(tmp_path):
    def methods(**tables):
        report, _ = build_report(study(**tables), ReportSettings(versions=versions()), Progress())
        return " ".join(report.sections[-1].texts)

    from importlib.metadata import version

    overlap = methods(scores={"network": [score("a", 0.9), score("b", 0.8)]})
    assert "Dice" in overlap
    assert not any(word in overlap for word in ("distance", "Nikolov", "Crofton", "Bland", "t-test"))
    assert f"pingouin {version('pingouin')}" in overlap
    full = [
        score(name, 0.9 - n / 50, 0.2 - n / 50, tolerance=0.1 + 0.02 * n, surface_dice=0.7 + n / 50)
        for n, name in enumerate("abcdef")
    ]
    for n, row in enumerate(full):
        row |= {"result_volume": 5.0 + n, "truth_volume": 4.0 + n * n}
    two = methods(scores={"network": full, "otsu": full})
    assert "surface Dice at a tolerance of 0.1 to 0.2 µm" in two
    assert "Volume was compared with the reference by two-sided paired t-tests" in two
    assert "Methods were compared on the same cells" in two
    few = methods(scores={"network": full[:5], "otsu": full[:5]})
    assert "t-test" not in few
    curve = [{"labels": "hand", "volumes": n, "dice": 1 - 0.3 * np.exp(-0.05 * n)} for n in (5, 10, 20)]
    assert "weighted" not in methods(curve=curve)
    weighted = [{**row, "labels": "filled", "dice_sd": 0.1} for row in curve]
    assert "by least squares, weighted by the inverse variance of the scores;" in methods(curve=weighted)
    assert "of the scores for filled;" in methods(curve=curve + weighted)


def test_the_slices_shown_are_those_of_best_median_and_worst_dice():
    truth = np.zeros((6, 4, 4), bool)
    truth[1:5] = True
    result = truth.copy()
    result[1, :2] = False  # Dice 2/3
    result[2, 0] = False  # 6/7
    result[4] = False  # 0
    found = pictures.telling_slices(result, truth)
    assert list(found.items()) == [(3, "best, Dice 100.0 %"), (1, "median, Dice 66.7 %"), (4, "worst, Dice 0.0 %")]
    assert pictures.telling_slices(truth & False, truth & False) == {}


def test_methods_without_a_common_cell_are_not_compared():
    scores = {"control": [score(f"a{n}", 0.9) for n in range(8)], "drug": [score(f"b{n}", 0.8) for n in range(8)]}
    sheets = {}
    (section,) = agreement.methods_in_pairs(study(scores=scores), sheets)
    assert section.texts == ["The tables have no volumes in common, so the methods are not compared."]
    assert not section.tables
    assert not sheets


def test_slices_with_a_few_voxels_are_not_shown():
    truth = np.zeros((5, 10, 10), bool)
    truth[1:4] = True
    truth[0, 0, 0] = truth[4, 0, 0] = True
    result = truth.copy()
    result[4] = False
    assert set(pictures.telling_slices(result, truth)) <= {1, 2, 3}


def test_a_picture_shows_a_small_segment_with_its_surroundings_and_a_large_one_whole():
    mask = np.zeros((4, 100, 80), bool)
    mask[1, 40:60, 70:80] = True
    assert pictures.surroundings(mask) == (slice(34, 66), slice(48, 80))
    mask[2, 5:95, 5:75] = True
    assert pictures.surroundings(mask) == (slice(0, 100), slice(0, 80))


def test_rows_of_a_contact_sheet_are_labelled_with_slice_and_note(monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(style, "save_figure", lambda figure, *rest: figures.append(figure))
    labels = Segmentation((np.ones((4, 5, 5), np.uint8),), [Segment("cell", 1)])
    volume = Volume(np.random.default_rng(0).normal(size=(4, 5, 5)).astype(np.float32))
    comparison_sheet(volume, tmp_path / "s.png", {"truth": labels}, slices={3: "best, Dice 1.0000", 1: "worst"})
    told = [axes.get_ylabel() for axes in figures[0].axes if axes.get_ylabel()]
    assert told == ["z = 3  (best, Dice 1.0000)", "z = 1  (worst)"]


def test_volumes_with_an_interval_show_it_and_means_of_volumes_do_not():
    interval = {"volume_low": 3.8, "volume_high": 4.1, "volume_interval": "fill"}
    rows = [cell("a", 4.0, **interval), cell("b", 5.0, volume_low=None, volume_high=None, volume_interval=None)]
    section = groups.morphology(study(cells={"T": rows}), "segment", {})
    assert column(section.tables[-1], "volume") == ["4.00 (3.80 to 4.10)", "5"]
    assert any(coverage_text("fill") in text for text in section.texts)
    cells = [cell("a", 4.0, kind="cell", **interval)]
    section = groups.morphology(study(cells={"T": cells}), "volume", {})
    assert column(section.tables[-1], "volume") == ["4"]
    assert not any("±" in text for text in section.texts)

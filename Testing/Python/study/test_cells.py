"""What counts as a cell in a study: instances, specks, and pairs of the same cell alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ACSegLib.measure.table_checks import smallest_cell, warnings_on
from ACSegLib.study import agreement, figures, groups, methods
from ACSegLib.study.cells import kind_of_instance, with_instances, without_false_positives, without_specks
from ACSegLib.study.evidence import MIN_PAIRS_FOR_TEST
from ACSegLib.study.page import table_of
from ACSegLib.study.tables import Study

COLUMNS = ("result_volume", "truth_volume")


def score(volume, segment="cell", dice=0.9, **more):
    """A row of acseg compare."""
    return {"volume_name": volume, "segment": segment, "unit": "um", "dice": dice, **more}


def component(volume, voxels=None, name="a", **more):
    """A row of acseg measure for a connected component."""
    row = {"volume_name": name, "group": "T", "segment": "cell", "kind": "cell", "unit": "um", "volume": volume}
    return {**row, "voxels": volume * 1000 if voxels is None else voxels, "touches_border": False, **more}


@pytest.fixture
def plotted(monkeypatch):
    """What the report plots: a list of mappings from group to values."""
    plots, plot = [], figures.strip_plot
    monkeypatch.setattr(figures, "strip_plot", lambda values, *a, **k: plots.append(values) or plot(values, *a, **k))
    return plots


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nucleus 12", "nucleus"),
        ("Segment_3", "Segment"),
        ("cell#7", "cell"),
        ("bead", ""),
        ("12", ""),
        ("T2 cell", ""),
    ],
)
def test_the_kind_of_an_instance_is_its_name_without_number(name, kind):
    assert kind_of_instance(name) == kind


def test_numbered_segments_of_one_volume_count_as_cells():
    rows = [score("v", f"nucleus {n}", 0.8 + n / 100) for n in range(5)] + [score("v", "bead"), score("v", "gold 1")]
    tables, kinds = with_instances({"net": rows})
    assert kinds == {"nucleus"}  # one numbered segment is no population
    assert [row["segment"] for row in tables["net"]] == ["nucleus"] * 5 + ["bead", "gold 1"]
    assert len({row["volume_name"] for row in tables["net"]}) == 6
    assert {row["source_volume"] for row in tables["net"]} == {"v"}
    section = agreement.agreement(Study(tables, {}, [], "nucleus", kinds), sheets := {})
    assert sheets["agreement"][0]["cells"] == 5
    assert sheets["agreement"][0]["dice"] == pytest.approx(0.82)
    assert any("not independent" in text for text in section.texts)
    assert any("--cells" in text for text in section.texts)


def test_rows_of_matched_cells_are_instances_whatever_their_names():
    rows = [score("v", "all cells", panoptic_quality=0.5, instance=0)]
    rows += [score("v", name, instance=n) for n, name in enumerate(("left", "right"), 1)]
    tables, kinds = with_instances({"net": rows})
    assert kinds == {"cell"}
    assert [row["segment"] for row in tables["net"]] == ["all cells", "cell", "cell"]
    facts = agreement.facts(Study(tables, {}, [], "cell", kinds))
    assert [text.split(",")[0] for _, text in facts] == ["panoptic quality", "Dice of cell"]


def test_the_widest_gap_tells_specks_from_cells():
    assert smallest_cell([0.001, 0.002, 0.03, 40, 55, 90]) == 40
    assert smallest_cell([8.0, 20.0, 55.0, 90.0]) == 0  # cells of several sizes
    assert smallest_cell([5.0]) == 0
    assert smallest_cell([]) == 0
    # sizes that fall without a gap: what is a hundredth of a typical cell is no cell
    assert smallest_cell([190_925, 75_781, 11_553, 1198, 230, 32]) == 11_553
    rows = [component(v) for v in (50.0, 61.0, 0.002, 0.001)]
    cells, text = without_specks(rows)
    assert [row["volume"] for row in cells] == [50.0, 61.0]
    assert text.startswith(
        "2 of 4 components are specks and do not count as cells: the largest has 0.002 µm³ (2 voxels)"
    )
    assert without_specks(cells) == (cells, "")
    assert without_specks([component(1.0, voxels=2)])[0] == []


def test_measuring_warns_of_specks_and_names_the_volume_that_leaves_them_out():
    rows = [component(v) for v in (50.0, 61.0, 0.002, 0.001)]
    (text,) = warnings_on(rows)
    assert text.startswith("2 of 4 connected cells of cell are specks of up to 0.002 um3, the smallest cell has 50")
    assert "smallest cell has 50 um3;" in text
    assert "smallest cell has 1530 um3;" in warnings_on([component(v) for v in (1530.4, 1610.0, 0.002)])[0]
    limit = float(text.split("--min-volume ")[1].split()[0])
    assert [row["volume"] for row in rows if row["volume"] >= limit] == [50.0, 61.0]
    assert warnings_on(rows[:2]) == []


def test_the_only_component_of_a_volume_is_no_speck_however_small():
    rows = [component(v, name=name) for name, v in (("coarse", 2.1), ("coarse", 0.001), ("fine", 0.029))]
    cells, _ = without_specks(rows)
    assert [row["volume"] for row in cells] == [2.1, 0.029]


def test_cells_of_a_volume_can_be_averaged_first():
    rows = [component(v, name="v1") for v in (50.0, 60.0, 0.001)] + [component(70.0, name="v2")]
    section = groups.morphology(Study({}, {"a": rows}, [], "cell"), "volume", sheets := {})
    assert [(r["volume_name"], r["volume"], r["cells"]) for r in sheets["morphology"]] == [
        ("v1", 55.0, 2),
        ("v2", 70.0, 1),
    ]
    assert section.tables[-1].caption == "Every volume"
    numbered = [component(v, name="v1", kind="segment") | {"segment": f"cell {v:g}"} for v in (50.0, 60.0, 80.0)]
    tables, kinds = with_instances({"a": numbered})
    groups.morphology(Study({}, tables, [], "cell", kinds), "volume", sheets := {})
    assert [(r["volume_name"], r["cells"]) for r in sheets["morphology"]] == [("v1", 3)]
    assert sheets["morphology"][0]["volume"] == pytest.approx(190 / 3)


def test_specks_are_separated_from_cells_in_all_groups_together():
    tables = {"a": [component(50.0), component(60.0, name="b")], "b": [component(0.001), component(0.002)]}
    section = groups.morphology(Study({}, tables, [], "cell"), "cell", sheets := {})
    assert [row["group"] for row in sheets["morphology summary"]] == ["a"]
    assert any(text.startswith("2 of 4 components") for text in section.texts)


def test_figures_against_the_truth_are_of_cells_that_every_method_has(plotted):
    def rows(names, shift):
        sizes = {name: float(ord(name[0])) for name in names}
        return [
            score(name, result_volume=sizes[name] + shift, truth_volume=sizes[name], status="both") for name in names
        ]

    scores = {"net": rows("abcdefgh", 1.0), "otsu": rows("cdefghij", 2.0)}
    scores["otsu"][0] |= {"status": "absent from result", "result_volume": 0.0}  # c: missed
    (section,) = agreement.morphology_against_truth(Study(scores, {}, [], "cell"), {})
    truth = [float(ord(name)) for name in "defgh"]
    expected = {"reference": truth, "net": [v + 1 for v in truth], "otsu": [v + 2 for v in truth]}
    assert plotted == [expected]
    assert "5 of 10 volumes" in section.figures[0].caption
    assert "otsu: 1 of 8 volumes are on one side only and left out here." in section.texts


@pytest.mark.parametrize("pairs", [2, MIN_PAIRS_FOR_TEST - 1, MIN_PAIRS_FOR_TEST])
def test_tests_need_enough_pairs(plotted, pairs):
    rng = np.random.default_rng(2)
    rows = [score(str(n), truth_volume=float(n + 1), result_volume=n + 1 + rng.normal(0.2, 0.1)) for n in range(pairs)]
    (section,) = agreement.morphology_against_truth(Study({"net": rows}, {}, [], "cell"), sheets := {})
    (row,) = sheets["morphology tests"]
    assert np.isfinite(row["difference"])
    tested = [np.isfinite(row[name]) for name in ("t_p", "wilcoxon_p", "p_corrected", "cohen_d", "interval_low")]
    assert set(tested) == {pairs >= MIN_PAIRS_FOR_TEST}
    assert any("described, not tested" in text for text in section.texts) == (pairs < MIN_PAIRS_FOR_TEST)
    assert not np.isfinite(row["limit_low"])


def test_one_or_two_cells_are_tabulated_and_not_plotted(plotted):
    rows = [score(name, truth_volume=1.0, result_volume=2.0, average_surface_distance=0.1) for name in "ab"]
    scores = Study({"net": rows}, {}, [], "cell")
    sections = [agreement.agreement(scores, {}), *agreement.morphology_against_truth(scores, {})]
    sections.append(groups.morphology(Study({}, {"a": [component(5.0)]}, [], "cell"), "cell", {}))
    assert plotted == []
    assert not any(section.figures for section in sections)
    labels = [column.label for column in sections[1].tables[0].columns]
    assert "difference" in labels
    assert not {"95 % interval", "Cohen's d", "p (t-test)", "p corrected"} & set(labels)  # nothing to show


def test_measures_that_are_not_compared_for_one_reason_share_a_sentence():
    tables = {g: [component(5.0 + n, name=f"{g}{n}", sphericity=0.9) for n in range(3)] for g in "ab"}
    section = groups.morphology(Study({}, tables, [], "cell"), "cell", {})
    reasons = [text for text in section.texts if text.startswith("Not compared")]
    assert reasons == [
        "Not compared: comparing volume, sphericity needs two groups of 4 volumes or more; group 'a' has 3."
    ]


def test_filopodia_of_several_radii_are_not_averaged(plotted):
    def cells(radius, name):
        more = {"thin_radius": radius, "thin_parts": 3, "thin_part_length": 2.0}
        return [component(5.0 + n, name=f"{name}{n}", **more) for n in range(4)]

    mixed = Study({}, {"a": cells(0.25, "a"), "b": cells(0.375, "b")}, [], "cell")
    section = groups.morphology(mixed, "cell", sheets := {})
    assert "thin_parts" not in sheets["morphology summary"][0]
    assert any("acseg measure --thin-radius 0.375 --unit um" in text for text in section.texts)
    alike = Study({}, {"a": cells(0.25, "a"), "b": cells(0.25, "b")}, [], "cell")
    section = groups.morphology(alike, "cell", sheets := {})
    assert sheets["morphology summary"][0]["thin_parts"] == 3
    assert any("Filopodia per group" in figure.caption for figure in section.figures)
    for rows in alike.cells.values():
        for row in rows:
            row.update(thin_parts=0, thin_part_length=0.0)
    section = groups.morphology(alike, "cell", {})
    assert not any("ilopodia" in figure.caption for figure in section.figures)  # there are none to compare


@pytest.mark.parametrize(("unit", "label"), [("1/um", ("LAC mean", "1/µm")), ("", ("intensity mean", ""))])
def test_only_an_inverse_length_is_called_lac(unit, label):
    table = table_of([{"lac_mean": 0.3, "intensity_unit": unit}], ["lac_mean"])
    assert [(column.label, column.unit) for column in table.columns] == [label]


def test_unnamed_segments_of_a_label_file_are_instances_only_if_they_are_many():
    few = [score("v", f"Segment_{n}") for n in range(1, 5)]
    many = [score("v", f"Segment_{n}") for n in range(1, 13)]
    assert with_instances({"net": few})[1] == set()  # classes without names
    assert with_instances({"net": many})[1] == {"Segment"}
    matched = [row | {"instance": n} for n, row in enumerate(few, 1)]
    assert with_instances({"net": matched})[1] == {"cell"}


def test_false_positive_cells_have_no_dice_of_their_own():
    rows = [score("v", "all cells", 0.9, panoptic_quality=0.4, instance=0, status="both")]
    rows += [score("v", f"Segment_{n}", 0.8, instance=n, status="both") for n in (1, 2, 3)]
    rows.append(score("v", "Segment_9", 0.0, instance=4, status="absent from result"))
    rows += [score("v", f"cell {n} (result)", 0.0, instance=n, status="absent from truth") for n in (5, 6)]
    kept, alone = without_false_positives({"net": rows})
    tables, kinds = with_instances(kept)
    study = Study(tables, {}, [], "cell", kinds, alone)
    section = agreement.agreement(study, sheets := {})
    assert [(row["segment"], row["cells"]) for row in sheets["agreement"]] == [
        ("all cells (foreground)", 1),
        ("cell", 4),
    ]
    assert sheets["agreement"][1]["dice"] == pytest.approx(0.6)  # the missed cell counts
    assert any("1 cell of the reference missed" in t and "2 cells of the result match none" in t for t in section.texts)
    agreement.every_score(study, sheets)
    assert [row["segment"] for row in sheets["false positives"]] == ["cell 5 (result)", "cell 6 (result)"]


@pytest.mark.parametrize("volumes", [1, MIN_PAIRS_FOR_TEST])
def test_cells_of_one_volume_are_no_independent_pairs(volumes):
    rng = np.random.default_rng(4)
    rows = []
    for v in range(volumes):
        shift = rng.normal(0.5, 0.3)
        for n in range(1, 9):
            size = rng.uniform(5, 9)
            rows.append(score(f"v{v}", f"cell {n}", truth_volume=size, result_volume=size + shift, instance=n))
    tables, kinds = with_instances({"net": rows})
    (section,) = agreement.morphology_against_truth(Study(tables, {}, [], "cell", kinds), sheets := {})
    (row,) = sheets["morphology tests"]
    assert row["independent_pairs"] == volumes
    if volumes == 1:
        assert (row["pairs"], np.isfinite(row["difference"]), np.isfinite(row["t_p"])) == (8, True, False)
        assert any("fewer than 6 pairs of volumes" in text for text in section.texts)
    else:
        means = [
            [np.mean([r[c] for r in rows if r["volume_name"] == f"v{v}"]) for v in range(volumes)] for c in COLUMNS
        ]
        assert row["pairs"] == volumes
        assert row["t_p"] == pytest.approx(stats.ttest_rel(*means).pvalue)
    # Limits of agreement of cells of one volume would be of this volume alone.
    axes = next(f.plot for f in section.figures if "Bland" in f.caption).figure.axes[0]
    assert not any("limits" in text.get_text() for text in axes.get_legend().get_texts())


def test_groups_of_cells_are_tested_by_their_volumes():
    rng = np.random.default_rng(5)
    tables = {}
    for group, size in (("a", 50.0), ("b", 60.0)):
        rows = []
        for v in range(4):
            mean = size + rng.normal(0, 3)
            rows += [component(mean + rng.normal(), name=f"{group}{v}") for _ in range(20)]
        tables[group] = rows
    section = groups.morphology(Study({}, tables, [], "cell"), "cell", sheets := {})
    (row,) = sheets["group tests"]
    means = [
        [
            np.mean([r["volume"] for r in rows if r["volume_name"] == name])
            for name in dict.fromkeys(r["volume_name"] for r in rows)
        ]
        for rows in tables.values()
    ]
    assert row["p"] == pytest.approx(stats.ttest_ind(*means, equal_var=False).pvalue)
    assert (row["cells_first"], row["cells_second"]) == (4, 4)
    assert any("means of volumes" in text for text in section.texts)
    (plot,) = [figure.plot for figure in section.figures]
    assert [r["value of"] for r in plot.data].count("volume") == 8
    assert len(plot.data) == 168
    few = {group: [r for r in rows if r["volume_name"] in ("a0", "b0")] for group, rows in tables.items()}
    section = groups.morphology(Study({}, few, [], "cell"), "cell", sheets := {})
    assert "group tests" not in sheets
    assert any("needs two groups of 4 volumes or more; group 'a' has 1." in text for text in section.texts)


def test_thick_structures_are_not_called_filopodia():
    def labels(radius):
        rows = [{"unit": "mm", "thin_parts": 3, "thin_radius": radius, "thin_part_length": 2.0}]
        return [column.label for column in table_of(rows, ["thin_parts", "thin_part_length"]).columns]

    assert labels(0.0005) == ["filopodia", "length of filopodia"]
    assert labels(1.5) == ["thin structures", "length of thin structures"]


@pytest.mark.parametrize(("radius", "word"), [(0.25, "filopodia"), (1500.0, "thin structures")])
def test_the_page_has_one_word_for_thin_structures(radius, word):
    more = {"thin_radius": radius, "thin_parts": 3, "thin_part_length": 2.0}
    tables = {g: [component(5.0 + n, name=f"{g}{n}", **more) for n in range(4)] for g in "ab"}
    data = Study({}, tables, [], "cell")
    section = groups.morphology(data, "cell", sheets := {})
    heads = [column.label for table in section.tables for column in table.columns]
    assert f"length of {word}" in heads
    assert {head for head in heads if "thin struct" in head or "filopod" in head} <= {word, f"length of {word}"}
    text = " ".join(methods.methods(data, "cell", 0.98, {"acseg": "1"}, sheets).texts)
    assert ("filopodia" in text) == (word == "filopodia")
    for row in tables["a"]:
        row["thin_radius"] = radius * 2
    section = groups.morphology(data, "cell", {})
    assert any(text.startswith(f"{word.capitalize()} were measured with radii") for text in section.texts)


def test_the_report_shows_the_segment_that_was_measured():
    rows = [component(5.0 + n, name=f"v{n}", kind="segment") for n in range(3)]
    section = groups.morphology(Study({}, {"a": rows}, [], "nucleus"), "segment", sheets := {})
    assert "no segment nucleus" in section.texts[1]
    assert len(sheets["morphology"]) == 3


def test_instances_of_a_few_voxels_do_not_count():
    rows = [component(50.0 + n, kind="segment") | {"segment": f"cell {n}", f"contact: cell {n}": 1.0} for n in range(4)]
    rows += [component(0.004, kind="segment") | {"segment": "cell 9", "sphericity": 1.2, "contact: bead": 2.0}]
    tables, kinds = with_instances({"a": rows})
    section = groups.morphology(Study({}, tables, [], "cell", kinds), "segment", sheets := {})
    assert len(sheets["morphology"]) == 4
    assert any(text.startswith("1 of 5 components are specks") for text in section.texts)
    assert not any("sphericity above 1" in text for text in section.texts)
    assert not any("contact: cell" in name for row in sheets["morphology"] for name in row)  # a column per cell
    rows[0]["sphericity"] = 1.1
    section = groups.morphology(Study({}, with_instances({"a": rows})[0], [], "cell", kinds), "segment", {})
    assert any("1 of the 4 rows have a sphericity above 1" in text for text in section.texts)

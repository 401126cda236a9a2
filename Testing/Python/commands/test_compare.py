"""acseg compare: pairs by name, missing pairs and mismatched grids listed, resampling, ignored regions, summary."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.commands import compare
from ACSegLib.commands.main import main
from ACSegLib.errors import InputError
from ACSegLib.files import save_segmentation
from ACSegLib.files.registry import collect_notes
from ACSegLib.files.tables import read_table
from ACSegLib.jobs import Progress
from ACSegLib.volume import Geometry, Segment, Segmentation

NM = Geometry((100.0, 100.0, 100.0), unit="nm")


def ball(radius, geometry=NM, size=24):
    k, j, i = np.indices((size,) * 3) - (size - 1) / 2
    found = (k * k + j * j + i * i <= radius**2).astype(np.uint8)
    return Segmentation.from_labels(found, geometry, {1: "cytoplasm"})


@pytest.fixture
def folders(tmp_path):
    for name in ("results", "truth"):
        (tmp_path / name).mkdir()
    for n in range(3):
        save_segmentation(ball(8 - n), tmp_path / "results" / f"cell{n}_filled.seg.nrrd")
        save_segmentation(ball(8), tmp_path / "truth" / f"cell{n}.nii.gz")
    return tmp_path


def test_comparing_two_files_prints_the_summary(folders, capsys):
    pair = [str(folders / "results/cell1_filled.seg.nrrd"), str(folders / "truth/cell1.nii.gz")]
    assert main(["compare", *pair, "--quiet"]) == 0
    a, b = ball(7).labels.sum(), ball(8).labels.sum()
    said = capsys.readouterr().out
    assert f"cytoplasm: Dice {2 * a / (a + b):.3f}" in said
    assert "mean of" not in said


def test_several_segments_of_one_pair_have_a_mean_dice(tmp_path, capsys):
    truth = np.zeros((4, 20, 20), np.uint8)
    truth[:, :10, :10], truth[:, 10:, 10:] = 1, 2
    result = truth.copy()
    result[:2, :10, :10] = 0  # half of the first: Dice 2/3
    for name, labels in (("result", result), ("truth", truth)):
        save_segmentation(Segmentation.from_labels(labels, Geometry()), tmp_path / f"{name}.seg.nrrd")
    assert main(["compare", *(str(tmp_path / f"{n}.seg.nrrd") for n in ("result", "truth")), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "Segment_1: Dice 0.667" in said
    assert f"mean of 2 segments: Dice {(2 / 3 + 1) / 2:.3f}" in said


def test_a_segment_that_neither_side_has_is_told_instead_of_a_perfect_score(tmp_path, capsys):
    labels = np.zeros((3, 4, 20, 20), np.uint8)
    labels[:, :, :10, :10] = 1
    labels[2, :, 15:] = 2  # the bead is in the third volume alone
    shifted = np.roll(labels, 5, -1)  # Dice 1/2 of cells, 1 of beads
    segments = [Segment("cell", 1), Segment("bead", 2)]
    for side, arrays in (("result", shifted), ("truth", labels)):
        (tmp_path / side).mkdir()
        for n, array in enumerate(arrays):
            save_segmentation(Segmentation((array,), segments, NM), tmp_path / side / f"{n}.nii.gz")
    pair = [str(tmp_path / side / "0.nii.gz") for side in ("result", "truth")]
    assert main(["compare", *pair, "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "  bead: neither side has this segment\n" in said
    assert "mean of" not in said  # of the cell alone
    folders = [str(tmp_path / side) for side in ("result", "truth")]
    assert main(["compare", *folders, "-o", str(tmp_path / "a.csv"), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "bead (n = 3): Dice 1 +- 0 (2 of 3 count as 1: neither side has the segment)" in said
    assert said.count("neither side") == 1
    found = [row["status"] for row in read_table(tmp_path / "a.csv") if row["segment"] == "bead"]
    assert found == ["absent from both", "absent from both", "both"]


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ({1: "cell"}, {1: "cytoplasm"}, "result (cell) and reference (cytoplasm)"),
        ({2: "cell"}, {1: "Segment_1"}, "none was compared"),
        ({1: "cell"}, {1: "Segment_1"}, None),
        ({1: "cell"}, {1: "cell"}, None),
    ],
)
def test_tables_without_a_common_name_are_told(ours, theirs, words, tmp_path, capsys):
    labels = ball(8).labels
    for name, table in (("a", ours), ("b", theirs)):
        values = labels * next(iter(table))
        save_segmentation(Segmentation.from_labels(values, NM, table), tmp_path / f"{name}.seg.nrrd")
    assert main(["compare", str(tmp_path / "a.seg.nrrd"), str(tmp_path / "b.seg.nrrd"), "--quiet"]) == 0
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert ("no segment name in common" in text) == (words is not None)
    assert words is None or words in text


def test_segments_without_a_partner_on_both_sides_are_told(tmp_path, capsys):
    labels = ball(8).labels.astype(np.uint8)
    labels[2:5, 2:5, 2:5] = 2
    for name, table in (("a", {1: "Cell", 2: "bead"}), ("b", {1: "cell", 2: "bead"})):
        save_segmentation(Segmentation.from_labels(labels, NM, table), tmp_path / f"{name}.seg.nrrd")
    assert main(["compare", str(tmp_path / "a.seg.nrrd"), str(tmp_path / "b.seg.nrrd"), "--quiet"]) == 0
    assert "the result has Cell and the reference cell, which have no partner" in capsys.readouterr().out


def test_comparing_folders_writes_rows_and_their_means(folders):
    output = folders / "scores.xlsx"
    results = compare.run(
        compare.Options(str(folders / "results"), str(folders / "truth"), str(output), workers=1), Progress()
    )
    assert results.exit_code == 0
    assert "exit_code" not in results.to_dict()
    volumes = [int(ball(8 - n).labels.sum()) for n in range(3)]
    dice = [2 * v / (v + volumes[0]) for v in volumes]
    (row,) = results.summary
    assert row["dice"]["mean"] == pytest.approx(np.mean(dice))
    assert row["dice"]["sd"] == pytest.approx(np.std(dice, ddof=1))
    assert output.stat().st_size > 1000


def test_touching_cells_are_matched_by_overlap_not_by_name(tmp_path, capsys):
    k, j, i = np.indices((20, 20, 30))
    cells = np.where((k - 10) ** 2 + (j - 10) ** 2 < 60, np.where(i < 12, 1, np.where(i < 20, 2, 3)), 0)
    shifted = np.where((k - 10) ** 2 + (j - 10) ** 2 < 60, np.where(i < 13, 3, 1), 0)  # 2 and 3 in one
    truth = Segmentation.from_labels(cells.astype(np.uint8), NM, {1: "cell a", 2: "cell b", 3: "cell c"})
    result = Segmentation.from_labels(shifted.astype(np.uint8), NM, {1: "cell 1", 3: "cell a"})
    paths = [str(tmp_path / f"{name}.seg.nrrd") for name in ("result", "truth")]
    save_segmentation(result, paths[0])
    save_segmentation(truth, paths[1])
    table = tmp_path / "t.csv"
    assert main(["compare", *paths, "-o", str(table), "--cells", "--quiet"]) == 0
    row, *cells = read_table(table)
    said = capsys.readouterr().out
    assert "panoptic quality 0.6" in said
    assert "2 matched cells, 1 missed cell, 0 false positive cells, 0 split cells, 1 merged cell" in said
    assert (row["segment"], row["dice"]) == ("all cells", 1.0)
    assert said.index("panoptic quality") < said.index("foreground Dice 1.000")
    assert [(c["instance"], c["segment"], c["status"]) for c in cells] == [
        (1, "cell c", "both"),
        (2, "cell a", "both"),
        (3, "cell b", "absent from result"),
    ]
    for c, (ours, true) in zip(cells, ((1, 3), (3, 1)), strict=False):
        both = np.count_nonzero((shifted == ours) & (truth.labels == true))
        sizes = np.count_nonzero(shifted == ours), np.count_nonzero(truth.labels == true)
        assert c["dice"] == pytest.approx(2 * both / sum(sizes))
        assert c["result_volume"] / c["truth_volume"] == pytest.approx(sizes[0] / sizes[1])
    assert (row["matched_cells"], row["missed_cells"], row["merged_cells"]) == (2, 1, 1)
    # 12 of 13 planes agree in one, 10 of 17 in the other.
    assert row["matched_dice"] == pytest.approx((2 * 12 / 25 + 2 * 10 / 27) / 2)
    assert main(["compare", *paths, "-o", str(table), "--cells", "--instances", "--quiet"]) == 2
    assert "omit --segments and --instances" in capsys.readouterr().err


def test_a_slice_is_compared_without_the_other_slices(folders, capsys):
    """As 2D models are judged: what the other slices hold does not count, and there is no surface."""
    result = ball(7)
    result.labels[:12] = 0
    paths = [str(folders / "cut.seg.nrrd"), str(folders / "truth/cell1.nii.gz")]
    save_segmentation(result, paths[0])
    for text, number in (("k", 12), ("k13", 13), ("z13", 13), ("Z", 12)):
        assert main(["compare", *paths, "-o", str(folders / "t.csv"), "--slice", text, "--quiet"]) == 0
        (row,) = read_table(folders / "t.csv")
        a, b = (int(ball(r).labels[number].sum()) for r in (7, 8))
        assert row["dice"] == pytest.approx(2 * a / (a + b))
        assert "surface_dice" not in row
    for text, message in (
        ("k24", "which has 24 slices"),
        ("12", "--slice must be x, y or z"),
        ("z24", "counted from 0"),
    ):
        assert main(["compare", *paths, "-o", str(folders / "t.csv"), "--slice", text, "--quiet"]) != 0
        assert message in capsys.readouterr().err


def test_distances_that_are_undefined_are_counted(folders, capsys):
    """A cell that was missed altogether has no distance; the mean must not look as if it did not exist."""
    empty = ball(7).with_labels(np.zeros((24, 24, 24), np.uint8))
    save_segmentation(empty, folders / "results" / "cell1_filled.seg.nrrd")
    arguments = ["compare", str(folders / "results"), str(folders / "truth"), "-o", str(folders / "t.csv"), "--quiet"]
    assert main([*arguments, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "(n = 3)" in said
    assert "um (without 1 in which one side is empty)" in said


def test_average_distance_of_concentric_balls_is_in_micrometres(folders):
    output = folders / "scores.csv"
    compare.run(compare.Options(str(folders / "results"), str(folders / "truth"), str(output), workers=1), Progress())
    rows = read_table(output)
    assert [r["unit"] for r in rows] == ["um"] * 3
    assert rows[2]["average_surface_distance"] == pytest.approx(0.2, abs=0.05)
    assert rows[2]["result_surface_to_volume"] / rows[2]["truth_surface_to_volume"] == pytest.approx(8 / 6, rel=0.03)


def test_missing_pairs_and_bad_grids_are_listed_and_the_rest_is_done(folders, capsys):
    (folders / "truth/cell2.nii.gz").rename(folders / "truth/other.nii.gz")
    moved = Geometry((100.0, 100.0, 100.0), (5000.0, 0, 0), unit="nm")
    save_segmentation(ball(7, moved), folders / "results/cell1_filled.seg.nrrd")
    output = folders / "scores.csv"
    assert (
        main(
            [
                "compare",
                str(folders / "results"),
                str(folders / "truth"),
                "-o",
                str(output),
                "--quiet",
                "--workers",
                "1",
            ]
        )
        == 2
    )
    out = capsys.readouterr().out
    assert "3 failed:" in out
    assert "there is no result of this name" in out
    assert "there is no truth of this name" in out
    assert "check the unit, the voxel size and the origin of both files" in out
    assert [r["volume_name"] for r in read_table(output)] == ["cell0"]


def test_resampling_on_request(folders):
    fine = Geometry((50.0, 50.0, 50.0), (-25.0, -25.0, -25.0), unit="nm")
    save_segmentation(ball(16, fine, size=48), folders / "fine.seg.nrrd")
    options = compare.Options(str(folders / "fine.seg.nrrd"), str(folders / "truth/cell0.nii.gz"))
    with pytest.raises(InputError, match="--resample"):
        compare.run(options, Progress())
    options.resample = True
    with collect_notes() as told:
        (row,) = compare.run(options, Progress()).summary
    assert row["dice"]["mean"] > 0.95
    assert any("steps enlarge its surface" in note for note in told)


def test_unlabelled_voxels_of_the_truth_do_not_count(tmp_path):
    truth = ball(8).labels.copy()
    truth[::2] = 2
    save_segmentation(Segmentation.from_labels(truth, NM, {1: "cytoplasm", 2: "unlabelled"}), tmp_path / "t.seg.nrrd")
    result = ball(8).labels.copy()
    result[::2] = 0
    save_segmentation(Segmentation.from_labels(result, NM, {1: "cytoplasm"}), tmp_path / "r.seg.nrrd")
    options = compare.Options(str(tmp_path / "r.seg.nrrd"), str(tmp_path / "t.seg.nrrd"), ignore_value=2)
    (row,) = compare.run(options, Progress()).summary
    assert row["segment"] == "cytoplasm"
    assert row["dice"]["mean"] == 1.0


def test_the_ignored_region_has_no_surface_on_either_side(tmp_path):
    """The half of a ball that counts has half its surface, not the flat face along which the region cuts it."""
    cell = ball(9)
    drawn = cell.labels.copy()
    drawn[12:] = 2
    save_segmentation(cell, tmp_path / "r.seg.nrrd")
    names = {1: "cytoplasm", 2: "unlabelled"}
    save_segmentation(Segmentation.from_labels(drawn, NM, names), tmp_path / "t.seg.nrrd")
    table = str(tmp_path / "t.csv")
    options = compare.Options(str(tmp_path / "r.seg.nrrd"), str(tmp_path / "t.seg.nrrd"), table, ignore_value=2)
    compare.run(options, Progress())
    (row,) = read_table(table)
    assert row["result_surface_area"] == pytest.approx(2 * np.pi * 0.9**2, rel=0.05)
    assert row["result_surface_to_volume"] == pytest.approx(3 / 0.9, rel=0.05)
    for figure in ("surface_area", "surface_to_volume"):
        assert row[f"result_{figure}"] == row[f"truth_{figure}"]


def test_a_segment_is_compared_in_the_volumes_that_have_it(folders, capsys):
    both = ball(8).labels.copy()
    both[:2, :2, :2] = 2
    save_segmentation(Segmentation.from_labels(both, NM, {1: "cytoplasm", 2: "bead"}), folders / "truth/cell0.seg.nrrd")
    (folders / "truth/cell0.nii.gz").unlink()
    arguments = ["compare", str(folders / "results"), str(folders / "truth"), "-o", str(folders / "t.csv"), "--quiet"]
    assert main([*arguments, "--workers", "1", "--segments", "cytoplasm", "bead"]) == 0
    rows = [(row["volume_name"], row["segment"], row["status"]) for row in read_table(folders / "t.csv")]
    assert rows == [
        ("cell0", "cytoplasm", "both"),
        ("cell0", "bead", "absent from result"),
        ("cell1", "cytoplasm", "both"),
        ("cell2", "cytoplasm", "both"),
    ]
    assert main([*arguments, "--workers", "1", "--segments", "cytoplasm", "beed"]) == 2
    assert "no segment is named 'beed' in any of the files" in capsys.readouterr().err


def test_cut_segments_are_flagged_and_left_out_on_request(tmp_path):
    found = np.zeros((12, 12, 12), np.uint8)
    found[0:4, 2:6, 2:6] = 1
    found[6:9, 6:9, 6:9] = 2
    save_segmentation(Segmentation.from_labels(found, NM, {1: "cut", 2: "whole"}), tmp_path / "a.seg.nrrd")
    path = str(tmp_path / "a.seg.nrrd")
    output = str(tmp_path / "t.csv")
    compare.run(compare.Options(path, path, output), Progress())
    assert {r["segment"]: r["touches_border"] for r in read_table(output)} == {"cut": True, "whole": False}
    results = compare.run(compare.Options(path, path, exclude_border=True), Progress())
    assert [r["segment"] for r in results.summary] == ["whole"]


def test_comparing_folders_requires_an_output_table(folders):
    with pytest.raises(InputError, match="--output"):
        compare.run(compare.Options(str(folders / "results"), str(folders / "truth")), Progress())

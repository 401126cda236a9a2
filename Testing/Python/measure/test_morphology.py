"""Morphology against shapes whose measures are known, and the rows per segment and per cell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from shapes import ball, capsule, grid

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import Progress
from ACSegLib.measure import contact_table
from ACSegLib.measure.contact_table import split_contacts
from ACSegLib.measure.contacts import contact_areas, meeting_labels, neighbour_areas
from ACSegLib.measure.morphology import MorphologySettings, measure_segmentation, shape_measures
from ACSegLib.measure.surface import surface_area
from ACSegLib.measure.thin_structures import measure_thin_structures
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

NM = Geometry((30.0, 30.0, 30.0), unit="nm")


def test_a_ball_has_its_analytic_volume_area_and_axes():
    row = shape_measures(ball((45, 45, 45), 600.0, (30, 30, 30)), (30, 30, 30))
    assert row["volume"] == pytest.approx(4 / 3 * np.pi * 600**3, rel=0.005)
    assert row["surface_area"] == pytest.approx(4 * np.pi * 600**2, rel=0.005)
    assert row["surface_to_volume"] == pytest.approx(3 / 600, rel=0.01)
    assert row["sphericity"] == pytest.approx(1.0, abs=0.01)
    assert row["axis_1"] == pytest.approx(1200, rel=0.01)
    assert row["axis_3"] == pytest.approx(1200, rel=0.01)


def test_principal_axes_of_a_rotated_ellipsoid_are_analytic():
    x, y, z = grid((25, 60, 60), (1.0, 1.0, 2.0))
    along, across = (x + y) / 2**0.5, (x - y) / 2**0.5
    mask = (along / 24) ** 2 + (across / 12) ** 2 + (z / 18) ** 2 <= 1
    row = shape_measures(mask, (1.0, 1.0, 2.0))
    assert [row["axis_1"], row["axis_2"], row["axis_3"]] == pytest.approx([48, 36, 24], rel=0.02)
    assert [abs(row[f"axis_1_{a}"]) for a in "lps"] == pytest.approx([2**-0.5, 2**-0.5, 0], abs=0.01)
    flipped = shape_measures(mask, (1.0, 1.0, 2.0), direction=(0, 0, 1, 0, 1, 0, 1, 0, 0))
    assert [abs(flipped[f"axis_1_{a}"]) for a in "lps"] == pytest.approx([0, 2**-0.5, 2**-0.5], abs=0.01)


def test_one_voxel_is_measured_and_an_empty_mask_is_undefined():
    one = np.zeros((3, 3, 3), bool)
    one[1, 1, 1] = True
    row = shape_measures(one, (30, 30, 30))
    assert row["volume"] == 27000
    assert row["axis_3"] > 0
    assert all(math.isfinite(v) for v in row.values())
    empty = shape_measures(np.zeros((3, 3, 3), bool), (1, 1, 1))
    assert empty["volume"] == 0
    assert math.isnan(empty["surface_to_volume"])


DIRECTIONS = [(1, 0, 0), (-0.5, 1, 0.2), (0.1, -0.8, -0.6)]


def cell_with_filopodia(body=14.0, length=16.0, radius=1.8, size=66, directions=DIRECTIONS):
    mask = ball((size,) * 3, body)
    for d in np.array(directions, float):
        mask |= capsule((size,) * 3, (0, 0, 0), d / np.linalg.norm(d) * (body + length - radius), radius)
    return mask


def test_filopodia_are_counted_and_measured():
    mask = cell_with_filopodia()
    measured = measure_thin_structures(mask, (1, 1, 1), 4.0)
    assert measured.count == 3
    assert measured.mean_length == pytest.approx(16.0, rel=0.12)
    assert measured.mean_diameter == pytest.approx(3.6, rel=0.2)
    volume = 3 * np.pi * 1.8**2 * 15.4
    assert measured.volume == pytest.approx(volume, rel=0.2)
    assert measured.volume_fraction == pytest.approx(measured.volume / mask.sum())


def test_a_smooth_body_and_loose_debris_have_no_filopodia():
    mask = ball((40, 40, 40), 13.0)
    assert measure_thin_structures(mask, (1, 1, 1), 4.0).count == 0
    mask[2, 2, 5:30] = True  # a loose thread
    assert measure_thin_structures(mask, (1, 1, 1), 4.0).count == 0
    assert measure_thin_structures(np.zeros((4, 4, 4), bool), (1, 1, 1), 4.0).volume == 0


def test_filopodia_scale_with_the_voxel_size():
    mask = cell_with_filopodia(size=66)
    small = measure_thin_structures(mask, (1, 1, 1), 4.0)
    large = measure_thin_structures(mask, (30, 30, 30), 120.0)
    assert large.length == pytest.approx(30 * small.length, rel=1e-5)


def test_filopodia_add_up_over_cells():
    labels = np.zeros((66, 66, 130), np.uint8)
    labels[:, :, :66] = cell_with_filopodia()
    labels[20:46, 20:46, 98:124] = ball((26, 26, 26), 12.0)
    settings = MorphologySettings(thin_radius=120.0, contacts=False)
    whole, first, second = measure_segmentation(Segmentation.from_labels(labels, NM), settings=settings)
    direct = measure_thin_structures(labels, NM.spacing, 120.0)
    assert (first["thin_parts"], second["thin_parts"]) == (3, 0)
    for name, value in direct.as_row().items():
        assert whole[name] == pytest.approx(value), name


@pytest.mark.usefixtures("_chunks_as_of_large_arrays")
def test_contact_of_two_half_balls_is_their_common_disc():
    radius = 12
    whole = ball((31, 31, 31), radius)
    x, y, z = grid((31, 31, 31))
    left = whole & (0.3 * x + 0.5 * y + z < 0)
    right = whole & ~left
    areas = contact_areas(left, right.astype(np.uint8), (1, 1, 1))
    assert areas == {1: pytest.approx(np.pi * radius**2, rel=0.05)}
    # Free surface and contact add up, by the same crossings.
    total = surface_area(left, (1, 1, 1)) + surface_area(right, (1, 1, 1)) - surface_area(whole, (1, 1, 1))
    assert 2 * areas[1] == pytest.approx(total)


def test_a_flat_contact_along_the_grid_is_as_much_too_small_as_the_documentation_says():
    mask, other = np.zeros((20, 44, 44), bool), np.zeros((20, 44, 44), np.uint8)
    mask[2:10, 2:42, 2:42] = True
    other[10:18, 2:42, 2:42] = 1
    assert contact_areas(mask, other, (1, 1, 1))[1] / 40**2 - 1 == pytest.approx(-0.100, abs=0.001)
    assert contact_areas(mask, other, (1, 1, 2.5))[1] / 40**2 - 1 == pytest.approx(-0.163, abs=0.001)


def test_a_contact_gap_bridges_voxels_between_segments():
    mask, other = np.zeros((12, 12, 12), bool), np.zeros((12, 12, 12), np.uint8)
    mask[2:10, 2:10, 2:5] = True
    other[2:10, 2:10, 7:10] = 3  # two voxels of gap
    assert contact_areas(mask, other, (1, 1, 1)) == {}
    assert contact_areas(mask, other, (1, 1, 1), gap=1.0) == {}
    assert contact_areas(mask, other, (1, 1, 1), gap=2.0)[3] == pytest.approx(64, rel=0.25)


@pytest.mark.usefixtures("_chunks_as_of_large_arrays")
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
def test_contacts_of_all_labels_are_those_of_each_label(dtype):
    labels = np.kron(np.random.default_rng(0).integers(0, 9, (4, 4, 4)), np.ones((5, 4, 6), int)).astype(dtype)
    labels[labels == 8] = np.iinfo(dtype).max
    spacing, padded = (1.0, 2.0, 1.5), np.pad(labels, 1)
    found = neighbour_areas(labels, spacing)
    assert len(found) == 8
    for value, areas in found.items():
        assert areas == pytest.approx(contact_areas(padded == value, padded, spacing))


def test_labels_meet_along_the_lines_that_are_asked_for():
    labels = np.zeros((3, 3, 9), np.uint8)
    labels[1, 1] = [1, 1, 0, 2, 0, 0, 3, 4, 4]
    assert meeting_labels(labels, [((0, 0, 1), 0.5)]) == {3: {4: 0.5}, 4: {3: 0.5}}
    wider = meeting_labels(labels, [((0, 0, 1), 1.0), ((0, 0, 2), 1.0)])
    assert wider == {1: {2: 1.0}, 2: {1: 1.0}, 3: {4: 2.0}, 4: {3: 2.0}}
    assert meeting_labels(labels, [((1, 0, 0), 1.0)]) == {}


@pytest.mark.parametrize("gap", [0.0, 30.0])
def test_many_segments_have_a_table_of_pairs_with_the_areas_of_the_columns(monkeypatch, gap):
    labels = np.zeros((12, 24, 24), np.uint8)
    blocks = np.arange(1, 10).reshape(3, 3)
    labels[2:10, 3:21, 3:21] = np.kron(blocks, np.ones((6, 6), int))
    labels[:, 9:21, 14] = 0  # a gap of a voxel
    labels[2:10, 10, 10] = 9  # a second piece of the last one, within the fifth
    segmentation = Segmentation.from_labels(labels, NM)
    settings = MorphologySettings(thin_structures=False, contact_gap=gap)
    few, _ = split_contacts(measure_segmentation(segmentation, settings=settings))
    wanted = {}
    for row in few:
        name = row["segment"] if row["kind"] == "segment" else f"{row['segment']} {row['cell']}"
        if row["kind"] == "segment" or row["segment"] == "Segment_9":
            areas = {key.removeprefix("contact: "): v for key, v in row.items() if key.startswith("contact: ") and v}
            wanted |= {(name, other): area for other, area in areas.items()}
    assert len(wanted) > 16
    monkeypatch.setattr(contact_table, "MAX_COLUMNS", 7)
    rows, pairs = split_contacts(measure_segmentation(segmentation, settings=settings))
    found = {}
    for pair in pairs:
        one, other, area = pair["segment"], pair["other"], pair["contact_area"]
        assert (one, other) not in found
        found |= {(one, other): area, (other, one): pair.get("other_contact_area", area)}
    assert wanted == pytest.approx({pair: found[pair] for pair in wanted})
    for row, before in zip(rows, few, strict=True):
        columns = {key.removeprefix("contact: "): v for key, v in before.items() if key.startswith("contact: ")}
        assert row["contact: other segments"] == pytest.approx(sum(columns.values()))
        assert set(filter(None, row["touches"].split(", "))) == {name for name, area in columns.items() if area}
        assert not any(key.startswith("contact: Segment") for key in row)


def two_cells():
    labels = np.zeros((40, 40, 60), np.uint8)
    labels[ball(labels.shape, 9, centre=(14, 20, 20))] = 1
    labels[ball(labels.shape, 7, centre=(45, 20, 20))] = 1
    labels[ball(labels.shape, 4, centre=(30, 20, 20))] = 2
    labels[0, 0, 0] = 1
    return Segmentation.from_labels(labels, NM, {1: "cytoplasm", 2: "bead"}, name="cells.nrrd")


def test_every_segment_and_every_connected_cell_has_a_row():
    segmentation = two_cells()
    volume = Volume(np.where(segmentation.labels == 2, 1.0, 0.5).astype(np.float32), NM)
    rows = measure_segmentation(segmentation, volume)
    assert [(r["segment"], r["kind"], r["cell"]) for r in rows] == [
        ("cytoplasm", "segment", 0),
        ("cytoplasm", "cell", 1),
        ("cytoplasm", "cell", 2),
        ("cytoplasm", "cell", 3),
        ("bead", "segment", 0),
        ("bead", "cell", 1),
    ]
    whole, large, small, speck, bead, _ = rows
    assert whole["voxels"] == large["voxels"] + small["voxels"] + speck["voxels"]
    assert whole["surface_area"] == pytest.approx(sum(r["surface_area"] for r in rows[1:4]))
    assert [large["centre_l"], large["centre_p"], large["centre_s"]] == pytest.approx([420, 600, 600])
    assert (large["touches_border"], speck["touches_border"]) == (False, True)
    assert speck["volume"] == 27000
    assert (whole["pieces"], bead["pieces"]) == (3, 1)
    assert whole["largest_piece"] == pytest.approx(large["volume"] / whole["volume"])
    assert bead["lac_mean"] == pytest.approx(1.0)
    assert large["lac_p95"] == pytest.approx(0.5)
    assert {type(v) for r in rows for v in r.values()} <= {str, int, float, bool}


def test_small_and_cut_cells_can_be_left_out():
    segmentation = two_cells()
    rows = measure_segmentation(
        segmentation, settings=MorphologySettings(minimum_volume=27001.0, thin_structures=False)
    )
    assert [r["cell"] for r in rows if r["segment"] == "cytoplasm"] == [0, 1, 2]
    rows = measure_segmentation(segmentation, settings=MorphologySettings(exclude_border=True, thin_structures=False))
    cytoplasm = [r for r in rows if r["segment"] == "cytoplasm"]
    assert [r["cell"] for r in cytoplasm] == [0, 1, 2]
    assert cytoplasm[0]["voxels"] == cytoplasm[1]["voxels"] + cytoplasm[2]["voxels"]
    assert not any(r["touches_border"] for r in cytoplasm)


def test_overlapping_segments_have_contacts_across_layers():
    a, b = np.zeros((12, 12, 12), bool), np.zeros((12, 12, 12), bool)
    a[2:8, 2:8, 2:8] = True
    b[3:7, 3:7, 6:11] = True
    segmentation = Segmentation.from_masks([a, b], [Segment("a", 1), Segment("b", 2)], NM)
    assert segmentation.overlapping
    rows = measure_segmentation(segmentation, settings=MorphologySettings(thin_structures=False))
    row_a, row_b = rows[0], rows[2]
    assert row_a["voxels"] == a.sum()
    assert row_b["contact: a"] > row_a["contact: b"] > 0
    (pair,) = split_contacts(rows)[1]
    assert (pair["contact_area"], pair["other_contact_area"]) == (row_a["contact: b"], row_b["contact: a"])


def test_segments_of_one_name_have_a_row_each():
    segmentation = two_cells()
    expected = measure_segmentation(segmentation)
    for segment in segmentation.segments:
        segment.name = "cell"
    rows = measure_segmentation(segmentation)
    assert [row["voxels"] for row in rows] == [row["voxels"] for row in expected]
    assert {row["segment"] for row in rows} == {"cell (1)", "cell (2)"}
    assert measure_segmentation(segmentation, segments=["cell (2)"])[0]["segment"] == "cell (2)"
    with pytest.raises(InputError, match=r"2 segments named 'cell'; choose one of: cell \(1\), cell \(2\)"):
        measure_segmentation(segmentation, segments=["cell"])


def test_other_grids_are_refused_and_a_cancel_stops():
    segmentation = two_cells()
    with pytest.raises(InputError, match="--resample"):
        measure_segmentation(segmentation, Volume(np.zeros((3, 3, 3))))
    with pytest.raises(Cancelled):
        measure_segmentation(two_cells(), progress=Progress(cancelled=lambda: True))


def test_contacts_across_a_gap_reach_to_the_border_of_the_volume():
    """Voxels of half a unit; the gap is five of them, and one segment lies at the border."""
    labels = np.zeros((10, 10, 14), np.uint8)
    labels[:, :, :4], labels[:, :, 8:12], labels[0, 0, 13] = 1, 2, 3
    segmentation = Segmentation.from_labels(labels, Geometry((0.5, 0.5, 0.5), unit="um"))
    settings = MorphologySettings(thin_structures=False, contacts=True, contact_gap=2.5)
    row = measure_segmentation(segmentation, settings=settings)[0]
    assert row["contact: Segment_2"] == pytest.approx(25, rel=0.25)
    assert row["contact: Segment_3"] == 0

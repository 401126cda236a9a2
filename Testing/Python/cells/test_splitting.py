"""Touching cells apart: counts, sizes and boundaries against balls, slabs and membranes whose cells are known."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ACSegLib.cells import region_kernels, seam_voxels, trees
from ACSegLib.cells.counting import steps_to_undo
from ACSegLib.cells.evidence import is_tissue
from ACSegLib.cells.grid import WorkGrid
from ACSegLib.cells.merging import Merging, Step
from ACSegLib.cells.regions import connect
from ACSegLib.cells.seams import find_seams
from ACSegLib.cells.segments import split_segments, with_cells
from ACSegLib.cells.splitting import OUTLINES, SplitSettings, split_mask
from ACSegLib.cells.trees import Trees, seam_model
from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import Progress
from ACSegLib.measure.instances import match_instances
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.phantom import simulate, vary_packed
from ACSegLib.segment_estimates import TAG, VolumeInterval
from ACSegLib.volume import Geometry, Segment, Segmentation
from ACSegLib.workflows import PredictRequest, run


def balls(shape, centres, radius):
    """Cells: each voxel within `radius` of its nearest centre belongs to it."""
    grid = np.indices(shape) + 0.5
    away = np.stack([np.sqrt(sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))) for centre in centres])
    return np.where(away.min(axis=0) < radius, away.argmin(axis=0) + 1, 0).astype(np.uint16)


#: One tree that is a leaf, as tables: log odds of 0.5, whatever the features.
LEAF, KINDS = (0, -1, 0, 0, 0, 0.5), (np.int32, np.int16, np.float32, np.int32, np.int32, np.float32)
TWO = balls((32, 32, 52), [(16, 16, 16), (16, 16, 36)], 12)


def quality(found, truth):
    return match_instances(found.labels.astype(np.uint16), truth).panoptic_quality


def test_two_balls_come_apart_at_their_neck():
    found = split_mask(TWO > 0)
    assert len(found.sizes) == 2
    assert quality(found, TWO) > 0.99
    assert found.labels.max() == 2
    assert np.array_equal(found.labels > 0, TWO > 0)


def test_a_ball_stays_whole():
    one = balls((32, 32, 32), [(16, 16, 16)], 12) > 0
    noise = np.random.default_rng(1).normal(size=one.shape)
    assert len(split_mask(one).sizes) == 1
    assert len(split_mask(one, one * 10 + noise).sizes) == 1


def ball_grid():
    """5 x 5 x 5 balls that touch at narrow necks."""
    pitch, radius = 16, 8.4
    squares = [((np.arange(5 * pitch) + 0.5) % pitch - pitch / 2) ** 2] * 3
    number = np.arange(5 * pitch) // pitch
    numbers = 1 + 25 * number[:, None, None] + 5 * number[:, None] + number
    inside = squares[0][:, None, None] + squares[1][:, None] + squares[2] < radius**2
    return np.where(inside, numbers, 0).astype(np.uint16)


@pytest.mark.parametrize("sight", ["noise", "correlated noise", "cells brighter than noise", "flat"])
def test_an_image_without_seams_leaves_clear_necks_to_the_shape(sight):
    cells = ball_grid()
    image = np.random.default_rng(3).normal(100, 10, cells.shape)
    if sight == "correlated noise":
        image = gaussian_filter(image, 1.2)
    elif sight == "cells brighter than noise":
        image += 50 * (cells > 0)
    elif sight == "flat":
        image[:] = 100
    found = split_mask(cells > 0, image)
    assert quality(found, cells) >= 0.95
    assert len(found.sizes) == pytest.approx(125, abs=6)
    assert found.seams == "none"
    if sight == "flat":
        assert found.notes == ["the image is constant within the segment and shows nothing; the shape decided."]
    else:
        assert found.notes == ["the image shows no seams between the cells; their shape decided."]


def test_nothing_is_told_of_seams_where_there_is_one_cell():
    ball = np.pad(ball_grid()[:16, :16, :16] > 0, 4)
    found = split_mask(ball, np.random.default_rng(3).normal(100, 10, ball.shape))
    assert len(found.sizes) == 1
    assert not found.notes


@pytest.mark.parametrize("count", [None, 1])
def test_a_constant_image_is_told_even_where_there_is_one_cell(count):
    ball = np.pad(ball_grid()[:16, :16, :16] > 0, 4)
    outside = np.random.default_rng(3).normal(100, 10, ball.shape)
    found = split_mask(ball, np.where(ball, 100.0, outside), settings=SplitSettings(count=count))
    assert len(found.sizes) == 1
    assert found.notes == ["the image is constant within the segment and shows nothing; the shape decided."]
    assert not split_mask(ball, np.full(ball.shape, 100.0), settings=SplitSettings(seams="none")).notes


def test_dark_seams_at_the_necks_let_the_image_speak():
    cells = ball_grid()
    image = np.where(cells, 100.0, 50.0) + np.random.default_rng(4).normal(0, 3, cells.shape)
    edges = np.zeros(cells.shape, bool)
    edges[:, :, 15:80:16] = edges[:, :, 16:80:16] = True
    edges |= edges.transpose(0, 2, 1) | edges.transpose(2, 1, 0)
    image[edges & (cells > 0)] -= 40
    found = split_mask(cells > 0, image)
    assert found.seams == "dark"
    assert not found.notes
    assert quality(found, cells) >= 0.95


def slab_with_seam(sign):
    """A block of two cells without a neck; the plane between them is darker or brighter."""
    cells = np.zeros((24, 24, 48), np.uint16)
    cells[2:-2, 2:-2, 2:24], cells[2:-2, 2:-2, 24:-2] = 1, 2
    image = np.where(cells, 10.0, 0.0) + np.random.default_rng(2).normal(0, 0.5, cells.shape)
    image[2:-2, 2:-2, 23:25] += sign * 6
    return cells, image


@pytest.mark.parametrize(("sign", "kind"), [(-1, "dark"), (1, "bright")])
def test_a_seam_in_the_image_parts_cells_without_a_neck(sign, kind):
    cells, image = slab_with_seam(sign)
    assert len(split_mask(cells > 0).sizes) == 1
    found = split_mask(cells > 0, image, settings=SplitSettings(seams=kind, count=2))
    assert quality(found, cells) > 0.93


@pytest.fixture(scope="module")
def tissue():
    """Cells that fill the volume, with bright walls: no depth and no neck says where they are."""
    rng = np.random.default_rng(5)
    numbers = np.arange(48) // 16
    cells = (1 + 9 * numbers[:, None, None] + 3 * numbers[:, None] + numbers).astype(np.uint16)
    from_wall = np.minimum.reduce(np.meshgrid(*[np.abs((np.arange(48) + 8) % 16 - 7.5)] * 3, indexing="ij"))
    image = gaussian_filter(np.exp(-((from_wall / 1.2) ** 2)), 0.7) + rng.normal(0, 0.05, cells.shape)
    return cells, image


def test_bright_walls_part_the_cells_of_a_tissue_without_background(tissue):
    cells, image = tissue
    found = split_mask(np.ones(cells.shape, bool), image)
    assert found.seams == "bright"
    assert quality(found, cells) > 0.9


def test_texture_of_two_packed_cells_divides_neither():
    """A broad, faint seam without a neck, in cells whose texture is as strong."""
    made = simulate(80, seed=40028, recipe=vary_packed(40028, packing=2))
    cells = made.cells.labels
    found = split_mask(cells > 0, made.volume.array)
    assert len(found.sizes) == 2
    assert quality(found, cells) > 0.85


def test_a_tissue_without_surfaces_is_judged_by_a_model_of_its_own(tissue, monkeypatch):
    cells, image = tissue
    asked = []
    monkeypatch.setattr(trees, "seam_model", lambda *name: asked.append(name[0]) or seam_model(*name))
    split_mask(np.ones(cells.shape, bool), image)
    split_mask(TWO > 0)
    assert asked == ["voxels", "tissue", "voxels", "seams"]


def test_the_tables_of_the_seam_model_are_trees():
    """Every way from a root ends at a leaf, and no feature is asked for that is not there."""
    of_boundary = region_kernels.PAIR_WIDTH + seam_voxels.KNOWN + region_kernels.RIM_WIDTH
    widths = {"voxels": seam_voxels.WIDTH, "seams": of_boundary, "tissue": of_boundary}
    for (name, width), predicted in itertools.product(widths.items(), (False, True)):
        if name == "tissue" and predicted:
            continue
        model = seam_model(name, predicted)
        inner = model.feature >= 0
        assert model.feature.max() < width
        nodes = np.arange(len(model.feature))[inner]
        assert (model.left[inner] > nodes).all()
        assert (model.right[inner] > nodes).all()
        assert model.right.max() < len(model.feature)


def test_the_number_of_cells_can_be_given():
    three = balls((32, 32, 70), [(16, 16, 16), (16, 16, 35), (16, 16, 54)], 12)
    found = split_mask(three > 0, settings=SplitSettings(count=3))
    assert quality(found, three) > 0.96
    assert len(split_mask(three > 0, settings=SplitSettings(count=1)).sizes) == 1
    many = split_mask(three > 0, settings=SplitSettings(count=50))
    assert "50 cells were asked for" in many.notes[0]


def test_seeds_decide_also_within_one_ball():
    seeds = np.zeros(TWO.shape, int)
    seeds[16, 16, 10], seeds[16, 16, 22], seeds[16, 16, 36] = 7, 3, 9
    found = split_mask(TWO > 0, seeds=seeds)
    assert len(found.sizes) == 3
    assert len({found.labels[16, 16, i] for i in (10, 22, 36)}) == 3
    assert min(found.sizes) > 1500
    outside = seeds.copy()
    outside[0, 0, 0] = 11
    assert "1 of 4 seeds lie outside" in split_mask(TWO > 0, seeds=outside).notes[0]


def test_specks_beside_seeds_are_no_cells_but_other_cells_are():
    apart = np.zeros((32, 32, 110), np.uint16)
    apart[:, :, :52] = TWO
    apart[:, :, 60:92] = balls((32, 32, 32), [(16, 16, 16)], 12)[:, :, :32] * 3
    mask = apart > 0
    mask[2:4, 2:4, 105] = mask[28, 28, 100:103] = True
    seeds = np.zeros(mask.shape, int)
    seeds[16, 16, 10], seeds[16, 16, 40] = 1, 2
    found = split_mask(mask, seeds=seeds)
    assert (len(found.sizes), found.specks) == (3, 2)
    assert found.notes[-1] == "1 component holds no seed; it is one cell."
    assert quality(found, apart) > 0.98
    seeds[2, 2, 105] = 3  # a dab says that so small a part is a cell
    assert sorted(split_mask(mask, seeds=seeds).sizes)[0] == 4


def test_missing_values_make_no_seams():
    one = balls((40, 32, 32), [(20, 16, 16)], 14) > 0
    image = one * 10 + np.random.default_rng(1).normal(size=one.shape)
    image[14:27] = np.nan
    found = split_mask(one, image)
    assert (len(found.sizes), found.seams) == (1, "none")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: np.put(image, np.ravel_multi_index((10, 11, 30), image.shape), 1e5),
        lambda image: np.put(image, np.ravel_multi_index((10, 11, 30), image.shape), -3e38),
        lambda image: np.multiply(image, 1e-30, out=image),
        lambda image: np.multiply(image, 1e30, out=image),
        lambda image: np.add(image, 1e9, out=image),
    ],
    ids=["hot voxel", "dead voxel", "tiny unit", "huge unit", "offset"],
)
def test_neither_single_voxels_nor_the_unit_of_intensities_hide_seams(spoil):
    k, j, i = np.indices((20, 22, 66))
    rod = ((k - 10) ** 2 + (j - 11) ** 2 < 64) & (i > 2) & (i < 63)
    cells = np.where(rod, 1 + (i >= 23) + (i >= 44), 0).astype(np.uint16)
    image = np.where(rod, 100.0, 20.0) + np.random.default_rng(0).normal(0, 4, rod.shape)
    image[:, :, 22:24] -= 40
    image[:, :, 43:45] -= 40
    spoil(image)
    assert quality(split_mask(rod, image), cells) > 0.99


def test_seeds_outside_alone_are_refused():
    seeds = np.zeros(TWO.shape, int)
    seeds[0, 0, 0] = 1
    with pytest.raises(InputError, match="no seed lies in the segment"):
        split_mask(TWO > 0, seeds=seeds)


def seeds_of(**places):
    masks = {name: np.zeros(TWO.shape, bool) for name in places}
    for name, place in places.items():
        masks[name][16, 16, place] = True
    rows = [Segment(name, 1, id=name) for name in places]
    return Segmentation.from_masks(list(masks.values()), rows, Geometry(), "dabs")


def test_a_seed_that_lies_under_another_one_is_refused():
    labels = Segmentation.from_labels((TWO > 0).astype(np.uint8))
    with pytest.raises(InputError, match="all voxels of the seed 'under' belong to other seeds"):
        split_segments(labels, seeds=seeds_of(under=10, over=[10, 11], other=40))
    (found,) = split_segments(labels, seeds=seeds_of(one=[9, 10], two=[10, 11], other=40))
    assert len({found.cells.labels[16, 16, i] for i in (9, 11, 40)}) == 3


def test_a_dab_of_background_is_no_seed():
    labels = Segmentation.from_labels((TWO > 0).astype(np.uint8))
    (found,) = split_segments(labels, seeds=seeds_of(one=10, other=40, Background=26))
    assert quality(found.cells, TWO) > 0.99
    assert found.cells.notes == ["dabs: 'Background' is background, as the name says; rename it if it is a structure."]


def test_specks_are_no_cells_and_are_told():
    mask = TWO > 0
    mask[3, 3, 26], mask[28, 28, 25:27] = True, True
    found = split_mask(mask)
    assert len(found.sizes) == 2
    assert found.specks == 2
    assert "2 parts of up to 2 voxels" in found.notes[0]
    assert "fewer" not in found.notes[0]
    assert not found.labels[3, 3, 26]
    kept = split_mask(mask, settings=SplitSettings(smallest=1))
    assert sorted(kept.sizes)[:2] == [1, 2]


def test_the_border_of_the_volume_is_not_background():
    """A ball that the border cuts in two halves is deepest at the border, not in its middle."""
    half = TWO[16:]
    assert quality(split_mask(half > 0), half) > 0.98


def two_balls_and_a_small_one(at):
    """Two balls of radius 14 and one of radius 4, a fiftieth of their volume."""
    cells = balls((40, 40, 64), [(20, 20, 20), (20, 20, 52)], 14)
    return np.where(cells > 0, cells, 3 * balls((40, 40, 64), [at], 4))


def test_a_small_part_is_a_cell_where_a_neck_parts_it_and_debris_where_it_lies_alone():
    touching = two_balls_and_a_small_one((20, 20, 37))
    found = split_mask(touching > 0)
    assert len(found.sizes) == 3
    assert quality(found, touching) > 0.75
    alone = split_mask(two_balls_and_a_small_one((5, 5, 36)) > 0)
    assert (len(alone.sizes), alone.specks) == (2, 1)


def test_the_note_on_specks_does_not_contradict_smaller_cells():
    mask = two_balls_and_a_small_one((20, 20, 37)) > 0
    mask[1:4, 1:4, 1:4] = True
    found = split_mask(mask)
    assert (len(found.sizes), found.specks) == (3, 1)
    assert found.sizes.min() < found.smallest
    assert f"have at least {found.smallest:.0f} voxels, or fewer beside another cell" in found.notes[0]


def test_a_given_number_brings_back_a_cell_that_was_too_small_to_be_found():
    cells = two_balls_and_a_small_one((5, 5, 36))
    found = split_mask(cells > 0, settings=SplitSettings(count=3))
    assert len(found.sizes) == 3
    assert quality(found, cells) > 0.98


@pytest.mark.parametrize(("cut", "cells"), [(False, 1), (True, 2)])
def test_a_granule_makes_up_a_given_number_only_where_the_border_cuts_it(cut, cells):
    """A part of 21 voxels was merged with one of 70000, across a boundary that might well be a seam."""
    step = Step(-0.2, (1, 2), (-1, -1), (70000.0, 21.0), (True, cut))
    made = SimpleNamespace(steps=[step], made_by=[-1, 0, -1], cells=lambda: [1], voxels=lambda n: 70021.0)
    undone, found = steps_to_undo(made, 2, smallest=700, least=10)
    assert (len(undone), found) == (cells - 1, cells)


def test_the_cap_of_a_cell_at_the_border_is_a_cell_and_a_compact_part_is_none():
    body = balls((40, 40, 64), [(20, 20, 20)], 16)
    cap = np.where(body > 0, body, 2 * balls((40, 40, 64), [(20, 20, 76)], 14))
    size = int((cap == 2).sum())
    assert size < body.sum() / 100
    found = split_mask(cap > 0)
    assert len(found.sizes) == 2
    assert quality(found, cap) > 0.98
    side = round(size ** (1 / 3))
    compact = body.copy()
    compact[20 : 20 + side, 20 : 20 + side, -side:] = 2
    assert len(split_mask(compact > 0).sizes) == 1


def test_the_number_that_was_found_changes_nothing_when_it_is_given():
    mask = two_balls_and_a_small_one((5, 5, 36)) > 0
    found = split_mask(mask)
    assert len(found.sizes) == 2
    given = split_mask(mask, settings=SplitSettings(count=2))
    assert np.array_equal(given.labels, found.labels)


def test_a_given_number_that_nothing_speaks_for_divides_no_cell():
    """Three balls at narrow necks: nothing tells where a fourth cell might be."""
    cells = balls((32, 32, 76), [(16, 16, 16), (16, 16, 38), (16, 16, 60)], 12)
    found = split_mask(cells > 0, settings=SplitSettings(count=7))
    assert len(found.sizes) == 3
    assert quality(found, cells) > 0.98
    assert "7 cells were asked for, but 3 can be told apart." in found.notes


def test_a_number_above_the_one_found_divides_the_right_cell():
    """Two of three packed cells are taken for one."""
    made = simulate(56, seed=634, recipe=vary_packed(634, packing=3))
    cells = made.cells.labels
    found = split_mask(cells > 0, made.volume.array)
    assert len(found.sizes) == 2
    given = split_mask(cells > 0, made.volume.array, settings=SplitSettings(count=3))
    assert len(given.sizes) == 3
    assert quality(given, cells) > quality(found, cells) + 0.05


@pytest.fixture(scope="module")
def pressed():
    """Three cells pressed together, and a mask that closes their seams, as networks do."""
    recipe = {"packing": 3, "filling": 0.6, "column": False, "holder": "capillary", "wall": True, "capillary": 0.42}
    made = simulate(48, seed=13, recipe=vary_packed(13, **recipe, beads=0, cell_size=1.0, gap=0.8, seam=-0.6))
    mask = gaussian_filter((made.cells.labels > 0).astype(float), 1.5) > 0.5
    return made.volume, made.cells.labels, mask


def test_outlines_of_a_network_have_a_model_of_their_own(pressed):
    volume, cells, mask = pressed
    drawn, predicted = (split_mask(mask, volume.array, settings=SplitSettings(outlines=o)) for o in OUTLINES[1:])
    assert quality(drawn, cells) > 0.88
    assert quality(predicted, cells) > 0.88
    assert not np.array_equal(drawn.labels, predicted.labels)


def test_a_doubtful_seam_parts_predicted_cells_only_if_their_number_is_given(monkeypatch):
    model = Trees(*(np.array([value], kind) for value, kind in zip(LEAF, KINDS, strict=True)))
    real = trees.seam_model
    monkeypatch.setattr(trees, "seam_model", lambda name, predicted: model if name == "seams" else real(name))
    drawn, predicted = (split_mask(TWO > 0, settings=SplitSettings(outlines=o)) for o in OUTLINES[1:])
    given = split_mask(TWO > 0, settings=SplitSettings(outlines="predicted", count=2))
    assert [len(found.sizes) for found in (drawn, predicted, given)] == [2, 1, 2]
    assert quality(given, TWO) > 0.99


@pytest.mark.parametrize(("source", "outlines"), [("prediction", "predicted"), ("fill", "drawn"), (None, "drawn")])
def test_a_segment_says_whether_it_was_predicted(pressed, source, outlines):
    volume, _, mask = pressed
    labels = Segmentation.from_labels(mask.astype(np.uint8), volume.geometry)
    if source is not None:
        count = int(mask.sum())
        labels.segments[0].tags[TAG] = str(VolumeInterval(count, 0.9 * count, 1.1 * count, source, "0"))
    (found,) = split_segments(labels, volume)
    expected = split_mask(mask, volume.array, settings=SplitSettings(outlines=outlines))
    assert np.array_equal(found.cells.labels, expected.labels)
    (other,) = split_segments(labels, volume, settings=SplitSettings(outlines="predicted"))
    assert np.array_equal(other.cells.labels, expected.labels) == (outlines == "predicted")


def test_specks_are_not_counted_among_a_given_number():
    cells = balls((34, 34, 56), [(16, 16, 16), (16, 16, 38)], 12)
    cells[30:33, 30:33, 50:53] = 3
    cells[0:2, 0:2, 0:5] = 4
    found = split_mask(cells > 0, settings=SplitSettings(count=2))
    assert len(found.sizes) == 2
    assert quality(found, np.where(cells < 3, cells, 0)) > 0.98
    assert found.specks == 2


@pytest.mark.parametrize(("depth", "told"), [(4, True), (8, False)])
def test_a_speck_that_makes_up_a_given_number_is_told(depth, told):
    cell = balls((34, 34, 56), [(16, 16, 16)], 12) > 0
    cell[28 - depth : 28, 28 - depth : 28, 48 - depth : 48] = True  # a hundredth of the ball has 72 voxels
    found = split_mask(cell, settings=SplitSettings(count=2))
    assert found.sizes[1] == depth**3
    assert any(f"1 cell has {depth**3} voxels, below a hundredth" in note for note in found.notes) == told


def test_voxels_that_are_longer_along_an_axis_count_as_long():
    flat = TWO[::3]
    assert quality(split_mask(flat > 0, spacing=(1, 1, 3)), flat) > 0.97


def test_a_coarser_grid_finds_the_same_cells(monkeypatch):
    fine = split_mask(TWO > 0)
    monkeypatch.setattr("ACSegLib.cells.grid.MAX_VOXELS", TWO.size // 8)
    coarse = split_mask(TWO > 0, np.where(TWO, 5.0, 0.0))
    assert WorkGrid.around(TWO > 0, (1, 1, 1)).voxels_of_block == 8
    assert len(coarse.sizes) == 2
    assert quality(coarse, TWO) > 0.97
    assert np.array_equal(coarse.labels > 0, fine.labels > 0)


def test_more_than_255_cells():
    centres = [(k, j, i) for k in range(4, 30, 7) for j in range(4, 62, 7) for i in range(4, 62, 7)]
    cells = balls((30, 65, 65), centres, 3.7)
    found = split_mask(cells > 0)
    assert len(centres) > 255
    assert len(found.sizes) == len(centres)


def test_each_cell_has_its_value_where_the_segment_was_and_a_cancel_is_heard_meanwhile():
    other = np.zeros(TWO.shape, np.uint8)
    other[:3] = 7
    labels = Segmentation.from_labels(np.where(TWO > 0, np.uint8(4), other))
    found = split_segments(labels, segments=[next(row.name for row in labels.segments if row.value == 4)])
    result = with_cells(labels, found)
    assert np.array_equal(result.labels == 7, labels.labels == 7)
    values = [row.value for row in found[0].rows]
    assert len(values) == 2
    expected = np.array([0, *values])[found[0].cells.labels]
    assert np.array_equal(np.where(TWO > 0, result.labels, 0), expected)

    def stop():
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        with_cells(labels, found, stop)


def test_a_cancel_leaves_nothing():
    with pytest.raises(Cancelled):
        split_mask(TWO > 0, TWO.astype(float), progress=Progress(cancelled=lambda: True))


def test_missing_values_and_an_empty_mask_are_no_obstacle():
    image = np.where(TWO, 5.0, np.nan)
    assert len(split_mask(TWO > 0, image).sizes) == 2
    assert len(split_mask(np.zeros((4, 4, 4))).sizes) == 0


@pytest.mark.parametrize(
    "values", [{"seams": "red"}, {"count": 0}, {"smallest": -1}, {"outlines": "?"}, {"count": 2.5}]
)
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(InputError):
        SplitSettings(**values)


def test_shapes_must_agree():
    with pytest.raises(InputError, match="same shape"):
        split_mask(TWO > 0, np.zeros((2, 2, 2)))


def test_a_number_above_that_of_a_tissue_divides_no_cell(tissue):
    """Walls tell 27 cells apart; a larger number does not make a removed seam a likely one."""
    cells, image = tissue
    mask = np.ones(cells.shape, bool)
    found = split_mask(mask, image)
    given = split_mask(mask, image, settings=SplitSettings(count=40))
    assert np.array_equal(given.labels, found.labels)
    assert f"40 cells were asked for, but {len(found.sizes)} can be told apart." in given.notes


@pytest.mark.parametrize("margin", [0, 1, 6])
def test_a_tissue_is_one_wherever_it_lies_in_the_volume(margin):
    block = np.ones((20, 20, 20), bool)
    assert is_tissue(np.pad(block, margin), 11)
    assert not is_tissue(np.pad(block, margin), 10)
    block[:, :3] = block[3:6] = False
    assert not is_tissue(np.pad(block, margin), 11)


def rim_of(mask, labels):
    """What the rim of the boundary of two regions is like, of which one is numbered 1 and the other 2."""
    seams = find_seams(None, mask, (1, 1, 1), seam_model("voxels"))
    merging = Merging(connect(labels.astype(np.int32), seams), seam_model("seams"))
    return merging.features(1, 2)[-region_kernels.RIM_WIDTH :]


def test_the_rim_of_a_boundary_tells_a_notch_from_a_cut_through_a_ball():
    notch = rim_of(TWO > 0, TWO)
    ball = balls((32, 32, 32), [(16, 16, 16)], 12) > 0
    cut = rim_of(ball, ball * (1 + (np.arange(32) > 16)))
    assert notch[0] > 0.6 > 0.55 > cut[0]
    assert notch[1] > cut[1] + 0.05
    assert notch[2] > 0.9
    assert cut[2] < 0.3


def test_a_flat_speck_at_the_border_is_no_cell_in_an_outline_that_a_network_predicted():
    mask = balls((80, 80, 80), [(40, 40, 45)], 32) > 0
    mask[30:40, 30:40, 0] = True
    drawn, predicted = (split_mask(mask, settings=SplitSettings(outlines=kind)) for kind in ("drawn", "predicted"))
    assert sorted(drawn.sizes)[0] == 100
    assert (len(predicted.sizes), predicted.specks) == (1, 1)


@pytest.mark.parametrize(("thick", "cells"), [(1, 1), (2, 2)])
def test_a_film_of_one_voxel_at_the_border_is_no_cell_in_a_predicted_outline(thick, cells):
    mask = balls((80, 80, 80), [(40, 40, 45)], 32) > 0
    mask[30:50, 30:50, :thick] = True
    predicted = split_mask(mask, settings=SplitSettings(outlines="predicted"))
    assert (len(predicted.sizes), predicted.specks) == (cells, 2 - cells)
    assert len(split_mask(mask).sizes) == 2


def test_cells_of_a_prediction_fill_what_is_predicted_without_them():
    recipe = vary_packed(3, packing=2, beads=0, holder="capillary", column=False, filling=0.5)
    volume = simulate(48, seed=3, recipe=recipe).volume
    whole, split = (run(PredictRequest(volume=volume, model=open_model(), cells=cells)) for cells in (False, True))
    assert split.report.surface_regions == whole.report.surface_regions > 0
    lost = (whole.segmentation.labels > 0) & (split.segmentation.labels == 0)
    assert not ((whole.segmentation.labels == 0) & (split.segmentation.labels > 0)).any()
    assert lost.sum() < 0.01 * (whole.segmentation.labels > 0).sum()

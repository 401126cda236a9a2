"""Corrections of a segmentation: what was decided stays, what is near follows, and what is far never changes."""

import numpy as np
import pytest
from correctioncases import GEOMETRY, SHAPE, ball, dice, image_of, segmentation
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.fill import correct
from ACSegLib.fill.correcting import opened
from ACSegLib.fill.correcting.decisions import Classes, find_decisions, redrawn_obliquely
from ACSegLib.fill.correcting.deviation import Deviation
from ACSegLib.fill.correcting.joined import as_thick, joined_to, without_specks
from ACSegLib.jobs import Progress
from ACSegLib.masks import bounding_box, box_size, grown_box
from ACSegLib.oblique_labels import oblique_planes
from ACSegLib.phantom import simulate
from ACSegLib.volume import Segment, Segmentation, Volume

TRUTH = ball()
IMAGE = image_of(TRUTH)
#: Too small on all sides, most on one: a displaced outline, as a weak network gives it.
SMALL = ball(centre=(18, 20, 20.5), radius=10.0)


def drawn(wrong, *slices, axis=0):
    """The segmentation with some slices as the truth has them."""
    labels = wrong.copy()
    for n in slices:
        np.moveaxis(labels, axis, 0)[n] = np.moveaxis(TRUTH, axis, 0)[n]
    return labels


@pytest.fixture(scope="module")
def one_slice():
    return correct(IMAGE, segmentation(SMALL), segmentation(drawn(SMALL, 18)))


def test_one_slice_drawn_right_corrects_the_volume_around_it(one_slice):
    repainted = dice(drawn(SMALL, 18), TRUTH)
    assert repainted < 0.8
    assert dice(one_slice.segmentation.labels > 0, TRUTH) > 0.97


def test_what_the_image_proves_reaches_beyond_the_extent_of_a_small_section():
    """The slice shows little of the cell, but what it teaches holds as far as the image shows the border."""
    labels = drawn(SMALL, 27)
    far = np.s_[:12]
    near = correct(IMAGE, segmentation(SMALL), segmentation(labels), slices={"k": [27]}, reach=12)
    assert np.array_equal(near.segmentation.labels[far] > 0, SMALL[far])
    result = correct(IMAGE, segmentation(SMALL), segmentation(labels), slices={"k": [27]})
    assert dice(SMALL[far], TRUTH[far]) < 0.6
    assert dice(result.segmentation.labels[far] > 0, TRUTH[far]) > 0.95


@pytest.mark.parametrize("all_along", [True, False])
def test_an_outline_that_is_wrong_all_along_is_corrected_to_its_far_end(all_along):
    """A cell of 110 voxels length whose outline is 2 voxels too wide; the slice is one of the first of them."""
    k, j, i = np.indices((120, 50, 50))
    away = np.hypot(j - 25, i - 25)
    truth, wide = ((away < radius) & (k > 4) & (k < 115) for radius in (18, 20))
    wrong = wide if all_along else truth | (wide & (i > 34))
    labels = wrong.copy()
    labels[20] = truth[20]
    found = correct(image_of(truth), segmentation(wrong), segmentation(labels), slices={"k": [20]})
    far = np.s_[20 + 70 : 100]
    assert dice(wrong[far], truth[far]) < 0.97
    assert (dice(found.segmentation.labels[far] > 0, truth[far]) > 0.98) == all_along
    assert np.array_equal(found.segmentation.labels[far] > 0, wrong[far]) == (not all_along)


def test_the_proven_reach_is_bounded_by_the_size_of_a_box(monkeypatch):
    decisions = find_decisions(segmentation(SMALL), segmentation(drawn(SMALL, 18)), {"k": [18]})
    changes = bounding_box(decisions.changed)
    monkeypatch.setattr(opened, "MAX_REACH", 2.0)
    for most in (1, 9_000, 10**9):
        monkeypatch.setattr(opened, "MAX_BOX", most)
        reach = opened.proven_reach(decisions, [1, 1, 1])
        sizes = [box_size(grown_box(changes, r, [1, 1, 1], SHAPE)) for r in (reach, reach + 1)]
        assert reach == 2 if most == 1 else sizes[0] <= most
        assert sizes[1] > most or sizes[0] == np.prod(SHAPE)


def test_a_clearly_redrawn_slice_is_found_and_decided_as_a_whole(one_slice):
    assert one_slice.report.slices == {"k": [18]}
    assert one_slice.decided[18].all()
    assert np.array_equal(one_slice.segmentation.labels[18] > 0, TRUTH[18])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_of_any_axis_can_be_drawn(axis):
    result = correct(IMAGE, segmentation(SMALL), segmentation(drawn(SMALL, 20, axis=axis)), slices={"kji"[axis]: [20]})
    assert result.report.slices == {"kji"[axis]: [20]}
    assert dice(result.segmentation.labels > 0, TRUTH) > 0.93


def test_a_volume_redrawn_on_nearly_every_slice_is_taken_as_it_is():
    rough = TRUTH.copy()
    rim = TRUTH ^ ndimage.binary_erosion(TRUTH)
    rough[rim & (np.random.default_rng(0).random(SHAPE) < 0.4)] = False  # wrong in single voxels, everywhere
    result = correct(IMAGE, segmentation(rough), segmentation(TRUTH))
    assert np.array_equal(result.segmentation.labels == 1, TRUTH)
    assert any("nearly every slice" in note for note in result.report.warnings)


@pytest.mark.parametrize("changed", [drawn(SMALL, *range(6, 30, 2)), SMALL | ball(centre=(18, 20, 28), radius=6.0)])
def test_many_slices_or_a_large_dab_are_not_the_whole_volume(changed):
    result = correct(IMAGE, segmentation(SMALL), segmentation(changed))
    assert not any("nearly every slice" in note for note in result.report.warnings)
    assert result.report.corrected_voxels > 0


def test_an_outline_that_is_slightly_off_all_the_way_is_one_error():
    truth, before = ball(), ball(radius=11.4)
    labels = before.astype(np.uint8)
    labels[18] = truth[18]
    assert ndimage.label(labels[18] != before[18], np.ones((3, 3)))[1] > 1  # the ring of changes is broken
    result = correct(image_of(truth), segmentation(before), segmentation(labels), slices={"k": [18]})
    assert result.report.reach >= 22  # the diameter of the ball
    assert dice(result.segmentation.labels == 1, truth) > 0.99 > dice(before, truth)


@pytest.mark.parametrize("row", [20, 24, 28])
def test_erasing_a_part_that_looks_like_the_rest_does_not_erase_all(row):
    erased = TRUTH.copy()
    erased[18, row:] = False
    found = correct(IMAGE, segmentation(TRUTH), segmentation(erased)).segmentation.labels > 0
    assert not found[18, row:].any(), "what was erased stays erased"
    assert dice(found, TRUTH) > 0.85


def test_erasing_a_neighbour_of_the_same_look_on_one_slice_removes_it_alone():
    cell, neighbour = ball(centre=(18, 20, 12), radius=8), ball(centre=(18, 20, 29), radius=8)
    both = cell | neighbour
    erased = both.copy()
    erased[18] &= cell[18]
    found = correct(image_of(both), segmentation(both), segmentation(erased)).segmentation.labels > 0
    assert dice(found, cell) > 0.9


def test_a_stroke_is_not_taken_for_a_slice_and_corrects_around_itself():
    labels = SMALL.copy()
    labels[18, 17:24, 31:34] = True
    result = correct(IMAGE, segmentation(SMALL), segmentation(labels))
    added = (result.segmentation.labels > 0) & ~labels
    assert result.report.slices == {}
    assert np.count_nonzero(added & TRUTH) > 3 * np.count_nonzero(labels & ~SMALL)
    assert np.count_nonzero(added & TRUTH) > 10 * np.count_nonzero(added & ~TRUTH)


def disc(labels, centre, radius, value):
    """Labels with a dab: a disc of a value on one slice."""
    k, j, i = np.indices(labels.shape)
    labels = labels.astype(np.uint8)
    labels[(k == centre[0]) & ((j - centre[1]) ** 2 + (i - centre[2]) ** 2 <= radius**2)] = value
    return labels


def test_a_dab_removes_a_false_blob_and_touches_nothing_else():
    wrong = TRUTH | ball(centre=(8, 8, 38), radius=5)
    result = correct(IMAGE, segmentation(wrong), segmentation(disc(wrong, (8, 8, 38), 3, 0)))
    assert result.report.slices == {}  # although the dab lies near all outlines of its slice
    assert np.array_equal(result.segmentation.labels > 0, TRUTH)


def test_a_dab_on_a_small_wrong_part_leaves_a_cell_of_the_same_look():
    """Nothing in the image tells the part from the cell."""
    part = ball(centre=(18, 20, 36), radius=4)
    wrong = TRUTH | part
    image = image_of(wrong)
    result = correct(image, segmentation(wrong), segmentation(disc(wrong, (18, 20, 37), 2, 0)))
    left = result.segmentation.labels > 0
    assert np.count_nonzero(TRUTH & ~left) < 0.02 * np.count_nonzero(TRUTH)
    assert np.count_nonzero(left & part & ~TRUTH) < 0.6 * np.count_nonzero(part & ~TRUTH)


def test_a_slice_that_removes_a_false_blob_does_not_remove_the_cell():
    """All of the slice is background: it says nothing of what a cell looks like."""
    cell = ball(centre=(16, 20, 16), radius=9.0)
    wrong = cell | ball(centre=(29, 20, 34), radius=5.0)
    labels = wrong.copy()
    labels[29] = False
    result = correct(image_of(cell), segmentation(wrong), segmentation(labels))
    assert result.report.slices == {"k": [29]}
    assert dice(result.segmentation.labels > 0, cell) > 0.99


def test_a_dab_adds_a_missing_bead():
    bead = ball(centre=(18, 20, 40), radius=3.5) & ~TRUTH
    result = correct(
        image_of(TRUTH | bead), segmentation(TRUTH), segmentation(disc(TRUTH, (18, 20, 40), 1.5, 1)), slices=None
    )
    assert dice((result.segmentation.labels > 0) & ~TRUTH, bead) > 0.9


def test_a_dab_in_an_empty_segmentation_is_not_the_whole_volume():
    nothing = np.zeros(SHAPE, bool)
    result = correct(IMAGE, segmentation(nothing), segmentation(disc(nothing, (18, 20, 22), 2, 1)))
    assert "use the fill" in result.report.warnings[0]
    assert np.count_nonzero((result.segmentation.labels > 0) & TRUTH) > 10 * 13
    assert np.count_nonzero((result.segmentation.labels > 0) & ~TRUTH) == 0


@pytest.mark.parametrize("slices", [None, {"k": [18]}])
def test_a_slice_in_an_empty_segmentation_corrects_as_well_named_as_unnamed(slices):
    nothing = np.zeros(SHAPE, bool)
    result = correct(IMAGE, segmentation(nothing), segmentation(drawn(nothing, 18)), slices=slices)
    assert dice(result.segmentation.labels > 0, TRUTH) > 0.95
    assert ["use the fill" in note for note in result.report.warnings] == [True]


def test_a_new_segment_that_was_learned_from_a_few_voxels_is_told():
    bead = ball(centre=(18, 20, 40), radius=3.5)
    image = image_of(TRUTH + 0.6 * bead)
    names = {1: "cell", 2: "bead"}
    labels = TRUTH.astype(np.uint8)
    labels[18, 20, 39:42] = 2
    result = correct(image, segmentation(TRUTH), segmentation(labels, names))
    assert result.report.warnings[-1].startswith("'bead' was learned from the 3 voxels that you drew")
    result = correct(image, segmentation(TRUTH), segmentation(disc(TRUTH, (18, 20, 40), 2.5, 2), names))
    assert result.report.warnings == ["segment 'bead' is new."]
    assert dice(result.segmentation.labels == 2, bead) > 0.8


def test_strokes_from_which_nothing_follows_are_told():
    speck = TRUTH.copy()
    speck[30, 35, 35] = True
    result = correct(IMAGE, segmentation(speck), segmentation(TRUTH))
    assert result.report.corrected_voxels == 0
    assert "nothing followed from your strokes" in result.report.warnings[-1]
    result = correct(IMAGE, segmentation(speck), segmentation(TRUTH), protected=np.ones(SHAPE, bool))
    assert "no voxel around your changes may change" in result.report.warnings[-1]


def test_only_the_piece_that_a_change_belongs_to_follows():
    before = np.zeros((1, 5, 9), np.int16)
    after = before.copy()
    after[0, 2, 1] = 1
    best, where = before.copy(), np.zeros(before.shape, bool)
    best[0, 2, 2:4], best[0, 1, 4], best[0, 2, 7], best[0, 3, 1] = 1, 1, 1, 2
    where[best > 0] = True
    joined = joined_to(after > 0, Classes(before, after, [(), (0,), (1,)]), best, where, [1.0, 1.0, 1.0])
    assert np.argwhere(joined).tolist() == [[0, 1, 4], [0, 2, 2], [0, 2, 3]]


def test_changes_between_many_classes_are_told_apart():
    """301 * 1 + 150 and 301 * 219 + 68 are the same number of 16 bits."""
    before = np.array([[[1, 219]]], np.int16)
    after, best = np.array([[[150, 219]]], np.int16), np.array([[[150, 68]]], np.int16)
    classes = Classes(before, after, [(), *((row,) for row in range(300))])
    joined = joined_to(after != before, classes, best, best != after, [1.0, 1.0, 1.0])
    assert not joined.any()


@pytest.mark.parametrize(
    ("place", "seen", "farthest"), [(4, 0.0, 10), (4, 0.75, 22), (4, 1.0, 43), (4, None, 43), (30, 0.0, 43)]
)
def test_what_is_thinner_than_an_error_at_its_stroke_follows_as_far_as_the_image_shows_it(place, seen, farthest):
    """A ball in a layer of one voxel. Its middle is 4.2 voxels deep, and half as deep voxels end at i = 6."""
    error = ball(centre=(18, 20, 4), radius=4.2)
    error[18] = True
    before = error.astype(np.int16)
    after = before.copy()
    after[18, 20, place] = 0
    nothing = np.zeros(SHAPE, np.int16)
    where = error & (after == before)
    joined = joined_to(after != before, Classes(before, after, [(), (0,)]), nothing, where, [1.0, 1.0, 1.0], seen)
    assert np.array_equal(joined[:, 20, :9], where[:, 20, :9])
    assert np.flatnonzero(joined[18, 20])[-1] == farthest
    assert not (joined & ~where).any()


def test_specks_are_smaller_than_a_ball_as_wide_as_a_gap():
    parts = np.zeros((9, 9, 30), bool)
    parts[1:4, 1:4, 1:4] = True  # 27 voxels
    parts[1:5, 1:4, 10:13] = True  # 36
    kept = without_specks(parts, [1.0, 1.0, 1.0])
    assert np.array_equal(kept, parts & (np.indices(parts.shape)[2] >= 10))
    assert np.array_equal(without_specks(parts, [2.0, 1.0, 1.0]), parts), "54 voxels of the finest axis"


def test_beside_a_local_error_of_a_slice_only_what_is_half_as_thick_follows_elsewhere():
    error = ball(centre=(18, 20, 8), radius=6.0)
    changes = error & (np.indices(SHAPE)[0] == 18)
    thick, thin = ball(centre=(18, 20, 22), radius=4.0), np.zeros(SHAPE, bool)
    thin[10:26, 10:30, 32:36] = True  # 2 voxels deep
    joined = error & ~changes
    assert np.array_equal(as_thick(thick | thin, joined, changes, [1.0, 1.0, 1.0]), thick)
    assert np.array_equal(as_thick(thick | thin, joined, changes, [1.0, 2.0, 2.0]), thick | thin), "8 voxels wide"


def test_a_wrongly_included_neighbour_goes_with_one_slice():
    neighbour = ball(centre=(18, 20, 38), radius=5)
    image = Volume(IMAGE.array + 0.5 * neighbour.astype(np.float32), GEOMETRY)
    wrong = TRUTH | neighbour
    result = correct(image, segmentation(wrong), segmentation(drawn(wrong, 18)), slices={"k": [18]})
    left = (result.segmentation.labels > 0) & neighbour & ~TRUTH
    assert np.count_nonzero(left) < 0.1 * np.count_nonzero(neighbour & ~TRUTH)
    assert dice(result.segmentation.labels > 0, TRUTH) > 0.97


def test_a_drawn_slice_makes_no_holes_that_nobody_drew():
    """A neighbour of the same patchy look is erased on one slice."""
    cell, neighbour = ball(centre=(18, 20, 13), radius=10.0), ball(centre=(18, 20, 32), radius=10.0)
    patches = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 1.5)
    both = cell | neighbour
    image = image_of(both, noise=0.05)
    image.array[both] += 0.8 * (patches / patches.std())[both]
    after = both.copy()
    after[18] = cell[18]
    found = correct(image, segmentation(both), segmentation(after), slices={"k": [18]}).segmentation.labels > 0
    assert np.array_equal(ndimage.binary_fill_holes(found), found)
    assert dice(found, cell) > dice(after, cell) + 0.05
    after[18, 18:23, 11:16] = False  # a hole that is drawn stays
    found = correct(image, segmentation(both), segmentation(after), slices={"k": [18]}).segmentation.labels > 0
    assert not found[18, 18:23, 11:16].any()


def test_protected_and_earlier_decided_voxels_stay():
    protected = np.zeros(SHAPE, bool)
    protected[20:22] = True
    decided = np.zeros(SHAPE, bool)
    decided[14:16] = True
    result = correct(IMAGE, segmentation(SMALL), segmentation(drawn(SMALL, 18)), protected=protected, decided=decided)
    labels = result.segmentation.labels > 0
    assert np.array_equal(labels[20:22], SMALL[20:22])
    assert np.array_equal(labels[14:16], SMALL[14:16])
    assert result.decided[14:16].all()
    assert not np.array_equal(labels[17], SMALL[17])


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"decided": np.zeros((2, 3, 4), bool)}, r"mask of decided voxels has 4 x 3 x 2 voxels"),
        ({"protected": np.zeros((2, 3, 4), bool)}, r"mask of protected voxels has 4 x 3 x 2 voxels"),
        ({"reach": -1.0}, "reach is -1"),
        ({"reach": float("nan")}, "reach is nan"),
    ],
)
def test_masks_of_another_shape_and_impossible_reaches_are_refused(wrong, match):
    with pytest.raises(InputError, match=match):
        correct(IMAGE, segmentation(SMALL), segmentation(drawn(SMALL, 18)), **wrong)


def test_a_reach_bounds_the_changes():
    result = correct(IMAGE, segmentation(SMALL), segmentation(drawn(SMALL, 18)), reach=4)
    different = (result.segmentation.labels > 0) != drawn(SMALL, 18)
    assert different.any()
    assert not different[:14].any()
    assert not different[23:].any()


def test_probabilities_of_the_network_help_where_the_image_says_nothing():
    """Without contrast, the probabilities alone know where the cell ends."""
    blank = Volume(np.random.default_rng(3).normal(0, 1, SHAPE).astype(np.float32), GEOMETRY)
    distance = ndimage.distance_transform_edt(TRUTH) - ndimage.distance_transform_edt(~TRUTH)
    probability = (1 / (1 + np.exp(1.5 - distance))).astype(np.float32)
    predicted = distance > 3
    corrected = drawn(predicted, 18)
    before, after = segmentation(predicted), segmentation(corrected)
    without = correct(blank, before, after, slices={"k": [18]})
    helped = correct(blank, before, after, slices={"k": [18]}, probabilities={after.segments[0].id: probability})
    assert dice(helped.segmentation.labels > 0, TRUTH) > 0.97
    assert dice(helped.segmentation.labels > 0, TRUTH) >= dice(without.segmentation.labels > 0, TRUTH)


def test_overlapping_segments_stay_apart():
    inner = ball(radius=6)
    rows = [Segment("cell", 1), Segment("nucleus", 1, layer=1)]
    before = Segmentation((SMALL.astype(np.uint8), inner.astype(np.uint8)), rows, GEOMETRY)
    after = Segmentation((drawn(SMALL, 18).astype(np.uint8), inner.astype(np.uint8)), rows, GEOMETRY)
    image = Volume(IMAGE.array + inner.astype(np.float32), GEOMETRY)
    result = correct(image, before, after, slices={"k": [18]})
    assert dice(result.segmentation.mask("cell"), TRUTH) > 0.97
    assert dice(result.segmentation.mask("nucleus"), inner) > 0.97


def test_more_than_255_cells_keep_their_numbers():
    k, j, i = np.indices((24, 70, 70))
    cells = (j // 4) * 18 + i // 4 + 1
    cells[(j % 4 == 0) | (i % 4 == 0) | (k < 4) | (k > 19)] = 0
    labels = np.where(cells > 0, cells, 0)
    wrong = labels.copy()
    wrong[:, 1:60, 1:60][:, ::4, ::4] = 0
    image = Volume((labels > 0).astype(np.float32), GEOMETRY)
    after = wrong.copy()
    after[12] = labels[12]
    before = Segmentation.from_labels(wrong.astype(np.uint16), GEOMETRY)
    result = correct(image, before, Segmentation.from_labels(after.astype(np.uint16), GEOMETRY), slices={"k": [12]})
    assert labels.max() > 255
    values = result.segmentation.labels
    assert np.mean(values[labels > 0] == labels[labels > 0]) > np.mean(wrong[labels > 0] == labels[labels > 0])
    assert np.array_equal(values[12], labels[12])


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda s: Segmentation(s.layers, [Segment("soma", 1, id="other")], GEOMETRY), "is called 'soma'"),
        (lambda s: Segmentation(s.layers, [*s.segments, Segment("extra", 7)], GEOMETRY), "'extra' is new"),
    ],
)
def test_renamed_and_added_segments_are_told(change, note):
    after = change(segmentation(drawn(SMALL, 18)))
    result = correct(IMAGE, segmentation(SMALL), after)
    assert any(note in text for text in result.report.warnings)
    assert [s.name for s in result.segmentation.segments] == [s.name for s in after.segments]
    assert dice(result.segmentation.labels == 1, TRUTH) > 0.97


def test_a_new_segment_grows_from_where_it_was_drawn():
    labels = TRUTH.astype(np.uint8)
    labels[20, ball()[20] & ball(centre=(18, 20, 30), radius=12)[20]] = 2
    image = image_of(TRUTH | ball(centre=(18, 20, 30), radius=12))
    after = segmentation(labels, {1: "cell", 2: "part"})
    result = correct(image, segmentation(TRUTH), after)
    assert np.array_equal(result.segmentation.labels[20], labels[20])
    assert np.count_nonzero(result.segmentation.labels == 2) > np.count_nonzero(labels == 2)


def test_a_deleted_segment_is_gone_and_changes_nothing_else():
    both = TRUTH.astype(np.uint8)
    both[ball(centre=(5, 5, 5), radius=3)] = 2
    before = segmentation(both, {1: "cell", 2: "bead"})
    after = segmentation(np.where(drawn(TRUTH, 18), 1, 0))
    with pytest.raises(InputError, match="does not differ from the segmentation but for the deleted segments 'bead'"):
        correct(IMAGE, before, after)
    after = segmentation(SMALL)
    result = correct(IMAGE, before, after)
    assert any("'bead' was deleted" in text for text in result.report.warnings)


def test_a_new_segment_is_not_taken_for_a_deleted_one_that_had_its_label_value():
    """Slicer and ACSeg number segments in the order of the table."""
    rows = [Segment("cell", 1, id="1"), Segment("bead", 2, id="2"), Segment("nucleus", 2, id="3")]
    labels = SMALL.astype(np.uint8)
    with_bead, with_nucleus = labels.copy(), drawn(labels, 18)
    with_bead[ball(centre=(5, 5, 5), radius=3)] = 2
    with_nucleus[ball(radius=2)] = 2
    before = Segmentation((with_bead,), rows[:2], GEOMETRY)
    decisions = find_decisions(before, Segmentation((with_nucleus,), [rows[0], rows[2]], GEOMETRY), {"k": [18]})
    assert decisions.partners == {0: 0}
    assert decisions.notes == [
        "segment 'bead' was deleted; the result does not have it.",
        "segment 'nucleus' is new.",
    ]
    assert not decisions.changed[with_bead == 2].any(), "what was deleted was not erased by hand"


@pytest.mark.parametrize("slices", [[18], [12, 18, 24]])
def test_slices_alone_are_not_taken_for_a_corrected_copy(slices):
    """All others would count as erased."""
    alone = np.zeros_like(TRUTH)
    alone[slices] = TRUTH[slices]
    with pytest.raises(InputError, match=rf"'slices': the labels lie on {len(slices)} slices? along z \(k\) only"):
        correct(IMAGE, segmentation(SMALL), segmentation(alone, name="slices"), slices={"k": slices})
    if len(slices) > 1:
        with pytest.raises(InputError, match=r"'slices': .* no segmentation to correct; fill between the slices first"):
            correct(IMAGE, segmentation(alone, name="slices"), segmentation(TRUTH))


def test_a_slice_that_is_drawn_into_an_empty_segmentation_counts():
    alone = np.zeros_like(TRUTH)
    alone[18] = TRUTH[18]
    assert find_decisions(segmentation(np.zeros_like(alone)), segmentation(alone)).changed.sum() == alone.sum()


def test_nothing_corrected_is_said():
    with pytest.raises(InputError, match="does not differ from the segmentation"):
        correct(IMAGE, segmentation(SMALL), segmentation(SMALL))


def test_a_checked_slice_without_a_change_changes_nothing():
    result = correct(IMAGE, segmentation(SMALL), segmentation(SMALL), slices={"k": [18]})
    assert np.array_equal(result.segmentation.labels, SMALL)
    assert result.report.corrected_voxels == 0


@pytest.mark.parametrize(
    ("slices", "match"), [({"k": [99]}, "slice 99 does not exist"), ({"q": [1]}, "axis 'q' is not one of")]
)
def test_slices_outside_of_the_volume_are_refused(slices, match):
    with pytest.raises(InputError, match=match):
        correct(IMAGE, segmentation(SMALL), segmentation(drawn(SMALL, 18)), slices=slices)


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"the segmentation has .* voxels and the corrected one"):
        correct(IMAGE, segmentation(SMALL[1:]), segmentation(drawn(SMALL, 18)))


def test_missing_values_stay_background():
    array = IMAGE.array.copy()
    array[:, :, 30:] = np.nan
    result = correct(Volume(array, GEOMETRY), segmentation(SMALL), segmentation(drawn(SMALL, 18)))
    outside = np.isnan(array)
    kept = drawn(SMALL, 18)
    assert not ((result.segmentation.labels > 0) & outside & ~kept).any()


def test_padding_is_a_missing_value():
    array = IMAGE.array.astype(np.float32)
    array[:, :, 30:] = np.nan
    expected, found = (
        correct(Volume(image, GEOMETRY), segmentation(SMALL), segmentation(drawn(SMALL, 18)))
        for image in (array, np.nan_to_num(array, nan=float(IMAGE.array.max()) + 100))
    )
    np.testing.assert_array_equal(found.segmentation.labels, expected.segmentation.labels)


def test_a_correction_can_be_cancelled():
    with pytest.raises(Cancelled):
        correct(
            IMAGE,
            segmentation(SMALL),
            segmentation(drawn(SMALL, 18)),
            progress=Progress(lambda f, m: None, lambda: True),
        )


@given(
    st.integers(0, 2),
    st.lists(st.tuples(*(st.integers(0, n - 1) for n in (16, 18, 20))), min_size=1, max_size=4),
    st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_decided_voxels_stay_and_far_voxels_never_change(seed, places, removes):
    """Whatever the image and the corrections are: no exception, decided voxels as decided, far voxels as before."""
    shape = (16, 18, 20)
    rng = np.random.default_rng(seed)
    image = Volume(rng.normal(0, 1, shape).astype(np.float32), GEOMETRY)
    before = ndimage.gaussian_filter(rng.normal(0, 1, shape), 3) > 0
    after = before.copy()
    for k, j, i in places:
        after[k, max(j - 2, 0) : j + 3, max(i - 2, 0) : i + 3] = not removes
    if np.array_equal(before, after):
        return
    result = correct(image, segmentation(before), segmentation(after), reach=5)
    labels = result.segmentation.labels > 0
    changed = before != after
    far = ndimage.distance_transform_edt(~changed) > 5
    assert np.array_equal(labels[far & ~result.decided], before[far & ~result.decided])
    assert np.array_equal(labels[result.decided], after[result.decided])
    assert result.decided[changed].all()


def test_a_segment_that_the_drawn_slices_hardly_show_stays_elsewhere():
    """Two segments look alike; the slices that were drawn show the tip of the first alone."""
    k, j, i = np.indices((40, 40, 40))
    radius = np.clip((24 - k) / 2, 0, 9)
    first = (j - 16) ** 2 + (i - 20) ** 2 < radius**2
    second = ((j - 24) ** 2 + (i - 20) ** 2 < np.clip((k - 8) / 2, 0, 9) ** 2) & ~first
    truth = np.where(first, 1, np.where(second, 2, 0))
    wrong = truth.copy()
    wrong[(truth == 2) & ~ndimage.binary_erosion(second, iterations=2)] = 0
    after = wrong.copy()
    after[[22, 26]] = truth[[22, 26]]
    names = {1: "first", 2: "second"}
    image = image_of(truth > 0, noise=0.2)
    result = correct(image, segmentation(wrong, names), segmentation(after, names), slices={"k": [22, 26]})
    labels = result.segmentation.labels
    assert dice(labels == 1, first) > dice(wrong == 1, first) - 0.03
    assert dice(labels == 2, second) > dice(wrong == 2, second) + 0.1


def test_around_a_segment_that_no_slice_drawn_right_shows_the_background_stays():
    """A simulated cell with a displaced outline and without filopodia; the slice drawn right does not cut the bead."""
    made = simulate((64, 64, 64), seed=6)
    cell, bead = (made.truth.labels == value for value in (1, 2))
    distance = ndimage.distance_transform_edt(cell) - ndimage.distance_transform_edt(~cell)
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(cell.shape), 9, mode="wrap")
    core = ndimage.binary_dilation(ndimage.binary_opening(cell, iterations=2), iterations=2)
    wrong = np.where(bead, 2, core & (distance + 2 * field / field.std() > 0.6)).astype(np.uint8)
    after = wrong.copy()
    after[16] = cell[16]
    assert not bead[16].any()
    before, corrected = (
        Segmentation.from_labels(a, made.volume.geometry, {1: "cell", 2: "bead"}) for a in (wrong, after)
    )
    result = correct(made.volume, before, corrected, slices={"k": [16]}).segmentation.labels
    assert dice(wrong == 1, cell) < 0.9
    assert dice(result == 1, cell) > 0.95


def test_channels_of_a_segment_that_is_not_shown_tell_no_more_than_there():
    """The first segment is on the plane to learn from; the second is not."""
    before = np.zeros((6, 1, 4), np.int16)
    before[1, 0, 0], before[5, 0, 3] = 1, 2
    learned = np.full(before.shape, -1)
    learned[1] = before[1]
    channels = Deviation.of([[1], [2]], before, (1, 1, 1), np.full((2, *before.shape), 0.9))
    limited = channels.within_what_is_shown(before, learned)
    own, other, *evidence = channels.planes(range(6)).swapaxes(0, 1)
    assert other[5, 0, 3] == 0.5
    expected = [own, np.minimum(other, 0.5 - 4), *evidence]  # the plane to learn from is four voxels away
    assert np.array_equal(limited.planes(range(6)).swapaxes(0, 1), expected)


SHEET = np.zeros(SHAPE, bool)
SHEET[20:23, 10:20, 10:20] = True


@pytest.mark.parametrize(
    ("segment", "tip"),
    [(SHEET, (19, 14, 14)), (ball(centre=(22, 20, 40), radius=3), (18, 20, 40))],
    ids=["sheet", "bead"],
)
def test_a_segment_keeps_its_other_slices_where_one_slice_erases_its_tip(segment, tip):
    """On the slice drawn right, a voxel of the segment goes and nothing of it is left; the cell is corrected.

    The sheet is too thin to tell what it looks like. Of the bead, all voxels may change.
    """
    truth = np.where(segment, 2, ball(radius=11))
    wrong = truth.copy()
    wrong[(truth == 1) & ~ball(radius=9)] = 0
    wrong[tip] = 2
    after = wrong.copy()
    after[tip[0]] = truth[tip[0]]
    names = {1: "cell", 2: "segment"}
    image = image_of(np.array([0, 1, 1.5])[truth], noise=0.2)
    result = correct(image, segmentation(wrong, names), segmentation(after, names), slices={"k": [tip[0]]})
    assert dice(result.segmentation.labels == 2, segment) > 0.95


@pytest.mark.parametrize("seed", [1, 4])
def test_errors_of_one_slice_are_not_carried_to_where_the_segmentation_is_right(seed):
    """The image shows nothing, and the outline is displaced by a smooth field."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 6)
    distance = ndimage.distance_transform_edt(TRUTH) - ndimage.distance_transform_edt(~TRUTH)
    wrong = distance + 2 * field / field.std() > 0
    blank = Volume(np.random.default_rng(3).normal(0, 1, SHAPE).astype(np.float32), GEOMETRY)
    worst = np.count_nonzero(wrong != TRUTH, axis=(1, 2)).argmax()
    labels = drawn(wrong, worst)
    result = correct(blank, segmentation(wrong), segmentation(labels), slices={"k": [worst]})
    assert dice(result.segmentation.labels > 0, TRUTH) > dice(labels, TRUTH)


@pytest.mark.parametrize("place", [(18, 20, 38), (4, 6, 6)])
def test_a_click_apart_from_its_segment_from_which_something_followed_is_told(place):
    clicked = TRUTH.copy()
    clicked[place] = True
    result = correct(IMAGE, segmentation(TRUTH), segmentation(clicked))
    followed = np.count_nonzero((result.segmentation.labels > 0) & ~clicked)
    assert followed > 0
    (note,) = result.report.warnings
    assert note.startswith("1 voxel that you changed lies apart from the rest of the segment, ")
    assert f" and {followed} more followed; undo the change if it was a slip" in note


def test_a_click_into_a_part_that_is_missing_is_no_slip():
    cut = TRUTH & (np.indices(TRUTH.shape)[2] < 26)
    clicked = cut.copy()
    clicked[18, 20, 30] = True
    result = correct(IMAGE, segmentation(cut), segmentation(clicked))
    assert result.report.corrected_voxels > 100
    assert not [note for note in result.report.warnings if "slip" in note]


def test_a_segment_whose_last_voxel_was_erased_keeps_its_row():
    """Its value is larger than the type of the corrected labels holds."""
    before = Segmentation.from_labels(SMALL.astype(np.uint8), GEOMETRY, {300: "bead"})
    after = Segmentation.from_labels(drawn(SMALL, 18).astype(np.uint8), GEOMETRY, {300: "bead"})
    found = correct(IMAGE, before, after).segmentation
    assert [segment.value for segment in found.segments] == [1, 300]
    assert dice(found.labels == 1, TRUTH) > 0.97


def redrawn_on_a_plane(*normal, radius=np.inf):
    """`SMALL` with what the truth has on a plane, or near a point of the outline on it."""
    unit = np.asarray(normal) / np.linalg.norm(normal)
    offset = np.tensordot(unit, np.indices(SHAPE) - np.array([18, 20, 20])[:, None, None, None], 1)
    along = np.cross(unit, [0, 1, 0])
    near = (np.abs(offset) < 0.5) & ball(centre=[18, 20, 20] + 11 * along / np.linalg.norm(along), radius=radius)
    return segmentation(np.where(near, TRUTH, SMALL))


@pytest.mark.parametrize("normal", [(1, 0.5, 0), (0.1, 0.3, 1), (1, 1, 1), (1, 0.25, 0.1)])
def test_a_slice_redrawn_on_an_oblique_plane_is_told(normal):
    k, j, _i = np.indices(SHAPE)
    disc = (np.abs(k + j - 12) < 1) & ball(centre=(6, 6, 8), radius=5)  # a stroke apart from the cell
    assert oblique_planes(disc)
    assert redrawn_obliquely(find_decisions(segmentation(SMALL), redrawn_on_a_plane(*normal)))
    assert not redrawn_obliquely(find_decisions(segmentation(SMALL), redrawn_on_a_plane(*normal, radius=6)))
    assert not redrawn_obliquely(find_decisions(segmentation(SMALL), segmentation(SMALL | disc)))


def test_a_note_says_that_an_oblique_slice_counts_as_strokes(one_slice):
    oblique = correct(IMAGE, segmentation(SMALL), redrawn_on_a_plane(1, 0.5, 0))
    assert oblique.report.slices == {}
    for report, told in ((oblique.report, True), (one_slice.report, False)):
        assert any("obliquely in the volume, so your changes count as strokes" in w for w in report.warnings) == told

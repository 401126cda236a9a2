"""Clean-up of segmentations, against hand-made cases and scipy/scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.ndimage import gaussian_filter

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import CancelFlag, Progress
from ACSegLib.postprocess import smoothing, wide_votes
from ACSegLib.postprocess.cleanup import clean
from ACSegLib.volume import Geometry, Segment, Segmentation


def segmentation(labels: np.ndarray, names: dict[int, str] | None = None, **geometry) -> Segmentation:
    return Segmentation.from_labels(labels, Geometry(**geometry), names)


def ball(shape: tuple[int, int, int], centre: tuple[float, ...], radius: float) -> np.ndarray:
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    return sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)) <= radius**2


def scattered(shape: tuple[int, int, int], labels: int, seed: int) -> np.ndarray:
    """Smooth random regions of several labels, with islands and holes of many sizes."""
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.normal(size=shape), 1.5) for _ in range(labels + 1)]
    return np.argmax(fields, axis=0).astype(np.uint8)


def test_islands_equal_scikit_image() -> None:
    from skimage.morphology import remove_small_objects

    labels = scattered((30, 34, 32), 3, 1)
    cleaned = clean(segmentation(labels), islands=60).labels
    removed = 0
    for value in (1, 2, 3):
        expected = remove_small_objects(labels == value, max_size=59)
        np.testing.assert_array_equal(cleaned == value, expected)
        removed += np.count_nonzero((labels == value) & ~expected)
    assert removed > 0


def test_islands_by_fraction_of_the_largest() -> None:
    labels = np.zeros((8, 8, 40), np.uint16)
    labels[2:4, 2:4, 0:25] = 300  # 100 voxels
    labels[2:4, 2:4, 30:33] = 300  # 12 voxels
    labels[6, 6, 0:9] = 300  # 9 voxels
    cleaned = clean(segmentation(labels), islands=0.1).labels
    assert cleaned.dtype == np.uint16
    assert np.count_nonzero(cleaned) == 112
    assert not cleaned[6].any()
    assert np.count_nonzero(labels) == 121, "the input was written to"


def test_each_segment_has_its_own_size() -> None:
    labels = np.zeros((5, 5, 20), np.uint8)
    labels[1, 1, 1:4], labels[3, 3, 1:4], labels[1, 3, 10:18] = 1, 2, 2
    cleaned = clean(segmentation(labels, {1: "cell", 2: "bead"}), islands={"bead": 4}).labels
    assert (cleaned == 1).sum() == 3, "a segment that is not in the mapping was treated"
    assert (cleaned == 2).sum() == 8


def test_holes_equal_scipy() -> None:
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[ball(labels.shape, (15, 15, 15), 12)] = 1
    labels[np.random.default_rng(2).random(labels.shape) < 0.2] = 0
    labels[:, 15, 15] = 0  # a channel that opens some of them to the outside
    cleaned = clean(segmentation(labels), holes=math.inf).labels
    expected = ndimage.binary_fill_holes(labels == 1)
    assert np.count_nonzero(expected) > np.count_nonzero(labels)
    np.testing.assert_array_equal(cleaned == 1, expected)


def test_holes_up_to_a_size() -> None:
    labels = np.zeros((20, 20, 40), np.uint8)
    labels[1:19, 1:19, 1:39] = 1
    labels[5:7, 5:7, 5:7] = 0  # 8 voxels
    labels[5:8, 5:8, 20:23] = 0  # 27 voxels
    assert np.count_nonzero(clean(segmentation(labels), holes=8).labels == 0) == labels.size - 18 * 18 * 38 + 27
    solid = np.count_nonzero(labels)
    filled = clean(segmentation(labels), holes=20 / solid).labels
    assert filled[5, 5, 5] == 1
    assert filled[5, 5, 20] == 0


def test_a_hole_at_the_border_of_the_volume_is_open() -> None:
    labels = np.ones((9, 9, 9), np.uint8)
    labels[4, 4, :5] = 0
    labels[2, 2, 2] = 0
    cleaned = clean(segmentation(labels), holes=math.inf).labels
    assert cleaned[2, 2, 2] == 1
    assert not cleaned[4, 4, :5].any()


def test_the_inner_segment_has_its_own_hole_and_the_outer_fills_the_gap() -> None:
    labels = np.zeros((31, 31, 31), np.uint8)
    labels[ball(labels.shape, (15, 15, 15), 13)] = 1
    labels[ball(labels.shape, (15, 15, 15), 9)] = 0
    labels[ball(labels.shape, (15, 15, 15), 7)] = 2
    labels[ball(labels.shape, (15, 15, 15), 3)] = 0
    labels[1, 1, 1] = 2  # a far part, so that the box of the inner segment is the larger one
    cleaned = clean(segmentation(labels), holes=math.inf).labels
    assert set(np.unique(cleaned[ball(labels.shape, (15, 15, 15), 7)])) == {2}
    shell = ball(labels.shape, (15, 15, 15), 9) & ~ball(labels.shape, (15, 15, 15), 7)
    assert set(np.unique(cleaned[shell])) == {1}


def test_islands_are_removed_before_holes_are_filled() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[2:18, 2:18, 2:18] = 1
    labels[9, 9, 9:11] = 2
    labels[3, 3, 3] = 2
    labels[12:17, 12:17, 12:17] = 2
    cleaned = clean(segmentation(labels), islands=10, holes=math.inf).labels
    assert cleaned[9, 9, 9] == 1
    assert cleaned[14, 14, 14] == 2


def test_only_and_ignore_drop_segments_from_table_and_array() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0], labels[1], labels[2] = 1, 2, 3
    made = segmentation(labels, {1: "cell", 2: "bead", 3: "wall"}, spacing=(2, 3, 4), unit="nm")
    left = clean(made, only=["cell", 3], ignore=["wall"])
    assert [row.name for row in left.segments] == ["cell"]
    assert left.geometry == made.geometry
    np.testing.assert_array_equal(left.labels, np.where(labels == 1, 1, 0))
    with pytest.raises(InputError, match="no segment 'nucleus'"):
        clean(made, ignore=["nucleus"])


def test_overlapping_segments_are_cleaned_in_their_own_layers() -> None:
    shape = (24, 24, 24)
    outer, inner = ball(shape, (12, 12, 12), 10), ball(shape, (12, 12, 12), 5)
    outer[12, 12, 12] = False
    inner[1, 1, 1] = True
    rows = [Segment("cell", 1), Segment("nucleus", 2)]
    made = Segmentation.from_masks([outer, inner], rows, Geometry())
    assert made.overlapping
    cleaned = clean(made, islands=3, holes=math.inf)
    assert cleaned.mask("cell")[12, 12, 12]
    assert not cleaned.mask("nucleus")[1, 1, 1]
    assert [row.layer for row in cleaned.segments] == [row.layer for row in made.segments]


def test_smoothing_removes_bumps_and_dents_and_keeps_the_plane() -> None:
    flat = np.zeros((24, 24, 24), np.uint8)
    flat[:12] = 1
    rough = flat.copy()
    rng = np.random.default_rng(3)
    rough[12][rng.random((24, 24)) < 0.15] = 1
    rough[11][rng.random((24, 24)) < 0.15] = 0
    smoothed = clean(segmentation(rough), smooth=1.5).labels
    wrong_before, wrong_after = (np.count_nonzero(array != flat) for array in (rough, smoothed))
    assert wrong_after < 0.3 * wrong_before
    np.testing.assert_array_equal(clean(segmentation(flat), smooth=1.5).labels, flat)


def test_smoothing_keeps_the_volume_of_a_cell_and_every_part_of_a_filopodium() -> None:
    shape = (40, 40, 60)
    cell = ball(shape, (20, 20, 18), 14)
    filopodium = np.zeros(shape, bool)
    for i in range(30, 58):
        filopodium[20:22, 20 + i // 12 : 22 + i // 12, i] = True
    bead = ball(shape, (6, 34, 50), 1)
    labels = np.where(bead, 2, cell | filopodium).astype(np.uint8)
    smoothed = clean(segmentation(labels), smooth=1.5).labels
    free = filopodium & ~cell
    assert np.mean(smoothed[free] == 1) > 0.98
    np.testing.assert_array_equal(smoothed == 2, bead)
    assert abs(np.count_nonzero(smoothed[cell] == 1) / np.count_nonzero(cell) - 1) < 0.02


def _blobs(count: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(count, 30, 70, 25))
    return np.argmax([gaussian_filter(n, 2) for n in noise], axis=0).astype(np.uint8)


@pytest.mark.parametrize("sigmas", [(2.0, 2.0, 2.0), (0.5, 1.0, 2.5)])
def test_wide_windows_vote_as_narrow_ones_do(sigmas, monkeypatch) -> None:
    labels = _blobs(4)
    counted = smoothing.smooth_labels(labels, sigmas)
    monkeypatch.setattr(smoothing, "_MAX_WINDOW", 0)
    monkeypatch.setattr(wide_votes, "_TILE", 16)
    np.testing.assert_array_equal(smoothing.smooth_labels(labels, sigmas), counted)
    assert np.any(counted != labels)


def test_a_wide_smoothing_looks_at_few_voxels_between_two_chances_to_cancel(monkeypatch) -> None:
    labels = _blobs(2)
    expected = smoothing.smooth_labels(labels, (2, 2, 2))
    monkeypatch.setattr(smoothing, "_MAX_LOOKS", 1 << 20)
    told: list[str] = []
    smoothed = smoothing.smooth_labels(labels, (2, 2, 2), progress=Progress(lambda fraction, text: told.append(text)))
    np.testing.assert_array_equal(smoothed, expected)
    assert told.count("smoothing: voting") > 11**3 * np.count_nonzero(smoothed != labels) / (1 << 20)


def test_smoothing_follows_the_spacing() -> None:
    """A plane one voxel thick across long voxels is thick in space, a bump across short ones is not."""
    labels = np.zeros((12, 40, 40), np.uint8)
    labels[:, :20] = 1
    labels[6, 20:22, 18:20] = 1
    rough = labels != clean(segmentation(labels, spacing=(1, 1, 1)), smooth=2).labels
    coarse = labels != clean(segmentation(labels, spacing=(1, 1, 10)), smooth=2).labels
    assert rough[6, 20:22, 18:20].all()
    # 10 times longer along k: there is no vote across slices, so only the corners of the bump can change.
    assert not coarse[[n for n in range(12) if n != 6]].any()


def test_labelled_voxels_decide_over_islands_holes_and_smoothing() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[2:18, 2:18, 2:18] = 1
    labels[10, 10, 10] = 0
    labels[5, 5, 5] = 0
    labels[0, 0, 0] = labels[19, 19, 19] = 1
    keep = np.zeros(labels.shape, bool)
    keep[10, 10, 10] = keep[0, 0, 0] = True
    cleaned = clean(segmentation(labels), keep=keep, islands=5, holes=math.inf, smooth=1).labels
    assert cleaned[10, 10, 10] == 0
    assert cleaned[5, 5, 5] == 1
    assert cleaned[0, 0, 0] == 1
    assert cleaned[19, 19, 19] == 0


small_labels = arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 3), elements=st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(
    labels=small_labels,
    seed=st.integers(0, 99),
    islands=st.sampled_from([None, 3, 0.5]),
    holes=st.sampled_from([None, 4, 0.5, math.inf]),
    smooth=st.sampled_from([None, 0.7, 2.0]),
)
def test_labelled_voxels_never_change(labels, seed, islands, holes, smooth) -> None:
    keep = np.random.default_rng(seed).random(labels.shape) < 0.3
    before = labels.copy()
    cleaned = clean(segmentation(labels), keep=keep, islands=islands, holes=holes, smooth=smooth).labels
    np.testing.assert_array_equal(cleaned[keep], labels[keep])
    np.testing.assert_array_equal(labels, before)
    assert set(np.unique(cleaned)) <= set(np.unique(labels)) | {0}


@settings(max_examples=60, deadline=None)
@given(labels=small_labels, islands=st.integers(1, 20), holes=st.one_of(st.integers(1, 30), st.just(math.inf)))
def test_cleaning_twice_is_cleaning_once(labels, islands, holes) -> None:
    once = clean(segmentation(labels), islands=islands, holes=holes)
    twice = clean(once, islands=islands, holes=holes)
    np.testing.assert_array_equal(once.labels, twice.labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"islands": -1}, "islands must be"),
        ({"holes": math.nan}, "holes must be"),
        ({"smooth": 11}, "smooth must be 0 to 10"),
        ({"keep": np.ones((2, 2, 2), bool)}, "keep has shape"),
        ({"only": "cell"}, "must be a list"),
    ],
)
def test_bad_parameters_are_named(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clean(segmentation(np.ones((3, 3, 3), np.uint8)), **options)


def test_cancelling_stops_it() -> None:
    flag = CancelFlag()
    flag.set()
    with pytest.raises(Cancelled):
        clean(segmentation(scattered((8, 8, 8), 2, 0)), islands=5, progress=Progress(cancelled=flag))

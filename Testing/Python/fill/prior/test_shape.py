"""Interpolated outlines: a cone's cross-section shrinks linearly, so linear interpolation of its distance is exact."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.fill.constants import MAX_DISTANCE
from ACSegLib.fill.prior.shape import NearestOutlines, ShapePrior, signed_distance


def disc(radius: float, size: int = 81) -> np.ndarray:
    j, i = np.indices((size, size)) - size // 2
    return j * j + i * i <= radius * radius


def test_signed_distance_of_a_disc() -> None:
    j, i = np.indices((81, 81)) - 40
    wanted = 20 - np.hypot(j, i)
    assert np.abs(signed_distance(disc(20), (1, 1)) - wanted).max() < 1.0
    assert (signed_distance(np.zeros((5, 5), bool), (1, 1), absent=7) == -7).all()
    assert (signed_distance(np.ones((5, 5), bool), (1, 1)) == MAX_DISTANCE).all()


def test_anisotropic_pixels_stretch_the_distance() -> None:
    mask = np.zeros((40, 40), bool)
    mask[20:] = True
    assert signed_distance(mask, (3.0, 1.0))[25, 20] == pytest.approx(3 * 6 - 0.5)


def cone() -> tuple[np.ndarray, ShapePrior]:
    classes = np.full((21, 81, 81), -1, np.int16)
    for k in (0, 10, 20):
        classes[k] = disc(30 - k)
    return classes, ShapePrior.of_slices([[1]], classes, (1.0, 1.0, 1.0), [0, 10, 20])


def test_a_cone_is_interpolated_between_its_slices() -> None:
    _, prior = cone()
    for k in (3, 5, 14):
        wrong = np.count_nonzero((prior.planes([k])[0, 0] > 0) != disc(30 - k))
        assert wrong < 0.05 * np.count_nonzero(disc(30 - k))


def test_a_slice_can_be_left_out() -> None:
    classes, prior = cone()
    assert np.array_equal(prior.planes([10])[0, 0] > 0, classes[10] == 1)
    without = prior.planes([10], without=10)[0, 0]
    expected = 0.5 * (prior.distances[0].astype(float) + prior.distances[20])
    assert np.allclose(without, expected, atol=0.1)


@pytest.mark.parametrize("k", [0, 4, 9, 11])
def test_a_labelled_slice_can_be_as_wrong_as_another_plane(k: int) -> None:
    """Of distances that are quadratic from slice to slice, exactly as wrong."""
    heights = np.arange(12.0)
    curve = 0.5 * heights**2 - 3 * heights + 1
    prior = ShapePrior(
        [[1]], (1, 1), (1.0, 1.0, 1.0), np.float32(4), {n: curve[None, n, None, None] for n in (0, 4, 9, 11)}
    )
    planes = np.array([1, 3, 5, 6, 7, 10])
    interpolated = prior.planes(planes.tolist())[:, 0, 0, 0]
    moved = prior.as_between(k, planes, np.zeros((2, len(planes)), int))[0]
    np.testing.assert_allclose(moved - curve[k], interpolated - curve[planes], atol=1e-4)


def test_beyond_the_last_slice_the_shape_prior_fades() -> None:
    classes, prior = cone()
    edge = ShapePrior.of_slices([[1]], classes, (1.0, 1.0, 1.0), [0, 10])
    inside = prior.distances[10].astype(np.float32)
    assert np.allclose(edge.planes([15])[0, 0], 0.5 * inside, atol=1e-3)
    assert not edge.planes([20]).any()
    assert not edge.planes([10], without=10)[0, 0].any()


def test_after_an_edit_only_changed_slices_are_computed_and_the_gap_stays() -> None:
    classes, prior = cone()
    classes[10] = disc(5)
    edited = prior.updated(classes, [0, 10], changed=[10])
    assert sorted(edited.distances) == [0, 10]
    assert edited.distances[0] is prior.distances[0]
    assert np.array_equal(edited.distances[10][0] > 0, disc(5))
    assert (edited.gap, sorted(prior.distances)) == (prior.gap, [0, 10, 20])


def test_the_outline_of_an_absent_group_has_closed_half_way() -> None:
    classes, _ = cone()
    classes[20] = 0
    prior = ShapePrior.of_slices([[1]], classes, (1.0, 1.0, 1.0), [0, 10, 20])
    assert (prior.distances[20] == -5).all()


def test_a_part_of_the_volume_has_the_outlines_of_the_whole() -> None:
    _, prior = cone()
    rows, columns = slice(20, 60), slice(10, 80)
    part = prior.cropped([10, 20], 10, rows, columns)
    assert part.size == (40, 70)
    assert np.array_equal(part.planes([4, 10]), prior.planes([14, 20])[:, :, rows, columns])


def test_compared_outlines_are_interpolated_and_close_half_way_where_they_are_absent() -> None:
    """Two groups on slices 0 and 4: one grows, the other is on the first slice alone."""
    distances = {0: np.array([2.0, 2.0]), 4: np.array([6.0, -6.0])}
    outlines = NearestOutlines(
        [[1], [2]], (1, 1), (1.0, 1.0, 1.0), np.float32(4), {k: d[:, None, None] for k, d in distances.items()}
    )
    wanted = {0: (2, 2), 1: (3, 0), 2: (4, -2), 3: (5, -4)}
    assert np.allclose(outlines.planes(list(wanted))[:, :, 0, 0], list(wanted.values()))
    assert outlines.planes([7])[0, 0, 0, 0] == 6, "beyond the last slice an outline counts undiminished"
    turned = NearestOutlines(
        outlines.groups, (1, 1), outlines.spacing, outlines.gap, {4 - k: d for k, d in outlines.distances.items()}
    )
    assert np.array_equal(turned.planes([3, 1]), outlines.planes([1, 3]))


def test_what_neither_slice_shows_is_farther_away_than_anything() -> None:
    absent = NearestOutlines(
        [[1]], (1, 1), (1.0, 1.0, 1.0), np.float32(4), dict.fromkeys((0, 4), np.full((1, 1, 1), -3))
    )
    assert absent.planes([2])[0, 0, 0, 0] == -2 * MAX_DISTANCE

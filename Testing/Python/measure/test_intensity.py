"""Intensities inside of segments, and the beads that scale them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from shapes import ball

from ACSegLib.errors import InputError
from ACSegLib.measure.intensity import (
    BeadReading,
    bead_mask,
    bead_normalisation,
    intensity_measures,
    read_beads,
    unlike_beads,
)
from ACSegLib.volume import Geometry, Segmentation, Volume

NM = Geometry((30.0, 30.0, 30.0), unit="nm")


def test_lac_statistics_leave_out_and_count_nan():
    image = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    image[0, 0, 0] = np.nan
    row = intensity_measures(image, np.ones((3, 3, 3), bool))
    assert row["lac_invalid_voxels"] == 1
    assert row["lac_mean"] == pytest.approx(13.5)
    assert row["lac_sd"] == pytest.approx(np.std(np.arange(1, 27)))
    assert (row["lac_min"], row["lac_p25"], row["lac_p50"], row["lac_p75"], row["lac_max"]) == (
        1,
        7.25,
        13.5,
        19.75,
        26,
    )
    assert intensity_measures(image, np.ones((3, 3, 3), bool), 2.0) == pytest.approx(
        {name: 2 * value for name, value in row.items()} | {"lac_invalid_voxels": 1}
    )
    nothing = intensity_measures(image, np.zeros((3, 3, 3), bool))
    assert list(nothing) == list(row)
    assert math.isnan(nothing["lac_mean"])


def test_the_interior_excludes_voxels_at_the_surface():
    """Voxels at the surface hold a part of what is around them; those of the interior have all neighbours inside."""
    from scipy import ndimage

    mask = ball((20, 22, 24), 7) & (np.random.default_rng(2).random((20, 22, 24)) > 0.01)
    inside = ndimage.binary_erosion(mask)
    image = np.where(inside, 0.3, np.where(mask, 0.2, 0.0))
    image[10, 11, 12] = np.nan
    row = intensity_measures(image, mask, factor=2.0)
    assert row["lac_interior_mean"] == pytest.approx(0.6)
    assert row["lac_interior_sd"] == pytest.approx(0.0, abs=1e-12)
    assert row["lac_mean"] < 0.59
    assert math.isnan(intensity_measures(image, np.zeros_like(mask) | (image == 0.2))["lac_interior_mean"])


def test_bead_normalisation_reads_the_beads_interior():
    beads = ball((40, 40, 60), 4, centre=(30, 20, 20))
    image = np.full(beads.shape, 0.3, np.float32)
    image[beads] = 0.4  # blurred rim
    image[ball(beads.shape, 2.5, centre=(30, 20, 20))] = 0.8
    found = bead_normalisation(Volume(image, NM, "scan.mrc"), beads, reference=1.2)
    assert found.factor == pytest.approx(1.5)
    assert found.bead_lac == pytest.approx(0.8)
    with pytest.raises(InputError, match=r"scan.mrc.*no bead"):
        bead_normalisation(Volume(image, NM, "scan.mrc"), np.zeros(image.shape), 1.2)
    with pytest.raises(InputError, match="positive"):
        bead_normalisation(Volume(-image, NM), beads, 1.2)


@pytest.fixture
def with_bead():
    labels = 2 * ball((12, 12, 12), 4).astype(np.uint8)
    labels[0] = 1
    return Segmentation.from_labels(labels, NM, {1: "cytoplasm", 2: "Gold Bead"})


def test_beads_are_read_and_scale_only_where_a_reference_is_given(with_bead):
    image = Volume(np.where(with_bead.labels == 2, 0.5, 0.1), NM)
    np.testing.assert_array_equal(bead_mask(with_bead), with_bead.labels == 2)
    assert read_beads(with_bead, image).factor == 1
    reading = read_beads(with_bead, image, reference=1.5)
    assert reading.factor == pytest.approx(3)
    assert reading.columns == pytest.approx({"bead_lac": 0.5, "bead_lac_spread": 0, "lac_factor": 3})
    noisy = Volume(image.array + np.random.default_rng(0).normal(0, 0.05, image.shape), NM)
    assert read_beads(with_bead, noisy).columns["bead_lac_spread"] == pytest.approx(0.1, rel=0.2)
    assert read_beads(with_bead, image, "sphere") == BeadReading()
    with pytest.raises(InputError, match="--bead-name"):
        read_beads(with_bead, image, "sphere", 1.5)
    assert read_beads(with_bead, Volume(0 * image.array, NM)).columns == {}, "what absorbs nothing is no bead"


def test_beads_that_read_a_fifth_otherwise_than_most_are_named():
    assert unlike_beads({"a": 0.5, "b": 0.5, "c": 0.605, "d": 0.395, "e": 0.595, "f": 0.405}) == pytest.approx(
        {"c": 1.21, "d": 0.79}
    )
    assert unlike_beads({"a": 1.0, "b": 2.0}) == {}, "of two volumes, nobody knows which is right"
    assert list(unlike_beads({"a": 1.0, "b": 1.0, "c": 2.0})) == ["c"]

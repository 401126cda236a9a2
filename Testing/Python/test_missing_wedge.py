"""The missing wedge of a tomogram, found in its spectrum."""

import numpy as np
import pytest

from ACSegLib.errors import Cancelled
from ACSegLib.missing_wedge import estimate_missing_wedge
from ACSegLib.phantom import simulate, vary_packed

NOISE = np.random.default_rng(0).normal(size=(24, 24, 24))


@pytest.mark.parametrize("wedge", [0.0, 30.0, 60.0])
def test_the_missing_wedge_of_a_flat_holder_is_found_in_the_spectrum(wedge):
    recipe = vary_packed(1, holder="flat", wall=False, slab=0.8, missing_wedge=wedge, noise=0.02, axis="i")
    array = simulate((56, 48, 40), 1, recipe=recipe).volume.array
    angle, axis = estimate_missing_wedge(array)
    assert angle == pytest.approx(wedge, abs=5)
    assert axis == 2 or wedge == 0
    assert estimate_missing_wedge(NOISE)[0] == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_directions_without_power_are_found_about_each_axis(axis):
    """Noise whose spectrum is 0 within 25 degrees of one direction across the axis."""
    spectrum = np.fft.fftn(np.random.default_rng(1).normal(size=(40, 40, 40)))
    frequencies = np.meshgrid(*[np.fft.fftfreq(40)] * 3, indexing="ij")
    first, second = (frequencies[other] for other in range(3) if other != axis)
    lacking = np.abs(first) > np.abs(second) / np.tan(np.deg2rad(25))
    image = np.fft.ifftn(np.where(lacking, 1e-4, 1) * spectrum).real
    angle, about = estimate_missing_wedge(image)
    assert (angle, about) == (pytest.approx(50, abs=5), axis)


def test_a_cancel_ends_the_search():
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        estimate_missing_wedge(NOISE, check=stop)

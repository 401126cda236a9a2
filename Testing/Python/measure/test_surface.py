"""Surface area against analytic shapes: the chosen estimator's bounds, and that it is the best of the table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from shapes import ball, capsule

from ACSegLib.errors import InputError
from ACSegLib.measure.surface import DEFAULT_METHOD, METHODS, line_weights, surface_area


@pytest.mark.parametrize(("radius", "tolerance"), [(3, 0.04), (5, 0.02), (10, 0.01), (20, 0.005)])
def test_surface_area_of_a_sphere_is_analytic(radius, tolerance):
    size = 2 * radius + 5
    errors = [
        surface_area(ball((size,) * 3, radius, centre=centre), (1, 1, 1)) / (4 * np.pi * radius**2) - 1
        for centre in np.random.default_rng(0).uniform(-0.5, 0.5, (5, 3)) + (size - 1) / 2
    ]
    assert abs(np.mean(errors)) < tolerance


@pytest.mark.parametrize("spacing", [(30.0, 30.0, 75.0), (10.0, 20.0, 20.0)])
def test_surface_area_is_right_for_anisotropic_voxels(spacing):
    radius = 300.0
    shape = tuple(int(2 * radius / s) + 5 for s in reversed(spacing))
    area = surface_area(ball(shape, radius, spacing), spacing)
    assert area == pytest.approx(4 * np.pi * radius**2, rel=0.02)


def test_surface_area_of_a_thin_cylinder_is_right_in_any_direction():
    """A filopodium three voxels thick: the mean error over directions is within 3 %."""
    length, radius = 24.0, 1.5
    expected = 2 * np.pi * radius * length + 4 * np.pi * radius**2
    errors = []
    for axis in Rotation.random(12, random_state=1).apply([0, 0, length / 2]):
        errors.append(surface_area(capsule((34, 34, 34), -axis, axis, radius), (1, 1, 1)) / expected - 1)
    assert abs(np.mean(errors)) < 0.05


def test_default_is_the_method_with_the_least_error_on_small_and_thin_shapes():
    length = 20.0
    errors: dict[str, list[float]] = {method: [] for method in METHODS}
    for spacing, shape in (((1, 1, 1), (30, 30, 30)), ((1, 1, 2.5), (13, 30, 30))):
        cases = [(ball(shape, r, spacing), 4 * np.pi * r**2) for r in (2.0, 3.0, 5.0, 10.0)]
        for axis in Rotation.random(4, random_state=2).apply([0, 0, length / 2]):
            area = 2 * np.pi * 1.5 * length + 4 * np.pi * 1.5**2
            cases.append((capsule(shape, -axis, axis, 1.5, spacing), area))
        for mask, area in cases:
            for method in METHODS:
                errors[method].append(surface_area(mask, spacing, method) / area - 1)
    rms = {method: float(np.sqrt(np.mean(np.square(values)))) for method, values in errors.items()}
    assert min(rms, key=lambda method: rms[method]) == DEFAULT_METHOD, rms


def test_box_faces_are_counted_exactly():
    mask = np.zeros((9, 9, 9), bool)
    mask[2:5, 3:8, 1:8] = True  # 3 x 5 x 7 voxels, (k, j, i)
    assert surface_area(mask, (10, 20, 30), "faces") == 2 * (70 * 100 + 70 * 90 + 100 * 90)


@pytest.mark.parametrize("method", METHODS)
def test_surface_area_is_invariant_to_translation_and_0_for_empty_masks(method):
    mask = np.zeros((12, 12, 12), bool)
    assert surface_area(mask, (1, 1, 1), method) == 0.0
    mask[:4, :4, :4] = ball((4, 4, 4), 2.0)
    inside = np.roll(mask, (5, 5, 5), axis=(0, 1, 2))
    assert surface_area(mask, (1, 1, 1), method) == pytest.approx(surface_area(inside, (1, 1, 1), method))


def test_line_weights_integrate_a_plane_over_all_directions():
    """Cauchy: a plane's mean crossing weight over random orientations is its area."""
    step = (2.0, 1.0, 1.5)
    normals = Rotation.random(4000, random_state=0).apply([0, 0, 1])
    density = sum(area * np.abs(normals @ (np.array(offset) * step)) for offset, area in line_weights(step)) / np.prod(
        step
    )
    assert np.mean(density) == pytest.approx(1.0, abs=0.005)


def test_unknown_methods_and_bad_spacings_raise_errors():
    with pytest.raises(InputError, match="surface area method"):
        surface_area(np.ones((2, 2, 2), bool), (1, 1, 1), "magic")
    with pytest.raises(InputError, match="spacing must be 3 positive"):
        surface_area(np.ones((2, 2, 2), bool), (1, 1, 0))

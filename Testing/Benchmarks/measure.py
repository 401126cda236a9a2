"""Benchmarks of the measures: errors of surface-area estimators on analytic shapes, and time and memory at full size.

Run ``python Testing/Benchmarks/measure.py surface`` or ``contacts`` for the tables of `Documentation/measuring.md`, or
``python Testing/Benchmarks/measure.py scale`` for the time and peak memory on a 472 x 472 x 491 segmentation.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

import numpy as np
from harness import markdown_table
from scipy.spatial.transform import Rotation
from scipy.special import ellipeinc, ellipkinc

from ACSegLib.measure.contacts import contact_areas
from ACSegLib.measure.morphology import measure_segmentation
from ACSegLib.measure.surface import METHODS, surface_area
from ACSegLib.volume import Geometry, Segmentation, Volume

#: Voxel sizes (i, j, k) that the table covers; the shapes are given in the smallest.
SPACINGS = {"isotropic": (1.0, 1.0, 1.0), "1 x 1 x 2.5": (1.0, 1.0, 2.5)}


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Area of an ellipsoid with semi-axes a > b > c (Legendre's formula)."""
    a, b, c = sorted((a, b, c), reverse=True)
    if a == c:
        return 4 * np.pi * a * a
    phi = np.arccos(c / a)
    m = (a * a * (b * b - c * c)) / (b * b * (a * a - c * c))
    rest = ellipeinc(phi, m) * np.sin(phi) ** 2 + ellipkinc(phi, m) * np.cos(phi) ** 2
    return float(2 * np.pi * c * c + 2 * np.pi * a * b / np.sin(phi) * rest)


def rasterise(inside, extent: float, spacing, seed: int) -> np.ndarray:
    """Mask of a shape about the origin, at a random sub-voxel position and orientation."""
    rng = np.random.default_rng(seed)
    axes = [np.arange(-extent - 2 * s, extent + 2 * s, s) + rng.uniform(-s / 2, s / 2) for s in spacing]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1) @ Rotation.random(random_state=rng).as_matrix()
    return inside(*points.T).reshape(x.shape).transpose(2, 1, 0)


def shapes(radius: float) -> dict:
    """Analytic shapes of characteristic radius `radius`: name -> (inside, extent, area)."""

    def capsule(x, y, z, half=6.0):
        return np.hypot(np.hypot(x, y), z - np.clip(z, -half * radius, half * radius)) <= radius

    return {
        "sphere": (lambda x, y, z: x * x + y * y + z * z <= radius**2, radius, 4 * np.pi * radius**2),
        "ellipsoid 4:2:1": (
            lambda x, y, z: (x / 4) ** 2 + (y / 2) ** 2 + z**2 <= radius**2,
            4 * radius,
            ellipsoid_area(4 * radius, 2 * radius, radius),
        ),
        "cube": (
            lambda x, y, z: np.maximum(np.maximum(abs(x), abs(y)), abs(z)) <= radius,
            radius * 3**0.5,
            24 * radius**2,
        ),
        "filopodium (capsule 7:1)": (capsule, 7 * radius, 4 * np.pi * radius**2 + 24 * np.pi * radius**2),
    }


def surface_table(radii=(1.5, 2.0, 3.0, 5.0, 10.0, 20.0), repeats: int = 8) -> list[dict]:
    """Mean and spread (SD) of the relative error in percent, per shape, spacing, radius and method."""
    rows = []
    for name in shapes(1.0):
        for grid, spacing in SPACINGS.items():
            for radius in radii:
                inside, extent, area = shapes(radius)[name]
                if extent > 70:
                    continue
                errors: dict[str, list[float]] = {method: [] for method in METHODS}
                for seed in range(repeats):
                    mask = rasterise(inside, extent, spacing, seed)
                    for method in METHODS:
                        errors[method].append(100 * (surface_area(mask, spacing, method) / area - 1))
                row = {"shape": name, "voxels": grid, "radius": radius}
                for method, values in errors.items():
                    row[method] = (float(np.mean(values)), float(np.std(values)))
                rows.append(row)
    return rows


def print_surface_table(rows: list[dict]) -> None:
    """Print the table as Markdown."""
    print(f"| shape | voxels | radius | {' | '.join(METHODS)} |")
    print("|---|---|---|" + "---|" * len(METHODS))
    for row in rows:
        cells = " | ".join("{:+.1f} ± {:.1f}".format(*row[m]) for m in METHODS)
        print(f"| {row['shape']} | {row['voxels']} | {row['radius']:g} | {cells} |")
    for method in METHODS:
        worst = max(abs(row[method][0]) for row in rows)
        rms = np.mean([row[method][0] ** 2 + row[method][1] ** 2 for row in rows]) ** 0.5
        print(f"\n{method}: root mean square error {rms:.2f} %, largest mean error {worst:.1f} %")


def flat_contact(side: int, spacing: tuple[float, float, float], normal: int) -> float:
    """Relative error of the contact of two cuboids along the grid, of `side` voxels; `normal` is an array axis."""
    shape, place = [side + 4] * 3, [slice(2, side + 2)] * 3
    shape[normal] = 20
    mask, other = np.zeros(shape, bool), np.zeros(shape, np.uint8)
    place[normal] = slice(2, 10)
    mask[tuple(place)] = True
    place[normal] = slice(10, 18)
    other[tuple(place)] = 1
    area = side**2 * np.prod([size for axis, size in enumerate(spacing) if axis != 2 - normal])
    return float(contact_areas(mask, other, spacing)[1] / area - 1)


def turned_contact(width: float, spacing: tuple[float, float, float], repeats: int = 8) -> tuple[float, float]:
    """Mean and spread (SD) of the relative error of the disc that two balls of radius `width` share, at any angle."""
    errors = []
    for seed in range(repeats):
        extent = 2.0 * width
        pair = [rasterise(inside, extent, spacing, seed) for inside in _pressed_balls(width)]
        errors.append(contact_areas(pair[0], pair[1].astype(np.uint8), spacing)[1] / (np.pi * width**2 / 4) - 1)
    return float(np.mean(errors)), float(np.std(errors))


def _pressed_balls(radius: float) -> list:
    """Two balls, cut by the plane between them where they overlap, in a disc as wide as their radius."""
    middle = radius * 0.75**0.5

    def left(x, y, z):
        return ((x + middle) ** 2 + y * y + z * z <= radius**2) & (x <= 0)

    def right(x, y, z):
        return ((x - middle) ** 2 + y * y + z * z <= radius**2) & (x > 0)

    return [left, right]


def print_contact_table(widths: tuple[int, ...] = (10, 20, 40)) -> None:
    """Errors of contact areas in percent, by the width of the contact in the smallest voxel edge."""
    rows = []
    for spacing in ((1.0, 1.0, 1.0), (1.0, 1.0, 2.5), (1.0, 1.0, 4.0)):
        voxels = "cubes" if spacing[2] == 1 else f"1 x 1 x {spacing[2]:g}"
        turned = ["{:+.1f} ± {:.1f}".format(*(100 * v for v in turned_contact(n, spacing))) for n in widths]
        rows.append(("two round cells, any orientation", voxels, *turned))
        rows.append(("flat, across the slices", voxels, *(f"{100 * flat_contact(n, spacing, 2):+.1f}" for n in widths)))
        if spacing[2] != 1:
            rows.append(
                ("flat, along the slices", voxels, *(f"{100 * flat_contact(n, spacing, 0):+.1f}" for n in widths))
            )
    print(markdown_table(("contact", "voxels", *(f"{n} voxels wide" for n in widths)), rows))


def full_size_cell() -> tuple[Segmentation, Volume]:
    """A 472 x 472 x 491 segmentation at 35 nm: a cell with 60 filopodia, two more cells, a bead and a capillary."""
    shape = (491, 472, 472)
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    cells = np.zeros(shape, bool)
    for a, b, c, radius in ((245, 236, 236, 170), (100, 100, 100, 60), (400, 380, 100, 50)):
        cells |= (k - a) ** 2 + (j - b) ** 2 + (i - c) ** 2 <= radius**2
    rng = np.random.default_rng(0)
    for direction in rng.normal(size=(60, 3)):
        for along in np.arange(165, 225):
            at = (np.array([245, 236, 236]) + direction / np.linalg.norm(direction) * along).astype(int)
            if np.all(at > 4) and np.all(at < np.array(shape) - 5):
                cells[tuple(slice(x - 2, x + 3) for x in at)] = True
    labels = cells.astype(np.uint8)
    labels[(k - 450) ** 2 + (j - 60) ** 2 + (i - 400) ** 2 <= 900] = 2
    labels[np.broadcast_to((j - 236) ** 2 + (i - 236) ** 2 >= 228**2, shape) & (labels == 0)] = 3
    geometry = Geometry((35.0, 35.0, 35.0), unit="nm")
    names = {1: "cytoplasm", 2: "bead", 3: "capillary"}
    image = np.broadcast_to(rng.random(shape[1:], dtype=np.float32), shape).copy()
    return Segmentation.from_labels(labels, geometry, names), Volume(image, geometry)


def print_scale() -> None:
    """Time and peak memory of measuring a full-size segmentation, everything switched on."""
    segmentation, volume = full_size_cell()
    # The loops are compiled once in a machine's life; that time is not the measurement's.
    part = (slice(200, 260), slice(0, 60), slice(0, 60))
    small = Segmentation.from_labels(segmentation.layers[0][part].copy(), segmentation.geometry)
    measure_segmentation(small, Volume(volume.array[part].copy(), volume.geometry))
    before, clock = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    rows = measure_segmentation(segmentation, volume)
    seconds, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_SELF)
    work = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    header = ("volume", "rows", "wall s (target 60)", "CPU s", "peak GiB, image included (target 4)", "load")
    load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    row = ("472 x 472 x 491", len(rows), f"{seconds:.1f}", f"{work:.1f}", f"{after.ru_maxrss / 2**20:.2f}", load)
    print(markdown_table(header, [row]))
    for row in rows:
        thin = f"{row['thin_parts']} thin structures of mean length {row['thin_part_mean_length']:.0f} nm"
        print(f"  {row['segment']} {row['kind']} {row['cell']}: {row['voxels']} voxels, {thin}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["surface", "contacts", "scale"])
    what = parser.parse_args().what
    if what == "surface":
        print_surface_table(surface_table())
    elif what == "contacts":
        print_contact_table()
    else:
        print_scale()

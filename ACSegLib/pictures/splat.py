"""Shaded surfaces from projected surface voxels, with numpy alone: for machines where nothing else can render."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """A direction of sight.

    Parameters
    ----------
    azimuth : float
        Turn around the k axis, in degrees; at 0 one looks along j, with i to the right and k up.
    elevation : float
        Height of the eye above the plane of i and j, in degrees.
    """

    azimuth: float
    elevation: float

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors right, up and towards the eye, as rows of a (3, 3) array in (i, j, k) order."""
        a, e = np.deg2rad(self.azimuth), np.deg2rad(self.elevation)
        right = np.array([np.cos(a), np.sin(a), 0.0])
        eye = np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])
        return np.array([right, np.cross(eye, right), eye])


def shade(normal_to_eye: np.ndarray) -> np.ndarray:
    """Brightness of a surface from its unit normals in the view's frame, shape (..., 3): lit from the upper left."""
    light = np.array([-0.45, 0.55, 0.70])
    light /= np.linalg.norm(light)
    facing = np.clip(normal_to_eye @ light, 0, 1)
    return 0.34 + 0.58 * facing + 0.16 * np.clip(normal_to_eye[..., 2], 0, 1)


def frame(masks: Sequence[np.ndarray], spacing: Sequence[float], views: Sequence[View]) -> tuple[np.ndarray, float]:
    """What a picture must show.

    Returns
    -------
    middle : ndarray (3,)
        Centre of the shapes' box, (i, j, k) times `spacing`.
    width : float
        Length that all `views` must span to hold the shapes.
    """
    points = np.argwhere(_surface(np.logical_or.reduce(masks)))[:, ::-1] * np.asarray(spacing, float)
    middle = 0.5 * (points.min(0) + points.max(0))
    reach = max(float(np.abs((points - middle) @ view.axes[:2].T).max()) for view in views)
    return middle, 2.08 * reach + 2 * max(spacing)


def _surface_points(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Voxel coordinates (k, j, i) of points that cover a mask's surface about as densely along each axis."""
    parts = [max(1, round(s / min(spacing))) for s in spacing[::-1]]
    for axis, count in enumerate(parts):
        mask = np.repeat(mask, count, axis)
    return (np.argwhere(_surface(mask)) - (np.array(parts) - 1) / 2) / parts


def _surface(solid: np.ndarray) -> np.ndarray:
    """Voxels of a mask that have a face outside it."""
    padded = np.pad(solid, 1)
    buried = solid.copy()
    for axis in range(3):
        for shift in (0, 2):
            where = [slice(1, -1)] * 3
            where[axis] = slice(shift, shift + solid.shape[axis])
            buried &= padded[tuple(where)]
    return solid & ~buried


def splat(
    masks: Sequence[np.ndarray],
    colours: Sequence[Colour],
    spacing: Sequence[float],
    view: View,
    middle: np.ndarray,
    width: float,
    size: int,
) -> np.ndarray:
    """Picture of the masks' surfaces.

    Parameters
    ----------
    masks : sequence of bool ndarray, shape (k, j, i)
    colours : sequence of (r, g, b)
        One a mask, 0 to 1.
    spacing : (float, float, float)
        Voxel size along i, j, k.
    middle, width : ndarray (3,), float
        Point in the centre of the picture and length that it spans; see `frame`.
    size : int
        Pixels a side.

    Returns
    -------
    ndarray (size, size, 3), float
        sRGB, 0 to 1, white background; the first row is the top.
    """
    fine = 2 * size  # averaged down at the end: smooth outlines
    points, values = [], []
    for mask, colour in zip(masks, colours, strict=True):
        where = _surface_points(mask, spacing)
        bright = shade(smooth_normals(mask, where, spacing) @ view.axes.T)
        points.append(where[:, ::-1] * np.asarray(spacing, float))
        values.append(np.clip(np.asarray(colour) * bright[:, None], 0, 1))
    place = (np.concatenate(points) - middle) @ view.axes.T
    colour_of = np.concatenate(values)
    # Far to near, so that the nearest voxel is written last into every pixel that it covers.
    order = np.argsort(place[:, 2], kind="stable")
    column = (place[order, 0] / width + 0.5) * fine
    row = (0.5 - place[order, 1] / width) * fine
    radius = 0.9 * min(spacing) / width * fine
    steps = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    down, across = (offset.ravel() for offset in np.meshgrid(steps, steps, indexing="ij"))
    disc = down**2 + across**2 <= max(radius, 0.5) ** 2
    rows = np.rint(row).astype(int)[:, None] + down[disc]
    columns = np.rint(column).astype(int)[:, None] + across[disc]
    inside = (rows >= 0) & (rows < fine) & (columns >= 0) & (columns < fine)
    nearest = np.full((fine, fine), -1)
    nearest[rows[inside], columns[inside]] = np.broadcast_to(order[:, None], rows.shape)[inside]
    picture = np.ones((fine, fine, 3))
    picture[nearest >= 0] = colour_of[nearest[nearest >= 0]]
    return picture.reshape(size, 2, size, 2, 3).mean((1, 3))


def smooth_normals(mask: np.ndarray, places: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Outward unit normals near the surface of a mask, from the gradient of the blurred mask.

    Parameters
    ----------
    places : ndarray (n, 3)
        Voxel coordinates (k, j, i), not necessarily whole.

    Returns
    -------
    ndarray (n, 3)
        In (i, j, k) order.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    solid = gaussian_filter(np.pad(mask, 2).astype(np.float32), 1.2)
    normal = np.empty((len(places), 3))
    for axis in range(3):
        step = np.eye(3)[axis]
        before, after = (map_coordinates(solid, (places + 2 + shift).T, order=1) for shift in (-step, step))
        normal[:, 2 - axis] = (before - after) / spacing[2 - axis]
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)

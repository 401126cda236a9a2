"""Draws the icon of the extension and of its modules: a cell with filopodia, sliced, in a capillary's round field.

``python Resources/draw_icon.py`` writes Resources/ACSeg.png and ACSeg/Resources/Icons/ACSeg.png (128 x 128).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIZE, OVERSAMPLING = 128, 6
NIGHT, FIELD, CYTOPLASM, NUCLEUS, BEAD, LINE = (
    np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    for code in ("0b1f33", "14385a", "35c2a5", "f2b84b", "e8eef5", "ffffff")
)


def smooth(distance: np.ndarray, width: float = 0.012) -> np.ndarray:
    """Coverage of a shape from its signed distance: 1 inside, 0 outside, soft over `width`."""
    return np.clip(0.5 - distance / width, 0, 1)


def capsule(x: np.ndarray, y: np.ndarray, start: tuple, stop: tuple, wide: float, thin: float) -> np.ndarray:
    """Signed distance of a rod that tapers from `wide` to `thin`."""
    a, b = np.array(start), np.array(stop)
    t = np.clip(((x - a[0]) * (b - a)[0] + (y - a[1]) * (b - a)[1]) / ((b - a) @ (b - a)), 0, 1)
    return np.hypot(x - a[0] - t * (b - a)[0], y - a[1] - t * (b - a)[1]) - (wide + (thin - wide) * t)


def cell_distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance of the cell: a wavy body and six filopodia, joined smoothly."""
    angle = np.arctan2(y, x)
    body = np.hypot(x, y) - (0.47 + 0.03 * np.sin(3 * angle + 0.6) + 0.02 * np.sin(5 * angle))
    joined = np.exp(-body / 0.035)
    for degrees, length in ((18, 0.80), (75, 0.76), (128, 0.82), (196, 0.77), (252, 0.82), (312, 0.76)):
        way = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
        joined += np.exp(-capsule(x, y, tuple(0.36 * way), tuple(length * way), 0.075, 0.022) / 0.035)
    return -0.035 * np.log(joined)


def draw() -> np.ndarray:
    """Give the icon, (SIZE, SIZE, 4), 0 to 1."""
    n = SIZE * OVERSAMPLING
    y, x = (np.mgrid[:n, :n] + 0.5) / n * 2 - 1
    disc = np.hypot(x, y) - 0.96
    colour = FIELD + (NIGHT - FIELD) * np.clip(np.hypot(x + 0.2, y + 0.3) / 1.2, 0, 1)[..., None]

    def paint(coverage: np.ndarray, paint_colour: np.ndarray) -> None:
        nonlocal colour
        colour = colour + (paint_colour - colour) * coverage[..., None]

    cell = cell_distance(x, y)
    paint(0.35 * np.clip(1 - cell / 0.14, 0, 1) * (cell > 0), CYTOPLASM)  # glow
    light = (0.80 + 0.25 * np.clip((-x - y) * 0.6 + 0.35, 0, 1))[..., None]
    paint(smooth(cell), np.clip(CYTOPLASM * light, 0, 1))
    # the slices that were drawn
    for height in np.arange(-0.42, 0.6, 0.21):
        paint(0.55 * smooth(np.abs(y - height - 0.06 * x) - 0.011) * smooth(cell), LINE)
    nucleus = np.hypot((x + 0.08) / 1.12, y + 0.04) - 0.215
    shade = (0.85 + 0.25 * np.clip((-x - y) + 0.3, 0, 1))[..., None]
    paint(smooth(nucleus), np.clip(NUCLEUS * shade, 0, 1))
    bead = np.hypot(x - 0.57, y - 0.51) - 0.115
    paint(smooth(bead), np.clip(BEAD * (0.75 + 0.5 * np.clip(-(x - 0.57) - (y - 0.51) + 0.2, 0, 0.5))[..., None], 0, 1))
    paint(smooth(np.abs(disc + 0.025) - 0.018), CYTOPLASM * 0.8)
    picture = np.dstack([colour, smooth(disc)])
    # premultiplied mean, so that the rim does not darken
    picture[..., :3] *= picture[..., 3:]
    small = picture.reshape(SIZE, OVERSAMPLING, SIZE, OVERSAMPLING, 4).mean(axis=(1, 3))
    small[..., :3] /= np.maximum(small[..., 3:], 1e-6)
    return np.clip(small, 0, 1)


if __name__ == "__main__":
    from matplotlib.image import imsave

    root = Path(__file__).resolve().parents[1]
    for path in (root / "Resources" / "ACSeg.png", root / "ACSeg" / "Resources" / "Icons" / "ACSeg.png"):
        imsave(path, draw())

"""Labels, rotations and placements that the scene tests share; none has any symmetry that could hide a mistake."""

from __future__ import annotations

import numpy as np

from ACSegLib.scene import volume_from_node

SHAPE = (14, 18, 22)


def boxes(shape=SHAPE):
    """Two touching boxes, 1 and 2, without any symmetry."""
    labels = np.zeros(shape, np.uint8)
    labels[3:8, 4:12, 5:9] = 1
    labels[3:11, 4:9, 9:17] = 2
    return labels


def turned(degrees=30.0):
    """A proper rotation about an oblique axis."""
    axis = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def placement(shift=(3.0, -2.0, 5.0), degrees=0.0, scale=1.0):
    matrix = np.eye(4)
    matrix[:3, :3] = turned(degrees) * scale
    matrix[:3, 3] = shift
    return matrix


def about_the_middle(volume, degrees, shift=(0.7, -1.1, 0.4)):
    """A turn about the middle of a volume node, and a small shift."""
    lps = volume_from_node(volume).geometry.ijk_to_lps @ [*(np.array(SHAPE[::-1]) / 2), 1.0]
    middle = lps[:3] * [-1, -1, 1]
    return placement(middle - turned(degrees) @ middle + shift, degrees)


def crowd():
    """Four segments of which S1 will be rewritten; S3 is hidden, S4 lies apart."""
    labels = boxes()
    labels[9:13, 10:16, 2:9] = 3
    labels[0:2, 0:4, 0:20] = 4
    return labels

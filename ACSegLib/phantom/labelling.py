"""Simulated sparse labels: every n-th slice of a reference, as a person would label it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.phantom.shapes import SmoothField
from ACSegLib.volume import Segmentation

AXES = ("k", "j", "i")


def label_slices(
    truth: Segmentation,
    every: int = 20,
    axis: str = "k",
    first: int | None = None,
    shake: float = 0.0,
    seed: int = 0,
) -> tuple[Segmentation, list[int]]:
    """Label every n-th slice of a segmentation.

    Parameters
    ----------
    truth : Segmentation
        The labels of all slices.
    every : int
        Distance between labelled slices.
    axis : str
        Axis across the slices: "k", "j" or "i".
    first : int, optional
        First labelled slice; half of `every` when left out (and the middle slice where there are fewer).
    shake : float
        Root mean square, in voxels, of the displacement of the outlines: a smooth field, drawn anew for every slice.
    seed : int
        Of the shaking hand.

    Returns
    -------
    drawn : Segmentation
        As `truth` on the labelled slices, 0 elsewhere.
    slices : list of int
        The labelled slices (some may have no label: all background).
    """
    if axis not in AXES:
        raise InputError(f"axis must be one of k, j, i, not {axis!r}.")
    if every < 1:
        raise InputError(f"every must be 1 or more, not {every!r}.")
    if shake < 0:
        raise InputError(f"shake must be 0 or more voxels, not {shake!r}.")
    number = AXES.index(axis)
    count = truth.shape[number]
    if first is None:
        first = every // 2 if every // 2 < count else count // 2
    if not 0 <= first < count:
        raise InputError(f"first must be a slice from 0 to {count - 1}, not {first!r}.")
    slices = list(range(first, count, every))
    layers = [np.zeros_like(layer) for layer in truth.layers]
    for index in slices:
        where: list[slice | int] = [slice(None)] * 3
        where[number] = index
        sight = _hand(tuple(n for a, n in enumerate(truth.shape) if a != number), shake, [seed, number, index])
        for layer, drawn in zip(truth.layers, layers, strict=True):
            drawn[tuple(where)] = layer[tuple(where)][sight]
    meta = {**truth.meta, "slices": {axis: slices}}
    return replace(truth, layers=tuple(layers), segments=[replace(s) for s in truth.segments], meta=meta), slices


def _hand(shape: tuple[int, ...], shake: float, seed: list[int]) -> tuple[np.ndarray, ...]:
    """Index arrays: where a person believes each pixel of a slice to be."""
    grid = np.indices(shape)
    if shake == 0:
        return tuple(grid)
    rng = np.random.default_rng(seed)
    box = [slice(0, n) for n in shape]
    moved = []
    for axis, n in enumerate(shape):
        field = SmoothField(shape, max(4.0, min(shape) / 16), rng)(box)
        field *= shake / max(float(np.sqrt(np.mean(field**2))), 1e-6)
        moved.append(np.clip(np.rint(grid[axis] + field).astype(int), 0, n - 1))
    return tuple(moved)

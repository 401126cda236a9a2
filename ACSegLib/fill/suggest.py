"""Where to draw next."""

from __future__ import annotations

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.fill.labelled_slices import AXES
from ACSegLib.fill.pipeline import FillResult


def suggest_slices(result: FillResult, n: int = 3) -> list[int]:
    """Suggest slices whose drawing should improve the fill most, best first.

    The gain of drawing a slice is what is uncertain in it and around it: the uncertainty of each plane, seen through a
    window that falls to 0 at the distance of the nearest drawn slice. After each choice, the uncertainty that
    it would settle is taken away, so suggestions keep apart.

    Parameters
    ----------
    result : FillResult
    n : int
        How many at most; fewer where nothing is uncertain.

    Returns
    -------
    list of int
        Indices along the axis in use (``result.report["axis"]``), none of them drawn.
    """
    if n < 1:
        raise InputError(f"the number of slices to suggest must be at least 1, not {n}.")
    axis = AXES.index(result.report["axis"])
    others = tuple(a for a in range(3) if a != axis)
    # an error is more likely than not only near 255, so sure and half-sure voxels should count little
    doubt = (result.uncertainty.astype(np.float32) / 255) ** 2
    profile = doubt.sum(axis=others, dtype=np.float64)
    drawn = set(result.slices.get(AXES[axis], []))
    profile[sorted(drawn)] = 0
    chosen: list[int] = []
    planes = np.arange(len(profile))
    while len(chosen) < n:
        known = np.array(sorted(drawn | set(chosen)), float)
        gain = np.zeros(len(profile))
        for k in planes:
            if k in drawn or k in chosen:
                continue
            reach = max(1.0, np.min(np.abs(known - k)) if len(known) else len(profile))
            window = np.clip(1 - np.abs(planes - k) / reach, 0, None)
            gain[k] = window @ profile
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        chosen.append(best)
        reach = max(1.0, np.min(np.abs(known - best)) if len(known) else len(profile))
        profile = profile * np.clip(np.abs(planes - best) / reach, 0, 1)
    return chosen

"""Chooses the strength of the prior and of the edges for each volume, by leaving drawn slices out.

Each left-out slice is predicted by a prior network that did not learn from it. As far as the prior predicts the
drawings well, it is trusted; where it does not (segments that look like their surroundings), the walk is left to the
edges. The settings themselves are not compared by their score on left-out slices: those are twice as far from the
next drawn slice as any voxel of the fill, which favours the prior whatever the volume.

With the settings chosen, left-out slices are filled as a whole, and their Dice is an honest (cautious) forecast.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ACSegLib.fill.appearance import PriorNetwork, Samples, train_network
from ACSegLib.fill.context import Context, Settings
from ACSegLib.jobs import Progress

#: Slices left out to judge the prior; slices and voxels that are filled for the forecast, at most.
MOST_SLICES, MOST_FILLED, MOST_VOXELS = 6, 2, 250_000

#: Updates of a network that only judges the prior.
TRIAL_STEPS = 400

#: The prior's Dice at which it is trusted fully, and by how many decades gamma falls per unit below it.
TRUSTED, DECADES = 0.95, 2.73

#: Bounds of gamma.
WEAKEST, STRONGEST = 0.01, 1.0


def settings_for(dice: float) -> Settings:
    """Settings for a prior that predicts left-out slices with this Dice.

    A strong prior goes with a wide edge scale, so that it may decide where the image is noisy; a weak one with a narrow
    scale, so that the walk keeps to the faintest edges. Calibrated on simulated tomograms, MR crops and confocal
    stacks; see Documentation/filling.md.
    """
    gamma = float(np.clip(10 ** (DECADES * (dice - TRUSTED)), WEAKEST, STRONGEST))
    return Settings(gamma, float(np.clip(3.0 + np.log10(gamma) * 4 / 3, 1.0, 3.0)))


def choose_settings(context: Context, samples: Samples, progress: Progress) -> tuple[Settings, dict[str, Any]]:
    """Choose the settings, and forecast the result.

    Returns
    -------
    Settings, dict
        The choice; and the slices left out, the prior's Dice on them, and the forecast (None where there are too few
        slices to leave one out).
    """
    inner = [k for k in context.cuts[1:-1] if (context.classes[k] > 0).any()]
    if not inner:
        return context.settings, {"left_out": [], "prior_dice": None, "forecast_dice": None}
    left_out = _spread(inner, MOST_SLICES)
    networks = _networks_without(samples, left_out, len(context.groups), progress)
    overlap = np.zeros((len(context.groups), 3))
    for number, k in enumerate(left_out):
        progress(0.2 + 0.3 * number / len(left_out), "leaving slices out to see how far the prior can be trusted")
        edges, fine = context.features.slab(max(k - 1, 0), k + 2)
        middle = k - max(k - 1, 0)
        prior = context.group_prior(k - middle, edges, fine, without=k, network=networks[k])
        overlap += _overlap(context.group_of[context.classes[k]], prior[:, middle].argmax(axis=0), len(context.groups))
    prior_dice = _mean_dice(overlap, by_size=True)
    settings = settings_for(prior_dice)
    overlap = np.zeros((context.count, 3))
    filled = _spread(left_out, MOST_FILLED)
    for number, k in enumerate(filled):
        progress(0.5 + 0.5 * number / len(filled), "filling left-out slices to forecast the result")
        window = _window(context, k)
        here = k - window.offset
        last = len(window.classes) - 1
        result = window.solve(0, last, without=here, network=networks[k], settings=settings, progress=progress).finish()
        overlap += _overlap(window.classes[here], result.best[here], context.count)
    return settings, {"left_out": left_out, "prior_dice": prior_dice, "forecast_dice": _mean_dice(overlap)}


def _spread(numbers: list[int], most: int) -> list[int]:
    """At most so many of the numbers, evenly spread."""
    return [numbers[n] for n in np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), most)).astype(int))]


def _overlap(truth: np.ndarray, guess: np.ndarray, count: int) -> np.ndarray:
    """Per class: voxels in common, voxels of the truth, and voxels of the guess, over known voxels; (count, 3)."""
    known = truth >= 0
    truth, guess = truth[known].astype(np.int64), guess[known].astype(np.int64)
    sizes = [truth[truth == guess], truth, guess]
    return np.stack([np.bincount(values, minlength=count) for values in sizes], axis=1).astype(float)


def _mean_dice(overlap: np.ndarray, by_size: bool = False) -> float:
    """Mean Dice, pooled over slices, of the classes but background that occur in the truth.

    By size, a class counts with the root of its voxels: a bead of ten voxels says little about the prior of a cell.
    """
    found = overlap[1:][overlap[1:, 1] > 0]
    if not len(found):
        return 1.0
    dice = 2 * found[:, 0] / (found[:, 1] + found[:, 2])
    return float(np.average(dice, weights=np.sqrt(found[:, 1]) if by_size else None))


def _networks_without(
    samples: Samples, left_out: list[int], groups: int, progress: Progress
) -> dict[int, PriorNetwork]:
    """Networks that have not learnt from each left-out slice; two folds serve all."""
    networks = {}
    for fold in (0, 1):
        members = left_out[fold::2]
        if not members:
            continue
        keep = ~np.isin(samples.plane, members)
        network = train_network(samples.part(keep), groups, steps=TRIAL_STEPS, progress=progress)
        networks.update(dict.fromkeys(members, network))
    return networks


class _Window(Context):
    """A context cut down to the slab around one slice and to the part of it that holds outlines."""

    offset: int = 0


def _window(context: Context, k: int) -> _Window:
    """Cut the planes between the neighbours of slice `k`, and a box in the plane around what is drawn."""
    position = context.cuts.index(k)
    first, last = context.cuts[position - 1], context.cuts[position + 1]
    drawn: np.ndarray = np.any(context.classes[[first, k, last]] > 0, axis=0)
    rows, columns = _box(drawn, MOST_VOXELS // (last - first + 1))
    box = (slice(None), rows, columns)
    window = _Window(
        features=context.features.cropped(first, last, rows, columns),
        classes=np.ascontiguousarray(context.classes[first : last + 1][box]),
        cuts=[0, last - first],
        count=context.count,
        groups=context.groups,
        shape=context.shape.cropped([first, k, last], first, rows, columns),
        members=context.members.cropped([first, k, last], first, rows, columns) if context.members else None,
        solver=context.solver,
        tolerance=1e-2,
    )
    window.offset = first
    return window


def _box(drawn: np.ndarray, most: int) -> tuple[slice, slice]:
    """Rows and columns around the drawing with a margin; a window of at most `most` pixels with the most outline."""
    sides = []
    for axis in (1, 0):
        found = np.flatnonzero(drawn.any(axis=axis))
        size = drawn.shape[1 - axis]
        margin = max(8, len(found) // 4)
        sides.append([max(found[0] - margin, 0), min(found[-1] + 1 + margin, size)])
    lengths = [b - a for a, b in sides]
    if lengths[0] * lengths[1] > most:
        edge = int(np.sqrt(most))
        outline = np.abs(np.diff(drawn.astype(np.int8), axis=0, prepend=0))
        for axis, side in enumerate(sides):
            length = min(edge, side[1] - side[0])
            weight = np.cumsum(np.concatenate([[0], outline.sum(axis=1 - axis)]))
            starts = np.arange(side[0], side[1] - length + 1)
            start = int(starts[np.argmax(weight[starts + length] - weight[starts])])
            side[:] = [start, start + length]
    return slice(*map(int, sides[0])), slice(*map(int, sides[1]))

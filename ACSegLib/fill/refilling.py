"""Fills again after an edit, redoing only the slabs that it touches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.compute import reuse_freed_memory
from ACSegLib.errors import InputError
from ACSegLib.fill.context import Context
from ACSegLib.fill.pipeline import FillResult, solve_slabs, turned, whole_slices
from ACSegLib.fill.seeds import collect_seeds
from ACSegLib.fill.shape import ShapeGuess
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segment, Segmentation, require_same_grid


@reuse_freed_memory()
def refill(
    previous: FillResult,
    labels: Segmentation,
    changed_slices: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> FillResult:
    """Fill again after an edit, redoing only the slabs that it touches.

    Prior and settings are those of `previous`; the result is exactly that of a full fill with them.

    Parameters
    ----------
    previous : FillResult
    labels : Segmentation
        The edited drawings, same grid and segments.
    changed_slices : sequence of int, optional
        Slices that were edited, along the axis in use; what really differs is found by comparison, so this only
        serves to redo more.
    progress : Progress, optional

    Raises
    ------
    InputError
        If the segments (ids, values, layers) or the axis of the drawn slices are no longer those of `previous`.
    """
    progress = progress or Progress()
    clock = time.perf_counter()
    state = previous.state
    require_same_grid(state.volume, labels)
    if _places(labels.segments) != _places(state.seeds.segments):
        raise InputError(
            "segments were added or removed, or got other label values or layers, since the fill; fill again from the "
            "start."
        )
    seeds = collect_seeds(labels, state.options, state.seeds)
    if seeds.table != state.seeds.table or (state.seeds.slices and seeds.primary != state.seeds.primary):
        raise InputError("the labels have other segments or another slice axis than before; fill again from the start.")
    context = replace(state.context, iterations=[], classes=turned(seeds.classes, seeds.primary))
    changed = np.flatnonzero((state.context.classes != context.classes).any(axis=(1, 2))).tolist()
    before = set(state.context.slabs())
    context.cuts = whole_slices(context.classes, seeds)
    dirty = sorted(set(changed) | {int(k) for k in changed_slices or ()})
    _update_shapes(context, state.context, seeds.slices.get(AXES[seeds.primary], []), dirty)
    redo = [s for s in context.slabs() if s not in before or any(s[0] <= k <= s[1] for k in dirty)]
    keep = previous.probabilities is not None
    result = solve_slabs(state.volume, labels, seeds, context, state.options, keep, (previous, redo), progress)
    result.report.update(
        {key: previous.report[key] for key in ("left_out", "prior_dice", "forecast_dice") if key in previous.report},
        changed_slices=dirty, seconds=round(time.perf_counter() - clock, 3),
    )  # fmt: skip
    return result


def _places(segments: Sequence[Segment]) -> list[tuple[str, int, int]]:
    """Where each segment's voxels are found; names and colours may change."""
    return [(s.id, s.value, s.layer) for s in segments]


def _update_shapes(context: Context, old: Context, drawn: list[int], dirty: list[int]) -> None:
    """Shape guesses from the slices drawn now, the dirty ones computed again; the old context keeps its own."""
    for name in ("shape", "members"):
        guess: ShapeGuess | None = getattr(old, name)
        if guess is None:
            continue
        guess = replace(guess, slices=list(guess.slices), distances=dict(guess.distances), fixed_reach=guess.reach)
        gone = [k for k in guess.slices if k in dirty or k not in drawn]
        guess.remove_slices(gone)
        guess.add_slices(context.classes, [k for k in drawn if k not in guess.distances])
        setattr(context, name, guess)

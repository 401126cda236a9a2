"""Fills again after an edit, solving only the slabs that it touches."""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ACSegLib.compute import reuse_freed_memory
from ACSegLib.errors import InputError
from ACSegLib.fill.pipeline import solve_slabs, timed
from ACSegLib.fill.result import Assembly, FillResult
from ACSegLib.fill.seeds import collect_seeds
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segment, Segmentation, require_same_grid


class AsBefore(enum.Enum):
    """Marks a parameter that is as it was in the fill before."""

    AS_BEFORE = "as before"


AS_BEFORE = AsBefore.AS_BEFORE


@reuse_freed_memory()
def refill(
    previous: FillResult,
    labels: Segmentation,
    changed_slices: Sequence[int] | None = None,
    progress: Progress | None = None,
    *,
    slices: Sequence[int] | Mapping[str, Sequence[int]] | AsBefore | None = AS_BEFORE,
) -> FillResult:
    """Fill again after an edit, solving only the slabs that it touches.

    Prior and settings are those of `previous`; the result is exactly that of a full fill with them.

    Parameters
    ----------
    previous : FillResult
    labels : Segmentation
        The edited labels, same grid and segments.
    changed_slices : sequence of int, optional
        Slices that were edited, along the axis in use. What differs is determined by comparison, so this only serves to
        solve more.
    progress : Progress, optional
    slices : sequence, mapping or None, optional
        Every labelled slice, as of `ACSegLib.fill.fill`, where others are labelled than before; None: detected.

    Raises
    ------
    InputError
        If the segments (ids, values, layers) or the axis of the labelled slices are no longer those of `previous`.
    """
    progress = progress or Progress()
    start = time.perf_counter()
    state = previous.state
    before = state.context.evidence
    require_same_grid(state.volume, labels)
    if _places(labels.segments) != _places(state.seeds.segments):
        raise InputError(
            "segments were added or removed, or their label values or layers changed, since the fill; start a new fill."
        )
    options = state.options if isinstance(slices, AsBefore) else replace(state.options, slices=slices)
    seeds = collect_seeds(labels, options, state.seeds)
    if seeds.table != state.seeds.table or (state.seeds.slices and seeds.primary != state.seeds.primary):
        raise InputError("the segments or the axis of the labelled slices have changed; start a new fill.")
    orientation = before.orientation
    changed = np.flatnonzero((before.classes != orientation.enter(seeds.classes)).any(axis=(1, 2))).tolist()
    dirty = sorted({*changed, *orientation.slices([int(k) for k in changed_slices or ()])})
    evidence = before.after_edit(seeds, dirty)
    old_slabs = set(before.slabs())
    redo = [s for s in evidence.slabs() if s not in old_slabs or any(s[0] <= k <= s[1] for k in dirty)]
    solid = set(evidence.classes_without_holes())
    without_holes = tuple(c for c in state.context.without_holes if c in solid)
    context = replace(state.context, evidence=evidence, without_holes=without_holes)
    count = evidence.count if previous.probabilities is not None else 0
    assembly = Assembly(evidence.classes.shape, count, previous)
    solve_slabs(context, redo, assembly, progress)
    state = replace(
        state,
        options=options,
        seeds=seeds,
        context=context,
        probabilities=assembly.probabilities,
        tallies=assembly.tallies,
    )
    return timed(assembly.result(labels, state, orientation.slices(dirty), previous), start)


def _places(segments: Sequence[Segment]) -> list[tuple[str, int, int]]:
    """Where each segment's voxels are; names and colours may change."""
    return [(s.id, s.value, s.layer) for s in segments]

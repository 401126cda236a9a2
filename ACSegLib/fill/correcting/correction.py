"""Corrects a segmentation around the places where a person changed it.

The walk is the one of the fill. Its seeds are what the person decided, and the segmentation itself where it is far from
every change. Its prior is learned on the decided places: from the image, and from the segmentation, which counts for
as much as it proved to be worth there (`deviation`).

An error reaches as far across slices as along them: around a change of a few voxels little is solved again, around an
outline that was wrong all the way, much. Where slices drawn right prove that the image shows the borders at all
distances, all within the `proven_reach` is. Nothing else changes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.compute import reuse_freed_memory
from ACSegLib.correction_report import CorrectionReport
from ACSegLib.errors import InputError
from ACSegLib.fill.correcting.decisions import Classes, find_decisions
from ACSegLib.fill.correcting.hints import hints
from ACSegLib.fill.correcting.joined import as_thick, grown_slips, joined_to, without_specks
from ACSegLib.fill.correcting.opened import open_voxels, proven_reach
from ACSegLib.fill.correcting.problem import CorrectionProblem, Solution
from ACSegLib.fill.correcting.reliability import EVERYWHERE
from ACSegLib.fill.walk.solvers import choose_solver
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box
from ACSegLib.postprocess.holes import new_holes
from ACSegLib.threads import chunks_of, in_threads
from ACSegLib.volume import Segmentation, Volume, label_dtype, require_same_grid

#: Distance in voxels that may be given, as with ``--reach``. Bound.
_MAX_REACH = 10000

#: Factor by which the reach must grow, at least, for what was gathered to be gathered anew.
WORTHWHILE = 1.2


@dataclass(frozen=True)
class CorrectionResult:
    """What a correction gives.

    Attributes
    ----------
    segmentation : Segmentation
        The corrected segmentation, and what follows from it around the changes.
    uncertainty : ndarray of uint8, shape (k, j, i)
        0 (certain, or not looked at) to 255.
    decided : ndarray of bool, shape (k, j, i)
        What the person decided.
    report : CorrectionReport
    """

    segmentation: Segmentation
    uncertainty: np.ndarray = field(repr=False)
    decided: np.ndarray = field(repr=False)
    report: CorrectionReport


@reuse_freed_memory()
def correct(
    volume: Volume,
    segmentation: Segmentation,
    corrected: Segmentation,
    *,
    slices: Mapping[str, list[int]] | None = None,
    decided: np.ndarray | None = None,
    protected: np.ndarray | None = None,
    probabilities: Mapping[str, np.ndarray] | None = None,
    reach: float | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> CorrectionResult:
    """Correct a segmentation around the places where a person changed it.

    Parameters
    ----------
    volume : Volume
    segmentation, corrected : Segmentation
        Before and after the corrections, on the grid of the image.
    slices : mapping, optional
        Axis name -> slices that were decided as a whole, whether something changed on them or not.
    decided, protected : ndarray of bool, shape (k, j, i), optional
        Voxels that were decided earlier, and voxels that may not change.
    probabilities : mapping, optional
        Segment id -> probability of a network, (k, j, i).
    reach : float, optional
        Distance from a change within which voxels may change, in voxels of the finest axis; found from the size of
        each change if left out.
    device : str
    progress : Progress, optional

    Raises
    ------
    InputError
        If the inputs do not fit one another, or nothing was decided.
    Cancelled
    """
    progress = progress or Progress()
    start = time.perf_counter()
    require_same_grid(volume, corrected)
    _check(volume, decided, protected, reach)
    progress.check()
    decisions = find_decisions(segmentation, corrected, slices, decided)
    progress(0.05, "finding what was corrected")
    spacing = np.asarray(volume.geometry.spacing[::-1], float)
    spacing = spacing / spacing.min()
    opened = open_voxels(decisions, protected, spacing.tolist(), reach, progress.check)
    progress.check()
    solver = choose_solver(device)
    uncertainty = np.zeros(volume.shape, np.uint8)
    result, moved = corrected, 0
    slips: list[tuple[int, int]] = []
    iterations: list[int] = []
    if opened.open.any():
        given = probabilities or {}
        problem = CorrectionProblem.of(volume, decisions, opened, spacing, given, progress.part(0.1, 0.4))
        reliability = problem.reliability(progress.part(0.4, 0.45))
        everywhere = reliability is not None and reliability.length == EVERYWHERE
        farthest = proven_reach(decisions, spacing.tolist()) if everywhere and reach is None else 0.0
        if farthest > WORTHWHILE * opened.reach:
            opened = open_voxels(decisions, protected, spacing.tolist(), farthest, progress.check)
            problem = CorrectionProblem.of(volume, decisions, opened, spacing, given, progress.part(0.45, 0.55))
        solution = problem.solve(reliability, solver, progress.part(0.55, 0.95))
        best, iterations = solution.best, solution.iterations
        where = _moved(problem, solution, opened.may_become(problem.classes.table), uncertainty)
        changed = decisions.changed[problem.box]
        joined = joined_to(changed, problem.classes, best, where, spacing.tolist(), solution.seen)
        if everywhere:
            others = without_specks(where & ~joined, spacing.tolist())
            local = not decisions.wrong_all_along
            joined |= as_thick(others, joined, changed, spacing.tolist()) if local else others
        where &= joined
        refused = new_holes(best, problem.classes.after, where)
        where &= ~refused
        uncertainty[problem.box][refused] = 255
        moved = int(np.count_nonzero(where))
        slips = grown_slips(changed, problem.classes, best, where)
        result = _written(corrected, problem.classes, best, where, problem.box)
    report = CorrectionReport(
        slices=decisions.slices,
        decided_voxels=int(np.count_nonzero(decisions.known)),
        changed_voxels=int(np.count_nonzero(decisions.changed)),
        open_voxels=int(np.count_nonzero(opened.open)),
        corrected_voxels=moved,
        reach=round(opened.reach, 1),
        warnings=[*decisions.notes, *hints(decisions, opened, moved, slips), *([solver.note] if solver.note else [])],
        solver=solver.name,
        iterations=iterations,
        seconds=round(time.perf_counter() - start, 3),
    )
    return CorrectionResult(result, uncertainty, decisions.known, report)


def _check(volume: Volume, decided: np.ndarray | None, protected: np.ndarray | None, reach: float | None) -> None:
    for name, mask in (("decided", decided), ("protected", protected)):
        if mask is not None and mask.shape != volume.shape:
            raise InputError(
                f"the mask of {name} voxels has {size_text(mask.shape)} voxels and the image has "
                f"{size_text(volume.shape)}; give a mask on the grid of the image."
            )
    if reach is not None and not 0 <= reach <= _MAX_REACH:
        raise InputError(f"reach is {reach}, but a distance in voxels must be a number from 0 to {_MAX_REACH:g}.")


def _moved(problem: CorrectionProblem, solution: Solution, allowed: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """Where open voxels come out as another class that is `allowed`, bool; writes the uncertainty of those."""
    best, after, unsure = solution.best, problem.classes.after, uncertainty[problem.box]
    table = np.append(allowed, [False, False])
    where = np.empty(best.shape, bool)

    def compare(part: slice) -> None:
        may = problem.open[part] & table.take(best[part])
        np.copyto(unsure[part], solution.uncertainty[part], where=may)
        where[part] = may & (best[part] != after[part])

    in_threads(compare, chunks_of(where))
    return where


def _written(corrected: Segmentation, classes: Classes, best: np.ndarray, where: np.ndarray, box: Box) -> Segmentation:
    """The corrected segmentation with other classes at some voxels of a box."""
    layers = []
    for number, layer in enumerate(corrected.layers):
        # the table may name values that no voxel has, such as that of a segment whose last voxel was erased
        dtype = label_dtype((s.value for s in corrected.segments if s.layer == number), layer.dtype)
        values = np.zeros(len(classes.table), dtype)
        for c, rows in enumerate(classes.table):
            for segment in (corrected.segments[row] for row in rows):
                if segment.layer == number:
                    values[c] = segment.value
        changed = layer.astype(dtype)
        changed[box][where] = values[best[where]]
        layers.append(changed)
    meta = {key: value for key, value in corrected.meta.items() if key != "slices"}
    return Segmentation(tuple(layers), list(corrected.segments), corrected.geometry, corrected.name, meta)

"""The fill from end to end: drawings to a dense segmentation, and the report."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.compute import available_memory, reuse_freed_memory
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.fill import constants
from ACSegLib.fill.appearance import MOST_GROUPS, collect_samples, group_classes, train_network
from ACSegLib.fill.context import TOGETHER, Context, Settings, SlabResult
from ACSegLib.fill.features import intensity_range, prepare
from ACSegLib.fill.seeds import SeedOptions, Seeds, collect_seeds, count_classes
from ACSegLib.fill.selection import choose_settings
from ACSegLib.fill.shape import ShapeGuess
from ACSegLib.fill.solvers import choose_solver
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segment, Segmentation, Volume, require_same_grid


@dataclass
class FillResult:
    """What a fill gives.

    Attributes
    ----------
    segmentation : Segmentation
        Dense; drawn voxels exactly as drawn.
    uncertainty : ndarray of uint8, shape (k, j, i)
        0 (sure) to 255 (the two likeliest classes are equally likely).
    probabilities : dict or None
        Segment id -> float16 array (k, j, i), when asked for.
    report : dict
        Choices made, forecast, slices, iterations, seconds; plain values.
    slices : dict
        Axis name -> drawn slices used.
    """

    segmentation: Segmentation
    uncertainty: np.ndarray
    probabilities: dict[str, np.ndarray] | None
    report: dict[str, Any]
    slices: dict[str, list[int]]
    state: _State = field(repr=False)

    @property
    def drawn(self) -> np.ndarray:
        """Voxels that were known before the fill (drawn, or background of a drawn slice): bool, shape (k, j, i)."""
        known = self.state.context.classes >= 0
        return np.moveaxis(known, 0, self.state.seeds.primary)


@dataclass
class _State:
    """What a refill needs of the fill before it."""

    context: Context
    seeds: Seeds
    options: SeedOptions
    volume: Volume
    kept: np.ndarray | None


@reuse_freed_memory()
def fill(
    volume: Volume,
    labels: Segmentation,
    *,
    axis: str = "auto",
    slices: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    mode: str = "slices",
    background: str | None = None,
    ignore: str | None = None,
    device: str = "auto",
    probabilities: bool = False,
    settings: Settings | None = None,
    tolerance: float = constants.TOLERANCE,
    memory_limit: float | None = None,
    progress: Progress | None = None,
) -> FillResult:
    """Fill the volume between drawn slices.

    An exact random walk whose prior is learnt from the drawn slices of this volume; see `random_walk`, `appearance`
    and `selection` for the method and its literature. Same input, same output, bit for bit, on the same device.

    Parameters
    ----------
    volume : Volume
        Any numeric type; voxels that are not finite stay background unless drawn.
    labels : Segmentation
        Sparse drawings on the same grid; segments may overlap.
    axis, slices, mode, background, ignore
        See `labelled_slices.collect_seeds`.
    device : str
        "auto", "cpu", "cuda" or another torch device.
    probabilities : bool
        Also give a probability per segment (2 bytes a voxel and segment).
    settings : Settings, optional
        Strength of prior and edges; chosen by leaving slices out when None.
    tolerance : float
        Bound on the error of the probabilities.
    memory_limit : float, optional
        Bytes that the fill may use; what is available when None.
    progress : Progress, optional

    Returns
    -------
    FillResult

    Raises
    ------
    InputError
        If image and labels do not fit each other, or nothing was drawn.
    MemoryLimitError
        If the fill would not fit in memory.
    Cancelled
        If the progress was cancelled.
    """
    progress = progress or Progress()
    clock = time.perf_counter()
    require_same_grid(volume, labels)
    if min(volume.shape) < 2:
        raise InputError(f"volume {volume.name!r} is one voxel thin: {volume.shape[::-1]}; a fill needs 3 dimensions.")
    outside = _not_finite(volume)
    options = SeedOptions(axis, slices, mode, background, ignore, outside)
    seeds = collect_seeds(labels, options)
    progress(0.02, "reading the drawn slices")
    context = _prepare(volume, seeds, outside, device, tolerance, probabilities, memory_limit, progress)
    context.whole_slices = mode == "slices"
    samples = collect_samples(context.features, context.classes, context.groups, context.shape)
    progress(0.1, "learning what the segments look like")
    choice: dict[str, Any] = {"forecast_dice": None}
    with ThreadPoolExecutor(1) as beside:  # the choice has networks of its own
        network = beside.submit(train_network, samples, len(context.groups), progress=progress)
        if settings is None:
            context.settings, choice = choose_settings(context, samples, progress.part(0.12, 0.25))
        else:
            context.settings = settings
        context.network = network.result()
    context.iterations.clear()
    result = solve_slabs(volume, labels, seeds, context, options, probabilities, None, progress.part(0.25, 1.0))
    result.report.update(choice, seconds=round(time.perf_counter() - clock, 3))
    return result


def _not_finite(volume: Volume) -> np.ndarray | None:
    """Where the image has no value; None when it has one everywhere."""
    if volume.array.dtype.kind != "f":
        return None
    if np.isfinite(volume.array.sum(dtype=np.float64)):
        return None
    outside = ~np.isfinite(volume.array)
    if outside.all():
        raise InputError(f"volume {volume.name!r} holds no finite value.")
    return outside if outside.any() else None


def turned(array: np.ndarray, axis: int) -> np.ndarray:
    """The array with one axis brought to the front, C-contiguous."""
    return np.ascontiguousarray(np.moveaxis(array, axis, 0))


def whole_slices(classes: np.ndarray, seeds: Seeds) -> list[int]:
    """Drawn slices of the main axis in which every voxel is known: the borders between slabs."""
    numbers = seeds.slices.get(AXES[seeds.primary], [])
    return [k for k in numbers if not (classes[k] == -1).any()]


def _prepare(
    volume: Volume,
    seeds: Seeds,
    outside: np.ndarray | None,
    device: str,
    tolerance: float,
    probabilities: bool,
    limit: float | None,
    progress: Progress,
) -> Context:
    """Turn the volume, compute features and shape guesses."""
    axis = seeds.primary
    classes = turned(seeds.classes, axis)
    cuts = whole_slices(classes, seeds)
    _check_memory(volume, classes.shape, cuts, len(seeds.table), probabilities, limit)
    image = np.moveaxis(volume.array, axis, 0)
    limits = intensity_range(volume.array, seeds.classes)
    if outside is not None:
        image = np.where(np.moveaxis(outside, axis, 0), np.asarray(limits[0], volume.array.dtype), image)
    spacing = volume.geometry.spacing[::-1]
    order = [axis, *[a for a in range(3) if a != axis]]
    features = prepare(image, [float(spacing[a]) for a in order], limits, progress.part(0.02, 0.08))
    groups = group_classes(seeds)
    drawn = seeds.slices.get(AXES[axis], [])
    relative = tuple(features.spacing)
    shape = ShapeGuess(groups[1:], classes.shape[1:], relative)  # type: ignore[arg-type]
    shape.add_slices(classes, drawn)
    members = None
    if any(len(g) > 1 for g in groups) and drawn:
        members = ShapeGuess([[c] for g in groups if len(g) > 1 for c in g], classes.shape[1:], relative)  # type: ignore[arg-type]
        members.add_slices(classes, drawn)
    solver = choose_solver(device)
    return Context(features, classes, cuts, len(seeds.table), groups, shape, members, solver, tolerance=tolerance)


def solve_slabs(
    volume: Volume,
    labels: Segmentation,
    seeds: Seeds,
    context: Context,
    options: SeedOptions,
    keep: bool,
    previous: tuple[FillResult, list[tuple[int, int]]] | None,
    progress: Progress,
) -> FillResult:
    """Solve the slabs (all, or those to redo) and put the result together."""
    axis = seeds.primary
    if previous is None:
        best = np.zeros(context.classes.shape, np.int16)
        uncertainty = np.zeros(context.classes.shape, np.uint8)
        kept = np.zeros((context.count, *best.shape), np.float16) if keep else None
        slabs = context.slabs()
    else:
        state = previous[0].state
        best = np.empty(context.classes.shape, np.int16)  # of the slabs to redo alone, so no other page is touched
        uncertainty = turned(previous[0].uncertainty, axis).copy()
        kept = state.kept.copy() if keep and state.kept is not None else None
        slabs = previous[1]
    with ThreadPoolExecutor(1) as beside:  # one slab is finished, which keeps one core busy, beside the next one's walk
        stored: Future[None] | None = None
        for number, (first, last) in enumerate(slabs):
            progress(number / len(slabs), f"filling slices {first} to {last} of axis {AXES[axis]}")
            done = context.solve(first, last, keep=keep, progress=progress)
            if stored is not None:
                stored.result()
            stored = beside.submit(_finish, done, first, best, uncertainty, kept)
        if stored is not None:
            stored.result()
    progress(1.0, "done")
    state = _State(context, seeds, options, volume, kept)
    by_segment = _segment_probabilities(kept, seeds, axis) if kept is not None else None
    if previous is None:
        result = _to_segmentation(np.moveaxis(best, 0, axis), seeds, labels)
    else:
        result = _with_planes(previous[0].segmentation, best, slabs, seeds, labels)
    doubt = np.ascontiguousarray(np.moveaxis(uncertainty, 0, axis))
    return FillResult(result, doubt, by_segment, _report(seeds, context, slabs), seeds.slices, state)


def _finish(done: SlabResult, first: int, best: np.ndarray, uncertainty: np.ndarray, kept: np.ndarray | None) -> None:
    done.finish()
    planes = slice(first, first + len(done.best))
    best[planes] = done.best
    uncertainty[planes] = done.uncertainty
    if kept is not None:
        kept[:, planes] = done.probabilities


def _segment_probabilities(kept: np.ndarray, seeds: Seeds, axis: int) -> dict[str, np.ndarray]:
    found = {}
    for row, segment in enumerate(seeds.segments):
        members = seeds.classes_of(row)
        if members:
            total = kept[members[0]] if len(members) == 1 else kept[members].sum(axis=0)
            found[segment.id] = np.ascontiguousarray(np.moveaxis(total, 0, axis))
    return found


def _value_tables(seeds: Seeds, labels: Segmentation) -> list[np.ndarray]:
    """For each layer, the label value of each class."""
    top = max((s.value for s in labels.segments), default=0)
    dtype = np.uint8 if top < 256 else np.uint16 if top < 65536 else np.uint32
    tables = []
    for number in range(len(labels.layers)):
        value_of = np.zeros(len(seeds.table), dtype)
        for c, rows in enumerate(seeds.table):
            for row in rows:
                if seeds.segments[row].layer == number:
                    value_of[c] = seeds.segments[row].value
        tables.append(value_of)
    return tables


def _filled_segments(seeds: Seeds, labels: Segmentation) -> list[Segment]:
    """The input's segments as they are named now; those that marked something (background, ignore) are left out."""
    used = {row for rows in seeds.table for row in rows}
    return [replace(s) for row, s in enumerate(labels.segments) if row in used]


def _to_segmentation(best: np.ndarray, seeds: Seeds, labels: Segmentation) -> Segmentation:
    """Classes back to the input's segments, layers and values; the segments that marked something are left out."""
    layers = tuple(np.ascontiguousarray(np.take(values, best)) for values in _value_tables(seeds, labels))
    return Segmentation(layers, _filled_segments(seeds, labels), labels.geometry, labels.name, _meta(labels))


def _meta(labels: Segmentation) -> dict[str, Any]:
    """What comes with the labels, without the list of labelled slices: the result is dense."""
    return {key: value for key, value in labels.meta.items() if key != "slices"}


def _with_planes(
    before: Segmentation, best: np.ndarray, slabs: list[tuple[int, int]], seeds: Seeds, labels: Segmentation
) -> Segmentation:
    """The segmentation of the fill before, with the planes of some slabs made anew."""
    layers = []
    for old, values in zip(before.layers, _value_tables(seeds, labels), strict=True):
        layer = old.copy()
        planes = np.moveaxis(layer, seeds.primary, 0)
        for first, last in slabs:
            planes[first : last + 1] = np.take(values, best[first : last + 1])
        layers.append(layer)
    return Segmentation(tuple(layers), _filled_segments(seeds, labels), labels.geometry, labels.name, _meta(labels))


def _report(seeds: Seeds, context: Context, slabs: list[tuple[int, int]]) -> dict[str, Any]:
    counts = count_classes(context.classes, context.count)
    warnings = list(seeds.warnings)
    if context.iterations and max(context.iterations) > constants.MAX_ITERATIONS:
        warnings.append(
            f"the solver stopped at its limit of {constants.MAX_ITERATIONS} iterations before the error of the "
            f"probabilities was below {context.tolerance:g}; a stronger prior (--gamma) or a larger tolerance makes it "
            "end."
        )
    return {
        "axis": AXES[seeds.primary],
        "slices": seeds.slices,
        "warnings": warnings,
        "segments": [s.name for s in seeds.segments],
        "known_voxels": {seeds.class_name(c): int(n) for c, n in enumerate(counts)},
        "slabs": [list(s) for s in slabs],
        "solver": context.solver.name,
        "gamma": context.settings.gamma,
        "edge": context.settings.edge,
        "beta": context.settings.beta(context.features.noise),
        "tolerance": context.tolerance,
        "iterations": list(context.iterations),
    }


def estimate_memory(
    shape: Sequence[int],
    itemsize: int,
    slab_planes: int,
    classes: int,
    probabilities: bool = False,
    drawn_slices: int = 0,
) -> int:
    """Bytes that a fill uses at its peak, the input volume and labels not counted.

    Parameters
    ----------
    shape : (K, J, I)
    itemsize : int
        Bytes of a voxel of the input.
    slab_planes : int
        Planes of the thickest slab.
    classes : int
        Classes, background among them.
    drawn_slices : int
        Of many classes, each slice keeps an outline.
    """
    voxels = int(np.prod(shape))
    plane = int(np.prod(shape[1:]))
    slab = min(slab_planes, shape[0]) * plane
    if classes - 1 > MOST_GROUPS:
        outlines = (classes - 1) * plane * (2 * drawn_slices + 4 * min(slab_planes, shape[0]))
    else:
        outlines = 0
    whole = voxels * (4 + 2 * 2 + 2 + 2 + 1 + 5 * 4 / 8 * 1.15) + (voxels * 2 * classes if probabilities else 0)
    per_slab = slab * (4 * (6 + 3 + 2 + min(classes, 9) + 5 * min(classes - 1, TOGETHER) + 2 * 5))
    turned = voxels * itemsize
    return int(max(whole + per_slab + outlines, whole + turned))


def _check_memory(
    volume: Volume, shape: tuple[int, ...], cuts: list[int], classes: int, probabilities: bool, limit: float | None
) -> None:
    ends = sorted({0, shape[0] - 1, *cuts})
    planes = max((b - a + 1 for a, b in itertools.pairwise(ends)), default=1)
    needed = estimate_memory(shape, volume.array.itemsize, planes, classes, probabilities, len(cuts))
    available = available_memory() if limit is None else limit
    if needed > available:
        raise MemoryLimitError(
            f"this fill needs about {needed / 2**30:.1f} GiB, but {available / 2**30:.1f} GiB may be used "
            f"({planes} planes in the thickest slab); draw more slices so that slabs get thinner, crop the volume, or "
            "close other programs."
        )

"""From what the data is like (fingerprint) to how it is trained (plan), by the rules below; each can be overridden.

================ ==================================================================================================
spacing          No resampling while all volumes agree within 2 %, or when any tells no voxel size. Otherwise the median
                 along each axis; along an axis three times coarser than the finest, the 10th percentile (as nnU-Net).
normalisation    "volume": clip each volume to its own percentiles 0.5 and 99.5, then mean 0, deviation 1. "fixed" (the
                 training volumes' figures) only on request: intensities of most instruments have no fixed meaning.
levels, strides  An axis is halved while at least 8 voxels of the patch remain along it and its voxels are less than
                 twice the finest; at most 4 levels on a CPU, 5 on a GPU and for thorough CPU training.
kernels          1 instead of 3 along an axis whose voxels are at least twice the finest at that level.
patch            Physically as near to a cube as the median volume allows; as many voxels as the preset's budget
                 and the memory allow; sides are multiples of what the strides need; a side that would reach the median
                 volume's is rounded up, to hold all of it.
batch            1 with instance norm on a CPU (the fastest learner per minute), 2 on a GPU while memory allows.
growth           Patches of half the side for the first 35 % of a run, of two thirds until 60 %, then whole ones: small
                 patches cost little and show rare segments often, and the layout of the whole is learned last. As many
                 of them a step as hold a third (CPU) or all (GPU) of the whole patch's voxels. Not when a training
                 starts from a model.
residual blocks  Residual encoder: its steps take an eighth longer than those of a plain one, and teach more, even in
                 the first minutes on a CPU.
filters          Base 16 on a CPU, 32 on a GPU; doubled at each level up to 320. Light networks, on request, have
                 half of them at the finest level and three quarters at the next.
output           Softmax; sigmoid where segments overlap in any training volume.
balance          Class weights of the cross entropy: (voxels of the class)^-1/4, mean 1, between 1/3 and 3.
================ ==================================================================================================

The rules for spacing and strides follow Isensee et al., Nature Methods 18 (2021) 203, doi:10.1038/s41592-020-01008-z;
growing patches are those of Fischer et al., Progressive Growing of Patch Size, MICCAI 2024.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ACSegLib.compute import MEMORY_SHARE
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.geometry import size_text, spacing_text
from ACSegLib.json_values import Json
from ACSegLib.network.model.preprocessing import SPACING_TOLERANCE, IntensityStatistics, Normalisation, Preprocessing
from ACSegLib.network.model.spec import NetworkSpec, unet_spec
from ACSegLib.network.train.data import name_key
from ACSegLib.network.train.fingerprint import Fingerprint
from ACSegLib.network.train.plan import Plan, PlanOverrides
from ACSegLib.volume import Segment

#: Side of a cube with the voxels that a training patch may have, by preset and device.
PATCH_BUDGET: Mapping[str, Mapping[str, int]] = {
    "cpu": {"quick": 48, "standard": 64, "thorough": 80},
    "cuda": {"quick": 96, "standard": 128, "thorough": 128},
}
#: Part of the run until which patches have this part of their side, and the voxels a step has of the whole patch's.
GROWTH: tuple[tuple[float, float], ...] = ((0.35, 1 / 2), (0.6, 2 / 3))
_VOXELS_OF_SMALL_STEPS: Mapping[str, float] = {"cpu": 1 / 3, "cuda": 1.0}
#: Voxels of the coarsest level along an axis.
MIN_EDGE = 4
#: An axis this many times coarser than the finest is taken at a finer voxel size than the median (as nnU-Net).
COARSE_AXIS = 3.0
#: Ratio of the voxel size that is asked for to that of a volume, from which on a unit is wrong.
MAX_SPACING_RATIO = 50.0
#: Side of a patch in voxels.
MIN_PATCH = 16
#: Bytes of activations, gradients and scratch for each voxel of the patch and channel (those of coarser levels by their
#: voxels), and whatever the patch (peak memory of float32 steps with 48^3 and 64^3 patches, base 8 and 16).
_BYTES_PER_VOXEL_AND_CHANNEL = 83
_FIXED_BYTES = 200 << 20


def plan_growth(patch: Sequence[int], batch: int, spec: NetworkSpec, device: str) -> list[Any]:
    """Plan smaller patches for the first part of a run; see the module's text. Empty where nothing smaller fits."""
    divisor = spec.patch_divisor
    stages: list[Any] = []
    for until, part in GROWTH:
        least = [math.ceil(max(MIN_PATCH, 3 * d) / d) * d for d in divisor]  # 3: for instance norm's statistics
        sides = [min(n, max(m, math.ceil(n * part / d) * d)) for n, d, m in zip(patch, divisor, least, strict=True)]
        if sides != list(patch):
            room = batch * math.prod(patch) * _VOXELS_OF_SMALL_STEPS[device] / math.prod(sides)
            stages.append([until, sides, max(1, round(room))])
    return stages


def training_spacing(
    fingerprints: Sequence[Fingerprint], wanted: str | Sequence[float] = "auto"
) -> tuple[tuple[float, ...] | None, str, str]:
    """Choose spacing (i, j, k), unit, and the reason; `wanted` is "auto", "none", or a spacing in the first's unit.

    Raises
    ------
    InputError
        If a spacing is asked for, but a volume does not tell its own.
    """
    if wanted == "none":
        return None, "px", "asked for: voxel by voxel"
    without = [f.name for f in fingerprints if f.geometry.unit == "px"]
    if without and not isinstance(wanted, str):
        raise InputError(f"--spacing asks for a voxel size, but {without[0]} has none; write it into the file.")
    if without:
        return None, "px", "not every volume states its voxel size, so no volume is resampled"
    unit = fingerprints[0].geometry.unit
    if not isinstance(wanted, str):
        _check_wanted(fingerprints, wanted, unit)
        return tuple(float(v) for v in wanted), unit, "asked for"
    spacings = np.array([f.geometry.in_unit(unit).spacing for f in fingerprints])
    median = np.median(spacings, axis=0)
    if np.all(np.abs(spacings / median - 1) < SPACING_TOLERANCE):
        return tuple(float(v) for v in median), unit, "the voxel size of all volumes"
    chosen = median.copy()
    coarse = median > COARSE_AXIS * median.min()
    chosen[coarse] = np.maximum(np.percentile(spacings, 10, axis=0), median.min())[coarse]
    reason = (
        f"median of {len(fingerprints)} volumes from {spacings.min(0).tolist()} to {spacings.max(0).tolist()} {unit}"
    )
    return tuple(float(v) for v in chosen), unit, reason


def _check_wanted(fingerprints: Sequence[Fingerprint], wanted: Sequence[float], unit: str) -> None:
    """Raise InputError for a voxel size that nobody trains at, as one in another unit than that of the first volume."""
    for f in fingerprints:
        ratio = (math.prod(wanted) / math.prod(f.geometry.in_unit(unit).spacing)) ** (1 / 3)
        if not 1 / MAX_SPACING_RATIO < ratio < MAX_SPACING_RATIO:
            times, than = (ratio, "larger") if ratio > 1 else (1 / ratio, "smaller")
            size = spacing_text(f.geometry.spacing, f.geometry.unit)
            raise InputError(
                f"--spacing {','.join(f'{v:g}' for v in wanted)} {unit} is {times:.0f} times {than} than the voxels of "
                f"{f.name} ({size}); give voxel sizes in {unit}, the unit of the first volume."
            )


def require_voxels(fingerprints: Sequence[Fingerprint], plan: Plan) -> None:
    """Raise InputError for a volume of which the coarsest level of the network would see one voxel alone."""
    shapes = resampled_shapes(fingerprints, plan.spacing, plan.unit).tolist()
    for f, shape in zip(fingerprints, shapes, strict=True):
        if all(n <= divisor for n, divisor in zip(shape, plan.spec.patch_divisor, strict=True)):
            at = f" at the voxel size of the training ({spacing_text(plan.spacing, plan.unit)})" if plan.spacing else ""
            raise InputError(
                f"{f.name} has {size_text(shape)} voxels{at}, too few to learn from; leave it out, or correct its "
                "voxel size or --spacing."
            )


def resampled_shapes(fingerprints: Sequence[Fingerprint], spacing: Sequence[float] | None, unit: str) -> np.ndarray:
    """Shapes (k, j, i) of the volumes at the training spacing, one row a volume."""
    if spacing is None:
        return np.array([f.shape for f in fingerprints])
    rows = []
    for f in fingerprints:
        own = f.geometry if f.geometry.unit == "px" or unit == "px" else f.geometry.in_unit(unit)
        rows.append(
            [max(1, round(n * o / s)) for n, o, s in zip(f.shape, own.spacing[::-1], spacing[::-1], strict=True)]
        )
    return np.array(rows)


def plan_strides(
    patch: Sequence[int], spacing: Sequence[float], most_levels: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Choose strides and kernels (k, j, i) of each level; see the module's text.

    Parameters
    ----------
    patch : sequence of int
        (k, j, i).
    spacing : sequence of float
        (k, j, i).
    """
    size, voxel = np.array(patch, float), np.array(spacing, float)
    strides, kernels = [[1, 1, 1]], [[3 if v < 2 * voxel.min() else 1 for v in voxel]]
    while len(strides) < most_levels:
        halved = (size >= 2 * MIN_EDGE) & (voxel < 2 * voxel[size >= 2 * MIN_EDGE].min(initial=np.inf))
        if not halved.any():
            break
        step = np.where(halved, 2, 1)
        size, voxel = np.floor(size / step), voxel * step
        strides.append(step.tolist())
        kernels.append([3 if v < 2 * voxel.min() else 1 for v in voxel])
    if len(strides) == 1:  # a volume of under 8 voxels each way: still two levels
        strides.append([2 if n >= 2 else 1 for n in patch])
        kernels.append([3, 3, 3])
    return strides, kernels


def plan_patch(median_shape: Sequence[float], spacing: Sequence[float], budget: int) -> list[int]:
    """Choose a patch (k, j, i) of about `budget` voxels, physically as near to a cube as the volumes allow."""
    shape, voxel = np.array(median_shape, float), np.array(spacing, float)
    low, high = 0.0, float((shape * voxel).max())
    for _ in range(60):  # bisection for the physical edge whose clipped box has the voxels of the budget
        edge = (low + high) / 2
        if np.minimum(np.maximum(edge / voxel, 1), shape).prod() > budget:
            high = edge
        else:
            low = edge
    return [max(1, int(v + 1e-6)) for v in np.minimum(np.maximum(high / voxel, 1), shape)]


def fit_to_strides(patch: Sequence[int], spec: NetworkSpec, largest: Sequence[int] | None = None) -> list[int]:
    """Round each side to a multiple of the strides' product: to the nearest, or up where that holds a whole volume."""
    fitted = []
    limits = largest if largest is not None else [0, 0, 0]
    for size, divisor, limit in zip(patch, spec.patch_divisor, limits, strict=True):
        rounded = max(divisor, round(size / divisor) * divisor)
        if size >= limit:  # the patch spans the volumes: keep all of them in it
            rounded = math.ceil(size / divisor) * divisor
        fitted.append(rounded)
    return fitted


def class_weights(fingerprints: Sequence[Fingerprint], table: Sequence[Segment], overlapping: bool) -> list[float]:
    """Weights of the output channels against imbalance; see the module's text."""
    keys = [name_key(s.name) for s in table]
    counts = [sum(f.voxels.get(key, 0) for f in fingerprints) for key in ([] if overlapping else [""]) + keys]
    total = max(sum(counts), 1)
    weights = np.array([(max(count, 1) / total) ** -0.25 for count in counts])
    weights /= weights.mean()
    return [float(v) for v in np.clip(weights, 1 / 3, 3.0)]


def memory_estimate(patch: Sequence[int], batch: int, spec: NetworkSpec) -> int:
    """Bytes that a training step of a U-Net takes, weights and optimiser included."""
    filters = spec.filters
    weights = sum(27 * a * b * 4 for a, b in zip([1, *filters], [*filters, filters[-1]], strict=False))
    activations = math.prod(patch) * batch * spec.channels_per_voxel * _BYTES_PER_VOXEL_AND_CHANNEL
    return int(activations + _FIXED_BYTES + weights * 6)


def smaller_patch(patch: Sequence[int], batch: int, spec: NetworkSpec) -> tuple[list[int], int] | None:
    """Give the next smaller patch and batch: first half the batch, then less of the longest side; None at the end."""
    if batch > 1:
        return list(patch), batch // 2
    divisor = spec.patch_divisor
    for n in sorted(range(3), key=lambda n: -patch[n]):
        least = max(divisor[n], math.ceil(MIN_PATCH / divisor[n]) * divisor[n])
        smaller = max(int(patch[n] * 0.75) // divisor[n] * divisor[n], least)
        if smaller < patch[n]:
            return [smaller if m == n else patch[m] for m in range(3)], 1
    return None


def make_plan(
    fingerprints: Sequence[Fingerprint],
    table: Sequence[Segment],
    *,
    device: str,
    preset: str,
    available_bytes: int,
    overrides: PlanOverrides | Json | None = None,
) -> Plan:
    """Make the plan of a training.

    Parameters
    ----------
    fingerprints : sequence of Fingerprint
        Of the training cases.
    device : str
        "cpu" or "cuda".
    preset : str
        "quick", "standard" or "thorough".
    available_bytes : int
        Memory of the device that is free.
    overrides : PlanOverrides or mapping, optional

    Raises
    ------
    MemoryLimitError
        If not even the smallest patch fits.
    """
    chosen = PlanOverrides.of(overrides)
    reasons = {key: "asked for" for key in chosen.given()}
    spacing, unit, reasons["spacing"] = training_spacing(
        fingerprints, "auto" if chosen.spacing is None else chosen.spacing
    )
    median = np.median(resampled_shapes(fingerprints, spacing, unit), axis=0).tolist()
    overlapping = any(f.overlapping for f in fingerprints)
    reasons["output"] = "segments overlap" if overlapping else "segments do not overlap"
    kji = spacing[::-1] if spacing else (1.0, 1.0, 1.0)
    spec, patch = _network_and_patch(len(table), overlapping, median, kji, device, preset, chosen, reasons)
    batch = chosen.batch_size or (2 if device == "cuda" else 1)
    reasons.setdefault("batch_size", "1 learns fastest on a CPU" if device == "cpu" else "GPU")
    patch, batch = fit_to_memory(patch, batch, spec, available_bytes, reasons)
    reasons.setdefault("normalisation", "each volume's own percentiles: intensities need no fixed meaning")
    normal = _normalisation(fingerprints, chosen.normalisation or "volume")
    return Plan(
        spec=spec,
        patch_size=(patch[0], patch[1], patch[2]),
        batch_size=batch,
        spacing=(spacing[0], spacing[1], spacing[2]) if spacing else None,
        unit=unit,
        preprocessing=Preprocessing(normal, (patch[0], patch[1], patch[2])),
        class_weights=class_weights(fingerprints, table, overlapping),
        memory_bytes=memory_estimate(patch, batch, spec),
        reasons=reasons,
        growth=plan_growth(patch, batch, spec, device) if chosen.grow is not False else [],
    )


def _network_and_patch(
    segments: int,
    overlapping: bool,
    median: Sequence[float],
    spacing: Sequence[float],
    device: str,
    preset: str,
    chosen: PlanOverrides,
    reasons: dict[str, str],
) -> tuple[NetworkSpec, list[int]]:
    """Choose the network and its patch (k, j, i), whatever memory there is, for volumes of a median shape; note why."""
    on_gpu = device == "cuda"
    levels = chosen.levels or (5 if on_gpu or preset == "thorough" else 4)
    wanted = chosen.patch_size or plan_patch(median, spacing, PATCH_BUDGET[device][preset] ** 3)
    strides, kernels = plan_strides(wanted, spacing, levels)
    spec = unet_spec(
        segments,
        overlapping=overlapping,
        base=chosen.base or (32 if on_gpu else 16),
        light=bool(chosen.light),
        strides=strides,
        kernels=kernels,
        residual=chosen.residual is not False,
    )
    volume = " x ".join(f"{side:g}" for side in median[::-1])
    told = f"budget of {preset} training on {device}, median volume {volume}"
    reasons.setdefault("patch_size", told)
    reasons.setdefault("residual", "residual blocks learn more per minute")
    largest = None if chosen.patch_size is not None else np.ceil(median).astype(int).tolist()
    return spec, fit_to_strides(wanted, spec, largest)


def fit_to_memory(
    patch: list[int], batch: int, spec: NetworkSpec, available_bytes: int, reasons: dict[str, str]
) -> tuple[list[int], int]:
    """Make patch and batch smaller until a step fits into the memory; MemoryLimitError if nothing does."""
    limit = int(available_bytes * MEMORY_SHARE)
    while memory_estimate(patch, batch, spec) > limit:
        smaller = smaller_patch(patch, batch, spec)
        if smaller is None:
            raise MemoryLimitError(
                f"training with the smallest patch ({size_text(patch)} voxels) needs about "
                f"{memory_estimate(patch, batch, spec) >> 20} MiB, but only {limit >> 20} MiB may be used; "
                "close other programs or choose fewer --base-filters."
            )
        patch, batch = smaller
        reasons["patch_size"] = f"made smaller to fit into {limit >> 20} MiB of memory"
    return patch, batch


def _normalisation(fingerprints: Sequence[Fingerprint], kind: str) -> Normalisation:
    """Describe the normalisation; "fixed" takes the median of the volumes' own statistics."""
    if kind not in ("volume", "fixed", "none"):
        raise InputError(f"normalisation must be volume, fixed or none, not {kind!r}.")
    if kind != "fixed":
        return Normalisation(kind)
    known = [f.statistics.to_json() for f in fingerprints if f.statistics is not None]
    pooled = {name: float(np.median([statistics[name] for statistics in known])) for name in known[0]}
    return Normalisation(kind, statistics=IntensityStatistics.from_json(pooled))

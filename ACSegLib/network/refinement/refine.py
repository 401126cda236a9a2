"""Second level: a network that looks again at 64^3 regions along the predicted surface, at the image's own resolution.

The idea is that of Erozan et al., iScience 27 (2024) 109856 (a second network on regions along the surface). Here it
also sees what the first one thought: its input is the image and the first network's probabilities, so it corrects
rather than segments anew, and where no surface passes nothing changes. Regions overlap and are blended by windows that
sum to 1.

Both networks live in one model file: a spec of kind "unet-with-surface" is that of the first, with ``first_kind`` and
the second's spec under ``surface``; weights are named "first.*" and "surface.*". Such a model predicts, and counts for
everything that does not know of the second network, as the first.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.compute import reuse_freed_memory
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import apply_statistics, statistics_for
from ACSegLib.network.predict.backends import Backend, choose_backend, make_backend
from ACSegLib.network.predict.inference import Prediction, PredictionSettings
from ACSegLib.network.predict.plane_sink import PlaneSink, assemble, on_host, scratch_array
from ACSegLib.network.predict.tiling import Tiling, place_tiles
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.volume import Segmentation, Volume

if TYPE_CHECKING:
    import torch

KIND = "unet-with-surface"
REGION = 64
OVERLAP = 16
_PLANES = 16
#: Where a region lies: its indices in the tiling, and its first voxel (k, j, i).
Region = tuple[tuple[int, int, int], tuple[int, int, int]]


def build_with_surface(spec: Mapping[str, Any]) -> torch.nn.Module:
    """Build a network of kind "unet-with-surface": a module whose forward is that of the first network."""
    from torch import nn

    from ACSegLib.network.model.architecture import build_network

    surface = spec.get("surface")
    if not isinstance(surface, Mapping) or spec.get("first_kind") == KIND or surface.get("kind") == KIND:
        raise InputError("the model's second network is not described as it should be; the file is damaged.")

    class WithSurface(nn.Module):
        """The first network, which answers, and the second beside it."""

        def __init__(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
            super().__init__()
            self.first = build_network(first)
            self.surface = build_network(second)

        def forward(self, image: torch.Tensor) -> Any:
            """Give what the first network gives."""
            return self.first(image)

    return WithSurface(first_spec(spec), surface)


def first_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Spec of the first network alone."""
    if spec.get("kind") != KIND:
        return dict(spec)
    return {**{k: v for k, v in spec.items() if k not in ("surface", "first_kind")}, "kind": spec["first_kind"]}


def first_network(model: Model) -> Model:
    """The model without its second network; the model itself if it has none."""
    if model.spec.get("kind") != KIND:
        return model
    return replace(model, spec=first_spec(model.spec), state_dict=_part(model, "first."))


def second_network(model: Model) -> Model | None:
    """The second network as a model of its own; None if there is none."""
    if model.spec.get("kind") != KIND:
        return None
    return replace(model, spec=dict(model.spec["surface"]), state_dict=_part(model, "surface."))


def require_second_network(model: Model) -> Model:
    """As `second_network`; InputError if there is none."""
    second = second_network(model)
    if second is None:
        raise InputError(
            "the model has no second network for the surface; train with --surface-refinement, or use --refine walk."
        )
    return second


def with_second_network(model: Model, spec: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> Model:
    """Put a second network into a model (in the place of an older one)."""
    first = first_network(model)
    weights = {f"first.{k}": v for k, v in first.state_dict.items()} | {f"surface.{k}": v for k, v in state.items()}
    joined = {**first.spec, "kind": KIND, "first_kind": first.spec["kind"], "surface": dict(spec)}
    return replace(first, spec=joined, state_dict=weights)


def _part(model: Model, prefix: str) -> dict[str, torch.Tensor]:
    return {k[len(prefix) :]: v for k, v in model.state_dict.items() if k.startswith(prefix)}


def foreground(probabilities: np.ndarray, spec: Mapping[str, Any]) -> np.ndarray:
    """The channels of segments: all (sigmoid), or all but the background (softmax)."""
    return probabilities if spec.get("output") == "sigmoid" else probabilities[1:]


@reuse_freed_memory()
def refine_surface(
    volume: Volume,
    prediction: Prediction,
    model: Model,
    settings: PredictionSettings | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Let the second network correct the surface of a prediction.

    Parameters
    ----------
    volume : Volume
        The image that was predicted.
    prediction : Prediction
        Of the same model, with probabilities.
    model : Model
        With a second network.

    Returns
    -------
    Prediction
        New labels and probabilities; the report gains ``surface_regions`` and ``surface_seconds``.

    Raises
    ------
    InputError
        If the model has no second network, or the prediction no probabilities.
    """
    settings, progress = settings or PredictionSettings(), progress or Progress()
    second = require_second_network(model)
    if prediction.probabilities is None:
        raise InputError("the surface can be refined only with probabilities; predict with keep_probabilities.")
    clock = time.perf_counter()
    # Beyond the ROI the probabilities are 0, which is no opinion: the ROI is refined as an image of its own.
    place = tuple(slice(a, b) for a, b in settings.roi or [(0, n) for n in volume.shape])
    tiling = surface_tiling(tuple(p.stop - p.start for p in place))
    regions = list(surface_regions([layer[place] for layer in prediction.segmentation.layers], tiling))
    choice = choose_backend(settings.device, settings.backend)
    backend = make_backend(
        second, tiling.tile, device=choice.device, backend=choice.backend, precision=settings.precision
    )
    probabilities = scratch_array(prediction.probabilities.shape)
    for k in range(probabilities.shape[1]):
        probabilities[:, k] = prediction.probabilities[:, k]
    stages = progress.stages(correct=95, label=5)
    _correct(probabilities, prediction.probabilities, volume, place, model, backend, tiling, regions, stages.correct)
    segmentation = labels_from_probabilities(probabilities, volume, model, settings, stages.label)
    report = {
        **prediction.report,
        "surface_regions": len(regions),
        "surface_seconds": round(time.perf_counter() - clock, 3),
    }
    return Prediction(segmentation, probabilities, report)


def _correct(
    new: np.ndarray,
    old: np.ndarray,
    volume: Volume,
    place: tuple[slice, ...],
    model: Model,
    backend: Backend,
    tiling: Tiling,
    regions: Sequence[Region],
    progress: Progress,
) -> None:
    """Blend the second network's change of each region into the new probabilities, in place; regions lie in `place`."""
    statistics = statistics_for(volume.array, model.preprocessing.get("normalisation", {"kind": "volume"}))
    old, new = old[(slice(None), *place)], new[(slice(None), *place)]
    corner = tuple(p.start for p in place)
    windows = [tiling.windows(axis) for axis in range(3)]
    for n, (where, start) in enumerate(regions):
        progress(n / len(regions), f"surface region {n + 1} of {len(regions)}")
        before, inputs = _inputs(volume.array, corner, old, start, tiling, statistics, model.spec)
        after = on_host(backend(inputs, progress))[0]
        size = before.shape[1:]
        weights = [windows[axis][where[axis]] for axis in range(3)]
        change = (after[:, : size[0], : size[1], : size[2]] - before) * (weights[1][:, None] * weights[2])
        change *= weights[0][:, None, None]
        box = tuple(slice(s, s + m) for s, m in zip(start, size, strict=True))
        new[(slice(None), *box)] += change.astype(np.float16)


def surface_tiling(shape: Sequence[int]) -> Tiling:
    """Where regions may lie in a volume."""
    return place_tiles(shape, (REGION,) * 3, (OVERLAP,) * 3)


def surface_regions(layers: Sequence[np.ndarray], tiling: Tiling) -> Iterator[Region]:
    """Regions of the tiling whose inner part a surface of these labels passes: their indices, their starts."""
    places = itertools.product(*(enumerate(s) for s in tiling.starts))
    inset = OVERLAP // 4
    for (a, k), (b, j), (c, i) in places:
        start = (k, j, i)
        inner = tuple(
            slice(s + (inset if s else 0), min(s + n - inset if s + n < m else m, m))
            for s, n, m in zip(start, tiling.tile, tiling.shape, strict=True)
        )
        if any(layer[inner].min() != layer[inner].max() for layer in layers):
            yield (a, b, c), start


def _inputs(
    array: np.ndarray,
    corner: tuple[int, ...],
    probabilities: np.ndarray,
    start: tuple[int, int, int],
    tiling: Tiling,
    statistics: Mapping[str, float] | None,
    spec: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """First probabilities (channels, k, j, i) of a region, and the second network's input (1, 1 + segments, ...).

    The probabilities' first voxel is the image's voxel `corner`.
    """
    box = tuple(slice(s, s + n) for s, n in zip(start, tiling.tile, strict=True))
    before = np.asarray(probabilities[(slice(None), *box)], np.float32)
    seen = tuple(slice(c + s, c + s + n) for c, s, n in zip(corner, start, before.shape[1:], strict=True))
    image = apply_statistics(array[seen], statistics)
    joined = np.concatenate([image[None], foreground(before, spec)])
    missing = [(0, 0)] + [(0, n - m) for n, m in zip(tiling.tile, image.shape, strict=True)]
    return before, np.pad(joined, missing, mode="edge")[None]


def labels_from_probabilities(
    probabilities: np.ndarray, volume: Volume, model: Model, settings: PredictionSettings, progress: Progress
) -> Segmentation:
    """Make the segmentation that probabilities (channels, k, j, i) stand for, as a prediction makes it of its own."""
    (k0, k1), (j0, j1), (i0, i1) = settings.roi or [(0, n) for n in volume.shape]
    grid = WorkingGrid((k0, j0, i0), (k1, j1, i1), (k1 - k0, j1 - j0, i1 - i0))
    sink = PlaneSink(grid, model, False, settings.memory_limit, settings.thin_for(model))
    for k in range(k0, k1, _PLANES):
        progress((k - k0) / (k1 - k0), "labelling the refined surface")
        planes = probabilities[:, k : min(k + _PLANES, k1), j0:j1, i0:i1]
        sink.take(np.asarray(planes, np.float32))
    sink.finish(progress)
    return assemble(volume, model, settings.roi, grid, sink)[0]

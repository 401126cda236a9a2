"""Biomedisa's own prediction, voxel for voxel: scale, normalise, patch, sum, scale back.

It serves to get from a Biomedisa model what Biomedisa gives. `ACSegLib.network.predict.inference` runs the same weights
at native resolution, with weighted tiles and without the detours of this one. What Biomedisa does
(Lösel et al., Nature Communications 11, 2020, 5577, and its documentation):

1. scale to the fixed size of the training (area averaging if any axis shrinks, cubic otherwise, first in the planes,
   then across), bring to 0..1, match mean and deviation of the first training image, clip to 0..1;
   models trained without scaling normalise each patch instead;
2. mirror at the far ends up to a multiple of the patch, predict patches at a fixed stride, sum the probabilities
   without weights, take the largest;
3. scale each label's mask back by itself, in ascending order, later labels over earlier ones.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.compute import reuse_freed_memory, usable_memory
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume, label_dtype

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.model.preprocessing import BiomedisaPreprocessing
    from ACSegLib.network.predict.inference import Prediction, PredictionSettings

#: Probabilities of patches: float32 (1, channels, k, j, i) -> float32 (1, classes, k, j, i).
PatchPredictor = Callable[[np.ndarray], np.ndarray]
DEFAULT_STRIDE = 32


def predict_like_biomedisa(
    array: np.ndarray,
    preprocessing: BiomedisaPreprocessing,
    predict_patch: PatchPredictor,
    *,
    stride: int = DEFAULT_STRIDE,
    probabilities: bool = False,
    available_memory: int | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Predict one image as Biomedisa does.

    Parameters
    ----------
    array : ndarray, shape (k, j, i)
        The image, any numeric type, one channel.
    preprocessing : BiomedisaPreprocessing
        Of a model from `import_biomedisa`.
    predict_patch : callable
        Runs the network in float32 on one patch and gives its probabilities.
    stride : int
        Distance of patches in voxels; Biomedisa's default is 32.
    available_memory : int, optional
        Bytes that may be used.

    Returns
    -------
    labels : ndarray of uint8, shape (k, j, i)
        Biomedisa's original label values.
    probabilities : ndarray of float32, shape (classes, k, j, i), or None
        Only when asked for: mean over the patches, scaled back linearly.

    Raises
    ------
    MemoryLimitError
        If the sum of probabilities would not fit.
    InputError
        If the stride is out of range.
    """
    progress = progress or Progress()
    patch = [int(v) for v in preprocessing.patch]
    if not 1 <= stride <= min(patch):
        raise InputError(f"stride must be 1 to {min(patch)} for this model, not {stride}.")
    size, padded = _sizes(array.shape, preprocessing)
    classes = len(preprocessing.labels)
    needed = 4 * math.prod(map(int, padded)) * (classes + 3)
    if available_memory is not None and needed > available_memory:
        raise MemoryLimitError(
            f"the method of Biomedisa needs {needed / 2**30:.1f} GiB for {size} voxels, and "
            f"{available_memory / 2**30:.1f} GiB are free; use --native, which processes the volume in tiles."
        )
    stages = progress.stages(scale=2, predict=93, scale_back=5)
    stages.scale(0.0, "scaling the image")
    image = _prepare(np.asarray(array, np.float32), size, preprocessing)
    image = np.pad(image, [(0, p - n) for n, p in zip(size, padded, strict=True)], mode="symmetric")
    total = _sum_of_patches(image, patch, stride, classes, preprocessing, predict_patch, stages.predict)
    total = total[:, : size[0], : size[1], : size[2]]
    stages.scale_back(0.0, "scaling the labels back")
    values = np.array(preprocessing.labels)
    labels = values[np.argmax(total, axis=0)].astype(label_dtype(preprocessing.labels))
    labels = _resize_labels(labels, array.shape) if preprocessing.scaling else labels
    return labels, _final_probabilities(total, array.shape) if probabilities else None


def _prepare(image: np.ndarray, size: Sequence[int], preprocessing: BiomedisaPreprocessing) -> np.ndarray:
    """Scale and normalise a float32 image as in training."""
    if preprocessing.scaling:
        image = _resize(image, size)
    image = image - image.min()
    largest = image.max()
    if largest > 0:
        image /= largest
    if preprocessing.normalise:
        deviation = image.std()
        if deviation > 0:
            image = (image - image.mean()) / deviation
        image = image * np.float32(preprocessing.std[0]) + np.float32(preprocessing.mean[0])
        np.clip(image, 0, 1, out=image)
    return image


def _sum_of_patches(
    image: np.ndarray,
    patch: Sequence[int],
    stride: int,
    classes: int,
    preprocessing: BiomedisaPreprocessing,
    predict_patch: PatchPredictor,
    progress: Progress,
) -> np.ndarray:
    """Sum of class probabilities over all patches, float32 (classes, k, j, i)."""
    total = np.zeros((classes, *image.shape), np.float32)
    starts = list(itertools.product(*_patch_starts(image.shape, patch, stride)))
    for n, start in enumerate(starts):
        progress(n / len(starts), f"patch {n + 1} of {len(starts)}")
        place = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
        tile = image[place]
        if preprocessing.patch_normalise:
            tile = (tile - tile.mean()) / max(float(tile.std()), 1e-6)
        total[(slice(None), *place)] += predict_patch(tile[None, None])[0]
    return total


def _patch_starts(padded: Sequence[int], patch: Sequence[int], stride: int) -> list[range]:
    return [range(0, n - p + 1, stride) for n, p in zip(padded, patch, strict=True)]


def _sizes(shape: Sequence[int], preprocessing: BiomedisaPreprocessing) -> tuple[list[int], list[int]]:
    """Shape that the image is scaled to, and that shape padded to a multiple of the patch."""
    size = [int(v) for v in (preprocessing.scale if preprocessing.scaling else shape)]
    return size, [n + -n % p for n, p in zip(size, preprocessing.patch, strict=True)]


def _count_patches(shape: Sequence[int], preprocessing: BiomedisaPreprocessing, stride: int) -> int:
    padded = _sizes(shape, preprocessing)[1]
    return int(np.prod([len(r) for r in _patch_starts(padded, preprocessing.patch, stride)]))


def _resize(array: np.ndarray, shape: Sequence[int], method: str = "auto") -> np.ndarray:
    """Scale planes of constant k to (j, i), then planes of constant j to (k, i), with OpenCV's interpolation.

    OpenCV's rounding of uint8 is part of the result, so OpenCV itself does it.
    """
    import cv2

    if tuple(array.shape) == tuple(shape):
        return array.copy()
    shrinks = any(new < old for new, old in zip(shape, array.shape, strict=True))
    interpolation = cv2.INTER_LINEAR if method == "linear" else cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    k, j, i = shape
    planes = np.empty((array.shape[0], j, i), array.dtype)
    for n in range(array.shape[0]):
        planes[n] = cv2.resize(np.ascontiguousarray(array[n]), (i, j), interpolation=interpolation)
    result = np.empty((k, j, i), array.dtype)
    for n in range(j):
        result[:, n] = cv2.resize(np.ascontiguousarray(planes[:, n]), (i, k), interpolation=interpolation)
    return result


def _resize_labels(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Scale each label's mask by itself; where the masks overlap the larger value stays."""
    result = np.zeros(shape, labels.dtype)
    for value in np.unique(labels):
        if value:
            mask = _resize((labels == value).astype(np.uint8), shape)
            result[mask == 1] = value
    return result


def _final_probabilities(total: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Mean of the patches' probabilities on the image's grid."""
    weight = total.sum(axis=0)
    weight[weight == 0] = 1
    return np.stack([_resize(channel / weight, shape, "linear") for channel in total])


def _finite(image: np.ndarray, notes: list[str]) -> np.ndarray:
    """The image, float32; one voxel that is no number would spoil it all, so such are the mean of the others."""
    image = np.asarray(image, np.float32)
    good = np.isfinite(image)
    if good.all():
        return image
    if not good.any():
        raise InputError("the image holds no finite value; check how it was written.")
    notes.append(f"{np.count_nonzero(~good)} voxels are not finite; they were replaced by the mean")
    return np.where(good, image, image.mean(where=good, dtype=np.float64)).astype(np.float32)


@reuse_freed_memory()
def predict_biomedisa(
    volume: Volume, model: Model, settings: PredictionSettings, stride: int, progress: Progress
) -> Prediction:
    """Predict a volume with an imported model as Biomedisa does, always in float32.

    Of the settings ``device``, ``backend``, ``roi``, ``memory_limit`` and ``keep_probabilities`` count.

    Raises
    ------
    InputError, MemoryLimitError
        As `predict_like_biomedisa`; InputError too if no voxel is finite, or all have one value.
    """
    from ACSegLib.network.predict.backends import make_backend
    from ACSegLib.network.predict.inference import Prediction, require_contrast
    from ACSegLib.network.predict.plane_sink import on_host
    from ACSegLib.network.predict.report import PredictionReport

    own = model.preprocessing.biomedisa
    if own is None:
        raise InputError("the model was not imported from Biomedisa; predict with it as with any other.")
    if own.separation:
        raise InputError("this Biomedisa model separates instances, which is not supported; use --native.")
    if model.spec.in_channels != 1:
        raise InputError(f"the model takes images of {model.spec.in_channels} channels, but {volume.name!r} has one.")
    clock = time.perf_counter()
    roi = settings.roi or tuple((0, n) for n in volume.shape)
    place = tuple(slice(a, b) for a, b in roi)
    for axis, (low, high), size in zip("kji", roi, volume.shape, strict=True):
        if not 0 <= low < high <= size:
            raise InputError(f"--roi {low}..{high} along {axis} must lie within 0..{size} and not be empty.")
    require_contrast(volume, progress.check)
    backend = make_backend(model, own.patch, device=settings.device, backend=settings.backend, precision="float32")

    def predict_patch(tile: np.ndarray) -> np.ndarray:
        return on_host(backend(np.ascontiguousarray(tile, np.float32), progress))

    notes = ["predicted in Biomedisa's way; --native keeps the image's resolution"]
    labels, probabilities = predict_like_biomedisa(
        _finite(volume.array[place], notes),
        own,
        predict_patch,
        stride=stride,
        probabilities=settings.keep_probabilities,
        available_memory=settings.memory_limit or usable_memory(),
        progress=progress,
    )
    whole = np.zeros(volume.shape, labels.dtype)
    whole[place] = labels
    if probabilities is not None and settings.roi is not None:
        full = np.zeros((len(probabilities), *volume.shape), np.float32)
        full[(slice(None), *place)] = probabilities
        probabilities = full
    report = PredictionReport(
        backend=backend.name,
        device=backend.device,
        precision=backend.precision,
        tile=list(own.patch),
        tiles=_count_patches([b - a for a, b in roi], own, stride),
        seconds=round(time.perf_counter() - clock, 3),
        notes=notes,
    )
    segmentation = Segmentation((whole,), list(model.segments), volume.geometry, volume.name)
    return Prediction(segmentation, probabilities, report)

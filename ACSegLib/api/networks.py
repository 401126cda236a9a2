"""Train and predict: 3D U-Nets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ACSegLib.api.arguments import check_ranges, check_types
from ACSegLib.api.data import Path, open
from ACSegLib.api.inputs import as_pair, as_region, as_volume
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Volume, as_names
from ACSegLib.workflows import PredictRequest, TrainRequest

if TYPE_CHECKING:
    from ACSegLib.api.inputs import Image, Labels, Spacing
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.inference import Prediction
    from ACSegLib.network.train.data import Case
    from ACSegLib.network.train.training import TrainingResult


def predict(
    image: Image,
    model: Model | TrainingResult | Path | None = None,
    *,
    spacing: Spacing | None = None,
    unit: str | None = None,
    probabilities: bool = PredictRequest.probabilities,
    tta: bool = PredictRequest.tta,
    refine: str = PredictRequest.refine,
    thin: float | None = PredictRequest.thin,
    contrast: str = PredictRequest.contrast,
    device: str = PredictRequest.device,
    roi: Sequence[slice] | None = None,
    largest: str | Sequence[str] = PredictRequest.largest,
    islands: float | None = PredictRequest.islands,
    holes: float | None = PredictRequest.holes,
    cells: bool = PredictRequest.cells,
    native: bool = PredictRequest.native,
    stride: int = PredictRequest.stride,
    resample: bool = PredictRequest.resample,
    backend: str = PredictRequest.backend,
    precision: str = PredictRequest.precision,
    tile: Sequence[int] = (),
    overlap: float = PredictRequest.overlap,
    memory: float | None = PredictRequest.memory,
    progress: Progress | None = None,
) -> Prediction:
    """Segment an image with a trained network.

    Parameters
    ----------
    image : Volume or array_like, shape (z, y, x)
        One channel, any real number type. Values that are not finite count as the mean.
    model : Model, TrainingResult or path, optional
        A model file (``.acseg``, or Biomedisa's ``.h5``), a model, or the result of `train`. The default is the
        pretrained model: cytoplasm 1, bead 2.
    spacing : float or sequence of 3 floats, optional
        Voxel size of an array along (z, y, x). Without it, the voxels are assumed to have the size of the training.
    unit : str, optional
        Unit of `spacing`. It must be given with a spacing if the model has a physical voxel size.
    probabilities : bool
        Also return the probabilities of the network.
    tta : bool
        Average over the eight mirror images.
    refine : {"auto", "none", "network", "walk"}
        Refine the surface by the refinement network of the model, or by a random walk from the certain voxels. "auto"
        uses what a model that reduces images needs: its refinement network, if it has one, and the walk if the
        image is still finer than the result.
    thin : float, optional
        Probability from which voxels of thin structures belong to their segment, up to 0.5; that of the calibration
        by default.
    contrast : {"auto", "bright", "dark"}
        Which intensities absorb. "auto" means bright ones, unless the pretrained model is much more certain about the
        inverted image.
    device : str
        Where to compute: "auto", "cpu", "cuda", ...
    roi : sequence of 3 slices, optional
        Region to predict, in array order: ``np.s_[10:50, :, 20:80]``. The rest of the result is background.
    largest : str or sequence of str
        Segments of which only the largest component is kept.
    islands, holes : float, optional
        Remove components, and fill enclosed holes, that are smaller than this: voxels, or a fraction below 1.
    cells : bool
        Make touching cells segments of their own, as `split` does.
    native : bool
        Run a Biomedisa model at native resolution.
    stride : int
        Distance of patches in the method of Biomedisa.
    resample : bool
        Resample the image to the voxel size of the training.
    backend : {"auto", "openvino", "pytorch"}
        The library that runs the network.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Number type of the computation.
    tile : sequence of 3 ints
        Tile size along (z, y, x); the largest that fits by default.
    overlap : float
        Overlap of tiles as a fraction of the training patch, 0 to 0.5.
    memory : float, optional
        Memory in GiB that may be used.
    progress : Progress, optional
        Reports progress, and cancels.

    Returns
    -------
    Prediction
        ``labels`` is an array; ``segmentation``, ``probabilities``, ``report``.

    Raises
    ------
    InputError
        If image, model and options do not fit together.
    FileError
        If the model file cannot be read.
    MemoryLimitError
        If not even the smallest tile fits in memory.
    Cancelled
        If the progress was cancelled.
    """
    from ACSegLib.workflows import run

    volume = as_volume(image, spacing, unit)
    opened = _opened(model, arrays=True)  # a prediction by OpenVINO needs no torch
    _require_unit(volume, opened, spacing)
    request = PredictRequest(
        volume=volume,
        model=opened,
        probabilities=probabilities,
        tta=tta,
        refine=refine,
        thin=thin,
        contrast=contrast,
        device=device,
        roi=as_region(roi, volume.shape, "roi"),
        largest=as_names(largest),
        islands=islands,
        holes=holes,
        cells=cells,
        native=native,
        stride=stride,
        resample=resample,
        backend=backend,
        precision=precision,
        tile=tuple(tile)[::-1],
        overlap=overlap,
        memory=memory,
    )
    prediction = run(request, progress=progress)
    return prediction if probabilities else dataclasses.replace(prediction, probabilities=None)


def _opened(model: Model | TrainingResult | Path | None, *, arrays: bool = False) -> Model:
    """The model that is meant: from a file (with numpy `arrays`?), of a training, the pretrained one, or itself."""
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.model.pretrained import open_model
    from ACSegLib.network.train.training import TrainingResult

    if isinstance(model, TrainingResult):
        return model.model
    if isinstance(model, Model):
        return model
    if model is not None and not isinstance(model, (str, os.PathLike)):
        raise InputError(f"model must be a model, the result of a training or a path, not {type(model).__name__}.")
    return open_model(None if model is None else os.fspath(model), arrays=arrays)


def _require_unit(volume: Volume, model: Model, spacing: Spacing | None) -> None:
    """Refuse a spacing without a unit where the model needs one: the image would not be resampled."""
    if spacing is not None and volume.geometry.unit == "px" and model.spacing is not None and model.unit != "px":
        sizes = ", ".join(f"{size:g}" for size in model.spacing[::-1])
        raise InputError(
            f"spacing={spacing!r} has no unit, but the model was trained with voxels of ({sizes}) {model.unit}; "
            'add the unit: predict(..., spacing=..., unit="nm").'
        )


def train(
    pairs: Sequence[tuple[Image | Path, Labels | Path]],
    *,
    validation: Sequence[tuple[Image | Path, Labels | Path]] = (),
    spacing: Spacing | None = None,
    unit: str | None = None,
    init: Model | TrainingResult | Path | None = None,
    voxel_size: str = TrainRequest.spacing,
    patch: Sequence[int] = (),
    progress: Progress | None = None,
    **options: Any,
) -> TrainingResult:
    """Train a 3D U-Net on images and their labels.

    Parameters
    ----------
    pairs : sequence of (image, labels)
        Each side is an array of shape (z, y, x), a `Volume` or a `Segmentation`, or the path of a file. Files are
        opened when they are needed. Labels may be dense or sparse.
    validation : sequence of (image, labels), optional
        Pairs that are not trained on. They choose the best weights. By default a fifth of `pairs` is used.
    spacing, unit : optional
        Voxel size of all arrays along (z, y, x), and its unit.
    init : Model, TrainingResult or path, optional
        Model to start from.
    voxel_size : str
        Voxel size to train at: "auto", "none" (as the images are), or "X,Y,Z" in the unit of the first image.
    patch : sequence of 3 ints
        Patch size along (z, y, x); from the data if empty.
    progress : Progress, optional
        Reports progress, and cancels.
    **options
        The other fields of `ACSegLib.workflows.TrainRequest`, which are the options of ``acseg train``, for example
        ``preset="quick"``, ``minutes=10``, ``seed=1``.

    Returns
    -------
    TrainingResult
        ``model`` can be passed to `predict` and `save`; ``history`` has one row per epoch.

    Raises
    ------
    InputError
        If the data have problems; the message lists all of them.
    MemoryLimitError
        If the smallest patch does not fit in memory.
    Cancelled
        If the progress was cancelled.
    """
    from ACSegLib.workflows import run

    own = ("cases", "held_out", "model_file", "init", "spacing", "patch")
    known = [field.name for field in dataclasses.fields(TrainRequest) if field.name not in own]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InputError(f"train() has no option {unknown[0]!r}; it has: {', '.join(known)}.")
    hints = {field.name: str(field.type) for field in dataclasses.fields(TrainRequest)}
    check_types(options, hints)
    check_ranges(options, hints, "train")
    cases = [_case(pair, n, spacing, unit) for n, pair in enumerate(pairs)]
    held_out = [_case(pair, n, spacing, unit) for n, pair in enumerate(validation, start=len(cases))]
    request = TrainRequest(
        cases=cases,
        held_out=held_out,
        init=None if init is None else _opened(init),
        spacing=voxel_size,
        patch=tuple(patch)[::-1],
        **options,
    )
    return run(request, progress=progress)


def _case(pair: tuple[Any, Any], number: int, spacing: Spacing | None, unit: str | None) -> Case:
    """A training case of arrays, volumes or paths."""
    from ACSegLib.network.train.data import Case

    try:
        image, labels = pair
    except (TypeError, ValueError):
        raise InputError(f"pair {number} is not an image and its labels, but {type(pair).__name__}.") from None
    if isinstance(image, (str, os.PathLike)) and isinstance(labels, (str, os.PathLike)):
        name = os.path.basename(os.fspath(image))
        return Case(name, lambda: open(image, labels=False), lambda: open(labels, labels=True), {"image": name})
    if isinstance(image, (str, os.PathLike)):
        image = open(image, labels=False)
    if isinstance(labels, (str, os.PathLike)):
        labels = open(labels, labels=True)
    volume, segmentation = as_pair(image, labels, spacing, unit)
    return Case.of(volume, segmentation, f"pair {number}" if volume.name in ("", "image") else volume.name)

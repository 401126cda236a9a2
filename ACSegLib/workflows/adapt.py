"""Adapt a model to tomograms of one microscope: learn from digital twins, simulated tomograms like them.

The tomograms need no labels. The model's own prediction tells where cells are, from which the twins' holder, contrasts,
noise and blur are estimated (`ACSegLib.phantom.twin`). Twins have exact labels, so they train the model and score it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume
from ACSegLib.workflows.packing import from_options
from ACSegLib.workflows.predict import PredictRequest, run_predict
from ACSegLib.workflows.train import beside

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.train.settings import TrainingSettings
    from ACSegLib.phantom.twin import Estimate

_DATA = ("volumes", "model", "model_file")
#: Names of the segments that twins have labels for.
CELLS, BEADS = "cytoplasm", "bead"
#: Twins simulated per minute, within limits: about a sixth of the time on two cores.
_TWINS_PER_MINUTE, _MIN_TWINS, _MAX_TWINS = 5.0, 8, 200
#: Twins that are not trained on: the first choose the weights and calibrate, the others give the scores.
VALIDATION_TWINS, TEST_TWINS = 4, 6
#: One simulated tomogram in so many is of any kind, so that the model keeps what it knows.
_OTHER_EVERY = 5
#: The training gets at least this share of the time, however long the simulation took.
_MIN_TRAINING_SHARE = 0.5
#: Seeds of the twins that are not trained on begin here.
_HELD_OUT_SEED = 1_000_000
#: Voxels along the longest side of the image that an estimate is made on, for models with a voxel size.
_MAX_ESTIMATED = 160
#: A smaller gain in Dice is within the scatter of the twins.
MIN_GAIN = 0.002


@dataclass(frozen=True, kw_only=True, eq=False)
class AdaptRequest:
    """What to adapt to, and for how long.

    Parameters
    ----------
    volumes : sequence of Volume
        Tomograms of one kind, without labels.
    model : Model
        Model to start from. It must see the whole field of view, as the pretrained model does, and have a segment
        "cytoplasm".
    model_file : Path, optional
        File that the caller writes the result to; its checkpoint lies beside it.
    minutes : float
        Length, with the simulation.
    resume : bool
        Continue from the checkpoint.
    device : str
    seed : int
        Of the twins and of the training.
    """

    volumes: Sequence[Volume]
    model: Model
    model_file: Path | None = None
    minutes: float = 10.0
    resume: bool = False
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.volumes:
            raise InputError("there is no tomogram to adapt to; give one or more.")
        if not self.minutes > 0:
            raise InputError(f"--minutes must be more than 0, not {self.minutes:g}.")

    @classmethod
    def from_options(
        cls, volumes: Sequence[Volume], model: Model, options: Any, model_file: Path | None = None
    ) -> AdaptRequest:
        """Make the request from options of ``acseg adapt``, field by field."""
        return cls(volumes=volumes, model=model, model_file=model_file, **from_options(cls, options, _DATA))

    @property
    def twins(self) -> int:
        """Simulated tomograms to train on."""
        return int(np.clip(round(_TWINS_PER_MINUTE * self.minutes), _MIN_TWINS, _MAX_TWINS))


@dataclass(frozen=True)
class AdaptResult:
    """An adapted model, and what it gained on twins that it was not trained on.

    Parameters
    ----------
    model : Model
    estimates : sequence of Estimate
        What each tomogram is like.
    before, after : mapping of str to float
        Mean Dice of each segment.
    twins, steps : int
        Simulated tomograms that were trained on, and steps of the training.
    """

    model: Model
    estimates: Sequence[Estimate]
    before: Mapping[str, float]
    after: Mapping[str, float]
    twins: int
    steps: int

    @property
    def gain(self) -> float:
        """Mean gain in Dice over the segments."""
        return fmean(self.after[name] - self.before[name] for name in self.after)

    @property
    def helped(self) -> bool:
        """Whether the gain is more than the scatter of the twins."""
        return self.gain >= MIN_GAIN


def estimate_tomogram(volume: Volume, model: Model, progress: Progress | None = None) -> Estimate:
    """Estimate what a tomogram is like, from the cells that a model finds in it.

    Raises
    ------
    InputError
        If the model finds no cells.
    """
    from ACSegLib.network.model.preprocessing import resample_image
    from ACSegLib.network.predict.working_grid import reduced_shape
    from ACSegLib.phantom.twin import estimate_twin

    shape = reduced_shape(volume.shape, model.preprocessing)
    step = 1 if shape else -(-max(volume.shape) // _MAX_ESTIMATED)
    if shape:  # the image as the network sees it
        volume = Volume(resample_image(np.asarray(volume.array, np.float32), shape), name=volume.name)
    prediction = run_predict(PredictRequest(volume=volume, model=model, refine="none"), progress)
    segmentation = prediction.segmentation
    masks = [_mask(segmentation, name)[::step, ::step, ::step] for name in (CELLS, BEADS)]
    try:
        return estimate_twin(np.asarray(volume.array)[::step, ::step, ::step], *masks)
    except InputError as error:
        raise InputError(f"{volume.name or 'the tomogram'}: {error}") from error


def run_adapt(request: AdaptRequest, progress: Progress | None = None) -> AdaptResult:
    """Estimate, simulate, train, and score before and after.

    Raises
    ------
    InputError
        If the model does not suit, or finds no cells in a tomogram.
    FileError
        If there is no checkpoint to resume from.
    Cancelled
        The state is kept beside `model_file`.
    """
    from ACSegLib.network.refinement.network import with_refinement_network_of
    from ACSegLib.network.train.checkpoint import require_checkpoint
    from ACSegLib.network.train.training import train

    _require_suitable(request.model)
    if request.resume and request.model_file:  # now, and not after the simulation
        require_checkpoint(beside(request.model_file, ".checkpoint"))
    start, progress = time.monotonic(), progress or Progress()
    stages = progress.stages(estimate=2, simulate=20, score=2, train=74, score_again=2)
    estimates = [
        estimate_tomogram(volume, request.model, part) for volume, part in stages.estimate.each(request.volumes)
    ]
    shapes = [_twin_shape(volume, request.model) for volume in request.volumes]
    seeds = [request.seed * 10_000 + number for number in range(request.twins)]
    seeds += [_HELD_OUT_SEED + number for number in range(VALIDATION_TWINS + TEST_TWINS)]
    pairs = []
    for seed, part in stages.simulate.each(seeds, lambda seed: "simulating digital twins"):
        turn = seed % len(estimates)
        other = seed < _HELD_OUT_SEED and seed % _OTHER_EVERY == _OTHER_EVERY - 1
        pairs.append(_twin(None if other else estimates[turn], shapes[turn], seed, part))
    training, validation, test = np.split(np.arange(len(pairs)), [request.twins, request.twins + VALIDATION_TWINS])
    before = _scores(request.model, [pairs[n] for n in test], stages.score)
    left = request.minutes - (time.monotonic() - start) / 60
    settings = _settings(request, max(left, _MIN_TRAINING_SHARE * request.minutes))
    upright = [_upright(pair, request.model) for pair in pairs]
    result = train([upright[n] for n in training], settings, stages.train, [upright[n] for n in validation])
    after = _scores(result.model, [pairs[n] for n in test], stages.score_again)
    _complete_card(result.model, request, estimates, before, after)
    model = with_refinement_network_of(result.model, request.model)
    return AdaptResult(model, estimates, before, after, len(training), model.card["steps"])


def _require_suitable(model: Model) -> None:
    if CELLS not in {segment.name for segment in model.segments}:
        names = ", ".join(segment.name for segment in model.segments)
        raise InputError(f"twins have cytoplasm and beads alone, but the model segments {names}; adapt another model.")
    if not (model.preprocessing.longest_side or model.preprocessing.mean_side):
        raise InputError(
            "the model has a voxel size of its own, but twins are simulated at the size that a model reduces the whole "
            "field of view to, as the pretrained model does; train it on labelled volumes instead: acseg train --init."
        )


def _mask(segmentation: Segmentation, name: str) -> np.ndarray:
    """Voxels of a segment; nothing if there is none of that name."""
    for segment in segmentation.segments:
        if segment.name == name:
            return segmentation.mask(segment)
    return np.zeros(segmentation.labels.shape, bool)


def _twin_shape(volume: Volume, model: Model) -> tuple[int, int, int]:
    """Shape (k, j, i) that the model sees the tomogram in, large enough for the simulation."""
    from ACSegLib.network.predict.working_grid import reduced_shape

    k, j, i = reduced_shape(volume.shape, model.preprocessing) or volume.shape
    return max(k, 16), max(j, 16), max(i, 16)


def _twin(
    estimate: Estimate | None, shape: tuple[int, int, int], seed: int, progress: Progress
) -> tuple[Volume, Segmentation]:
    """Simulate one twin, or any tomogram without an estimate; all cells are cytoplasm."""
    from ACSegLib.phantom import simulate, vary_packed
    from ACSegLib.phantom.twin import twin_recipe

    recipe = vary_packed(seed) if estimate is None else twin_recipe(estimate, seed)
    phantom = simulate(shape, seed, recipe=recipe, progress=progress)
    image = Volume(phantom.volume.array, Geometry(), f"twin-{seed}")
    segments = [Segment(segment.name, segment.value, segment.colour) for segment in phantom.truth.segments]
    return image, Segmentation((phantom.truth.labels,), segments, Geometry(), image.name)


def _upright(pair: tuple[Volume, Segmentation], model: Model) -> tuple[Volume, Segmentation]:
    """A twin in the orientation in which a prediction of the model sees it."""
    from ACSegLib.network.predict.orientation import in_canonical_orientation

    return in_canonical_orientation(*pair) if model.preprocessing.canonical_axes else pair


def _settings(request: AdaptRequest, minutes: float) -> TrainingSettings:
    from ACSegLib.network.train.settings import TrainingSettings

    checkpoint = beside(request.model_file, ".checkpoint") if request.model_file else None
    return TrainingSettings(
        minutes=minutes,
        device=request.device,
        seed=request.seed,
        learning_rate=1e-3,
        augmentation="canonical" if request.model.preprocessing.canonical_axes else "standard",
        sparse="off",
        patience=0,
        force=True,  # a twin without a bead teaches too
        init=request.model,
        checkpoint=checkpoint,
        keep_checkpoint=checkpoint is not None,
        resume=bool(request.resume and checkpoint),
    )


def _scores(model: Model, pairs: Sequence[tuple[Volume, Segmentation]], progress: Progress) -> dict[str, float]:
    """Mean Dice of each segment, over the twins that have it."""
    dice: dict[str, list[float]] = {segment.name: [] for segment in model.segments}
    for (image, truth), part in progress.each(pairs, lambda pair: "scoring the model on twins"):
        found = run_predict(PredictRequest(volume=image, model=model, refine="none"), part).segmentation
        for name, values in dice.items():
            reference, mask = _mask(truth, name), _mask(found, name)
            if reference.any():
                values.append(2 * np.count_nonzero(reference & mask) / (reference.sum() + mask.sum()))
    return {name: fmean(values) for name, values in dice.items() if values}


def _complete_card(
    model: Model,
    request: AdaptRequest,
    estimates: Sequence[Estimate],
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> None:
    """Say in the card what the model was adapted to."""
    names = [volume.name or f"tomogram {number}" for number, volume in enumerate(request.volumes, 1)]
    origin = request.model.card.get("title") or request.model.card.get("name") or "another model"
    model.card |= {
        "title": f"{origin}, adapted",
        "adapted_to": {name: estimate.as_dict() for name, estimate in zip(names, estimates, strict=True)},
        "dice_on_twins": {"before": dict(before), "after": dict(after)},
    }
    for name in ("trained_on", "licence", "works_on", "fails_on"):
        if name in request.model.card:
            model.card[name] = request.model.card[name]
    model.card.pop("training", None)  # checksums of simulated volumes

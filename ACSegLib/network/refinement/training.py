"""Training of the refinement network, which corrects the first along the surface; see `refine`."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.compute import choose_device, reuse_freed_memory
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import normalise
from ACSegLib.network.model.spec import NetworkSpec, unet_spec
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.network.refinement.network import segment_channels, with_refinement_network, without_refinement_network
from ACSegLib.network.refinement.regions import REGION, cut_region, surface_tiling
from ACSegLib.network.train.calibration import shift_heads
from ACSegLib.network.train.data import IGNORE, IGNORE_NAME, Case, encode_labels, labelled_slices
from ACSegLib.network.train.losses import SegmentationLoss
from ACSegLib.network.train.offsets import count_margins, no_margins, offsets_for
from ACSegLib.network.train.settings import TRAINING_DEVICES
from ACSegLib.network.train.trainer import stop_inside
from ACSegLib.volume import Segmentation, Volume

if TYPE_CHECKING:
    import torch

Pair = tuple[Volume, Segmentation]
#: Voxels of each surface of a volume that are kept as centres of regions.
MAX_PLACES = 20_000
#: After fewer steps, a network that gives the new probabilities itself may still label anything.
FEW_STEPS = 50


@dataclass
class RefinementTraining:
    """Choices for `train_refinement_network`.

    Parameters
    ----------
    minutes : float
        Length of the training, predictions of the main network not counted.
    steps : int, optional
        Length in steps instead.
    base, levels : int
        Size of the refinement network.
    region : int
        Side of the training regions in voxels, a multiple of ``2 ** (levels - 1)``.
    learning_rate, ema : float
        AdamW; decay of the averaged weights.
    seed : int
    device : str
        "auto", "cpu" or "cuda".
    sparse, missing, ignore : str
        As for the main network: only labelled slices count where labels are sparse; what a segment without a row in
        the table of a volume means; ignored regions.
    """

    minutes: float = 10.0
    steps: int | None = None
    base: int = 16
    levels: int = 3
    region: int = REGION
    learning_rate: float = 3e-3
    ema: float = 0.99
    seed: int = 0
    device: str = "auto"
    sparse: str = "auto"
    missing: str = "background"
    ignore: str = IGNORE_NAME


@dataclass
class _Prepared:
    """One training volume: input channels (1 + segments, k, j, i), target (C, k, j, i), segments that it tells of,
    and places on the surface.
    """

    name: str
    inputs: np.ndarray
    target: np.ndarray
    known: np.ndarray
    places: np.ndarray


@reuse_freed_memory()
def train_refinement_network(
    pairs: Sequence[Case | Pair],
    model: Model,
    settings: RefinementTraining | None = None,
    progress: Progress | None = None,
    validation: Sequence[Case | Pair] = (),
) -> Model:
    """Train a refinement network for a model, on the volumes that the model was trained on (or others).

    Parameters
    ----------
    pairs : sequence of Case or of (Volume, Segmentation)
        To learn from. Labels are joined to the model's segments by name.
    model : Model
        The main network (a second one that it has is replaced).
    validation : sequence of Case or of pairs, optional
        The volumes that the best weights of the main network were chosen by: on them, where it is as good as on new
        images, the second is calibrated. Default: those of `pairs` that the first training held back, which are then
        not learned from; if it held back none or only blocks, the refinement network is not calibrated.

    Returns
    -------
    Model
        Both networks; the card gains ``surface``.

    Raises
    ------
    InputError
        If no volume has a surface to learn from.
    Cancelled
        If the user has asked to stop.
    """
    import torch

    settings, progress = settings or RefinementTraining(), progress or Progress()
    if not pairs:
        raise InputError("there is no pair of image and labels to train the refinement network on.")
    model = without_refinement_network(model)
    total = len(pairs) + len(validation)
    stages = progress.stages(
        predict_training=30 * len(pairs) / total, predict_validation=30 * len(validation) / total, train=65, calibrate=5
    )
    training = _cases(pairs, model, settings, stages.predict_training)
    others = _cases(validation, model, settings, stages.predict_validation)
    if not training:
        raise InputError("no training volume has a surface to learn from: the segments are empty or fill the image.")
    if not validation:
        training, others = _without_held_back(training, model)
    strides = [(1, 1, 1)] + [(2, 2, 2)] * (settings.levels - 1)
    spec = unet_spec(
        len(model.segments),
        overlapping=model.spec.overlapping,
        base=settings.base,
        strides=strides,
        residual=False,
        in_channels=1 + len(model.segments),
    )
    device = choose_device(settings.device, TRAINING_DEVICES).name
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build_network(spec).to(device).train()
    averaged, steps, loss = _optimise(network, training, spec, settings, device, stages.train)
    weights = {k: v.detach().cpu() for k, v in averaged.state_dict().items()}
    card: Json = {"steps": steps, "loss": loss, "volumes": len(training), "base": settings.base}
    if others:
        offsets, told = _offsets(averaged, others, model, device, stages.calibrate)
        weights = shift_heads(spec, weights, offsets)
        card["calibration"] = told
    result = with_refinement_network(model, spec, weights)
    result.card = {**model.card, "surface": card}
    if steps < FEW_STEPS:
        note = f"the refinement network was trained for {steps} steps only, and may do harm; train it for longer"
        result.card["warnings"] = [*model.card.get("warnings", []), note]
    return result


def _without_held_back(cases: list[_Prepared], model: Model) -> tuple[list[_Prepared], list[_Prepared]]:
    """The cases that the first training learned from, and those that it held back; none if that were all."""
    if model.card.get("validation_cases"):  # it had volumes of their own, whose names may be those of others here
        return cases, []
    held_back = set(model.card.get("validation", {}).get("cases", {}))
    learned = [case for case in cases if case.name not in held_back]
    return (learned, [case for case in cases if case.name in held_back]) if learned else (cases, [])


def _offsets(
    network: torch.nn.Module, cases: Sequence[_Prepared], model: Model, device: str, progress: Progress
) -> tuple[list[float], Json]:
    """Offset of each segment's logit with the best Dice in the regions along the surface; and what the card tells."""
    import torch

    counts = no_margins(len(model.segments))
    for case, part in progress.each(cases):
        tiling = surface_tiling(case.target.shape[1:])
        for start in itertools.product(*tiling.starts):
            part(0.0, f"calibrating the refinement network on {case.name}")
            inputs, target = _region(case, start, tiling.tile)
            known = target[target != IGNORE]
            if not known.size or known.min() == known.max():
                continue
            with torch.inference_mode():
                logits = network(torch.from_numpy(inputs)[None].to(device)).float().cpu()[0]
            found = count_margins(logits, target, model.spec.overlapping)
            found[~case.known] = 0
            counts += found
    return offsets_for(model.segments, counts)


def _cases(
    pairs: Sequence[Case | Pair],
    model: Model,
    settings: RefinementTraining,
    progress: Progress,
) -> list[_Prepared]:
    cases_kept = []
    options = PredictionSettings(device=settings.device, keep_probabilities=True)
    for n, (pair, part) in enumerate(progress.each(pairs)):
        volume, labels = (pair.open_image(), pair.open_labels()) if isinstance(pair, Case) else pair
        prediction = predict(volume, model, options, part)
        assert prediction.probabilities is not None
        sigmoid = model.spec.overlapping
        target, known = encode_labels(
            labels,
            model.segments,
            overlapping=sigmoid,
            slices=labelled_slices(labels, settings.sparse, settings.ignore).slices,
            missing=settings.missing,
            ignore=settings.ignore,
        )
        image = normalise(volume.array, model.preprocessing.normalisation)
        channels = segment_channels(prediction.probabilities, model.spec)
        inputs = np.concatenate([image[None].astype(np.float16), channels])
        places = _surface_places(target, prediction.segmentation, np.random.default_rng([settings.seed, n]))
        if len(places):
            name = pair.name if isinstance(pair, Case) else volume.name
            cases_kept.append(_Prepared(name, inputs, target, known, places))
    return cases_kept


def _surface_places(target: np.ndarray, predicted: Segmentation, rng: np.random.Generator) -> np.ndarray:
    """Some voxels (n, 3) where truth or prediction change from one voxel to the next, both of known truth."""
    places = []
    known = (target != IGNORE).any(axis=0)
    for labels, told in [*((layer, layer != IGNORE) for layer in target), *((p, known) for p in predicted.layers)]:
        edge = np.zeros(labels.shape, bool)
        for axis in range(3):
            here, before = [slice(None)] * 3, [slice(None)] * 3
            here[axis], before[axis] = slice(1, None), slice(None, -1)
            a, b = tuple(here), tuple(before)
            edge[a] |= (labels[a] != labels[b]) & told[a] & told[b]
        at = np.argwhere(edge)
        places.append(at[rng.permutation(len(at))[:MAX_PLACES]])
    return np.concatenate(places)


def _optimise(
    network: torch.nn.Module,
    cases: Sequence[_Prepared],
    spec: NetworkSpec,
    settings: RefinementTraining,
    device: str,
    progress: Progress,
) -> tuple[torch.nn.Module, int, float]:
    """Train to the end; averaged weights, steps done, mean of the last losses."""
    import torch

    loss_of = SegmentationLoss([1.0] * spec.out_channels, spec.overlapping)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=0.01)
    averaged = copy.deepcopy(network).eval()
    stop_inside(network, progress)
    clock, step, losses = time.monotonic(), 0, [0.0]
    while True:
        done = step / settings.steps if settings.steps else (time.monotonic() - clock) / (60 * settings.minutes)
        if done >= 1:
            break
        progress(done, f"training the refinement network: step {step + 1}, loss {np.mean(losses[-20:]):.3f}")
        rng = np.random.default_rng([settings.seed, 11, step])
        batch = _sample(cases, settings.region, rng)
        inputs, target, known = (tensor.to(device) for tensor in batch)
        rate = settings.learning_rate * min(1.0, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(network(inputs), target, known)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        step += 1
        if not math.isfinite(losses[-1]):
            raise InputError(
                f"the loss of the refinement network became {losses[-1]} at step {step}; check the images for extreme "
                f"values, or train it with a lower learning rate (now {rate:.2g})."
            )
        decay = min(settings.ema, step / (step + 10))
        with torch.no_grad():
            for kept, value in zip(averaged.parameters(), network.parameters(), strict=True):
                kept.lerp_(value, 1 - decay)
    return averaged, step, float(np.mean(losses[-20:]))


def _region(case: _Prepared, start: Sequence[int], size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (float32) and target of a region; beyond the volume the image goes on as it is, and nothing is known."""
    return cut_region(case.inputs, start, size).astype(np.float32), cut_region(case.target, start, size, IGNORE)


def _sample(
    cases: Sequence[_Prepared], region: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs, target and known segments of a region about a place on a surface.

    It is turned over at random, and its first opinion is sometimes blurred.
    """
    import torch

    case = cases[int(rng.integers(len(cases)))]
    shape = case.target.shape[1:]
    centre = case.places[rng.integers(len(case.places))] + rng.integers(-region // 4, region // 4 + 1, 3)
    start = [int(np.clip(c - region // 2, 0, max(0, n - region))) for c, n in zip(centre, shape, strict=True)]
    inputs, target = _region(case, start, (region,) * 3)
    axes = tuple(axis for axis in (1, 2, 3) if rng.random() < 0.5)
    inputs, target = np.flip(inputs, axes).copy(), np.flip(target, axes).copy()
    inputs[0] = inputs[0] * rng.uniform(0.85, 1.15) + rng.normal(0, 0.1)
    if rng.random() < 0.3:
        inputs[0] += rng.normal(0, rng.uniform(0, 0.3), inputs[0].shape).astype(np.float32)
    result = torch.from_numpy(inputs)[None]
    if rng.random() < 0.5:  # on new images the main network is less sure than on those it was trained on
        size = int(rng.integers(1, 3)) * 2 + 1
        pooled = torch.nn.functional.avg_pool3d(result[:, 1:], size, 1, size // 2, count_include_pad=False)
        result = torch.cat([result[:, :1], pooled], dim=1)
    return result, torch.from_numpy(target)[None], torch.from_numpy(case.known)[None]

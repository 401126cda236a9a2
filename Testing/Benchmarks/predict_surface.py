"""Surface-to-volume ratio of predicted cells against simulated truth: as predicted, after the refinement network, after
the walk (the open problem of Erozan et al., iScience 27 (2024) 109856). Part of ``predict.py``.

The main network is trained here for some minutes on cells like those of ``train.py``, or given: ``--first MODEL``. It
is scored on cells of other seeds. The refinement network is trained for half of those minutes. The paper's networks
work on scaled-down volumes; --coarse N scales the training volumes down N times, so that the refinements have an edge
to win back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import harness
import numpy as np
from other_grids import coarser_grid, smoothed_onto
from train_cases import SCORED_PHANTOMS, TRAINING_PHANTOMS, Pair, phantoms

from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model

SEGMENT = "cytoplasm"
REFINEMENTS = {"none": "as predicted", "network": "refinement network (level 2)", "walk": "random walk"}


def measure_refinements(size: int, minutes: float, coarse: float, first: Path | None) -> dict[str, dict[str, float]]:
    """Errors of each refinement, in percent of the truth's ratio: their mean, and the mean of their sizes; and Dice."""
    pairs = phantoms(size)
    training, scored = pairs[:TRAINING_PHANTOMS], pairs[TRAINING_PHANTOMS : TRAINING_PHANTOMS + SCORED_PHANTOMS]
    model = _model(training, minutes, coarse, first)
    found: dict[str, dict[str, float]] = {}
    for refine in REFINEMENTS:
        errors, dice = [], []
        for volume, truth in scored:
            result = _predicted(volume, model, refine)
            errors.append(100 * (_ratio(result) / _ratio(truth) - 1))
            dice.append(_dice(result, truth))
        found[refine] = {"error": fmean(errors), "size": fmean(abs(e) for e in errors), "dice": fmean(dice)}
        harness.say(f"surface to volume, {REFINEMENTS[refine]}: {found[refine]}")
    return found


def _model(training: Sequence[Pair], minutes: float, coarse: float, first: Path | None) -> Model:
    from ACSegLib.network.model.model_file import load_model
    from ACSegLib.network.refinement.training import RefinementTraining, train_refinement_network
    from ACSegLib.network.train.settings import TrainingSettings
    from ACSegLib.network.train.training import train

    if first is not None:
        model = load_model(first)
    else:
        settings = TrainingSettings(preset="quick", minutes=minutes, device="cpu", sparse="off")
        model = train([_scaled_down(pair, coarse) for pair in training], settings, Progress()).model
    harness.say("training the refinement network")
    return train_refinement_network(training, model, RefinementTraining(minutes=minutes / 2, device="cpu"))


def _scaled_down(pair: Pair, factor: float) -> Pair:
    """The pair at `factor` times the voxel size, as scaling to 256^3 does: image by means, labels by nearest voxel."""
    from ACSegLib.resample import resample_segmentation

    if factor <= 1:
        return pair
    volume, labels = pair
    grid = coarser_grid(volume, factor)
    return smoothed_onto(volume, *grid), resample_segmentation(labels, *grid)


def _predicted(volume: Volume, model: Model, refine: str) -> Segmentation:
    from ACSegLib.workflows import PredictRequest, run

    return run(PredictRequest(volume=volume, model=model, refine=refine, device="cpu")).segmentation


def _cell(segmentation: Segmentation) -> np.ndarray:
    return segmentation.mask(next(s for s in segmentation.segments if s.name == SEGMENT))


def _ratio(segmentation: Segmentation) -> float:
    from ACSegLib.measure.morphology import measure_segmentation

    rows: list[dict[str, Any]] = measure_segmentation(segmentation, segments=[SEGMENT])
    return float(next(row for row in rows if row["kind"] == "segment")["surface_to_volume"])


def _dice(found: Segmentation, truth: Segmentation) -> float:
    a, b = _cell(found), _cell(truth)
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))

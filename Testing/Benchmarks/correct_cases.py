"""Volumes with their truth and a weak prediction, for ``correct.py``."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import fill_cases
import numpy as np
from self_tuning import filled
from weak_predictions import weak_prediction

from ACSegLib.volume import Geometry, Segmentation, Volume

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model

KINDS = ("phantom", "hippocampus", "nuclei", "sxt_cell")

#: Phantoms from this seed on are trained on, and distance of the slices that are labelled for it.
TRAINING_SEED, LABELLED_EVERY = 100, 10

#: Mean Dice of predictions that are made by degrading the truth.
WEAK = (0.85, 0.95)


@dataclass
class Case:
    """A volume with its truth and a weak prediction.

    Attributes
    ----------
    probability : ndarray of float32, shape (k, j, i), or None
        That of the network for the segment, where a network predicted.
    """

    name: str
    volume: Volume
    truth: np.ndarray
    prediction: np.ndarray
    probability: np.ndarray | None = None

    def segmentation(self, labels: np.ndarray) -> Segmentation:
        names = {int(v): f"segment {v}" for v in np.unique(self.truth) if v}
        return Segmentation.from_labels(labels.astype(np.uint16), self.volume.geometry, names)

    def worst_slice(self, result: np.ndarray, drawn: list[int]) -> int:
        """The slice along k, among those not drawn, whose errors cost most of the mean Dice."""
        size = np.bincount(self.truth.ravel()).astype(float)
        weight = np.where(size > 0, 1 / np.maximum(size, 1), 0.0)
        weight[0] = 0
        wrong = np.where(result != self.truth, weight[self.truth] + weight[result], 0.0).sum(axis=(1, 2))
        wrong[drawn] = -1
        return int(wrong.argmax())


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Phantoms and real volumes, with predictions whose Dice varies between 0.85 and 0.95."""
    model: Model | str | None = options.model
    if options.train:
        model = weak_network(options.train, options.size, options.cache)
    for number, case in enumerate(_raw_cases(options)):
        truth = case.truth.astype(np.uint16)
        volume = to_volume(case)
        name = case.name.split(", every")[0]
        if model is not None:
            yield Case(name, volume, truth, *predicted(volume, truth, model))
        else:
            target = float(np.linspace(*WEAK, 5)[number % 5])
            yield Case(name, volume, truth, weak_prediction(truth, target, number))


def to_volume(case: fill_cases.Case) -> Volume:
    """The image of a case, with its geometry."""
    i, j, k = case.spacing
    return Volume(case.image, Geometry((float(i), float(j), float(k)), unit=case.unit), case.name)


def _raw_cases(options: argparse.Namespace) -> Iterator[fill_cases.Case]:
    if options.only in (None, "phantom"):
        for seed in range(options.count):
            yield _one_cell(options.size, seed, options.cache)
    data = options.data
    if data and options.only in (None, "hippocampus"):
        yield from itertools.islice(fill_cases.hippocampus(data), options.count // 2)
    if data and options.only in (None, "nuclei"):
        yield from fill_cases.nuclei(data)
    if data and options.only in (None, "sxt_cell"):
        for _ in range(5):  # five predictions, from 0.85 to 0.95
            yield sxt_cell_filled(data)


def _one_cell(size: int, seed: int, cache: Path | None) -> fill_cases.Case:
    """A phantom whose beads are background: one of 150 voxels would rule the mean."""
    case = fill_cases.phantom((size,) * 3, seed, cache=cache)
    case.truth = np.where(case.truth == 1, 1, 0)
    return case


def sxt_planes(data: Path) -> tuple[fill_cases.Case, np.ndarray]:
    """The real cell in a capillary with all its labelled planes (along k and i), and where its truth is known."""
    from ACSegLib.files import open_segmentation

    case = next(fill_cases.sxt_cell(data))
    known = open_segmentation(data / "sxt_cell_in_capillary" / "cell.labels").labels != 2
    case.slices = {"k": [11, 22, 34, 45], "i": [11, 22, 34, 45]}
    case.name = "sxt cell"
    return case, known


def sxt_cell_filled(data: Path) -> fill_cases.Case:
    """The real cell in a capillary; its truth is the fill of all planes that a person labelled."""
    case, _ = sxt_planes(data)
    case.truth = filled(case).segmentation.labels.astype(np.uint16)
    return case


def predicted(volume: Volume, truth: np.ndarray, model: Model | str) -> tuple[np.ndarray, np.ndarray | None]:
    """The prediction of a model, with its first segment as the first of the truth, and the probability of it."""
    import ACSegLib as acseg

    found = acseg.predict(volume, model, probabilities=True)
    labels = np.where(found.labels == 1, truth[truth > 0].min(), 0).astype(truth.dtype)
    if found.probabilities is None:
        return labels, None
    channels = np.asarray(found.probabilities, np.float32)  # background first, if the channels exclude one another
    return labels, channels[len(channels) - len(found.segmentation.segments)]


def weak_network(steps: int, size: int, cache: Path | None) -> Model:
    """A small network trained for so many steps on two phantoms that were filled from every tenth slice."""
    import ACSegLib as acseg

    pairs = []
    for seed in (TRAINING_SEED, TRAINING_SEED + 1):
        case = _one_cell(size, seed, cache)
        case.slices = {"k": fill_cases.every_nth(size, LABELLED_EVERY)}
        pairs.append((to_volume(case), filled(case).segmentation))
    options = {"epochs": 1, "steps_per_epoch": steps, "base_filters": 8, "levels": 3, "validation_part": 0.0}
    return acseg.train(pairs, **options).model

"""Edges that are learned from labelled slices are where borders are, whatever these look like, or nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

from ACSegLib import Progress, Segmentation, Volume
from ACSegLib.fill import Settings, fill
from ACSegLib.fill.orientation import Orientation
from ACSegLib.fill.prior.evidence import Evidence, collect_evidence
from ACSegLib.fill.prior.learned_edges import _PENALTY, LearnedEdges, _minimum, learn_edges
from ACSegLib.fill.seeds import SeedOptions, collect_seeds

SLICES = [4, 14, 24, 34]
GRID = np.indices((40, 44, 44)) - 20.0
RADIUS = np.sqrt((GRID**2).sum(axis=0))
TRUTH = (RADIUS < 14).astype(np.uint8)


def weak_beside_strong() -> np.ndarray:
    """A ball with a weak step at its border, in a shell with a strong one around it."""
    image = np.where(RADIUS < 14, 1.0, 0.0) + 8 * (RADIUS > 18)
    return (image + np.random.default_rng(0).normal(0, 0.3, TRUTH.shape)).astype(np.float32)


def sparse() -> Segmentation:
    labels = np.zeros_like(TRUTH)
    labels[SLICES] = TRUTH[SLICES]
    return Segmentation.from_labels(labels)


def evidence_of(image: np.ndarray) -> Evidence:
    seeds = collect_seeds(sparse(), SeedOptions("k", SLICES))
    return collect_evidence(Volume(image), seeds, None, True, Progress(), Orientation())


def learned(evidence: Evidence) -> LearnedEdges:
    found = learn_edges(evidence.features, evidence.classes, evidence.cuts)
    assert found is not None
    return found


def test_weights_are_low_at_borders_between_the_labelled_slices_alone() -> None:
    rng = np.random.default_rng(1)
    wall = np.exp(-((RADIUS - 14) ** 2) / 2)
    sheet = np.exp(-((GRID[2] - 2) ** 2) / 2)  # as dark as the border is bright
    evidence = evidence_of((3 * wall - 3 * sheet + rng.normal(0, 0.3, TRUTH.shape)).astype(np.float32))
    weights = learned(evidence).weights(evidence.features, 17, 20)[2]
    radius, column = RADIUS[17:20], GRID[2][17:20]
    at_wall = (np.abs(radius - 14) < 1) & (np.abs(column - 2) > 4)
    at_sheet = (np.abs(column - 2) < 1) & (np.abs(radius - 14) > 4)
    assert np.median(weights[at_wall]) < 0.05
    assert np.median(weights[at_sheet]) > 0.5


def test_all_weights_are_alike_where_the_image_shows_no_border() -> None:
    evidence = evidence_of(np.random.default_rng(1).normal(0, 1, TRUTH.shape).astype(np.float32))
    weights = learned(evidence).weights(evidence.features, 16, 24)[:, :-1, :-1, :-1]
    at_border = np.abs(RADIUS[16:23, :-1, :-1] - 14) < 1
    assert np.median(weights[:, at_border]) > 0.3  # in the test above it is below 0.05


def test_weights_of_a_part_are_those_of_the_whole() -> None:
    evidence = evidence_of(weak_beside_strong())
    edges = learned(evidence)
    part, corner = evidence.part(SLICES[:3], 20_000, (4, 24))
    whole = edges.weights(evidence.features, 4, 25)
    there = edges.weights(part.features, 0, 21)
    inner = tuple(slice(8, n - 8) for n in there.shape[2:])
    rows, columns = (slice(c + 8, c + n - 8) for c, n in zip(corner[1:], there.shape[2:], strict=True))
    difference = np.abs(there[:, 4:-4, inner[0], inner[1]] - whole[:, 4:-4, rows, columns])
    assert there[0].size < whole[0].size
    assert np.percentile(difference, 99) < 1e-3


def test_a_slice_without_borders_teaches_nothing() -> None:
    evidence = evidence_of(weak_beside_strong())
    assert learn_edges(evidence.features, np.zeros_like(evidence.classes), SLICES) is None


@pytest.mark.parametrize("learned", [False, True])
def test_learned_edges_find_a_border_that_a_coarse_edge_scale_misses(learned: bool) -> None:
    settings, volume = Settings(0.001, 6.0, learned), Volume(weak_beside_strong())
    result = fill(volume, sparse(), axis="k", slices=SLICES, device="cpu", settings=settings)
    found = result.segmentation.labels[4:35] > 0
    dice = 2 * (found & (TRUTH[4:35] > 0)).sum() / (found.sum() + TRUTH[4:35].sum())
    assert result.report.learned_edges == learned
    assert (dice > 0.97) == learned, dice


@pytest.mark.parametrize("strength", [0.3, 3.0, 100.0], ids=["mixed", "clear", "separable"])
@pytest.mark.parametrize("count", [60, 5000])
def test_the_regression_finds_the_least_loss(strength: float, count: int) -> None:
    rng = np.random.default_rng(int(strength))
    x = np.concatenate([rng.normal(size=(6, count)), np.ones((1, count))]).astype(np.float32)
    x[1] += 0.95 * x[0]
    border = rng.random(count) < special.expit(strength * (x[0] - 2 * x[2]) - 1)
    sign = np.where(border, -1.0, 1.0)

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, sign * (w @ x)).sum() + 0.5 * _PENALTY * (w[:-1] ** 2).sum())

    least = optimize.minimize(loss, np.zeros(len(x)), method="BFGS", options={"gtol": 1e-4})
    assert loss(_minimum(x, border)) == pytest.approx(least.fun, abs=2e-3)

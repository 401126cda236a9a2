"""Training voxels: the outlines that the network learns from are as wrong as those that it meets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ACSegLib import Progress, Segmentation, Volume
from ACSegLib.fill.orientation import Orientation
from ACSegLib.fill.prior import shape
from ACSegLib.fill.prior.evidence import Evidence, collect_evidence
from ACSegLib.fill.prior.samples import as_between_slices, collect_samples
from ACSegLib.fill.seeds import SeedOptions, collect_seeds

SIZE, CURVATURE = 49, 0.1


def evidence_of(slices: list[int], parts: int = 1, across: Sequence[int] = ()) -> Evidence:
    """A body whose radius falls with the square of the distance from its middle plane, in sectors."""
    k, j, i = np.indices((SIZE,) * 3) - SIZE // 2
    truth = np.hypot(j, i) < 20 - CURVATURE / 2 * k * k
    sector = np.floor((np.arctan2(j, i) / np.pi + 1) * 0.4999 * parts).astype(int)
    labels = np.zeros(truth.shape, np.uint8)
    labels[slices] = np.where(truth, 1 + sector, 0)[slices]
    labels[:, list(across)] = np.where(truth, 1 + sector, 0)[:, list(across)]
    volume = Volume(np.zeros(truth.shape, np.float32))
    chosen = {"k": slices, "j": list(across)} if across else slices
    options = SeedOptions("all" if across else "k", chosen)
    seeds = collect_seeds(Segmentation.from_labels(labels), options)
    return collect_evidence(volume, seeds, None, True, Progress(), Orientation())


@pytest.mark.parametrize("slices", [[8, 24, 40], [8, 14, 24, 34, 40]])
def test_outlines_of_the_samples_are_as_wrong_as_between_slices(slices: list[int], monkeypatch) -> None:
    monkeypatch.setattr(shape, "OUTLINE_MARGIN", 0.0)  # the feature is d / (1 + |d|) then
    evidence = evidence_of(slices)
    plain = collect_samples(evidence)
    taught = as_between_slices(evidence, plain)
    samples = taught.part(np.arange(len(taught.y)) >= len(plain.y))
    assert np.array_equal(samples.x[:, :-2], plain.x[:, :-2])
    feature = samples.x[:, -2]
    distance = feature / (1 - np.abs(feature))
    gaps = np.diff(slices)
    expected = CURVATURE / 2 * np.sum(gaps * (gaps**2 - 1) / 6) / np.sum(gaps - 1)  # sum of (x - a) (b - x)
    for k in slices:
        here = samples.plane == k
        right = 20 - CURVATURE / 2 * (k - 24) ** 2 - np.hypot(*(samples.place[:, here] - 24))
        assert np.mean(right - distance[here]) == pytest.approx(expected, abs=0.3)


def test_the_samples_show_outlines_that_miss_what_lies_between_slices_as_well() -> None:
    evidence = evidence_of([8, 24, 40])
    plain = collect_samples(evidence)
    taught = as_between_slices(evidence, plain)
    first = taught.part(np.arange(len(taught.y)) < len(plain.y))
    assert len(taught.y) == 2 * len(plain.y)
    assert np.array_equal(first.x, plain.x)
    assert np.array_equal(first.weight, plain.weight)


@pytest.mark.parametrize(
    ("slices", "parts", "across"),
    [
        ([8, 40], 1, []),
        ([23, 24, 25], 1, []),
        ([8, 24, 40], 12, []),
        ([8, 13, 18, 23, 28, 33, 38], 1, []),
        ([8, 24, 40], 1, [24]),
    ],
    ids=["two", "adjacent", "many instances", "many", "crossed"],
)
def test_samples_stay_where_nothing_tells_the_error_or_other_slices_show_it(
    slices: list[int], parts: int, across: list[int]
) -> None:
    evidence = evidence_of(slices, parts, across)
    samples = collect_samples(evidence)
    assert as_between_slices(evidence, samples) is samples

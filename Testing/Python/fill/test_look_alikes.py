"""Segments that only their drawn shape tells apart: what a slab does not show is not found in it."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib import Segmentation, Volume
from ACSegLib.fill import context, fill
from ACSegLib.fill.appearance import PriorNetwork, Samples, train_network
from ACSegLib.fill.context import give_to_present


def samples(count=3000):
    """Background, a cell, a bead, and a second cell like the first, from which the shape guess tells it."""
    rng = np.random.default_rng(4)
    y = rng.choice(4, count, p=[0.5, 0.25, 0.05, 0.2])
    brightness = np.array([0.0, 2.0, 5.0, 2.0])[y] + rng.normal(0, 0.3, count)
    shapes = 10.0 * (y[:, None] == [1, 2, 3]) - 5 + rng.normal(0, 1, (count, 3))
    x = np.column_stack([brightness, shapes]).astype(np.float32)
    return Samples(x, y, np.zeros(count, int), np.ones(count), 3)


def test_what_the_image_cannot_tell_apart_is_known():
    network = train_network(samples(), 4, steps=300)
    assert network.look_alikes(1) == [3]
    assert network.look_alikes(3) == [1]
    assert network.look_alikes(2) == []
    np.testing.assert_allclose(network.taken_for.sum(axis=1), 1)


GROUPS = [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({2, 3}, [0.1, 0.0, 0.2, 0.7]),  # the first cell is not drawn around here: its part goes to the second
        ({1, 3}, [0.1, 0.4, 0.2, 0.3]),  # a bead may lie between the slices
        ({2}, [0.1, 0.4, 0.2, 0.3]),  # nothing is here that could inherit
        (set(), [0.1, 0.4, 0.2, 0.3]),
    ],
)
def test_what_was_not_drawn_around_here_goes_to_what_looks_alike(present, expected):
    network = PriorNetwork((), np.eye(4) * 0.5 + np.array([[0, 0, 0, 0], [0, 0, 0, 0.5], [0, 0, 0, 0], [0, 0.5, 0, 0]]))
    prior = np.tile(np.array([0.1, 0.4, 0.2, 0.3], np.float32)[:, None, None, None], (1, 2, 3, 4))
    give_to_present(prior, GROUPS, present, network)
    np.testing.assert_allclose(prior, np.broadcast_to(np.array(expected)[:, None, None, None], prior.shape), atol=1e-7)


def test_what_looks_alike_now_and_then_inherits_little():
    network = PriorNetwork((), np.array([[1, 0, 0], [0, 0.8, 0.2], [0, 0.2, 0.8]]))
    prior = np.array([0.2, 0.8, 0.0], np.float32)[:, None, None, None]
    give_to_present(prior, [[0], [1], [2]], {2}, network)
    np.testing.assert_allclose(prior.ravel(), [0.2, 0.6, 0.2], atol=1e-6)


def test_each_slab_of_a_fill_is_asked_for_what_it_shows(monkeypatch):
    k, j, i = np.indices((24, 24, 40))
    truth = np.where((j - 12) ** 2 + (i - 28) ** 2 <= 49, 2, 0)
    truth[((j - 12) ** 2 + (i - 12) ** 2 <= 64) & (k >= 12)] = 1
    rng = np.random.default_rng(0)
    image = ((truth > 0) + rng.normal(0, 0.2, truth.shape)).astype(np.float32)
    drawn = np.zeros(truth.shape, np.uint8)
    slices = [2, 9, 16, 23]
    drawn[slices] = truth[slices]
    asked = []

    def record(prior, groups, present, network):
        asked.append(present)
        give_to_present(prior, groups, present, network)
        if network.look_alikes(1) == [2] and present == {2}:
            assert prior[1].max() < 0.5

    monkeypatch.setattr(context, "give_to_present", record)
    fill(Volume(image), Segmentation.from_labels(drawn), axis="k", slices=slices)
    assert asked[-4:] == [{2}, {2}, {1, 2}, {1, 2}]

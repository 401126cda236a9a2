"""How well the image shows what strokes mended."""

import numpy as np
import pytest

from ACSegLib.fill.correcting.visibility import visibility
from ACSegLib.fill.prior.samples import Samples


def samples(values, groups):
    count = len(groups)
    x = np.stack([values, np.zeros(count)], axis=1).astype(np.float32)
    return Samples(x, np.asarray(groups), np.zeros(count, np.int64), np.ones(count), np.zeros((2, count), np.int64))


def look(rng, groups, contrast):
    return contrast * np.asarray(groups) + rng.normal(0, 1, len(groups))


@pytest.mark.parametrize(
    ("contrast", "strokes_look_like", "low", "high"),
    [(10.0, 0, 0.9, 1.0), (10.0, 1, 0.0, 0.1), (0.0, 0, 0.0, 0.2)],
    ids=["the error is seen", "it looks like the rest", "nothing is seen"],
)
def test_strokes_count_as_far_as_they_look_like_what_they_became(contrast, strokes_look_like, low, high):
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], 400)
    rest = samples(look(rng, groups, contrast), groups)
    erased = samples(look(rng, np.full(30, strokes_look_like), contrast), np.zeros(30, int))
    seen = visibility(rest, erased, np.ones(30, int), np.ones(len(groups), bool), 2)
    assert low <= seen <= high


def test_a_group_that_only_the_strokes_have_is_taken_as_seen():
    rest = samples(np.zeros(40), np.zeros(40, int))
    new = samples(np.ones(5), np.ones(5, int))
    assert visibility(rest, new, np.zeros(5, int), np.ones(40, bool), 2) == 1.0

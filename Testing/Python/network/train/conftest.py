"""A trained model that several tests look at."""

import pytest
from training_cases import TINY, pair, settings

from ACSegLib.network.train.training import train


@pytest.fixture(scope="session")
def trained():
    pairs = [pair(n) for n in range(3)]
    # with 4 channels, or residual blocks, it depends on the seed whether the bead is found in 80 steps
    wide = {**TINY, "base": 8, "patch_size": [24, 24, 24], "residual": False}
    options = settings(epochs=4, steps_per_epoch=20, augmentation="none", overrides=wide)
    return train(pairs, options, validation=[pair(9)])

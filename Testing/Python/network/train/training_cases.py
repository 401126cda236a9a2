"""Small trainings that several tests share."""

import numpy as np

from ACSegLib.network.train.settings import TrainingSettings
from ACSegLib.volume import Geometry, Segmentation, Volume

TINY = {"base": 4, "levels": 3, "patch_size": [16, 16, 16]}


def pair(seed, size=20, names=("cell", "bead"), unit="nm"):
    """A bright ball with a brighter small one in it, in noise."""
    rng = np.random.default_rng(seed)
    k, j, i = np.mgrid[:size, :size, :size]
    centre = size / 2 + rng.uniform(-1, 1, 3)
    radius = np.sqrt((k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2)
    labels = np.where(radius < 3, 2, np.where(radius < 7, 1, 0)).astype(np.uint8)
    image = labels + rng.normal(0, 0.3, labels.shape)
    geometry = Geometry((30, 30, 30), unit=unit)
    named = dict(enumerate(names, start=1))
    return Volume(image.astype(np.float32), geometry, f"v{seed}"), Segmentation.from_labels(labels, geometry, named)


def settings(**options):
    defaults = dict(
        preset="quick", epochs=2, steps_per_epoch=4, device="cpu", overrides=dict(TINY), learning_rate=1e-2, ema=0.8
    )
    return TrainingSettings(**{**defaults, **options})


def losses_of(result):
    return [row["loss"] for row in result.history]

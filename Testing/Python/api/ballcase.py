"""A small image whose fill is known, and what every test of the front door uses."""

import numpy as np

SHAPE = (24, 28, 26)
Z, Y, X = np.indices(SHAPE)
BALL = (Z - 12) ** 2 + (Y - 14) ** 2 + (X - 13) ** 2 < 64
IMAGE = (100 * BALL + 10 * np.random.default_rng(0).normal(size=SHAPE)).astype(np.float32)
LABELLED = (6, 12, 18)
SPARSE = np.where(np.isin(Z, LABELLED), BALL, 0).astype(np.uint8)

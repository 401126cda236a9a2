"""Slabs of a random walk, and their solution in float64 by sparse elimination."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from ACSegLib.fill.constants import MIN_EDGE_WEIGHT
from ACSegLib.fill.walk.random_walk import SlabProblem


def problem(
    shape=(7, 9, 8), seed=0, gamma=0.05, beta=40.0, weights=(1.0, 1.0, 1.0), holes=False, walls=False, given=False
) -> SlabProblem:
    """A noisy slab with its outer planes labelled."""
    rng = np.random.default_rng(seed)
    seeds = np.full(shape, -1, np.int16)
    seeds[0] = rng.integers(0, 3, shape[1:])
    seeds[-1] = rng.integers(0, 3, shape[1:])
    valid = rng.random(shape) > 0.1 if holes else np.ones(shape, bool)
    image, along = rng.random(shape, np.float32), np.array(weights, np.float32)
    known = 2 * rng.random((3, *shape), np.float32) if given else None
    return SlabProblem(image, seeds, valid, beta, gamma, along, walls, known)


def prior_of(p: SlabProblem, classes: int, seed: int = 1) -> np.ndarray:
    """Random class probabilities that sum to one over classes, (classes, K, J, I)."""
    raw = np.random.default_rng(seed).random((classes, *p.seeds.shape)).astype(np.float32)
    return raw / raw.sum(0)


def direct(p: SlabProblem, classes: list[int], prior: np.ndarray) -> np.ndarray:
    """Solve (L_U + gamma) x = B m + gamma lambda in float64 by sparse elimination, built edge by edge."""
    shape, index = p.seeds.shape, np.arange(p.seeds.size).reshape(p.seeds.shape)
    image = p.edges.astype(float)
    rows, columns, values = [], [], []
    for axis in range(3):
        a, b = (np.take(index, r, axis) for r in (range(shape[axis] - 1), range(1, shape[axis])))
        near, far = (np.take(image, r, axis) for r in (range(shape[axis] - 1), range(1, shape[axis])))
        between = np.maximum(near, far) if p.walls else far - near
        both = np.take(p.valid, range(shape[axis] - 1), axis) & np.take(p.valid, range(1, shape[axis]), axis)
        plain = np.exp(-p.beta * between**2) + MIN_EDGE_WEIGHT
        if p.weights is not None:
            plain = np.take(p.weights[axis], range(shape[axis] - 1), axis).astype(float)
        w = plain * float(p.axis_weights[axis]) * both
        rows += [a.ravel(), b.ravel()]
        columns += [b.ravel(), a.ravel()]
        values += [w.ravel(), w.ravel()]
    adjacency = sp.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (index.size,) * 2
    )
    laplacian = sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
    free = p.seeds.ravel() < 0
    system = (laplacian + p.gamma * sp.identity(index.size)).tocsr()
    found = []
    for r, c in enumerate(classes):
        fixed = (p.seeds.ravel() == c).astype(float)
        right = p.gamma * prior[r].ravel().astype(float) - system[:, ~free] @ fixed[~free]
        x = fixed.copy()
        x[free] = spsolve(system[free][:, free].tocsc(), right[free])
        found.append(x.reshape(shape))
    return np.stack(found)

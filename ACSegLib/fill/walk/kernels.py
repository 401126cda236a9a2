"""Compiled loops of the random walk's linear system.

Everything is float32, C-contiguous and in (slice, row, column) order. Sums are taken over a fixed number of blocks of
rows, in a fixed order, so results do not depend on the number of cores.
"""

from __future__ import annotations

import math

import numpy as np

from ACSegLib.compiled import fast_loop as _loop
from ACSegLib.threads import spread

#: Rows are dealt out in this many blocks; a constant, so that sums are the same on any number of cores.
BLOCKS = 64


@_loop
def _between(here, there, walls):
    return max(here, there) if walls else there - here


@_loop
def _edge_weights(begin, end, image, walls, valid, beta, axis_weights, floor, weights):
    wk, wj, wi = weights
    nk, nj, ni = image.shape
    zero = np.float32(0.0)
    for row in range(begin, end):
        k, j = row // nj, row % nj
        for i in range(ni):
            here = image[k, j, i]
            ok = valid[k, j, i]
            a = b = c = zero
            if ok and k + 1 < nk and valid[k + 1, j, i]:
                d = _between(here, image[k + 1, j, i], walls)
                a = (math.exp(-beta * d * d) + floor) * axis_weights[0]
            if ok and j + 1 < nj and valid[k, j + 1, i]:
                d = _between(here, image[k, j + 1, i], walls)
                b = (math.exp(-beta * d * d) + floor) * axis_weights[1]
            if ok and i + 1 < ni and valid[k, j, i + 1]:
                d = _between(here, image[k, j, i + 1], walls)
                c = (math.exp(-beta * d * d) + floor) * axis_weights[2]
            wk[k, j, i] = a
            wj[k, j, i] = b
            wi[k, j, i] = c


def edge_weights(image, walls, valid, beta, axis_weights, floor, weights):
    """Weights to the next voxel along each axis, (exp(-beta d^2) + floor) / h^2; 0 at edges and invalid voxels.

    d is the difference of the two voxels, or with `walls` the higher one. `weights` are three arrays (K, J, I) to write
    to, as in all functions here.
    """
    spread(_edge_weights, image.shape[0] * image.shape[1], image, walls, valid, beta, axis_weights, floor, weights)


@_loop
def _start_system(begin, end, weights, gamma, seeds, prior, x, scale, residual):
    wk, wj, wi = weights
    nk, nj, ni = seeds.shape
    for row in range(begin, end):
        k, j = row // nj, row % nj
        for i in range(ni):
            total = gamma + wk[k, j, i] + wj[k, j, i] + wi[k, j, i]
            if k > 0:
                total += wk[k - 1, j, i]
            if j > 0:
                total += wj[k, j - 1, i]
            if i > 0:
                total += wi[k, j, i - 1]
            free = seeds[k, j, i] < 0
            s = np.float32(1.0) / math.sqrt(total) if free else np.float32(0.0)
            scale[k, j, i] = s
            for r in range(x.shape[0]):
                if not free:
                    residual[r, k, j, i] = np.float32(0.0)
                    continue
                flow = gamma * prior[r, k, j, i] - total * x[r, k, j, i]
                if k + 1 < nk:
                    flow += wk[k, j, i] * x[r, k + 1, j, i]
                if k > 0:
                    flow += wk[k - 1, j, i] * x[r, k - 1, j, i]
                if j + 1 < nj:
                    flow += wj[k, j, i] * x[r, k, j + 1, i]
                if j > 0:
                    flow += wj[k, j - 1, i] * x[r, k, j - 1, i]
                if i + 1 < ni:
                    flow += wi[k, j, i] * x[r, k, j, i + 1]
                if i > 0:
                    flow += wi[k, j, i - 1] * x[r, k, j, i - 1]
                residual[r, k, j, i] = s * flow


def start_system(weights, gamma, seeds, prior, x, scale, residual):
    """Set up D^-1/2 (L + gamma) D^-1/2 and its residual.

    prior, x and residual are (R, K, J, I); seeds (K, J, I) is negative where the answer is sought. scale becomes
    D^-1/2, and 0 on the seeds, which takes them out of the system.
    """
    spread(_start_system, seeds.shape[0] * seeds.shape[1], weights, gamma, seeds, prior, x, scale, residual)


@_loop
def _scale_weights(begin, end, weights, scale):
    wk, wj, wi = weights
    nk, nj, ni = scale.shape
    for row in range(begin, end):
        k, j = row // nj, row % nj
        for i in range(ni):
            s = scale[k, j, i]
            if k + 1 < nk:
                wk[k, j, i] *= s * scale[k + 1, j, i]
            if j + 1 < nj:
                wj[k, j, i] *= s * scale[k, j + 1, i]
            if i + 1 < ni:
                wi[k, j, i] *= s * scale[k, j, i + 1]


def scale_weights(weights, scale):
    """Turn the weights into those of the scaled system, in place."""
    spread(_scale_weights, scale.shape[0] * scale.shape[1], weights, scale)


@_loop
def _multiply(begin, end, weights, p, active, out, sums):
    wk, wj, wi = weights
    count, nk, nj, ni = p.shape
    rows = nk * nj
    for block in range(begin, end):
        sums[:, block] = 0.0
        for row in range(rows * block // BLOCKS, rows * (block + 1) // BLOCKS):
            k, j = row // nj, row % nj
            # edges of weight 0 lead out of the volume; a clamped index there is harmless
            kb, ka = max(k - 1, 0), min(k + 1, nk - 1)
            jb, ja = max(j - 1, 0), min(j + 1, nj - 1)
            below = wk[kb, j]
            before = wj[k, jb]
            fk = np.float32(1.0) if k > 0 else np.float32(0.0)
            fj = np.float32(1.0) if j > 0 else np.float32(0.0)
            for r in range(count):
                if not active[r]:
                    continue
                line, o = p[r, k, j], out[r, k, j]
                up, down, right, left = p[r, ka, j], p[r, kb, j], p[r, k, ja], p[r, k, jb]
                wkr, wjr, wir = wk[k, j], wj[k, j], wi[k, j]
                for i in range(ni):
                    o[i] = line[i] - (
                        wkr[i] * up[i] + fk * below[i] * down[i] + wjr[i] * right[i] + fj * before[i] * left[i]
                    )
                for i in range(ni - 1):
                    o[i] -= wir[i] * line[i + 1]
                for i in range(1, ni):
                    o[i] -= wir[i - 1] * line[i - 1]
                dot = np.float32(0.0)
                for i in range(ni):
                    dot += line[i] * o[i]
                sums[r, block] += dot


def multiply(weights, p, active, out, sums):
    """out = (I - W) p for each active right-hand side, and p . out by blocks into sums (R, BLOCKS)."""
    spread(_multiply, BLOCKS, weights, p, active, out, sums)


@_loop
def _step(begin, end, alpha, search, active, x, residual, sums):
    p, product = search
    count, nk, nj, ni = p.shape
    rows = nk * nj
    for block in range(begin, end):
        sums[:, block] = 0.0
        for row in range(rows * block // BLOCKS, rows * (block + 1) // BLOCKS):
            k, j = row // nj, row % nj
            for r in range(count):
                if not active[r]:
                    continue
                a = alpha[r]
                px, po, px_x, pr = p[r, k, j], product[r, k, j], x[r, k, j], residual[r, k, j]
                dot = np.float32(0.0)
                for i in range(ni):
                    px_x[i] += a * px[i]
                    value = pr[i] - a * po[i]
                    pr[i] = value
                    dot += value * value
                sums[r, block] += dot


def step(alpha, search, active, x, residual, sums):
    """x += alpha p; residual -= alpha product, with search = (p, product); residual . residual by blocks into sums."""
    spread(_step, BLOCKS, alpha, search, active, x, residual, sums)


@_loop
def _renew_direction(begin, end, beta, residual, active, p):
    count, _nk, nj, _ = p.shape
    for row in range(begin, end):
        k, j = row // nj, row % nj
        for r in range(count):
            if active[r]:
                b = beta[r]
                line, res = p[r, k, j], residual[r, k, j]
                for i in range(line.size):
                    line[i] = res[i] + b * line[i]


def renew_direction(beta, residual, active, p):
    """p = residual + beta p."""
    spread(_renew_direction, p.shape[1] * p.shape[2], beta, residual, active, p)


@_loop
def _largest_residual(begin, end, residual, scale, out):
    count, nk, nj, ni = residual.shape
    rows = nk * nj
    for block in range(begin, end):
        for r in range(count):
            top = np.float32(0.0)
            for row in range(rows * block // BLOCKS, rows * (block + 1) // BLOCKS):
                k, j = row // nj, row % nj
                line, s = residual[r, k, j], scale[k, j]
                for i in range(ni):
                    if s[i] > np.float32(0.0):
                        top = max(top, abs(line[i]) / s[i])
            out[r, block] = top


def largest_residual(residual, scale, out):
    """Largest |residual / scale| over the free voxels, by blocks into out (R, BLOCKS): the unscaled residual."""
    spread(_largest_residual, BLOCKS, residual, scale, out)


@_loop
def _add_scaled(begin, end, correction, scale, x):
    count, _nk, nj, ni = x.shape
    for row in range(begin, end):
        k, j = row // nj, row % nj
        for r in range(count):
            line, c, s = x[r, k, j], correction[r, k, j], scale[k, j]
            for i in range(ni):
                line[i] = min(max(line[i] + s[i] * c[i], np.float32(0.0)), np.float32(1.0))


def add_scaled(correction, scale, x):
    """x += scale * correction, kept within 0..1: the way back from the scaled system."""
    spread(_add_scaled, x.shape[1] * x.shape[2], correction, scale, x)


@_loop
def _merge_best(begin, end, probabilities, prior, share, seeds, classes, leading, rest):
    best, best_value, second = leading
    count, _nk, nj, ni = probabilities.shape
    for row in range(begin, end):
        k, j = row // nj, row % nj
        for r in range(count):
            for i in range(ni):
                value = probabilities[r, k, j, i]
                if seeds[k, j, i] < 0:
                    value += share * (prior[r, k, j, i] - value)
                    probabilities[r, k, j, i] = value
                rest[k, j, i] -= value
                if value > best_value[k, j, i]:
                    second[k, j, i] = best_value[k, j, i]
                    best_value[k, j, i] = value
                    best[k, j, i] = classes[r]
                elif value > second[k, j, i]:
                    second[k, j, i] = value


def merge_best(probabilities, prior, share, seeds, classes, leading, rest):
    """Fold some classes (R, K, J, I) into `leading`: the best class so far, its probability and the second largest.

    Before that the probabilities of voxels that are no seeds move by `share` towards the prior, in place. `rest` is
    reduced by them: what is left is the probability of the classes not yet folded in.
    """
    spread(_merge_best, seeds.shape[0] * seeds.shape[1], probabilities, prior, share, seeds, classes, leading, rest)

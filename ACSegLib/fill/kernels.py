"""Compiled loops of the fill: smoothing, image features, the prior network, and the random walk's linear system.

Everything is float32, C-contiguous and in (slice, row, column) order, whatever axis the slices were drawn on. Sums
are taken over a fixed number of blocks of rows, in a fixed order, so results do not depend on the number of threads.
The compiled code is cached beside this file (or in the user's cache folder where that is read-only).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

#: Rows are dealt out in this many blocks; a constant, so that sums are the same on any number of cores.
BLOCKS = 64

_JIT: Any = dict(cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"}, nogil=True, boundscheck=False)


@njit(parallel=True, **_JIT)
def scale_clip(image, low, high, out):
    """Map `low`..`high` of an image (any numeric type) to 0..1 in float32, clipped."""
    nk, nj, ni = image.shape
    factor = np.float32(1.0 / (high - low))
    base = np.float32(low)
    for k in prange(nk):
        for j in range(nj):
            for i in range(ni):
                value = (np.float32(image[k, j, i]) - base) * factor
                out[k, j, i] = min(max(value, np.float32(0.0)), np.float32(1.0))


@njit(parallel=True, **_JIT)
def smooth(source, scratch, out, weights_k, weights_j, weights_i):
    """Separable convolution with symmetric kernels (half kernels given, centre first), edges replicated.

    `source` and `scratch` and `out` are (K, J, I); `scratch` is overwritten, `out` may be `source`.
    """
    nk, nj, ni = source.shape
    for row in prange(nk * nj):
        k, j = row // nj, row % nj
        line = scratch[k, j]
        for i in range(ni):
            line[i] = weights_k[0] * source[k, j, i]
        for t in range(1, weights_k.size):
            below, above = max(k - t, 0), min(k + t, nk - 1)
            w = weights_k[t]
            for i in range(ni):
                line[i] += w * (source[below, j, i] + source[above, j, i])
    for k in prange(nk):
        plane = np.empty((nj, ni), np.float32)
        for j in range(nj):
            for i in range(ni):
                plane[j, i] = weights_j[0] * scratch[k, j, i]
            for t in range(1, weights_j.size):
                before, after = max(j - t, 0), min(j + t, nj - 1)
                w = weights_j[t]
                for i in range(ni):
                    plane[j, i] += w * (scratch[k, before, i] + scratch[k, after, i])
        reach = weights_i.size - 1
        line = np.empty(ni + 2 * reach, np.float32)
        for j in range(nj):
            for i in range(reach):
                line[i] = plane[j, 0]
                line[ni + reach + i] = plane[j, ni - 1]
            for i in range(ni):
                line[reach + i] = plane[j, i]
            for i in range(ni):
                out[k, j, i] = weights_i[0] * line[reach + i]
            for t in range(1, reach + 1):
                w = weights_i[t]
                for i in range(ni):
                    out[k, j, i] += w * (line[reach + i - t] + line[reach + i + t])


@njit(parallel=True, **_JIT)
def pool(source, fk, fj, fi, out):
    """Mean over blocks of fk x fj x fi voxels; blocks at the far edges hold what there is."""
    nk, nj, ni = source.shape
    for k in prange(out.shape[0]):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                total = np.float32(0.0)
                count = 0
                for a in range(k * fk, min((k + 1) * fk, nk)):
                    for b in range(j * fj, min((j + 1) * fj, nj)):
                        for c in range(i * fi, min((i + 1) * fi, ni)):
                            total += source[a, b, c]
                            count += 1
                out[k, j, i] = total / np.float32(count)


@njit(**_JIT)
def _eigenvalues(a, b, c, d, e, f):
    """Eigenvalues, descending, of the symmetric matrix [[a, d, e], [d, b, f], [e, f, c]] (Smith 1961)."""
    mean = (a + b + c) / np.float32(3.0)
    p1 = d * d + e * e + f * f
    a0, b0, c0 = a - mean, b - mean, c - mean
    p2 = a0 * a0 + b0 * b0 + c0 * c0 + np.float32(2.0) * p1
    if p2 <= np.float32(1e-20):
        return mean, mean, mean
    p = math.sqrt(p2 / np.float32(6.0))
    det = a0 * (b0 * c0 - f * f) - d * (d * c0 - f * e) + e * (d * f - b0 * e)
    r = det / (np.float32(2.0) * p * p * p)
    r = min(max(r, np.float32(-1.0)), np.float32(1.0))
    angle = math.acos(r) / np.float32(3.0)
    first = mean + np.float32(2.0) * p * math.cos(angle)
    last = mean + np.float32(2.0) * p * math.cos(angle + np.float32(2.0943951))
    return first, np.float32(3.0) * mean - first - last, last


@njit(**_JIT)
def _derivatives(image, k, j, i, ik, ij, ii):
    """Gradient magnitude and Hessian eigenvalues at a voxel; ik, ij, ii are inverse spacings."""
    nk, nj, ni = image.shape
    k0, k1 = max(k - 1, 0), min(k + 1, nk - 1)
    j0, j1 = max(j - 1, 0), min(j + 1, nj - 1)
    i0, i1 = max(i - 1, 0), min(i + 1, ni - 1)
    half, quarter = np.float32(0.5), np.float32(0.25)
    centre = np.float32(2.0) * image[k, j, i]
    gk = half * (image[k1, j, i] - image[k0, j, i]) * ik
    gj = half * (image[k, j1, i] - image[k, j0, i]) * ij
    gi = half * (image[k, j, i1] - image[k, j, i0]) * ii
    hkk = (image[k1, j, i] + image[k0, j, i] - centre) * ik * ik
    hjj = (image[k, j1, i] + image[k, j0, i] - centre) * ij * ij
    hii = (image[k, j, i1] + image[k, j, i0] - centre) * ii * ii
    hkj = quarter * (image[k1, j1, i] - image[k1, j0, i] - image[k0, j1, i] + image[k0, j0, i]) * ik * ij
    hki = quarter * (image[k1, j, i1] - image[k1, j, i0] - image[k0, j, i1] + image[k0, j, i0]) * ik * ii
    hji = quarter * (image[k, j1, i1] - image[k, j1, i0] - image[k, j0, i1] + image[k, j0, i0]) * ij * ii
    e1, e2, e3 = _eigenvalues(hkk, hjj, hii, hkj, hki, hji)
    return math.sqrt(gk * gk + gj * gj + gi * gi), e1, e2, e3


@njit(parallel=True, **_JIT)
def texture(image, inverse_spacing, out):
    """Write intensity, gradient magnitude and Hessian eigenvalues of a level; out is (5, K, J, I)."""
    nk, nj, ni = image.shape
    ik, ij, ii = inverse_spacing[0], inverse_spacing[1], inverse_spacing[2]
    for k in prange(nk):
        for j in range(nj):
            for i in range(ni):
                g, e1, e2, e3 = _derivatives(image, k, j, i, ik, ij, ii)
                out[0, k, j, i] = image[k, j, i]
                out[1, k, j, i] = g
                out[2, k, j, i] = e1
                out[3, k, j, i] = e2
                out[4, k, j, i] = e3


@njit(**_JIT)
def _soft(value):
    """A cheap sigmoid from -1 to 1."""
    return value / (np.float32(1.0) + abs(value))


@njit(**_JIT)
def _coarse_row(level, factors, k, j, ni, out, first):
    """Interpolate every feature of a coarse level (F, K, J, I) linearly along the row (k, j) of the full grid."""
    count, lk, lj, li = level.shape
    zk = (np.float32(k + factors[1, 0]) + np.float32(0.5)) / np.float32(factors[0, 0]) - np.float32(0.5)
    zj = (np.float32(j + factors[1, 1]) + np.float32(0.5)) / np.float32(factors[0, 1]) - np.float32(0.5)
    zk = min(max(zk, np.float32(0.0)), np.float32(lk - 1))
    zj = min(max(zj, np.float32(0.0)), np.float32(lj - 1))
    k0, j0 = int(zk), int(zj)
    k1, j1 = min(k0 + 1, lk - 1), min(j0 + 1, lj - 1)
    tk, tj = zk - np.float32(k0), zj - np.float32(j0)
    one = np.float32(1.0)
    w00, w01 = (one - tk) * (one - tj), (one - tk) * tj
    w10, w11 = tk * (one - tj), tk * tj
    line = np.empty(li + 1, np.float32)
    step = one / np.float32(factors[0, 2])
    for f in range(count):
        for i in range(li):
            line[i] = (
                w00 * level[f, k0, j0, i]
                + w01 * level[f, k0, j1, i]
                + w10 * level[f, k1, j0, i]
                + w11 * level[f, k1, j1, i]
            )
        line[li] = line[li - 1]
        for i in range(ni):
            z = (np.float32(i + factors[1, 2]) + np.float32(0.5)) * step - np.float32(0.5)
            z = min(max(z, np.float32(0.0)), np.float32(li - 1))
            i0 = int(z)
            t = z - np.float32(i0)
            out[first + f, i] = line[i0] * (one - t) + line[i0 + 1] * t


@njit(**_JIT)
def _row_features(k, j, top, edges, fine, inverse_spacing, levels, factors, shape, reach, out):
    """Fill the feature rows (F, I) of row j in plane k of the slab; `top` is the slab's first plane in the volume."""
    ni = fine.shape[2]
    ik, ij, ii = inverse_spacing[0], inverse_spacing[1], inverse_spacing[2]
    for i in range(ni):
        g, e1, e2, e3 = _derivatives(fine, k, j, i, ik, ij, ii)
        out[0, i] = edges[k, j, i]
        out[1, i] = fine[k, j, i]
        out[2, i] = g
        out[3, i] = e1
        out[4, i] = e2
        out[5, i] = e3
    row = 6
    _coarse_row(levels[0], factors[0], top + k, j, ni, out, row)
    row += levels[0].shape[0]
    _coarse_row(levels[1], factors[1], top + k, j, ni, out, row)
    row += levels[1].shape[0]
    # nothing within the margin of the guessed outline: there the image has to decide
    margin = np.float32(0.4) * reach
    scale = np.float32(1.0) / (np.float32(1.0) + margin)
    for s in range(shape.shape[0]):
        for i in range(ni):
            value = shape[s, j, i]
            value = scale * (max(value - margin, np.float32(0.0)) + min(value + margin, np.float32(0.0)))
            out[row, i] = _soft(value)
            out[row + 1, i] = _soft(np.float32(0.25) * value)
        row += 2


@njit(parallel=True, **_JIT)
def gather_features(planes, rows, columns, top, edges, fine, inverse_spacing, levels, factors, shape, reach, out):
    """Features of single voxels, for training. shape is (N planes, S, J, I); out is (N voxels, F).

    planes index the slab; all voxels of a call lie in one plane, so `shape` is that plane's.
    """
    nj, ni = fine.shape[1], fine.shape[2]
    starts = np.searchsorted(rows, np.arange(nj + 1))
    for j in prange(nj):
        if starts[j] == starts[j + 1]:
            continue
        buffer = np.empty((out.shape[1], ni), np.float32)
        _row_features(planes, j, top, edges, fine, inverse_spacing, levels, factors, shape, reach, buffer)
        for n in range(starts[j], starts[j + 1]):
            for f in range(out.shape[1]):
                out[n, f] = buffer[f, columns[n]]


@njit(parallel=True, **_JIT)
def prior_planes(
    first, last, top, edges, fine, inverse_spacing, levels, factors, shape, reach, w1, b1, w2, b2, w3, b3, out
):
    """Class probabilities of the prior network for planes first..last-1 of the slab, into out (G, K, J, I).

    shape is (planes, S, J, I) for those planes; weights are (outputs, inputs).
    """
    nj, ni = fine.shape[1], fine.shape[2]
    h1, h2, groups = w1.shape[0], w2.shape[0], w3.shape[0]
    features = w1.shape[1]
    for row in prange((last - first) * nj):
        k, j = first + row // nj, row % nj
        x = np.empty((features, ni), np.float32)
        _row_features(k, j, top, edges, fine, inverse_spacing, levels, factors, shape[k - first], reach, x)
        a = np.empty((h1, ni), np.float32)
        b = np.empty((h2, ni), np.float32)
        c = np.empty((groups, ni), np.float32)
        _layer(w1, b1, x, a, True)
        _layer(w2, b2, a, b, True)
        _layer(w3, b3, b, c, False)
        for i in range(ni):
            highest = c[0, i]
            for g in range(1, groups):
                highest = max(highest, c[g, i])
            total = np.float32(0.0)
            for g in range(groups):
                c[g, i] = math.exp(c[g, i] - highest)
                total += c[g, i]
            for g in range(groups):
                out[g, k, j, i] = c[g, i] / total


@njit(**_JIT)
def _layer(weights, bias, x, out, rectify):
    """out = weights @ x + bias along a row of voxels, optionally rectified."""
    ni = x.shape[1]
    for o in range(weights.shape[0]):
        for i in range(ni):
            out[o, i] = bias[o]
        for f in range(weights.shape[1]):
            w = weights[o, f]
            for i in range(ni):
                out[o, i] += w * x[f, i]
        if rectify:
            for i in range(ni):
                out[o, i] = max(out[o, i], np.float32(0.0))


@njit(parallel=True, **_JIT)
def edge_weights(image, valid, beta, axis_weights, floor, wk, wj, wi):
    """Weights to the next voxel along each axis, (exp(-beta d^2) + floor) / h^2; 0 at edges and invalid voxels."""
    nk, nj, ni = image.shape
    zero = np.float32(0.0)
    for row in prange(nk * nj):
        k, j = row // nj, row % nj
        for i in range(ni):
            here = image[k, j, i]
            ok = valid[k, j, i]
            a = b = c = zero
            if ok and k + 1 < nk and valid[k + 1, j, i]:
                d = image[k + 1, j, i] - here
                a = (math.exp(-beta * d * d) + floor) * axis_weights[0]
            if ok and j + 1 < nj and valid[k, j + 1, i]:
                d = image[k, j + 1, i] - here
                b = (math.exp(-beta * d * d) + floor) * axis_weights[1]
            if ok and i + 1 < ni and valid[k, j, i + 1]:
                d = image[k, j, i + 1] - here
                c = (math.exp(-beta * d * d) + floor) * axis_weights[2]
            wk[k, j, i] = a
            wj[k, j, i] = b
            wi[k, j, i] = c


@njit(parallel=True, **_JIT)
def start_system(wk, wj, wi, gamma, seeds, prior, x, scale, residual):
    """Set up D^-1/2 (L + gamma) D^-1/2 and its residual.

    prior, x and residual are (R, K, J, I); seeds (K, J, I) is negative where the answer is sought. scale becomes
    D^-1/2, and 0 on the seeds, which takes them out of the system.
    """
    nk, nj, ni = seeds.shape
    for row in prange(nk * nj):
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


@njit(parallel=True, **_JIT)
def scale_weights(wk, wj, wi, scale):
    """Turn the weights into those of the scaled system, in place."""
    nk, nj, ni = scale.shape
    for row in prange(nk * nj):
        k, j = row // nj, row % nj
        for i in range(ni):
            s = scale[k, j, i]
            if k + 1 < nk:
                wk[k, j, i] *= s * scale[k + 1, j, i]
            if j + 1 < nj:
                wj[k, j, i] *= s * scale[k, j + 1, i]
            if i + 1 < ni:
                wi[k, j, i] *= s * scale[k, j, i + 1]


@njit(parallel=True, **_JIT)
def multiply(wk, wj, wi, p, active, out, sums):
    """out = (I - W) p for each active right-hand side, and p . out by blocks into sums (R, BLOCKS)."""
    count, nk, nj, ni = p.shape
    rows = nk * nj
    for block in prange(BLOCKS):
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


@njit(parallel=True, **_JIT)
def step(alpha, p, product, active, x, residual, sums):
    """x += alpha p; residual -= alpha product; residual . residual by blocks into sums (R, BLOCKS)."""
    count, nk, nj, ni = p.shape
    rows = nk * nj
    for block in prange(BLOCKS):
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


@njit(parallel=True, **_JIT)
def turn(beta, residual, active, p):
    """p = residual + beta p."""
    count, nk, nj, _ = p.shape
    for row in prange(nk * nj):
        k, j = row // nj, row % nj
        for r in range(count):
            if active[r]:
                b = beta[r]
                line, res = p[r, k, j], residual[r, k, j]
                for i in range(line.size):
                    line[i] = res[i] + b * line[i]


@njit(parallel=True, **_JIT)
def largest_residual(residual, scale, out):
    """Largest |residual / scale| over the free voxels, by blocks into out (R, BLOCKS): the unscaled residual."""
    count, nk, nj, ni = residual.shape
    rows = nk * nj
    for block in prange(BLOCKS):
        for r in range(count):
            top = np.float32(0.0)
            for row in range(rows * block // BLOCKS, rows * (block + 1) // BLOCKS):
                k, j = row // nj, row % nj
                line, s = residual[r, k, j], scale[k, j]
                for i in range(ni):
                    if s[i] > np.float32(0.0):
                        top = max(top, abs(line[i]) / s[i])
            out[r, block] = top


@njit(parallel=True, **_JIT)
def add_scaled(correction, scale, x):
    """x += scale * correction, kept within 0..1: the way back from the scaled system."""
    count, nk, nj, ni = x.shape
    for row in prange(nk * nj):
        k, j = row // nj, row % nj
        for r in range(count):
            line, c, s = x[r, k, j], correction[r, k, j], scale[k, j]
            for i in range(ni):
                line[i] = min(max(line[i] + s[i] * c[i], np.float32(0.0)), np.float32(1.0))


@njit(parallel=True, **_JIT)
def merge_best(probabilities, classes, best, best_value, second, rest):
    """Fold some classes (R, K, J, I) into the running best class, its probability and the runner-up's.

    `rest` is reduced by them: what is left is the probability of the classes not yet folded in.
    """
    count, nk, nj, ni = probabilities.shape
    for row in prange(nk * nj):
        k, j = row // nj, row % nj
        for r in range(count):
            for i in range(ni):
                value = probabilities[r, k, j, i]
                rest[k, j, i] -= value
                if value > best_value[k, j, i]:
                    second[k, j, i] = best_value[k, j, i]
                    best_value[k, j, i] = value
                    best[k, j, i] = classes[r]
                elif value > second[k, j, i]:
                    second[k, j, i] = value

"""Compiled loops on the image: scaling, smoothing, features, and the prior network.

Everything is float32, C-contiguous and in (slice, row, column) order, whatever the axis of the labelled slices. Each
public function spreads its loop over the cores; none of them sums across ranges, so results do not depend on their
number.
"""

from __future__ import annotations

import math

import numpy as np

from ACSegLib.compiled import fast_loop as _loop
from ACSegLib.threads import spread

#: Distance of two wanted voxels of a row up to which the features between them are computed as well.
GAP = 16


@_loop
def _scale_clip(begin, end, image, low, high, out):
    _nk, nj, ni = image.shape
    factor = np.float32(1.0 / (high - low))
    base = np.float32(low)
    for k in range(begin, end):
        for j in range(nj):
            for i in range(ni):
                value = (np.float32(image[k, j, i]) - base) * factor
                out[k, j, i] = min(max(value, np.float32(0.0)), np.float32(1.0))


def scale_clip(image, low, high, out):
    """Map `low`..`high` of an image (any numeric type) to 0..1 in float32, clipped."""
    spread(_scale_clip, len(image), image, float(low), float(high), out)


@_loop
def _smooth_across(begin, end, first, source, out, weights):
    """Convolve along the first axis, rows begin..end-1 of all planes from the first one on taken together."""
    nk, nj, ni = source.shape
    for row in range(begin, end):
        k, j = first + row // nj, row % nj
        line = out[k - first, j]
        for i in range(ni):
            line[i] = weights[0] * source[k, j, i]
        for t in range(1, weights.size):
            below, above = max(k - t, 0), min(k + t, nk - 1)
            w = weights[t]
            for i in range(ni):
                line[i] += w * (source[below, j, i] + source[above, j, i])


@_loop
def _smooth_planes(begin, end, source, out, weights_j, weights_i):
    """Convolve along rows and columns of planes begin..end-1."""
    _, nj, ni = source.shape
    reach = weights_i.size - 1
    line = np.empty(ni + 2 * reach, np.float32)
    plane = np.empty((nj, ni), np.float32)
    for k in range(begin, end):
        for j in range(nj):
            for i in range(ni):
                plane[j, i] = weights_j[0] * source[k, j, i]
            for t in range(1, weights_j.size):
                before, after = max(j - t, 0), min(j + t, nj - 1)
                w = weights_j[t]
                for i in range(ni):
                    plane[j, i] += w * (source[k, before, i] + source[k, after, i])
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


def smooth(source, scratch, out, weights_k, weights_j, weights_i, first=0):
    """Separable convolution with symmetric kernels (half kernels given, centre first), edges replicated.

    `source` is (K, J, I); `scratch`, which is overwritten, and `out` hold its planes from `first` on.
    """
    spread(_smooth_across, out.shape[0] * out.shape[1], first, source, scratch, weights_k)
    spread(_smooth_planes, len(out), scratch, out, weights_j, weights_i)


@_loop
def _pool(begin, end, source, fk, fj, fi, out):
    nk, nj, ni = source.shape
    for k in range(begin, end):
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


def pool(source, fk, fj, fi, out):
    """Mean over blocks of fk x fj x fi voxels; blocks at the far edges hold what there is."""
    spread(_pool, len(out), source, fk, fj, fi, out)


@_loop
def _third(s):
    """cos(2/3 acos(s)) for 0 <= s <= 1, to 3e-6: a polynomial, so that the loops around it stay vectors."""
    c = np.float32(-0.019134322) + s * np.float32(0.004154024)
    c = np.float32(-0.109815594) + s * (np.float32(0.047564176) + s * c)
    return np.float32(0.5000027) + s * (np.float32(0.57723104) + s * c)


@_loop
def _eigenvalues(a, b, c, d, e, f):
    """Eigenvalues, descending, of the symmetric matrix [[a, d, e], [d, b, f], [e, f, c]] (Smith 1961)."""
    mean = (a + b + c) / np.float32(3.0)
    a0, b0, c0 = a - mean, b - mean, c - mean
    p2 = a0 * a0 + b0 * b0 + c0 * c0 + np.float32(2.0) * (d * d + e * e + f * f)
    p = math.sqrt(p2 / np.float32(6.0)) + np.float32(1e-12)
    q = np.float32(1.0) / p
    a0, b0, c0, d, e, f = a0 * q, b0 * q, c0 * q, d * q, e * q, f * q
    r = np.float32(0.5) * (a0 * (b0 * c0 - f * f) - d * (d * c0 - f * e) + e * (d * f - b0 * e))
    r = min(max(r, np.float32(-1.0)), np.float32(1.0))
    half = np.float32(0.5)
    # cos(acos(r) / 3), and for the last eigenvalue the same of the negative matrix
    first = mean + np.float32(2.0) * p * _third(math.sqrt(half + half * r))
    last = mean - np.float32(2.0) * p * _third(math.sqrt(half - half * r))
    return first, np.float32(3.0) * mean - first - last, last


@_loop
def _derivatives_at(lines, i0, i, i1, ik, ij, ii, out):
    """Gradient magnitude and Hessian eigenvalues at voxel i of a row; its neighbours along the row are i0 and i1."""
    k0j0, k0j, k0j1, kj0, kj, kj1, k1j0, k1j, k1j1 = lines
    half, quarter = np.float32(0.5), np.float32(0.25)
    centre = np.float32(2.0) * kj[i]
    gk, gj, gi = half * (k1j[i] - k0j[i]) * ik, half * (kj1[i] - kj0[i]) * ij, half * (kj[i1] - kj[i0]) * ii
    hkk = (k1j[i] + k0j[i] - centre) * ik * ik
    hjj = (kj1[i] + kj0[i] - centre) * ij * ij
    hii = (kj[i1] + kj[i0] - centre) * ii * ii
    hkj = quarter * (k1j1[i] - k1j0[i] - k0j1[i] + k0j0[i]) * ik * ij
    hki = quarter * (k1j[i1] - k1j[i0] - k0j[i1] + k0j[i0]) * ik * ii
    hji = quarter * (kj1[i1] - kj1[i0] - kj0[i1] + kj0[i0]) * ij * ii
    e1, e2, e3 = _eigenvalues(hkk, hjj, hii, hkj, hki, hji)
    out[0, i] = math.sqrt(gk * gk + gj * gj + gi * gi)
    out[1, i] = e1
    out[2, i] = e2
    out[3, i] = e3


@_loop
def _derivatives(image, k, j, low, high, ik, ij, ii, out):
    """Gradient magnitude and Hessian eigenvalues of voxels low..high-1 of the row (k, j), into out (4, I).

    ik, ij, ii are inverse spacings.
    """
    nk, nj, ni = image.shape
    k0, k1 = max(k - 1, 0), min(k + 1, nk - 1)
    j0, j1 = max(j - 1, 0), min(j + 1, nj - 1)
    lines = (
        image[k0, j0], image[k0, j], image[k0, j1], image[k, j0], image[k, j], image[k, j1],
        image[k1, j0], image[k1, j], image[k1, j1],
    )  # fmt: skip
    if low == 0:
        _derivatives_at(lines, 0, 0, min(1, ni - 1), ik, ij, ii, out)
    for i in range(max(low, 1), min(high, ni - 1)):
        _derivatives_at(lines, i - 1, i, i + 1, ik, ij, ii, out)
    if high == ni:
        _derivatives_at(lines, max(ni - 2, 0), ni - 1, ni - 1, ik, ij, ii, out)


@_loop
def _texture(begin, end, image, inverse_spacing, out):
    _nk, nj, ni = image.shape
    ik, ij, ii = inverse_spacing[0], inverse_spacing[1], inverse_spacing[2]
    row = np.empty((4, ni), np.float32)
    for k in range(begin, end):
        for j in range(nj):
            _derivatives(image, k, j, 0, ni, ik, ij, ii, row)
            for i in range(ni):
                out[0, k, j, i] = image[k, j, i]
            for n in range(4):
                for i in range(ni):
                    out[n + 1, k, j, i] = row[n, i]


def texture(image, inverse_spacing, out):
    """Write intensity, gradient magnitude and Hessian eigenvalues of a level; out is (5, K, J, I)."""
    spread(_texture, len(image), image, inverse_spacing, out)


@_loop
def _soft(value):
    """A cheap sigmoid from -1 to 1."""
    return value / (np.float32(1.0) + abs(value))


@_loop
def _coarse_place(i, offset, step, last):
    """Where voxel i of a row lies in a row of a coarse level."""
    z = (np.float32(i + offset) + np.float32(0.5)) * step - np.float32(0.5)
    return min(max(z, np.float32(0.0)), last)


@_loop
def _coarse_row(level, factors, k, j, low, high, out, first):
    """Interpolate every feature of a coarse level (F, K, J, I) linearly at voxels low..high-1 of the row (k, j)."""
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
    step, offset, last = one / np.float32(factors[0, 2]), factors[1, 2], np.float32(li - 1)
    begin = int(_coarse_place(low, offset, step, last))
    end = min(int(_coarse_place(high - 1, offset, step, last)) + 2, li)
    for f in range(count):
        for i in range(begin, end):
            line[i] = (
                w00 * level[f, k0, j0, i]
                + w01 * level[f, k0, j1, i]
                + w10 * level[f, k1, j0, i]
                + w11 * level[f, k1, j1, i]
            )
        if end == li:
            line[li] = line[li - 1]
        for i in range(low, high):
            z = _coarse_place(i, offset, step, last)
            i0 = int(z)
            t = z - np.float32(i0)
            out[first + f, i] = line[i0] * (one - t) + line[i0 + 1] * t


@_loop
def _row_shapes(distances, margin, out):
    """Fill the feature rows (2 S, I) of signed distances (S, I)."""
    # nothing within the margin of the interpolated outline: there the image has to decide
    scale = np.float32(1.0) / (np.float32(1.0) + margin)
    for s in range(distances.shape[0]):
        for i in range(distances.shape[1]):
            value = distances[s, i]
            value = scale * (max(value - margin, np.float32(0.0)) + min(value + margin, np.float32(0.0)))
            out[2 * s, i] = _soft(value)
            out[2 * s + 1, i] = _soft(np.float32(0.25) * value)


def shape_features(distances, margin):
    """Shape features (2 S, N) of voxels with these signed distances (S, N); `margin` as in `plane_features`."""
    out = np.empty((2 * len(distances), distances.shape[1]), np.float32)
    _row_shapes(distances, margin, out)
    return out


@_loop
def _image_features(k, j, low, high, image, out):
    """Fill the feature rows (F, I) of the image at voxels low..high-1 of row j in plane k of the slab."""
    edges, fine, top, inverse_spacing, levels, factors = image
    ik, ij, ii = inverse_spacing[0], inverse_spacing[1], inverse_spacing[2]
    for i in range(low, high):
        out[0, i] = edges[k, j, i]
        out[1, i] = fine[k, j, i]
    _derivatives(fine, k, j, low, high, ik, ij, ii, out[2:6])
    row = 6
    _coarse_row(levels[0], factors[0], top + k, j, low, high, out, row)
    row += levels[0].shape[0]
    _coarse_row(levels[1], factors[1], top + k, j, low, high, out, row)


@_loop
def _row_features(k, j, image, distances, margin, out):
    """Fill the feature rows (F, I) of row j in plane k of the slab; `distances` (S, J, I) are those of the plane."""
    shapes = 2 * distances.shape[0]
    _image_features(k, j, 0, out.shape[1], image, out)
    _row_shapes(distances[:, j], margin, out[out.shape[0] - shapes :])


@_loop
def _layer(weights, bias, x, out, rectify):
    """out = weights @ x + bias along a row of voxels, optionally rectified."""
    ni, inputs = x.shape[1], weights.shape[1]
    for o in range(weights.shape[0]):
        line = out[o]
        for i in range(ni):
            line[i] = bias[o]
        f = 0
        while f + 4 <= inputs:  # four inputs at a time: a third of the traffic to and from the line
            a, b, c, d = weights[o, f], weights[o, f + 1], weights[o, f + 2], weights[o, f + 3]
            for i in range(ni):
                line[i] += a * x[f, i] + b * x[f + 1, i] + c * x[f + 2, i] + d * x[f + 3, i]
            f += 4
        while f < inputs:
            w = weights[o, f]
            for i in range(ni):
                line[i] += w * x[f, i]
            f += 1
        if rectify:
            for i in range(ni):
                line[i] = max(line[i], np.float32(0.0))


@_loop
def _plane_features(begin, end, plane, image, shape, out):
    distances, margin = shape
    for j in range(begin, end):
        _row_features(plane, j, image, distances, margin, out[:, j])


def plane_features(plane, image, shape, out):
    """Features of one plane of a slab, for training, into out (F, J, I).

    `image` is `ImageFeatures.for_kernels` of the slab; `shape` are the plane's signed distances (S, J, I), and the
    margin within which they say nothing.
    """
    spread(_plane_features, out.shape[1], plane, image, (shape[0][0], shape[1]), out)


@_loop
def _softmax(scores, out):
    """Probabilities (G, I), into out, from scores (G, I), which are overwritten."""
    groups, ni = scores.shape
    for i in range(ni):
        highest = scores[0, i]
        for g in range(1, groups):
            highest = max(highest, scores[g, i])
        total = np.float32(0.0)
        for g in range(groups):
            scores[g, i] = math.exp(scores[g, i] - highest)
            total += scores[g, i]
        for g in range(groups):
            out[g, i] = scores[g, i] / total


@_loop
def _group_probabilities(begin, end, first, image, shape, layers, out):
    distances, margin = shape
    w1, b1, w2, b2, w3, b3 = layers
    nj, ni = out.shape[2], out.shape[3]
    for row in range(begin, end):
        k, j = first + row // nj, row % nj
        x = np.empty((w1.shape[1], ni), np.float32)
        a = np.empty((w1.shape[0], ni), np.float32)
        b = np.empty((w2.shape[0], ni), np.float32)
        c = np.empty((w3.shape[0], ni), np.float32)
        _row_features(k, j, image, distances[k - first], margin, x)
        _layer(w1, b1, x, a, True)
        _layer(w2, b2, a, b, True)
        _layer(w3, b3, b, c, False)
        _softmax(c, out[:, k, j])


def group_probabilities(first, last, image, shape, layers, out):
    """Probabilities of the appearance groups in planes first..last-1 of a slab, into out (G, K, J, I).

    `image` is `ImageFeatures.for_kernels` of the slab; `shape` are the signed distances (planes, S, J, I) of those
    planes, and the margin within which they say nothing; `layers` are the weights (outputs, inputs) and biases in turn.
    """
    spread(_group_probabilities, (last - first) * out.shape[2], first, image, shape, layers, out)


@_loop
def _group_probabilities_at(begin, end, first, image, shape, layers, places, starts, out):
    distances, margin = shape
    w1, b1, w2, b2, w3, b3 = layers
    nj, ni = image[1].shape[1], image[1].shape[2]
    inputs, shapes = w1.shape[1], 2 * distances.shape[0]
    row_features = np.empty((inputs - shapes, ni), np.float32)
    for row in range(first + begin, first + end):
        k, j = row // nj, row % nj
        low, high = starts[row], starts[row + 1]
        count = high - low
        if count == 0:
            continue
        x = np.empty((inputs, count), np.float32)
        n = low
        while n < high:  # voxels with small gaps between them: what lies in these is computed in vain, but in vectors
            stop = n + 1
            while stop < high and places[stop] - places[stop - 1] <= GAP:
                stop += 1
            _image_features(k, j, places[n] - row * ni, places[stop - 1] - row * ni + 1, image, row_features)
            n = stop
        for f in range(inputs - shapes):
            for n in range(count):
                x[f, n] = row_features[f, places[low + n] - row * ni]
        _row_shapes(distances[:, low:high], margin, x[inputs - shapes :])
        a = np.empty((w1.shape[0], count), np.float32)
        b = np.empty((w2.shape[0], count), np.float32)
        c = np.empty((w3.shape[0], count), np.float32)
        _layer(w1, b1, x, a, True)
        _layer(w2, b2, a, b, True)
        _layer(w3, b3, b, c, False)
        _softmax(c, out[:, low:high])


def group_probabilities_at(first, last, image, shape, layers, places, starts, out):
    """As `group_probabilities`, at some voxels of a slab alone, into out (G, N); those of planes first..last-1.

    `places` (int64, (N,), ascending) are their positions in the flattened slab, and `starts` (K * J + 1) tells where in
    the list those of each row begin; `shape` are the signed distances (S, N) at the voxels, and the margin.
    """
    rows = image[1].shape[1]
    spread(_group_probabilities_at, (last - first) * rows, first * rows, image, shape, layers, places, starts, out)

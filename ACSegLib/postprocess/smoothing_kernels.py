"""Compiled loops of the majority vote. Voxels are given by their flat indices; offsets are (n, 3) in k, j, i."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled
from ACSegLib.threads import spread

_loop = compiled(boundscheck=False)

#: Voxels that vote with one pair of scratch arrays.
_BLOCK = 512


@_loop
def _mark_near_boundaries(begin, end, labels, ball, near, first):
    nk, nj, ni = labels.shape
    for k in range(first + begin, first + end):
        for j in range(nj):
            for i in range(ni):
                own = labels[k, j, i]
                if not (
                    (k > 0 and labels[k - 1, j, i] != own)
                    or (k + 1 < nk and labels[k + 1, j, i] != own)
                    or (j > 0 and labels[k, j - 1, i] != own)
                    or (j + 1 < nj and labels[k, j + 1, i] != own)
                    or (i > 0 and labels[k, j, i - 1] != own)
                    or (i + 1 < ni and labels[k, j, i + 1] != own)
                ):
                    continue
                # Threads may write the same 1 to the same place; the outcome does not depend on their order.
                for n in range(ball.shape[0]):
                    u, v, w = k + ball[n, 0], j + ball[n, 1], i + ball[n, 2]
                    if 0 <= u < nk and 0 <= v < nj and 0 <= w < ni:
                        near[u, v, w] = 1


def mark_near_boundaries(labels, ball, near, start, stop):
    """Set `near` to 1 within `ball` of each voxel of some planes that has a face neighbour of another label."""
    spread(_mark_near_boundaries, stop - start, labels, ball, near, start)


@_loop
def _find_cores(begin, end, labels, ball, voxels, near):
    nk, nj, ni = labels.shape
    for m in range(begin, end):
        k, rest = divmod(voxels[m], nj * ni)
        j, i = divmod(rest, ni)
        own = labels[k, j, i]
        core = True
        for n in range(ball.shape[0]):
            u, v, w = k + ball[n, 0], j + ball[n, 1], i + ball[n, 2]
            if 0 <= u < nk and 0 <= v < nj and 0 <= w < ni and labels[u, v, w] != own:
                core = False
                break
        if core:
            near[k, j, i] = 0


def find_cores(labels, ball, voxels, near):
    """Set `near` to 0 at those of the voxels whose ball is of one label."""
    spread(_find_cores, voxels.size, labels, ball, voxels, near)


@_loop
def _find_thin(begin, end, labels, ball, voxels, near, thin):
    nk, nj, ni = labels.shape
    for m in range(begin, end):
        k, rest = divmod(voxels[m], nj * ni)
        j, i = divmod(rest, ni)
        own = labels[k, j, i]
        alone = own != 0
        if alone:
            for n in range(ball.shape[0]):
                u, v, w = k + ball[n, 0], j + ball[n, 1], i + ball[n, 2]
                if 0 <= u < nk and 0 <= v < nj and 0 <= w < ni and near[u, v, w] == 0 and labels[u, v, w] == own:
                    alone = False
                    break
        thin[m] = alone


def find_thin(labels, ball, voxels, near, thin):
    """Tell which of the voxels lie in no ball that fits into their segment; background is never thin."""
    spread(_find_thin, voxels.size, labels, ball, voxels, near, thin)


@_loop
def _vote(begin, end, labels, window, weights, voxels, result):
    nk, nj, ni = labels.shape
    for b in range(begin, end):
        seen = np.empty(window.shape[0], labels.dtype)
        votes = np.empty(window.shape[0], np.float32)
        for m in range(b * _BLOCK, min((b + 1) * _BLOCK, voxels.size)):
            k, rest = divmod(voxels[m], nj * ni)
            j, i = divmod(rest, ni)
            seen[0] = labels[k, j, i]
            votes[0] = 0.0
            count = 1
            for n in range(window.shape[0]):
                u, v, w = k + window[n, 0], j + window[n, 1], i + window[n, 2]
                if not (0 <= u < nk and 0 <= v < nj and 0 <= w < ni):
                    continue
                label = labels[u, v, w]
                s = 0
                while s < count and seen[s] != label:
                    s += 1
                if s == count:
                    seen[s] = label
                    votes[s] = 0.0
                    count += 1
                votes[s] += weights[n]
            best = 0
            for s in range(1, count):
                # Floats summed in another order differ in the last bits: that is a tie, not a win.
                if votes[s] > votes[best] * np.float32(1.00001):
                    best = s
            result[k, j, i] = seen[best]


def vote(labels, window, weights, voxels, result):
    """Give each of the voxels the label with the largest sum of weights in its window, its own on a tie."""
    spread(_vote, (voxels.size + _BLOCK - 1) // _BLOCK, labels, window, weights, voxels, result)

"""Compiled loops of the random walk on a list of free voxels.

Each free voxel has six neighbours: those before and after it along k, j and i. A neighbour is named by its place in the
list, by -1 - c if it is a seed of class c, or by itself, with weight 0, where no walker goes, as where the image ends.
"""

from __future__ import annotations

import math

import numpy as np

from ACSegLib.compiled import fast_loop as _loop
from ACSegLib.fill.walk.kernels import BLOCKS
from ACSegLib.threads import spread

#: Class of free voxels.
FREE = -1


@_loop
def _beside(k, j, i, edge):
    step = 1 if edge % 2 else -1
    if edge < 2:
        return k + step, j, i
    if edge < 4:
        return k, j + step, i
    return k, j, i + step


@_loop
def _link(begin, end, image, seeds, index, first, here, differences, neighbours):
    nk, nj, ni = image.shape
    for row in range(begin, end):
        k, j = first + row // nj, row % nj
        for i in range(ni):
            if seeds[k, j, i] != FREE:
                continue
            n = index[k, j, i]
            value = image[k, j, i]
            here[n] = value
            for edge in range(6):
                a, b, c = _beside(k, j, i, edge)
                ends = a < 0 or b < 0 or c < 0 or a >= nk or b >= nj or c >= ni
                if ends or seeds[a, b, c] < FREE:
                    neighbours[n, edge] = n
                    differences[n, edge] = np.float32(0.0)
                    continue
                differences[n, edge] = image[a, b, c] - value
                neighbours[n, edge] = -1 - seeds[a, b, c] if seeds[a, b, c] >= 0 else index[a, b, c]


def link(image, seeds, index, planes, here, differences, neighbours):
    """Write intensity, differences to the neighbours, and the neighbours of the free voxels of some planes.

    Parameters
    ----------
    image, seeds, index : ndarray, shape (k, j, i)
        Planes of a volume, with the one before and the one after where there are such: intensity (float32), class, -1
        where it is sought and less where no walker goes, place in the list (int32).
    planes : (first, count)
        Those whose free voxels are written.
    here, differences, neighbours : ndarray, (n,), (n, 6), (n, 6)
        Of all free voxels.
    """
    first, count = planes
    spread(_link, count * image.shape[1], image, seeds, index, first, here, differences, neighbours)


@_loop
def _edge_weights(begin, end, differences, neighbours, axis_weights, beta, floor):
    for n in range(begin, end):
        for edge in range(6):
            d = differences[n, edge]
            outside = neighbours[n, edge] == n
            weight = math.exp(-beta * d * d) + floor
            differences[n, edge] = np.float32(0.0) if outside else axis_weights[edge // 2] * weight


def edge_weights(differences, neighbours, axis_weights, beta, floor):
    """Turn differences into weights h (exp(-beta d^2) + floor), in place; 0 where the walk ends without a seed."""
    spread(_edge_weights, len(differences), differences, neighbours, axis_weights, beta, floor)


@_loop
def _start_system(begin, end, weights, neighbours, gamma, classes, prior, start, scale, residual):
    for n in range(begin, end):
        total = gamma
        for edge in range(6):
            total += weights[n, edge]
        s = np.float32(1.0) / math.sqrt(total)
        scale[n] = s
        for r in range(len(prior)):
            flow = gamma * prior[r, n] - total * start[r, n]
            for edge in range(6):
                other = neighbours[n, edge]
                if other >= 0:
                    flow += weights[n, edge] * start[r, other]
                elif other == -1 - classes[r]:
                    flow += weights[n, edge]
            residual[r, n] = s * flow


def start_system(weights, neighbours, gamma, classes, prior, start, scale, residual):
    """Set up D^-1/2 (L + gamma) D^-1/2 and its residual for a walk with a prior that begins at `start`, both (R, n).

    `classes` (R,) are the classes that the rows of the prior are of.
    """
    spread(_start_system, len(weights), weights, neighbours, gamma, classes, prior, start, scale, residual)


@_loop
def _scale_weights(begin, end, weights, neighbours, scale):
    for n in range(begin, end):
        for edge in range(6):
            other = neighbours[n, edge]
            if other >= 0:
                weights[n, edge] *= scale[n] * scale[other]
            else:
                weights[n, edge] = np.float32(0.0)
                neighbours[n, edge] = n


def scale_weights(weights, neighbours, scale):
    """Turn the weights into those of the scaled system, in place; seeds leave it."""
    spread(_scale_weights, len(weights), weights, neighbours, scale)


@_loop
def _multiply_two(low, high, weights, neighbours, p, out, sums, block, r, s):
    # most of the time goes into loading weights and neighbours: here they serve two right-hand sides
    line, product, other_line, other_product = p[r], out[r], p[s], out[s]
    dot = other_dot = np.float32(0.0)
    for n in range(low, high):
        value, other = line[n], other_line[n]
        for edge in range(6):
            weight, place = weights[n, edge], neighbours[n, edge]
            value -= weight * line[place]
            other -= weight * other_line[place]
        product[n], other_product[n] = value, other
        dot += line[n] * value
        other_dot += other_line[n] * other
    sums[r, block], sums[s, block] = dot, other_dot


@_loop
def _multiply(begin, end, weights, neighbours, p, active, out, sums):
    count = len(weights)
    rows = np.flatnonzero(active)
    for block in range(begin, end):
        sums[:, block] = 0.0
        low, high = count * block // BLOCKS, count * (block + 1) // BLOCKS
        paired = len(rows) // 2 * 2
        for at in range(0, paired, 2):
            _multiply_two(low, high, weights, neighbours, p, out, sums, block, rows[at], rows[at + 1])
        for at in range(paired, len(rows)):
            r = rows[at]
            line, product = p[r], out[r]
            dot = np.float32(0.0)
            for n in range(low, high):
                value = line[n]
                for edge in range(6):
                    value -= weights[n, edge] * line[neighbours[n, edge]]
                product[n] = value
                dot += line[n] * value
            sums[r, block] = dot


def multiply(weights, neighbours, p, active, out, sums):
    """out = (I - W) p for each active right-hand side (R, n), and p . out by blocks into sums (R, BLOCKS)."""
    spread(_multiply, BLOCKS, weights, neighbours, p, active, out, sums)


@_loop
def _part(begin, end, rows, first, last, shift, weights, neighbours, own_weights, own_neighbours):
    for row in range(begin, end):
        for voxel in range(first[row], last[row]):
            n = voxel + shift[row]
            for edge in range(6):
                other = neighbours[voxel, edge]
                own_weights[n, edge], own_neighbours[n, edge] = weights[voxel, edge], other
                if other < 0:
                    continue
                beside = row
                if edge < 4:
                    beside += (rows if edge < 2 else 1) * (1 if edge % 2 else -1)
                # a neighbour beyond the box is in no row of it, also where the next row lies on another plane
                if other != voxel and 0 <= beside < len(first) and first[beside] <= other < last[beside]:
                    own_neighbours[n, edge] = other + shift[beside]
                else:
                    own_weights[n, edge], own_neighbours[n, edge] = np.float32(0.0), n


def part(rows, first, last, shift, weights, neighbours, own_weights, own_neighbours):
    """Write the edges of the free voxels in a box, without those to free voxels beyond it.

    Parameters
    ----------
    rows : int
        Rows of a plane of the box.
    first, last : ndarray of int64, (planes * rows,)
        Where, in the list of all free voxels, those of each row of the box begin and end.
    shift : ndarray of int64, (planes * rows,)
        What is to be added to these places to have those in the list of the voxels of the box.
    weights, neighbours : ndarray, (n, 6)
        Of all free voxels.
    own_weights, own_neighbours : ndarray, (m, 6)
        To be written.
    """
    spread(_part, len(first), rows, first, last, shift, weights, neighbours, own_weights, own_neighbours)


@_loop
def _fold(begin, end, voxels, x, prior, share, c, leading, rest):
    best, best_value, second = leading
    for m in range(begin, end):
        n = voxels[m]
        value = x[m] + share * (prior[m] - x[m])
        rest[n] -= value
        if value > best_value[n]:
            second[n] = best_value[n]
            best_value[n] = value
            best[n] = c
        elif value > second[n]:
            second[n] = value


def fold(voxels, x, prior, share, c, leading, rest):
    """As `kernels.merge_best`, of one class at some free voxels; all arrays are lists."""
    spread(_fold, len(voxels), voxels, x, prior, np.float32(share), np.int16(c), leading, rest)


@_loop
def _widen(begin, end, places, shape, neighbours, class_of, boxes):
    for n in range(begin, end):
        line, i = places[n] // shape[2], places[n] % shape[2]
        k, j = line // shape[1], line % shape[1]
        for edge in range(-1, 6):
            c = class_of[n] if edge < 0 else -1 - neighbours[n, edge]
            if c <= 0:
                continue
            at = (k, j, i) if edge < 0 else _beside(k, j, i, edge)
            for axis in range(3):
                boxes[c, axis, 0] = min(boxes[c, axis, 0], at[axis])
                boxes[c, axis, 1] = max(boxes[c, axis, 1], at[axis] + 1)


def widen(begin, end, places, shape, neighbours, class_of, boxes):
    """Let boxes (classes, 3, 2) hold the free voxels begin..end-1 of their class, and seeds beside such voxels."""
    _widen(begin, end, places, shape, neighbours, class_of, boxes)


@_loop
def _inside(begin, end, places, starts, shape, box, first, last):
    rows = box[1, 1] - box[1, 0]
    for n in range(begin, end):
        line = (box[0, 0] + n // rows) * shape[1] + box[1, 0] + n % rows
        low, high = starts[line], starts[line + 1]
        while low < high and places[low] < line * shape[2] + box[2, 0]:
            low += 1
        while high > low and places[high - 1] >= line * shape[2] + box[2, 1]:
            high -= 1
        first[n], last[n] = low, high


def inside(places, starts, shape, box, first, last):
    """Write where in the list the free voxels of each row of a box begin and end; `starts` is where those of all do."""
    spread(_inside, len(first), places, starts, shape, box, first, last)

"""Closed outlines: what they enclose is their segment; other thin labels stay what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

import ACSegLib as acseg
from ACSegLib import Segmentation, Volume
from ACSegLib.fill.prompts.outlines import AROUND, with_regions
from ACSegLib.outlines import find_outlines
from ACSegLib.worker.counting import count_labelled_slices

SIZE, CENTRE, RADIUS = 44, (21, 23, 22), 12
PLACES = np.indices((SIZE,) * 3)
BALL = sum((p - c) ** 2 for p, c in zip(PLACES, CENTRE, strict=True)) <= RADIUS**2


def outline(normal: tuple[float, float, float], radius: float = RADIUS) -> np.ndarray:
    """The voxels of a circle about the centre: within half a voxel of its plane, seen along its steepest axis."""
    k, j, i = (p - c for p, c in zip(PLACES, CENTRE, strict=True))
    height = np.abs(k * normal[0] + j * normal[1] + i * normal[2]) / np.abs(normal).max()
    disc = (k**2 + j**2 + i**2 <= radius**2) & (height <= 0.5)
    square = np.ones([1 if a == np.argmax(np.abs(normal)) else 3 for a in range(3)])
    flat = disc.max(axis=int(np.argmax(np.abs(normal))), keepdims=True)
    return disc & ~ndimage.binary_erosion(flat, square)


def labels_of(*masks: np.ndarray) -> Segmentation:
    """A segment for each mask; later ones lie over earlier ones."""
    array = np.zeros(BALL.shape, np.uint8)
    for value, mask in enumerate(masks, 1):
        array[mask] = value
    return Segmentation.from_labels(array, names={value: f"cell {value}" for value in range(1, len(masks) + 1)})


@pytest.fixture(scope="module")
def volume() -> Volume:
    return Volume((BALL + np.random.default_rng(0).normal(0, 0.2, BALL.shape)).astype(np.float32))


@pytest.mark.parametrize("normal", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0.5, 0.2), (0.1, 0.2, 1), (0, 1, 0.7)])
def test_an_outline_on_any_plane_gives_the_cell(volume: Volume, normal: tuple[float, float, float]) -> None:
    labels = labels_of(outline(normal))
    (found,) = find_outlines(labels)
    assert (found.plane is None) == (np.count_nonzero(normal) > 1)
    assert BALL[tuple(found.inside)].all()
    assert not BALL[tuple(found.around)].any()
    assert found.inside.shape[1] > 0.8 * np.pi * (RADIUS - 1) ** 2 * max(normal) / np.linalg.norm(normal)
    result = acseg.fill(volume, labels, device="cpu", suggest=0)
    cell = result.labels == 1
    assert 2 * np.count_nonzero(cell & BALL) / (cell.sum() + BALL.sum()) > 0.96
    assert cell[tuple(found.line)].all()
    assert any("taken for outlines" in warning for warning in result.report.warnings)
    assert result.slices == {}
    assert [s.name for s in result.segmentation.segments] == ["cell 1"]


def test_thick_lines_that_lie_half_outside_of_the_cell_make_it_no_larger(volume: Volume) -> None:
    line = np.zeros(BALL.shape, bool)
    for k in (15, 21, 28):
        line[k] = ndimage.binary_dilation(BALL[k]) & ~ndimage.binary_erosion(BALL[k])
    outside = line & ~BALL
    assert np.count_nonzero(outside) > 0.4 * np.count_nonzero(line)
    cell = acseg.fill(volume, labels_of(line), device="cpu", suggest=0).labels == 1
    assert cell[line].all()
    cell &= ~outside
    assert 2 * np.count_nonzero(cell & BALL) / (cell.sum() + BALL.sum()) > 0.98


def test_a_thick_line_may_be_wider_in_one_place() -> None:
    line = np.zeros(BALL.shape, bool)
    line[21] = ndimage.binary_dilation(BALL[21]) & ~ndimage.binary_erosion(BALL[21], iterations=2)
    line[21, CENTRE[1] - 2 : CENTRE[1] + 3, CENTRE[2] - RADIUS - 2 : CENTRE[2] - RADIUS + 3] = True
    depth = ndimage.distance_transform_edt(line[21])
    assert depth.max() == 3  # five voxels wide there
    (found,) = find_outlines(labels_of(line))
    assert found.inside.shape[1] > 0.5 * np.count_nonzero(BALL[21])
    ring = np.zeros(BALL.shape, bool)
    ring[21] = BALL[21] & ~ndimage.binary_erosion(BALL[21], iterations=6)
    assert find_outlines(labels_of(ring)) == []


def test_a_line_is_the_structure_itself_where_the_labels_are_said_to_be_slices(volume: Volume) -> None:
    lines = outline((1, 0, 0)) | np.roll(outline((1, 0, 0), RADIUS - 2), 5, axis=0)
    result = acseg.fill(volume, labels_of(lines), mode="slices", device="cpu", suggest=0)
    assert len(result.slices["k"]) == 2
    assert not any("outline" in warning for warning in result.report.warnings)
    assert not result.labels[21, 23, 23]


def test_outlines_that_cross_are_told_apart() -> None:
    normals = [(1, 0, 0), (0, 1, 0), (1, 0.6, 0.4), (0.3, -0.5, 1)]
    found = find_outlines(labels_of(np.logical_or.reduce([outline(n) for n in normals])))
    assert len(found) == 4
    assert sorted(o.place for o in found) == ["an oblique plane", "an oblique plane", "j = 23", "k = 21"]


def test_a_refill_reads_the_outlines_anew(volume: Volume) -> None:
    first = acseg.fill(volume, labels_of(outline((1, 0, 0))), device="cpu", suggest=0)
    again = acseg.refill(first, labels_of(outline((1, 0, 0)) | outline((0, 1, 0))))
    assert any("j = 23" in warning for warning in again.report.warnings)
    assert again.labels[tuple(find_outlines(labels_of(outline((0, 1, 0))))[0].inside)].all()


def test_small_gaps_are_closed_and_open_lines_are_strokes() -> None:
    line = outline((1, 0, 0))
    gap = line.copy()
    gap[:, 23:25] &= PLACES[2][:, 23:25] < CENTRE[2]
    assert len(find_outlines(labels_of(gap))) == 1
    assert find_outlines(labels_of(line & (PLACES[1] < 30))) == []


def test_what_only_resembles_an_outline_is_none() -> None:
    slab = np.abs(PLACES[0] - CENTRE[0])
    squared = (PLACES[1] - CENTRE[1]) ** 2 + (PLACES[2] - CENTRE[2]) ** 2
    disc, ring = squared <= RADIUS**2, (squared <= RADIUS**2) & (squared > (RADIUS - 2) ** 2)
    assert find_outlines(labels_of(disc & (slab % 10 == 0))) == []  # labelled slices
    assert find_outlines(labels_of(disc & (squared > 36) & (slab % 10 == 0))) == []  # cytoplasm around a nucleus
    assert find_outlines(labels_of(ring & (slab < 6))) == []  # a tube
    assert find_outlines(labels_of(ring & (slab % 10 == 0), (squared <= 49) & (slab % 10 == 0))) == []  # a wall
    assert find_outlines(labels_of(BALL)) == []


def test_around_an_inner_outline_is_not_background() -> None:
    cell, nucleus = outline((1, 0, 0)), outline((0, 1, 0), 5)
    labels, background, notes = with_regions(labels_of(cell, nucleus), None, None)
    assert len(notes) == 1
    around = labels.mask(background)
    assert labels.segment(background).name == AROUND
    assert around.any()
    assert not (around & BALL).any()
    assert not (around & (PLACES[0] != CENTRE[0])).any()
    assert labels.mask("cell 2")[21, 23, 22]


def test_modes_that_are_chosen_and_listed_slices_are_believed() -> None:
    line = labels_of(outline((1, 0, 0)))
    listed = replace(line, meta={"slices": {"k": [21]}})
    assert with_regions(listed, None, None) == (listed, None, [])
    drawn_around = with_regions(line, "cell 1", None)
    assert drawn_around == (line, "cell 1", [])


def test_the_guide_in_slicer_does_not_take_outlines_for_a_solid_segmentation() -> None:
    lines = (outline((1, 0, 0)) | outline((0, 1, 0)) | outline((0, 0, 1))).astype(np.uint8)
    counts, notes = count_labelled_slices([lines], [{"cell": 1}], ["cell"])
    assert counts == {}
    assert "outlines" in notes[0]

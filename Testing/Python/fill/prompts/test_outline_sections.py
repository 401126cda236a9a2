"""Sections: what an outline encloses tells where its segment ends, between edges, walls, and cells of one look."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.fill import fill
from ACSegLib.fill.prompts.dabs import find_dabs
from ACSegLib.fill.prompts.outlines import with_regions
from ACSegLib.fill.prompts.sections import Section, cores, find_sections, misfit, section_level
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.volume import Segmentation, Volume

SHAPE = (40, 44, 60)
K, J, L = np.indices(SHAPE)
STEPS = (1.0, 1.0, 1.0)


def ball(k: int, j: int, i: int, radius: float) -> np.ndarray:
    return (K - k) ** 2 + (J - j) ** 2 + (L - i) ** 2 <= radius**2


def outlines(truth: np.ndarray, *planes: tuple[int, int]) -> Segmentation:
    """The border of a structure on some planes: array axis and slice of each."""
    lines = np.zeros(SHAPE, np.uint8)
    for axis, number in planes:
        place = (slice(None),) * axis + (number,)
        lines[place][truth[place] & ~ndimage.binary_erosion(truth[place])] = 1
    return Segmentation.from_labels(lines, names={1: "cell"})


def filled(image: np.ndarray, labels: Segmentation) -> np.ndarray:
    labels, background, _notes = with_regions(labels, None, None)
    return fill(Volume(image.astype(np.float32)), labels, mode="scribbles", background=background).segmentation.mask(
        "cell"
    )


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (a.sum() + b.sum())


def disc_and_ring(tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Strokes of a disc of radius 10 and of a ring around it, on a plane that rises along i; and where the disc is."""
    height = np.rint(20 + tilt * (L - 30))
    away = np.hypot(J - 22, (L - 30) * np.hypot(1, tilt))
    disc = (height == K) & (away <= 10)
    strokes = np.full(SHAPE, UNKNOWN, np.int16)
    strokes[(height == K) & (away > 12) & (away <= 15)] = 0
    strokes[disc] = 1
    return strokes, disc


@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_a_disc_in_a_ring_is_a_section_on_any_plane(tilt: float) -> None:
    strokes, disc = disc_and_ring(tilt)
    (section,) = find_sections(find_dabs(strokes), STEPS)
    assert section.number == 1
    assert len(section.depths) == disc.sum()
    assert section.depths.max() == pytest.approx(10, abs=1.5)
    assert 0.2 < len(section.core[0]) / disc.sum() < 0.5  # half of the radius: a quarter of the area
    assert misfit([section], np.where(disc, 1, 0)) == 0
    assert misfit([section], np.zeros(SHAPE)) == 1
    assert misfit([section], np.ones(SHAPE)) == 1


def test_crossing_outlines_are_a_section_each() -> None:
    labels, background, _notes = with_regions(outlines(ball(20, 22, 30, 10), (0, 20), (1, 22), (2, 30)), None, None)
    assert background is not None
    seeds = np.full(SHAPE, UNKNOWN, np.int16)
    seeds[labels.mask(background)], seeds[labels.mask("cell")] = 0, 1
    assert len(find_sections(find_dabs(seeds), STEPS)) == 3


def test_strokes_beside_background_are_no_sections() -> None:
    strokes, _disc = disc_and_ring()
    half = np.where((strokes == 0) & (J > 18), UNKNOWN, strokes)  # 40 % of the ring
    assert find_sections(find_dabs(half), STEPS) == []
    lines = np.full(SHAPE, UNKNOWN, np.int16)
    lines[20, 20:23, 5:55], lines[20, 25:28, 5:55] = 1, 0
    assert find_sections(find_dabs(lines), STEPS) == []
    dabs = np.full(SHAPE, UNKNOWN, np.int16)
    dabs[ball(20, 22, 20, 4)], dabs[ball(20, 22, 40, 4)] = 1, 0
    assert find_sections(find_dabs(dabs), STEPS) == []


def test_the_level_tells_inside_from_around() -> None:
    distances = np.zeros(SHAPE, np.int32)
    distances[0, 0] = np.arange(60)
    inside, around = (tuple(np.array([(0, 0, i) for i in where]).T) for where in (range(20), range(30, 40)))
    section = Section(1, inside, around, np.ones(20))
    assert 19 <= section_level([section], distances) < 30
    marked = cores([section], np.where(distances < 3, 1, UNKNOWN).astype(np.int16))
    assert np.count_nonzero(marked == 1) == 20


def test_an_outline_tells_a_cell_from_one_of_its_look_that_touches_it() -> None:
    left, right = ball(20, 22, 22, 11), ball(20, 22, 36, 11)
    cell, other = left & (L < 29), right & (L >= 29)
    image = 100.0 * (cell | other) + np.random.default_rng(0).normal(0, 8, SHAPE)
    found = filled(image, outlines(cell, (0, 20), (1, 22)))
    print(dice(found, cell))
    assert dice(found, cell) > 0.93
    assert np.count_nonzero(found & other & ~cell) < 0.05 * cell.sum()


def test_an_outline_tells_that_walls_end_the_cell() -> None:
    walls = np.zeros(SHAPE, bool)
    walls[8::16], walls[:, 6::16], walls[:, :, 4::20] = True, True, True
    inside = np.zeros(SHAPE, bool)
    inside[9:24, 7:22, 25:44] = True
    texture = ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 1, SHAPE), 2)
    image = 100.0 * ndimage.gaussian_filter(walls.astype(float), 0.8) + 8 * texture / texture.std()
    found = filled(image, outlines(inside, (0, 16)))
    print(dice(found, inside))
    assert dice(found, inside) > 0.9


def test_an_outline_tells_a_cell_from_its_neighbour_in_a_tube() -> None:
    """At the wall of the tube, the image changes far more than between cell and medium."""
    away = np.hypot(K - 20, J - 22)
    cell, other = ((away / 12) ** 2 + ((L - i) / 14) ** 2 <= 1 for i in (18, 46))
    image = np.select([cell | other, away <= 14, away <= 16], [62.0, 50.0, 150.0], 0.0)
    image = ndimage.gaussian_filter(image, 0.8) + np.random.default_rng(2).normal(0, 1.5, SHAPE)
    found = filled(image, outlines(cell, (1, 22)))
    print(dice(found, cell), np.count_nonzero(found & other) / cell.sum())
    assert dice(found, cell) > 0.9
    assert np.count_nonzero(found & other) < 0.05 * cell.sum()

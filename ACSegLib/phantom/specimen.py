"""The specimen: cells, beads, debris and glass, as a map of LAC and a map of what each voxel is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ACSegLib.jobs import Progress
from ACSegLib.phantom.canvas import CODE, Canvas
from ACSegLib.phantom.recipe import Recipe
from ACSegLib.phantom.shapes import (
    Blob,
    Box,
    SmoothField,
    Tube,
    box_around,
    random_direction,
    random_rotation,
    whole,
    winding_line,
)
from ACSegLib.phantom.surroundings import add_beads_and_debris, add_wall


class Specimen(Canvas):
    """Builds one specimen; `lac` and `parts` are the result.

    Parameters
    ----------
    shape : (int, int, int)
        Voxels along k, j, i; k is the capillary's axis.
    recipe : Recipe
        What it is made of.
    seed : int
        The same seed gives the same specimen.
    """

    def __init__(self, shape: tuple[int, int, int], recipe: Recipe, seed: int) -> None:
        super().__init__(shape, recipe, [seed, sum(map(ord, recipe.kind))])
        self.scale = float(np.sqrt(self.side / 128))

    def build(self, progress: Progress) -> None:
        """Make everything."""
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("placing the cell", self._make_cell),
            ("growing filopodia", self._make_filopodia),
            ("placing the neighbour", self._make_neighbour),
            ("painting the cell", self._paint_cell),
            ("placing the nucleus", self._make_nucleus),
            ("placing organelles", self._make_organelles),
            ("placing beads and debris", self._add_surroundings),
            ("adding the capillary", lambda: add_wall(self)),
        )
        self.run(steps, progress)
        del self.cell, self.tubes, self.other

    # The cell's outline

    def _body(self, rng: np.random.Generator, centre: np.ndarray, factor: float = 1.0) -> Blob:
        axes = np.array([rng.uniform(*span) for span in self.kind.axes]) * self.side * factor
        long_waves = SmoothField(self.shape, max(4.0, 0.16 * self.side), rng)
        waves = SmoothField(self.shape, max(3.0, 0.055 * self.side), rng)
        ruffles = SmoothField(self.shape, max(2.0, 0.022 * self.side), rng)
        rough = self.kind.roughness * self.recipe.roughness * self.side
        displacements = [(self.kind.warp * self.side, long_waves), (rough, waves), (0.45 * rough, ruffles)]
        return Blob(centre, axes, self._upright(rng), displacements)

    def _upright(self, rng: np.random.Generator) -> np.ndarray:
        """Turn that leaves the longest axis near the capillary's, as cells settle in a narrow tube."""
        rotation = random_rotation(rng)
        order = np.argsort(np.abs(rotation[0]))
        return rotation[:, order]

    def _make_cell(self) -> None:
        rng = self.rng("cell")
        crowded = self.recipe.neighbour != "none" and self.recipe.capillary >= 0.36
        offset = 0.11 * self.side if crowded else 0.03 * self.side
        direction = rng.uniform(0, 2 * np.pi)
        centre = self.centre + np.array([0.0, np.sin(direction), np.cos(direction)]) * offset
        self._body_blob = self._body(rng, centre)
        self.cell = np.empty(self.shape, np.float32)
        for box in self.slabs(whole(self.shape)):
            self.cell[box] = np.maximum(self._body_blob.distance(box), self._to_glass(box))
        self.tubes = np.full(self.shape, 1e3, np.float32)
        for _ in range(self.kind.processes):
            self._grow_process(rng)
        self._keep_one_component()

    def _keep_one_component(self) -> None:
        """Take away what the warped surface has shed, so that the cell is one connected body."""
        from scipy.ndimage import label

        components, count = label(self.cell < 0)
        if count > 1:
            sizes = np.bincount(components.ravel())
            sizes[0] = 0
            shed = (components > 0) & (components != int(np.argmax(sizes)))
            self.cell[shed] = 0.5

    def _to_glass(self, box: Box) -> np.ndarray:
        """Signed distance to the inside of the capillary (positive beyond), which holds every cell."""
        j, i = np.ogrid[box[1], box[2]]
        radius = np.hypot(j - self.centre[1], i - self.centre[2])
        return (radius - self.inner + 1.0).astype(np.float32)[None] + np.zeros(
            (box[0].stop - box[0].start, 1, 1), np.float32
        )

    def _grow_process(self, rng: np.random.Generator) -> None:
        """A thick arm that tapers, melted into the body."""
        start = self._surface_point(self._body_blob.centre, random_direction(rng))
        if start is None:
            return
        outward = start - self._body_blob.centre
        outward /= np.linalg.norm(outward)
        root = start - 0.06 * self.side * outward
        length = self.kind.arm * self.side * rng.uniform(0.8, 1.3)
        line = self._inside(winding_line(root, outward, length, 1.2, rng))
        radii = np.linspace(rng.uniform(0.035, 0.05) * self.side, 1.6 * self.scale, len(line))
        tube = Tube(line, radii)
        box = tube.box(self.shape, 4.0)
        if box is not None:
            self.cell[box] = _melt(self.cell[box], tube.distance(box), 0.02 * self.side)

    def _surface_point(self, centre: np.ndarray, direction: np.ndarray) -> np.ndarray | None:
        """Where a ray from `centre` leaves the cell; None if it never does within the volume."""
        steps = np.arange(0, 1.2 * max(self.shape), 0.5)
        points = centre + steps[:, None] * direction
        index = np.rint(points).astype(int)
        inside = np.all((index >= 0) & (index < self.shape), axis=1)
        index = index[inside]
        if not len(index):
            return None
        outside = np.flatnonzero(self.cell[tuple(index.T)] >= 0)
        return points[outside[0]] if len(outside) and outside[0] > 0 else None

    def _inside(self, line: np.ndarray) -> np.ndarray:
        """The part of a line, from its root, before it meets the glass."""
        radius = np.hypot(line[:, 1] - self.centre[1], line[:, 2] - self.centre[2])
        beyond = np.flatnonzero(radius > self.inner - 2.5 * self.scale - 1)
        return line[: max(int(beyond[0]), 1)] if len(beyond) else line

    def _make_filopodia(self) -> None:
        rng = self.rng("filopodia")
        wanted = self.kind.filopodia if self.recipe.filopodia is None else self.recipe.filopodia
        grown = 0
        for _ in range(20 * wanted):
            if grown == wanted:
                break
            direction = random_direction(rng)
            length = rng.uniform(*self.kind.reach) * self.side
            radius = rng.uniform(*self.recipe.filopodia_radius) * self.scale
            centre = self._body_blob.centre + rng.uniform(-0.3, 0.3, 3) * self._body_blob.axes.min()
            start = self._surface_point(centre, direction)
            line = winding_line(start, direction, length, rng.uniform(0.4, 1.8), rng) if start is not None else None
            line = None if line is None else self._inside(line)
            if line is None or len(line) < 4:
                continue  # it would grow into the glass or out of the volume
            root = line[:1] - 2.5 * direction
            line = np.concatenate([root, line])
            tube = Tube(line, radius * np.linspace(1.0, rng.uniform(0.6, 0.9), len(line)))
            box = tube.box(self.shape)
            if box is not None:
                np.minimum(self.tubes[box], tube.distance(box), out=self.tubes[box])
                grown += 1

    def _make_neighbour(self) -> None:
        """Further cells of the kind, each pushed towards the first until they touch over a patch."""
        self._neighbours: list[Blob] = []
        self.other: np.ndarray | None = None
        if self.recipe.neighbour == "none":
            return
        rng = self.rng("neighbour")
        self.other = np.full(self.shape, 1e3, np.float32)
        for number in range(self.recipe.company):
            away = self._towards_neighbour(rng, number)
            body = self._body(rng, self.centre, rng.uniform(0.8, 1.0))
            surface = self._surface_point(self._body_blob.centre, away)
            touch = self._body_blob.centre + away * self._body_blob.axes.mean() if surface is None else surface
            across = 1.0 / np.linalg.norm((body.rotation.T @ away) / body.axes)  # its radius along `away`
            body.centre = touch + away * (across - 0.03 * self.side)
            self._neighbours.append(body)
            for box in self.slabs(whole(self.shape)):
                cell = np.minimum(self.cell[box], self.tubes[box])
                other = np.maximum(np.maximum(body.distance(box), self._to_glass(box)), -cell)
                np.minimum(self.other[box], other, out=self.other[box])

    def _towards_neighbour(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Direction from the cell: along the capillary where it is narrow or a second one comes, else across."""
        along = rng.uniform(-0.6, 0.6)
        if self.recipe.capillary < 0.36 or number > 0:
            away = np.array([1.0 if number else -1.0, *rng.uniform(-0.3, 0.3, 2)])
        else:
            away = self.centre - self._body_blob.centre
            away[0] = along * np.linalg.norm(away)
        return away / np.linalg.norm(away)

    # Painting

    def _add_surroundings(self) -> None:
        cells = [self.cell, self.tubes] if self.other is None else [self.cell, self.tubes, self.other]
        add_beads_and_debris(self, cells)

    def _paint_cell(self) -> None:
        rng = self.rng("texture")
        recipe = self.recipe
        fine = SmoothField(self.shape, recipe.grain, rng)
        coarse = SmoothField(self.shape, 4 * recipe.grain, rng)
        for box in self.slabs(whole(self.shape)):
            lac = recipe.cytoplasm + recipe.texture * (0.8 * fine(box) + 0.6 * coarse(box))
            if self.other is not None:
                self.paint(box, self.other[box], lac, "neighbour")
            cell = np.minimum(self.cell[box], self.tubes[box])
            self.paint(box, cell, lac, "cytoplasm")
            self.parts[box][(cell < 0) & (self.cell[box] >= 0)] = CODE["filopodia"]

    def _make_nucleus(self) -> None:
        self._nucleus_in(self.rng("nucleus"), self._body_blob, self.cell, "nucleus", "nucleolus")
        for number, body in enumerate(self._neighbours):
            if self.other is not None:
                self._nucleus_in(self.rng(f"nucleus {number}"), body, self.other, "neighbour", "neighbour")

    def _nucleus_in(self, rng: np.random.Generator, body: Blob, cell: np.ndarray, part: str, inner_part: str) -> None:
        recipe, kind = self.recipe, self.kind
        shrink = kind.nucleus * rng.uniform(0.92, 1.05)
        axes = np.minimum(body.axes * shrink, 2.0 * body.axes.min() * shrink)
        centre = body.centre + random_direction(rng) * 0.25 * (body.axes.min() - axes.min())
        waves = SmoothField(self.shape, max(4.0, 0.12 * self.side), rng)
        nucleus = Blob(centre, axes, body.rotation, [(0.012 * self.side, waves)])
        chromatin = SmoothField(self.shape, 1.8 * recipe.grain, rng)
        box = box_around(nucleus.centre, nucleus.reach, self.shape)
        for slab in self.slabs(box) if box is not None else ():
            distance = np.maximum(nucleus.distance(slab), cell[slab] + 0.02 * self.side)
            lac = recipe.nucleus + 1.3 * recipe.texture * chromatin(slab)
            self.paint(slab, distance, lac, part)
        for _ in range(int(rng.integers(1, 4))):
            radius = axes.min() * rng.uniform(0.16, 0.28)
            spot = centre + nucleus.rotation @ (rng.uniform(-0.5, 0.5, 3) * axes)
            nucleolus = Blob(spot, radius * rng.uniform(0.8, 1.2, 3), random_rotation(rng), [(0.1 * radius, waves)])
            box = box_around(spot, nucleolus.reach, self.shape)
            if box is not None:
                distance = np.maximum(nucleolus.distance(box), cell[box] + 0.03 * self.side)
                self.paint(box, distance, recipe.nucleolus, inner_part)

    def _make_organelles(self) -> None:
        recipe, kind, side = self.recipe, self.kind, self.side
        thin = side / 128
        for name, count, lac in (
            ("mitochondria", kind.mitochondria, recipe.mitochondria),
            ("granules", kind.granules, recipe.granule),
            ("lipid droplets", kind.lipids, recipe.lipid),
        ):
            rng = self.rng(name)
            for _ in range(count):
                if name == "mitochondria":
                    radius = rng.uniform(1.4, 2.2) * thin
                    tube = self._tube_in_cytoplasm(rng, radius, rng.uniform(0.04, 0.15) * side)
                else:
                    low, high = (1.2, 2.0) if name == "granules" else (1.4, 3.6)
                    tube = self._tube_in_cytoplasm(rng, rng.uniform(low, high) * thin, 0.0)
                box = None if tube is None else tube.box(self.shape)
                if tube is not None and box is not None:
                    free = self.parts[box] == CODE["cytoplasm"]
                    self.paint(box, np.where(free, tube.distance(box), np.float32(1.0)), lac, name)

    def _tube_in_cytoplasm(self, rng: np.random.Generator, radius: float, length: float) -> Tube | None:
        """A tube (a ball if it has no length) that lies in the cytoplasm; None where there is no room."""
        low, high = self._cell_bounds()
        for _ in range(200):
            centre = rng.uniform(low, high)
            line = winding_line(centre, random_direction(rng), length, 1.0, rng) if length > 0 else centre[None]
            index = np.rint(line).astype(int)
            within = np.all((index >= 0) & (index < self.shape), axis=1)
            if not within.all():
                continue
            where = tuple(index.T)
            if np.all(self.cell[where] < -(radius + 1)) and np.all(self.parts[where] == CODE["cytoplasm"]):
                return Tube(line, np.full(len(line), radius))
        return None

    def _cell_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        blob = self._body_blob
        half = np.sqrt(((blob.rotation * blob.axes) ** 2).sum(1))
        return np.maximum(blob.centre - half, 0), np.minimum(blob.centre + half, np.array(self.shape) - 1)


def _melt(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Union of two shapes with a rounded crease (polynomial smooth minimum)."""
    h = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return (b + (a - b) * h - width * h * (1 - h)).astype(np.float32)

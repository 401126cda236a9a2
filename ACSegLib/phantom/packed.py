"""A specimen of cells packed in a narrow capillary, or spread on a flat holder, as most real tomograms show them.

Cells are distance fields that compete: a voxel belongs to the nearest cell, and the common threshold is the one that
fills the wanted share of the bore. So cells lie flat against the glass, against each other and against large beads,
end to end with a meniscus of medium between, and are cut by the field of view. `cells` numbers them.
"""

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
    coverage,
    random_direction,
    random_rotation,
    whole,
    winding_line,
)

#: Share of the bore below which organelles' numbers are not scaled down further.
_MIN_CELL = 0.02
#: Candidates of which the next cell's centre is the one farthest from the others.
_CANDIDATES = 12
#: Cells are drawn this much beyond the field of view, as a part of its depth, so that some are cut.
_BEYOND = 0.25
#: A gap between two cells, in voxels, from which it is medium in the truth.
_OPEN_GAP = 1.0


class PackedSpecimen(Canvas):
    """Builds one packed specimen; see `ACSegLib.phantom.specimen.Specimen` for the parameters.

    Attributes
    ----------
    lac : ndarray (k, j, i), float32
        Linear absorption coefficient in 1/um; k is the capillary's axis.
    parts : ndarray (k, j, i), uint8
        Index into `PARTS`.
    cells : ndarray (k, j, i), uint8
        Number of the cell, from 1; 0 elsewhere.
    """

    def __init__(self, shape: tuple[int, int, int], recipe: Recipe, seed: int) -> None:
        super().__init__(shape, recipe, [seed, sum(map(ord, recipe.kind)), 11])
        self.contrast = recipe.cytoplasm - recipe.medium
        rng = self.rng("capillary")
        sway = np.array([0.0, *rng.uniform(-1, 1, 2)]) * recipe.eccentricity * self.side
        self.centre = self.centre + sway
        self._taper = rng.uniform(-1, 1) * 0.06 * recipe.eccentricity / 0.1

    def build(self, progress: Progress) -> None:
        """Make everything."""
        self.cells = np.zeros(self.shape, np.uint8)
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("placing beads", self._place_beads),
            ("packing cells", self._pack),
            ("painting the cells", self._paint_cells),
            ("placing organelles", self._paint_organelles),
            ("growing microvilli", self._grow_fringe),
            ("painting beads and debris", self._paint_surroundings),
            ("adding the holder", self._paint_holder),
        )
        self.run(steps, progress)
        del self.outer, self.glass

    def _field(self, length: float, rng: np.random.Generator) -> np.ndarray:
        return SmoothField(self.shape, max(1.5, length), rng)(whole(self.shape))

    # Where there may be cells

    def _room(self) -> np.ndarray:
        """Signed distance to what holds the specimen, negative inside: the bore, or the slab of a flat holder."""
        k, j, i = np.ogrid[whole(self.shape)]
        along = (k - self.centre[0]) / self.shape[0]
        if self.recipe.holder == "flat":
            tilt = self.rng("tilt").uniform(-0.06, 0.06, 2)
            height = j - self.centre[1] - tilt[0] * (i - self.centre[2]) - tilt[1] * (k - self.centre[0])
            return (np.abs(height) - self.recipe.slab * self.side / 2 + 0 * i).astype(np.float32)
        radius = np.hypot(j - self.centre[1], i - self.centre[2])
        return (radius - self.inner * (1 + self._taper * along)).astype(np.float32)

    def _place_beads(self) -> None:
        """Choose beads anywhere in the bore; cells and debris yield to them."""
        rng, recipe = self.rng("beads"), self.recipe
        self.glass = self._room()
        self.beads: list[tuple[np.ndarray, float]] = []
        for _ in range(40 * recipe.beads):
            if len(self.beads) == recipe.beads:
                break
            radius = rng.uniform(*recipe.bead_radius) * self.side
            point = rng.uniform(0, np.array(self.shape) - 1)
            free = self.glass[tuple(np.rint(point).astype(int))] + radius < 0
            if free and all(np.linalg.norm(point - p) > radius + r for p, r in self.beads):
                self.beads.append((point, radius))

    def _from_beads(self, box: Box) -> np.ndarray:
        """Distance into the nearest bead (positive inside one)."""
        grid = np.ogrid[box]
        distance = np.full([s.stop - s.start for s in box], -1e3, np.float32)
        for point, radius in self.beads:
            away = np.sqrt(sum((a - c) ** 2 for a, c in zip(grid, point, strict=True)))
            np.maximum(distance, (radius - away).astype(np.float32), out=distance)
        return distance

    # Cells

    def _centres(self, rng: np.random.Generator) -> np.ndarray:
        """Centres (n, 3): in single file in a narrow bore, else spread by the farthest of some candidates."""
        number, depth = self.recipe.packing, self.shape[0]
        reach = max(self.inner, 0.3 * self.side) if self.recipe.holder == "capillary" else 0.5 * self.side
        low, high = -_BEYOND * depth, (1 + _BEYOND) * depth
        column = self.recipe.column
        if column:
            start = rng.uniform(0, 1)
            along = low + (np.arange(number) + start) * (high - low) / number
            sideways = rng.uniform(-0.15, 0.15, (number, 2)) * reach
            return np.column_stack([along, self.centre[1:] + sideways])
        centres: list[np.ndarray] = []
        for n in range(number):
            beyond = 0.0 if n == 0 else _BEYOND
            best, best_away = None, -1.0
            for _ in range(_CANDIDATES):
                angle, radius = rng.uniform(0, 2 * np.pi), 0.75 * reach * np.sqrt(rng.random())
                sides = self.centre[1:] + radius * np.array([np.cos(angle), np.sin(angle)])
                if self.recipe.holder == "flat":
                    sides = np.array([self.centre[1], rng.uniform(-0.1, 1.1) * self.shape[2]])
                point = np.array([rng.uniform(-beyond, 1 + beyond) * depth, *sides])
                away = min((float(np.linalg.norm(point - c)) for c in centres), default=1e9)
                if away > best_away:
                    best, best_away = point, away
            assert best is not None
            centres.append(best)
        return np.array(centres)

    def _bodies(self, rng: np.random.Generator, centres: np.ndarray) -> list[Blob]:
        recipe, side, depth = self.recipe, self.side, self.shape[0]
        bodies = []
        for centre in centres:
            if recipe.column:
                wide = self.inner * rng.uniform(0.75, 1.25)
                long = (1 + 2 * _BEYOND) * depth / recipe.packing * rng.uniform(0.4, 0.75)
                axes, turn = np.array([long, wide, wide * rng.uniform(0.85, 1.1)]), np.eye(3)
            else:
                lengths = np.array([rng.uniform(*span) for span in self.kind.axes]) * side
                axes, turn = lengths * recipe.cell_size * rng.uniform(0.7, 1.3), random_rotation(rng)
                if recipe.holder == "flat":
                    axes = axes * 1.6
            waves = SmoothField(self.shape, max(4.0, 0.2 * side), rng)
            bodies.append(Blob(centre, axes, turn, [(self.kind.warp * side * 10 ** rng.uniform(-1.0, 0.15), waves)]))
        return bodies

    def _pack(self) -> None:
        """Let the cells compete for the room, and fill as much of it as is wanted."""
        rng, recipe, side = self.rng("cells"), self.recipe, self.side
        self.bodies = self._bodies(rng, self._centres(rng))
        first = np.full(self.shape, 1e3, np.float32)
        second, owner = first.copy(), np.zeros(self.shape, np.uint8)
        for number, body in enumerate(self.bodies, start=1):
            distance = body.distance(whole(self.shape))
            nearer = distance < first
            second = np.where(nearer, first, np.minimum(second, distance))
            owner[nearer] = number
            first = np.where(nearer, distance, first)
        rough = self.kind.roughness * recipe.roughness * side
        surface = first + rough * self._field(0.055 * side, rng) + 0.45 * rough * self._field(0.022 * side, rng)
        wall = np.maximum(self.glass + recipe.film, self._from_beads(whole(self.shape)) + 0.5)
        room = self.glass < -0.5
        if room.any():
            surface -= np.quantile(surface[room], recipe.filling)
        self.outer = np.maximum(surface, wall).astype(np.float32)  # the union of all cells
        self.seam = ((second - first) / 2).astype(np.float32)  # distance to where two cells meet
        self.owner = owner

    def _paint_cells(self) -> None:
        rng, recipe = self.rng("texture"), self.recipe
        texture = 0.8 * self._field(recipe.grain, rng) + 0.6 * self._field(4 * recipe.grain, rng)
        own = rng.normal(0, recipe.spread * self.contrast, len(self.bodies) + 1)  # cells differ from each other
        lac = recipe.cytoplasm + own[self.owner].astype(np.float32) + recipe.texture * texture
        # At the seam there is a film of medium, or two membranes pressed together.
        film = np.clip(0.5 + recipe.gap / 2 - self.seam, 0, 1) * min(1.0, recipe.gap)
        lac = lac + film * (recipe.seam * self.contrast)
        box = whole(self.shape)
        self.blend(box, coverage(self.outer), lac.astype(np.float32))
        inside = self.outer < 0
        if recipe.gap >= _OPEN_GAP and recipe.seam < -0.5:
            inside &= self.seam >= recipe.gap / 2
        self.parts[inside] = CODE["cytoplasm"]
        self.cells[inside] = self.owner[inside]

    def _paint_organelles(self) -> None:
        rng, recipe = self.rng("organelles"), self.recipe
        depth = np.maximum(self.outer, -self.seam) / self.side  # how deep in its cell a voxel lies, negative inside
        for number, body in enumerate(self.bodies, start=1):
            if (self.cells == number).any():
                self._paint_nucleus(rng, number, body, depth)
        self._paint_network(rng, depth)
        for name, count, lac, (low, high) in (
            ("granules", recipe.granules, recipe.granule, (0.006, 0.014)),
            ("lipid droplets", recipe.lipids, recipe.lipid, (0.008, 0.026)),
        ):
            self._paint_drops(rng, name, count, lac, low, high, depth)

    def _paint_nucleus(self, rng: np.random.Generator, number: int, body: Blob, depth: np.ndarray) -> None:
        """A nucleus, its nucleoli, and vacuoles, in one cell; some cells' nuclei lie outside the field of view."""
        recipe, side = self.recipe, self.side
        size = self.kind.nucleus * rng.uniform(0.7, 1.05) * min(1.0, recipe.filling + 0.3)
        axes = np.minimum(body.axes * size, 2.0 * body.axes.min() * size)
        centre = body.centre + random_direction(rng) * 0.3 * (body.axes.min() - axes.min())
        waves = SmoothField(self.shape, max(4.0, 0.1 * side), rng)
        things = [("nucleus", centre, axes, recipe.nucleus)]
        for _ in range(int(rng.integers(0, 4))):
            spot = centre + body.rotation @ (rng.uniform(-0.5, 0.5, 3) * axes)
            things.append(("nucleolus", spot, axes.min() * rng.uniform(0.12, 0.3) * np.ones(3), recipe.nucleolus))
        for _ in range(recipe.vacuoles):
            spot = body.centre + body.rotation @ (rng.uniform(-0.6, 0.6, 3) * body.axes)
            lac = recipe.medium + self.contrast * rng.uniform(0.1, 0.6)
            things.append(("cytoplasm", spot, body.axes.min() * rng.uniform(0.1, 0.35, 3), lac))
        for part, spot, radii, lac in things:
            blob = Blob(spot, radii, body.rotation, [(0.06 * float(radii.min()), waves)])
            box = box_around(spot, blob.reach, self.shape)
            if box is None:
                continue
            inside = self.cells[box] == number
            distance = np.maximum(blob.distance(box), (depth[box] + 0.012) * side)
            texture = 1.3 * recipe.texture * SmoothField(self.shape, 1.8 * recipe.grain, rng)(box)
            self.blend(box, coverage(distance) * inside, lac + texture)
            self.parts[box][inside & (distance < 0)] = CODE[part]

    def _paint_network(self, rng: np.random.Generator, depth: np.ndarray) -> None:
        """Mitochondria: a network of threads, where two smooth fields are both near zero."""
        recipe = self.recipe
        if recipe.network <= 0:
            return
        length = rng.uniform(0.035, 0.08) * self.side
        a, b = self._field(length, rng), self._field(length, rng)
        patchy = 0.5 + 0.5 * np.tanh(self._field(0.25 * self.side, rng))
        thread = np.clip((recipe.network * patchy - np.hypot(a, b)) * length / 2 + 0.5, 0, 1)
        thread *= (self.parts == CODE["cytoplasm"]) & (depth < -0.015)
        self.blend(whole(self.shape), thread.astype(np.float32), recipe.mitochondria)
        self.parts[thread > 0.5] = CODE["mitochondria"]

    def _paint_drops(
        self, rng: np.random.Generator, part: str, count: int, lac: float, low: float, high: float, depth: np.ndarray
    ) -> None:
        free = np.argwhere((self.parts == CODE["cytoplasm"]) & (depth < -low))
        share = max(len(free) / self.parts.size, _MIN_CELL)
        for _ in range(min(round(count * share / 0.1), 4 * count) if len(free) else 0):
            point, radius = free[rng.integers(len(free))], rng.uniform(low, high) * self.side
            tube = Tube(point[None].astype(float), np.array([radius]))
            box = tube.box(self.shape)
            if box is not None:
                share_of = coverage(tube.distance(box)) * (self.cells[box] > 0)
                self.blend(box, share_of, lac * rng.uniform(0.85, 1.15))
                self.parts[box][share_of > 0.5] = CODE[part]

    def _grow_fringe(self) -> None:
        """Microvilli and filopodia on free surfaces; what is not attached is debris."""
        from scipy.ndimage import label

        rng, recipe = self.rng("fringe"), self.recipe
        room = (self.glass < -1) & (self._from_beads(whole(self.shape)) < -1)
        before = self.parts != CODE["medium"]
        grown = np.zeros(self.shape, np.float32)
        if recipe.microvilli > 0:
            reach = rng.uniform(0.02, 0.07) * self.side
            hair = self._field(rng.uniform(0.012, 0.03) * self.side, rng) - 2.2 + 1.6 * recipe.microvilli
            fringe = np.clip(0.5 + hair - np.maximum(self.outer, 0) / reach, 0, 1)
            grown = np.where((self.outer >= -0.5) & room, fringe, 0).astype(np.float32)
        for _ in range(self.kind.filopodia if recipe.filopodia is None else recipe.filopodia):
            self._grow_filopodium(rng, grown, room)
        self.blend(whole(self.shape), grown * (~before), recipe.cytoplasm)
        fresh = (grown > 0.5) & ~before
        self.parts[fresh] = CODE["filopodia"]
        components, _ = label(self.parts != CODE["medium"])
        attached = np.unique(components[before])
        loose = fresh & ~np.isin(components, attached)
        self.parts[loose] = CODE["debris"]
        kept = fresh & ~loose
        self.cells[kept] = self.owner[kept]

    def _grow_filopodium(self, rng: np.random.Generator, grown: np.ndarray, room: np.ndarray) -> None:
        shell = getattr(self, "_shell", None)
        if shell is None:
            self._shell = shell = np.argwhere((self.outer < 0) & (self.outer > -1.5) & (self.glass < -3))
        if not len(shell):
            return
        start, direction = shell[rng.integers(len(shell))].astype(float), random_direction(rng)
        length = rng.uniform(*self.kind.reach) * self.side
        line = winding_line(start, direction, length, rng.uniform(0.4, 1.8), rng)
        radius = rng.uniform(*self.recipe.filopodia_radius) * np.sqrt(self.side / 128)
        tube = Tube(line, np.linspace(radius, 0.7 * radius, len(line)))
        box = tube.box(self.shape)
        if box is not None:
            np.maximum(grown[box], coverage(tube.distance(box)) * room[box], out=grown[box])

    # Surroundings

    def _paint_surroundings(self) -> None:
        rng, recipe = self.rng("debris"), self.recipe
        free = np.argwhere((self.parts == CODE["medium"]) & (self.glass < -2))
        waves = SmoothField(self.shape, max(2.0, 0.03 * self.side), rng)
        for _ in range(recipe.fragments if len(free) else 0):
            axes = rng.uniform(0.006, 0.035, 3) * self.side
            point = free[rng.integers(len(free))].astype(float)
            blob = Blob(point, axes, random_rotation(rng), [(0.3 * float(axes.min()), waves)])
            box = box_around(point, blob.reach, self.shape)
            if box is not None:
                open_ = self.parts[box] == CODE["medium"]
                share = coverage(blob.distance(box)) * open_
                self.blend(box, share, recipe.debris * rng.uniform(0.7, 1.3))
                self.parts[box][share > 0.5] = CODE["debris"]
        for point, radius in self.beads:
            self._paint_bead(point, radius)
        self._paint_markers(rng)

    def _paint_bead(self, point: np.ndarray, radius: float) -> None:
        """A ball with a bright rim around a darker middle, and a dark ring outside."""
        recipe = self.recipe
        width = max(1.2, 0.012 * self.side)
        box = box_around(point, radius + 4 * width, self.shape)
        if box is None:
            return
        grid = np.ogrid[box]
        away = np.sqrt(sum((a - c) ** 2 for a, c in zip(grid, point, strict=True))).astype(np.float32) - radius
        dark = recipe.halo * (recipe.bead - recipe.medium) * np.exp(-(((away - 0.9 * width) / (0.7 * width)) ** 2))
        self.lac[box] -= np.where(away > 0, dark, 0)
        rim = np.exp(-((away / max(1.0, recipe.rim_width * radius)) ** 2)) if recipe.rim_width else 1.0
        middle = recipe.medium + (recipe.bead - recipe.medium) * (1 - recipe.bead_hollow)
        self.blend(box, coverage(away), np.asarray(middle + (recipe.bead - middle) * rim, np.float32))
        inside = away < 0
        self.parts[box][inside] = CODE["bead"]
        self.cells[box][inside] = 0

    def _paint_markers(self, rng: np.random.Generator) -> None:
        """Gold markers, a voxel or two wide, on the surface of a flat holder."""
        for _ in range(self.recipe.markers):
            k, i = rng.uniform(0, self.shape[0]), rng.uniform(0, self.shape[2])
            j = self.centre[1] + rng.choice([-0.5, 0.5]) * self.recipe.slab * self.side
            tube = Tube(np.array([[k, np.clip(j, 0, self.shape[1] - 1), i]]), np.array([rng.uniform(0.6, 1.6)]))
            box = tube.box(self.shape)
            if box is not None:
                self.blend(box, coverage(tube.distance(box)), 4 * self.recipe.glass)

    def _paint_holder(self) -> None:
        """The glass, its glow on the medium and the dark line outside; nothing beyond."""
        recipe = self.recipe
        glow = max(1.5, 0.03 * self.side)
        near = np.exp(np.clip(self.glass, -40, 0) / glow) * (self.glass < 0)
        self.lac += recipe.glow * self.contrast * near
        if recipe.holder == "flat":
            beyond = coverage(-self.glass)
            self.lac *= 1 - beyond
            out = self.glass >= 0
            self.parts[out], self.cells[out] = 0, 0
            return
        if not recipe.wall:
            return
        share = 0.026 * self.side if recipe.wall_thickness is None else 2 * self.inner * recipe.wall_thickness
        thickness = max(0.8, share)
        beyond = coverage((thickness - self.glass).astype(np.float32))
        self.lac *= 1 - beyond
        line = np.exp(-(((self.glass - thickness - 1.5) / 1.2) ** 2))
        self.lac -= recipe.dark_line * recipe.glass * line * (self.glass > thickness)
        ring = (np.abs(self.glass - thickness / 2) - thickness / 2).astype(np.float32)
        self.blend(whole(self.shape), coverage(ring), recipe.glass)
        out = self.glass >= 0
        self.parts[out], self.cells[out] = 0, 0
        self.parts[ring < 0] = CODE["wall"]

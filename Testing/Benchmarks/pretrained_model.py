"""Score the pretrained model, or another, on real volumes, on simulated ones, and over all orientations.

    python Testing/Benchmarks/pretrained_model.py [--model FILE] [--cases real,revolved,simulated,packed,contact,...]

real          sxt_cell_in_capillary as the file lies: recall of the cell on its labelled planes, and the share of the
              glass (intensity over 0.0155) and of the medium (labelled void, 0.0025 to 0.0068) called cytoplasm.
revolved      sxt_mef_revolved with the capillary along k, j and i.
simulated     the cases of ``predict.py --cases shipped``: five cell types, 128^3, mean over the orientations.
packed        packed cells (`vary_packed`) that were not trained on, capillary along each axis in turn.
hl60          a real cell by optical diffraction tomography, against Otsu's threshold.
contact       three cells pressed together: panoptic quality of the cells apart (``acseg predict --cells``).
orientations  agreement of the predictions of all 48 orientations of one volume (Dice of each with the first).
inverted      the same volumes with the contrast inverted.
padded        real and simulated volumes with a value far from their intensities, or as bright as the brightest ones,
              outside of a circle, in a border and outside of a tilted box: Dice with the prediction of the image
              without it, and the share of it labelled.
sloping       the same volumes with a slope of half and of all of their range, along k, j, i and a diagonal: Dice with
              the prediction of the image without it.
blurred       the same volumes blurred by 2 and 3 voxels: Dice with the prediction of the image as it is, not sharpened
              and sharpened, and the expected interval.
wedge         the same volumes without a wedge of 60 degrees of their spectrum about each axis: Dice, and the interval.
planes        every second or fourth plane along each axis of real and simulated volumes: Dice without the voxel size
              that follows, and with it (of sxt_cell, over the labelled voxels of cell, glass and medium).
small         the same volumes reduced to 38, 32 and 24 voxels a side: Dice without interpolation, and with it.
empty         noise, and a capillary without cells: the share of the voxels that is labelled, and what is told.

A case whose volume the data folder lacks is left out, and the table says so. Each line has the target of the pretrained
model, where there is one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
import numpy as np  # noqa: E402

#: Seeds of volumes that no training of the pretrained model used.
UNSEEN_LOOSE, UNSEEN_PACKED, UNSEEN_CONTACT = range(90_001, 90_006), range(95_001, 95_013), range(97_001, 97_005)
UNSEEN_EMPTY, UNSEEN_PADDED, UNSEEN_PLANES = range(98_001, 98_003), range(99_003, 99_005), range(88_101, 88_103)
GLASS_FROM, MEDIUM = 0.0155, (0.0025, 0.0068)
NOT_LABELLED = 2
#: Orders of the axes of a volume whose capillary is along k that bring it along k, j and i.
AXES = {"k": (0, 1, 2), "j": (1, 0, 2), "i": (2, 1, 0)}
Orientation = tuple[tuple[int, int, int], tuple[int, int, int]]
Line = tuple[str, str, str]


def orientations() -> list[Orientation]:
    """All 48: orders of the axes, and steps of 1 or -1 along each."""
    orders = itertools.permutations(range(3))
    return [(o, f) for o in orders for f in itertools.product((1, -1), repeat=3)]  # type: ignore[misc]


def turn(array: np.ndarray, orientation: Orientation) -> np.ndarray:
    """An array in another orientation."""
    order, steps = orientation
    return np.ascontiguousarray(array.transpose(order)[tuple(slice(None, None, s) for s in steps)])


def turn_back(array: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Undo `turn`."""
    order, steps = orientation
    return array[tuple(slice(None, None, s) for s in steps)].transpose(np.argsort(order))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice coefficient of two masks; NaN if both are empty."""
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(a & b) / total if total else float("nan")


class Predictor:
    """Predicts as `acseg predict` does with its defaults."""

    def __init__(self, options: argparse.Namespace) -> None:
        from ACSegLib.network.model.pretrained import open_model

        self.model = open_model(options.model)
        self._refine, self._tta = options.refine, options.tta
        self.seconds: list[float] = []

    def __call__(self, array: np.ndarray, voxel: tuple[int, int, int] = (1, 1, 1)) -> np.ndarray:
        """Labels: 1 cytoplasm, 2 bead; of an image with the sides of its voxels, along k, j, i."""
        return self._run(array, voxel=voxel).labels

    def cells(self, array: np.ndarray) -> np.ndarray:
        """Number of the cell of each voxel, from 1; beads and background are 0."""
        found = self._run(array, cells=True)
        beads = [segment.value for segment in found.segments if segment.name == "bead"]
        return np.where(np.isin(found.labels, beads), 0, found.labels)

    def _run(self, array: np.ndarray, cells: bool = False, voxel: tuple[int, int, int] = (1, 1, 1)) -> Any:
        from ACSegLib.volume import Geometry, Volume
        from ACSegLib.workflows import PredictRequest, run

        started = time.perf_counter()
        choices = {"refine": self._refine, "tta": self._tta, "cells": cells}
        found = run(PredictRequest(volume=Volume(array, Geometry(voxel[::-1])), model=self.model, **choices))
        self.seconds.append(time.perf_counter() - started)
        self.notes = found.report.notes
        self.expected = "none expected"
        for estimate in found.report.estimates:
            if estimate.segment == "cytoplasm":
                self.expected = f"{estimate.dice.low:.2f} to {estimate.dice.high:.2f} expected"
        return found.segmentation

    def turned(self, array: np.ndarray, orientation: Orientation) -> np.ndarray:
        """Labels of the array in another orientation, turned back."""
        return turn_back(self(turn(array, orientation)), orientation)


def open_array(path: Path) -> np.ndarray:
    """The array of an image file."""
    from ACSegLib.files import open_volume

    return open_volume(path).array


def open_labels(path: Path) -> np.ndarray:
    """The array of a file of labels."""
    from ACSegLib.files import open_segmentation

    return open_segmentation(path).labels


def real(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """The real cell in a capillary."""
    folder = data / "sxt_cell_in_capillary"
    image, labels = open_array(folder / "cell.rec"), open_labels(folder / "cell.labels")
    void, cell = (labels == value for value in (0, 1))
    medium = void & (image >= MEDIUM[0]) & (image <= MEDIUM[1])
    for name, axis in (("as it lies", "k"), ("turned to k", "j")):
        orientation = (AXES[axis], (1, 1, 1))
        found = predict.turned(image, orientation) == 1
        glass = image > GLASS_FROM
        told = (
            f"recall {found[cell].mean():.3f}, glass {100 * found[glass].mean():.1f} %, "
            f"medium {100 * found[medium].mean():.1f} %"
        )
        yield f"sxt_cell {name}", ">= 0.97; <= 2 %; <= 3 %", told


def revolved(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """A real slice turned about the capillary's axis."""
    folder = data / "sxt_mef_revolved"
    for path in sorted(folder.glob("*_image.nrrd")):
        image, cells = open_array(path), open_labels(path.with_name(path.name.replace("_image", "_cells"))) > 0
        found = [dice(predict.turned(image, (order, (1, 1, 1))) == 1, cells) for order in AXES.values()]
        yield f"sxt_mef_revolved {path.name[:9]}, k / j / i", "each >= 0.975", " / ".join(f"{d:.3f}" for d in found)


def simulated(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Loose cells of every type."""
    from ACSegLib.phantom import KINDS, simulate

    rows = []
    for seed, kind in zip(UNSEEN_LOOSE, KINDS, strict=False):
        made = simulate(options.size, seed=seed, kind=kind)
        rows.append(_scores(predict, made.volume.array, made.truth.labels, _some_orientations(options)))
        yield f"simulated {kind}, seed {seed}", "", _told(rows[-1])
    yield "simulated, mean", "cytoplasm >= 0.98, bead >= 0.90, thin >= 0.6", _told(_mean(rows))


def packed(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Packed cells."""
    from ACSegLib.phantom import simulate, vary_packed

    rows, axes = [], list(AXES)
    for n, seed in enumerate(UNSEEN_PACKED):
        recipe = vary_packed(seed, axis=axes[n % 3])
        made = simulate(options.size * 3 // 4, seed=seed, recipe=recipe)
        rows.append(_scores(predict, made.volume.array, made.truth.labels, [((0, 1, 2), (1, 1, 1))]))
        about = f"{recipe.packing} cells, filling {recipe.filling:.2f}, {recipe.holder}, axis {recipe.axis}"
        yield f"packed, seed {seed}: {about}", "", _told(rows[-1])
    yield "packed, mean", "cytoplasm >= 0.98, bead >= 0.90, thin >= 0.6", _told(_mean(rows))


def _some_orientations(options: argparse.Namespace) -> list[Orientation]:
    every = max(1, 48 // options.orientations)
    return orientations()[::every]


def _scores(
    predict: Predictor, image: np.ndarray, truth: np.ndarray, turns: list[Orientation]
) -> dict[str, list[float]]:
    """Dice of both segments and recall of thin structures, of every orientation."""
    from scipy.ndimage import binary_opening

    cell = truth == 1
    thin = cell & ~binary_opening(cell, iterations=2)
    rows: dict[str, list[float]] = {"cytoplasm": [], "bead": [], "thin": []}
    for orientation in turns:
        found = predict.turned(image, orientation)
        rows["cytoplasm"].append(dice(found == 1, cell))
        rows["bead"].append(dice(found == 2, truth == 2) if (truth == 2).any() else float("nan"))
        rows["thin"].append(float((found == 1)[thin].mean()) if thin.any() else float("nan"))
    return rows


def _told(row: dict[str, list[float]]) -> str:
    told = []
    for name, values in row.items():
        values = [v for v in values if v == v]
        if values:
            spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
            told.append(f"{name} {fmean(values):.3f}{spread}")
    return ", ".join(told)


def _mean(rows: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    return {name: [v for row in rows for v in row[name]] for name in rows[0]}


def hl60(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """A real cell in suspension."""
    folder = data / "hl60_odt"
    found = predict(open_array(folder / "hl60_ri.nrrd")) == 1
    yield "hl60_odt against Otsu", ">= 0.98", f"{dice(found, open_labels(folder / 'hl60_otsu_cell.nrrd') > 0):.3f}"


def contact(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Three cells pressed together, told apart."""
    from ACSegLib.measure.instances import match_instances
    from ACSegLib.phantom import simulate, vary_packed

    qualities = []
    for seed in UNSEEN_CONTACT:
        fixed = {"packing": 3, "filling": 0.6, "column": False, "holder": "capillary", "wall": True, "capillary": 0.42}
        made = simulate(96, seed=seed, recipe=vary_packed(seed, **fixed, beads=0, cell_size=1.0, gap=0.6, seam=-0.6))
        found = predict.cells(made.volume.array)
        matching = match_instances(found, made.cells.labels)
        qualities.append(matching.panoptic_quality)
        number = np.count_nonzero(np.bincount(found.ravel())[1:])
        yield f"three cells in contact, seed {seed}", "", f"{number} cells, PQ {qualities[-1]:.3f}"
    yield "three cells in contact, mean", "PQ >= 0.95", f"{fmean(qualities):.3f}"


def agreement(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Agreement of orientations."""
    from ACSegLib.phantom import simulate, vary_packed

    made = simulate(64, seed=95_101, recipe=vary_packed(95_101, packing=3, column=False, holder="capillary"))
    volumes = {"simulated": made.volume.array}
    if data is not None:
        volumes["sxt_cell"] = open_array(data / "sxt_cell_in_capillary" / "cell.rec")
    for name, image in volumes.items():
        first, *others = (predict.turned(image, turn) == 1 for turn in _some_orientations(options))
        found = [dice(first, other) for other in others]
        told = f"Dice {min(found):.4f} to {max(found):.4f} over {len(found) + 1} orientations"
        yield f"orientations agree, {name}", ">= 0.995", told


def inverted(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Dark is absorbing."""
    from ACSegLib.phantom import simulate, vary_packed

    made = [simulate(64, seed=s, recipe=vary_packed(s)) for s in UNSEEN_PACKED]
    volumes = [(f"packed, seed {p.seed}", p.volume.array, p.truth.labels == 1) for p in made]
    if data is not None:
        folder = data / "sxt_mef_revolved"
        cells = open_labels(folder / "4hpi_left_cells.nrrd") > 0
        volumes.append(("sxt_mef_revolved", open_array(folder / "4hpi_left_image.nrrd"), cells))
    for name, image, cells in volumes:
        plain, turned = dice(predict(image) == 1, cells), dice(predict(-image) == 1, cells)
        notes = [note for note in predict.notes if "contrast" in note]
        yield f"inverted {name}", "as not inverted, or told", f"{plain:.3f} -> {turned:.3f} {'; '.join(notes)}"


def fields_of_view(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """What lies inside a circle, inside a border of a tenth, and inside a box that is tilted about two axes."""
    k, j, i = (np.linspace(-1, 1, n) for n in shape)
    k, j, i = k[:, None, None], j[:, None], i
    across, along = j * np.cos(0.4) - i * np.sin(0.4), j * np.sin(0.4) + i * np.cos(0.4)
    tilted = np.maximum(np.abs(k * np.cos(0.3) - across * np.sin(0.3)), np.abs(k * np.sin(0.3) + across * np.cos(0.3)))
    return {
        "circle": np.broadcast_to(j**2 + i**2 <= 1, shape),
        "border": np.maximum(np.maximum(np.abs(k), np.abs(j)), np.abs(i)) <= 0.8,
        "tilted box": np.maximum(tilted, np.abs(along)) <= 1,
    }


def _volumes_to_spoil(data: Path | None) -> dict[str, np.ndarray]:
    """Real and simulated images, by name."""
    from ACSegLib.phantom import simulate, vary_packed

    volumes = {f"packed, seed {s}": simulate(64, seed=s, recipe=vary_packed(s)).volume.array for s in UNSEEN_PADDED}
    if data is not None:
        volumes["sxt_cell"] = open_array(data / "sxt_cell_in_capillary" / "cell.rec")
        volumes["sxt_mef_revolved"] = open_array(data / "sxt_mef_revolved" / "4hpi_left_image.nrrd")
        volumes["hl60_odt"] = open_array(data / "hl60_odt" / "hl60_ri.nrrd")
    return volumes


def padded(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """A value far from all intensities, or among the brightest ones, around the field of view."""
    for name, image in _volumes_to_spoil(data).items():
        low, high = np.percentile(image, (0.5, 99.5))
        expected = predict(image)
        for shape, inside in fields_of_view(image.shape).items():
            values = {"below": low - 2 * (high - low), "above": high + 2 * (high - low), "bright": high}
            for kind, value in values.items():
                found = predict(np.where(inside, image, value).astype(image.dtype))
                told = dice(found[inside] == 1, expected[inside] == 1)
                share = 100 * float((found[~inside] > 0).mean())
                told_of = ("padding", "planes at the border")
                noted = "told" if any(word in note for note in predict.notes for word in told_of) else "not told"
                yield f"padded {name}, {shape}, {kind}", ">= 0.98, told", f"{told:.3f}, {share:.1f} %, {noted}"


def sloping(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Intensities that rise across the image."""
    for name, image in _volumes_to_spoil(data).items():
        spread = float(np.ptp(np.percentile(image, (0.5, 99.5))))
        expected = predict(image) == 1
        told = [note for note in predict.notes if "slope" in note]
        yield f"sloping {name}, not at all", "not told", "; ".join(told) or "not told"
        axes = np.meshgrid(*(np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in image.shape), indexing="ij")
        directions = dict(zip("kji", axes, strict=True)) | {"diagonal": np.mean(axes, axis=0)}
        for direction, plane in directions.items():
            for part in (0.5, 1.0):
                found = predict((image + part * spread * plane).astype(np.float32)) == 1
                noted = "told" if any("slope" in note for note in predict.notes) else "not told"
                case = f"sloping {name}, {part:g} along {direction}"
                yield case, ">= 0.97, told", f"{dice(found, expected):.3f}, {noted}"


def blurred(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Blurred images, not sharpened and sharpened."""
    from unittest import mock

    from scipy.ndimage import gaussian_filter

    for name, image in _volumes_to_spoil(data).items():
        as_it_is = predict(image) == 1
        for deviation in (2, 3):
            spoilt = gaussian_filter(image.astype(np.float32), deviation)
            with mock.patch("ACSegLib.network.predict.canonical.find_blur", return_value=None):
                before = dice(predict(spoilt) == 1, as_it_is)
            after = dice(predict(spoilt) == 1, as_it_is)
            yield (
                f"blurred by {deviation}, {name}",
                "in the interval",
                f"{before:.3f} -> {after:.3f}, {predict.expected}",
            )


def without_a_wedge(image: np.ndarray, axis: int, degrees: float) -> np.ndarray:
    """The image without the directions of its spectrum about an axis within half the angle of one across it."""
    margin = [(n // 2, n // 2) for n in image.shape]
    padded = np.pad(image.astype(np.float32), margin, mode="edge")
    frequencies = np.meshgrid(*(np.abs(np.fft.fftfreq(n)) for n in padded.shape), indexing="ij", sparse=True)
    first, second = (frequencies[other] for other in range(3) if other != axis)
    seen = (second <= first / np.tan(np.deg2rad(degrees / 2))) | (first + second == 0)
    whole = np.fft.ifftn(np.fft.fftn(padded) * seen).real
    return whole[tuple(slice(a, a + n) for (a, _), n in zip(margin, image.shape, strict=True))].astype(np.float32)


def wedge(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Directions of the spectrum that no projection covers."""
    for name, image in _volumes_to_spoil(data).items():
        as_it_is = predict(image) == 1
        for axis, letter in enumerate("kji"):
            found = dice(predict(without_a_wedge(image, axis, 60.0)) == 1, as_it_is)
            noted = "told" if any("lacks a wedge" in note for note in predict.notes) else "not told"
            yield f"wedge about {letter}, {name}", "in the interval, told", f"{found:.3f}, {predict.expected}, {noted}"


def _cells(data: Path, options: argparse.Namespace) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Image, cell, and which voxels are judged, of real and simulated volumes."""
    from ACSegLib.phantom import simulate, vary, vary_packed

    volumes = {}
    if data is not None:
        folder = data / "sxt_cell_in_capillary"
        image, labels = open_array(folder / "cell.rec"), open_labels(folder / "cell.labels")
        beside = (labels == 0) & (((image >= MEDIUM[0]) & (image <= MEDIUM[1])) | (image > GLASS_FROM))
        volumes["sxt_cell"] = image, labels == 1, beside | (labels == 1)
        for name, of_image, of_cell in (
            ("sxt_mef_revolved", "4hpi_left_image.nrrd", "4hpi_left_cells.nrrd"),
            ("hl60_odt", "hl60_ri.nrrd", "hl60_otsu_cell.nrrd"),
        ):
            image, cell = open_array(data / name / of_image), open_labels(data / name / of_cell) > 0
            volumes[name] = image, cell, np.ones(cell.shape, bool)
    for seed in UNSEEN_PLANES:
        made = simulate(options.size, seed=seed, recipe=(vary_packed if seed % 2 else vary)(seed))
        cell = made.truth.labels == 1
        volumes[f"simulated, seed {seed}"] = made.volume.array, cell, np.ones(cell.shape, bool)
    return volumes


def planes(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Every second and every fourth plane along each axis, without the voxel size that follows, and with it."""
    for name, (image, cell, judged) in _cells(data, options).items():
        for every in (2, 4):
            told = []
            for axis in range(3):
                k, j, i = (every if a == axis else 1 for a in range(3))
                kept = (slice(None, None, k), slice(None, None, j), slice(None, None, i))
                few = np.ascontiguousarray(image[kept])
                before, after = (
                    dice((predict(few, voxel) == 1) & judged[kept], cell[kept]) for voxel in ((1, 1, 1), (k, j, i))
                )
                told.append(f"{before:.3f} -> {after:.3f}")
            yield f"one plane in {every}, {name}, along k / j / i", ">= 0.9", " / ".join(told)


def small(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Volumes reduced to few voxels, as they are and interpolated; labels are judged on the voxels of the volume."""
    from unittest import mock

    from ACSegLib.network.model.preprocessing import Preprocessing
    from ACSegLib.network.predict.working_grid import WorkingGrid, reduced_shape

    for name, (image, cell, judged) in _cells(data, options).items():
        for side in (38, 32, 24):
            shape = reduced_shape(image.shape, Preprocessing(mean_side=side)) or image.shape
            grid = WorkingGrid((0, 0, 0), (image.shape[0], image.shape[1], image.shape[2]), shape)
            few = grid.read(image, (0, 0, 0), shape, lambda part: part.astype(np.float32))
            nearest = np.ix_(*((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip(image.shape, shape, strict=True)))
            with mock.patch("ACSegLib.network.predict.working_grid.ENLARGED", (np.inf, np.inf)):
                before = predict(few)
            found = [dice((labels[nearest] == 1) & judged, cell) for labels in (before, predict(few))]
            yield f"{side} voxels a side, {name}", "", f"{found[0]:.3f} -> {found[1]:.3f}"


def empty(predict: Predictor, data: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Images without a cell."""
    from scipy.ndimage import gaussian_filter

    from ACSegLib.phantom import simulate, vary_packed

    noise = np.random.default_rng(1).normal(size=(64, 64, 64)).astype(np.float32)
    rise = np.linspace(0, 10, 64, dtype=np.float32)[:, None, None]
    images = {"noise": noise, "smooth noise": gaussian_filter(noise, 2), "noise on a gradient": noise + rise}
    nothing = {"filling": 1e-4, "beads": 0, "fragments": 0, "filopodia": 0, "microvilli": 0.0, "column": False}
    for seed in UNSEEN_EMPTY:
        for wall in (True, False):
            recipe = vary_packed(seed, holder="capillary", wall=wall, **nothing)
            name = "a capillary without cells" if wall else "medium alone"
            images[f"{name}, seed {seed}"] = simulate(64, seed=seed, recipe=recipe).volume.array
    for name, image in images.items():
        share = 100 * float((predict(image) > 0).mean())
        yield f"empty: {name}", "<= 1 % labelled, or told", f"{share:.1f} % {'; '.join(predict.notes)}"


CASES: dict[str, Callable[..., Iterator[Line]]] = {
    "real": real,
    "revolved": revolved,
    "hl60": hl60,
    "simulated": simulated,
    "packed": packed,
    "contact": contact,
    "orientations": agreement,
    "inverted": inverted,
    "padded": padded,
    "sloping": sloping,
    "blurred": blurred,
    "wedge": wedge,
    "planes": planes,
    "small": small,
    "empty": empty,
}
NEEDS_DATA = {"real", "revolved", "hl60"}


def main() -> int:
    """Run the cases asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model file; default: the pretrained one")
    parser.add_argument("--cases", default=",".join(CASES), help=f"some of {', '.join(CASES)} (default: all)")
    parser.add_argument("--refine", default="auto", choices=("auto", "none", "walk"))
    parser.add_argument("--tta", action="store_true", help="average over the eight mirror images")
    parser.add_argument("--size", type=int, default=128, help="voxels per side of the simulated cells")
    parser.add_argument("--orientations", type=int, default=6, help="how many of the 48 (default: 6)")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    parser.add_argument("--threads", type=int, help="processor threads; left out: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and lines")
    options = parser.parse_args()
    if options.threads:
        import numba
        import torch

        torch.set_num_threads(options.threads)
        numba.set_num_threads(options.threads)
    data, predict = harness.data_folder(options.data), Predictor(options)
    lines: list[Line] = []
    for name in options.cases.split(","):
        if name in NEEDS_DATA and data is None:
            lines.append((name, "", "data set not found: see --data"))
            continue
        for line in CASES[name](predict, data, options):
            harness.say(": ".join(line))
            lines.append(line)
    facts: dict[str, Any] = harness.machine()
    print(f"{facts['processor']}, {facts['cores']} cores; {facts['versions']}\n")
    print(harness.markdown_table(("case", "target", "measured"), lines))
    if options.json:
        options.json.write_text(json.dumps({"machine": facts, "lines": lines}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

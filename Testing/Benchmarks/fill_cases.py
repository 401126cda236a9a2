"""The volumes on which fills are compared: simulated tomograms, and real volumes with dense labels thinned out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fill_methods import drawn_mask

Slices = dict[str, list[int]]


@dataclass
class Case:
    """One volume with sparse labels, and what is known about the rest of it.

    Parameters
    ----------
    image : ndarray, shape (k, j, i)
    truth : ndarray of uint16, shape (k, j, i)
        Consecutive values, 0 is background.
    slices : dict
        Labelled slices by axis ("k", "j" or "i").
    scored : ndarray of bool, shape (k, j, i)
        Voxels on which results are compared with `truth`; the drawn ones are never among them.
    thin : ndarray of bool, optional
        Thin structures (filopodia) whose recall as label 1 is reported.
    walks : int
        Walks a seed voxel for Biomedisa (its default is 10).
    """

    name: str
    image: np.ndarray
    truth: np.ndarray
    slices: Slices
    scored: np.ndarray
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: str = "px"
    names: dict[int, str] = field(default_factory=dict)
    thin: np.ndarray | None = None
    walks: int = 10

    @property
    def labels(self) -> np.ndarray:
        """The truth on the labelled slices, 0 elsewhere."""
        return np.where(drawn_mask(self.truth.shape, self.slices), self.truth, 0).astype(self.truth.dtype)

    def job(self, folder: Path, **parameters: Any) -> dict[str, Any]:
        """Write the arrays that a method needs into `folder` and give the job that describes them."""
        np.save(folder / "image.npy", self.image)
        np.save(folder / "labels.npy", self.labels)
        common = {"name": self.name, "slices": self.slices, "spacing": self.spacing, "unit": self.unit}
        return {**common, "walks": self.walks, **parameters}


def _consecutive(labels: np.ndarray) -> np.ndarray:
    values = np.unique(labels)
    values = values[values != 0]
    table = np.zeros(int(labels.max()) + 1, np.uint16)
    table[values] = np.arange(1, len(values) + 1)
    return table[labels]


def every_nth(count: int, every: int) -> list[int]:
    """Indices of every n-th slice, the first half a step from the border."""
    return list(range(every // 2, count, every))


def thinned(name: str, image: np.ndarray, truth: np.ndarray, every: int, **rest: Any) -> Case:
    """A case in which every n-th slice along k of a dense label array is drawn and the others are scored."""
    truth = _consecutive(truth)
    slices = {"k": every_nth(len(truth), every)}
    return Case(name, image, truth, slices, ~drawn_mask(truth.shape, slices), **rest)


def phantom(
    shape: tuple[int, int, int],
    seed: int = 0,
    every: int = 20,
    walks: int = 10,
    cache: Path | None = None,
    **recipe: Any,
) -> Case:
    """Simulated tomogram of a cell with filopodia and beads, every n-th slice drawn.

    `recipe` are parameters of `ACSegLib.phantom.Recipe`. A tomogram found in the folder `cache` is read from there.
    """
    from ACSegLib.phantom import simulate

    size = " x ".join(str(n) for n in shape[::-1])
    title = " ".join([f"phantom {size}", *(f"{key} {value}" for key, value in recipe.items()), f"seed {seed}"])
    kept = cache / f"{title.replace(' ', '_')}.npz" if cache else None
    if kept and kept.exists():
        with np.load(kept) as file:
            image, truth, thin, spacing = (file[key] for key in ("image", "truth", "thin", "spacing"))
    else:
        made = simulate(shape, seed=seed, **recipe)
        image, truth, thin = made.volume.array, made.truth.labels, made.mask("filopodia")
        spacing = np.array(made.volume.geometry.spacing)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, image=image, truth=truth, thin=thin, spacing=spacing)
    slices = {"k": every_nth(len(truth), every)}
    scored = ~drawn_mask(truth.shape, slices)
    names = {1: "cell", 2: "bead", 3: "neighbour"}
    i, j, k = (float(length) for length in spacing)
    return Case(f"{title}, every {every}th", image, truth, slices, scored, (i, j, k), "nm", names, thin, walks)


def nuclei(data: Path) -> Iterator[Case]:
    """Confocal nuclei, one label per nucleus, every 8th slice drawn."""
    import tifffile

    folder = data / "nuclei"
    image, truth = (tifffile.imread(folder / name) for name in ("nuclei.tif", "nuclei_label.tif"))
    yield thinned("nuclei, every 8th", image, truth, 8)


def root_cells(data: Path) -> Iterator[Case]:
    """Plant cells with stained walls, one label per cell, every 6th slice drawn; the defective plane is not scored."""
    import h5py

    with h5py.File(data / "root_cells" / "sample_patch.h5") as file:
        image, truth = file["raw"][:], file["label"][:]
    truth[31] = truth[30]
    case = thinned("root cells, every 6th", image, truth, 6)
    case.scored[31] = False
    yield case


def hippocampus(data: Path) -> Iterator[Case]:
    """MR crops of the hippocampus, two labels, every 5th slice drawn; fifteen people."""
    from ACSegLib.files import open_segmentation, open_volume

    for path in sorted((data / "hippocampus" / "images").glob("*.nii.gz")):
        image = open_volume(path)
        truth = open_segmentation(data / "hippocampus" / "labels" / path.name).labels
        name = f"{path.name.split('.')[0]}, every 5th"
        yield thinned(name, image.array, truth, 5, spacing=image.geometry.spacing, unit=image.geometry.unit)


def sxt_cell(data: Path) -> Iterator[Case]:
    """Real soft X-ray tomogram of cells in a capillary; planes drawn by hand along k and i, one left out and scored."""
    from ACSegLib.files import open_segmentation, open_volume

    folder = data / "sxt_cell_in_capillary"
    image = open_volume(folder / "cell.rec")
    labels = open_segmentation(folder / "cell.labels").labels
    known = labels != 2
    truth = np.where(labels == 1, 1, 0).astype(np.uint16)
    inner: Slices = {"k": [11, 22, 34, 45], "i": [11, 22, 34, 45]}
    for axis, indices in inner.items():
        for left_out in indices:
            slices = {name: [n for n in planes if (name, n) != (axis, left_out)] for name, planes in inner.items()}
            scored = drawn_mask(truth.shape, {axis: [left_out]}) & known & ~drawn_mask(truth.shape, slices)
            if not truth[scored].any():
                continue  # a plane beyond the cell: drawn, but there is no Dice to speak of
            yield Case(f"sxt cell, plane {axis} = {left_out}", image.array, truth, slices, scored)


FOLDERS = {
    "nuclei": "nuclei",
    "root_cells": "root_cells",
    "hippocampus": "hippocampus",
    "sxt_cell": "sxt_cell_in_capillary",
}
REAL = {"nuclei": nuclei, "root_cells": root_cells, "hippocampus": hippocampus, "sxt_cell": sxt_cell}


def score(case: Case, result: np.ndarray) -> dict[str, Any]:
    """Dice of each drawn label on the scored voxels, their mean, thin-structure recall, changed labelled voxels."""
    drawn = drawn_mask(case.truth.shape, case.slices)
    truth, found = case.truth[case.scored].astype(np.int64), result[case.scored].astype(np.int64)
    size = int(max(truth.max(initial=0), found.max(initial=0), case.truth.max())) + 1
    both = np.bincount(truth[truth == found], minlength=size)
    total = np.bincount(truth, minlength=size) + np.bincount(found, minlength=size)
    values = [int(v) for v in np.unique(case.truth[drawn]) if v and total[v]]
    dice = {case.names.get(v, str(v)): 2.0 * both[v] / total[v] for v in values}
    scores: dict[str, Any] = {
        "dice": {name: round(float(value), 4) for name, value in dice.items()},
        "mean_dice": float(np.mean(list(dice.values()))),
        "changed": int(np.count_nonzero(result[drawn] != case.truth[drawn])),
    }
    if case.thin is not None:
        thin = case.thin & case.scored
        scores["thin_recall"] = float(np.mean(result[thin] == 1))
    return scores

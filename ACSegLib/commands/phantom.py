"""Simulate soft X-ray tomograms of cells in a capillary, with exact labels.

The simulated tomograms serve to try each step and to score it against the ground truth. For each tomogram NAME the
command writes these files to DIR:

  images/NAME.nrrd      the reconstructed tomogram: absorption (LAC) in 1/um, voxel size in nm
  truth/NAME.seg.nrrd   ground truth, a label for every voxel: 1 cytoplasm (the whole cell), 2 bead
  sparse/NAME.seg.nrrd  sparse labels, as a person would make them on every n-th slice
  cells/NAME.seg.nrrd   one label for each cell (with --packed or --like)
  parts/NAME.seg.nrrd   what each voxel is: filopodia, nucleus, lipid droplets, capillary wall, ...
  recipes/NAME.json     all parameters of the simulation

Examples:
  acseg phantom -o phantoms
  acseg phantom -o phantoms --kind huh-7 --size 256 --every 10 --shake 1
  acseg phantom -o training --count 8 --size 96 --vary
  acseg phantom -o training --count 8 --size 96 --packed --capillary-axis j
  acseg phantom -o twins --count 8 --size 96 --like tomogram.rec
  acseg fill phantoms/images/t-cell-0.nrrd phantoms/sparse/t-cell-0.seg.nrrd -o filled.seg.nrrd
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.errors import InputError
from ACSegLib.files.atomic import output_folders
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.phantom.recipe import AXES, KINDS, NEIGHBOURS, Recipe
from ACSegLib.phantom.variation import vary, vary_packed
from ACSegLib.wording import counted

if TYPE_CHECKING:
    from ACSegLib.phantom import Phantom
    from ACSegLib.phantom.twin import Estimate
    from ACSegLib.volume import Segmentation

SUMMARY = "simulate tomograms with exact labels"

FOLDERS = ("images", "truth", "sparse", "parts", "recipes")
#: Options that are parameters of the recipe under the same name; None leaves the recipe's value.
_RECIPE_OPTIONS = (
    "kind",
    "neighbour",
    "missing_wedge",
    "photons",
    "projections",
    "rings",
    "filopodia",
    "beads",
    "field_of_view",
)


@dataclass
class Options:
    """Options of ``acseg phantom``."""

    output: str = option(
        path="folder", help="folder to write to; it is created if it does not exist", short="o", metavar="DIR"
    )
    size: list[int] = option(default=[128], help="voxels along each axis: one number, or three (I J K)", minimum=1)
    seed: int = option(default=0, help="seed of all random numbers; each further tomogram uses the next one", minimum=0)
    kind: str | None = option(
        default=None, help="cell type (t-cell, or a random one with --vary)", choices=tuple(KINDS), metavar="KIND"
    )
    count: int = option(default=1, help="how many tomograms", minimum=1)
    every: int = option(default=20, help="every n-th slice has sparse labels", minimum=1, metavar="N")
    axis: str = option(default="k", help="axis of the labelled slices", choices=("k", "j", "i"))
    shake: float = option(
        default=0.0, help="error of the outlines of the sparse labels, root mean square", minimum=0, unit="voxels"
    )
    vary: bool = option(default=False, help="vary cell type, contrast, dose, voxel size and artefacts widely")
    packed: bool = option(
        default=False,
        help="vary as widely, and pack one to eight cells into the capillary, or onto a flat holder, as most real "
        "tomograms show them",
    )
    like: str | None = option(
        path="in",
        default=None,
        help="simulate packed cells like those of this tomogram: capillary, filling, contrasts, noise, blur, missing "
        "wedge and size of the cells are estimated; it needs no labels",
        metavar="TOMOGRAM",
    )
    capillary_axis: str | None = option(
        default=None, help="axis along the capillary (k, or that of --like)", choices=AXES
    )
    neighbour: str | None = option(
        default=None,
        help="how a second, touching cell is labelled: unlabelled makes it background in the ground truth "
        "(as when one cell of many is labelled), cytoplasm gives it the same label, segment its own; "
        "none: there is no such cell",
        choices=NEIGHBOURS,
        metavar="HOW",
    )
    missing_wedge: float | None = option(
        default=None, help="angle that no projection covers", minimum=0, maximum=175, unit="degrees"
    )
    photons: float | None = option(
        default=None, help="dose: counts of a detector pixel without a specimen (5000)", minimum=1, advanced=True
    )
    projections: int | None = option(default=None, help="number of projections (92)", minimum=1, advanced=True)
    rings: float | None = option(
        default=None, help="gain error of detector pixels, makes ring artefacts (0; try 0.01)", minimum=0, advanced=True
    )
    filopodia: int | None = option(default=None, help="number of filopodia", minimum=0, advanced=True)
    beads: int | None = option(default=None, help="number of polystyrene beads", minimum=0, advanced=True)
    field_of_view: float | None = option(
        default=None, help="width of a slice; sets the voxel size", minimum=0.01, unit="um", advanced=True
    )


@dataclass
class Tomogram:
    """One simulated tomogram: its files by role, labelled slices along an axis, and voxels of each segment."""

    name: str
    files: dict[str, str]
    labelled_slices: list[int]
    axis: str
    voxels: dict[str, int]


@dataclass
class Results(BaseResults):
    """What was simulated, and the files to try a fill on."""

    tomograms: list[Tomogram]
    example: dict[str, str]
    like: Json | None = None


def run(options: Options, progress: Progress) -> Results:
    """Simulate and write `options.count` tomograms."""
    from ACSegLib.phantom import simulate

    size = options.size * 3 if len(options.size) == 1 else options.size[::-1]
    if len(size) != 3:
        raise InputError(f"--size takes one number or three (I J K), not {len(options.size)}.")
    folder = Path(options.output)
    written = []
    stages = progress.stages(estimate=1 if options.like else 0, simulate=9)
    estimate = _estimate(options.like, stages.estimate) if options.like else None
    folders = (*FOLDERS, "cells") if options.packed or estimate else FOLDERS
    with output_folders(*(folder / name for name in folders)):
        for number, part in stages.simulate.each(range(options.count)):
            steps = part.stages(simulate=9, write=1)
            seed = options.seed + number
            phantom = simulate(size, seed, recipe=_recipe(options, seed, estimate), progress=steps.simulate)
            steps.write(0.0, "writing")
            written.append(_write(phantom, options, folder, part.check))
    like = None if estimate is None else {"file": options.like, **estimate.as_dict()}
    example = {role: written[0].files[role] for role in ("image", "sparse")}
    return Results(written, example, outputs={name: str(folder / name) for name in folders}, like=like)


def _estimate(path: str, progress: Progress) -> Estimate:
    """Estimate what a tomogram is like, from the labels that the pretrained model gives it."""
    from ACSegLib.files import open_volume
    from ACSegLib.network.model.pretrained import open_model
    from ACSegLib.workflows.adapt import estimate_tomogram

    return estimate_tomogram(open_volume(path), open_model(arrays=True), progress)


def _recipe(options: Options, seed: int, estimate: Estimate | None) -> Recipe:
    named = {name: getattr(options, name) for name in _RECIPE_OPTIONS}
    named = {name: value for name, value in named.items() if value is not None}
    if options.capillary_axis is not None:
        named["axis"] = options.capillary_axis
    if estimate is not None:
        from ACSegLib.phantom.twin import twin_recipe

        return twin_recipe(estimate, seed, **named)
    if options.packed:
        return vary_packed(seed, **named)
    return vary(seed, **named) if options.vary else Recipe().changed(**named)


def _write(phantom: Phantom, options: Options, folder: Path, check: Callable[[], None]) -> Tomogram:
    """Write one tomogram's files: all of them, or none."""
    from ACSegLib.commands.run_report import write_json
    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.files.atomic import all_or_none
    from ACSegLib.phantom import label_slices

    name = phantom.volume.name
    sparse, slices = label_slices(phantom.truth, options.every, options.axis, shake=options.shake, seed=phantom.seed)
    recipe = {
        "seed": phantom.seed,
        "shape_kji": phantom.volume.shape,
        "spacing_nm": phantom.volume.geometry.spacing,
        "labelled_slices": {options.axis: slices},
        "shake_voxels": options.shake,
        "recipe": phantom.recipe.as_dict(),
    }

    def segmentation(which: str) -> Path:
        return folder / which / f"{name}.seg.nrrd"

    def labelled(content: Segmentation) -> Callable[[Path], Any]:
        return lambda path: save_segmentation(content, path)

    jobs: dict[str, tuple[Path, Callable[[Path], Any]]] = {
        "image": (folder / "images" / f"{name}.nrrd", lambda path: save_volume(phantom.volume, path)),
        "truth": (segmentation("truth"), labelled(phantom.truth)),
        "sparse": (segmentation("sparse"), labelled(sparse)),
        "parts": (segmentation("parts"), labelled(phantom.parts)),
        "recipe": (folder / "recipes" / f"{name}.json", lambda path: write_json(recipe, path)),
    }
    if phantom.recipe.packing:
        jobs["cells"] = (segmentation("cells"), labelled(phantom.cells))
    with all_or_none():
        for path, write in jobs.values():
            check()
            write(path)
    voxels = {segment.name: int(phantom.truth.mask(segment).sum()) for segment in phantom.truth.segments}
    files = {key: str(path) for key, (path, _) in jobs.items()}
    return Tomogram(name, files, slices, options.axis, voxels)


def describe(results: Results) -> str:
    """Say what was simulated, and how to fill it."""
    from ACSegLib.axes import both_names
    from ACSegLib.commands.adapt import describe_estimate

    lines = []
    if results.like:
        lines.append(f"like {results.like['file']}: {describe_estimate(results.like)}")
    for tomogram in results.tomograms:
        voxels = ", ".join(f"{name} {counted(count, 'voxels')}" for name, count in tomogram.voxels.items())
        slices = f"{counted(len(tomogram.labelled_slices), 'labelled slices')} along {both_names(tomogram.axis)}"
        lines.append(f"{tomogram.files['image']}: {voxels}; {slices}")
    lines.append(f"try: acseg fill {results.example['image']} {results.example['sparse']} -o filled.seg.nrrd")
    return "\n".join(lines)

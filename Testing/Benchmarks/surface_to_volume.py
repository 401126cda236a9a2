"""The open problem of Erozan et al. (iScience 27 (2024) 109856): does the surface-to-volume ratio survive?

In the paper the ratio of predicted cells differs from the truth's (p = 0.0015), since scaling volumes to 256^3 loses
fine filopodia. Here cells with filopodia are simulated, so that the truth is known, and volume and ratio are compared,
paired, for: labels filled between drawn slices; a network on down-scaled volumes; a network at native resolution; the
same with the second network for the surface. Every stage keeps its files, so a stopped run goes on.

Run ``python Testing/Benchmarks/surface_to_volume.py OUT --conditions filled`` for what needs no training, or
``python Testing/Benchmarks/surface_to_volume.py OUT --minutes 20`` for all (four trainings' time on one machine).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ACSegLib.commands import compare, predict, train
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.tables import read_table, write_table
from ACSegLib.jobs import Progress
from ACSegLib.measure.comparison import compare_paired
from ACSegLib.volume import Geometry

CONDITIONS = ("filled", "downscaled", "native", "refined")


def say(text: str) -> None:
    """Tell how far the benchmark is."""
    print(text, flush=True)


def simulate_cells(folder: Path, count: int, first_seed: int, options: argparse.Namespace) -> None:
    """Images, truth, and slices drawn by a simulated annotator and filled."""
    from ACSegLib.phantom import annotate, simulate

    for name in ("images", "truth", "filled"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for n in range(count):
        name = f"cell{n:03d}"
        image = folder / "images" / f"{name}.nrrd"
        filled = folder / "filled" / f"{name}.seg.nrrd"
        if not image.exists():
            say(f"simulating {image}")
            phantom = simulate(size=options.size, seed=first_seed + n, filopodia=options.filopodia)
            save_segmentation(phantom.truth, folder / "truth" / f"{name}.seg.nrrd")
            save_volume(phantom.volume, image)
        if not filled.exists():
            from ACSegLib.fill import fill

            say(f"filling {filled}")
            truth = open_segmentation(folder / "truth" / f"{name}.seg.nrrd")
            drawn, slices = annotate(truth, every=options.every, axis="k", shake=options.shake, seed=first_seed + n)
            result = fill(open_volume(image), drawn, axis="k", slices=slices)
            save_segmentation(result.segmentation, filled)


def coarser(geometry: Geometry, factors: Sequence[float]) -> Geometry:
    """The grid that covers the same space with voxels larger by a factor along each of i, j, k."""
    start = [(f - 1) / 2 for f in factors] + [1.0]
    origin = tuple(float(v) for v in (geometry.ijk_to_lps @ start)[:3])
    spacing = tuple(s * f for s, f in zip(geometry.spacing, factors, strict=True))
    return replace(geometry, spacing=spacing, origin=origin)


def downscaled_copy(folder: Path, target: Path, factor: float) -> None:
    """Images and filled labels at `factor` times the voxel size, as scaling to 256^3 does."""
    from ACSegLib.resample import resample_segmentation, resample_volume

    for name in ("images", "filled"):
        (target / name).mkdir(parents=True, exist_ok=True)
    for path in sorted((folder / "images").glob("*.nrrd")):
        if (target / "images" / path.name).exists():
            continue
        volume = open_volume(path)
        labels = open_segmentation(folder / "filled" / f"{path.stem}.seg.nrrd")
        k, j, i = (max(1, round(n / factor)) for n in volume.shape)
        onto = coarser(volume.geometry, [n / m for n, m in zip(volume.shape[::-1], (i, j, k), strict=True)])
        save_segmentation(resample_segmentation(labels, onto, (k, j, i)), target / "filled" / f"{path.stem}.seg.nrrd")
        save_volume(resample_volume(volume, onto, (k, j, i), antialias=True), target / "images" / path.name)


def train_once(images: Path, labels: Path, model: Path, minutes: float) -> None:
    """Train a network unless it is there."""
    if model.exists():
        return
    say(f"training {model}")
    resume = model.with_suffix(".checkpoint").exists()
    options = train.Options(str(model), images=[str(images)], labels=[str(labels)], minutes=minutes, resume=resume)
    train.run(options, Progress())


def train_surface(folder: Path, first: Path, model: Path, minutes: float) -> None:
    """Train the second network for the surface unless it is there."""
    from ACSegLib.network.model_file import load_model, save_model
    from ACSegLib.network.surface_training import SurfaceTraining, train_refiner

    if model.exists():
        return
    say(f"training {model}")
    pairs = [
        (open_volume(p), open_segmentation(folder / "filled" / f"{p.stem}.seg.nrrd"))
        for p in sorted((folder / "images").glob("*.nrrd"))
    ]
    save_model(train_refiner(pairs, load_model(first), SurfaceTraining(minutes=minutes)), model)


def predict_all(images: Path, model: Path, target: Path, refine: str = "none") -> None:
    """Predict each image that has no result yet."""
    target.mkdir(parents=True, exist_ok=True)
    for image in sorted(images.glob("*.nrrd")):
        result = target / f"{image.stem}.seg.nrrd"
        if not result.exists():
            say(f"predicting {result}")
            predict.run(predict.Options([str(image)], str(result), model=str(model), refine=refine), Progress())


def back_to_native(small: Path, images: Path, target: Path) -> None:
    """Bring down-scaled results onto the grid of the native images."""
    from ACSegLib.resample import resample_segmentation

    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(small.glob("*.seg.nrrd")):
        if not (target / path.name).exists():
            volume = open_volume(images / f"{path.name.removesuffix('.seg.nrrd')}.nrrd")
            found = resample_segmentation(open_segmentation(path), volume.geometry, volume.shape)
            save_segmentation(found, target / path.name)


def results_of(condition: str, out: Path, options: argparse.Namespace) -> Path:
    """Make the results of a condition; gives their folder."""
    test, training, models, target = out / "test", out / "train", out / "models", out / "results" / condition
    models.mkdir(exist_ok=True)
    if condition == "filled":
        return test / "filled"
    if condition == "downscaled":
        downscaled_copy(training, out / "small_train", options.factor)
        downscaled_copy(test, out / "small_test", options.factor)
        model = models / "downscaled.acseg"
        train_once(out / "small_train" / "images", out / "small_train" / "filled", model, options.minutes)
        predict_all(out / "small_test" / "images", model, out / "results" / "small")
        back_to_native(out / "results" / "small", test / "images", target)
        return target
    native = models / "native.acseg"
    train_once(training / "images", training / "filled", native, options.minutes)
    if condition == "native":
        predict_all(test / "images", native, target)
    else:
        train_surface(training, native, models / "refined.acseg", options.minutes)
        predict_all(test / "images", models / "refined.acseg", target, refine="network")
    return target


def print_table(out: Path, conditions: list[str]) -> None:
    """Compare each condition with the truth, and print volume and ratio with paired tests (Markdown)."""
    rows = []
    for condition in conditions:
        cells = [r for r in read_table(out / f"{condition}.csv") if r["segment"] == "cytoplasm"]
        for measure, column in (("volume", "volume"), ("surface / volume", "surface_to_volume")):
            first, second = ([r[f"{side}_{column}"] for r in cells] for side in ("result", "truth"))
            found = compare_paired(first, second, measure)
            errors = [100 * (a / b - 1) for a, b in zip(first, second, strict=True)]
            row = {"condition": condition, "cells": found.pairs, "measure": measure}
            row |= {"dice": sum(r["dice"] for r in cells) / len(cells), "mean_error_percent": sum(errors) / len(errors)}
            row |= {"mean_absolute_error_percent": sum(map(abs, errors)) / len(errors)}
            rows.append(row | {"t_p": found.t_p, "wilcoxon_p": found.wilcoxon_p, "cohen_d": found.cohen_d})
    write_table(rows, out / "surface_to_volume.csv")
    say("| condition | cells | Dice % | measure | mean error % | mean absolute error % | p (t) | p (Wilcoxon) |")
    say("|---|---|---|---|---|---|---|---|")
    for r in rows:
        errors = f"{r['mean_error_percent']:+.2f} | {r['mean_absolute_error_percent']:.2f}"
        tests = f"{r['t_p']:.4f} | {r['wilcoxon_p']:.4f}"
        say(f"| {r['condition']} | {r['cells']} | {100 * r['dice']:.2f} | {r['measure']} | {errors} | {tests} |")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for everything; a stopped run goes on there")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--cells", type=int, default=20, help="test cells")
    parser.add_argument("--train", type=int, default=20, help="training cells")
    parser.add_argument("--size", type=int, default=128, help="voxels a side")
    parser.add_argument("--filopodia", type=int, default=None, help="filopodia of a cell; the cell type's by default")
    parser.add_argument("--every", type=int, default=10, help="every n-th slice is drawn")
    parser.add_argument("--shake", type=float, default=0.0, help="error of the drawing hand, voxels")
    parser.add_argument("--factor", type=float, default=472 / 256, help="down-scaling, the paper's by default")
    parser.add_argument("--minutes", type=float, default=20.0, help="length of each training")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    simulate_cells(options.out / "test", options.cells, 100_000, options)
    if set(options.conditions) - {"filled"}:
        simulate_cells(options.out / "train", options.train, 0, options)
    for condition in options.conditions:
        results = results_of(condition, options.out, options)
        table = options.out / f"{condition}.csv"
        compare.run(compare.Options(str(results), str(options.out / "test" / "truth"), str(table)), Progress())
    print_table(options.out, options.conditions)


if __name__ == "__main__":
    main()

"""The open problem of Erozan et al. (iScience 27 (2024) 109856): does the surface-to-volume ratio survive?

In the paper the ratio of predicted cells differs from the truth's (p = 0.0015), since scaling volumes to 256^3 loses
fine filopodia. Here cells with filopodia are simulated, so that the truth is known, and volume and ratio are compared,
paired, for: labels filled between labelled slices; a network on down-scaled volumes; a network at native resolution;
the same with the refinement network; the same with a walk from the certain voxels. A second table says where the
ratio's error comes from. Every stage keeps its files, so a stopped run goes on (a training from its checkpoint); other
settings need another folder.

Run ``python Testing/Benchmarks/surface_to_volume.py OUT --conditions filled`` for what needs no training, or
``python Testing/Benchmarks/surface_to_volume.py OUT --minutes 20`` for all (three trainings of 20 minutes).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import markdown_table
from other_grids import coarser_grid, interpolated_onto, smoothed_onto
from ratio_errors import ratio_errors

from ACSegLib.commands import predict, train
from ACSegLib.commands.batch import Item, forget, journal_path, run_batch
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.tables import write_table
from ACSegLib.jobs import Progress
from ACSegLib.measure.comparison import compare_paired, correct_p_values
from ACSegLib.workflows.train import beside

CONDITIONS = ("filled", "downscaled", "native", "refined", "walked")
#: Seed of the first test cell; training cells count from 0.
TEST_SEED = 100_000


def say(text: str) -> None:
    """Tell how far the benchmark is."""
    print(text, flush=True)


def simulate_cells(folder: Path, count: int, first_seed: int, options: argparse.Namespace) -> None:
    """Images, truth with its parts, and slices with simulated sparse labels, filled."""
    from ACSegLib.fill import fill
    from ACSegLib.phantom import label_slices, simulate

    for name in ("images", "truth", "parts", "filled"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for n in range(count):
        name, seed = f"cell{n:03d}", first_seed + n
        image = folder / "images" / f"{name}.nrrd"
        filled = folder / "filled" / f"{name}.seg.nrrd"
        if not image.exists():
            say(f"simulating {image}")
            phantom = simulate(size=options.size, seed=seed, filopodia=options.filopodia)
            save_segmentation(phantom.truth, folder / "truth" / f"{name}.seg.nrrd")
            save_segmentation(phantom.parts, folder / "parts" / f"{name}.seg.nrrd")
            save_volume(phantom.volume, image)
        if not filled.exists():
            say(f"filling {filled}")
            truth = open_segmentation(folder / "truth" / f"{name}.seg.nrrd")
            drawn, slices = label_slices(truth, every=options.every, axis="k", shake=options.shake, seed=seed)
            result = fill(open_volume(image), drawn, axis="k", slices=slices)
            save_segmentation(result.segmentation, filled)


def downscaled_copy(folder: Path, target: Path, factor: float) -> None:
    """Images and filled labels at `factor` times the voxel size, as scaling to 256^3 does."""
    for name in ("images", "filled"):
        (target / name).mkdir(parents=True, exist_ok=True)
    for path in sorted((folder / "images").glob("*.nrrd")):
        if (target / "images" / path.name).exists():
            continue
        volume = open_volume(path)
        labels = open_segmentation(folder / "filled" / f"{path.stem}.seg.nrrd")
        grid = coarser_grid(volume, factor)
        save_segmentation(interpolated_onto(labels, *grid), target / "filled" / f"{path.stem}.seg.nrrd")
        save_volume(smoothed_onto(volume, *grid), target / "images" / path.name)


def train_once(images: Path, labels: Path, model: Path, options: argparse.Namespace) -> None:
    """Train a network unless it is there; go on where a training was stopped."""
    if model.exists():
        return
    resume = beside(model, ".checkpoint").exists()
    say(f"training {model}" + (", from its checkpoint" if resume else ""))
    choices = train.Options(str(model), images=[str(images)], labels=[str(labels)], spacing="none", resume=resume)
    choices = replace(choices, preset=options.preset, minutes=options.minutes, checkpoint_minutes=1.0)
    train.run(choices, Progress())


def train_surface(folder: Path, first: Path, model: Path, minutes: float) -> None:
    """Train the refinement network unless it is there."""
    from ACSegLib.network.model.model_file import load_model, save_model
    from ACSegLib.network.refinement.training import RefinementTraining, train_refinement_network

    if model.exists():
        return
    say(f"training {model}")
    pairs = [
        (open_volume(p), open_segmentation(folder / "filled" / f"{p.stem}.seg.nrrd"))
        for p in sorted((folder / "images").glob("*.nrrd"))
    ]
    save_model(train_refinement_network(pairs, load_model(first), RefinementTraining(minutes=minutes)), model)


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
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(small.glob("*.seg.nrrd")):
        if not (target / path.name).exists():
            volume = open_volume(images / f"{path.name.removesuffix('.seg.nrrd')}.nrrd")
            found = interpolated_onto(open_segmentation(path), volume.geometry, volume.shape)
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
        train_once(out / "small_train" / "images", out / "small_train" / "filled", model, options)
        predict_all(out / "small_test" / "images", model, out / "results" / "small")
        back_to_native(out / "results" / "small", test / "images", target)
        return target
    native = models / "native.acseg"
    train_once(training / "images", training / "filled", native, options)
    if condition in ("native", "walked"):
        predict_all(test / "images", native, target, refine="walk" if condition == "walked" else "none")
    else:
        train_surface(training, native, models / "refined.acseg", options.minutes)
        predict_all(test / "images", models / "refined.acseg", target, refine="network")
    return target


@dataclass(frozen=True)
class Measuring:
    """What is measured; the journal of a stopped run holds for it alone."""

    condition: str


def measure_cell(item: Item, settings: Measuring, progress: Progress) -> list[dict[str, Any]]:
    """One row for one cell: see `ratio_errors`."""
    result, truth, parts = (open_segmentation(item.files[role]) for role in ("result", "truth", "parts"))
    names = [s.name for s in result.segments]
    cell = result.mask("cytoplasm") if "cytoplasm" in names else truth.mask("cytoplasm") & False
    figures = ratio_errors(cell, truth.mask("cytoplasm"), parts.mask("filopodia"), truth.geometry.in_unit("um"))
    return [{"condition": settings.condition, "cell": item.name, **figures}]


def measure_condition(condition: str, results: Path, out: Path) -> list[dict[str, Any]]:
    """Rows of all test cells, in parallel; also written as a table."""
    test, table = out / "test", out / f"{condition}.csv"
    items = []
    for path in sorted((test / "truth").glob("*.seg.nrrd")):
        files = {"result": results / path.name, "truth": path, "parts": test / "parts" / path.name}
        items.append(Item(path.name.removesuffix(".seg.nrrd"), {role: str(p) for role, p in files.items()}))
    outcomes = run_batch(items, measure_cell, Measuring(condition), journal=journal_path(table))
    failed = [f"{o.name}: {o.error}" for o in outcomes if o.error]
    if failed:
        raise SystemExit("\n".join(failed))
    rows = [row for outcome in outcomes for row in outcome.rows]
    write_table(rows, table)
    forget(journal_path(table))
    return rows


#: Name of a measure, and the columns that hold it for the result and for the truth.
MEASURES = (
    ("volume", "result_volume", "truth_volume"),
    ("surface / volume", "result_surface_to_volume", "truth_surface_to_volume"),
    ("surface / volume, largest piece", "piece_surface_to_volume", "truth_surface_to_volume"),
)


def comparison_rows(condition: str, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Paired tests of one condition, a row for each measure."""
    rows = []
    for measure, column, true_column in MEASURES:
        first, second = [r[column] for r in cells], [r[true_column] for r in cells]
        found = compare_paired(first, second, measure)
        # A cell that was not found has no ratio; `found` leaves it out as well.
        errors = [100 * (a / b - 1) for a, b in zip(first, second, strict=True) if a == a]
        row = {"condition": condition, "cells": found.pairs, "measure": measure}
        row |= {"dice": _mean(cells, "dice"), "mean_error_percent": _mean_of(errors)}
        row |= {"mean_absolute_error_percent": _mean_of([abs(e) for e in errors])}
        rows.append(row | {"t_p": found.t_p, "wilcoxon_p": found.wilcoxon_p, "cohen_d": found.cohen_d})
    return rows


def _mean(rows: list[dict[str, Any]], column: str) -> float:
    return _mean_of([r[column] for r in rows if r[column] == r[column]])


def _mean_of(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def print_tables(rows: dict[str, list[dict[str, Any]]], out: Path) -> None:
    """Write and print (Markdown) the paired tests, and where the errors come from.

    p values of the t-test are also given corrected for all conditions and measures (Holm).
    """
    tests = [row for condition, cells in rows.items() for row in comparison_rows(condition, cells)]
    for row, p in zip(tests, correct_p_values([r["t_p"] for r in tests]), strict=True):
        row["p_corrected"] = p
    write_table(tests, out / "surface_to_volume.csv")
    header = (
        "condition",
        "cells",
        "Dice %",
        "measure",
        "mean error %",
        "mean absolute error %",
        "p (t)",
        "p (t, Holm)",
        "p (Wilcoxon)",
    )
    body = [
        (r["condition"], r["cells"], f"{100 * r['dice']:.2f}", r["measure"], f"{r['mean_error_percent']:+.2f}",
         f"{r['mean_absolute_error_percent']:.2f}", f"{r['t_p']:.4f}", f"{r['p_corrected']:.4f}",
         f"{r['wilcoxon_p']:.4f}")
        for r in tests
    ]  # fmt: skip
    say(markdown_table(header, body))
    header = ("condition", "loose pieces %", "filopodia %", "body %", "recall of filopodia %", "filopodia found")
    body = []
    for condition, cells in rows.items():
        parts = [f"{100 * _mean(cells, name):+.2f}" for name in ("loose_area", "filopodia_area", "body_area")]
        found = f"{_mean(cells, 'result_thin_parts'):.1f} of {_mean(cells, 'truth_thin_parts'):.1f}"
        body.append((condition, *parts, f"{100 * _mean(cells, 'filopodia_recall'):.1f}", found))
    share = 100 * _mean(next(iter(rows.values())), "filopodia_share")
    say(f"\nError of the area in percent of the true one, of which the filopodia have {share:.1f} %, and its parts:\n")
    say(markdown_table(header, body))


def keep_settings(options: argparse.Namespace) -> None:
    """Refuse a folder that was begun with other settings: its files would be taken for those of these."""
    path = options.out / "settings.json"
    free = ("out", "conditions")
    values = {name: value for name, value in vars(options).items() if name not in free}
    if path.exists() and (before := json.loads(path.read_text())) != values:
        changed = ", ".join(f"{n} {before.get(n)}, now {values[n]}" for n in values if before.get(n) != values[n])
        raise SystemExit(f"{options.out} was begun with other settings ({changed}); name another folder.")
    path.write_text(json.dumps(values, indent=1) + "\n")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for everything; a stopped run goes on there")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--cells", type=int, default=20, help="test cells")
    parser.add_argument("--train", type=int, default=20, help="training cells")
    parser.add_argument("--size", type=int, default=128, help="voxels per side")
    parser.add_argument("--filopodia", type=int, default=None, help="filopodia of a cell; the cell type's by default")
    parser.add_argument("--every", type=int, default=10, help="every n-th slice is drawn")
    parser.add_argument("--shake", type=float, default=0.0, help="error of the drawing hand, voxels")
    parser.add_argument("--factor", type=float, default=472 / 256, help="down-scaling, the paper's by default")
    parser.add_argument("--preset", choices=train.LEVELS[1:], default="quick", help="size of the networks")
    parser.add_argument("--minutes", type=float, default=20.0, help="length of each training")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    keep_settings(options)
    simulate_cells(options.out / "test", options.cells, TEST_SEED, options)
    if set(options.conditions) - {"filled"}:
        simulate_cells(options.out / "train", options.train, 0, options)
    rows = {}
    for condition in options.conditions:
        rows[condition] = measure_condition(condition, results_of(condition, options.out, options), options.out)
    print_tables(rows, options.out)


if __name__ == "__main__":
    main()

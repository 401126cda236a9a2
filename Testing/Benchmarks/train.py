"""How well networks learn in few minutes: hippocampus crops and simulated cells, nnU-Net v2 beside when given.

``python Testing/Benchmarks/train.py [--only hippocampus phantoms] [--minutes N] [--nnunet PYTHON] [--data FOLDER]``

hippocampus  15 crops of the Medical Segmentation Decathlon (``hippocampus`` in the data folder): the first 11 by name
             to train on, the other 4 to score; 6 minutes, and 1 minute.
phantoms     12 simulated cells of 96^3 voxels, 8 to train on, 4 to score, 10 minutes each from dense labels, from every
             tenth slice, and from labels filled between those slices.

nnU-Net runs in the interpreter given by --nnunet, on the same crops for the same minutes (see ``nnunet_peer.py``).
Dice is the mean over the scored volumes, on the labels' own grid, by ``ACSegLib.measure``. Minutes are wall-clock
minutes of training, so the figures hold for the machine printed with them and only if nothing else runs on it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import data_folder, machine, markdown_table, run_process, say

from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume

Pair = tuple[Volume, Segmentation]
TRAINING_CROPS = 11
TRAINING_PHANTOMS, SCORED_PHANTOMS = 8, 4
DRAWN_EVERY = 10
TARGETS = {
    "hippocampus 1 min": "mean >= 0.86",
    "hippocampus 6 min": "mean >= nnU-Net + 0.02",
    "phantoms dense": "cytoplasm >= 0.97, bead >= 0.90",
    "phantoms sparse": "within 0.02 of dense",
    "phantoms filled": "within 0.01 of dense",
}


def hippocampus(folder: Path) -> list[Pair]:
    """The crops of a data folder, by name; labels 1 (anterior) and 2 (posterior)."""
    from ACSegLib.files import open_segmentation, open_volume

    pairs = []
    for image in sorted((folder / "hippocampus" / "images").iterdir()):
        labels = folder / "hippocampus" / "labels" / image.name
        pairs.append((open_volume(image), open_segmentation(labels)))
    return pairs


def phantoms(size: int) -> list[Pair]:
    """Simulated cells of several types, seeds 0 to 11."""
    from ACSegLib.phantom import simulate
    from ACSegLib.phantom.recipe import KINDS

    kinds = list(KINDS)
    found = []
    for seed in range(TRAINING_PHANTOMS + SCORED_PHANTOMS):
        phantom = simulate(size=size, seed=seed, kind=kinds[seed % len(kinds)])
        phantom.volume.name = f"{kinds[seed % len(kinds)]} {seed}"
        found.append((phantom.volume, phantom.truth))
    return found


def thinned(pairs: Sequence[Pair], filled: bool) -> list[Pair]:
    """Labels drawn on every tenth slice alone, or filled between those."""
    from ACSegLib.phantom import annotate

    found = []
    for volume, truth in pairs:
        drawn, slices = annotate(truth, every=DRAWN_EVERY)
        if filled:
            from ACSegLib.fill import fill

            drawn = fill(volume, drawn, axis="k", slices=slices).segmentation
        found.append((volume, drawn))
    return found


def learn(name: str, training: Sequence[Pair], scored: Sequence[Pair], minutes: float, preset: str) -> dict[str, Any]:
    """Train for some minutes on all of `training` (nothing held back, as the peers do) and score the last weights."""
    from ACSegLib.measure.overlap import compare_segmentations
    from ACSegLib.network.inference import PredictionSettings, predict
    from ACSegLib.network.settings import TrainingSettings
    from ACSegLib.network.training import train

    last = [0.0]

    def report(fraction: float, message: str) -> None:
        if time.monotonic() - last[0] > 20:
            say(f"  {name}: {message}")
            last[0] = time.monotonic()

    settings = TrainingSettings(preset=preset, minutes=minutes, validation_part=0.0, device="cpu")
    cpu = time.process_time()
    result = train(training, settings, Progress(report))
    cpu = time.process_time() - cpu
    dice: dict[str, list[float]] = {}
    started = time.perf_counter()
    for volume, truth in scored:
        found = predict(volume, result.model, PredictionSettings(device="cpu")).segmentation
        for row in compare_segmentations(found, truth, distances=False):
            dice.setdefault(str(row["segment"]), []).append(float(row["dice"]))
    seconds = (time.perf_counter() - started) / len(scored)
    means = {segment: float(np.mean(values)) for segment, values in dice.items()}
    return {
        "name": name,
        "dice": means,
        "mean": float(np.mean(list(means.values()))),
        "steps": result.model.card["steps"],
        "patch": list(result.plan.patch_size),
        "cpu_s": cpu,
        "predict_s": seconds,
    }


def nnunet(python: str, training: Sequence[Pair], scored: Sequence[Pair], minutes: float) -> dict[str, Any]:
    """Train nnU-Net v2 in its own interpreter for the same minutes, and score it the same way."""
    from ACSegLib.files import open_segmentation, save_segmentation, save_volume
    from ACSegLib.measure.overlap import compare_segmentations

    with tempfile.TemporaryDirectory(prefix="acseg-nnunet-") as name:
        folder = Path(name)
        for sub, pairs in (("train", training), ("score", scored)):
            (folder / sub).mkdir()
            for n, (volume, labels) in enumerate(pairs):
                save_volume(volume, folder / sub / f"case_{n:02d}_0000.nii.gz")
                save_segmentation(labels, folder / sub / f"case_{n:02d}.nii.gz")
        names = [segment.name for segment in training[0][1].segments]
        (folder / "job.json").write_text(json.dumps({"minutes": minutes, "segments": names}))
        script = Path(__file__).with_name("nnunet_peer.py")
        found = run_process([python, str(script), str(folder)], folder, timeout_s=60 * minutes + 900)
        if "error" in found:
            return {"name": f"nnU-Net v2 {minutes:g} min", **found}
        dice: dict[str, list[float]] = {}
        for n, (_, truth) in enumerate(scored):
            result = open_segmentation(folder / "results" / f"case_{n:02d}.nii.gz")
            for mine, his in zip(result.segments, truth.segments, strict=False):
                mine.name = his.name
            for row in compare_segmentations(result, truth, distances=False):
                dice.setdefault(str(row["segment"]), []).append(float(row["dice"]))
    means = {segment: float(np.mean(values)) for segment, values in dice.items()}
    mean = float(np.mean(list(means.values())))
    return {"name": f"nnU-Net v2 {minutes:g} min", "dice": means, "mean": mean, **found}


def run_hippocampus(folder: Path, lengths: Sequence[float], python: str | None) -> list[dict[str, Any]]:
    """All rows of the hippocampus crops."""
    pairs = hippocampus(folder)
    training, scored = pairs[:TRAINING_CROPS], pairs[TRAINING_CROPS:]
    rows = [learn(f"hippocampus {m:g} min", training, scored, m, "quick") for m in lengths]
    if python:
        rows += [nnunet(python, training, scored, m) for m in lengths]
    return rows


def run_phantoms(size: int, minutes: float, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """All rows of the simulated cells."""
    say(f"simulating {TRAINING_PHANTOMS + SCORED_PHANTOMS} cells of {size}^3")
    pairs = phantoms(size)
    training, scored = pairs[:TRAINING_PHANTOMS], pairs[TRAINING_PHANTOMS:]
    rows = []
    for kind in kinds:
        used = training if kind == "dense" else thinned(training, filled=kind == "filled")
        rows.append(learn(f"phantoms {kind}", used, scored, minutes, "quick"))
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = []
    for row in rows:
        if "error" in row:
            lines.append([row["name"], row["error"], "", "", "", "", ""])
            continue
        by_segment = ", ".join(f"{name} {value:.3f}" for name, value in row["dice"].items())
        lines.append(
            [
                row["name"],
                by_segment,
                f"{row['mean']:.3f}",
                TARGETS.get(row["name"], ""),
                row.get("steps", ""),
                f"{row['cpu_s']:.0f}" if "cpu_s" in row else "",
                f"{row['predict_s']:.2f}" if "predict_s" in row else "",
            ]
        )
    header = ["case", "Dice", "mean", "target", "steps", "CPU s", "s/volume to predict"]
    return markdown_table(header, lines)


def main() -> None:
    """Run what was asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=["hippocampus", "phantoms"], default=["hippocampus", "phantoms"])
    parser.add_argument("--minutes", type=float, nargs="+", help="lengths of the hippocampus runs (default 1 and 6)")
    parser.add_argument("--phantom-minutes", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=96, help="voxels a side of the phantoms")
    parser.add_argument(
        "--labels", nargs="+", choices=["dense", "sparse", "filled"], default=["dense", "sparse", "filled"]
    )
    parser.add_argument("--nnunet", metavar="PYTHON", help="interpreter with nnunetv2")
    parser.add_argument("--data", help="folder of the real volumes (default: ACSEG_DATA, ../shared/data)")
    parser.add_argument("--json", help="also write the rows here")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if "hippocampus" in arguments.only:
        folder = data_folder(arguments.data)
        if folder is None or not (folder / "hippocampus").is_dir():
            say("hippocampus: left out, the data folder has no 'hippocampus' (give --data)")
        else:
            rows += run_hippocampus(folder, arguments.minutes or [1.0, 6.0], arguments.nnunet)
    if "phantoms" in arguments.only:
        rows += run_phantoms(arguments.size, arguments.phantom_minutes, arguments.labels)
    print(table(rows))
    print(json.dumps(machine()))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()

"""What ``train.py`` measures: data sets, trainings of a fixed length, the peer, and the tests of robustness."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import ROOT, run_process, say

from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume

Pair = tuple[Volume, Segmentation]
TRAINING_CROPS = 11
TRAINING_PHANTOMS, SCORED_PHANTOMS = 8, 4
DRAWN_EVERY = 10
_SAY_EVERY_S = 20.0

#: Tests of what must not go wrong, as words of their names.
ROBUSTNESS = (
    "goes_on_exactly or sigterm or two_processes or cancelled_at_any_moment or cut_file or bad_header or crafted or "
    "bad_checkpoints or out_of_memory or no_space or disk_that_fills"
)
ROBUSTNESS_FILES = (
    "network/train/test_resume.py",
    "network/train/test_training_errors.py",
    "network/train/test_distributed.py",
    "network/model/test_model_file.py",
    "network/predict/test_inference.py",
    "network/biomedisa/test_biomedisa_model.py",
    "commands/test_train.py",
)


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
    from ACSegLib.phantom import label_slices

    found = []
    for volume, truth in pairs:
        drawn, slices = label_slices(truth, every=DRAWN_EVERY)
        if filled:
            from ACSegLib.fill import fill

            drawn = fill(volume, drawn, axis="k", slices=slices).segmentation
        found.append((volume, drawn))
    return found


def learn(
    name: str,
    training: Sequence[Pair],
    scored: Sequence[Pair],
    minutes: float,
    keep: Path | None = None,
    *,
    light: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Train for some minutes on all of `training` (nothing held back, as the peers do) and score the last weights.

    `keep` names a model file to write, for ``predict.py --first``; `light` is that of ``acseg train``.
    """
    from ACSegLib.network.model.model_file import save_model
    from ACSegLib.network.predict.inference import PredictionSettings, predict
    from ACSegLib.network.train.plan import PlanOverrides
    from ACSegLib.network.train.settings import TrainingSettings
    from ACSegLib.network.train.training import train

    last = [0.0]

    def report(fraction: float, message: str) -> None:
        if time.monotonic() - last[0] > _SAY_EVERY_S:
            say(f"  {name}: {message}")
            last[0] = time.monotonic()

    settings = TrainingSettings(
        preset="quick",
        minutes=minutes,
        validation_part=0.0,
        device="cpu",
        seed=seed,
        overrides=PlanOverrides(light=light or None),
    )
    cpu = time.process_time()
    result = train(training, settings, Progress(report))
    cpu = time.process_time() - cpu
    if keep is not None:
        save_model(result.model, keep)
    started = time.perf_counter()
    found = [predict(volume, result.model, PredictionSettings(device="cpu")).segmentation for volume, _ in scored]
    seconds = (time.perf_counter() - started) / len(scored)
    return {
        "name": name,
        "minutes": minutes,
        **dice_of(found, [truth for _, truth in scored]),
        "steps": result.model.card["steps"],
        "patch": list(result.plan.patch_size),
        "cpu_s": cpu,
        "predict_s": seconds,
    }


def dice_of(found: Sequence[Segmentation], truths: Sequence[Segmentation]) -> dict[str, Any]:
    """Mean Dice of each segment over the volumes, and the mean of those."""
    from ACSegLib.measure.overlap import compare_segmentations

    dice: dict[str, list[float]] = {}
    for one, truth in zip(found, truths, strict=True):
        for row in compare_segmentations(one, truth, distances=False):
            dice.setdefault(str(row["segment"]), []).append(float(row["dice"]))
    means = {segment: float(np.nanmean(values)) for segment, values in dice.items()}
    return {"dice": means, "mean": float(np.mean(list(means.values())))}


def nnunet(python: str, training: Sequence[Pair], scored: Sequence[Pair], minutes: float) -> dict[str, Any]:
    """Train nnU-Net v2 in its own interpreter for the same minutes, and score it the same way."""
    from ACSegLib.files import open_segmentation, save_segmentation, save_volume

    name = f"nnU-Net v2 {minutes:g} min"
    with tempfile.TemporaryDirectory(prefix="acseg-nnunet-") as place:
        folder = Path(place)
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
            return {"name": name, "minutes": minutes, **found}
        results = []
        for n, (_, truth) in enumerate(scored):
            result = open_segmentation(folder / "results" / f"case_{n:02d}.nii.gz")
            by_value = {segment.value: segment.name for segment in truth.segments}
            for segment in result.segments:  # NIfTI keeps no names, and an empty segment has no row in it
                segment.name = by_value[segment.value]
            results.append(result)
    return {"name": name, "minutes": minutes, **dice_of(results, [truth for _, truth in scored]), **found}


def gpu(python: str | None, device: str, side: int, steps: int) -> list[dict[str, Any]]:
    """Throughput of training steps: ACSeg's, and nnU-Net's network where its interpreter is given."""
    job = {"patch": [side] * 3, "batch": 2, "base": 32, "levels": 5, "steps": steps, "device": device}
    rows = []
    for method, name, program in (("acseg", "GPU ACSeg", sys.executable), ("nnunet", "GPU nnU-Net", python)):
        if program is None:
            continue
        with tempfile.TemporaryDirectory(prefix="acseg-gpu-") as place:
            folder = Path(place)
            (folder / "job.json").write_text(json.dumps(job))
            command = [program, str(Path(__file__).with_name("train_gpu.py")), method, str(folder)]
            rows.append({"name": name, **job, **run_process(command, folder)})
    return rows


def robustness() -> dict[str, Any]:
    """Run the tests of interruption, damage and shortage in a process of their own."""
    files = [str(ROOT / "Testing" / "Python" / name) for name in ROBUSTNESS_FILES]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", ROBUSTNESS, *files]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = (done.stdout.strip().splitlines() or ["pytest said nothing"])[-1]
    counted = re.search(r"(\d+) passed", last)
    passed = int(counted.group(1)) if counted else 0
    row = {"name": "robustness", "passed": passed, "seconds": time.perf_counter() - started}
    return row if done.returncode == 0 and passed else {**row, "error": last}

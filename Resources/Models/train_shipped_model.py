"""Train the model that ships with ACSeg: on simulated tomograms, and on parts of real ones whose licences allow it.

    python Resources/Models/train_shipped_model.py CACHE [--minutes 75 | --epochs 90] [--init cytoplasm.acseg]
    python Resources/Models/train_shipped_model.py CACHE --resume           # go on where it stopped
    python Resources/Models/train_shipped_model.py CACHE --hard 320 --empty 40 --real 64 --data DATA
    python Resources/Models/train_shipped_model.py CACHE --calibrate        # measure the offsets of its outputs anew

CACHE is a folder for the simulated volumes, the checkpoints, and the best model of each stage, kept between runs. The
seeds are fixed, so the volumes are the same on every computer. With --epochs the number of steps is fixed too, and
training is the same on the same device and library versions, however busy the computer is. No real data is used without
--real. --threads 1 leaves the other cores to other work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ACSegLib.compute import choose_device
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import Model, load_model, save_model
from ACSegLib.network.model.preprocessing import resample_image
from ACSegLib.network.predict.orientation import in_canonical_orientation
from ACSegLib.network.train.calibration import calibrate
from ACSegLib.network.train.data import Case
from ACSegLib.network.train.data import prepare as prepare_case
from ACSegLib.network.train.settings import TrainingSettings, make_fabric
from ACSegLib.network.train.training import train
from ACSegLib.volume import Segmentation, Volume

sys.path.insert(0, str(Path(__file__).parent))
from training_volumes import SEGMENTS, RealVolumes, Sizes, simulated

FIRST_SEED = {"train": 30_000, "val": 40_000, "hard": 50_000, "real": 60_000, "empty": 70_000}
VALIDATION_VOLUMES = 18
#: Mean sides of the simulated volumes, in voxels.
SMALLEST, LARGEST = 70, 120
#: Geometric mean of the sides of what the network sees: a whole specimen in one patch, whatever its voxel size.
WORKING_SIDE = 80
#: Mean side of the volumes, and share of the time: the first stage learns what a cell is at a third of the cost.
STAGES = {48: 0.55, WORKING_SIDE: 0.45}
#: Real and simulated tomograms on which this model is known to fail, for its card.
FAILS_ON = (
    f"detail thinner than about 1/{WORKING_SIDE} of the field of view (microvilli); flat holders are known from "
    "simulation alone; images of other methods"
)


def reduced(volume: Volume, truth: Segmentation, side: int) -> tuple[Volume, Segmentation]:
    """Bring both to a mean side: image by means, labels by the largest share of each new voxel; never larger."""
    factor = min(1.0, side / float(np.prod(volume.shape)) ** (1 / 3))
    k, j, i = (max(1, round(n * factor)) for n in volume.shape)
    if (k, j, i) == volume.shape:
        return volume, truth
    found = range(len(SEGMENTS) + 1)
    shares = [resample_image((truth.labels == value).astype(np.float32), (k, j, i)) for value in found]
    geometry = replace(volume.geometry, spacing=tuple(v / factor for v in volume.geometry.spacing))
    labels = np.argmax(shares, axis=0).astype(np.uint8)
    image = Volume(resample_image(volume.array, (k, j, i)), geometry, volume.name)
    return image, Segmentation((labels,), truth.segments, geometry, truth.name)


def prepare(folder: Path, part: str, count: int, data: Path | None = None) -> tuple[Path, Path]:
    """Simulate the volumes of one part that the cache lacks; give the folders of images and labels."""
    images, labels = folder / part / "images", folder / part / "labels"
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    sizes, real = Sizes(SMALLEST, LARGEST, WORKING_SIDE), RealVolumes(data) if part == "real" and data else None
    for seed in range(FIRST_SEED[part], FIRST_SEED[part] + count):
        image, label = images / f"varied-{seed}.nrrd", labels / f"varied-{seed}.seg.nrrd"
        if image.exists() and label.exists():
            continue
        made = real.draw(seed) if real else simulated(part, seed, sizes)
        volume, truth = reduced(*made, WORKING_SIDE)
        save_volume(volume, image)
        save_segmentation(truth, label)
        print(f"{part}: {image.name} {volume.shape}", file=sys.stderr)
    return images, labels


def train_model(options: argparse.Namespace) -> Model:
    """Train on the cached volumes, coarse to fine, and describe the result."""
    folder = options.cache
    counts = {
        "train": options.volumes,
        "hard": options.hard,
        "real": options.real,
        "empty": options.empty,
        "val": VALIDATION_VOLUMES,
    }
    folders = {part: prepare(folder, part, n, options.data) for part, n in counts.items() if n}
    model = load_model(options.init) if options.init else None
    if model is not None:  # a stage's model, or the shipped one, of which only the weights count
        # the volumes of the cache are reduced already
        model.preprocessing = replace(model.preprocessing, longest_side=None, mean_side=None)
    stages = options.stages or list(STAGES)
    for side in stages:
        share = STAGES.get(side, 1.0) / sum(STAGES.get(other, 1.0) for other in stages)
        done = folder / f"stage-{side}.acseg"
        if options.resume and done.exists():
            model = load_model(done)
            continue
        model = _train_stage(options, folders, side, share, model)
        save_model(model, done)
        print(f"stage {side}: {model.card['validation']['dice']} -> {done}", file=sys.stderr, flush=True)
    assert model is not None
    return describe(model, options)


def stage_settings(options: argparse.Namespace, side: int, share: float, model: Model | None) -> TrainingSettings:
    """Settings of the training at one mean side, for a share of the time."""
    checkpoint = options.cache / f"shipped-{side}.checkpoint"
    return TrainingSettings(
        preset="standard",
        augmentation="canonical",
        epochs=max(1, round(options.epochs * share)) if options.epochs else None,
        minutes=options.minutes * share if not options.epochs else None,
        learning_rate=options.learning_rate,
        device="auto",
        sparse="off",
        patience=0,
        seed=options.seed,
        init=model,
        checkpoint=checkpoint,
        resume=options.resume and checkpoint.exists(),
        force=True,  # a tomogram without a bead, or cut to background alone, teaches too
        overrides={"spacing": "none", "patch_size": (side,) * 3, "base": 16, "levels": 4, "residual": False},
    )


def _train_stage(
    options: argparse.Namespace, folders: dict[str, tuple[Path, Path]], side: int, share: float, model: Model | None
) -> Model:
    pairs = {
        part: [
            in_canonical_orientation(*reduced(open_volume(image), open_segmentation(label), side))
            for image, label in _files(*places)
        ]
        for part, places in folders.items()
    }
    settings = stage_settings(options, side, share, model)
    progress = Progress(_tell, metrics=lambda values: print(dict(values), file=sys.stderr, flush=True))
    training = [pair for part, found in pairs.items() if part != "val" for pair in found]
    return train(training, settings, progress, pairs["val"]).model


def describe(model: Model, options: argparse.Namespace) -> Model:
    """Say in the model how images are reduced for it, and in its card where it comes from."""
    model.preprocessing = replace(
        model.preprocessing, patch_size=(WORKING_SIDE,) * 3, mean_side=WORKING_SIDE, canonical_axes=True
    )
    started = f" --init {options.init.name}" if options.init else ""
    length = f"--epochs {options.epochs}" if options.epochs else f"--minutes {options.minutes:g}"
    model.card["initial_model"] = None
    model.card |= {
        "title": "ACSeg cytoplasm and beads",
        "licence": "Apache-2.0",
        "trained_on": _trained_on(options),
        "command": f"train_shipped_model.py CACHE {_volumes(options)} {length} --seed {options.seed}{started}",
        "works_on": "soft X-ray tomograms of cells in a capillary along any axis, any voxel size and grey scale; the "
        f"image is reduced to {WORKING_SIDE}^3 voxels, so a field of view of one to eight cells suits best",
        "fails_on": FAILS_ON,
    }
    model.card.pop("training", None)  # the seeds say it all; checksums of simulated files would only be ballast
    return model


def _volumes(options: argparse.Namespace) -> str:
    counts = {"--volumes": options.volumes, "--hard": options.hard, "--empty": options.empty, "--real": options.real}
    return " ".join(f"{name} {count}" for name, count in counts.items() if count)


def _trained_on(options: argparse.Namespace) -> str:
    made = options.volumes + options.hard + options.empty
    told = f"{made} simulated soft X-ray tomograms (ACSegLib.phantom.vary_packed and vary, seeds from "
    told += f"{FIRST_SEED['train']}); "
    if not options.real:
        return told + "no real data"
    return told + f"{options.real} parts of two real cells (a slice of a mouse fibroblast, Apache-2.0; HL-60, CC0)"


def calibrate_again(folder: Path, model: Model) -> Model:
    """Measure the offsets of a model's outputs on the validation volumes, which are simulated where they lack."""
    places = prepare(folder, "val", VALIDATION_VOLUMES)
    cases = []
    for image, label in _files(*places):
        case = Case.of(*in_canonical_orientation(open_volume(image), open_segmentation(label)), image.stem)
        cases.append(prepare_case(case, model.segments, model.preprocessing, None, "px", overlapping=False))
    fabric = make_fabric(TrainingSettings(), choose_device("auto").name)
    fabric.launch()
    return calibrate(model, cases, fabric, Progress(_tell))


def _files(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    return [(image, labels / image.name.replace(".nrrd", ".seg.nrrd")) for image in sorted(images.glob("*.nrrd"))]


def _tell(fraction: float, message: str) -> None:
    print(f"{100 * fraction:5.1f} % {message}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, help="folder for the simulated volumes and the stages' models")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("cytoplasm.acseg"))
    parser.add_argument("--volumes", type=int, default=320)
    parser.add_argument("--hard", type=int, default=0, help="volumes of what an earlier model found hard")
    parser.add_argument("--empty", type=int, default=0, help="volumes without a cell")
    parser.add_argument("--real", type=int, default=0, help="parts of real tomograms, from --data")
    parser.add_argument("--data", type=Path, help="folder of the real tomograms (sxt_mef_slices, hl60_odt)")
    parser.add_argument("--epochs", type=int, help="of 50 steps, both stages together; else --minutes")
    parser.add_argument("--minutes", type=float, default=75.0, help="of both stages together")
    parser.add_argument("--stages", type=int, nargs="+", metavar="SIDE", help="mean sides; left out: 48 64")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--init", type=Path, help="model whose weights to start with")
    parser.add_argument("--resume", action="store_true", help="go on with the stages and checkpoints of the cache")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="processor threads; left out: all")
    parser.add_argument("--calibrate", action="store_true", help="calibrate the output file again, without training")
    options = parser.parse_args(arguments)
    if options.real and not options.data:
        parser.error("--real needs --data, the folder that holds sxt_mef_slices and hl60_odt.")
    if options.threads:
        import numba
        import torch

        torch.set_num_threads(options.threads)
        numba.set_num_threads(options.threads)
    if options.calibrate:
        save_model(calibrate_again(options.cache, load_model(options.output)), options.output)
        return 0
    save_model(train_model(options), options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())

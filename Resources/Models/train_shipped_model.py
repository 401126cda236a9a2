"""Train the model that ships with ACSeg, on simulated tomograms alone.

    python Resources/Models/train_shipped_model.py CACHE [--epochs 44] [--volumes 160]
    python Resources/Models/train_shipped_model.py CACHE --calibrate        # measure the offsets of its outputs anew

CACHE is a folder for the simulated volumes, kept between runs. The seeds are fixed, so the volumes are the same on
every computer; the number of steps is fixed too, so training is the same on the same device and library versions,
however busy the computer is. No real data is used.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.jobs import Progress
from ACSegLib.network.calibration import calibrate
from ACSegLib.network.data import Case
from ACSegLib.network.data import prepare as prepare_case
from ACSegLib.network.model_file import Model, load_model, save_model
from ACSegLib.network.preprocessing import resample_image
from ACSegLib.network.settings import TrainingSettings, choose_device, make_fabric
from ACSegLib.network.training import train
from ACSegLib.network.working_grid import working_shape
from ACSegLib.phantom import Phantom, simulate, vary
from ACSegLib.volume import Segmentation, Volume

FIRST_SEED = {"train": 10_000, "val": 20_000}
VALIDATION_VOLUMES = 15
SMALLEST, LARGEST = 48, 112
#: Longest side of what the network sees: a whole specimen in one patch, whatever its voxel size.
WORKING_SIDE = 64
#: Longest side and share of the epochs: the first stage learns what a cell is at a quarter of the cost of a step.
STAGES = ((40, 0.7), (WORKING_SIDE, 0.3))


def varied_phantom(seed: int) -> Phantom:
    """Simulate one tomogram of a random specimen, size, voxel size, dose and artefacts."""
    rng = np.random.default_rng([seed, 3])
    side = int(rng.integers(SMALLEST, LARGEST + 1))
    depth = int(np.clip(side * rng.uniform(0.7, 1.25), 40, LARGEST))
    # Every cell counts as cytoplasm: a network cannot know which of several touching cells a person would have drawn.
    recipe = vary(seed, neighbour="cytoplasm" if rng.random() < 0.6 else "none")
    return simulate((depth, side, side), seed, recipe=recipe)


def disturbed(phantom: Phantom) -> tuple[Volume, Segmentation]:
    """Add what files of different origin have: other grey scales, a field of view cut round, cut cells."""
    rng = np.random.default_rng([phantom.seed, 4])
    array = phantom.volume.array.astype(np.float32)
    labels = phantom.truth.labels.copy()
    if rng.random() < 0.4:  # a crop that cuts through cells
        keep = [slice(int(n * a), int(n * b)) for n, a, b in zip(array.shape, *_crop(rng), strict=True)]
        array, labels = array[tuple(keep)], labels[tuple(keep)]
    if rng.random() < 0.35:  # nothing is reconstructed outside the circle that every view saw
        j, i = (np.arange(n) - (n - 1) / 2 for n in array.shape[1:])
        outside = np.hypot(j[:, None] / array.shape[1], i / array.shape[2]) > 0.5
        array = np.where(outside, np.float32(rng.choice([0.0, float(array.min()), float(np.median(array))])), array)
        labels = np.where(outside, 0, labels).astype(labels.dtype)
    scale = 10.0 ** rng.uniform(-2, 4)
    array = (array * scale + rng.normal() * scale * 0.2).astype(np.float32)
    volume = Volume(array, phantom.volume.geometry, f"varied-{phantom.seed}")
    return volume, Segmentation((labels,), phantom.truth.segments, phantom.volume.geometry, volume.name)


def reduced(volume: Volume, truth: Segmentation, side: int) -> tuple[Volume, Segmentation]:
    """Bring both to a longest side: image by means, labels by the largest share of each new voxel."""
    shape = working_shape(volume.shape, side)
    if shape == volume.shape:
        return volume, truth
    shares = [resample_image((truth.labels == value).astype(np.float32), shape) for value in range(3)]
    factor = volume.shape[1] / shape[1]
    geometry = replace(volume.geometry, spacing=tuple(v * factor for v in volume.geometry.spacing))
    labels = np.argmax(shares, axis=0).astype(np.uint8)
    image = Volume(resample_image(volume.array, shape), geometry, volume.name)
    return image, Segmentation((labels,), truth.segments, geometry, truth.name)


def _crop(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    start = rng.uniform(0.0, 0.3, 3) * (rng.random(3) < 0.6)
    stop = 1 - rng.uniform(0.0, 0.3, 3) * (rng.random(3) < 0.6)
    return start, stop


def prepare(folder: Path, part: str, count: int) -> tuple[Path, Path]:
    """Simulate the volumes of one part that the cache lacks; give the folders of images and labels."""
    images, labels = folder / part / "images", folder / part / "labels"
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    for seed in range(FIRST_SEED[part], FIRST_SEED[part] + count):
        image, label = images / f"varied-{seed}.nrrd", labels / f"varied-{seed}.seg.nrrd"
        if image.exists() and label.exists():
            continue
        volume, truth = reduced(*disturbed(varied_phantom(seed)), WORKING_SIDE)
        save_volume(volume, image)
        save_segmentation(truth, label)
        print(f"{part}: {image.name} {volume.shape}", file=sys.stderr)
    return images, labels


def train_model(folder: Path, volumes: int, epochs: int, seed: int) -> Model:
    """Train on the cached volumes, coarse to fine, and describe the result."""
    folders = {part: prepare(folder, part, n) for part, n in (("train", volumes), ("val", VALIDATION_VOLUMES))}
    model = None
    for side, share in STAGES:
        pairs = {
            part: [reduced(open_volume(image), open_segmentation(label), side) for image, label in _files(*places)]
            for part, places in folders.items()
        }
        settings = TrainingSettings(
            preset="standard",
            epochs=max(1, round(epochs * share)),
            device="auto",
            sparse="off",
            patience=0,
            seed=seed,
            init=model,
            checkpoint=folder / f"shipped-{side}.checkpoint",
            insist=True,  # a tomogram without a bead, or cut to background alone, teaches too
            overrides={"spacing": "none", "patch_size": (side,) * 3, "base": 16, "levels": 4, "residual": False},
        )
        progress = Progress(_tell, metrics=lambda values: print(dict(values), file=sys.stderr, flush=True))
        model = train(pairs["train"], settings, progress, pairs["val"]).model
        model.preprocessing["patch_size"] = [WORKING_SIDE] * 3
    assert model is not None
    model.preprocessing["longest_side"] = WORKING_SIDE
    model.card["initial_model"] = None
    model.card |= {
        "title": "ACSeg cytoplasm and beads",
        "licence": "Apache-2.0",
        "trained_on": f"{volumes} simulated soft X-ray tomograms (ACSegLib.phantom.vary, seeds from "
        f"{FIRST_SEED['train']}); no real data",
        "command": f"train_shipped_model.py CACHE --volumes {volumes} --epochs {epochs} --seed {seed}",
        "works_on": "soft X-ray tomograms of cells in a capillary, any voxel size and grey scale; the image is reduced "
        "to 64 voxels along its longest side, so a field of view of 8 to 20 um suits best",
        "fails_on": "detail thinner than about 1/64 of the field of view (filopodia: refine the surface); flat samples "
        "with a large missing wedge; several touching cells are one segment; the wall of a real capillary, where it is "
        "as bright as cells; images of other methods",
    }
    model.card.pop("training", None)  # the seeds say it all; checksums of simulated files would only be ballast
    return model


def calibrate_again(folder: Path, model: Model) -> Model:
    """Measure the offsets of a model's outputs on the validation volumes, which are simulated where they lack."""
    places = prepare(folder, "val", VALIDATION_VOLUMES)
    cases = []
    for image, label in _files(*places):
        case = Case.of(open_volume(image), open_segmentation(label), image.stem)
        cases.append(prepare_case(case, model.segments, model.preprocessing, None, "px", overlapping=False))
    fabric = make_fabric(TrainingSettings(), choose_device("auto"))
    fabric.launch()
    return calibrate(model, cases, fabric, Progress(_tell))


def _files(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    return [(image, labels / image.name.replace(".nrrd", ".seg.nrrd")) for image in sorted(images.glob("*.nrrd"))]


def _tell(fraction: float, message: str) -> None:
    print(f"{100 * fraction:5.1f} % {message}", file=sys.stderr, flush=True)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, help="folder for the simulated volumes")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("cytoplasm.acseg"))
    parser.add_argument("--volumes", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=44, help="of 50 steps, both stages together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calibrate", action="store_true", help="calibrate the output file again, without training")
    arguments = parser.parse_args()
    if arguments.calibrate:
        save_model(calibrate_again(arguments.cache, load_model(arguments.output)), arguments.output)
        return 0
    save_model(train_model(arguments.cache, arguments.volumes, arguments.epochs, arguments.seed), arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())

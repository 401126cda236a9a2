"""Checksums of what fill, refill, predict, train, measure and compare give, to prove that a change kept behaviour.

    python Testing/Benchmarks/golden.py before.json                       # compute and save
    python Testing/Benchmarks/golden.py after.json --against before.json  # and name what differs; exit code 1 if any

Run both on one computer: threads and precision are fixed, but processors round differently. Every case goes through the
shell's commands (and `ACSegLib.fill` for the refill), so the script outlives any change inside the library. Cases on
real volumes need ``../shared/data`` (or ``--data``, or ``ACSEG_DATA``) and are named as missing without it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from harness import data_folder, say

THREADS = "2"
#: Variables that fix the number of threads, so that sums are added in the same order.
ENVIRONMENT = {name: THREADS for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")}
#: Columns of tables that may differ between two runs of the same code.
VOLATILE = ("seconds", "path", "image", "file")
#: Volumes are cropped to this many voxels an axis, so that the whole script takes minutes.
MAX_SIDE = 96

Checksums = Iterator[tuple[str, str]]


def acseg(*words: object) -> None:
    """Run one shell command; its error ends the script."""
    command = [sys.executable, "-m", "ACSegLib", *map(str, words), "--quiet"]
    done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")


def digest(array: np.ndarray) -> str:
    """Short checksum of an array's type, shape and values."""
    text = f"{array.dtype}{array.shape}".encode()
    return hashlib.sha256(text + np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def of_image(path: Path) -> str:
    """Checksum of an image file's voxels, read by SimpleITK."""
    import SimpleITK

    return digest(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))


def of_table(path: Path) -> str:
    """Checksum of a CSV table, without columns that vary from run to run."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{key: value for key, value in row.items() if key not in VOLATILE} for row in csv.DictReader(file)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def of_model(path: Path) -> str:
    """Checksum of a model's weights; the header, which holds the date, is left out."""
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()[:16]


def save(array: np.ndarray, path: Path) -> Path:
    """Write an array by SimpleITK."""
    import SimpleITK

    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.ascontiguousarray(array)), str(path))
    return path


def sparse(labels: np.ndarray, every: int) -> np.ndarray:
    """Labels on every n-th slice, zero elsewhere."""
    kept = np.zeros_like(labels)
    kept[every // 2 :: every] = labels[every // 2 :: every]
    return kept


def phantom_cases(folder: Path) -> Checksums:
    """Simulate; fill with each kind of option; refill; predict; measure; compare."""
    acseg("phantom", "-o", folder, "--size", 64, "--seed", 3, "--count", 2, "--every", 8)
    names = sorted(p.stem for p in (folder / "images").glob("*.nrrd"))
    for name in names:
        yield f"phantom image {name}", of_image(folder / "images" / f"{name}.nrrd")
        yield f"phantom truth {name}", of_image(folder / "truth" / f"{name}.seg.nrrd")
    image, labels = folder / "images" / f"{names[0]}.nrrd", folder / "sparse" / f"{names[0]}.seg.nrrd"
    result = folder / "filled.nrrd"
    for title, options in {
        "defaults": ["--uncertainty", folder / "u.nrrd"],
        "cleaned": ["--islands", "20", "--holes", "50", "--smooth", "1"],
        "prior given": ["--gamma", "0.3", "--edge", "2"],
        "scribbles": ["--mode", "scribbles", "--background", "bead"],
        "all axes": ["--axis", "all"],
    }.items():
        acseg("fill", image, labels, "-o", result, *options)
        yield f"fill phantom, {title}", of_image(result)
    yield "fill phantom, uncertainty", of_image(folder / "u.nrrd")
    acseg("compare", result, folder / "truth" / f"{names[0]}.seg.nrrd", "-o", folder / "compare.csv")
    yield "compare phantom", of_table(folder / "compare.csv")
    acseg("measure", folder / "truth" / f"{names[0]}.seg.nrrd", "--image", image, "-o", folder / "measure.csv")
    yield "measure phantom", of_table(folder / "measure.csv")
    yield from refill_cases(image, labels)
    yield from predict_cases("phantom", image, folder)


def refill_cases(image: Path, labels: Path) -> Checksums:
    """A refill after a labelled slice was erased, and after it was put back."""
    from ACSegLib.files import open_segmentation, open_volume
    from ACSegLib.fill import fill, refill

    volume, complete = open_volume(image), open_segmentation(labels)
    first = fill(volume, complete)
    fewer = open_segmentation(labels)
    slices = np.flatnonzero(fewer.layers[0].any(axis=(1, 2)))
    fewer.layers[0][slices[len(slices) // 2]] = 0
    for title, drawn in (("slice erased", fewer), ("slice put back", complete)):
        first = refill(first, drawn)
        yield f"refill phantom, {title}", digest(np.stack(first.segmentation.layers))
        yield f"refill phantom, {title}, uncertainty", digest(first.uncertainty)


def predict_cases(name: str, image: Path, folder: Path) -> Checksums:
    """Predictions by the pretrained model, by both backends and with each refinement of the surface."""
    result = folder / "predicted.nrrd"
    for backend in ("pytorch", "openvino"):
        for refinement in ("none", "walk"):
            words = ["--engine", backend, "--refine", refinement, "--precision", "float32", "--device", "cpu"]
            acseg("predict", image, "-o", result, *words)
            yield f"predict {name}, {backend}, refinement {refinement}", of_image(result)


def train_cases(folder: Path) -> Checksums:
    """Twenty steps on labels of every kind; the weights and a prediction with them."""
    acseg("phantom", "-o", folder, "--size", 40, "--seed", 11, "--count", 2, "--every", 8)
    images = folder / "images"
    for kind, labels in (("truth", "truth"), ("drawn", "sparse")):
        model = folder / f"{kind}.acseg"
        acseg(
            *("train", "--images", images, "--labels", folder / labels, "-o", model, "--epochs", 1),
            *("--steps-per-epoch", 20, "--patch", 32, 32, 32, "--batch", 2, "--base-filters", 8, "--levels", 3),
            *("--precision", "float32", "--device", "cpu", "--seed", 5, "--force"),
        )
        yield f"train on {kind}, weights", of_model(model)
        image = sorted(images.glob("*.nrrd"))[0]
        acseg("predict", image, "-m", model, "-o", folder / "p.nrrd", "--precision", "float32", "--device", "cpu")
        yield f"train on {kind}, prediction", of_image(folder / "p.nrrd")


def real_cases(data: Path, folder: Path) -> Checksums:
    """Fill, predict, measure and compare on the real volumes."""
    import SimpleITK

    cell = data / "sxt_cell_in_capillary"
    result = folder / "filled.nrrd"
    acseg("fill", cell / "cell.rec", cell / "cell.labels", "-o", result, "--ignore", "ignore")
    yield "fill sxt_cell", of_image(result)
    yield from predict_cases("sxt_cell", cell / "cell.rec", folder)
    pairs = {
        "hippocampus": (data / "hippocampus/images/hippocampus_001.nii.gz", data / "hippocampus/labels"),
        "nuclei": (data / "nuclei/nuclei.tif", data / "nuclei/nuclei_label.tif"),
    }
    for name, (image, labels) in pairs.items():
        labels = labels / image.name if labels.is_dir() else labels
        crop = (slice(0, MAX_SIDE),) * 3
        small = [SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[crop] for path in (image, labels)]
        paths = [save(small[0].astype(np.float32), folder / name / "image.nrrd")]
        paths += [save(a, folder / name / f"{n}.nrrd") for n, a in (("truth", small[1]), ("s", sparse(small[1], 8)))]
        acseg("fill", paths[0], paths[2], "-o", result)
        yield f"fill {name}", of_image(result)
        for command, words in (("measure", [paths[1]]), ("compare", [result, paths[1], "--instances"])):
            acseg(command, *words, "-o", folder / "table.csv")
            yield f"{command} {name}", of_table(folder / "table.csv")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="JSON file for the checksums")
    parser.add_argument("--against", type=Path, help="checksums to compare with")
    parser.add_argument("--only", help="comma-separated: phantom, train, real")
    parser.add_argument("--data", help="folder of the real volumes")
    arguments = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    data = data_folder(arguments.data)
    parts: dict[str, Callable[[Path], Checksums]] = {"phantom": phantom_cases, "train": train_cases}
    if data is not None:
        parts["real"] = lambda folder: real_cases(data, folder)
    else:
        say("real: missing, no folder of real volumes was found")
    wanted = arguments.only.split(",") if arguments.only else list(parts)
    sums: dict[str, str] = {}
    for part in wanted:
        with tempfile.TemporaryDirectory(prefix="acseg-golden-") as folder:
            for name, value in parts[part](Path(folder)):
                say(f"{value}  {name}")
                sums[name] = value
    arguments.output.write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")
    if arguments.against is None:
        return 0
    before = json.loads(arguments.against.read_text(encoding="utf-8"))
    changed = [name for name in sums if before.get(name) != sums[name]]
    print(f"{len(sums) - len(changed)} of {len(sums)} checksums are equal")
    for name in changed:
        print(f"differs: {name} ({before.get(name, 'not there before')} -> {sums[name]})")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
